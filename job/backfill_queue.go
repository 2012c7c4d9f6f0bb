package job

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"syncd/load"
)

const (
	// chunkQueue is apart from that of slots: whatever is backfilled, the places of slots are free.
	chunkQueue = "chunk"
	// chunksAhead is how many chunks of a backfill the queue knows of. A process that has one goes on with those that are due.
	chunksAhead = 16
	// chunkPriority is the queue's lowest.
	chunkPriority = 4
)

// chunkArgs are the arguments of a job of the queue: ids only. After is as in slotArgs.
type chunkArgs struct {
	Backfill int64 `json:"backfill"`
	No       int   `json:"no"`
	After    int64 `json:"after"`
}

// Kind is the queue's name for such jobs.
func (chunkArgs) Kind() string { return "chunk" }

// InsertOpts makes a job unique while it is open, and leaves trying again to the ledger.
func (chunkArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{
		MaxAttempts: 1, Queue: chunkQueue, Priority: chunkPriority,
		UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: []rivertype.JobState{
			rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning,
			rivertype.JobStateRetryable, rivertype.JobStateScheduled,
		}},
	}
}

// chunkWorkers is how many chunks a replica works on at once: one less than it has places for slots.
func (e *Engine) chunkWorkers() int { return max(1, e.Workers-1) }

// chunkWorker works on backfills. A job of the queue wakes it; which chunk is done next, and whether any, the ledger says.
type chunkWorker struct {
	river.WorkerDefaults[chunkArgs]
	engine *Engine

	mu     sync.Mutex
	atWork map[int64]int // by backfill
}

// Work takes chunk after chunk of a backfill, as long as some are due and nothing else goes first.
func (w *chunkWorker) Work(ctx context.Context, queued *river.Job[chunkArgs]) error {
	e := w.engine
	select {
	case <-e.stopping:
		return nil
	default:
	}
	b, err := e.Warehouse.Backfill(ctx, queued.Args.Backfill)
	if err != nil {
		e.Log.Warn("chunk could not be begun, it stays due", slog.Int64("backfill", queued.Args.Backfill), slog.Any("error", err))
		return nil
	}
	j, known := e.job(b.Job)
	if !known || !w.enter(b) { // whoever is at it here goes on by itself
		return nil
	}
	defer w.leave(b)
	run, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(e.cut, func() { cancel(context.Cause(e.cut)) })()
	told := func(r Report, failed error) {
		if e.Done != nil {
			e.Done(r, failed)
		}
		if r.Chunk == "" && failed == nil {
			w.handOut(ctx)
		}
	}
	err = e.runner.Fill(run, e.stopping, Fill{
		Order: e.order(j, ""), Open: j.Open, ID: b.ID, Done: told,
	})
	if err != nil && !errors.Is(err, ErrStopped) && run.Err() == nil {
		e.Log.Warn("backfill waits", slog.String("job", b.Job), slog.Int64("backfill", b.ID), slog.Any("error", err))
	}
	return nil
}

// handOut tells the others at once of chunks that there are now.
func (w *chunkWorker) handOut(ctx context.Context) {
	q, err := river.ClientFromContextSafely[pgx.Tx](ctx)
	if err == nil {
		err = w.engine.distributeChunks(ctx, q)
	}
	if err != nil && ctx.Err() == nil {
		w.engine.Log.Debug("chunks are handed out at the next turn", slog.Any("error", err))
	}
}

// enter lets as many of this process work on a backfill as it says.
func (w *chunkWorker) enter(b *load.Backfill) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.atWork[b.ID] >= max(1, b.Parallel) {
		return false
	}
	w.atWork[b.ID]++
	return true
}

func (w *chunkWorker) leave(b *load.Backfill) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.atWork[b.ID]--; w.atWork[b.ID] == 0 {
		delete(w.atWork, b.ID)
	}
}

// distributeChunks tells the queue of the next chunks of the backfills that daemons are to work on.
func (e *Engine) distributeChunks(ctx context.Context, q *queue) error {
	due, err := e.Warehouse.Handouts(ctx, chunksAhead, begunWithin)
	if err != nil || len(due) == 0 {
		return err
	}
	params := make([]river.InsertManyParams, len(due))
	for i, c := range due {
		params[i].Args = chunkArgs{Backfill: c.Backfill, No: c.No, After: c.After}
	}
	_, err = q.InsertMany(ctx, params)
	return load.Fault("distribute chunks", err)
}
