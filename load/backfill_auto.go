package load

import (
	"context"
	_ "embed"
	"errors"

	"github.com/jackc/pgx/v5"

	"syncd/extract"
)

var (
	//go:embed sql/backfill_automatic.sql
	backfillAutomaticSQL string
	//go:embed sql/backfill_loaded.sql
	backfillLoadedSQL string
	//go:embed sql/chunk_done.sql
	chunkDoneSQL string
)

// KeepAutomatic cuts the first load of a job, which one run is about to make, into chunks. Where an earlier run did so and was
// interrupted it answers what that one would have left.
func (w *Warehouse) KeepAutomatic(ctx context.Context, o Order, c extract.Collected, size int) (id int64, left *extract.Kept, err error) {
	id, left, err = w.automatic(ctx, o.Job)
	if err != nil || id != 0 {
		return id, left, err
	}
	err = w.transact(ctx, "plan first load of "+o.Job, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, backfillMakeSQL, o.Job, nil, nil, true, false, size, 1, o.Holder).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) { // a window is being read; this load is not interrupted on its account
			id = 0
			return nil
		}
		return err
	})
	if err != nil || id == 0 {
		return 0, nil, err
	}
	return id, nil, w.PlanBackfill(ctx, id, c, size)
}

// InterruptedLoad reports whether the first load of a job was begun by a run and interrupted.
func (w *Warehouse) InterruptedLoad(ctx context.Context, job string) (bool, error) {
	id, _, err := w.automatic(ctx, job)
	return id != 0, err
}

func (w *Warehouse) automatic(ctx context.Context, job string) (id int64, left *extract.Kept, err error) {
	var marks []byte
	left = &extract.Kept{}
	err = w.pool.QueryRow(ctx, backfillAutomaticSQL, job).Scan(&id, &marks, &left.Memo)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil, nil
	}
	if err == nil {
		left.Marks, err = marksOf(marks)
	}
	return id, left, fault("read first load of "+job, err)
}

// ChunkLoaded says that a run of the whole has loaded all of a chunk.
func (w *Warehouse) ChunkLoaded(ctx context.Context, backfill int64, no int, run int64) error {
	_, err := w.pool.Exec(ctx, chunkDoneSQL, backfill, no, run)
	return fault("settle a chunk", err)
}

// EndLoaded ends the backfill by which a run made the first load of a job, once the job is loaded.
func (w *Warehouse) EndLoaded(ctx context.Context, job string) error {
	var id int64
	err := w.pool.QueryRow(ctx, backfillLoadedSQL, job).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fault("end first load of "+job, err)
	}
	return w.EndBackfill(ctx, id)
}
