package load

import (
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"syncd/extract"
)

func TestCellsAreThoseOfTheRowsThatWereAskedFor(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	table := people()
	r := started(t, w, table)
	loadInto(t, r, &extract.Batch{Rows: []*extract.Rows{rowsOf(
		table, person("b", "Bo", "7"), []string{"a", "e", "2", null, null, "1.0", "1980-02-29", "f"}, person("a", "An", null), person("c'", "Cy", "9"))}})
	for _, test := range []struct {
		name          string
		keys, columns []string
		want          [][]string
	}{
		{"all", nil, []string{"record_id", "event", "instance", "name", "age", "born"}, [][]string{
			{"a", "", "1", "An", "", "1980-02-29"}, {"a", "e", "2", "", "", "1980-02-29"}, {"b", "", "1", "Bo", "7", "1980-02-29"}, {"c'", "", "1", "Cy", "9", "1980-02-29"},
		}},
		{"some", []string{"c'", "a", "nobody"}, []string{"name"}, [][]string{{"An"}, {""}, {"Cy"}}},
		{"none", []string{}, []string{"name"}, nil},
		{"a column that is not there", []string{"b"}, []string{"nothing", "age"}, [][]string{{"", "7"}}},
		{"no column", []string{"a"}, nil, [][]string{{}, {}}},
	} {
		var got [][]string
		err := r.Stored().Cells(t.Context(), table, test.keys, test.columns, func(cells []string) error {
			got = append(got, slices.Clone(cells))
			return nil
		})
		if diff := cmp.Diff(test.want, got); err != nil || diff != "" && len(test.columns) > 0 || len(got) != len(test.want) {
			t.Errorf("%s: %v (-want +got):\n%s", test.name, err, diff)
		}
	}
}

func TestCellsOfALongTableComePageByPageEachOnce(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	table := &extract.Table{Name: "long", Source: "long", Columns: []extract.Column{
		{Name: "a", Source: "a", Type: extract.Integer, Key: true}, {Name: "b", Source: "b", Type: extract.Text, Key: true}, {Name: "c", Source: "c", Type: extract.Text},
	}}
	r := started(t, w, table)
	const n = 2*keyPage + 1
	rows := extract.NewRows(table)
	for i := range n {
		rows.Begin()
		for _, cell := range []string{strconv.Itoa(i / 3), strconv.Itoa(i % 3), "x"} {
			rows.String(cell)
		}
		rows.End()
	}
	loadInto(t, r, &extract.Batch{Rows: []*extract.Rows{rows}})
	seen := map[string]int{}
	last := -1
	err := r.Stored().Cells(t.Context(), table, nil, []string{"a", "b"}, func(cells []string) error {
		a, _ := strconv.Atoi(cells[0])
		if a < last {
			t.Errorf("%d comes after %d", a, last)
		}
		last = a
		seen[cells[0]+" "+cells[1]]++
		return nil
	})
	if err != nil || len(seen) != n {
		t.Errorf("%d rows, want %d: %v", len(seen), n, err)
	}
	if err := r.Stored().Cells(t.Context(), table, []string{"1"}, nil, func([]string) error { return nil }); extract.KindOf(err) != extract.KindInternal || err == nil {
		t.Errorf("keys of a table whose key is no text: %v", err)
	}
}
