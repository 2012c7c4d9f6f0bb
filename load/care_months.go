package load

import (
	"context"
	_ "embed"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"syncd/extract"
)

var (
	//go:embed sql/payload_drop_full.sql
	payloadDropFullSQL string
	//go:embed sql/payload_waiting.sql
	payloadWaitingSQL string
)

// dropMonths drops the partitions of months of which nothing is to be kept any more: at once, and without a trace in the others. It answers
// how many deliveries' bytes went.
func (b *Inbox) dropMonths(ctx context.Context, now time.Time, all []Kept) (gone int64, err error) {
	months, err := b.Months(ctx)
	if err != nil {
		return 0, err
	}
	for _, m := range months {
		from, err := time.Parse("payload_2006_01", m)
		if err != nil {
			return gone, extract.Errorf(extract.KindInternal, "read partitions", "%w", err)
		}
		end := from.AddDate(0, 1, 0)
		var over []string // receivers of whom nothing of that month is kept
		for _, k := range all {
			if k.Receiver && !k.Held && k.Payloads > 0 && !end.After(now.Add(-max(k.Payloads, k.Rejects))) && (k.Rejects > 0) {
				over = append(over, k.Job)
			}
		}
		if len(over) == 0 {
			continue
		}
		n, err := b.dropMonth(ctx, m, from, end, over)
		if err != nil {
			return gone, err
		}
		gone += n
	}
	return gone, nil
}

// dropMonth drops one, if all of it is of these receivers and nothing of it waits. What others hold open stays for the next time.
func (b *Inbox) dropMonth(ctx context.Context, table string, from, end time.Time, over []string) (gone int64, err error) {
	at := name("syncd", table)
	var kept int64
	if err := b.pool.QueryRow(ctx, countMonth(at), over).Scan(&gone, &kept); err != nil || kept > 0 || gone == 0 {
		return 0, fault("look into "+table, err)
	}
	waits := false
	err = pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error {
		if _, err := tx.Conn().PgConn().Exec(ctx, monthLimits+"; LOCK TABLE "+at+" IN ACCESS EXCLUSIVE MODE").ReadAll(); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, payloadWaitingSQL, from, end).Scan(&waits); err != nil || waits { // a replay, since
			return err
		}
		_, err := tx.Exec(ctx, payloadDropFullSQL, table)
		return err
	})
	var pg *pgconn.PgError
	if waits || errors.As(err, &pg) && (pg.Code == "55P03" || pg.Code == "42501" || pg.Code == "42P01") {
		return 0, nil
	}
	return gone, fault("drop "+table, err)
}

// countMonth counts the deliveries of a partition, and those of them that are kept: of others than the receivers $1, or waiting.
func countMonth(at string) string {
	return "SELECT count(*), count(*) FILTER (WHERE d.seq IS NULL OR d.state = 'pending' OR d.destination <> ALL ($1::text[])) FROM " + at +
		" AS p LEFT JOIN syncd.delivery AS d ON d.seq = p.seq AND d.received_at = p.received_at"
}
