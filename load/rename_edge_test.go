package load

import (
	"slices"
	"strings"
	"testing"

	"syncd/extract"
)

// A list of renames begins at the structure of the memo. A run that took one and did not come to its end leaves what it
// renamed; the next list begins where that one did.
func TestListThatBeginsWhereAnUnfinishedOneDidLeadsToItsOwnNames(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	a := form("a", "x", "y")
	r := started(t, w, a)
	sends := func(r *Run, f *extract.Table, e1, e2 string) *Result {
		return loadInto(t, r, &extract.Batch{
			Scope: about([]string{"1"}, f), Rows: []*extract.Rows{rowsOf(f, []string{"1", e1, "1", "x", "y"}, []string{"1", e2, "1", "x2", "y2"})},
			Marks: []extract.Mark{{Name: "m", Value: "1"}}, Memo: []byte("structure"),
		})
	}
	sends(r, a, "e", "f")
	before := times(t, w, "a")
	for i, c := range []struct {
		id     string
		table  *extract.Table
		list   []extract.Rename
		e1, e2 string
		memo   bool
	}{
		{"swapped", form("b", "y", "x"), []extract.Rename{renamedTable("a", "b"), renamedColumn("b", "x", "y"), renamedColumn("b", "y", "x"), renamedValue("b", "e", "f"), renamedValue("b", "f", "e")}, "f", "e", false},
		{"otherwise", form("c", "y", "z"), []extract.Rename{renamedTable("a", "c"), renamedColumn("c", "x", "y"), renamedColumn("c", "y", "z"), renamedValue("c", "e", "g")}, "g", "f", false},
		{"as it was", form("a", "x", "y"), nil, "e", "f", false},
		{"swapped", form("b", "y", "x"), []extract.Rename{renamedTable("a", "b"), renamedColumn("b", "x", "y"), renamedColumn("b", "y", "x"), renamedValue("b", "e", "f"), renamedValue("b", "f", "e")}, "f", "e", true},
		{"swapped back", form("a", "x", "y"), []extract.Rename{renamedTable("b", "a"), renamedColumn("a", "x", "y"), renamedColumn("a", "y", "x"), renamedValue("a", "e", "f"), renamedValue("a", "f", "e")}, "e", "f", true},
		{"swapped", form("b", "y", "x"), []extract.Rename{renamedTable("a", "b"), renamedColumn("b", "x", "y"), renamedColumn("b", "y", "x"), renamedValue("b", "e", "f"), renamedValue("b", "f", "e")}, "f", "e", true},
	} {
		r = following(t, w, r)
		change := mustAgree(t, r, renames(c.id, []*extract.Table{c.table}, c.list...))
		if len(change.Pending)+len(change.Blocked) > 0 || slices.ContainsFunc(change.Applied, func(c Change) bool { return c.Kind != kindRename && c.Kind != kindValues }) {
			t.Fatalf("%d %s: %+v", i, c.id, change)
		}
		got := strings.Fields(content(t, w, "asthma", c.table.Name, "event", c.table.Columns[3].Name, c.table.Columns[4].Name))
		want := []string{c.e1 + ",x,y", c.e2 + ",x2,y2"}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%d %s: table holds %s, want %s", i, c.id, got, want)
		}
		if !c.memo {
			continue
		}
		settled(t, sends(r, c.table, c.e1, c.e2), 2)
		if got := times(t, w, c.table.Name); got != before {
			t.Errorf("%d %s: times moved", i, c.id)
		}
	}
	if n := archivedRows(t, w); n != 0 {
		t.Errorf("%d rows in the archive", n)
	}
}

func TestValueWhoseKeyIsTakenIsLeftToTheBatchThatFollows(t *testing.T) {
	t.Parallel()
	w, a := warehouse(t), form("a", "x")
	r := started(t, w, a)
	loadInto(t, r, one([]string{"1", "2"}, a, []string{"1", "e", "1", "old"}, []string{"1", "f", "1", "new"}, []string{"2", "e", "1", "moves"}))
	r = following(t, w, r)
	mustAgree(t, r, renames("1", []*extract.Table{a}, extract.Rename{Kind: extract.RenameValue, Table: "a", Column: "event", Old: "e", New: "f"}))
	if got := content(t, w, "asthma", "a", "record_id", "event", "x"); got != "1,e,old 1,f,new 2,f,moves" {
		t.Errorf("table holds %s", got)
	}
	wantCounts(t, loadInto(t, r, one([]string{"1", "2"}, a, []string{"1", "f", "1", "new"}, []string{"2", "f", "1", "moves"})),
		Counts{Read: 2, Unchanged: 1, Reencoded: 1, Deleted: 1})
}

// A fingerprint that was taken before a rename must not make a changed row look unchanged.
func TestFingerprintOfBeforeARenameStandsForNothing(t *testing.T) {
	t.Parallel()
	w, a, b := warehouse(t), form("a", "x", "y"), form("a", "z", "x")
	r := started(t, w, a)
	before, after := extract.NewRows(a), extract.NewRows(b)
	noted(before, []string{"1", "", "1", null, null}, "x=misfit")
	loadInto(t, r, &extract.Batch{Scope: about([]string{"1"}, a), Rows: []*extract.Rows{before}})
	r = following(t, w, r)
	mustAgree(t, r, renames("1", []*extract.Table{b}, extract.Rename{Kind: extract.RenameColumn, Table: "a", Old: "x", New: "z"},
		extract.Rename{Kind: extract.RenameColumn, Table: "a", Old: "y", New: "x"}))
	// The very row that was stored, in other words: the note is about another column now.
	noted(after, []string{"1", "", "1", null, null}, "x=misfit")
	wantCounts(t, loadInto(t, r, &extract.Batch{Scope: about([]string{"1"}, b), Rows: []*extract.Rows{after}}), Counts{Read: 1, Updated: 1})
	if got := content(t, w, "asthma", "a", "_nonconforming"); got != `{"x": "misfit"}` {
		t.Errorf("notes: %s", got)
	}
}

// A value that moved to a row without one there must not be hidden by the fingerprint that the row has.
func TestFingerprintOfARowThatAValueMovedToStandsForNothing(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	before := []*extract.Table{form("a", "x", "y"), form("b", "z")}
	after := []*extract.Table{form("a", "y"), form("b", "z", "x")}
	r := started(t, w, before...)
	loadInto(t, r, batchOf(before, func(rows []*extract.Rows) {
		noted(rows[0], []string{"1", "", "1", "moved", "y"})
		noted(rows[0], []string{"2", "", "1", "no row there", "y"})
		noted(rows[1], []string{"1", "", "1", "z"})
	}))
	r = following(t, w, r)
	mustAgree(t, r, renames("1", after, extract.Rename{Kind: extract.MoveColumn, From: "a", Table: "b", Old: "x", New: "x"}))
	if got := content(t, w, "asthma", "a", "_retired_x", "y"); got != "y no row there,y" {
		t.Errorf("the table that gave it holds %q", got)
	}
	wantCounts(t, loadInto(t, r, batchOf(after, func(rows []*extract.Rows) { // the value was deleted meanwhile
		noted(rows[0], []string{"1", "", "1", "y"})
		noted(rows[0], []string{"2", "", "1", "y"})
		noted(rows[1], []string{"1", "", "1", "z", null})
	})), Counts{Read: 3, Reencoded: 2, Updated: 1})
	if got := content(t, w, "asthma", "b", "z", "x"); got != "z" {
		t.Errorf("the table that got it holds %q", got)
	}
}

func TestRenamesThatHaveNoCounterpartArePassedOver(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	a, b := form("a", "x"), form("b", "x")
	r := started(t, w, a, b)
	loadInto(t, r, one([]string{"1"}, a, []string{"1", "", "1", "x"}))
	r = following(t, w, r)
	change := mustAgree(t, r, renames("1", []*extract.Table{a, b},
		extract.Rename{Kind: extract.RenameTable, Old: "a", New: "b"},
		extract.Rename{Kind: extract.RenameTable, Old: "none", New: "c"},
		extract.Rename{Kind: extract.RenameTable, Side: extract.Meta, Old: "a", New: "c"},
		extract.Rename{Kind: extract.RenameColumn, Table: "a", Old: "none", New: "y"},
		extract.Rename{Kind: extract.RenameColumn, Table: "none", Old: "x", New: "y"},
		extract.Rename{Kind: extract.MoveColumn, From: "a", Table: "none", Old: "x", New: "y"},
		extract.Rename{Kind: extract.MoveColumn, From: "a", Table: "b", Old: "x", New: "x"},
		extract.Rename{Kind: extract.MoveColumn, From: "a", Table: "b", Old: "event", New: "event2"},
		extract.Rename{Kind: extract.RenameValue, Table: "none", Column: "event", Old: "a", New: "b"},
		extract.Rename{Kind: extract.RenameValue, Table: "a", Column: "none", Old: "a", New: "b"},
	))
	if len(change.Applied)+len(change.Pending) > 0 {
		t.Errorf("%+v", change)
	}
	_, err := r.Agree(t.Context(), renames("2", []*extract.Table{a, b},
		extract.Rename{Kind: extract.RenameValue, Table: "a", Column: "event", Old: "a", New: "c"},
		extract.Rename{Kind: extract.RenameValue, Table: "a", Column: "event", Old: "b", New: "c"}))
	if extract.KindOf(err) != extract.KindInternal {
		t.Errorf("two values became one: %v", err)
	}
}

func TestRenamesAreOrderedSoThatEachFindsItsNameFree(t *testing.T) {
	t.Parallel()
	for want, names := range map[string]map[string]string{
		"":                                  {},
		"a>b":                               {"a": "b"},
		"c>d b>c a>b":                       {"a": "b", "b": "c", "c": "d"},
		"a>_aside_a b>a _aside_a>b":         {"a": "b", "b": "a"},
		"x>y a>_aside_a c>a b>c _aside_a>b": {"a": "b", "b": "c", "c": "a", "x": "y"},
	} {
		var got []string
		for _, leg := range legs(names, asideName) {
			got = append(got, leg.old+">"+leg.new)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%v: %s, want %s", names, strings.Join(got, " "), want)
		}
	}
}
