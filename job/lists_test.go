package job

import (
	"context"
	"testing"
	"time"

	"syncd/extract"
)

// shelves are what a warehouse holds, by table.
type shelves struct {
	extract.Stored
	keys map[*extract.Table][]string
}

func (s shelves) Same(_ context.Context, t *extract.Table, keys *extract.KeySet) (bool, error) {
	for _, k := range s.keys[t] {
		if !keys.Has(k) {
			return false, nil
		}
	}
	return keys.Len() == len(s.keys[t]), nil
}

func (s shelves) Keys(_ context.Context, t *extract.Table, yield func(string) error) error {
	for _, k := range s.keys[t] {
		if err := yield(k); err != nil {
			return err
		}
	}
	return nil
}

func TestASourceOfSeveralListsIsProvenListByList(t *testing.T) {
	t.Parallel()
	a, b := &extract.Table{Name: "a"}, &extract.Table{Name: "b"}
	early, late := time.Unix(1, 0), time.Unix(2, 0)
	for name, c := range map[string]struct {
		listed         map[*extract.Table][]string
		missing, extra int64
		holds, broken  bool
	}{
		"each as listed":           {map[*extract.Table][]string{a: {"1", "2"}, b: {"1"}}, 0, 0, true, false},
		"a list that was not read": {map[*extract.Table][]string{a: {"1", "2"}}, 0, 0, true, false},
		"none was read":            {nil, 0, 0, false, false},
		"one is missing":           {map[*extract.Table][]string{a: {"1", "2", "3"}, b: {"1"}}, 1, 0, false, true},
		"one is too many":          {map[*extract.Table][]string{a: {"1", "2"}, b: {}}, 0, 1, false, true},
	} {
		p := &extract.Proof{Listed: []extract.Listed{}}
		for table, keys := range c.listed {
			at := early
			if table == a {
				at = late
			}
			p.Listed = append(p.Listed, extract.Listed{Tables: []*extract.Table{table}, Keys: set(keys), At: at})
		}
		got, err := proveIDs(t.Context(), shelves{keys: map[*extract.Table][]string{a: {"1", "2"}, b: {"1"}}}, p)
		if err != nil || got.Holds != c.holds || got.Broken != c.broken || got.Counts["missing"] != c.missing || got.Counts["extra"] != c.extra {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if len(c.listed) == 2 && !got.At.Equal(early) {
			t.Errorf("%s: holds at %v, not at the time of the oldest list", name, got.At)
		}
	}
}

func TestChangedListsAreProvenEachForItself(t *testing.T) {
	t.Parallel()
	a, b := &extract.Table{Name: "a"}, &extract.Table{Name: "b"}
	read := &reread{ids: map[*extract.Table]*extract.KeySet{a: set([]string{"1"}), b: set([]string{"2"})}}
	changed := func(t *extract.Table, ids ...string) extract.Listed {
		return extract.Listed{Tables: []*extract.Table{t}, Keys: set(ids)}
	}
	if got := proveChanges(&extract.Proof{Changed: []extract.Listed{changed(a, "1"), changed(b, "2")}}, read); !got.Holds || got.Counts["read_again"] != 2 {
		t.Errorf("all were read: %+v", got)
	}
	if got := proveChanges(&extract.Proof{Changed: []extract.Listed{changed(a, "1"), changed(b, "1")}}, read); got.Holds || !got.Broken || got.Counts["missed"] != 1 {
		t.Errorf("one was read for another list only: %+v", got)
	}
}

func TestATableBelowAListHoldsAsManyRowsAsTheListHad(t *testing.T) {
	t.Parallel()
	top, below, other := &extract.Table{Name: "top"}, &extract.Table{Name: "below"}, &extract.Table{Name: "other"}
	p := &extract.Proof{Listed: []extract.Listed{{Tables: []*extract.Table{top, below}, Rows: []int64{2, 5}}}}
	for name, c := range map[string]struct {
		table        *extract.Table
		live         int64
		read         *tableTally
		doubt, fault bool
	}{
		"as many":                    {below, 5, &tableTally{}, false, false},
		"too few":                    {below, 4, &tableTally{}, false, true},
		"too many":                   {below, 6, &tableTally{}, false, true},
		"one was refused":            {below, 4, &tableTally{rejected: 1}, false, false},
		"a key could not be read":    {below, 4, &tableTally{unread: true}, true, false},
		"not listed":                 {other, 3, nil, true, false},
		"not listed and never there": {other, 0, nil, false, false},
	} {
		doubt, fault := proveListed(p, c.table, c.live, c.read, map[string]int64{})
		if (doubt != "") != c.doubt || (fault != "") != c.fault {
			t.Errorf("%s: doubt %q, fault %q", name, doubt, fault)
		}
	}
}
