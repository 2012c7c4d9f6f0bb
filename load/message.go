package load

import (
	"context"
	_ "embed"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

var (
	//go:embed sql/message_take.sql
	messageTakeSQL string
	//go:embed sql/message_sent.sql
	messageSentSQL string
	//go:embed sql/message_failed.sql
	messageFailedSQL string
	//go:embed sql/message_expire.sql
	messageExpireSQL string
)

// TakeMessage takes the next message that one of these notifiers is to send, and keeps the other replicas from it for a while: a
// process that is killed before it says what became of it leaves it to them. Nil where there is none that is due. A notifier's
// messages go out in their order.
func (w *Warehouse) TakeMessage(ctx context.Context, notifiers []string, now time.Time, lease time.Duration) (*Message, error) {
	m := &Message{}
	err := w.pool.QueryRow(ctx, messageTakeSQL, notifiers, now, now.Add(lease)).Scan(&m.ID, &m.Notifier, &m.Cause, &m.Body, &m.Made, &m.Tries)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return m, fault("take a message", err)
}

// SentMessage notes that a message was sent.
func (w *Warehouse) SentMessage(ctx context.Context, id int64, now time.Time) error {
	_, err := w.pool.Exec(ctx, messageSentSQL, id, now)
	return fault("note that a message was sent", err)
}

// FailedMessage notes why a message could not be sent, and when it is tried again; a zero instant gives it up.
func (w *Warehouse) FailedMessage(ctx context.Context, id int64, why string, again, now time.Time) error {
	var at *time.Time
	if !again.IsZero() {
		at = &again
	}
	_, err := w.pool.Exec(ctx, messageFailedSQL, id, why, at, now)
	return fault("note that a message was not sent", err)
}

// ExpireMessages gives up messages that are older than before, and tells how many.
func (w *Warehouse) ExpireMessages(ctx context.Context, before, now time.Time) (int64, error) {
	tag, err := w.pool.Exec(ctx, messageExpireSQL, before, now)
	return tag.RowsAffected(), fault("give up old messages", err)
}
