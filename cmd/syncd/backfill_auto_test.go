package main

import (
	"bytes"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"syncd/internal/config"
	"syncd/internal/fake/redcap"
)

// large runs the program here, where a first load of more than 100 records is large.
func (w *watch) large(t *testing.T, signals <-chan os.Signal, args ...string) (code int, said string) {
	t.Helper()
	var out bytes.Buffer
	m := &Main{
		Args: append([]string{"-c", w.file(t, "127.0.0.1:0")}, args...), Stdout: &out, Stderr: &out, Now: time.Now, Signals: signals,
		wait: time.Millisecond, large: 100, options: []config.Option{config.LeastEvery(time.Second)},
	}
	code = m.Run(t.Context())
	return code, out.String()
}

func TestLargeFirstLoadIsCutByTheRunThatMakesItAndGoesOnWhereItWasInterrupted(t *testing.T) {
	w, calm := newFillScene(t, 1500)
	t.Setenv("TOKEN", w.project.Token())
	t.Setenv("DATABASE_URL", calm)
	code, said := w.on(calm).large(t, nil, "sync", "crash")
	if code != exitDone || !strings.Contains(said, "crash: succeeded, proven") {
		t.Fatalf("exit %d:\n%s", code, said)
	}
	w.on(calm).is(t, "succeeded 30 t t", "SELECT concat_ws(' ', state, chunks, first, automatic) FROM syncd.backfill")
	w.on(calm).is(t, "30", "SELECT count(*) FROM syncd.backfill_chunk WHERE state = 'done' AND ids IS NULL")
	w.on(calm).is(t, "1", "SELECT count(*) FROM syncd.run")
	w.on(calm).is(t, "true", "SELECT bool_and(holds) FROM (SELECT (jsonb_array_elements(proofs) ->> 'holds')::boolean AS holds FROM syncd.run) AS p")

	t.Setenv("DATABASE_URL", w.database)
	signals := make(chan os.Signal, 1)
	n := 0
	w.fake.OnRequest(func(r redcap.Request) {
		if r.Content == "record" && r.IDs > 1 {
			if n++; n == 1 {
				signals <- os.Interrupt
			}
		}
	})
	if code, said = w.large(t, signals, "sync", "crash"); code != exitInterrupted {
		t.Fatalf("exit %d:\n%s", code, said)
	}
	w.fake.OnRequest(nil)
	loaded := scalar(t, w.database, "SELECT count(*) FROM crash.redcap_record")
	if loaded == "0" || loaded == "1500" {
		t.Fatalf("%s records were loaded before the interruption", loaded)
	}
	w.is(t, "running", "SELECT state FROM syncd.backfill")
	if code, said = w.large(t, nil, "sync", "crash"); code != exitDone || !strings.Contains(said, "succeeded, proven") {
		t.Fatalf("exit %d:\n%s", code, said)
	}
	w.is(t, "true", "SELECT sum(read) + "+loaded+" = 1500 FROM syncd.run_table WHERE run_id = 2 AND table_name = 'redcap_record'")
	w.is(t, "succeeded 30", "SELECT state || ' ' || chunks FROM syncd.backfill")
	if got, want := digest(t, w.database), digest(t, calm); got != want {
		t.Errorf("rows differ:\n%s\n--\n%s", got, want)
	}
	w.is(t, "true", "SELECT value::timestamptz <= (SELECT started_at FROM syncd.run WHERE run_id = 1) + interval '2 s' FROM syncd.mark WHERE name = 'server_time'")
	if code, said = w.large(t, nil, "sync", "crash"); code != exitDone || !strings.Contains(said, "inserted 0, updated 0") {
		t.Fatalf("exit %d:\n%s", code, said)
	}
}

func TestInterruptedFirstLoadOfAStructureThatHasChangedIsReadFromTheStart(t *testing.T) {
	w, _ := newFillScene(t, 120)
	t.Setenv("TOKEN", w.project.Token())
	t.Setenv("DATABASE_URL", w.database)
	signals := make(chan os.Signal, 1)
	w.fake.OnRequest(func(r redcap.Request) {
		if r.Content == "record" && r.IDs > 1 && len(signals) == 0 {
			signals <- os.Interrupt
		}
	})
	if code, said := w.large(t, signals, "sync", "crash"); code != exitInterrupted {
		t.Fatalf("exit %d:\n%s", code, said)
	}
	w.fake.OnRequest(nil)
	if err := w.project.AddForm(redcap.Form{Name: "extra", Label: "Extra"}, redcap.Field{Name: "extra_note", Type: "text"}); err != nil {
		t.Fatal(err)
	}
	if err := w.project.Set("1", "", "", 0, "extra_note", "of one"); err != nil {
		t.Fatal(err)
	}
	if code, said := w.large(t, nil, "sync", "crash"); code != exitDone || !strings.Contains(said, "succeeded, proven") {
		t.Fatalf("exit %d:\n%s", code, said)
	}
	w.is(t, "1", "SELECT count(*) FROM crash.extra")
	w.is(t, "120", "SELECT sum(read) FROM syncd.run_table WHERE run_id = 2 AND table_name = 'redcap_record'")
	w.is(t, "succeeded", "SELECT state FROM syncd.backfill")
}

func TestInterruptedFirstLoadIsFinishedByChunksAsWell(t *testing.T) {
	w, calm := newFillScene(t, 600)
	w.on(calm).runs(t, exitDone, "sync", "crash")
	t.Setenv("TOKEN", w.project.Token())
	t.Setenv("DATABASE_URL", w.database)
	signals := make(chan os.Signal, 1)
	w.fake.OnRequest(func(r redcap.Request) {
		if r.Content == "record" && r.IDs > 1 && len(signals) == 0 {
			signals <- os.Interrupt
		}
	})
	if code, said := w.large(t, signals, "sync", "crash"); code != exitInterrupted {
		t.Fatalf("exit %d:\n%s", code, said)
	}
	w.fake.OnRequest(nil)
	if said := w.runs(t, exitDone, "backfill", "crash", "--parallel", "3"); !strings.Contains(said, "goes on with backfill 1") {
		t.Errorf("it said:\n%s", said)
	}
	w.is(t, "succeeded 12", "SELECT state || ' ' || chunks FROM syncd.backfill")
	if got, want := digest(t, w.database), digest(t, calm); got != want {
		t.Errorf("rows differ:\n%s\n--\n%s", got, want)
	}
}

func TestBackfillWaitsForASourceThatIsDownAndGoesOnWhenItIsBack(t *testing.T) {
	w, _ := newFillScene(t, 60)
	t.Setenv("TOKEN", w.project.Token())
	t.Setenv("DATABASE_URL", w.database)
	var asked atomic.Int64
	back := w.fake.Fault(redcap.Fault{Kind: redcap.Status, N: 503, Match: func(r redcap.Request) bool {
		if r.Content == "record" && r.IDs > 1 {
			asked.Add(1)
		}
		return asked.Load() > 1 // from the second request for rows on
	}})
	type ended struct {
		code int
		said string
	}
	over := make(chan ended, 1)
	go func() {
		code, said := w.large(t, nil, "backfill", "crash", "--chunk", "10")
		over <- ended{code, said}
	}()
	w.awaits(t, "true", "SELECT down_since IS NOT NULL FROM syncd.circuit WHERE source = 'redcap.main'")
	w.awaits(t, "0", "SELECT count(*) FROM syncd.run WHERE state = 'running'")
	w.is(t, "running", "SELECT state FROM syncd.backfill")
	back()
	statement(t, w.database, "UPDATE syncd.circuit SET probe_at = clock_timestamp()")
	e := <-over
	if e.code != exitDone {
		t.Fatalf("exit %d:\n%s", e.code, e.said)
	}
	w.is(t, "60 proven", "SELECT (SELECT count(*) FROM crash.redcap_record) || ' ' || verdict FROM syncd.run ORDER BY run_id DESC LIMIT 1")
	w.is(t, "0", "SELECT count(*) FROM syncd.backfill_chunk WHERE state <> 'done'")
}
