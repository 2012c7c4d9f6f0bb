package extract

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func twoColumns() *Table {
	return &Table{Name: "t", Columns: []Column{{Name: "id", Type: Text, Key: true}, {Name: "v", Type: Text}}}
}

func TestRowsHoldWhatWasEndedAndNothingOfWhatWasAborted(t *testing.T) {
	type row struct {
		id, v string
		null  bool
		notes []string
	}
	rapid.Check(t, func(t *rapid.T) {
		rows := NewRows(twoColumns())
		if rapid.Bool().Draw(t, "used before") {
			rows.Begin()
			rows.String("old")
			rows.Note(Extra, "x", "old")
			rows.Null()
			rows.End()
			rows.Reset()
		}
		var model []row
		for i := range rapid.IntRange(0, 12).Draw(t, "rows") {
			r := row{id: fmt.Sprint(i), v: rapid.String().Draw(t, "v"), null: rapid.Bool().Draw(t, "null")}
			rows.Begin()
			rows.String(r.id)
			for j := range rapid.IntRange(0, 2).Draw(t, "notes") {
				r.notes = append(r.notes, fmt.Sprintf("%d.%d", i, j))
				rows.Note(NonConforming, "v", r.notes[j])
			}
			if rapid.Bool().Draw(t, "abort") {
				rows.Abort()
				continue
			}
			if r.null {
				rows.Null()
			} else {
				rows.Close(append(rows.Open(), r.v...))
			}
			rows.End()
			model = append(model, r)
		}
		if rows.Len() != len(model) {
			t.Fatalf("%d rows, want %d", rows.Len(), len(model))
		}
		var notes []Note
		for i, want := range model {
			id, ok := rows.Cell(i, 0)
			v, ok2 := rows.Cell(i, 1)
			if !ok || string(id) != want.id || ok2 == want.null || !want.null && string(v) != want.v {
				t.Fatalf("row %d is %q, %q (%v), want %+v", i, id, v, ok2, want)
			}
			for _, n := range want.notes {
				notes = append(notes, Note{Row: i, Kind: NonConforming, Column: "v", Value: n})
			}
		}
		if diff := cmp.Diff(notes, append([]Note(nil), rows.Notes()...)); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestRowOfTheWrongWidthIsADefect(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("End took a row of one cell for two columns")
		}
	}()
	rows := NewRows(twoColumns())
	rows.Begin()
	rows.String("1")
	rows.End()
}

func TestRowsAllocateNothingPerRow(t *testing.T) {
	rows := NewRows(twoColumns())
	fill := func() {
		rows.Reset()
		for range 100 {
			rows.Begin()
			rows.String("id")
			rows.Null()
			rows.End()
		}
	}
	fill()
	if n := testing.AllocsPerRun(10, fill); n != 0 {
		t.Errorf("100 rows allocate %v times", n)
	}
}

func TestCheckNamesWhatKeepsATableFromBeingMade(t *testing.T) {
	key := Column{Name: "id", Type: Text, Key: true}
	for _, c := range []struct {
		table Table
		want  string
	}{
		{Table{Name: "t", Columns: []Column{key}}, ""},
		{Table{Columns: []Column{key}}, "check table: no name"},
		{Table{Name: "t"}, "check table t: no key column"},
		{Table{Name: "t", Columns: []Column{key, {Name: "a", Type: Text}, {Name: "b", Type: Text, Key: true}}}, "check table t: key column b stands after a data column"},
		{Table{Name: "t", Columns: []Column{key, {Name: "id", Type: Text}}}, "check table t: column id stands twice"},
		{Table{Name: "t", Columns: []Column{key, {Name: "a"}}}, "check table t: column a has no type"},
		{Table{Name: "t", Columns: []Column{key, {Type: Text}}}, "check table t: column 2 has no name"},
	} {
		got := ""
		if err := c.table.Check(); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("Check says %q, want %q", got, c.want)
		}
	}
}

func TestParseTypeUndoesString(t *testing.T) {
	for typ := Text; typ <= Bytea; typ++ {
		if got, err := ParseType(typ.String()); err != nil || got != typ {
			t.Errorf("ParseType(%q) = %v, %v", typ, got, err)
		}
	}
	if _, err := ParseType(""); err == nil {
		t.Error("the empty name is a type")
	}
}
