package load

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"syncd/extract"
	"syncd/internal/pgtest"
)

func TestPlanForAnotherRoleMakesWhatApplyMakes(t *testing.T) {
	t.Parallel()
	owner := warehouseAt(t, Config{URL: pgtest.Super(pgtest.New(t))})
	role := "syncd_app_" + ask[string](t, owner, "SELECT md5(current_database())")
	do(t, owner, "CREATE ROLE "+role+" LOGIN")
	t.Cleanup(func() {
		_, _ = owner.pool.Exec(context.WithoutCancel(t.Context()), "DROP OWNED BY "+role+"; DROP ROLE "+role)
	})
	do(t, owner, "REVOKE CREATE ON DATABASE "+ident(ask[string](t, owner, "SELECT current_database()"))+" FROM PUBLIC")
	do(t, owner, "GRANT USAGE ON SCHEMA syncd TO "+role+"; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA syncd TO "+role)
	config := owner.pool.Config().ConnConfig
	app := warehouseAt(t, Config{URL: fmt.Sprintf("host=%s port=%d dbname=%s user=%s", config.Host, config.Port, config.Database, role), DDL: Plan})

	p, q := with(col("a", extract.Text)), with(col("a", extract.Text), col("b", extract.Integer))
	apply := func(r *Run, table *extract.Table) {
		t.Helper()
		wantPending := agree(t, r, table)
		statements, err := app.Plan(t.Context(), "asthma", "asthma", &extract.Structure{Tables: []*extract.Table{table}})
		if err != nil || len(statements) == 0 || len(wantPending.Applied) > 0 {
			t.Fatal(err, len(statements), wantPending)
		}
		for _, s := range statements {
			if _, err := owner.pool.Exec(t.Context(), s.SQL, pgx.QueryExecModeSimpleProtocol); err != nil {
				t.Fatalf("%v in\n%s", err, s.SQL)
			}
		}
	}
	r := begin(t, app, order())
	apply(r, p)
	r = next(t, app, r, p)
	loadInto(t, r, one([]string{"1", "2"}, p, []string{"1", "", "1", "x"}, []string{"2", "", "1", "y"}))
	r = next(t, app, r, q) // the new column waits
	loadInto(t, r, one([]string{"1"}, q, []string{"1", "", "1", "x", "5"}))
	if got := content(t, app, "asthma", "people", "a", "_extra"); got != `x,{"b": "5"} y` {
		t.Errorf("table holds %s", got)
	}
	res := loadInto(t, r, one([]string{"2"}, q))
	wantCounts(t, res, Counts{Deleted: 1})
	apply(r, q)
	r = next(t, app, r, q)
	loadInto(t, r, one([]string{"1", "2"}, q, []string{"1", "", "1", "x", "5"}))
	if got := content(t, app, "asthma", "people", "a", "b", "_extra"); got != "x,5" {
		t.Errorf("table holds %s", got)
	}
	if got := ask[string](t, owner, "SELECT string_agg(kind || ':' || state, ' ' ORDER BY change_id) FROM syncd.schema_change WHERE column_name = 'b'"); got != "add:applied" {
		t.Errorf("changes: %s", got)
	}

	// The same structure, applied by syncd itself in another schema, has the same tables.
	o := order()
	o.Job, o.Schema = "other", "other"
	mine := begin(t, owner, o)
	agree(t, mine, p)
	loadInto(t, mine, one([]string{"1"}, p, []string{"1", "", "1", "x"}))
	loadInto(t, mine, one([]string{"1"}, p))
	agree(t, mine, q)
	if diff := cmp.Diff(describeSchema(t, owner, "other"), describeSchema(t, owner, "asthma")); diff != "" {
		t.Errorf("tables (-apply +plan):\n%s", diff)
	}
}

// describeSchema prints the columns, comments and indexes of a job's schemas, by table.
func describeSchema(t *testing.T, w *Warehouse, base string) map[string]string {
	t.Helper()
	s, err := readStored(t.Context(), w.pool, base)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for at, table := range s {
		var b strings.Builder
		fmt.Fprintln(&b, table.comment, table.primary, table.indexes)
		for _, n := range slices.Sorted(maps.Keys(table.names)) {
			fmt.Fprintln(&b, *table.names[n])
		}
		out[string(at.side)+"."+at.name] = b.String()
	}
	return out
}

func TestMissingTableInPlanModeBlocksItsRowsAndNothingElse(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	w.ddl = Plan
	p := people()
	r := begin(t, w, order())
	c := agree(t, r, p)
	if c.Blocked["asthma.people"] == "" || len(c.Pending) == 0 {
		t.Fatalf("%+v", c)
	}
	wantCounts(t, loadInto(t, r, one([]string{"1"}, p, person("1", "Ann", "3"))), Counts{Read: 1, Blocked: 1})
}

// A run that went on without a table must not let the next one believe that its rows are there.
func TestRunWhoseRowsWaitForATableHasComeNowhere(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	w.ddl = Plan
	p := people()
	run := func(rows int, position string) extract.Since {
		r := begin(t, w, order())
		agree(t, r, p)
		for i := range rows {
			loadInto(t, r, one([]string{"1"}, p, person("1", "Ann", strconv.Itoa(i))))
		}
		last := &extract.Batch{Position: position}
		if position == "" {
			last.Marks, last.Memo = []extract.Mark{{Name: "people", Value: "now"}}, []byte("{}")
		}
		loadInto(t, r, last)
		end(t, r, Ending{State: Succeeded})
		r = begin(t, w, order())
		since, err := r.Since(t.Context(), false)
		if err != nil {
			t.Fatal(err)
		}
		end(t, r, Ending{State: Succeeded})
		return since
	}
	if since := run(1, "7"); since.Position != "" {
		t.Errorf("goes on at %s, where rows were left behind", since.Position)
	}
	if since := run(1, ""); len(since.Marks) > 0 || since.Memo != nil {
		t.Errorf("starts from %v with the memo %q, where rows were left behind", since.Marks, since.Memo)
	}
	w.ddl = Apply
	if since := run(1, ""); since.Marks["people"] != "now" || string(since.Memo) != "{}" {
		t.Errorf("starts from %v with the memo %q, after everything was loaded", since.Marks, since.Memo)
	}
}
