package load

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"syncd/extract"
)

var (
	//go:embed sql/payload_months.sql
	payloadMonthsSQL string
	//go:embed sql/payload_begun.sql
	payloadBegunSQL string
	//go:embed sql/payload_make.sql
	payloadMakeSQL string
	//go:embed sql/payload_drop.sql
	payloadDropSQL string
	//go:embed sql/payload_expire.sql
	payloadExpireSQL string
)

// The bytes of deliveries lie in a partition for each month, so that old ones go at once. A month that has none yet is kept in the
// default partition: nothing is ever refused for want of one. Partitions belong to the owner of the ledger, whose functions make and drop
// them for the role that receives.

const (
	monthsAhead  = 2
	expireAtOnce = 5000
	monthLimits  = "SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '60s'"
)

func monthTable(month time.Time) string { return "payload_" + month.Format("2006_01") }

func monthOf(t time.Time) time.Time {
	t = t.UTC()
	return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
}

// Months lists the partitions that are there.
func (b *Inbox) Months(ctx context.Context) ([]string, error) {
	rows, err := b.pool.Query(ctx, payloadMonthsSQL)
	if err != nil {
		return nil, fault("read partitions", err)
	}
	months, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return months, fault("read partitions", err)
}

// MonthsMissing returns the statements that make the partitions of this month and the next ones that are not there. A month that
// has begun in the default partition stays there, and is not missed.
func (b *Inbox) MonthsMissing(ctx context.Context, now time.Time) ([]string, error) {
	missing, err := b.missing(ctx, now)
	ddl := make([]string, len(missing))
	for i, from := range missing {
		ddl[i] = fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s PARTITION OF syncd.payload FOR VALUES FROM (%s) TO (%s)",
			name("syncd", monthTable(from)), literal(from.Format(time.RFC3339)), literal(from.AddDate(0, 1, 0).Format(time.RFC3339)))
	}
	return ddl, err
}

// missing lists the months, by their first instant, that should have a partition.
func (b *Inbox) missing(ctx context.Context, now time.Time) (months []time.Time, err error) {
	there, err := b.Months(ctx)
	if err != nil {
		return nil, err
	}
	for i := range monthsAhead + 1 {
		from := monthOf(now).AddDate(0, i, 0)
		if slices.Contains(there, monthTable(from)) {
			continue
		}
		var begun bool
		if err := b.pool.QueryRow(ctx, payloadBegunSQL, from, from.AddDate(0, 1, 0)).Scan(&begun); err != nil {
			return nil, fault("read partitions", err)
		}
		if !begun {
			months = append(months, from)
		}
	}
	return months, nil
}

// MakeMonths makes the partitions of this month and the next ones. Where somebody is in the way, or the role may not, it says
// why, and deliveries are kept all the same.
func (b *Inbox) MakeMonths(ctx context.Context, now time.Time) error {
	months, err := b.missing(ctx, now)
	if err != nil {
		return err
	}
	for _, from := range months {
		err := b.limited(ctx, payloadMakeSQL, from)
		var pg *pgconn.PgError
		if errors.As(err, &pg) && pg.Code == "23514" {
			continue // that month has begun in the default partition, and stays there
		}
		if err != nil {
			return fault("make partition", err)
		}
	}
	return nil
}

// limited runs one statement that changes partitions, without standing in anybody's way for long.
func (b *Inbox) limited(ctx context.Context, query string, arg any) error {
	return pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error {
		if _, err := tx.Conn().PgConn().Exec(ctx, monthLimits).ReadAll(); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, query, arg)
		return err
	})
}

// Expire deletes the bytes of a receiver's deliveries that came in before an instant, but for those that wait or could not be
// read, and drops the partitions of months past that hold nothing any more. It answers how many went.
func (b *Inbox) Expire(ctx context.Context, destination string, before, now time.Time) (gone int64, err error) {
	if gone, err = b.expire(ctx, destination, before, extract.Applied, extract.Unhandled); err != nil {
		return gone, err
	}
	months, err := b.Months(ctx)
	if err != nil {
		return gone, err
	}
	for _, m := range months {
		if m < monthTable(monthOf(now)) {
			if err := b.dropEmpty(ctx, m); err != nil {
				return gone, err
			}
		}
	}
	return gone, nil
}

// expire deletes the bytes of deliveries in some states.
func (b *Inbox) expire(ctx context.Context, destination string, before time.Time, states ...extract.Outcome) (gone int64, err error) {
	for {
		tag, err := b.pool.Exec(ctx, payloadExpireSQL, destination, before, expireAtOnce, states)
		if err != nil {
			return gone, fault("expire payloads", err)
		}
		gone += tag.RowsAffected()
		if tag.RowsAffected() < expireAtOnce {
			return gone, nil
		}
	}
}

// dropEmpty drops a partition that holds nothing. What others hold open stays for the next time.
func (b *Inbox) dropEmpty(ctx context.Context, table string) error {
	err := b.limited(ctx, payloadDropSQL, table)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && (pg.Code == "55P03" || pg.Code == "42501" || pg.Code == "42P01") {
		return nil
	}
	return fault("drop "+table, err)
}
