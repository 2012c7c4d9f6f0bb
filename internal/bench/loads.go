package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"

	"syncd/internal/fake/redcap"
)

const target = "bench.form_1" // the instrument table of the benchmark project

// loads measures B1 (first load), B2 (nothing changed) and B3 (1 % changed), each against a COPY of the same rows in the same round.
func (b *bench) loads(ctx context.Context) error {
	var first, same, few []float64
	project := b.project(b.rows, fields, 1)
	defer b.front.forget()
	for round := range b.pairs + 1 {
		r, err := b.round(ctx, project)
		if err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
		name := fmt.Sprintf("round %d", round)
		if round == 0 {
			name = "warm-up"
		} else {
			first = append(first, r.first.wall.Seconds()/r.copy.Seconds())
			same = append(same, r.same.wall.Seconds()/r.copy.Seconds())
			few = append(few, r.few.wall.Seconds()/r.copy.Seconds())
		}
		fmt.Printf("# %s: COPY %s; first load %s; unchanged %s, WAL %d kB, dead tuples %d; 1 %% changed %s\n", name, seconds(r.copy),
			r.first, r.same, r.wal>>10, r.dead, r.few)
	}
	report("B1", first, 1.6)
	report("B2", same, 1.0)
	report("B3", few, 1.1)
	return nil
}

type round struct {
	copy             time.Duration
	first, same, few child
	wal, dead        int64
}

func (b *bench) round(ctx context.Context, project *redcap.Project) (r round, err error) {
	w, err := b.warehouse(ctx, project)
	if err != nil {
		return r, err
	}
	defer w.close(ctx)
	if r.first, err = w.sync(ctx); err != nil {
		return r, err
	}
	if r.copy, err = w.copySame(ctx, b.rows); err != nil {
		return r, err
	}
	lsn, err := w.lsn(ctx)
	if err != nil {
		return r, err
	}
	if r.same, err = w.sync(ctx, "--full"); err != nil {
		return r, err
	}
	if r.wal, err = w.since(ctx, lsn); err != nil {
		return r, err
	}
	if r.dead, err = w.dead(ctx); err != nil {
		return r, err
	}
	if err := change(project, b.rows, b.made); err != nil {
		return r, err
	}
	b.front.forget()
	if _, err = w.sync(ctx, "--full", "--dry-run"); err != nil { // asks what the run will ask, so that it is rendered before
		return r, err
	}
	r.few, err = w.sync(ctx, "--full")
	return r, err
}

// copySame times the yardstick: COPY of the rows just loaded into a table made like theirs, with its indexes. A checkpoint before
// either side of a pair keeps one from paying for the other's pages.
func (w *warehouse) copySame(ctx context.Context, rows int) (time.Duration, error) {
	var data bytes.Buffer
	if _, err := w.conn.PgConn().CopyTo(ctx, &data, "COPY "+target+" TO STDOUT"); err != nil {
		return 0, fmt.Errorf("copy out: %w", err)
	}
	if _, err := w.conn.Exec(ctx, "DROP TABLE IF EXISTS bench_copy; CREATE TABLE bench_copy (LIKE "+target+" INCLUDING ALL)"); err != nil {
		return 0, fmt.Errorf("make yardstick table: %w", err)
	}
	if _, err := w.conn.Exec(ctx, "CHECKPOINT"); err != nil {
		return 0, err
	}
	start := time.Now()
	tag, err := w.conn.PgConn().CopyFrom(ctx, io.Reader(&data), "COPY bench_copy FROM STDIN")
	took := time.Since(start)
	if err != nil {
		return 0, fmt.Errorf("copy in: %w", err)
	}
	if tag.RowsAffected() != int64(rows) {
		return 0, fmt.Errorf("yardstick copied %d rows for %d", tag.RowsAffected(), rows)
	}
	_, err = w.conn.Exec(ctx, "DROP TABLE bench_copy; CHECKPOINT", pgx.QueryExecModeSimpleProtocol)
	return took, err
}

func (w *warehouse) lsn(ctx context.Context) (lsn string, err error) {
	err = w.conn.QueryRow(ctx, "SELECT pg_current_wal_lsn()::text").Scan(&lsn)
	return lsn, err
}

func (w *warehouse) since(ctx context.Context, lsn string) (n int64, err error) {
	err = w.conn.QueryRow(ctx, "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), $1::text::pg_lsn)::bigint", lsn).Scan(&n)
	return n, err
}

func (w *warehouse) dead(ctx context.Context) (n int64, err error) {
	const q = `SELECT coalesce(sum(n_dead_tup), 0)::bigint FROM pg_stat_user_tables WHERE schemaname LIKE 'bench%'`
	err = w.conn.QueryRow(ctx, q).Scan(&n)
	return n, err
}
