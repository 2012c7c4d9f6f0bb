package job

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/riverqueue/river/rivertype"

	"syncd/extract"
	"syncd/load"
)

const away = "status 503"

// fall makes the source of a daemon's clinics go down.
func (d *daemon) fall(t *testing.T) *load.Circuit {
	t.Helper()
	c := d.w.Circuit("clinic.main")
	for range 3 {
		if err := c.Settle(t.Context(), away); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// record records a slot of every job at the daemon's present.
func (d *daemon) record(t *testing.T) (slots []load.Slot) {
	t.Helper()
	for name := range d.jobs {
		s := load.Slot{Job: name, Kind: Sync, At: d.clock.now}
		if err := d.w.Seen(t.Context(), load.Order{Job: name, Schema: name, Source: "clinic.main"}, "", d.clock.now); err != nil {
			t.Fatal(err)
		}
		if _, err := d.w.Record(t.Context(), load.Recording{Job: name, Kind: Sync, Times: []time.Time{s.At}}); err != nil {
			t.Fatal(err)
		}
		slots = append(slots, s)
	}
	slices.SortFunc(slots, func(a, b load.Slot) int { return slices.Compare([]string{a.Job}, []string{b.Job}) })
	return slots
}

func TestSlotsOfASourceThatIsDownWaitForItsProbeInOrder(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "a", "b", "c")
	e := d.engine("one")
	slots := d.record(t)
	d.fall(t)
	snoozed := func(s load.Slot) time.Duration {
		t.Helper()
		run, err := e.admit(t.Context(), d.jobs[s.Job], s)
		var snooze *rivertype.JobSnoozeError
		if run != nil || !errors.As(err, &snooze) {
			t.Fatalf("a slot of a source that is down is begun: %v, %v", run, err)
		}
		return snooze.Duration
	}
	if got := snoozed(slots[0]); got != lookAgain {
		t.Errorf("right after the fall: waits %s, want %s", got, lookAgain)
	}
	began := time.Now()
	do(t, d.w.Pool(), "UPDATE syncd.circuit SET probe_at = clock_timestamp() + interval '1 minute'")
	for i, s := range slots {
		wait, until := snoozed(s), time.Minute+time.Duration(i)*apart
		if passed := time.Since(began); wait > until || wait < until-passed { // what has passed meanwhile is no longer waited for
			t.Errorf("slot %d waits %s, want %s less at most %s", i, wait, until, passed)
		}
	}
	do(t, d.w.Pool(), "UPDATE syncd.circuit SET probe_at = clock_timestamp() - interval '1 second'")
	run, err := e.admit(t.Context(), d.jobs["a"], slots[0])
	if run == nil || err != nil {
		t.Fatalf("a probe is due: %v", err)
	}
	if down, probe, err := d.w.Circuit("clinic.main").Admit(run); down != "" || !probe || err != nil {
		t.Errorf("the probe is not sent: %q, %v", down, err)
	}
	for _, s := range slots[1:] {
		if got := snoozed(s); got.Truncate(time.Second) != lookAgain {
			t.Errorf("while the probe is under way: waits %s", got)
		}
	}
	if err := d.w.Circuit("clinic.main").Settle(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	for _, s := range slots {
		if run, err := e.admit(t.Context(), d.jobs[s.Job], s); run == nil || err != nil {
			t.Errorf("%s is not begun after the probe succeeded: %v", s.Job, err)
		}
	}
}

func TestSlotFailsOnceItsSourceWasDownForLongerThanRetryFor(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "a", "b")
	e := d.engine("one")
	j := d.jobs["b"]
	j.RetryFor, j.Offset = time.Hour, 30*time.Minute
	d.jobs["b"] = j
	slots := d.record(t)
	d.fall(t)
	do(t, d.w.Pool(), "UPDATE syncd.circuit SET down_since = $1", d.clock.now.Add(-time.Hour))
	states := func() string {
		t.Helper()
		for _, s := range slots {
			if run, _ := e.admit(t.Context(), d.jobs[s.Job], s); run != nil {
				t.Errorf("%s is begun", s.Job)
			}
		}
		return ask[string](t, d.w.Pool(), "SELECT string_agg(job || ' ' || state || coalesce(' ' || reason, ''), ', ' ORDER BY job) FROM syncd.slot")
	}
	const reason = "clinic.main was down for longer than retry_for"
	for _, c := range []struct {
		later time.Duration
		want  string
	}{
		{90 * time.Minute, "a due, b due"},
		{time.Second, "a due, b failed " + reason},
		{retryFor - 90*time.Minute, "a failed " + reason + ", b failed " + reason},
	} {
		if d.clock.add(c.later); states() != c.want {
			t.Errorf("slots: %s, want %s", states(), c.want)
		}
	}
}

func TestSlotThatWasOverdueBeforeItsSourceFellStillWaits(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "a")
	slots := d.record(t)
	d.fall(t)
	d.clock.add(24 * time.Hour)
	do(t, d.w.Pool(), "UPDATE syncd.circuit SET down_since = $1", d.clock.now)
	if _, err := d.engine("one").admit(t.Context(), d.jobs["a"], slots[0]); !errors.As(err, new(*rivertype.JobSnoozeError)) {
		t.Errorf("%v", err)
	}
}

// TestServeRunsASlotAgainThatFailedBecauseItsSourceWasDown lets the source fail under the first run, and open its
// circuit; the probe of the next one finds it up.
func TestServeRunsASlotAgainThatFailedBecauseItsSourceWasDown(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "a")
	circuit := d.w.Circuit("clinic.main")
	fails := 3
	d.clinics["a"].describe = func(ctx context.Context) error {
		failure := ""
		if fails > 0 {
			fails--
			failure = away
		}
		if err := circuit.Settle(ctx, failure); err != nil || failure == "" {
			return err
		}
		return extract.Errorf(extract.KindTransient, "describe clinic", away)
	}
	r := d.start(t, "one")
	d.known(t)
	d.clock.add(time.Minute)
	for i := range 3 {
		r.poke()
		if o := receive(t, d.done); o.err == nil || o.rep.State != load.Failed {
			t.Fatalf("run %d: %+v, %v", i, o.rep, o.err)
		}
		if i == 2 { // a slot that finds the circuit open would be put back for longer than a test may wait
			do(t, d.w.Pool(), "UPDATE syncd.circuit SET probe_at = clock_timestamp() WHERE down_since IS NOT NULL")
		}
		waitFor(t, d.w.Pool(), "SELECT count(*) = 1 FROM syncd.slot WHERE state = 'due' AND run_id IS NULL")
		waitFor(t, d.w.Pool(), "SELECT count(*) = 0 FROM syncd.river_job WHERE state = 'running'")
	}
	r.poke()
	o := receive(t, d.done)
	r.end(t)
	if o.err != nil || o.rep.Verdict != load.Proven {
		t.Fatalf("%+v, %v", o.rep, o.err)
	}
	if got := ask[string](t, d.w.Pool(), "SELECT string_agg(state, ',') FROM syncd.slot"); got != "succeeded" {
		t.Errorf("slots: %s", got)
	}
	if got := ask[string](t, d.w.Pool(), "SELECT string_agg(state, ',' ORDER BY run_id) FROM syncd.run"); got != "failed,failed,failed,succeeded" {
		t.Errorf("runs: %s", got)
	}
}

func TestRefusedTokenIsOneAttemptForItsSlot(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "a")
	asked := 0
	d.clinics["a"].describe = func(context.Context) error {
		asked++
		return extract.Errorf(extract.KindAuth, "describe clinic", "the token was refused")
	}
	if err := d.w.Circuit("clinic.main").Settle(t.Context(), away); err != nil { // of another job
		t.Fatal(err)
	}
	r := d.start(t, "one")
	d.known(t)
	d.clock.add(time.Minute)
	r.poke()
	receive(t, d.done)
	r.end(t)
	got := ask[string](t, d.w.Pool(), "SELECT string_agg(state || ' ' || reason, ',') FROM syncd.slot")
	if asked != 1 || got != "failed describe clinic: the token was refused" {
		t.Errorf("asked %d times, slots: %s", asked, got)
	}
}
