package load

import (
	"context"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"syncd/extract"
)

func TestWhatIsRenamedAtTheSourceIsFoundUnderItsNewName(t *testing.T) {
	t.Parallel()
	for what, c := range renameCases() {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := warehouse(t)
			r := started(t, w, c.before...)
			loadInto(t, r, batchOf(c.before, func(rows []*extract.Rows) { // so that there are archives
				for _, one := range rows {
					cells := []string{"9", "gone", "1"}
					for range one.Table.Columns[3:] {
						cells = append(cells, "gone")
					}
					noted(one, cells)
				}
			}))
			loadInto(t, r, c.stored(c.before))
			gone := archivedRows(t, w)
			before := map[int]string{}
			for i, table := range c.before {
				before[i] = times(t, w, table.Name)
			}
			s := renames("list", c.after, c.list...)
			for _, round := range []string{"first", "second"} { // a run that was killed finds its renames made
				r = following(t, w, r)
				change := mustAgree(t, r, s)
				if len(change.Pending)+len(change.Blocked) > 0 {
					t.Fatalf("%s: %+v", round, change)
				}
				if round == "second" && len(change.Applied) > 0 {
					t.Fatalf("applied again: %v", kinds(change.Applied))
				}
			}
			settled(t, loadInto(t, r, c.found(c.after)), c.rows)
			res := loadInto(t, r, c.found(c.after))
			if got := res.Total(); got.Unchanged != c.rows {
				t.Errorf("a second time: %+v", got)
			}
			for i := range c.before {
				if got := timesKeyed(t, w, c.after[i]); got != before[i] {
					t.Errorf("times of %s:\n got %s\nwant %s", c.after[i].Name, got, before[i])
				}
			}
			if n := archivedRows(t, w); n != gone {
				t.Errorf("%d rows in the archive, %d before", n, gone)
			}
			for _, table := range c.after {
				if got := indexesOf(t, w, "asthma", table.Name); !slices.ContainsFunc(got, func(n string) bool { return n == changedIndex(table.Name) }) {
					t.Errorf("indexes of %s: %v", table.Name, got)
				}
			}
			if n := ask[int](t, w, "SELECT count(*) FROM syncd.schema_change WHERE kind IN ('rename', 'move', 'values')"); n == 0 {
				t.Error("nothing is recorded")
			}
		})
	}
}

func timesKeyed(t *testing.T, w *Warehouse, table *extract.Table) string {
	t.Helper()
	return ask[string](t, w, "SELECT coalesce(string_agg(concat_ws(' ', _run_id, _inserted_at, _changed_at), ',' ORDER BY _inserted_at, "+ident(table.Columns[0].Name)+"), '') FROM asthma."+ident(table.Name))
}

func indexesOf(t *testing.T, w *Warehouse, schema, table string) []string {
	t.Helper()
	return ask[[]string](t, w, "SELECT array_agg(indexname::text) FROM pg_indexes WHERE schemaname = $1 AND tablename = $2", schema, table)
}

// Whatever was made before a run was killed, the next one makes the rest of it: after each step the run stops.
func TestRenamesGoOnWhereARunWasKilled(t *testing.T) {
	t.Parallel()
	for what, c := range renameCases() {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := warehouse(t)
			r := started(t, w, c.before...)
			loadInto(t, r, c.stored(c.before))
			before := times(t, w, c.before[0].Name)
			s := renames("list", c.after, c.list...)
			r = following(t, w, r)
			for kills := 0; agreeOneStep(t, t.Context(), r, s); kills++ {
				if r = following(t, w, r); kills > 50 {
					t.Fatal("every run makes a step")
				}
			}
			r = following(t, w, r)
			if change := mustAgree(t, r, s); len(change.Applied)+len(change.Pending) > 0 {
				t.Fatalf("%+v", change)
			}
			settled(t, loadInto(t, r, c.found(c.after)), c.rows)
			if got := timesKeyed(t, w, c.after[0]); got != before {
				t.Error("times moved")
			}
			if n := archivedRows(t, w); n != 0 {
				t.Errorf("%d rows in the archive", n)
			}
		})
	}
}

// agreeOneStep agrees like a run that is killed after its first step that does something, and says whether there was one.
func agreeOneStep(t interface{ Fatal(...any) }, ctx context.Context, r *Run, s *extract.Structure) (made bool) {
	p, err := r.w.planner(ctx, r.job, r.schema, s)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.namer.ledger) > 0 {
		if err := r.keepNames(ctx, p.namer.ledger); err != nil {
			t.Fatal(err)
		}
		return true
	}
	one := func(s step) (bool, error) {
		if made {
			return false, nil
		}
		made = true
		return true, r.apply(ctx, s)
	}
	if err := p.follow(s, one); err != nil {
		t.Fatal(err)
	}
	if made {
		return true
	}
	values, err := p.revalue(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range values {
		if _, err := one(x.step()); err != nil {
			t.Fatal(err)
		}
	}
	if made {
		return true
	}
	if err := p.plan(s); err != nil {
		t.Fatal(err)
	}
	for _, s := range p.steps {
		if _, err := one(s); err != nil {
			t.Fatal(err)
		}
	}
	return made
}

// While a change of structure has to wait, rows are read and written under the names that the tables still have.
func TestRenamesThatWaitKeepNoRowWaiting(t *testing.T) {
	t.Parallel()
	for what, c := range renameCases() {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := warehouse(t)
			r := started(t, w, c.before...)
			loadInto(t, r, c.stored(c.before))
			before := times(t, w, c.before[0].Name)
			w.ddl = Plan
			s := renames("list", c.after, c.list...)
			moves := slices.ContainsFunc(c.list, func(x extract.Rename) bool { return x.Kind == extract.MoveColumn })
			again := renames("", c.after) // the source has told once, and its memo knows
			for i, s := range []*extract.Structure{s, s, again} {
				r = following(t, w, r)
				change := mustAgree(t, r, s)
				if slices.ContainsFunc(change.Applied, func(c Change) bool { return c.Kind != kindValues }) {
					t.Fatalf("applied: %v", kinds(change.Applied))
				}
				if moves { // their values wait in _extra
					continue
				}
				res := loadInto(t, r, found(c, change))
				settled(t, res, c.rows)
				if i > 0 && res.Total().Unchanged != c.rows {
					t.Errorf("round %d: %+v", i, res.Total())
				}
			}
			h, err := w.Rehearse(t.Context(), order(), s)
			if err != nil {
				t.Fatal(err)
			}
			if !moves {
				res, err := h.Compare(t.Context(), c.found(c.after))
				if err != nil {
					t.Fatal(err)
				}
				settled(t, res, c.rows)
			}
			for _, table := range c.after[:len(c.before)] {
				if n, err := w.Live(t.Context(), "asthma", table.Name); err != nil || n == 0 {
					t.Errorf("%s: %d rows, %v", table.Name, n, err)
				}
			}
			for _, st := range h.Statements {
				if _, err := w.pool.Exec(t.Context(), st.SQL, pgx.QueryExecModeSimpleProtocol); err != nil {
					t.Fatalf("%v in\n%s", err, st.SQL)
				}
			}
			r = following(t, w, r)
			if change := mustAgree(t, r, s); len(change.Pending)+len(change.Blocked) > 0 || len(slices.DeleteFunc(change.Applied, func(c Change) bool { return c.Kind == kindComment })) > 0 {
				t.Fatalf("after the plan was run: %+v", change)
			}
			settled(t, loadInto(t, r, c.found(c.after)), c.rows)
			if got := timesKeyed(t, w, c.after[0]); got != before {
				t.Error("times moved")
			}
			if n := archivedRows(t, w); n != 0 {
				t.Errorf("%d rows in the archive", n)
			}
			if n := ask[int](t, w, "SELECT count(*) FROM syncd.schema_change WHERE state = 'pending'"); n != 0 {
				t.Errorf("%d changes are pending", n)
			}
		})
	}
}

// found is what a source sends while tables wait: none of those that are not there yet.
func found(c renamedCase, change *Changes) *extract.Batch {
	b := c.found(c.after)
	b.Rows = slices.DeleteFunc(b.Rows, func(rows *extract.Rows) bool { return change.Blocked["asthma."+rows.Table.Name] != "" })
	return b
}

func TestRenameWaitsForAReaderAndIsNotForgotten(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	a, b := form("a", "x"), form("b", "y")
	r := started(t, w, a)
	loadInto(t, r, one([]string{"1"}, a, []string{"1", "", "1", "x"}))
	reader := start(t, w)
	if _, err := reader.Exec(t.Context(), "LOCK TABLE asthma.a IN ACCESS SHARE MODE"); err != nil {
		t.Fatal(err)
	}
	r = following(t, w, r)
	list := []extract.Rename{{Kind: extract.RenameTable, Old: "a", New: "b"}, {Kind: extract.RenameColumn, Table: "b", Old: "x", New: "y"}}
	wantKinds(t, "pending", mustAgree(t, r, renames("1", []*extract.Table{b}, list...)).Pending, "rename", "rename y")
	settled(t, loadInto(t, r, one([]string{"1"}, b, []string{"1", "", "1", "x"})), 1)
	if err := reader.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	r = following(t, w, r)
	wantKinds(t, "applied", mustAgree(t, r, renames("", []*extract.Table{b})).Applied, "rename", "rename y")
	wantCounts(t, loadInto(t, r, one([]string{"1"}, b, []string{"1", "", "1", "x"})), Counts{Read: 1, Unchanged: 1})
	if got := ask[string](t, w, "SELECT string_agg(kind || ' ' || table_name || ' ' || state, ',' ORDER BY change_id) FROM syncd.schema_change WHERE kind = 'rename'"); got != "rename b applied,rename b applied" {
		t.Errorf("recorded: %s", got)
	}
}
