package notice

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"syncd/extract"
	"syncd/internal/pgtest"
	"syncd/load"
)

// inbox is a notifier's other end.
type inbox struct {
	mu       sync.Mutex
	messages []Message
	refuse   error
}

func (i *inbox) Send(_ context.Context, m Message) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.refuse != nil {
		return i.refuse
	}
	i.messages = append(i.messages, m)
	return nil
}

func (i *inbox) titles() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	var all []string
	for _, m := range i.messages {
		all = append(all, m.Title)
	}
	return strings.Join(all, "; ")
}

// clock is a time that tests let pass.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func warehouse(t *testing.T) *load.Warehouse {
	t.Helper()
	w, err := load.Open(t.Context(), load.Config{URL: pgtest.New(t), DDL: load.Apply, Log: slog.New(slog.DiscardHandler), MaxConns: 8})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

func exec(t *testing.T, w *load.Warehouse, statement string, args ...any) {
	t.Helper()
	if _, err := w.Pool().Exec(t.Context(), statement, args...); err != nil {
		t.Fatal(err)
	}
}

func ask[T any](t *testing.T, w *load.Warehouse, query string, args ...any) (answer T) {
	t.Helper()
	if err := w.Pool().QueryRow(t.Context(), query, args...).Scan(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

// replica is one engine of several on a warehouse.
func replica(w *load.Warehouse, c *clock, rules *Rules) *Engine {
	return NewEngine(Config{Warehouse: w, Rules: func() *Rules { return rules }, Replica: fmt.Sprintf("%p", rules), Log: slog.New(slog.DiscardHandler), Now: c.time})
}

func rulesFor(jobs int, to Sender) *Rules {
	r := &Rules{Jobs: map[string]Job{}, Receivers: map[string]Receiver{}, Host: "etl", Notifiers: []Notifier{{Name: "ops", Open: func() Sender { return to }}}}
	for i := range jobs {
		r.Jobs[fmt.Sprintf("job%03d", i)] = Job{FreshWithin: 26 * time.Hour}
	}
	return r
}

// jobs makes jobs known that are due, of a source that is down.
func jobs(t *testing.T, w *load.Warehouse, n int) {
	t.Helper()
	exec(t, w, `INSERT INTO syncd.job (job, schema_name, source) SELECT n, n, 'redcap.main' FROM (SELECT 'job' || lpad(i::text, 3, '0') AS n FROM generate_series(0, $1 - 1) AS i) AS x`, n)
	exec(t, w, `INSERT INTO syncd.slot (job, kind, slot_at, state) SELECT job, 'sync', clock_timestamp(), 'due' FROM syncd.job`)
	exec(t, w, `INSERT INTO syncd.circuit (source, failures, kind, down_since, probe_at) VALUES ('redcap.main', 3, 'status 503', clock_timestamp(), clock_timestamp())`)
}

func TestTwoReplicasTellOnceAndARestartRepeatsNothing(t *testing.T) {
	t.Parallel()
	w, in := warehouse(t), &inbox{}
	c := &clock{now: ask[time.Time](t, w, "SELECT clock_timestamp()")}
	rules := rulesFor(150, in)
	jobs(t, w, 150)
	turns := func(n int) {
		t.Helper()
		for range n {
			c.pass(time.Minute)
			var all sync.WaitGroup
			errs := make(chan error, 3)
			for range 3 { // three replicas, each of them a new process
				all.Go(func() { errs <- replica(w, c, rules).Turn(t.Context()) })
			}
			all.Wait()
			for range 3 {
				if err := <-errs; err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	turns(10)
	exec(t, w, "UPDATE syncd.circuit SET down_since = NULL, failures = 0")
	exec(t, w, "UPDATE syncd.slot SET state = 'succeeded', ended_at = clock_timestamp()")
	turns(10)
	if got := in.titles(); got != "redcap.main is down (150 jobs wait); redcap.main is back after 10 min" {
		t.Fatalf("told: %s", got)
	}
	if n := ask[int](t, w, "SELECT count(*) FROM syncd.message WHERE sent_at IS NOT NULL AND tries = 1"); n != 2 {
		t.Errorf("%d messages were sent at the first try", n)
	}
}

func TestOneReplicaLooksAtATime(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	nobody := func(load.Standing) (load.Decision, error) { return load.Decision{}, errors.New("two look at once") }
	err := w.Evaluate(t.Context(), time.Time{}, func(load.Standing) (load.Decision, error) {
		return load.Decision{}, w.Evaluate(t.Context(), time.Time{}, nobody)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Evaluate(t.Context(), time.Time{}, nobody); err == nil {
		t.Error("nobody looks afterwards")
	}
}

// What a notifier could not be told in time comes in its order: that a source is back is not told before that it is down.
func TestMessagesOfANotifierKeepTheirOrder(t *testing.T) {
	t.Parallel()
	w, in := warehouse(t), &inbox{refuse: errors.New("busy")}
	c := &clock{now: ask[time.Time](t, w, "SELECT clock_timestamp()")}
	jobs(t, w, 1)
	e := replica(w, c, rulesFor(1, in))
	turns := func(n int) {
		t.Helper()
		for range n {
			c.pass(time.Minute)
			if err := e.Turn(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	turns(20) // the next try is minutes away
	exec(t, w, "UPDATE syncd.circuit SET down_since = NULL, failures = 0")
	in.mu.Lock()
	in.refuse = nil
	in.mu.Unlock()
	turns(60)
	if got := in.titles(); got != "redcap.main is down (1 job waits); redcap.main is back after 20 min" {
		t.Errorf("sent: %s", got)
	}
}

// A process that is killed between the sending of a message and the note of it leaves it to its lease: it is sent once more, and
// not a third time.
func TestAKillAfterTheSendingIsOneDuplicateAtMost(t *testing.T) {
	t.Parallel()
	w, in := warehouse(t), &inbox{}
	c := &clock{now: ask[time.Time](t, w, "SELECT clock_timestamp()")}
	rules := rulesFor(1, in)
	jobs(t, w, 1)
	killed := &dying{inbox: in}
	rules.Notifiers[0].Open = func() Sender { return killed }
	first := replica(w, c, rules)
	for range 3 {
		c.pass(time.Minute)
		ctx, cancel := context.WithCancel(t.Context())
		killed.kill = cancel
		_ = first.Turn(ctx)
		cancel()
	}
	if got := in.titles(); got != "redcap.main is down (1 job waits)" || ask[int](t, w, "SELECT count(*) FROM syncd.message WHERE sent_at IS NULL") != 1 {
		t.Fatalf("before the lease is over: %s", got)
	}
	rules.Notifiers[0].Open = func() Sender { return in }
	for range 10 {
		c.pass(time.Minute)
		if err := replica(w, c, rules).Turn(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := in.titles(); got != "redcap.main is down (1 job waits); redcap.main is down (1 job waits)" {
		t.Errorf("sent: %s", got)
	}
}

// dying ends its process once it has sent, as far as one can inside a test: nothing can be written any more.
type dying struct {
	*inbox
	kill func()
}

func (d *dying) Send(ctx context.Context, m Message) error {
	err := d.inbox.Send(ctx, m)
	d.kill()
	return errors.Join(err, errors.New("killed"))
}

func TestAMessageThatCannotBeSentIsTriedLessAndLessOftenAndGivenUpAfterADay(t *testing.T) {
	t.Parallel()
	w, in := warehouse(t), &inbox{refuse: &extract.Error{Kind: extract.KindTransient, What: "send message", Where: "notify.ops"}}
	c := &clock{now: ask[time.Time](t, w, "SELECT clock_timestamp()")}
	rules := rulesFor(1, in)
	jobs(t, w, 1)
	e := replica(w, c, rules)
	for range 30 * 12 {
		c.pass(5 * time.Minute)
		if err := e.Turn(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	type counts struct{ tries, unsent, given int }
	var n counts
	if err := w.Pool().QueryRow(t.Context(), "SELECT max(tries), count(*) FILTER (WHERE sent_at IS NULL), count(*) FILTER (WHERE given_up_at IS NOT NULL) FROM syncd.message").Scan(&n.tries, &n.unsent, &n.given); err != nil {
		t.Fatal(err)
	}
	if n.tries < 20 || n.tries > 32 || n.given != 1 {
		t.Errorf("%+v", n)
	}
	if tally := e.Tallies()["ops"]; tally.Sent != 0 || tally.GivenUp != 1 || tally.Failed < 20 {
		t.Errorf("%+v", tally)
	}
	in.mu.Lock()
	in.refuse = nil
	in.mu.Unlock()
	c.pass(2 * time.Hour)
	if err := e.Turn(t.Context()); err != nil || in.titles() != "redcap.main is down (1 job waits)" { // the reminder of the second day
		t.Errorf("%s, %v", in.titles(), err)
	}
}

func TestAMessageHoldsNoValue(t *testing.T) {
	t.Parallel()
	w, in := warehouse(t), &inbox{}
	c := &clock{now: ask[time.Time](t, w, "SELECT clock_timestamp()")}
	rules := rulesFor(3, in)
	rules.Receivers["ward"] = Receiver{SilentAfter: time.Hour}
	exec(t, w, `INSERT INTO syncd.job (job, schema_name, source, title, server) SELECT n, n, 'redcap.main', 'CANARY', 'CANARY' FROM unnest(ARRAY['job000', 'job001', 'job002']) AS u (n)`)
	exec(t, w, `INSERT INTO syncd.run (job, kind, state, holder) SELECT job, 'sync', 'running', 'CANARY' FROM syncd.job`)
	exec(t, w, `UPDATE syncd.run SET state = CASE job WHEN 'job001' THEN 'held' ELSE 'failed' END, error_kind = 'garbled', error = 'CANARY', error_next = 'CANARY', verdict_reason = 'CANARY', warnings = ARRAY['CANARY'],
		ended_at = clock_timestamp()`)
	exec(t, w, `INSERT INTO syncd.held (run_id, job, schema_name, table_name, key_hash) SELECT run_id, job, job, 'CANARY', gen_random_uuid() FROM syncd.run WHERE state = 'held'`)
	exec(t, w, `INSERT INTO syncd.reject (job, table_name, key_hash, source_key, rule, raw, first_run_id, last_run_id) VALUES ('job002', 'CANARY', gen_random_uuid(), 'CANARY', 'CANARY', 'CANARY'::bytea, 1, 1)`)
	exec(t, w, `INSERT INTO syncd.schema_change (schema_name, table_name, kind, detail, statement, state, reason) VALUES ('job002_meta', 'CANARY', 'CANARY', 'CANARY', 'CANARY', 'pending', 'CANARY')`)
	exec(t, w, `INSERT INTO syncd.circuit (source, failures, kind, down_since, probe_at) VALUES ('engage.campus', 3, 'CANARY', clock_timestamp(), clock_timestamp())`)
	exec(t, w, `INSERT INTO syncd.traffic VALUES ('ward', false, 'CANARY', 'CANARY', 'CANARY', 'rejected', 2, clock_timestamp() - interval '2 hours')`)
	e := replica(w, c, rules)
	for range 5 {
		c.pass(time.Minute)
		if err := e.Turn(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	causes := map[Cause]bool{}
	for _, m := range in.messages {
		causes[m.Cause] = true
	}
	for _, cause := range []Cause{SourceDown, RunFailed, BrakeHeld, NewRejects, DriftPending, IntakeSilent} {
		if !causes[cause] {
			t.Errorf("nothing was told of %s: %s", cause, in.titles())
		}
	}
	if n := ask[int](t, w, "SELECT count(*) FROM syncd.message WHERE body::text LIKE '%CANARY%' OR error LIKE '%CANARY%'"); n > 0 {
		t.Errorf("%d messages hold a value", n)
	}
}
