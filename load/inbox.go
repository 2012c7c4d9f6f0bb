package load

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"syncd/extract"
)

//go:embed sql/receiver_verified.sql
var receiverVerifiedSQL string

// How many groups are written at the same time, and how long one may take. Few: while one is written the next one gathers, and a large
// group costs Postgres little more than a small one.
const (
	groupsAtOnce = 2
	groupWithin  = 8 * time.Second
)

// Inbox keeps what is pushed. Deliveries that come at the same time are committed together; each caller waits until its own is
// on disk. It has connections of its own, so that no run is in a sender's way. It may be opened while Postgres is away: then
// nothing is accepted.
type Inbox struct {
	pool     *pgxpool.Pool
	log      *slog.Logger
	arrivals *arrivals
	work     sync.WaitGroup
	wires    sync.Pool // of *wire

	mu      sync.Mutex
	waiting map[stream][]chan struct{}
}

// stream is the production or the test traffic of one receiver.
type stream struct {
	destination string
	test        bool
}

// NewInbox makes an inbox on the database of a configuration. It does not connect.
func NewInbox(c Config) (*Inbox, error) {
	config, err := poolConfig(c)
	if err != nil {
		return nil, err
	}
	config.ConnConfig.RuntimeParams["synchronous_commit"] = "on"
	config.ConnConfig.RuntimeParams["plan_cache_mode"] = "force_generic_plan" // groups differ in size only
	config.ConnConfig.RuntimeParams["statement_timeout"] = "7s"
	config.ConnConfig.RuntimeParams["lock_timeout"] = "5s"
	config.ConnConfig.ConnectTimeout = 5 * time.Second
	c.guard.watch(config)
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		return nil, fault("open inbox", err)
	}
	c.guard.add(pool)
	b := &Inbox{
		pool: pool, log: c.Log, arrivals: newArrivals(),
		waiting: map[stream][]chan struct{}{},
	}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	for range groupsAtOnce {
		b.work.Go(b.write)
	}
	return b, nil
}

// Inbox opens the inbox of the warehouse, with this many connections of its own.
func (w *Warehouse) Inbox(conns int) (*Inbox, error) {
	c := w.own
	c.MaxConns = conns
	return NewInbox(c)
}

// Close ends all connections, after what has arrived was written.
func (b *Inbox) Close() {
	b.arrivals.close()
	b.work.Wait()
	b.pool.Close()
}

// Accept commits a delivery and its bytes and says whether they were there already. An error says nothing about whether the
// delivery is kept. letGo is called once, when Postgres does not read d any more: before Accept returns, or later where ctx ended
// while its group was written.
func (b *Inbox) Accept(ctx context.Context, d *extract.Delivery, letGo func()) (known bool, err error) {
	a := &arrival{d: d, size: len(d.Body), kept: make(chan struct{})}
	if err := b.arrive(ctx, a); err != nil {
		letGo()
		return false, err
	}
	select {
	case <-a.kept:
		letGo()
		return a.known, a.err
	case <-ctx.Done():
	}
	if b.arrivals.remove(a) {
		letGo()
		return false, context.Cause(ctx)
	}
	select {
	case <-a.kept: // both at once: what is kept is kept
		letGo()
		return a.known, a.err
	default:
		go func() {
			<-a.kept
			letGo()
		}()
		return false, context.Cause(ctx)
	}
}

// arrive lets a delivery wait for its group.
func (b *Inbox) arrive(ctx context.Context, a *arrival) error {
	switch {
	case len(a.d.Key) > extract.MaxDeliveryKey:
		return extract.Errorf(extract.KindInternal, "keep delivery", "its key is longer than %d bytes", extract.MaxDeliveryKey)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case !b.arrivals.add(a):
		return extract.Errorf(extract.KindPostgres, "keep delivery", "the inbox is closed")
	}
	return nil
}

// write writes one group after the other.
func (b *Inbox) write() {
	for group := b.arrivals.take(); group != nil; group = b.arrivals.take() {
		b.keep(group)
		b.arrivals.written(group)
	}
}

// keep writes a group and lets its callers go. A group that fails is tried one by one, where that may help.
func (b *Inbox) keep(group []*arrival) {
	slices.SortStableFunc(group, func(x, y *arrival) int {
		return cmp.Or(cmp.Compare(x.d.Destination, y.d.Destination), cmp.Compare(x.d.Key, y.d.Key), bytes.Compare(x.d.SHA256[:], y.d.SHA256[:]))
	})
	err := b.insert(group)
	if err != nil && len(group) > 1 && !passing(err) {
		for _, a := range group {
			a.err = b.insert([]*arrival{a})
		}
		err = nil
	}
	for _, a := range group {
		if err != nil {
			a.err = err
		}
		if a.err != nil {
			a.err = fault("keep delivery", a.err)
		}
		close(a.kept)
	}
}

// Verified notes that a receiver was verified from outside, in this form.
func (b *Inbox) Verified(ctx context.Context, destination, form string) error {
	_, err := b.pool.Exec(ctx, receiverVerifiedSQL, destination, form)
	return fault("note verification", err)
}
