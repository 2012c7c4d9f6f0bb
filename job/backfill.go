package job

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"syncd/extract"
	"syncd/load"
)

const (
	// fillLooks is how often one that waits for others looks again, and how soon a chunk under way learns that its backfill rests.
	fillLooks = time.Second
	// fillTries is how often a step that failed is tried, unless its source is down: that is waited for.
	fillTries = 5
)

// Fill is what a process does for a backfill: it takes chunk after chunk, as do others, until there is nothing left to take.
type Fill struct {
	Order    load.Order // of the job; its kind and chunk are those of each step
	Open     Open
	ID       int64
	Patient  bool                // wait for what others have and for a source that is down; else return, and be called again
	Waits    func(why string)    // told when waiting begins, for another reason than before; may be nil
	Progress func(Filled)        // how far it is; may be nil
	Done     func(Report, error) // called after each run; may be nil
	Every    time.Duration       // 0: fillLooks
}

// Filled is how far a backfill has come.
type Filled struct {
	*load.Backfill
	InHand int64 // records loaded of the chunk in hand
}

// filling is a Fill under way, in one goroutine.
type filling struct {
	Fill
	*Runner
	stop  <-chan struct{}
	waits string
	tries int         // of a step that is no chunk
	asked atomic.Bool // a person cancelled the run in hand
}

// errLater says that there is nothing to do for this process now.
var errLater = errors.New("nothing to do at the moment")

// Fill works on a backfill until it is over, at rest, or stop is closed: then the batch in hand is finished and the answer is ErrStopped.
func (r *Runner) Fill(ctx context.Context, stop <-chan struct{}, fill Fill) error {
	if fill.Every == 0 {
		fill.Every = fillLooks
	}
	f := &filling{Fill: fill, Runner: r}
	rests, quiet := f.watch(ctx, stop)
	defer quiet()
	f.stop = rests
	err := f.loop(ctx)
	if errors.Is(err, errLater) {
		return nil
	}
	return err
}

// watch closes what it returns when stop is closed or the backfill is at rest. quiet ends it.
func (f *filling) watch(ctx context.Context, stop <-chan struct{}) (rests <-chan struct{}, quiet func()) {
	out, over := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		tick := time.NewTicker(f.Every)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				close(out)
				return
			case <-over:
				return
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			b, err := f.Warehouse.Backfill(ctx, f.ID)
			if err == nil && b.State != load.BackfillRunning && b.State != load.BackfillPlanned {
				close(out)
				return
			}
		}
	})
	return out, func() { close(over); all.Wait() }
}

func (f *filling) stopped() bool {
	select {
	case <-f.stop:
		return true
	default:
		return false
	}
}

// loop takes step after step.
func (f *filling) loop(ctx context.Context) error {
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		next, err := f.Warehouse.Next(ctx, f.ID)
		if err != nil {
			return err
		}
		f.tell(next.Backfill, 0)
		switch {
		case next.Do == load.DoNothing:
			return nil
		case f.stopped():
			return ErrStopped
		case next.Do == load.DoFail:
			_, err = f.Warehouse.FailBackfill(ctx, f.ID, fmt.Sprintf("%d of %d chunks failed: %s", next.Failed, next.Chunks, next.ChunkReason))
		case next.Do == load.DoWait:
			err = f.wait(ctx, "chunks that other processes have in hand")
		default:
			err = f.take(ctx, next)
		}
		if err != nil {
			return err
		}
	}
}

// take makes a step, unless something else goes first: a slot of the job, or a probe of a source that is down.
func (f *filling) take(ctx context.Context, next *load.NextStep) error {
	waits, err := f.Warehouse.SlotWaits(ctx, f.Order.Job)
	if err != nil {
		return err
	}
	if waits {
		return f.wait(ctx, "a run of the job's schedule, which goes first")
	}
	var paused *load.PausedError
	if err := f.Warehouse.Paused(ctx, f.Order.Job, f.Order.Source); errors.As(err, &paused) {
		return f.wait(ctx, paused.Pause.Subject+", which is "+(&paused.Pause).String())
	} else if err != nil {
		return err
	}
	admitted, outage, err := f.Warehouse.Circuit(f.Order.Source).Begin(ctx)
	if err != nil {
		return err
	}
	if outage != nil {
		return f.wait(ctx, strings.Replace(outage.String(), " is down", ", which is down", 1))
	}
	rep, err := f.step(admitted, next)
	if f.Done != nil && rep.RunID != 0 {
		f.Done(rep, err)
	}
	return f.judge(ctx, next, rep, err)
}

// step makes the run of a step.
func (f *filling) step(ctx context.Context, next *load.NextStep) (Report, error) {
	o := f.Order
	o.Kind = load.KindBackfill
	f.asked.Store(false)
	opt := Options{Stop: f.stop, Asked: func() { f.asked.Store(true) }, Again: f.again(next), Progress: func(e Event) { f.tell(next.Backfill, e.Done) }}
	switch next.Do {
	case load.DoDescribe:
		opt.Full, opt.Progress = true, nil
		opt.Part, opt.Parts = &extract.Part{Step: extract.Collect, From: orZero(next.From), To: orZero(next.To)}, planKeeper{f.Warehouse, next.Backfill}
	case load.DoChunk:
		c := next.Chunk
		o.Chunk, o.AsIs = c.Name(f.ID), true
		opt.Part, opt.Memo = &extract.Part{Step: extract.Read, IDs: c.IDs, Least: c.Least}, c.Memo
	default:
		if !next.Finish.Needed {
			return Report{RunDetail: load.RunDetail{RunRow: load.RunRow{State: load.Succeeded}}}, nil
		}
		o.AsIs = true
		opt.Part, opt.Memo, opt.Progress = &extract.Part{Step: extract.Finish, Kept: next.Finish.Kept}, next.Finish.Memo, nil
	}
	return f.Runner.Run(ctx, o, f.Open, opt)
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// planKeeper keeps what the first step of a backfill collects.
type planKeeper struct {
	w *load.Warehouse
	b *load.Backfill
}

// Keep implements extract.Parts.
func (p planKeeper) Keep(ctx context.Context, c extract.Collected) (*extract.Kept, error) {
	return nil, p.w.PlanBackfill(ctx, p.b.ID, c, p.b.ChunkSize)
}

// again answers whether a chunk that failed with an error is due again: its source is down, or this may pass, and it was not tried
// often yet.
func (f *filling) again(next *load.NextStep) func(context.Context, error) bool {
	return func(ctx context.Context, err error) bool {
		if next.Chunk == nil {
			return false
		}
		switch extract.KindOf(err) {
		case extract.KindTransient, extract.KindGarbled:
			if outage, err := f.Warehouse.Outage(ctx, f.Order.Source); err == nil && outage != nil {
				return true
			}
		case extract.KindPostgres, extract.KindDrift, extract.KindTooLarge:
		default:
			return false
		}
		return next.Chunk.Attempts+1 < fillTries
	}
}

// judge says what the end of a step's run means for the backfill.
func (f *filling) judge(ctx context.Context, next *load.NextStep, rep Report, err error) error {
	var busy *load.BusyError
	kind := extract.KindOf(err)
	switch {
	case err == nil && rep.State == load.Succeeded:
		f.waits, f.tries = "", 0
		if next.Do == load.DoFinish {
			return f.Warehouse.EndBackfill(ctx, f.ID)
		}
		return nil
	case err == nil: // a proof shows a mismatch
		return f.give(ctx, next, rep.Reason)
	case f.asked.Load() && rep.State == load.Cancelled:
		_, err := f.Warehouse.PauseBackfill(ctx, f.ID, "", rep.Reason)
		return err
	case errors.As(err, new(*load.PausedError)):
		return f.pause(ctx) // the loop says what it waits for
	case errors.Is(err, ErrStopped), ctx.Err() != nil, errors.As(err, new(*load.StaleError)):
		return nil // the loop looks what became of it
	case errors.As(err, &busy):
		return f.wait(ctx, fmt.Sprintf("run %d of %s", busy.RunID, busy.Holder))
	case errors.As(err, new(*load.ChunkError)):
		return f.wait(ctx, "chunks that other processes have in hand")
	case kind == extract.KindDrift:
		f.Log.Info("the source has another structure than the plan", slog.String("job", f.Order.Job), slog.Any("error", err))
		if f.tries++; f.tries > fillTries {
			return f.fail(ctx, err)
		}
		return f.Warehouse.UndescribeBackfill(ctx, f.ID, next.Of())
	case concernsAll(kind):
		return f.fail(ctx, err)
	case next.Do == load.DoChunk && rep.RunID != 0:
		return f.pause(ctx) // it is settled already: due again, or failed
	}
	if f.tries++; f.tries >= fillTries {
		return f.fail(ctx, err)
	}
	return f.pause(ctx)
}

// concernsAll reports whether what went wrong with one chunk goes wrong with all: who we are, what we may, what the file says.
func concernsAll(kind extract.Kind) bool {
	switch kind {
	case extract.KindAuth, extract.KindRights, extract.KindTLS, extract.KindRedirect, extract.KindIdentity, extract.KindConfig, extract.KindHeld:
		return true
	}
	return false
}

// give ends a backfill whose last step shows a mismatch; of a chunk the ledger knows.
func (f *filling) give(ctx context.Context, next *load.NextStep, reason string) error {
	if next.Do == load.DoChunk {
		return nil
	}
	_, err := f.Warehouse.FailBackfill(ctx, f.ID, reason)
	return err
}

func (f *filling) fail(ctx context.Context, err error) error {
	text := err.Error()
	var e *extract.Error
	if errors.As(err, &e) && e.Next != "" {
		text += "; next: " + e.Next
	}
	_, err = f.Warehouse.FailBackfill(ctx, f.ID, text)
	return err
}

// wait waits until it is worth looking again, where the fill is patient.
func (f *filling) wait(ctx context.Context, why string) error {
	if !f.Patient {
		return errLater
	}
	if why != f.waits && f.Waits != nil {
		f.Waits(why)
	}
	f.waits = why
	if _, err := f.Warehouse.Reap(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	return f.pause(ctx)
}

// pause lets a moment pass.
func (f *filling) pause(ctx context.Context) error {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-f.stop:
			cancel()
		case <-waiting.Done():
		}
	}()
	rest(waiting, f.Every)
	cancel()
	<-done
	return nil
}

func (f *filling) tell(b *load.Backfill, inHand int64) {
	if f.Progress != nil {
		f.Progress(Filled{b, inHand})
	}
}
