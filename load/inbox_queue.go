package load

import (
	"cmp"
	"context"
	_ "embed"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"syncd/extract"
)

var (
	//go:embed sql/delivery_take.sql
	deliveryTakeSQL string
	//go:embed sql/delivery_due.sql
	deliveryDueSQL string
	//go:embed sql/delivery_models.sql
	deliveryModelsSQL string
	//go:embed sql/delivery_settle.sql
	deliverySettleSQL string
	//go:embed sql/batch_drop.sql
	batchDropSQL string
)

// takeWithin is how long the bytes of deliveries may be on their way to a drain. Nobody waits for them as a sender does for its answer.
const takeWithin = "SET LOCAL statement_timeout = '120s'"

// lookForDeliveries is how often a queue looks for deliveries that another process took in.
const lookForDeliveries = time.Second

// Queue is what the inbox holds of one stream: the production traffic of a receiver, or its test traffic.
type Queue struct {
	inbox *Inbox
	of    stream
	poked chan struct{}
}

// Queue returns the queue of a stream. Close it after use.
func (b *Inbox) Queue(destination string, test bool) *Queue {
	q := &Queue{inbox: b, of: stream{destination, test}, poked: make(chan struct{}, 1)}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting[q.of] = append(b.waiting[q.of], q.poked)
	return q
}

// Close ends the queue.
func (q *Queue) Close() {
	q.inbox.mu.Lock()
	defer q.inbox.mu.Unlock()
	q.inbox.waiting[q.of] = slices.DeleteFunc(q.inbox.waiting[q.of], func(c chan struct{}) bool { return c == q.poked })
}

// poke tells those who wait that something came.
func (b *Inbox) poke(s stream) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.waiting[s] {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// Models lists the models of which the stream ever got a delivery.
func (q *Queue) Models(ctx context.Context) ([]string, error) {
	rows, err := q.inbox.pool.Query(ctx, deliveryModelsSQL, q.of.destination, q.of.test)
	if err != nil {
		return nil, fault("read models", err)
	}
	models, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return models, fault("read models", err)
}

// Take returns pending deliveries, oldest first, without those that were handed out: at most so many and, beyond the first, at
// most so many bytes.
func (q *Queue) Take(ctx context.Context, most, size int, handed []int64) ([]*extract.Delivery, error) {
	if handed == nil {
		handed = []int64{}
	}
	var all []*extract.Delivery
	err := pgx.BeginFunc(ctx, q.inbox.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, takeWithin); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, deliveryTakeSQL, q.of.destination, q.of.test, handed, most, size)
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(rows, q.delivery)
		return err
	})
	return all, fault("take deliveries", err)
}

// delivery reads one row of Take.
func (q *Queue) delivery(row pgx.CollectableRow) (*extract.Delivery, error) {
	d := &extract.Delivery{Destination: q.of.destination, Test: q.of.test}
	var sha []byte
	var sent *time.Time
	if err := row.Scan(&d.Seq, &d.Key, &sha, &d.ReceivedAt, &d.SourceID, &d.Model, &d.EventType, &sent, &d.Body); err != nil {
		return nil, err
	}
	d.SHA256 = [32]byte(sha)
	if sent != nil {
		d.EventAt = *sent
	}
	return d, nil
}

// Wait returns when there may be something to take, at once after a delivery that this process took in, or when ctx ends.
func (q *Queue) Wait(ctx context.Context) error {
	timer := time.NewTimer(lookForDeliveries)
	defer timer.Stop()
	select {
	case <-q.poked:
	case <-timer.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// Due reports whether the stream has deliveries that nothing was done with.
func (q *Queue) Due(ctx context.Context) (due bool, err error) {
	err = q.inbox.pool.QueryRow(ctx, deliveryDueSQL, q.of.destination, q.of.test).Scan(&due)
	return due, fault("look for deliveries", err)
}

// settleDeliveries says what became of deliveries, in the transaction of the batch that brings their rows.
func (r *Run) settleDeliveries(ctx context.Context, tx pgx.Tx, settled []extract.Settled, now time.Time) error {
	if len(settled) == 0 {
		return nil
	}
	type end struct {
		outcome extract.Outcome
		reason  string
	}
	ends := map[end][]int64{}
	for _, one := range settled {
		e := end{one.Outcome, one.Reason}
		ends[e] = append(ends[e], one.Seq)
	}
	order := slices.SortedFunc(maps.Keys(ends), func(a, b end) int { return cmp.Or(cmp.Compare(a.outcome, b.outcome), cmp.Compare(a.reason, b.reason)) })
	n := 0
	for _, e := range order {
		var some int
		if err := tx.QueryRow(ctx, deliverySettleSQL, ends[e], string(e.outcome), orNull(plainText(e.reason)), r.id, now).Scan(&some); err != nil {
			return err
		}
		n += some
	}
	if n != len(settled) {
		return extract.Errorf(extract.KindInternal, "settle deliveries", "%d of %d were pending", n, len(settled))
	}
	if err := eraseDeliveries(ctx, tx, settled); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, batchDropSQL, r.id, r.seq)
	return err
}
