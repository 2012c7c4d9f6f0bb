package job

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"syncd/extract"
	"syncd/load"
)

// ward is a source of pushes made in Go: each delivery is one row. It asks for its second table when it first needs it.
type ward struct {
	q     *load.Queue
	until <-chan struct{}
	fail  *atomic.Int32 // pulls that are to fail
	full  bool          // both tables were described
}

func notesTable(name string) *extract.Table {
	return &extract.Table{Name: name, Source: name, Versioned: true, Columns: []extract.Column{
		{Name: "note", Source: "note", Type: extract.Text, Key: true}, {Name: "body", Source: "body", Type: extract.Text},
	}}
}

func (s *ward) Describe(ctx context.Context, _ extract.Since) (*extract.Structure, error) {
	models, err := s.q.Models(ctx)
	if err != nil {
		return nil, err
	}
	out := &extract.Structure{Identity: extract.Identity{Server: "ward", ID: "1"}, Partial: true}
	for _, m := range models {
		out.Tables = append(out.Tables, notesTable(m))
	}
	s.full = len(models) > 1
	return out, nil
}

func (s *ward) Pull(ctx context.Context, _ extract.Since, yield func(*extract.Batch) error) (*extract.Proof, error) {
	proof := &extract.Proof{Pushed: true}
	if s.fail.Add(-1) >= 0 {
		return nil, errors.New("the ward is on fire")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-s.until:
			cancel()
		case <-ctx.Done():
		}
	}()
	for ctx.Err() == nil {
		ds, err := s.q.Take(context.WithoutCancel(ctx), 1, 1<<20, nil)
		if err != nil {
			return nil, err
		}
		if len(ds) == 0 {
			_ = s.q.Wait(ctx)
			continue
		}
		d := ds[0]
		if d.Model == "second" && !s.full {
			return nil, extract.Errorf(extract.KindDrift, "decode", "another table is needed")
		}
		t := notesTable(d.Model)
		rows := extract.NewRows(t)
		rows.Begin()
		rows.String(d.Key)
		rows.String(string(d.Body))
		rows.End()
		proof.Taken++
		if err := yield(&extract.Batch{
			Rows: []*extract.Rows{rows}, Settled: []extract.Settled{{Seq: d.Seq, Outcome: extract.Applied}},
			Scope: &extract.Scope{Tables: []*extract.Table{t}, Width: 1, Keys: [][]string{{d.Key}}, Versions: []string{d.Version()}},
		}); err != nil {
			return nil, err
		}
	}
	return proof, nil
}

// wardOf is the drain of an inbox.
func wardOf(t *testing.T, b *load.Inbox, fail *atomic.Int32) Drained {
	t.Helper()
	q := b.Queue("ward", false)
	t.Cleanup(q.Close)
	return Drained{
		Name: "ward", Source: "redox.ward", Schema: "ward", Due: q.Due, Wait: q.Wait,
		Open: func(until <-chan struct{}) Open {
			return func(context.Context) (extract.Source, error) { return &ward{q: q, until: until, fail: fail}, nil }
		},
	}
}

func push(t *testing.T, b *load.Inbox, key, model string) {
	t.Helper()
	d := &extract.Delivery{Destination: "ward", Key: key, SHA256: sha256.Sum256([]byte(key)), Body: []byte(key), Model: model, ReceivedAt: time.Now()}
	if _, err := b.Accept(t.Context(), d, func() {}); err != nil {
		t.Fatal(err)
	}
}

func inbox(t *testing.T, url string) *load.Inbox {
	t.Helper()
	b, err := load.NewInbox(load.Config{URL: url, Log: quietLog()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

const settledAll = "SELECT count(*) = $1 FROM syncd.delivery WHERE state = 'applied'"

func TestADrainIsARunThatEndsWithTheDaemonAndIsProven(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	b := inbox(t, d.url)
	d.drains = []Drained{wardOf(t, b, new(atomic.Int32))}
	push(t, b, "before", "first")
	r := d.start(t, "one")
	waitFor(t, d.w.Pool(), settledAll, 1)
	push(t, b, "while", "first")
	waitFor(t, d.w.Pool(), settledAll, 2)
	push(t, b, "other", "second") // its table is made while the run goes on
	waitFor(t, d.w.Pool(), settledAll, 3)
	r.end(t)
	o := receive(t, d.done)
	if o.err != nil || o.rep.State != load.Succeeded || o.rep.Verdict != load.Proven || o.rep.Kind != Drain {
		t.Errorf("%+v, %v", o.rep, o.err)
	}
	if n := ask[int](t, d.w.Pool(), "SELECT count(*) FROM syncd.run"); n != 1 {
		t.Errorf("%d runs", n)
	}
	if got := ask[string](t, d.w.Pool(), "SELECT (SELECT string_agg(note, ',' ORDER BY note) FROM ward.first) || ' ' || (SELECT note FROM ward.second)"); got != "before,while other" {
		t.Errorf("tables hold %s", got)
	}
}

func TestADrainIsAnotherRunInTheNextHourAndAfterAFailure(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	d.clock.now = time.Date(2026, 3, 4, 2, 59, 59, 500_000_000, time.UTC) // an hour that is over in a moment
	b := inbox(t, d.url)
	fail := new(atomic.Int32)
	fail.Store(1)
	d.drains = []Drained{wardOf(t, b, fail)}
	push(t, b, "a", "first")
	r := d.start(t, "one")
	if o := receive(t, d.done); o.err == nil || o.rep.State != load.Failed {
		t.Errorf("%+v, %v", o.rep, o.err)
	}
	if o := receive(t, d.done); o.err != nil || o.rep.Verdict != load.Proven {
		t.Errorf("%+v, %v", o.rep, o.err)
	}
	waitFor(t, d.w.Pool(), settledAll, 1)
	push(t, b, "b", "first")
	if o := receive(t, d.done); o.err != nil || o.rep.Verdict != load.Proven {
		t.Errorf("%+v, %v", o.rep, o.err)
	}
	r.end(t)
	if n := ask[int](t, d.w.Pool(), "SELECT count(*) FROM syncd.run WHERE state = 'succeeded'"); n < 2 {
		t.Errorf("%d runs succeeded", n)
	}
}

func TestOneReplicaDrainsAndTheOtherTakesOver(t *testing.T) {
	t.Parallel()
	d := newDaemon(t)
	b := inbox(t, d.url)
	d.drains = []Drained{wardOf(t, b, new(atomic.Int32))}
	one, two := d.start(t, "one"), d.start(t, "two")
	push(t, b, "a", "first")
	waitFor(t, d.w.Pool(), settledAll, 1)
	holder := ask[string](t, d.w.Pool(), "SELECT holder FROM syncd.run WHERE state = 'running'")
	first, second := one, two
	if holder == "two" {
		first, second = two, one
	}
	first.end(t)
	push(t, b, "b", "first")
	waitFor(t, d.w.Pool(), settledAll, 2)
	second.end(t)
	if n := ask[int](t, d.w.Pool(), "SELECT count(DISTINCT holder) FROM syncd.run WHERE state = 'succeeded'"); n != 2 {
		t.Errorf("%d replicas drained", n)
	}
}

func TestADrainThatDidNotSettleWhatItTookIsAMismatch(t *testing.T) {
	t.Parallel()
	if p := proveSettled(&extract.Proof{Taken: 3}, 2); p.Holds || !p.Broken {
		t.Errorf("%+v", p)
	}
	if p := proveSettled(&extract.Proof{Taken: 3}, 3); !p.Holds || p.Broken {
		t.Errorf("%+v", p)
	}
}
