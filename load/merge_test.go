package load

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"syncd/extract"
	"syncd/internal/pgtest"
)

// null stands for NULL in the rows of tests.
const null = "<null>"

func warehouse(t *testing.T) *Warehouse { return warehouseAt(t, Config{URL: pgtest.New(t)}) }

func warehouseAt(t *testing.T, c Config) *Warehouse {
	t.Helper()
	w, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

// people is a table with the key of REDCap and a column of most types.
func people() *extract.Table {
	return &extract.Table{
		Name: "people", Source: "people", Comment: "People; 'quoted'",
		Columns: []extract.Column{
			{Name: "record_id", Source: "record_id", Type: extract.Text, Key: true},
			{Name: "event", Source: "event", Type: extract.Text, Key: true},
			{Name: "instance", Source: "instance", Type: extract.Integer, Key: true},
			{Name: "name", Source: "name", Type: extract.Text, Label: "Full name", Identifier: true},
			{Name: "age", Source: "age", Type: extract.Integer, Label: "Age; years"},
			{Name: "weight", Source: "weight", Type: extract.Numeric},
			{Name: "born", Source: "born", Type: extract.Date},
			{Name: "smoker", Source: "smoker", Type: extract.Boolean},
		},
	}
}

func rowsOf(t *extract.Table, rows ...[]string) *extract.Rows {
	out := extract.NewRows(t)
	for _, row := range rows {
		out.Begin()
		for _, cell := range row {
			if cell == null {
				out.Null()
			} else {
				out.String(cell)
			}
		}
		out.End()
	}
	return out
}

// person is a row of people.
func person(id, name, age string) []string {
	return []string{id, "", "1", name, age, "71.50", "1980-02-29", "t"}
}

// about is the scope of some record ids over some tables.
func about(ids []string, tables ...*extract.Table) *extract.Scope {
	s := &extract.Scope{Tables: tables, Width: 1, Reason: "deleted at source"}
	for _, id := range ids {
		s.Keys = append(s.Keys, []string{id})
	}
	return s
}

func agree(t *testing.T, r *Run, tables ...*extract.Table) *Changes {
	t.Helper()
	c, err := r.Agree(t.Context(), &extract.Structure{Tables: tables})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func loadInto(t *testing.T, r *Run, b *extract.Batch) *Result {
	t.Helper()
	res, err := r.Load(t.Context(), b)
	if err != nil {
		t.Fatalf("%v (%v)", err, errors.Unwrap(errors.Unwrap(err)))
	}
	if err := res.Total().Balance(); err != nil {
		t.Fatal(err)
	}
	return res
}

// started is a run that has agreed on tables.
func started(t *testing.T, w *Warehouse, tables ...*extract.Table) *Run {
	t.Helper()
	r := begin(t, w, order())
	agree(t, r, tables...)
	return r
}

func next(t *testing.T, w *Warehouse, r *Run, tables ...*extract.Table) *Run {
	t.Helper()
	end(t, r, Ending{State: Succeeded, Verdict: Proven})
	return started(t, w, tables...)
}

func wantCounts(t *testing.T, res *Result, want Counts) {
	t.Helper()
	if diff := cmp.Diff(want, res.Total(), cmpopts.IgnoreFields(Counts{}, "Keys", "Stored", "NonConforming", "Missing")); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

// content prints the rows of a table in the order of their keys, without what syncd adds.
func content(t *testing.T, w *Warehouse, schema, table string, columns ...string) string {
	t.Helper()
	return ask[string](t, w, fmt.Sprintf("SELECT coalesce(string_agg(concat_ws(',', %s), ' ' ORDER BY record_id), '') FROM %s.%s",
		strings.Join(columns, ", "), schema, table))
}

func TestTableHoldsExactlyWhatTheSourceHolds(t *testing.T) {
	t.Parallel()
	w, p := warehouse(t), people()
	r := started(t, w, p)
	ids := []string{"1", "2", "3", "4"}

	res := loadInto(t, r, &extract.Batch{Scope: about(ids, p), Rows: []*extract.Rows{rowsOf(p, person("1", "Ann", "30"), person("2", "Bob", null), person("3", "a\tb\\n\nc", "7"))}})
	wantCounts(t, res, Counts{Read: 3, Inserted: 3})
	if got := content(t, w, "asthma", "people", "record_id", "name", "age"); got != "1,Ann,30 2,Bob 3,a\tb\\n\nc,7" {
		t.Errorf("table holds %q", got)
	}
	before := content(t, w, "asthma", "people", "xmin", "ctid", "_changed_at", "_run_id")

	r = next(t, w, r, p)
	res = loadInto(t, r, &extract.Batch{Scope: about(ids, p), Rows: []*extract.Rows{rowsOf(p, person("3", "a\tb\\n\nc", "7"), person("1", "Ann", "30"), person("2", "Bob", null))}})
	wantCounts(t, res, Counts{Read: 3, Unchanged: 3})
	if after := content(t, w, "asthma", "people", "xmin", "ctid", "_changed_at", "_run_id"); after != before {
		t.Errorf("unchanged rows were touched: %s, was %s", after, before)
	}

	r = next(t, w, r, p)
	res = loadInto(t, r, &extract.Batch{Scope: about(ids, p), Rows: []*extract.Rows{rowsOf(p, person("1", "Ann", "31"), person("3", "a\tb\\n\nc", "7"), person("4", "Eve", "1"))}})
	wantCounts(t, res, Counts{Read: 3, Inserted: 1, Updated: 1, Unchanged: 1, Deleted: 1})
	if got := content(t, w, "asthma", "people", "record_id", "age"); got != "1,31 3,7 4,1" {
		t.Errorf("table holds %q", got)
	}
	if got := content(t, w, "asthma_deleted", "people", "record_id", "name", "_deleted_run_id", "_deleted_reason"); got != fmt.Sprintf("2,Bob,%d,deleted at source", r.ID()) {
		t.Errorf("archive holds %q", got)
	}

	res = loadInto(t, r, &extract.Batch{Scope: about([]string{"2"}, p), Rows: []*extract.Rows{rowsOf(p, person("2", "Bob", null))}})
	wantCounts(t, res, Counts{Read: 1, Inserted: 1})
	if got := content(t, w, "asthma_deleted", "people", "record_id"); got != "" {
		t.Errorf("a row that came back is still in the archive: %q", got)
	}
	if got := ask[string](t, w, "SELECT concat_ws(',', read, inserted, updated, unchanged, deleted) FROM syncd.run_table WHERE run_id = $1", r.ID()); got != "4,2,1,1,1" {
		t.Errorf("the ledger counts %s", got)
	}
}
