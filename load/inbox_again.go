package load

import (
	"context"
	_ "embed"
	"time"

	"github.com/jackc/pgx/v5"

	"syncd/extract"
)

var (
	//go:embed sql/delivery_count.sql
	deliveryCountSQL string
	//go:embed sql/delivery_again.sql
	deliveryAgainSQL string
)

// againAtOnce is how many deliveries become pending in one transaction.
const againAtOnce = 5000

// Again selects deliveries of a receiver that something was done with; zero values select all.
type Again struct {
	From, To time.Time         // of their arrival: From counts, To does not
	Model    string            // blanks removed
	States   []extract.Outcome // Applied, Rejected, Unhandled
}

func (a Again) args(receiver string) []any {
	states := []string{string(extract.Applied), string(extract.Rejected), string(extract.Unhandled)}
	if len(a.States) > 0 {
		states = nil
		for _, s := range a.States {
			states = append(states, string(s))
		}
	}
	return []any{receiver, instant(a.From), instant(a.To), states, a.Model}
}

// instant is a time, or NULL where it is not set.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// CountAgain counts the deliveries that Repend would make pending, and those that it cannot because their bytes are gone.
func (w *Warehouse) CountAgain(ctx context.Context, receiver string, a Again) (n, gone int64, err error) {
	err = w.pool.QueryRow(ctx, deliveryCountSQL, a.args(receiver)...).Scan(&n, &gone)
	return n - gone, gone, fault("count deliveries", err)
}

// Repend makes deliveries pending again, so that they are decoded and loaded anew, and answers how many. It may be cut off at
// any time and called again: what is pending already is left as it is. Who asked for it is written down.
func (w *Warehouse) Repend(ctx context.Context, receiver string, a Again, who string) (n int64, err error) {
	const what = "make deliveries pending"
	last, portion := int64(0), int64(againAtOnce)
	err = w.transact(ctx, what, func(tx pgx.Tx) error {
		last = 0
		if err := tx.QueryRow(ctx, deliveryAgainSQL, append(a.args(receiver), last, againAtOnce)...).Scan(&last, &portion); err != nil {
			return err
		}
		return audit(ctx, tx, who, "replay", "receiver "+receiver, map[string]any{"from": instant(a.From), "to": instant(a.To), "model": a.Model, "states": a.States})
	})
	for n = portion; err == nil && portion == againAtOnce; n += portion {
		err = w.pool.QueryRow(ctx, deliveryAgainSQL, append(a.args(receiver), last, againAtOnce)...).Scan(&last, &portion)
	}
	return n, fault(what, err)
}
