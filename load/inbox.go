package load

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"syncd/extract"
)

var (
	//go:embed sql/delivery_keep.sql
	deliveryKeepSQL string
	//go:embed sql/receiver_verified.sql
	receiverVerifiedSQL string
)

// What one group of deliveries holds at most, beyond its first.
const (
	groupDeliveries = 256
	groupBytes      = 8 << 20
)

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
	pool  *pgxpool.Pool
	log   *slog.Logger
	queue chan *arrival
	done  chan struct{} // closed by Close
	work  sync.WaitGroup

	mu      sync.Mutex
	waiting map[stream][]chan struct{}
}

// stream is the production or the test traffic of one receiver.
type stream struct {
	destination string
	test        bool
}

// arrival is a delivery on its way into the inbox.
type arrival struct {
	d     *extract.Delivery
	state atomic.Int32 // queued, taken or left
	known bool
	err   error
	kept  chan struct{}
}

const (
	queued int32 = iota
	taken
	left
)

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
		pool: pool, log: c.Log, queue: make(chan *arrival), done: make(chan struct{}),
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

// Close ends all connections, after the groups in hand.
func (b *Inbox) Close() {
	close(b.done)
	b.work.Wait()
	b.pool.Close()
}

// Accept commits a delivery and its bytes and says whether they were there already. It does not return while Postgres may
// still read d: after it, d is the caller's again, whatever the answer. An error says nothing about whether the delivery is kept.
func (b *Inbox) Accept(ctx context.Context, d *extract.Delivery) (known bool, err error) {
	if len(d.Key) > extract.MaxDeliveryKey {
		return false, extract.Errorf(extract.KindInternal, "keep delivery", "its key is longer than %d bytes", extract.MaxDeliveryKey)
	}
	a := &arrival{d: d, kept: make(chan struct{})}
	select {
	case b.queue <- a:
	case <-b.done:
		return false, extract.Errorf(extract.KindPostgres, "keep delivery", "the inbox is closed")
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
	select {
	case <-a.kept:
	case <-ctx.Done():
		if a.state.CompareAndSwap(queued, left) {
			return false, context.Cause(ctx)
		}
		<-a.kept
	}
	return a.known, a.err
}

// write writes one group after the other.
func (b *Inbox) write() {
	for {
		var group []*arrival
		select {
		case <-b.done:
			return
		case a := <-b.queue:
			group = append(group, a)
		}
		for size := len(group[0].d.Body); len(group) < groupDeliveries && size < groupBytes; {
			select {
			case a := <-b.queue:
				group = append(group, a)
				size += len(a.d.Body)
				continue
			default:
			}
			break
		}
		b.keep(group)
	}
}

// keep writes a group and lets its callers go. A group that fails is tried one by one, where that may help.
func (b *Inbox) keep(group []*arrival) {
	group = slices.DeleteFunc(group, func(a *arrival) bool { return !a.state.CompareAndSwap(queued, taken) })
	if len(group) == 0 {
		return
	}
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

// insert writes a sorted group in one statement, which is its own transaction.
func (b *Inbox) insert(group []*arrival) error {
	ctx, cancel := context.WithTimeout(context.Background(), groupWithin)
	defer cancel()
	var row columnsOfDeliveries
	for i, a := range group {
		if i == 0 || !same(a.d, group[i-1].d) {
			row.add(a.d)
		}
	}
	rows, err := b.pool.Query(ctx, deliveryKeepSQL, row.args()...)
	if err != nil {
		return err
	}
	fresh := map[deliveryID]bool{}
	var id deliveryID
	var sha []byte
	if _, err = pgx.ForEachRow(rows, []any{&id.destination, &id.key, &sha}, func() error {
		id.sha = [32]byte(sha)
		fresh[id] = true
		return nil
	}); err != nil {
		return err
	}
	for i, a := range group {
		a.known = i > 0 && same(a.d, group[i-1].d) || !fresh[deliveryID{a.d.Destination, a.d.Key, a.d.SHA256}]
		if !a.known {
			b.poke(stream{a.d.Destination, a.d.Test})
		}
	}
	return nil
}

type deliveryID struct {
	destination, key string
	sha              [32]byte
}

func same(x, y *extract.Delivery) bool {
	return x.Destination == y.Destination && x.Key == y.Key && x.SHA256 == y.SHA256
}

// columnsOfDeliveries are deliveries as the arrays of one statement.
type columnsOfDeliveries struct {
	destinations, keys      []string
	sources, models, events []*string
	hashes, bodies          [][]byte
	received                []time.Time
	sent                    []*time.Time
	tests                   []bool
}

func (c *columnsOfDeliveries) add(d *extract.Delivery) {
	c.destinations, c.keys = append(c.destinations, d.Destination), append(c.keys, d.Key)
	c.sources, c.models, c.events = append(c.sources, orNull(plainText(d.SourceID))), append(c.models, orNull(plainText(d.Model))), append(c.events, orNull(plainText(d.EventType)))
	body := d.Body
	if body == nil {
		body = []byte{}
	}
	c.hashes, c.bodies = append(c.hashes, d.SHA256[:]), append(c.bodies, body)
	c.received, c.tests = append(c.received, d.ReceivedAt), append(c.tests, d.Test)
	var at *time.Time
	if y := d.EventAt.Year(); !d.EventAt.IsZero() && y > -4000 && y < 100_000 { // what a timestamp holds
		at = &d.EventAt
	}
	c.sent = append(c.sent, at)
}

func (c *columnsOfDeliveries) args() []any {
	return []any{c.destinations, c.keys, c.hashes, c.received, c.sources, c.models, c.events, c.sent, c.tests, c.bodies}
}

// Verified notes that a receiver was verified from outside, in this form.
func (b *Inbox) Verified(ctx context.Context, destination, form string) error {
	_, err := b.pool.Exec(ctx, receiverVerifiedSQL, destination, form)
	return fault("note verification", err)
}
