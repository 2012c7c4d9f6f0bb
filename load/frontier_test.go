package load

import (
	"testing"

	"syncd/extract"
)

// In a table that the run made itself nothing is compared beyond what it has loaded; what it has loaded is compared as ever.
func TestTableJustMadeIsComparedWhereItsScopesComeAgain(t *testing.T) {
	w := warehouse(t)
	p := people()
	r := started(t, w, p)
	loadInto(t, r, one([]string{"1", "2"}, p, person("1", "Ann", "30"), person("2", "Bob", "40")))
	loadInto(t, r, one([]string{"3"}, p, person("3", "Cleo", "50")))

	again := loadInto(t, r, one([]string{"2", "3"}, p, person("3", "Cleo", "51")))
	wantCounts(t, again, Counts{Read: 1, Updated: 1, Deleted: 1, Keys: 1, Stored: 2})
	same := loadInto(t, r, one([]string{"3", "4"}, p, person("3", "Cleo", "51"), person("4", "Dan", "60")))
	wantCounts(t, same, Counts{Read: 2, Inserted: 1, Unchanged: 1, Keys: 2, Stored: 1})
}

func TestRowsOfOneBatchHaveOneTimeAlsoWhereColumnsFillItIn(t *testing.T) {
	w := warehouse(t)
	p := people()
	r := started(t, w, p)
	loadInto(t, r, one([]string{"1", "2"}, p, person("1", "Ann", "30"), person("2", "Bob", "40")))
	if n := ask[int64](t, w, "SELECT count(*) FROM "+name(r.schema, p.Name)+" AS t JOIN syncd.batch AS b ON b.run_id = t._run_id"+
		" WHERE t._inserted_at = t._changed_at AND t._changed_at = b.committed_at"); n != 2 {
		t.Errorf("%d of 2 rows have the batch's time", n)
	}
}

func TestSameTellsSetsOfKeysApart(t *testing.T) {
	w := warehouse(t)
	p := people()
	r := started(t, w, p)
	loadInto(t, r, one([]string{"1", "2"}, p, person("1", "Ann", "30"), person("2", "Bob", "40")))
	for _, c := range []struct {
		keys []string
		want bool
	}{
		{[]string{"1", "2"}, true},
		{[]string{"2", "1"}, true},
		{[]string{"1"}, false},
		{[]string{"1", "3"}, false},
		{[]string{"1", "2", "3"}, false},
		{[]string{"12", ""}, false},
		{nil, false},
	} {
		set := new(extract.KeySet)
		for _, k := range c.keys {
			set.Add(k)
		}
		set.Sort()
		got, err := r.Stored().Same(t.Context(), p, set)
		if err != nil || got != c.want {
			t.Errorf("%q: same %v, want %v (%v)", c.keys, got, c.want, err)
		}
	}
}

// Fingerprints that are taken while rows are sent are those that would have been compared: the same rows again are unchanged.
func TestRowsOfATableJustMadeAreKnownAgain(t *testing.T) {
	w := warehouse(t)
	p := people()
	r := started(t, w, p)
	rows := [][]string{person("1", "Ann", "30"), person("2", "Bob", "40")}
	loadInto(t, r, one([]string{"1", "2"}, p, rows...))
	r = next(t, w, r, p)
	wantCounts(t, loadInto(t, r, one([]string{"1", "2"}, p, rows...)), Counts{Read: 2, Unchanged: 2, Keys: 2, Stored: 2})
}
