package job

import (
	"context"
	"log/slog"
	"time"

	"github.com/riverqueue/river"

	"syncd/extract"
	"syncd/load"
)

const (
	// retryFor is how long a slot waits for a source that is down, unless the job says otherwise.
	retryFor = 6 * time.Hour
	// probeTakes is how long one waits to see what became of a probe that was sent just now.
	probeTakes = 15 * time.Second
	// apart keeps the slots of a source in their order when they are given out again together.
	apart = 10 * time.Millisecond
)

// admit asks whether the source of a slot is up. Where it is, the run is to be made under the context that comes back; it
// may be the probe of a source that is down. Where it is nil there is no run: the slot waits its turn for the next
// probe, or it has waited too long.
func (e *Engine) admit(ctx context.Context, j Planned, slot load.Slot) (context.Context, error) {
	outage, err := e.Warehouse.Outage(ctx, j.Source)
	if err != nil {
		return nil, e.left(slot, err)
	}
	if outage == nil {
		return ctx, nil
	}
	late, err := e.late(ctx, j, slot, outage.Since)
	if err != nil {
		return nil, e.left(slot, err)
	}
	if late {
		return nil, e.settled(e.Warehouse.Fail(ctx, slot, j.Source+" was down for longer than retry_for"))
	}
	run, outage, err := e.Warehouse.Circuit(j.Source).Begin(ctx)
	if err != nil {
		return nil, e.left(slot, err)
	}
	if outage == nil {
		return run, nil
	}
	return nil, e.wait(ctx, slot, outage)
}

// wait puts a slot back until the next probe of its source, in its place among those that wait for it. Where a probe was
// sent just now one looks soon what became of it.
func (e *Engine) wait(ctx context.Context, slot load.Slot, o *load.Outage) error {
	ahead, err := e.Warehouse.Ahead(ctx, o.Source, slot)
	if err != nil {
		return e.left(slot, err)
	}
	wait := o.ProbeAt.Sub(o.At)
	if wait > load.ProbeEvery-probeTakes {
		wait = lookAgain
	}
	e.Log.Debug("slot waits", slog.String("job", slot.Job), slog.Duration("wait", wait), slog.String("reason", o.String()))
	return river.JobSnooze(max(0, wait) + time.Duration(ahead)*apart)
}

// left says that a slot could not be begun: it stays due, and is given out again.
func (e *Engine) left(slot load.Slot, err error) error {
	e.Log.Warn("slot could not be begun, it stays due", slog.String("job", slot.Job), slog.Any("error", err))
	return nil
}

// late reports whether a slot has waited for its source as long as the job says: since it was due, or since the source is
// down, whichever came later.
func (e *Engine) late(ctx context.Context, j Planned, slot load.Slot, since time.Time) (bool, error) {
	now, err := e.Now(ctx)
	if err != nil {
		return false, err
	}
	from := slot.At.Add(j.offset(slot.Kind))
	if since.After(from) {
		from = since
	}
	bound := j.RetryFor
	if bound <= 0 {
		bound = retryFor
	}
	return now.Sub(from) > bound, nil
}

// spares answers whether the slot of a run that failed with an error is to be run again, for its source is down, or seems
// to be, and the job is not at fault.
func (e *Engine) spares(j Planned, slot load.Slot) func(context.Context, error) bool {
	return func(ctx context.Context, failed error) bool {
		if kind := extract.KindOf(failed); kind != extract.KindTransient && kind != extract.KindGarbled {
			return false
		}
		spared, err := e.Warehouse.Spared(ctx, j.Source, slot)
		if err != nil || !spared {
			return false
		}
		outage, err := e.Warehouse.Outage(ctx, j.Source)
		if err != nil || outage == nil {
			return err == nil
		}
		late, err := e.late(ctx, j, slot, outage.Since)
		return err == nil && !late
	}
}
