package load

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"syncd/extract"
)

// form is a table of one text column beside the key, and further ones.
func form(name string, columns ...string) *extract.Table {
	t := with()
	t.Name, t.Source, t.Comment = name, name, "form "+name
	for _, c := range columns {
		t.Columns = append(t.Columns, col(c, extract.Text))
	}
	return t
}

// noted is a row with notes: column=text is a value that does not fit.
func noted(rows *extract.Rows, cells []string, notes ...string) {
	rows.Begin()
	for _, c := range cells {
		if c == null {
			rows.Null()
		} else {
			rows.String(c)
		}
	}
	for _, n := range notes {
		column, value, _ := strings.Cut(n, "=")
		rows.Note(extract.NonConforming, column, value)
		rows.Note(extract.MissingCode, column, "-"+value)
	}
	rows.End()
}

// renames is a structure with a list of renames.
func renames(id string, tables []*extract.Table, list ...extract.Rename) *extract.Structure {
	return &extract.Structure{Tables: tables, Renames: list, RenameID: id}
}

// following is the run after one, before it has agreed on anything.
func following(t *testing.T, w *Warehouse, r *Run) *Run {
	t.Helper()
	end(t, r, Ending{State: Succeeded, Verdict: Proven})
	return begin(t, w, order())
}

func mustAgree(t *testing.T, r *Run, s *extract.Structure) *Changes {
	t.Helper()
	c, err := r.Agree(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// times are those of all rows of a table, by its new key.
func times(t *testing.T, w *Warehouse, table string) string {
	t.Helper()
	return ask[string](t, w, "SELECT coalesce(string_agg(concat_ws(' ', _run_id, _inserted_at, _changed_at), ',' ORDER BY _inserted_at, record_id), '') FROM asthma."+ident(table))
}

// settled fails unless a batch found rows as they are: unchanged, or with a fingerprint to renew.
func settled(t *testing.T, res *Result, rows int64) {
	t.Helper()
	got := res.Total()
	got.Unchanged += got.Reencoded
	got.Reencoded, got.Stored, got.Keys, got.NonConforming, got.Missing = 0, 0, 0, 0, 0
	if diff := cmp.Diff(Counts{Read: rows, Unchanged: rows}, got); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

// archivedRows counts what was moved out.
func archivedRows(t *testing.T, w *Warehouse) (n int) {
	t.Helper()
	for _, table := range ask[[]string](t, w, "SELECT coalesce(array_agg(relname::text), '{}') FROM pg_class WHERE relnamespace = to_regnamespace('asthma_deleted') AND relkind = 'r'") {
		n += ask[int](t, w, "SELECT count(*) FROM asthma_deleted."+ident(table))
	}
	return n
}

// renamedCase is a warehouse before and after: what is stored, the list, and the batch that finds it settled.
type renamedCase struct {
	before, after []*extract.Table
	stored        func([]*extract.Table) *extract.Batch
	list          []extract.Rename
	found         func([]*extract.Table) *extract.Batch
	rows          int64
}

func batchOf(tables []*extract.Table, fill func(rows []*extract.Rows)) *extract.Batch {
	b := &extract.Batch{Scope: about(ids(1, 9), tables...)}
	for _, table := range tables {
		b.Rows = append(b.Rows, extract.NewRows(table))
	}
	fill(b.Rows)
	return b
}

// renameCases are renames of every kind.
func renameCases() map[string]renamedCase {
	all := map[string]renamedCase{}
	for _, cases := range []map[string]renamedCase{renamedTables(), renamedColumns(), renamedValues(), movedColumns()} {
		maps.Copy(all, cases)
	}
	return all
}

func indexed(name string, columns ...string) *extract.Table {
	f := form(name, columns...)
	f.Indexes = [][]string{{columns[0]}}
	return f
}

func renamedColumn(table, old, to string) extract.Rename {
	return extract.Rename{Kind: extract.RenameColumn, Table: table, Old: old, New: to}
}

func renamedValue(table, old, to string) extract.Rename {
	return extract.Rename{Kind: extract.RenameValue, Table: table, Column: "event", Old: old, New: to}
}

func renamedTable(old, to string) extract.Rename {
	return extract.Rename{Kind: extract.RenameTable, Old: old, New: to}
}

// twoTables are rows of two tables, one of them with notes.
func twoTables(first, second, note string) func([]*extract.Table) *extract.Batch {
	return func(tables []*extract.Table) *extract.Batch {
		return batchOf(tables, func(rows []*extract.Rows) {
			noted(rows[0], []string{"1", "", "1", first})
			noted(rows[0], []string{"2", "", "1", null}, note+"=misfit")
			noted(rows[1], []string{"1", "", "1", second})
		})
	}
}

func renamedTables() map[string]renamedCase {
	return map[string]renamedCase{
		"a table, and a new one of its name": {
			before: []*extract.Table{indexed("a", "x"), form("c", "z")}, stored: twoTables("one", "two", "x"),
			after: []*extract.Table{indexed("b", "x"), form("c", "z"), form("a", "y")}, found: twoTables("one", "two", "x"),
			list: []extract.Rename{{Kind: extract.RenameTable, Old: "a", New: "b"}}, rows: 3,
		},
		"two tables exchange their names": {
			before: []*extract.Table{indexed("a", "x"), indexed("b", "y")}, stored: twoTables("one", "two", "x"),
			after: []*extract.Table{indexed("b", "x"), indexed("a", "y")}, found: twoTables("one", "two", "x"),
			list: []extract.Rename{{Kind: extract.RenameTable, Old: "a", New: "b"}, {Kind: extract.RenameTable, Old: "b", New: "a"}}, rows: 3,
		},
		"a table and its columns, one after another": {
			before: []*extract.Table{form("a", "x", "u"), form("c", "z")},
			stored: func(tables []*extract.Table) *extract.Batch {
				return batchOf(tables, func(rows []*extract.Rows) {
					noted(rows[0], []string{"1", "", "1", null, "b"}, "x=misfit")
					noted(rows[1], []string{"1", "", "1", "c"})
				})
			},
			after: []*extract.Table{form("d", "v", "x"), form("a", "z")},
			found: func(tables []*extract.Table) *extract.Batch {
				return batchOf(tables, func(rows []*extract.Rows) {
					noted(rows[0], []string{"1", "", "1", null, "b"}, "v=misfit")
					noted(rows[1], []string{"1", "", "1", "c"})
				})
			},
			list: []extract.Rename{
				{Kind: extract.RenameTable, Old: "a", New: "d"},
				{Kind: extract.RenameTable, Old: "c", New: "a"},
				renamedColumn("d", "u", "x"), renamedColumn("d", "x", "v"),
			}, rows: 2,
		},
	}
}

func renamedColumns() map[string]renamedCase {
	return map[string]renamedCase{
		"columns exchange their names": {
			before: []*extract.Table{indexed("a", "x", "y")},
			stored: func(tables []*extract.Table) *extract.Batch {
				return batchOf(tables, func(rows []*extract.Rows) {
					noted(rows[0], []string{"1", "", "1", "is x", "is y"})
					noted(rows[0], []string{"2", "", "1", null, "is y"}, "x=misfit")
					noted(rows[0], []string{"3", "", "1", null, null}, "x=misfit x", "y=misfit y")
				})
			},
			after: []*extract.Table{indexed("a", "y", "x")},
			found: func(tables []*extract.Table) *extract.Batch {
				return batchOf(tables, func(rows []*extract.Rows) {
					noted(rows[0], []string{"1", "", "1", "is x", "is y"})
					noted(rows[0], []string{"2", "", "1", null, "is y"}, "y=misfit")
					noted(rows[0], []string{"3", "", "1", null, null}, "y=misfit x", "x=misfit y")
				})
			},
			list: []extract.Rename{renamedColumn("a", "x", "y"), renamedColumn("a", "y", "x")}, rows: 3,
		},
		"a key column": {
			before: []*extract.Table{form("a", "x"), form("c", "z")}, stored: twoTables("one", "two", "x"),
			after: keyed("study_id", form("a", "x"), form("c", "z")), found: twoTables("one", "two", "x"),
			list: []extract.Rename{renamedColumn("a", "record_id", "study_id"), renamedColumn("c", "record_id", "study_id")}, rows: 3,
		},
	}
}

func renamedValues() map[string]renamedCase {
	events := func(a, b, c string) func([]*extract.Table) *extract.Batch {
		return func(tables []*extract.Table) *extract.Batch {
			return batchOf(tables, func(rows []*extract.Rows) {
				for i, event := range []string{a, b, c} {
					noted(rows[0], []string{"1", event, "1", "in " + strconv.Itoa(i)}, "x=m")
					noted(rows[0], []string{"2", event, "1", "in " + strconv.Itoa(i)})
				}
			})
		}
	}
	return map[string]renamedCase{
		"values": {
			before: []*extract.Table{form("a", "x")}, stored: events("", "b", "c"),
			after: []*extract.Table{form("a", "x")}, found: events("first", "b", "c"),
			list: []extract.Rename{renamedValue("a", "", "first")}, rows: 6,
		},
		"values one after another": {
			before: []*extract.Table{form("a", "x")}, stored: events("a", "b", "c"),
			after: []*extract.Table{form("a", "x")}, found: events("b", "c", "d"),
			list: []extract.Rename{renamedValue("a", "a", "b"), renamedValue("a", "b", "c"), renamedValue("a", "c", "d")}, rows: 6,
		},
		"values exchange their names": {
			before: []*extract.Table{form("a", "x")}, stored: events("a", "b", "c"),
			after: []*extract.Table{form("a", "x")}, found: events("b", "a", "c"),
			list: []extract.Rename{renamedValue("a", "a", "b"), renamedValue("a", "b", "a")}, rows: 6,
		},
		"three values in a ring": {
			before: []*extract.Table{form("a", "x")}, stored: events("a", "b", "c"),
			after: []*extract.Table{form("a", "x")}, found: events("b", "c", "a"),
			list: []extract.Rename{renamedValue("a", "a", "b"), renamedValue("a", "b", "c"), renamedValue("a", "c", "a")}, rows: 6,
		},
	}
}

func movedColumns() map[string]renamedCase {
	return map[string]renamedCase{
		"a column moves to another table": {
			before: []*extract.Table{form("a", "x", "y"), form("b", "z")},
			stored: func(tables []*extract.Table) *extract.Batch {
				return batchOf(tables, func(rows []*extract.Rows) {
					noted(rows[0], []string{"1", "", "1", "moves", "y"})
					noted(rows[0], []string{"2", "", "1", null, "y"}, "x=misfit", "y=stays")
					noted(rows[0], []string{"3", "", "1", null, "y"})
					for _, id := range ids(1, 4) {
						noted(rows[1], []string{id, "", "1", "z" + id}, "z=own")
					}
				})
			},
			after: []*extract.Table{form("a", "y"), form("b", "z", "w")},
			found: func(tables []*extract.Table) *extract.Batch {
				return batchOf(tables, func(rows []*extract.Rows) {
					noted(rows[0], []string{"1", "", "1", "y"})
					noted(rows[0], []string{"2", "", "1", "y"}, "y=stays")
					noted(rows[0], []string{"3", "", "1", "y"})
					noted(rows[1], []string{"1", "", "1", "z1", "moves"}, "z=own")
					noted(rows[1], []string{"2", "", "1", "z2", null}, "z=own", "w=misfit")
					noted(rows[1], []string{"3", "", "1", "z3", null}, "z=own")
					noted(rows[1], []string{"4", "", "1", "z4", null}, "z=own")
				})
			},
			list: []extract.Rename{{Kind: extract.MoveColumn, From: "a", Table: "b", Old: "x", New: "w"}}, rows: 7,
		},
		"everything at once": {
			before: []*extract.Table{form("a", "x", "y"), form("c", "z")},
			stored: func(tables []*extract.Table) *extract.Batch {
				return batchOf(tables, func(rows []*extract.Rows) {
					noted(rows[0], []string{"1", "e", "1", null, "y"}, "x=misfit")
					noted(rows[0], []string{"1", "f", "1", "v", null}, "y=other")
					noted(rows[1], []string{"1", "e", "1", "z"})
				})
			},
			after: []*extract.Table{form("b", "y"), form("c", "z", "x")},
			found: func(tables []*extract.Table) *extract.Batch {
				return batchOf(tables, func(rows []*extract.Rows) {
					noted(rows[0], []string{"1", "e", "1", null}, "y=misfit")
					noted(rows[0], []string{"1", "f", "1", "v"})
					noted(rows[1], []string{"1", "e", "1", "z", "y"})
				})
			},
			list: []extract.Rename{
				{Kind: extract.RenameTable, Old: "a", New: "b"},
				{Kind: extract.MoveColumn, From: "b", Table: "c", Old: "y", New: "x"},
				renamedColumn("b", "x", "y"),
			}, rows: 3,
		},
	}
}

func keyed(name string, tables ...*extract.Table) []*extract.Table {
	for _, t := range tables {
		t.Columns = slices.Clone(t.Columns)
		t.Columns[0].Name, t.Columns[0].Source = name, name
	}
	return tables
}
