package main

import (
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"syncd/internal/pgembed"
	"syncd/internal/pgtest"
)

func TestServeRunsEverySlotAndAMisconfiguredJobFailsAlone(t *testing.T) {
	t.Parallel()
	w := newWatch(t, pgtest.New(t))
	s := w.serve(t, "[job.astray]\nsource = \"redcap.main\"\ntoken = \"env:NO_SUCH_TOKEN\"",
		"[redcap.odd]\nurl = \"https://redcap.example.edu/api/\"\nca_file = \"missing.pem\"\n[job.odd]\nsource = \"redcap.odd\"\ntoken = \"env:TOKEN\"")
	s.hears(t, "serving")
	for range 3 {
		if l := s.ended(t, "crash"); l.State != "succeeded" || l.Verdict != "proven" {
			t.Errorf("a slot's run: %s", l.raw)
		}
	}
	if status, _ := s.get(t, "/livez"); status != http.StatusOK {
		t.Errorf("/livez: %d", status)
	}
	if status, _ := s.get(t, "/readyz"); status != http.StatusOK {
		t.Errorf("/readyz: %d", status)
	}
	if code := w.health(t, s); code != exitDone {
		t.Errorf("health of a daemon that is ready: exit %d", code)
	}
	s.signal(t, syscall.SIGTERM)
	s.exits(t, exitDone)
	if code := w.health(t, s); code != exitFailed {
		t.Errorf("health of a daemon that is gone: exit %d", code)
	}
	w.settledOnce(t)
	if n := scalar(t, w.database, "SELECT count(*) FROM syncd.slot WHERE job = 'crash' AND state = 'succeeded'"); n < "3" {
		t.Errorf("%s slots succeeded", n)
	}
	for job, want := range map[string]string{"astray": "%NO_SUCH_TOKEN%", "odd": "%missing.pem%"} {
		failed := scalar(t, w.database, "SELECT count(*) > 0 FROM syncd.slot WHERE job = '"+job+"' AND state = 'failed' AND reason LIKE '"+want+"'")
		if other := scalar(t, w.database, "SELECT count(*) FROM syncd.slot WHERE job = '"+job+"' AND state = 'succeeded'"); failed != "true" || other != "0" {
			t.Errorf("%s: slots failed for their reason: %s; succeeded: %s", job, failed, other)
		}
	}
	if err := w.fake.ReadOnly(); err != nil {
		t.Error(err)
	}
}

func TestFirstSignalEndsServeAfterTheBatchInHand(t *testing.T) {
	t.Parallel()
	w := newWatch(t, pgtest.New(t))
	asked, release := w.holdPull()
	defer release()
	s := w.serve(t)
	<-asked
	s.signal(t, syscall.SIGTERM)
	s.hears(t, "stopping: no work is taken, batches in hand finish")
	if status, retry := s.get(t, "/readyz"); status != http.StatusServiceUnavailable || retry == "" {
		t.Errorf("/readyz while stopping: %d, Retry-After %q", status, retry)
	}
	if status, _ := s.get(t, "/livez"); status != http.StatusOK {
		t.Errorf("/livez while stopping: %d", status)
	}
	release()
	s.exits(t, exitDone)
	w.settledOnce(t)
	const stopped = "SELECT slot_at FROM syncd.run WHERE state = 'cancelled' ORDER BY run_id LIMIT 1"
	if got := scalar(t, w.database, "SELECT state || ' ' || reason FROM syncd.slot WHERE slot_at = ("+stopped+")"); !strings.HasPrefix(got, "due run 1 was stopped with its process: stopped between") {
		t.Errorf("slot: %s", got)
	}
	if n := scalar(t, w.database, "SELECT count(*) FROM syncd.batch"); n == "0" {
		t.Error("the batch in hand was not committed")
	}
	// The next start finishes that night before it waits for another.
	statement(t, w.database, "UPDATE syncd.slot SET state = 'skipped', reason = 'of no matter here' WHERE state = 'due' AND slot_at <> ("+stopped+")")
	second := w.serve(t, "schedule = \"@yearly\"")
	second.ended(t, "crash")
	second.signal(t, syscall.SIGTERM)
	second.exits(t, exitDone)
	w.settledOnce(t)
	if got := scalar(t, w.database, "SELECT string_agg(state, ', ' ORDER BY run_id) FROM syncd.run WHERE slot_at = ("+stopped+")"); got != "cancelled, succeeded" {
		t.Errorf("runs of the slot: %s", got)
	}
}

func TestSecondSignalCutsServe(t *testing.T) {
	t.Parallel()
	w := newWatch(t, pgtest.New(t))
	asked, release := w.holdPull()
	defer release() // not before the daemon has ended: only a cut ends this run
	s := w.serve(t)
	<-asked
	s.signal(t, syscall.SIGTERM)
	s.hears(t, "stopping: no work is taken, batches in hand finish")
	s.signal(t, syscall.SIGTERM)
	s.exits(t, exitDone)
	w.settledOnce(t)
	if got := scalar(t, w.database, "SELECT state || ' ' || reason FROM syncd.slot ORDER BY slot_at LIMIT 1"); got != "due run 1 was stopped with its process: cut: interrupted by a signal" {
		t.Errorf("slot: %s", got)
	}
}

func TestKilledServeRunsItsSlotAgainAndDoublesNothing(t *testing.T) {
	t.Parallel()
	w := newWatch(t, pgtest.New(t))
	asked, release := w.holdPull()
	defer release()
	first := w.serve(t)
	<-asked
	first.signal(t, syscall.SIGKILL)
	<-first.done
	release()
	const killed = "SELECT slot_at FROM syncd.run ORDER BY run_id LIMIT 1"
	if got := scalar(t, w.database, "SELECT state FROM syncd.slot WHERE slot_at = ("+killed+")"); got != "running" {
		t.Errorf("the slot of the killed run is %s", got)
	}
	// As 41 seconds of silence would have it.
	statement(t, w.database, "UPDATE syncd.claim SET beat_at = beat_at - interval '41 s'")
	statement(t, w.database, "UPDATE syncd.river_job SET attempted_at = attempted_at - interval '41 s' WHERE state = 'running'")
	second := w.serve(t)
	for scalar(t, w.database, "SELECT count(*) FROM syncd.run WHERE state = 'succeeded' AND slot_at = ("+killed+")") == "0" {
		second.ended(t, "crash")
	}
	second.signal(t, syscall.SIGTERM)
	second.exits(t, exitDone)
	w.settledOnce(t)
	if got := scalar(t, w.database, "SELECT string_agg(state, ', ' ORDER BY run_id) FROM syncd.run WHERE slot_at = ("+killed+")"); got != "lost, succeeded" {
		t.Errorf("runs of the slot: %s", got)
	}

	clean := *w
	clean.database = pgtest.New(t)
	if out, err := clean.command(t, "-c", clean.file(t, "127.0.0.1:0"), "sync", "crash").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got, want := digest(t, w.database), digest(t, clean.database); got != want {
		t.Errorf("the warehouse differs from that of one clean run:\n%s\n--\n%s", got, want)
	}
}

func TestCancelAndPauseReachADaemonFromAnotherProcess(t *testing.T) {
	t.Parallel()
	w := newWatch(t, pgtest.New(t))
	asked, release := w.holdPull()
	defer release()
	s := w.serve(t)
	<-asked
	say := func(args ...string) string {
		t.Helper()
		out, err := w.command(t, append([]string{"-c", w.file(t, s.admin)}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	if out := say("pause", "crash", "--reason", "moving"); !strings.Contains(out, "run 1 of crash (sync) goes on; to end it: syncd cancel 1") {
		t.Errorf("pause says: %s", out)
	}
	if out := say("cancel", "1"); !strings.Contains(out, "run 1 of crash (sync, on ") || !strings.Contains(out, "its slot of ") {
		t.Errorf("cancel says: %s", out)
	}
	s.hears(t, "run was cancelled, the batch in hand finishes")
	release()
	if l := s.ended(t, "crash"); l.RunID != 1 || l.State != "cancelled" {
		t.Errorf("the run ended: %s", l.raw)
	}
	if got := scalar(t, w.database, "SELECT state || ' ' || (reason LIKE 'cancelled by %@%') FROM syncd.slot WHERE run_id = 1"); got != "skipped true" {
		t.Errorf("slot: %s", got)
	}
	for scalar(t, w.database, "SELECT count(*) > 1 FROM syncd.slot WHERE state = 'skipped' AND reason LIKE 'paused by % UTC: moving'") != "true" {
		if status, _ := s.get(t, "/livez"); status != http.StatusOK {
			t.Fatal("the daemon is gone")
		}
	}
	say("resume", "crash")
	if l := s.ended(t, "crash"); l.State != "succeeded" {
		t.Errorf("after the pause a run ended: %s", l.raw)
	}
	s.signal(t, syscall.SIGTERM)
	s.exits(t, exitDone)
	w.settledOnce(t)
	if got := scalar(t, w.database, "SELECT count(*) FROM syncd.run WHERE state = 'succeeded' AND started_at < (SELECT at FROM syncd.audit WHERE action = 'resume')"); got != "0" {
		t.Errorf("%s runs succeeded during the pause", got)
	}
}

// A machine that is suspended and wakes: its run was given to another, what it still sends is refused, and it works on.
func TestSuspendedServeLosesItsRunToAnotherAndGoesOn(t *testing.T) {
	t.Parallel()
	w := newWatch(t, pgtest.New(t))
	asked, release := w.holdPull()
	defer release()
	first := w.serve(t)
	<-asked
	first.signal(t, syscall.SIGSTOP)
	release()
	const suspended = "SELECT slot_at FROM syncd.run ORDER BY run_id LIMIT 1"
	// As 90 seconds of suspension would have it.
	statement(t, w.database, "UPDATE syncd.claim SET beat_at = beat_at - interval '90 s'")
	statement(t, w.database, "UPDATE syncd.river_job SET attempted_at = attempted_at - interval '90 s' WHERE state = 'running'")
	second := w.serve(t)
	for scalar(t, w.database, "SELECT count(*) FROM syncd.run WHERE state = 'succeeded' AND slot_at = ("+suspended+")") == "0" {
		second.ended(t, "crash")
	}
	first.signal(t, syscall.SIGCONT)
	if l := first.ended(t, "crash"); l.RunID != 1 || l.State != "lost" {
		t.Errorf("the suspended run ended: %s", l.raw)
	}
	second.signal(t, syscall.SIGTERM)
	second.exits(t, exitDone)
	if l := first.ended(t, "crash"); l.State != "succeeded" || l.Verdict != "proven" {
		t.Errorf("after its suspension the daemon's run: %s", l.raw)
	}
	first.signal(t, syscall.SIGTERM)
	first.exits(t, exitDone)
	w.settledOnce(t)
	if got := scalar(t, w.database, "SELECT string_agg(state, ', ' ORDER BY run_id) FROM syncd.run WHERE slot_at = ("+suspended+")"); got != "lost, succeeded" {
		t.Errorf("runs of the slot: %s", got)
	}
}

func TestServeWaitsForPostgresAndGoesOnAfterItWasAway(t *testing.T) {
	t.Parallel()
	pg := pgtest.Private(t, pgembed.Options{})
	if err := pg.Kill(); err != nil {
		t.Fatal(err)
	}
	w := newWatch(t, pg.URL("postgres"))
	s := w.serve(t)
	s.hears(t, "postgres is not ready, trying again")
	if status, _ := s.get(t, "/livez"); status != http.StatusOK {
		t.Errorf("/livez without Postgres: %d", status)
	}
	s.becomes(t, http.StatusServiceUnavailable)
	if code := w.health(t, s); code != exitFailed {
		t.Errorf("health without Postgres: exit %d", code)
	}
	for range 2 {
		if err := pg.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.becomes(t, http.StatusOK)
		before, err := strconv.ParseInt(scalar(t, w.database, "SELECT coalesce(max(run_id), 0) FROM syncd.run"), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		for l := (line{}); l.RunID <= before || l.Verdict != "proven"; { // a run that was left in the middle fails
			l = s.ended(t, "crash")
		}
		if err := pg.Kill(); err != nil {
			t.Fatal(err)
		}
		if status, retry := s.get(t, "/readyz"); status != http.StatusServiceUnavailable || retry == "" {
			t.Errorf("/readyz without Postgres: %d, Retry-After %q", status, retry)
		}
	}
	s.signal(t, syscall.SIGTERM)
	s.exits(t, exitDone)
}

func TestSignalEndsServeThatWaitsForASilentPostgres(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	address := url.URL{Scheme: "postgres", User: url.User("syncd"), Host: silent.Addr().String(), Path: "/warehouse", RawQuery: "sslmode=disable&connect_timeout=3600"}
	w := newWatch(t, address.String())
	s := w.serve(t)
	conn, err := silent.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s.signal(t, syscall.SIGTERM)
	s.exits(t, exitDone)
}
