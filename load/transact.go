package load

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"syncd/extract"
)

// How long an idempotent transaction of the ledger is tried again while Postgres is away or in the way.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 2 * time.Second
	retryFor   = 20 * time.Second
)

// transact runs fn in a transaction, again where that may help. fn must be idempotent: a COMMIT whose reply was lost
// has happened or not, and is answered by doing it again.
func (w *Warehouse) transact(ctx context.Context, what string, fn func(tx pgx.Tx) error) error {
	wait := backoff.NewExponentialBackOff(backoff.WithInitialInterval(firstRetry), backoff.WithMaxInterval(lastRetry),
		backoff.WithMaxElapsedTime(retryFor))
	var last error
	err := backoff.Retry(func() error {
		last = pgx.BeginFunc(ctx, w.pool, fn)
		if last != nil && !passing(last) {
			return backoff.Permanent(last)
		}
		return last
	}, backoff.WithContext(wait, ctx))
	if err != nil && last != nil {
		err = last // backoff answers with the context's error and forgets what was wrong
	}
	return fault(what, err)
}

// passing reports whether an error of Postgres may pass by itself: the connection was lost or refused, a plan is
// stale, another transaction was in the way, the server is restarting or out of connections.
func passing(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	var own *extract.Error
	if errors.As(err, &own) && own.Kind != extract.KindPostgres { // such as a full disk, which is not the connection's
		return false
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code {
		case "0A000", "40001", "40P01", "53300", "55P03", "57P01", "57P02", "57P03":
			return true
		}
		return len(pg.Code) == 5 && pg.Code[:2] == "08"
	}
	var connect *pgconn.ConnectError
	return errors.As(err, &connect) || lostConnection(err)
}

// lostConnection reports whether err came from the network or from a connection that is gone, not from the server.
func lostConnection(err error) bool {
	var network net.Error
	if errors.As(err, &network) {
		return true
	}
	gone := []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, pgconn.ErrConnClosed, syscall.ECONNRESET, syscall.EPIPE}
	return slices.ContainsFunc(gone, func(g error) bool { return errors.Is(err, g) })
}
