package load

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"syncd/extract"
)

var (
	//go:embed sql/backfill_make.sql
	backfillMakeSQL string
	//go:embed sql/backfill_list.sql
	backfillListSQL string
	//go:embed sql/backfill_lock.sql
	backfillLockSQL string
	//go:embed sql/backfill_plan.sql
	backfillPlanSQL string
	//go:embed sql/backfill_estimate.sql
	backfillEstimateSQL string
	//go:embed sql/backfill_undescribe.sql
	backfillUndescribeSQL string
	//go:embed sql/backfill_move.sql
	backfillMoveSQL string
	//go:embed sql/backfill_empty.sql
	backfillEmptySQL string
	//go:embed sql/chunk_retry.sql
	chunkRetrySQL string
)

// KindBackfill is the kind of the runs of a backfill: of its chunks, and of what comes before the first and after the last.
const KindBackfill = "backfill"

// Backfill is a load of a job that is made in chunks.
type Backfill struct {
	ID          int64      `json:"backfill_id"`
	Job         string     `json:"job"`
	State       string     `json:"state"` // planned, running, paused, succeeded, failed, cancelled
	From        *time.Time `json:"from"`  // both nil: everything
	To          *time.Time `json:"to"`
	First       bool       `json:"first"`      // it makes the job's first load
	Automatic   bool       `json:"automatic"`  // a run of the whole made it, and goes on with it
	Detached    bool       `json:"detached"`   // daemons work on it
	ChunkSize   int        `json:"chunk_size"` // records of a chunk
	Parallel    int        `json:"parallel"`   // chunks at once, of each process
	Described   bool       `json:"-"`          // the tables agree with the source, as far as is known
	Records     int64      `json:"records"`
	Chunks      int64      `json:"chunks"`
	Done        int64      `json:"chunks_done"`
	Running     int64      `json:"chunks_running"`
	Failed      int64      `json:"chunks_failed"`
	RecordsDone int64      `json:"records_done"`
	Rows        int64      `json:"rows"` // read by chunks that are done
	Requests    int64      `json:"requests"`
	Estimate    *int64     `json:"requests_estimate"`
	AtWork      int64      `json:"at_work"` // runs that are at it now
	By          string     `json:"created_by"`
	CreatedAt   time.Time  `json:"created_at"`
	EndedAt     *time.Time `json:"ended_at"`
	Reason      string     `json:"reason,omitempty"`
	ChunkReason string     `json:"chunk_reason,omitempty"` // of a chunk that failed
}

// The states of a backfill. It is open until it has succeeded or was cancelled.
const (
	BackfillPlanned   = "planned"
	BackfillRunning   = "running"
	BackfillPaused    = "paused"
	BackfillSucceeded = "succeeded"
	BackfillFailed    = "failed"
	BackfillCancelled = "cancelled"
)

// Whole reports whether it reads everything.
func (b *Backfill) Whole() bool { return b.From == nil && b.To == nil }

// Open reports whether there is anything left to do.
func (b *Backfill) Open() bool { return b.State != BackfillSucceeded && b.State != BackfillCancelled }

// NewBackfill is what a backfill is asked for.
type NewBackfill struct {
	Job            string
	From, To       time.Time // both zero: everything
	Size, Parallel int
	Detached       bool
	By             string
}

// MakeBackfill writes down that a backfill is wanted. Where the job has an open one, that is the answer, and made is false.
func (w *Warehouse) MakeBackfill(ctx context.Context, n NewBackfill) (b Backfill, made bool, err error) {
	var id int64
	err = w.transact(ctx, "plan backfill of "+n.Job, func(tx pgx.Tx) error {
		made = false
		err := tx.QueryRow(ctx, backfillMakeSQL, n.Job, instant(n.From), instant(n.To), false, n.Detached, n.Size, n.Parallel, n.By).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		made = true
		return audit(ctx, tx, n.By, "backfill", "job "+n.Job, map[string]int64{"backfill": id})
	})
	if err != nil {
		return b, false, err
	}
	all, err := w.Backfills(ctx, n.Job, 0)
	if err != nil {
		return b, false, err
	}
	if len(all) == 0 { // it ended in this moment
		return b, false, extract.Errorf(extract.KindPostgres, "plan backfill of "+n.Job, "another one has just ended; type the same again")
	}
	return all[0], made, nil
}

// Backfills lists the open backfills of a job ("" for all), and the last few that have ended, newest first.
func (w *Warehouse) Backfills(ctx context.Context, job string, ended int) ([]Backfill, error) {
	all, err := collect[Backfill](ctx, w, backfillListSQL, job, 0, Silence, ended)
	return all, fault("list backfills", err)
}

// Backfill reads one.
func (w *Warehouse) Backfill(ctx context.Context, id int64) (*Backfill, error) {
	all, err := collect[Backfill](ctx, w, backfillListSQL, "", id, Silence, 0)
	if err != nil {
		return nil, fault("read backfill", err)
	}
	if len(all) == 0 {
		return nil, &extract.Error{
			Kind: extract.KindConfig, What: "read backfill", Cause: fmt.Errorf("there is no backfill %d", id), Next: "syncd backfill list --all",
		}
	}
	return &all[0], nil
}

// PlanBackfill keeps what was collected: the chunks, once, and the structure by which they are read, which may be renewed.
func (w *Warehouse) PlanBackfill(ctx context.Context, id int64, c extract.Collected, size int) error {
	marks, err := marksText(c.Kept.Marks)
	if err != nil {
		return err
	}
	if c.Size > 0 {
		size = c.Size
	}
	return w.transact(ctx, fmt.Sprintf("plan backfill %d", id), func(tx pgx.Tx) error {
		var fresh bool
		var chunks int64
		if err := tx.QueryRow(ctx, backfillLockSQL, id).Scan(&fresh, &chunks); err != nil {
			return err
		}
		if fresh {
			var err error
			if chunks, err = copyChunks(ctx, tx, id, c, size); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, backfillPlanSQL, id, c.Kept.Memo, fresh, marks, c.IDs.Len(), chunks, size, c.Serial, 0)
		return err
	})
}

// copyChunks cuts ids into chunks of a size.
func copyChunks(ctx context.Context, tx pgx.Tx, id int64, c extract.Collected, size int) (int64, error) {
	at, no := 0, int32(0)
	next := func() ([]any, error) {
		if at >= c.IDs.Len() {
			return nil, nil
		}
		end := min(at+size, c.IDs.Len())
		ids := make([]string, 0, end-at)
		for i := at; i < end; i++ {
			ids = append(ids, c.IDs.At(i))
		}
		var least []int32
		if c.Least != nil {
			least = c.Least[at:end]
		}
		at, no = end, no+1
		return []any{id, no, ids, least, int32(len(ids))}, nil
	}
	return tx.CopyFrom(ctx, pgx.Identifier{"syncd", "backfill_chunk"}, []string{"backfill_id", "no", "ids", "least", "records"}, pgx.CopyFromFunc(next))
}

func marksText(marks []extract.Mark) (*string, error) {
	if len(marks) == 0 {
		return nil, nil
	}
	text, err := json.Marshal(marks)
	if err != nil {
		return nil, fmt.Errorf("keep marks: %w", err)
	}
	s := string(text)
	return &s, nil
}

func marksOf(text []byte) (marks []extract.Mark, err error) {
	if len(text) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(text, &marks); err != nil {
		return nil, extract.Errorf(extract.KindInternal, "read marks of a backfill", "%w", err)
	}
	return marks, nil
}

// EstimateBackfill keeps how many requests it is thought to take.
func (w *Warehouse) EstimateBackfill(ctx context.Context, id, requests int64) error {
	_, err := w.pool.Exec(ctx, backfillEstimateSQL, id, requests)
	return fault("estimate backfill", err)
}

// UndescribeBackfill says that the source has another structure than the one of that time; it is read anew before the next chunk.
func (w *Warehouse) UndescribeBackfill(ctx context.Context, id int64, of *time.Time) error {
	_, err := w.pool.Exec(ctx, backfillUndescribeSQL, id, of)
	return fault("renew the structure of a backfill", err)
}

// PauseBackfill keeps chunks from being begun; those at work finish their batch. It tells whether it did.
func (w *Warehouse) PauseBackfill(ctx context.Context, id int64, by, reason string) (bool, error) {
	return w.moveBackfill(ctx, id, BackfillPaused, by, reason, nil, BackfillPlanned, BackfillRunning)
}

// FailBackfill ends a backfill until somebody resumes it.
func (w *Warehouse) FailBackfill(ctx context.Context, id int64, reason string) (bool, error) {
	return w.moveBackfill(ctx, id, BackfillFailed, "", reason, nil, BackfillPlanned, BackfillRunning)
}

// ResumeBackfill lets a backfill go on that is at rest; chunks that failed are due again. detached says anew who works on it; nil: as before.
func (w *Warehouse) ResumeBackfill(ctx context.Context, id int64, by string, detached *bool) (bool, error) {
	return w.moveBackfill(ctx, id, BackfillRunning, by, "", detached, BackfillPlanned, BackfillRunning, BackfillPaused, BackfillFailed)
}

// CancelBackfill ends a backfill for good. What is loaded stays.
func (w *Warehouse) CancelBackfill(ctx context.Context, id int64, by, reason string) (bool, error) {
	return w.moveBackfill(ctx, id, BackfillCancelled, by, reason, nil, BackfillPlanned, BackfillRunning, BackfillPaused, BackfillFailed)
}

// EndBackfill says that a backfill has brought everything it was to bring.
func (w *Warehouse) EndBackfill(ctx context.Context, id int64) error {
	_, err := w.moveBackfill(ctx, id, BackfillSucceeded, "", "", nil, BackfillPlanned, BackfillRunning, BackfillPaused, BackfillFailed)
	return err
}

// moveBackfill brings a backfill into a state, from those that are named. by is the person who did it, empty where nobody did.
func (w *Warehouse) moveBackfill(ctx context.Context, id int64, to, by, reason string, detached *bool, from ...string) (moved bool, err error) {
	return moved, w.transact(ctx, fmt.Sprintf("move backfill %d to %s", id, to), func(tx pgx.Tx) error {
		var job string
		err := tx.QueryRow(ctx, backfillMoveSQL, id, to, reason, from, detached).Scan(&job)
		if moved = err == nil; errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		switch to {
		case BackfillRunning:
			_, err = tx.Exec(ctx, chunkRetrySQL, id)
		case BackfillSucceeded, BackfillCancelled:
			_, err = tx.Exec(ctx, backfillEmptySQL, id, job, to == BackfillSucceeded)
		}
		if err != nil || by == "" {
			return err
		}
		verb := map[string]string{BackfillRunning: "resume", BackfillPaused: "pause", BackfillCancelled: "cancel"}[to]
		return audit(ctx, tx, by, "backfill "+verb, "job "+job, map[string]any{"backfill": id, "reason": reason})
	})
}
