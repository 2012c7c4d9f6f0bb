package job

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/riverqueue/river/rivertype"

	"syncd/extract"
	"syncd/internal/pgtest"
	"syncd/load"
	"syncd/schedule"
)

func TestReplicasShareSlotsAndRunEachOnce(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "a", "b", "c")
	one, two := d.start(t, "one"), d.start(t, "two")
	d.known(t)
	const slots = 4
	for range slots {
		d.clock.add(time.Minute)
		one.poke()
		two.poke()
		for range 3 {
			if o := receive(t, d.done); o.err != nil || o.rep.Verdict != load.Proven {
				t.Fatalf("%+v, %v", o.rep, o.err)
			}
		}
	}
	one.end(t)
	two.end(t)
	pool := d.w.Pool()
	if n := ask[int](t, pool, "SELECT count(*) FROM syncd.slot WHERE state = 'succeeded'"); n != 3*slots {
		t.Errorf("%d slots succeeded", n)
	}
	if n := ask[int](t, pool, "SELECT count(*) FROM syncd.slot WHERE state <> 'succeeded'"); n != 0 {
		t.Errorf("%d slots ended otherwise", n)
	}
	if n := ask[int](t, pool, "SELECT count(*) FROM syncd.run"); n != 3*slots {
		t.Errorf("%d runs", n)
	}
	if n := ask[int](t, pool, "SELECT count(*) FROM syncd.run AS a JOIN syncd.run AS b USING (job) WHERE a.run_id < b.run_id AND (b.started_at <= a.ended_at OR b.epoch <= a.epoch)"); n != 0 {
		t.Errorf("%d pairs of runs of one job overlap", n)
	}
}

func TestServeGoesOnAfterPostgresDroppedItsConnections(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "a")
	r := d.start(t, "one")
	d.known(t)
	for range 3 {
		other := warehouseAt(t, d.url)
		if n := ask[int](t, other.Pool(), "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"); n == 0 {
			t.Error("there was no connection to drop")
		}
		d.clock.add(time.Minute)
		r.poke()
		receive(t, d.done)
	}
	r.end(t)
	got := ask[string](t, warehouseAt(t, d.url).Pool(), "SELECT string_agg(DISTINCT state || coalesce(' ' || reason, ''), ', ') FROM syncd.slot")
	if got != "succeeded" {
		t.Errorf("slots: %s", got)
	}
}

func TestSlotThatFindsASilentHolderOrWasLostBeforeWaitsForItsTurn(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "a")
	e := d.engine("one")
	slot := load.Slot{Job: "a", Kind: Sync, At: d.clock.now}
	record := func() {
		t.Helper()
		if _, err := d.w.Record(t.Context(), load.Recording{Job: "a", Kind: Sync, Times: []time.Time{slot.At}}); err != nil {
			t.Fatal(err)
		}
	}
	state := func() string {
		return ask[string](t, d.w.Pool(), "SELECT state FROM syncd.slot WHERE slot_at = $1", slot.At)
	}
	waits := func(err error) bool { return errors.As(err, new(*rivertype.JobSnoozeError)) }
	record()
	if err := e.refused(t.Context(), d.jobs["a"], slot, &load.BusyError{Silent: quiet + 1}); !waits(err) || state() != "due" {
		t.Errorf("a silent holder made the slot %s, %v", state(), err)
	}
	if err := e.refused(t.Context(), Planned{Overlap: "queue"}, slot, &load.BusyError{}); !waits(err) || state() != "due" {
		t.Errorf("overlap = queue made the slot %s, %v", state(), err)
	}
	if err := e.refused(t.Context(), d.jobs["a"], slot, &load.BusyError{}); err != nil || state() != "skipped" {
		t.Errorf("overlap = skip made the slot %s, %v", state(), err)
	}
	slot.At = slot.At.Add(time.Minute)
	record()
	if _, err := d.w.Begin(t.Context(), load.Order{Job: "a", Kind: Sync, Schema: "a", Holder: "dead", Slot: slot.At}); err != nil {
		t.Fatal(err)
	}
	do(t, d.w.Pool(), "UPDATE syncd.claim SET beat_at = beat_at - interval '41 s'")
	if _, err := d.w.Reap(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := e.refused(t.Context(), d.jobs["a"], slot, &load.BusyError{}); !waits(err) || state() != "due" {
		t.Errorf("a slot that was lost before is %s, %v", state(), err)
	}
}

func TestSlotsMissedWhileNothingRanAreCaughtUpByTheLatest(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "a")
	r := d.start(t, "one")
	d.known(t)
	r.end(t)
	d.clock.add(10 * time.Minute)
	r = d.start(t, "one again")
	receive(t, d.done)
	r.end(t)
	got := ask[string](t, d.w.Pool(), "SELECT string_agg(n || ' ' || state || coalesce(' ' || reason, ''), ', ') FROM (SELECT state, reason, count(*) AS n FROM syncd.slot GROUP BY 1, 2 ORDER BY 1) AS s")
	if want := "9 skipped " + reasonMissed + ", 1 succeeded"; got != want {
		t.Fatalf("slots: %s", got)
	}
}

func TestSlotThatADeadReplicaLeftIsRunAgain(t *testing.T) {
	t.Parallel()
	for _, begun := range []bool{true, false} {
		d := newDaemon(t, "a")
		pool := d.w.Pool()
		slot := d.clock.now.Add(time.Minute).Truncate(time.Minute)
		// What kill -9 leaves: a slot that the queue gave away, whose run (if it began) does not beat.
		dead := d.engine("dead")
		q, err := dead.newQueue()
		if err != nil {
			t.Fatal(err)
		}
		if err := d.w.Seen(t.Context(), load.Order{Job: "a", Schema: "a", Source: "clinic.main"}, "sync = CRON_TZ=UTC * * * * *, full = none", slot.Add(-time.Minute)); err != nil {
			t.Fatal(err)
		}
		if _, err := d.w.Record(t.Context(), load.Recording{Job: "a", Kind: Sync, Times: []time.Time{slot}}); err != nil {
			t.Fatal(err)
		}
		if err := dead.distribute(t.Context(), q); err != nil {
			t.Fatal(err)
		}
		do(t, pool, "UPDATE syncd.river_job SET state = 'running', attempt = 1, attempted_at = now() - interval '45 s', attempted_by = '{dead}'")
		if begun {
			if _, err := d.w.Begin(t.Context(), load.Order{Job: "a", Kind: Sync, Schema: "a", Source: "clinic.main", Holder: "dead", Slot: slot}); err != nil {
				t.Fatal(err)
			}
			do(t, pool, "UPDATE syncd.claim SET beat_at = beat_at - interval '41 s'")
		}
		d.clock.add(time.Minute)
		r := d.start(t, "alive")
		o := receive(t, d.done)
		r.end(t)
		if o.err != nil || o.rep.Verdict != load.Proven || !o.rep.SlotAt.Equal(slot) {
			t.Fatalf("begun %v: %+v, %v", begun, o.rep, o.err)
		}
		want := "succeeded"
		if begun {
			want = "lost,succeeded"
		}
		if got := ask[string](t, pool, "SELECT string_agg(state, ',' ORDER BY run_id) FROM syncd.run"); got != want {
			t.Errorf("begun %v: runs %s", begun, got)
		}
		if got := ask[string](t, pool, "SELECT string_agg(state, ',') FROM syncd.slot"); got != "succeeded" {
			t.Errorf("begun %v: slots %s", begun, got)
		}
	}
}

func TestSlotThatFindsItsJobAtWorkIsSkippedOrQueuedAsConfigured(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "a")
	entered, leave := d.clinics["a"].holdAt(0)
	r := d.start(t, "one")
	d.known(t)
	d.clock.add(time.Minute)
	r.poke()
	receive(t, entered)
	d.clock.add(time.Minute)
	r.poke()
	waitFor(t, d.w.Pool(), "SELECT count(*) = 1 FROM syncd.slot WHERE state = 'skipped' AND reason LIKE 'run % of the job was still at work%'")
	close(leave)
	receive(t, d.done)
	r.end(t)
	if n := ask[int](t, d.w.Pool(), "SELECT count(*) FROM syncd.run"); n != 1 {
		t.Errorf("%d runs", n)
	}
}

func TestMisconfiguredJobFailsAloneAndWithItsReason(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "a", "b", "c")
	j := d.jobs["b"]
	j.Open = func(context.Context) (extract.Source, error) {
		return nil, extract.Errorf(extract.KindConfig, "read token of b", "B_TOKEN is not set")
	}
	d.jobs["b"] = j
	j = d.jobs["c"]
	j.Schema = "a" // belongs to a
	d.jobs["c"] = j
	r := d.start(t, "one")
	d.clock.add(time.Minute)
	waitFor(t, d.w.Pool(), "SELECT count(*) >= 2 FROM syncd.job WHERE spec IS NOT NULL")
	d.clock.add(time.Minute)
	r.poke()
	receive(t, d.done)
	receive(t, d.done)
	r.end(t)
	got := ask[string](t, d.w.Pool(), "SELECT string_agg(DISTINCT job || ' ' || state || coalesce(' ' || reason, ''), ', ') FROM syncd.slot WHERE job = 'b'")
	if got != "b failed read token of b: B_TOKEN is not set" {
		t.Errorf("b: %s", got)
	}
}

func TestFullSlotReplacesTheNightlyOneDueWithIt(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "a")
	j := d.jobs["a"]
	j.Full = j.Sync
	d.jobs["a"] = j
	r := d.start(t, "one")
	d.known(t)
	d.clock.add(time.Minute)
	r.poke()
	if o := receive(t, d.done); o.rep.Kind != Full {
		t.Errorf("%s ran", o.rep.Kind)
	}
	r.end(t)
	if got := ask[string](t, d.w.Pool(), "SELECT string_agg(kind || ' ' || state, ', ' ORDER BY kind) FROM syncd.slot"); got != "full succeeded, sync skipped" {
		t.Errorf("slots: %s", got)
	}
}

func TestStopLetsBatchesFinishAndACutDoesNot(t *testing.T) {
	t.Parallel()
	for _, cut := range []bool{false, true} {
		d := newDaemon(t, "a")
		entered, leave := d.clinics["a"].holdAt(1)
		r := d.start(t, "one")
		d.known(t)
		d.clock.add(time.Minute)
		r.poke()
		receive(t, entered)
		if err := r.Ready(t.Context()); err != nil {
			t.Error(err)
		}
		close(r.stop)
		want := "stopped between two batches"
		if cut {
			r.cancel(errors.New("second signal"))
			want = "cut: second signal"
		} else {
			<-r.stopping
			close(leave)
		}
		o := receive(t, d.done)
		if err := receive(t, r.ended); err != nil {
			t.Errorf("serve ended with %v", err)
		}
		if o.rep.State != load.Cancelled || o.err == nil {
			t.Errorf("cut %v: %s, %v", cut, o.rep.State, o.err)
		}
		if got := ask[string](t, d.w.Pool(), "SELECT state || ' ' || reason FROM syncd.slot"); got != fmt.Sprintf("due run %d was stopped with its process: %s", o.rep.RunID, want) {
			t.Errorf("cut %v: slot %s", cut, got)
		}
		if err := r.Ready(t.Context()); err == nil {
			t.Error("a stopped replica is ready")
		}
		d.clinics["a"].before = nil
		r = d.start(t, "one again")
		if o := receive(t, d.done); o.err != nil || o.rep.Verdict != load.Proven {
			t.Errorf("cut %v: the next start: %+v, %v", cut, o.rep, o.err)
		}
		r.end(t)
		if got := ask[string](t, d.w.Pool(), "SELECT string_agg(state, ', ') FROM syncd.slot"); got != "succeeded" {
			t.Errorf("cut %v: after the next start the slot is %s", cut, got)
		}
	}
}

// daemon is what the replicas of a test share: a warehouse, a clock, some clinics with a slot every minute.
type daemon struct {
	url     string
	w       *load.Warehouse
	clock   *clock
	clinics map[string]*clinic
	jobs    map[string]Planned
	drains  []Drained
	done    chan outcome

	beatEvery time.Duration
}

type outcome struct {
	rep Report
	err error
}

type replica struct {
	*Engine
	pokes  chan struct{}
	stop   chan struct{}
	cancel context.CancelCauseFunc
	ended  chan error
}

func newDaemon(t *testing.T, names ...string) *daemon {
	t.Helper()
	d := &daemon{url: pgtest.New(t), clock: &clock{now: time.Date(2026, 3, 4, 2, 14, 30, 0, time.UTC)}, clinics: map[string]*clinic{}, jobs: map[string]Planned{}, done: make(chan outcome, 100)}
	d.w = warehouseAt(t, d.url)
	every, err := schedule.Parse("* * * * *", time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		c := newClinic(5)
		c.id = n // each a project of its own
		d.clinics[n] = c
		d.jobs[n] = Planned{Name: n, Source: "clinic.main", Schema: n, Sync: every, Open: c.open}
	}
	return d
}

func (d *daemon) engine(holder string) *Engine {
	var jobs []Planned
	for _, j := range d.jobs {
		jobs = append(jobs, j)
	}
	return NewEngine(Config{
		Warehouse: d.w, Jobs: jobs, Drains: d.drains, Holder: holder, Log: quietLog(), Now: d.clock.read, Poke: make(chan struct{}), BeatEvery: d.beatEvery,
		Done: func(r Report, err error) { d.done <- outcome{r, err} },
	})
}

func (d *daemon) start(t *testing.T, holder string) *replica {
	t.Helper()
	r := &replica{pokes: make(chan struct{}, 10), stop: make(chan struct{}), ended: make(chan error, 1)}
	r.Engine = d.engine(holder)
	r.Poke = r.pokes
	ctx, cancel := context.WithCancelCause(t.Context())
	r.cancel = cancel
	go func() { r.ended <- r.Run(ctx, r.stop) }()
	return r
}

// known waits until the schedules are known, from when on slots count.
func (d *daemon) known(t *testing.T) {
	t.Helper()
	waitFor(t, d.w.Pool(), "SELECT count(*) = $1 FROM syncd.job WHERE spec IS NOT NULL", len(d.jobs))
}

func (r *replica) poke() { r.pokes <- struct{}{} }

func (r *replica) end(t *testing.T) {
	t.Helper()
	close(r.stop)
	if err := receive(t, r.ended); err != nil {
		t.Errorf("serve ended with %v", err)
	}
	r.cancel(nil)
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func (c *clock) read(context.Context) (time.Time, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now, nil
}
