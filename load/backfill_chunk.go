package load

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"syncd/extract"
)

var (
	//go:embed sql/backfill_finish.sql
	backfillFinishSQL string
	//go:embed sql/backfill_slot.sql
	backfillSlotSQL string
	//go:embed sql/backfill_handout.sql
	backfillHandoutSQL string
	//go:embed sql/backfill_loading.sql
	backfillLoadingSQL string
	//go:embed sql/chunk_next.sql
	chunkNextSQL string
	//go:embed sql/chunk_start.sql
	chunkStartSQL string
	//go:embed sql/chunk_settle.sql
	chunkSettleSQL string
	//go:embed sql/run_rates.sql
	runRatesSQL string
)

// Do is what is to be done next for a backfill.
type Do uint8

// What there may be to do: nothing any more; the structure and, the first time, the ids; a chunk; to wait for chunks that others have;
// to say that chunks failed; the last step.
const (
	DoNothing Do = iota
	DoDescribe
	DoChunk
	DoWait
	DoFail
	DoFinish
)

// NextStep is what is to be done next for a backfill, with what it takes.
type NextStep struct {
	*Backfill
	Do     Do
	Chunk  *Chunk
	Finish *Finish
}

// Of is when the structure by which the step reads was read.
func (n *NextStep) Of() *time.Time {
	switch {
	case n.Chunk != nil:
		return n.Chunk.Of
	case n.Finish != nil:
		return n.Finish.Of
	}
	return nil
}

// Chunk is a part of a backfill that is due.
type Chunk struct {
	No       int
	IDs      []string
	Least    []int32
	Records  int
	Attempts int        // runs that had it before
	Memo     []byte     // the structure to read it by
	Of       *time.Time // when the plan's structure was read
}

// Name is the chunk's name in an Order.
func (c *Chunk) Name(backfill int64) string { return chunkName(backfill, c.No) }

func chunkName(backfill int64, no int) string { return fmt.Sprintf("%d/%d", backfill, no) }

// Finish is what the last step of a backfill takes.
type Finish struct {
	Kept   *extract.Kept // nil: the job has come further by itself
	Memo   []byte        // the structure to read by
	Of     *time.Time
	Needed bool // false: each chunk has left what there is to leave
}

// Next says what is to be done next for a backfill. Several processes may ask at once: whoever begins the run has it.
func (w *Warehouse) Next(ctx context.Context, id int64) (*NextStep, error) {
	b, err := w.Backfill(ctx, id)
	if err != nil {
		return nil, err
	}
	n := &NextStep{Backfill: b}
	switch due := b.Chunks - b.Done - b.Running - b.Failed; {
	case b.State != BackfillRunning && b.State != BackfillPlanned:
	case !b.Described:
		n.Do = DoDescribe
	case due > 0:
		n.Do, n.Chunk = DoChunk, &Chunk{}
		c := n.Chunk
		err = w.pool.QueryRow(ctx, chunkNextSQL, id).Scan(&c.No, &c.IDs, &c.Least, &c.Records, &c.Attempts, &c.Memo, &c.Of)
		if errors.Is(err, pgx.ErrNoRows) { // somebody has just begun it
			n.Do, n.Chunk, err = DoWait, nil, nil
		}
	case b.Running > 0:
		n.Do = DoWait
	case b.Failed > 0:
		n.Do = DoFail
	default:
		n.Do = DoFinish
		n.Finish, err = w.finish(ctx, id)
	}
	return n, fault("read what is next of a backfill", err)
}

func (w *Warehouse) finish(ctx context.Context, id int64) (*Finish, error) {
	f := &Finish{Kept: &extract.Kept{}}
	var marks []byte
	if err := w.pool.QueryRow(ctx, backfillFinishSQL, id).Scan(&marks, &f.Kept.Memo, &f.Memo, &f.Of, &f.Needed); err != nil {
		return nil, err
	}
	var err error
	if f.Kept.Marks, err = marksOf(marks); err == nil && len(f.Kept.Marks) == 0 {
		f.Kept = nil
	}
	return f, err
}

// SlotWaits reports whether a slot of a job is being run, or about to be: chunks let it go first.
func (w *Warehouse) SlotWaits(ctx context.Context, job string) (waits bool, err error) {
	err = w.pool.QueryRow(ctx, backfillSlotSQL, job).Scan(&waits)
	return waits, fault("look for slots of "+job, err)
}

// Handout is a chunk for which the queue is to hold a job: No 0 is what comes before the first and after the last.
type Handout struct {
	Backfill int64
	No       int
	After    int64 // the last job of the queue that stood for it
}

// Handouts lists the chunks that daemons are to work on and of which the queue knows nothing, the first few of each backfill. A job of
// the queue that a worker took longer than grace ago is not counted.
func (w *Warehouse) Handouts(ctx context.Context, most int, grace time.Duration) ([]Handout, error) {
	all, err := collect[Handout](ctx, w, backfillHandoutSQL, most, grace)
	return all, fault("read due chunks", err)
}

// LoadingError says that the first load of a job is made by a backfill, and not by a run of the whole.
type LoadingError struct {
	Job      string
	Backfill int64
	State    string
}

// Error names the backfill.
func (e *LoadingError) Error() string {
	return fmt.Sprintf("begin run of %s: backfill %d (%s) makes its first load", e.Job, e.Backfill, e.State)
}

// Next is what to do about it.
func (e *LoadingError) Next() string {
	next := fmt.Sprintf("wait for it (syncd backfill list), or end it: syncd backfill cancel %d", e.Backfill)
	if e.State != BackfillRunning && e.State != BackfillPlanned {
		next = fmt.Sprintf("go on with it: syncd backfill resume %d; or end it: syncd backfill cancel %d", e.Backfill, e.Backfill)
	}
	return next
}

// Unwrap gives the error its kind, and what to do next.
func (e *LoadingError) Unwrap() error {
	return &extract.Error{
		Kind: extract.KindHeld, What: "begin run of " + e.Job, Cause: fmt.Errorf("backfill %d (%s) makes its first load", e.Backfill, e.State), Next: e.Next(),
	}
}

// refuseLoading refuses a run of the whole while a backfill makes the job's first load.
func refuseLoading(ctx context.Context, tx pgx.Tx, o Order) error {
	if o.Kind == KindBackfill {
		return nil
	}
	e := &LoadingError{Job: o.Job}
	err := tx.QueryRow(ctx, backfillLoadingSQL, o.Job).Scan(&e.Backfill, &e.State)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return e
}

// ChunkError says that a chunk is not due: another run has it, it is done, or its backfill is at rest.
type ChunkError struct{ Job, Chunk string }

// Error names the chunk.
func (e *ChunkError) Error() string {
	return fmt.Sprintf("begin run of %s: chunk %s is not due", e.Job, e.Chunk)
}

// startChunk gives the chunk of an order to its run.
func startChunk(ctx context.Context, tx pgx.Tx, run int64, o Order) error {
	var backfill int64
	var no int
	if _, err := fmt.Sscanf(o.Chunk, "%d/%d", &backfill, &no); err != nil {
		return extract.Errorf(extract.KindInternal, "begin run", "%q names no chunk", o.Chunk)
	}
	err := tx.QueryRow(ctx, chunkStartSQL, backfill, no, run).Scan(&no)
	if errors.Is(err, pgx.ErrNoRows) {
		return &ChunkError{Job: o.Job, Chunk: o.Chunk}
	}
	return err
}

// settleChunk settles the chunk of a run, if it has one: what was stopped, lost, or may be tried again is due again.
func settleChunk(ctx context.Context, tx pgx.Tx, run int64, e Ending) error {
	state, reason := "failed", e.Error
	switch {
	case e.State == Succeeded:
		state, reason = "done", ""
	case e.State == Cancelled, e.State == LostState, e.State == Failed && e.Again:
		state = "due"
	case reason == "":
		reason = e.Reason
	}
	_, err := tx.Exec(ctx, chunkSettleSQL, run, state, reason, e.Requests)
	return err
}

// Rates is what a run of a job cost that read many rows.
type Rates struct {
	Rows, Requests int64
	Seconds        float64
}

// Rates finds the run of a job that read the most rows; nil where none read many.
func (w *Warehouse) Rates(ctx context.Context, job string) (*Rates, error) {
	all, err := collect[Rates](ctx, w, runRatesSQL, job)
	if err != nil || len(all) == 0 {
		return nil, fault("read what runs cost", err)
	}
	return &all[0], nil
}
