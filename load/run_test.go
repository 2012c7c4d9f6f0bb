package load

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"syncd/extract"
	"syncd/internal/pgtest"
)

func TestJobStaysBoundToTheSourceOfItsFirstRun(t *testing.T) {
	t.Parallel()
	w := ledger(t)
	r := begin(t, w, order())
	first := extract.Identity{Server: "https://redcap.example.edu/api/", ID: "15", Title: "Asthma", Version: "14.9.1"}
	for range 2 {
		if err := r.Bind(t.Context(), first); err != nil {
			t.Fatal(err)
		}
	}
	renamed := first
	renamed.Title = "Asthma II"
	if err := r.Bind(t.Context(), renamed); err != nil {
		t.Fatal(err)
	}
	for _, other := range []extract.Identity{{Server: first.Server, ID: "16"}, {Server: "https://other.example.edu/api/", ID: "15"}} {
		err := r.Bind(t.Context(), other)
		if extract.KindOf(err) != extract.KindHeld {
			t.Fatalf("bound to another: %v", err)
		}
		for _, want := range []string{first.Server, "15", other.Server, other.ID} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q does not name %s", err, want)
			}
		}
		var e *extract.Error
		if errors.As(err, &e); e.Next == "" {
			t.Error("nothing is said of what to do")
		}
	}
	if title := ask[string](t, w, "SELECT title || ' ' || server || ' ' || source_id FROM syncd.job"); title != "Asthma II https://redcap.example.edu/api/ 15" {
		t.Errorf("bound to %s", title)
	}
}

func TestJobWhoseSchemaChangedStartsFromNothing(t *testing.T) {
	t.Parallel()
	w := ledger(t)
	r := begin(t, w, order())
	keep(t, r, &extract.Batch{Marks: []extract.Mark{{Name: "records", Value: "then"}}})
	end(t, r, Ending{State: Succeeded, Warnings: []string{"b"}})

	moved := order()
	moved.Schema = "lungs"
	r = begin(t, w, moved)
	since, err := r.Since(t.Context(), false)
	if err != nil || len(since.Marks) != 0 {
		t.Fatalf("marks of the old schema are kept: %v, %v", since.Marks, err)
	}
	end(t, r, Ending{State: Succeeded, Warnings: []string{"b"}})
	d, err := w.RunDetail(t.Context(), r.ID())
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Warnings) != 2 || !strings.Contains(d.Warnings[0], "lungs is filled from the start") || d.Warnings[1] != "b" {
		t.Fatalf("warnings: %q", d.Warnings)
	}

	other := order()
	other.Job, other.Schema = "copd", "lungs"
	if _, err := w.Begin(t.Context(), other); extract.KindOf(err) != extract.KindConfig {
		t.Fatalf("two jobs write one schema: %v", err)
	}
}

func TestMarksMoveWithTheirBatchAndEraseThePosition(t *testing.T) {
	t.Parallel()
	w := ledger(t)
	r := begin(t, w, order())
	keep(t, r, &extract.Batch{})
	keep(t, r, &extract.Batch{Position: "100"})
	keep(t, r, &extract.Batch{Position: "200"})
	check := func(full bool, position string, marks map[string]string) {
		t.Helper()
		since, err := r.Since(t.Context(), full)
		if err != nil {
			t.Fatal(err)
		}
		if since.Position != position || since.Full != full || !cmp.Equal(since.Marks, marks) {
			t.Fatalf("since %+v", since)
		}
	}
	check(false, "200", map[string]string{})
	check(true, "", map[string]string{})
	keep(t, r, &extract.Batch{Marks: []extract.Mark{{Name: "records", Value: "a"}, {Name: "log", Value: "b"}}, Position: "300"})
	check(false, "", map[string]string{"records": "a", "log": "b"})

	tx := start(t, w)
	if err := r.keepMarks(t.Context(), tx, &extract.Batch{Marks: []extract.Mark{{Name: "position", Value: "x"}}}); err == nil {
		t.Fatal("a mark took the name of the position")
	}
}

func TestEndIsWrittenOnceHoweverOftenItIsCalled(t *testing.T) {
	t.Parallel()
	w := ledger(t)
	r := begin(t, w, order())
	e := Ending{State: Succeeded, Verdict: Proven, Requests: 3, Bytes: 4, Warnings: []string{"w"}}
	end(t, r, e)
	end(t, r, e)
	if err := r.End(t.Context(), Ending{State: Failed}); err == nil {
		t.Fatal("a run that had succeeded was ended as failed")
	}
	d, err := w.RunDetail(t.Context(), r.ID())
	if err != nil {
		t.Fatal(err)
	}
	if d.State != Succeeded || d.Requests != 3 || len(d.Warnings) != 1 {
		t.Fatalf("ended as %+v", d)
	}
}

func TestLostRepliesOfCommitsLeaveOneRunAndOneEnding(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"begin", "bind", "end"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			wire := &deafWire{}
			w := ledgerAt(t, pgtest.New(t), func(c *pgxpool.Config) {
				dial := c.ConnConfig.DialFunc
				c.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
					conn, err := dial(ctx, network, addr)
					return &deafConn{Conn: conn, wire: wire}, err
				}
			})
			do(t, w, "SELECT 1")
			wire.armed.Store(when == "begin")
			r := begin(t, w, order())
			wire.armed.Store(when == "bind")
			if err := r.Bind(t.Context(), extract.Identity{Server: "s", ID: "1"}); err != nil {
				t.Fatal(err)
			}
			if err := r.Beat(t.Context()); err != nil {
				t.Fatal(err)
			}
			wire.armed.Store(when == "end")
			end(t, r, Ending{State: Succeeded})
			if !wire.deaf.Load() {
				t.Fatal("no reply was dropped")
			}
			if got := ask[string](t, w, "SELECT string_agg(state, ',') FROM syncd.run"); got != "succeeded" {
				t.Fatalf("runs: %s", got)
			}
		})
	}
}

func TestErrorsOfPostgresTellNamesAndNeverValues(t *testing.T) {
	t.Parallel()
	w := ledger(t)
	r := begin(t, w, order())
	err := pgx.BeginFunc(t.Context(), w.pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO syncd.run_table (run_id, schema_name, table_name, read, inserted, updated)
			VALUES ($1, 'asthma', 'canary-4711', 10, 3, 6)`, r.ID())
		return err
	})
	shown := fault("keep counts", err).Error()
	if want := "keep counts: SQLSTATE 23514, constraint every_row_accounted_for, table run_table"; shown != want {
		t.Errorf("%q, not %q", shown, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.Begin(ctx, order()); !errors.Is(err, context.Canceled) {
		t.Errorf("the end of the context is hidden: %v", err)
	}
}

func TestLedgerTellsOfJobsAndRuns(t *testing.T) {
	t.Parallel()
	w := ledger(t)
	r := begin(t, w, order())
	if err := r.Bind(t.Context(), extract.Identity{Server: "s", ID: "1", Title: "Asthma"}); err != nil {
		t.Fatal(err)
	}
	do(t, w, `INSERT INTO syncd.run_table (run_id, schema_name, table_name, read, inserted, rejected) VALUES ($1, 'asthma', 'visit', 5, 4, 1)`, r.ID())
	do(t, w, `INSERT INTO syncd.reject (job, table_name, key_hash, rule, first_run_id, last_run_id)
		VALUES ('asthma', 'visit', gen_random_uuid(), 'ragged row', $1, $1)`, r.ID())
	proofs := []Proof{{Name: "ids", Holds: true, At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Counts: map[string]int64{"live": 4}}, {Name: "cells", Reason: "why"}}
	end(t, r, Ending{State: Succeeded, Verdict: Unproven, Reason: "why", Proofs: proofs, Live: []TableRows{{"asthma", "visit", 4}, {"asthma", "lab", 2}}})
	failed := begin(t, w, order())
	end(t, failed, Ending{State: Failed, ErrorKind: extract.KindAuth, Error: "read token: refused", Next: "ask"})

	jobs, err := w.Jobs(t.Context())
	if err != nil || len(jobs) != 1 {
		t.Fatalf("%v, %v", jobs, err)
	}
	j := jobs[0]
	if j.Title != "Asthma" || *j.Rows != 6 || j.RejectsOpen != 1 || j.Last.State != Failed || j.Last.ErrorKind != "auth" || j.FreshAt == nil || j.ProvenAt != nil {
		t.Errorf("job %+v, last %+v", j, j.Last)
	}
	runs, err := w.Runs(t.Context(), RunFilter{Job: "asthma"})
	if err != nil || len(runs) != 2 || runs[0].RunID != failed.ID() || runs[1].Read != 5 || runs[1].Inserted != 4 {
		t.Errorf("runs %+v, %v", runs, err)
	}
	if runs, err = w.Runs(t.Context(), RunFilter{State: Succeeded, Before: failed.ID()}); err != nil || len(runs) != 1 {
		t.Errorf("filtered %+v, %v", runs, err)
	}
	d, err := w.RunDetail(t.Context(), r.ID())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(proofs, d.Proofs); diff != "" {
		t.Error(diff)
	}
	if len(d.Tables) != 2 || *d.Tables[1].Live != 4 || d.NewRejects != 1 || len(d.Rejects) != 1 || d.Rejects[0].Rule != "ragged row" {
		t.Errorf("detail %+v", d)
	}
	if _, err := w.RunDetail(t.Context(), 4711); extract.KindOf(err) != extract.KindConfig {
		t.Errorf("a run that is not there: %v", err)
	}
	if err := w.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestApprovalLetsHeldKeysPassAndIsWrittenDown(t *testing.T) {
	t.Parallel()
	w := ledger(t)
	r := begin(t, w, order())
	do(t, w, `INSERT INTO syncd.held (run_id, job, schema_name, table_name, key_hash)
		SELECT $1, 'asthma', 'asthma', 'visit', gen_random_uuid() FROM generate_series(1, 3)`, r.ID())
	if _, err := w.Approve(t.Context(), r.ID(), "ann"); err == nil {
		t.Fatal("a run that is not held was approved")
	}
	end(t, r, Ending{State: Held})
	for _, want := range []int64{3, 0} {
		if a, err := w.Approve(t.Context(), r.ID(), "ann"); err != nil || a.Keys != want {
			t.Fatalf("approved %d, %v", a.Keys, err)
		}
	}
	if got := ask[string](t, w, "SELECT string_agg(actor || ' ' || action || ' ' || subject, ',') FROM syncd.audit"); !strings.HasPrefix(got, "ann approve run ") || strings.Contains(got, ",") {
		t.Errorf("audit: %s", got)
	}
}

func keep(t *testing.T, r *Run, b *extract.Batch) {
	t.Helper()
	if err := pgx.BeginFunc(t.Context(), r.w.pool, func(tx pgx.Tx) error { return r.keepMarks(t.Context(), tx, b) }); err != nil {
		t.Fatal(err)
	}
}

// deafWire drops the reply to the next COMMIT: the server has committed, and the client only sees a lost connection.
type deafWire struct{ armed, deaf atomic.Bool }

type deafConn struct {
	net.Conn
	wire *deafWire
	deaf atomic.Bool
}

func (c *deafConn) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("commit\x00")) && c.wire.armed.CompareAndSwap(true, false) {
		c.deaf.Store(true)
	}
	return c.Conn.Write(b)
}

func (c *deafConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil && c.deaf.Load() {
		c.wire.deaf.Store(true)
		_ = c.Conn.Close()
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}
