package main

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
)

// touchesNothing syncs once more: every row version stays where and what it is, and the ledger says the same.
func (n *recordedNight) touchesNothing(t *testing.T) {
	before := n.versions(t)
	if len(before) < 500 {
		t.Fatalf("only %d tables", len(before))
	}
	n.sync(t)
	if diff := cmp.Diff(before, n.versions(t)); diff != "" {
		t.Errorf("row versions moved (-first +second sync):\n%s", diff)
	}
	const second = `
		SELECT r.job, r.state, coalesce(r.verdict, ''), coalesce(sum(t.inserted), 0), coalesce(sum(t.updated), 0), coalesce(sum(t.deleted), 0),
			coalesce(sum(t.reencoded), 0), coalesce(sum(t.read - t.unchanged), 0)
		FROM syncd.run r LEFT JOIN syncd.run_table t USING (run_id)
		WHERE r.run_id IN (SELECT max(run_id) FROM syncd.run GROUP BY job)
		GROUP BY r.run_id ORDER BY r.run_id`
	rows, err := n.conn.Query(t.Context(), second)
	if err != nil {
		t.Fatal(err)
	}
	type outcome struct {
		State, Verdict                                 string
		Inserted, Updated, Deleted, Reencoded, Changed int64
	}
	var job string
	var o outcome
	runs := 0
	_, err = pgx.ForEachRow(rows, []any{&job, &o.State, &o.Verdict, &o.Inserted, &o.Updated, &o.Deleted, &o.Reencoded, &o.Changed}, func() error {
		runs++
		if diff := cmp.Diff(outcome{State: "succeeded", Verdict: "proven"}, o); diff != "" {
			t.Errorf("second run of %s:\n%s", job, diff)
		}
		return nil
	})
	if err != nil || runs != len(n.projects) {
		t.Errorf("%d second runs, %v", runs, err)
	}
	n.noDeadTuples(t)
}

// tableVersions is what tells that a table was written: the versions of its rows, and when they say they changed.
type tableVersions struct {
	Rows     int64
	Versions string // hash over place and transaction of every row version
	Changed  string // the youngest _changed_at
}

// versions describes every table of every job, side schemas included.
func (n *recordedNight) versions(t *testing.T) map[string]tableVersions {
	t.Helper()
	all := map[string]tableVersions{}
	for _, name := range n.tables(t) {
		var v tableVersions
		err := n.conn.QueryRow(t.Context(), `SELECT count(*), coalesce(md5(string_agg(concat_ws(' ', ctid, xmin, xmax), ',' ORDER BY ctid)), ''),
			coalesce(max(_changed_at)::text, '') FROM `+name).Scan(&v.Rows, &v.Versions, &v.Changed)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all[name] = v
	}
	return all
}

// tables lists the tables of all jobs, ready for a statement.
func (n *recordedNight) tables(t *testing.T) []string {
	t.Helper()
	schemas := map[string]bool{}
	for _, p := range n.projects {
		schemas[p.job], schemas[p.job+"_meta"], schemas[p.job+"_deleted"] = true, true, true
	}
	rows, err := n.conn.Query(t.Context(), `SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind = 'r' AND n.nspname = ANY ($1) ORDER BY 1`, slices.Collect(maps.Keys(schemas)))
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// noDeadTuples asks the server's statistics. A session reports what it did when it ends, before it leaves the list of
// sessions, so the list is read until ours is the last.
func (n *recordedNight) noDeadTuples(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	for others, end := 1, time.Now().Add(time.Minute); others > 0; {
		if time.Now().After(end) {
			t.Fatalf("%d sessions were left behind", others)
		}
		err := n.conn.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'`).Scan(&others)
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := n.conn.Exec(ctx, "SELECT pg_stat_force_next_flush()"); err != nil {
		t.Fatal(err)
	}
	var dead, changed, inserted int64
	err := n.conn.QueryRow(ctx, `SELECT sum(n_dead_tup), sum(n_tup_upd + n_tup_del), sum(n_tup_ins) FROM pg_stat_user_tables
		WHERE format('%I.%I', schemaname, relname) = ANY ($1)`, n.tables(t)).Scan(&dead, &changed, &inserted)
	if err != nil {
		t.Fatal(err)
	}
	rows := n.count(ctx, t)
	t.Logf("%d tables, %d rows; ever inserted %d, updated or deleted %d, dead tuples %d", len(n.tables(t)), rows, inserted, changed, dead)
	if dead != 0 || changed != 0 || inserted != rows {
		t.Error("something was written that need not have been")
	}
}

func (n *recordedNight) count(ctx context.Context, t *testing.T) (rows int64) {
	t.Helper()
	for _, name := range n.tables(t) {
		var c int64
		if err := n.conn.QueryRow(ctx, "SELECT count(*) FROM "+name).Scan(&c); err != nil {
			t.Fatal(err)
		}
		rows += c
	}
	return rows
}
