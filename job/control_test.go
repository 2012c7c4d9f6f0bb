package job

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"syncd/load"
	"syncd/schedule"
)

func TestSlotsOfAPausedJobOrSourceAreSkippedWithWhoAndWhy(t *testing.T) {
	t.Parallel()
	for _, subject := range []string{"a", "clinic.other"} {
		d := newDaemon(t, "a", "b")
		j := d.jobs["a"]
		j.Source = "clinic.other"
		d.jobs["a"] = j
		if _, err := d.w.Pause(t.Context(), subject, "ann@etl", "moving"); err != nil {
			t.Fatal(err)
		}
		r := d.start(t, "one")
		d.known(t)
		d.clock.add(time.Minute)
		r.poke()
		if o := receive(t, d.done); o.rep.Job != "b" || o.err != nil {
			t.Errorf("%s paused: %+v, %v", subject, o.rep, o.err)
		}
		if _, err := d.w.Resume(t.Context(), subject, "ann@etl"); err != nil {
			t.Fatal(err)
		}
		d.clock.add(time.Minute)
		r.poke()
		for range 2 {
			if o := receive(t, d.done); o.err != nil {
				t.Error(o.err)
			}
		}
		r.end(t)
		got := ask[string](t, d.w.Pool(), "SELECT string_agg(job || ' ' || state || coalesce(' ' || reason, ''), ', ' ORDER BY job, slot_at) FROM syncd.slot")
		if !strings.HasPrefix(got, "a skipped paused by ann@etl since 20") || !strings.HasSuffix(got, "UTC: moving, a succeeded, b succeeded, b succeeded") {
			t.Errorf("%s was paused: %s", subject, got)
		}
	}
}

func TestWaitingSlotIsSettledWhereItsJobIsPausedOrNotScheduledAndLeftToOthersWhereUnknown(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "a", "b", "c")
	e := d.engine("one")
	slots := d.record(t)
	work := func(s load.Slot) error {
		return (&worker{engine: e}).Work(t.Context(), &river.Job[slotArgs]{Args: slotArgs{Job: s.Job, Of: s.Kind, Slot: s.At.UnixMicro()}})
	}
	if _, err := d.w.Pause(t.Context(), "a", "ann@etl", ""); err != nil {
		t.Fatal(err)
	}
	j := e.set.Load().jobs["b"]
	j.Sync = nil
	e.set.Load().jobs["b"] = j
	delete(e.set.Load().jobs, "c")
	for i, s := range slots {
		err := work(s)
		if snoozed := errors.As(err, new(*rivertype.JobSnoozeError)); snoozed != (i == 2) || err != nil && !snoozed {
			t.Errorf("%s: %v", s.Job, err)
		}
	}
	got := ask[string](t, d.w.Pool(), "SELECT string_agg(job || ' ' || state || coalesce(' ' || left(reason, 20), ''), ', ' ORDER BY job) FROM syncd.slot")
	if want := "a skipped paused by ann@etl si, b skipped " + reasonNever[:20] + ", c due"; got != want {
		t.Errorf("slots: %s, want %s", got, want)
	}
	if _, err := d.w.Withhold(t.Context(), slots[2], "gone"); err != nil {
		t.Fatal(err)
	}
	if err := work(slots[2]); err != nil {
		t.Errorf("a slot that somebody has settled is looked at again: %v", err)
	}
}

// beats waits until a run has beaten three times: what was asked of it before has been heard then.
func beats(t *testing.T, w *load.Warehouse) {
	t.Helper()
	for range 3 {
		now, err := w.Now(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		waitFor(t, w.Pool(), "SELECT beat_at > $1 FROM syncd.claim WHERE holder IS NOT NULL", now)
	}
}

func TestCancelledRunEndsAfterTheBatchInHandOrAtOnceAndItsSlotIsSkipped(t *testing.T) {
	t.Parallel()
	for _, now := range []bool{false, true} {
		d := newDaemon(t, "a")
		entered, leave := d.clinics["a"].holdAt(1)
		d.beatEvery = 5 * time.Millisecond
		r := d.start(t, "one")
		d.known(t)
		d.clock.add(time.Minute)
		r.poke()
		receive(t, entered)
		run := ask[int64](t, d.w.Pool(), "SELECT run_id FROM syncd.run")
		if _, err := d.w.Cancel(t.Context(), run, "ann@etl", now); err != nil {
			t.Fatal(err)
		}
		if !now {
			beats(t, d.w)
			close(leave)
		}
		o := receive(t, d.done)
		r.end(t)
		want := int64(2)
		if now {
			want = 1
		}
		if o.rep.State != load.Cancelled || o.rep.Reason != "cancelled by ann@etl" || o.rep.Batches != want || o.err == nil {
			t.Errorf("now %v: %s, %s, %d batches, %v", now, o.rep.State, o.rep.Reason, o.rep.Batches, o.err)
		}
		if got := ask[string](t, d.w.Pool(), "SELECT state || ' ' || reason FROM syncd.slot"); got != "skipped cancelled by ann@etl" {
			t.Errorf("now %v: slot %s", now, got)
		}
	}
}

func TestFullSlotDoesTheWorkOfWhatIsDueBesideIt(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "a")
	j := d.jobs["a"]
	full, err := schedule.Parse("16 2 * * *", time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	j.Full, j.Overlap, j.CatchUp = full, "queue", "all"
	d.jobs["a"] = j
	e := d.engine("one")
	plan := func(want string) {
		t.Helper()
		if _, err := e.plan(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := ask[string](t, d.w.Pool(), "SELECT coalesce(string_agg(to_char(slot_at, 'MI') || ' ' || kind || ' ' || state, ', ' ORDER BY slot_at, kind), '') FROM syncd.slot")
		if got != want {
			t.Errorf("slots: %s\nwant: %s", got, want)
		}
	}
	plan("")
	d.clock.add(time.Minute)
	plan("15 sync due")
	d.clock.add(time.Minute)
	plan("15 sync skipped, 16 full due, 16 sync skipped")
	do(t, d.w.Pool(), "UPDATE syncd.slot SET state = 'running' WHERE state = 'due'")
	d.clock.add(time.Minute)
	plan("15 sync skipped, 16 full running, 16 sync skipped, 17 sync skipped")
	do(t, d.w.Pool(), "UPDATE syncd.slot SET state = 'succeeded' WHERE state = 'running'")
	d.clock.add(time.Minute)
	plan("15 sync skipped, 16 full succeeded, 16 sync skipped, 17 sync skipped, 18 sync due")
	if n := ask[int](t, d.w.Pool(), "SELECT count(*) FROM syncd.slot WHERE state = 'skipped' AND reason <> $1", reasonFull); n != 0 {
		t.Errorf("%d slots are skipped for another reason", n)
	}
}

// What a dead replica had is run by another within a minute: it is silent, found, given out and begun.
func TestHandOverTakesLessThanAMinute(t *testing.T) {
	t.Parallel()
	if worst := load.Silence + turnEvery + 2*time.Second; worst >= time.Minute {
		t.Errorf("a run that is silent is given to another after up to %s", worst)
	}
	if begunWithin+turnEvery >= time.Minute {
		t.Errorf("a slot that was taken and not begun is given to another after up to %s", begunWithin+turnEvery)
	}
}

func TestPausedReceiverKeepsWhatIsPushedAndACancelledDrainEnds(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	d.beatEvery = 5 * time.Millisecond
	b := inbox(t, d.url)
	d.drains = []Drained{wardOf(t, b, new(atomic.Int32))}
	push(t, b, "a", "first")
	r := d.start(t, "one")
	waitFor(t, d.w.Pool(), settledAll, 1)
	if _, err := d.w.Pause(t.Context(), "redox.ward", "ann@etl", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := d.w.Cancel(t.Context(), 1, "ann@etl", false); err != nil {
		t.Fatal(err)
	}
	if o := receive(t, d.done); o.rep.RunID != 1 {
		t.Errorf("the drain that was cancelled ended as run %d", o.rep.RunID)
	}
	push(t, b, "b", "first")
	if _, err := d.w.Begin(t.Context(), load.Order{Job: "ward", Kind: Drain, Schema: "ward", Source: "redox.ward", Holder: "x"}); !errors.As(err, new(*load.PausedError)) {
		t.Errorf("a paused receiver is drained: %v", err)
	}
	if got := ask[int](t, d.w.Pool(), "SELECT count(*) FROM syncd.delivery WHERE state = 'pending'"); got != 1 {
		t.Errorf("%d deliveries wait", got)
	}
	if _, err := d.w.Resume(t.Context(), "redox.ward", "ann@etl"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, d.w.Pool(), settledAll, 2)
	r.end(t)
}
