package job

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"

	"syncd/extract"
	"syncd/load"
)

const (
	// quiet is how long a holder may be silent before one doubts that it is alive.
	quiet = load.BeatEvery * 3 / 2
	// lookAgain is when a slot that waits for another run asks again.
	lookAgain = 10 * time.Second
)

// worker runs the slots that the queue gives to this replica. What it returns is of no consequence: the ledger decides
// whether a slot is to be run, and whether it has been.
type worker struct {
	river.WorkerDefaults[slotArgs]
	engine *Engine
}

// Work runs one slot.
func (w *worker) Work(ctx context.Context, queued *river.Job[slotArgs]) error {
	e := w.engine
	select {
	case <-e.stopping:
		return nil // the slot stays due, and is given out again
	default:
	}
	slot := load.Slot{Job: queued.Args.Job, Kind: queued.Args.Of, At: time.UnixMicro(queued.Args.Slot).UTC()}
	j, known := e.job(slot.Job)
	if !known {
		return e.leave(ctx, slot)
	}
	if j.schedule(slot.Kind) == nil {
		return e.settled(e.Warehouse.Withhold(ctx, slot, reasonNever))
	}
	if err := e.Warehouse.Paused(ctx, j.Name, j.Source); err != nil {
		return e.refused(ctx, j, slot, err)
	}
	admitted, err := e.admit(ctx, j, slot)
	if admitted == nil {
		return err
	}
	run, cancel := context.WithCancelCause(admitted)
	defer cancel(nil)
	defer context.AfterFunc(e.cut, func() { cancel(context.Cause(e.cut)) })()
	order := e.order(j, slot.Kind)
	order.Slot = slot.At
	rep, err := e.runner.Run(run, order, j.Open, Options{Full: slot.Kind == Full, Stop: e.stopping, Again: e.spares(j, slot)})
	if rep.RunID == 0 && err != nil {
		return e.refused(ctx, j, slot, err)
	}
	if e.Done != nil {
		e.Done(rep, err)
	}
	return nil
}

// leave leaves a slot to the replicas that have its job in their file. Where none has, the planner ends it.
func (e *Engine) leave(ctx context.Context, slot load.Slot) error {
	if due, err := e.Warehouse.Due(ctx, slot); err == nil && !due {
		return nil
	}
	return river.JobSnooze(lookAgain)
}

// refused says what becomes of a slot of which no run came.
func (e *Engine) refused(ctx context.Context, j Planned, slot load.Slot, err error) error {
	var busy *load.BusyError
	var loading *load.LoadingError
	var paused *load.PausedError
	switch {
	case errors.As(err, new(*load.SettledError)):
		return nil
	case errors.As(err, &paused):
		return e.settled(e.Warehouse.Withhold(ctx, slot, paused.Pause.String()))
	case errors.As(err, &loading):
		return e.settled(e.Warehouse.Skip(ctx, slot, fmt.Sprintf("backfill %d (%s) makes the first load", loading.Backfill, loading.State)))
	case errors.As(err, &busy):
		if busy.Chunk != "" || slot.Kind == Full || j.Overlap == "queue" || busy.Silent > quiet {
			return river.JobSnooze(lookAgain)
		}
		skipped, err := e.Warehouse.Skip(ctx, slot, fmt.Sprintf("run %d of the job was still at work (overlap = skip)", busy.RunID))
		if err == nil && !skipped {
			return river.JobSnooze(lookAgain) // settled, or lost before: asked again then
		}
		return e.settled(skipped, err)
	case extract.KindOf(err) == extract.KindConfig:
		return e.settled(e.Warehouse.Fail(ctx, slot, err.Error()))
	}
	return e.left(slot, err)
}

func (e *Engine) settled(_ bool, err error) error {
	if err != nil {
		e.Log.Warn("slot could not be settled, it stays due", slog.Any("error", err))
	}
	return nil
}
