package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"syncd/internal/fake/redcap"
)

// starts starts the program and leaves it running; the func waits for its end and checks the exit code.
func (w *watch) starts(t *testing.T, args ...string) (signal func(os.Signal), ends func(code int) string) {
	t.Helper()
	cmd := w.command(t, append([]string{"-c", w.file(t, "127.0.0.1:0")}, args...)...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return func(s os.Signal) {
			if err := cmd.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
		}, func(code int) string {
			t.Helper()
			_ = cmd.Wait()
			if got := cmd.ProcessState.ExitCode(); got != code {
				t.Fatalf("%s: exit code %d, want %d\n%s", strings.Join(args, " "), got, code, said.String())
			}
			return said.String()
		}
}

// awaits asks until a query answers with a value.
func (w *watch) awaits(t *testing.T, want, query string) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); scalar(t, w.database, query) != want; {
		if time.Now().After(end) {
			t.Fatalf("%s: %s, want %s", query, scalar(t, w.database, query), want)
		}
	}
}

func (w *watch) is(t *testing.T, want, query string) {
	t.Helper()
	if got := scalar(t, w.database, query); got != want {
		t.Errorf("%s: %s, want %s", query, got, want)
	}
}

func TestBackfillIsPausedBySignalOrCommandAndGoesOn(t *testing.T) {
	t.Parallel()
	w, _ := newFillScene(t, 40)
	asked, release := w.holdPull()
	defer release()
	signal, ends := w.starts(t, "backfill", "crash", "--chunk", "10")
	<-asked
	signal(syscall.SIGINT)
	if said := w.runs(t, exitRefused, "sync", "crash"); !strings.Contains(said, "crash: refused: backfill 1 (running) makes its first load\n  next: wait for it") {
		t.Errorf("a sync beside a first load said:\n%s", said)
	}
	release()
	if said := ends(exitInterrupted); !strings.Contains(said, "to go on: syncd backfill crash") || strings.Contains(said, "level=ERROR") {
		t.Errorf("it said:\n%s", said)
	}
	w.is(t, "paused interrupted", "SELECT state || ' ' || reason FROM syncd.backfill")
	w.is(t, "due", "SELECT string_agg(DISTINCT state, ',') FROM syncd.backfill_chunk WHERE no > 1")
	if said := w.runs(t, exitRefused, "sync", "crash"); !strings.Contains(said, "syncd backfill resume 1") {
		t.Errorf("a sync beside a paused first load said:\n%s", said)
	}
	if said := w.runs(t, exitRefused, "backfill", "crash", "--from", "2020-01-01"); !strings.Contains(said, "another is asked for") {
		t.Errorf("another backfill beside a paused one said:\n%s", said)
	}

	asked, release = w.holdPull()
	defer release()
	_, ends = w.starts(t, "backfill", "crash")
	<-asked
	if said := w.runs(t, exitDone, "backfill", "pause", "1", "--reason", "the server is moved"); !strings.Contains(said, "what is in hand finishes its batch: 1 chunk\n") {
		t.Errorf("pause said:\n%s", said)
	}
	release()
	ends(exitInterrupted)
	if said := w.runs(t, exitDone, "backfill", "list"); !strings.Contains(said, "the server is moved") {
		t.Errorf("the list:\n%s", said)
	}
	w.runs(t, exitDone, "backfill", "resume", "1")
	w.is(t, "succeeded 4", "SELECT state || ' ' || chunks FROM syncd.backfill")
	w.is(t, "40", "SELECT count(*) FROM crash.redcap_record")
	w.runs(t, exitDone, "backfill", "crash", "--chunk", "40") // everything again: nothing is touched
	w.is(t, "0", "SELECT sum(t.inserted + t.updated + t.deleted) FROM syncd.run_table AS t JOIN syncd.run AS r USING (run_id) WHERE r.chunk LIKE '2/%'")
	w.is(t, "backfill,backfill pause,backfill resume", "SELECT string_agg(DISTINCT action, ',') FROM syncd.audit WHERE action LIKE 'backfill%'")
}

func TestBackfillThatIsCancelledLetsGoOfItsIDsAndTheNextSyncLoads(t *testing.T) {
	t.Parallel()
	w, _ := newFillScene(t, 40)
	asked, release := w.holdPull()
	defer release()
	_, ends := w.starts(t, "backfill", "crash", "--chunk", "10")
	<-asked
	w.runs(t, exitDone, "backfill", "cancel", "1")
	release()
	ends(exitRefused)
	w.is(t, "0", "SELECT count(*) FROM syncd.backfill_chunk WHERE ids IS NOT NULL")
	w.is(t, "cancelled", "SELECT state FROM syncd.backfill")
	w.runs(t, exitDone, "sync", "crash")
	w.is(t, "40 proven", "SELECT (SELECT count(*) FROM crash.redcap_record) || ' ' || verdict FROM syncd.run ORDER BY run_id DESC LIMIT 1")
	w.runs(t, exitUsage, "backfill", "resume", "7")
	w.runs(t, exitRefused, "backfill", "resume", "1")
}

// What happens at the source between the plan and the end: records come, change and go, and an instrument is added.
func TestBackfillFollowsASourceThatChangesMeanwhile(t *testing.T) {
	t.Parallel()
	w, _ := newFillScene(t, 60)
	note := freeText(w.project, "note")
	asked, release := w.holdPull()
	defer release()
	signal, ends := w.starts(t, "backfill", "crash", "--chunk", "10")
	<-asked
	signal(syscall.SIGINT)
	release()
	ends(exitInterrupted)
	for _, id := range []string{"5", "35", "36"} {
		if err := w.project.Delete(id); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.project.AddRecord("late", map[string]string{note: "came late"}); err != nil {
		t.Fatal(err)
	}
	if err := w.project.Set("2", "", "", 0, note, "changed when it was read already"); err != nil {
		t.Fatal(err)
	}
	if err := w.project.AddForm(redcap.Form{Name: "extra", Label: "Extra"}, redcap.Field{Name: "extra_note", Type: "text"}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"2", "60"} {
		if err := w.project.Set(id, "", "", 0, "extra_note", "of "+id); err != nil {
			t.Fatal(err)
		}
	}
	w.runs(t, exitDone, "backfill", "crash")
	w.is(t, "58 proven", "SELECT (SELECT count(*) FROM crash.redcap_record) || ' ' || verdict FROM syncd.run ORDER BY run_id DESC LIMIT 1")
	w.is(t, "2", "SELECT count(*) FROM syncd.run WHERE kind = 'backfill' AND chunk = '' AND proofs @> '[{\"name\": \"collected\"}]'")
	w.runs(t, exitDone, "sync", "crash")
	w.is(t, "2,60", "SELECT string_agg(record_id, ',' ORDER BY record_id) FROM crash.extra")
	w.is(t, "1", fmt.Sprintf("SELECT count(*) FROM crash.%s WHERE record_id = '2' AND %s = 'changed when it was read already'", formOf(t, w, note), note))
	w.runs(t, exitDone, "sync", "crash", "--full")
	w.is(t, "0", "SELECT coalesce(sum(inserted + updated + deleted), 0) FROM syncd.run_table WHERE run_id = (SELECT max(run_id) FROM syncd.run)")
}

// formOf finds the table of a field.
func formOf(t *testing.T, w *watch, field string) string {
	t.Helper()
	return scalar(t, w.database, "SELECT table_name FROM syncd.column_def WHERE schema_name = 'crash' AND column_name = '"+field+"' LIMIT 1")
}

func TestBackfillOfATimeReadsWhatChangedThenAndLeavesTheMark(t *testing.T) {
	t.Parallel()
	w, _ := newFillScene(t, 40)
	w.runs(t, exitDone, "sync", "crash")
	mark := scalar(t, w.database, "SELECT string_agg(name || '=' || value, ',') FROM syncd.mark")
	note := freeText(w.project, "note")
	for _, id := range []string{"3", "4", "9"} {
		if err := w.project.Set(id, "", "", 0, note, "changed lately"); err != nil {
			t.Fatal(err)
		}
	}
	statement(t, w.database, "UPDATE crash."+formOf(t, w, note)+" SET _fingerprint = gen_random_uuid() WHERE record_id = '9'")
	from := time.Now().Add(-time.Minute).UTC().Format(time.RFC3339)
	said := w.runs(t, exitDone, "backfill", "crash", "--from", from, "--chunk", "2")
	if !strings.Contains(said, "the job's mark stays") {
		t.Errorf("it said:\n%s", said)
	}
	w.is(t, mark, "SELECT string_agg(name || '=' || value, ',') FROM syncd.mark")
	w.is(t, "3", "SELECT count(*) FROM crash."+formOf(t, w, note)+" WHERE "+note+" = 'changed lately'")
	if said := w.runs(t, exitDone, "backfill", "crash", "--to", "2001-01-01"); !strings.Contains(said, "0 records in 0 chunks") && !strings.Contains(said, "0 of 0 records") {
		t.Errorf("a time without changes:\n%s", said)
	}
}

func TestDaemonsShareABackfillAndSlotsWaitForOneChunk(t *testing.T) {
	t.Parallel()
	w, calm := newFillScene(t, 120)
	w.on(calm).runs(t, exitDone, "backfill", "crash")
	if said := w.runs(t, exitDone, "backfill", "crash", "--detach", "--chunk", "3", "--parallel", "2"); !strings.Contains(said, "with the daemons") {
		t.Errorf("it said:\n%s", said)
	}
	one, two := w.serve(t), w.serve(t)
	w.awaits(t, "succeeded", "SELECT state FROM syncd.backfill")
	w.awaits(t, "true", "SELECT count(*) > 0 FROM syncd.slot WHERE state = 'succeeded'")
	if said := w.runs(t, exitDone, "backfill", "crash", "--detach", "--chunk", "2"); !strings.Contains(said, "backfill 2") {
		t.Errorf("it said:\n%s", said)
	}
	w.awaits(t, "2", "SELECT count(*) FROM syncd.backfill WHERE state = 'succeeded'")
	one.signal(t, syscall.SIGTERM)
	two.signal(t, syscall.SIGTERM)
	one.exits(t, exitDone)
	two.exits(t, exitDone)
	if got, want := digest(t, w.database), digest(t, calm); got != want {
		t.Errorf("rows differ:\n%s\n--\n%s", got, want)
	}
	w.is(t, "2", "SELECT count(DISTINCT holder) FROM syncd.run WHERE chunk LIKE '1/%'")
	w.is(t, "true", "SELECT count(*) > 0 FROM syncd.slot WHERE reason LIKE 'backfill 1 %makes the first load'")
	w.is(t, "0", "SELECT count(*) FROM syncd.slot WHERE reason LIKE 'run % of the job was still at work%' AND EXISTS (SELECT FROM syncd.run AS r WHERE 'run ' || r.run_id || ' of' = substring(reason FROM '^run \\d+ of') AND r.chunk <> '')")
	w.is(t, "0", `SELECT count(*) FROM syncd.run AS a JOIN syncd.run AS b ON a.job = b.job AND a.run_id < b.run_id AND (a.chunk = '' OR b.chunk = '' OR a.chunk = b.chunk)
		WHERE a.started_at < b.ended_at AND b.started_at < a.ended_at`)
}

func TestChunksOfAPausedSourceWaitAndARunThatIsCancelledPausesItsBackfill(t *testing.T) {
	t.Parallel()
	w, _ := newFillScene(t, 40)
	w.runs(t, exitDone, "pause", "redcap.main", "--reason", "the server is moved")
	signal, ends := w.starts(t, "backfill", "crash", "--chunk", "10")
	w.awaits(t, "planned 0", "SELECT state || ' ' || chunks FROM syncd.backfill")
	signal(syscall.SIGINT)
	ends(exitInterrupted)
	w.is(t, "0", "SELECT count(*) FROM syncd.run")
	w.runs(t, exitDone, "resume", "redcap.main")
	asked, release := w.holdPull()
	defer release()
	_, ends = w.starts(t, "backfill", "crash")
	<-asked
	if said := w.runs(t, exitDone, "cancel", scalar(t, w.database, "SELECT max(run_id) FROM syncd.run")); !strings.Contains(said, "its backfill is paused then; to go on: syncd backfill resume ") {
		t.Errorf("cancel said:\n%s", said)
	}
	w.awaits(t, "paused", "SELECT CASE WHEN clock_timestamp() - cancel_at > interval '11 s' THEN 'paused' END FROM syncd.run ORDER BY run_id DESC LIMIT 1")
	release()
	ends(exitInterrupted)
	w.is(t, "true", "SELECT reason LIKE 'cancelled by %' FROM syncd.backfill")
	w.runs(t, exitDone, "backfill", "crash")
	w.is(t, "40", "SELECT count(*) FROM crash.redcap_record")
}
