package job

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"syncd/extract"
	"syncd/load"
)

// endWithin bounds how long a run that is over may wait for Postgres to write so.
const endWithin = 10 * time.Second

// Runner carries out runs. It is safe for concurrent use.
type Runner struct {
	Warehouse *load.Warehouse
	Log       *slog.Logger
	Holder    string        // who holds the claims: host and process
	BeatEvery time.Duration // 0: load.BeatEvery

	// A first load of more records than Large is cut into chunks of LargeChunk; 0: 50,000 and 25,000.
	Large, LargeChunk int
}

// Run carries out one run of a job and reports it. The error says why it did not succeed; a run that ended with a
// mismatch has none, its report says what. Answers *load.BusyError and *load.SettledError without a run (RunID is 0).
//
// ctx is the second signal: when it ends, what is under way is cut and its cause kept. Options.Stop is the first.
func (r *Runner) Run(ctx context.Context, o load.Order, open Open, opt Options) (Report, error) {
	if o.Holder == "" {
		o.Holder = r.Holder
	}
	rep := Report{RunDetail: load.RunDetail{RunRow: load.RunRow{Job: o.Job, Kind: o.Kind, Schema: o.Schema}}}
	if opt.DryRun {
		if err := r.Warehouse.Paused(ctx, o.Job, o.Source); err != nil {
			return rep, err
		}
		return r.dryRun(ctx, o, open, opt, rep)
	}
	started := time.Now()
	run, err := r.Warehouse.Begin(ctx, o)
	if err != nil {
		return rep, err
	}
	rep.RunID = run.ID()
	x := &execution{
		w: r.Warehouse, run: run, order: o, open: open, opt: opt, rep: &rep, large: r.Large, largeChunk: r.LargeChunk,
		log: r.Log.With(slog.String("job", o.Job), slog.String("source", o.Source), slog.Int64("run_id", run.ID())),
	}
	x.log.Info("run began", slog.String("kind", o.Kind))

	work, cancel := context.WithCancelCause(ctx)
	quiet := r.beat(work, run, x.asked, cancel)
	err = x.work(work)
	err = x.end(work, err)
	cancel(nil)
	quiet()

	rep.Took = time.Since(started)
	x.report(ctx)
	x.endLoad(ctx)
	x.tell(Ended)
	x.logEnd(err)
	return rep, err
}

// beat says every BeatEvery that the run is alive, and cuts it when its claim was taken. Where somebody asked for the run's end it
// tells asked, and cuts the run if that is to be at once. The func that it returns waits for its goroutine, after ctx has ended.
func (r *Runner) beat(ctx context.Context, run *load.Run, asked func(*load.CancelledError), cut context.CancelCauseFunc) (wait func()) {
	every := r.BeatEvery
	if every == 0 {
		every = load.BeatEvery
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			err := run.Beat(ctx)
			var cancelled *load.CancelledError
			switch {
			case errors.As(err, new(*load.StaleError)):
				cut(err)
				return
			case errors.As(err, &cancelled):
				asked(cancelled)
				if cancelled.Now {
					cut(err)
				}
			case err != nil && ctx.Err() == nil:
				r.Log.Warn("beat failed", slog.Int64("run_id", run.ID()), slog.Any("error", err))
			}
		}
	}()
	return func() { <-done }
}

// execution is one run under way; one goroutine uses it.
type execution struct {
	w     *load.Warehouse
	run   *load.Run
	order load.Order
	open  Open
	opt   Options
	rep   *Report
	log   *slog.Logger

	large, largeChunk int

	event    Event
	ending   load.Ending
	read     tally
	reread   reread
	settled  int64 // deliveries, of this attempt
	auto     *automatic
	stale    bool // an attempt found that the source's memo does not agree with the source
	source   *extract.Structure
	proof    *extract.Proof
	warnings []string

	cancelled atomic.Pointer[load.CancelledError] // set from the beat's goroutine
}

// asked takes note that a person wants the run to end.
func (x *execution) asked(e *load.CancelledError) {
	if !x.cancelled.CompareAndSwap(nil, e) {
		return
	}
	x.log.Info("run was cancelled, the batch in hand finishes", slog.String("by", e.By))
	if x.opt.Asked != nil {
		x.opt.Asked()
	}
}

// work does all of the run but its ending. A source whose structure changes under the pull is asked to describe itself
// once more, or as often as it gets on in between.
func (x *execution) work(ctx context.Context) error {
	attempt := func() error { return x.attempt(ctx) }
	err := x.guarded(attempt)
	if errors.Is(err, load.ErrRenamed) && ctx.Err() == nil {
		x.log.Info("the job goes on as one of another name did", slog.String("schema", x.run.Schema()))
		err = x.guarded(attempt)
	}
	for last := (progress{-1, -1}); err != nil && extract.KindOf(err) == extract.KindDrift && ctx.Err() == nil && x.anew(last); {
		x.log.Info("structure changed during the pull, starting again", slog.Any("error", err))
		x.stale, last = true, x.progress()
		err = x.guarded(attempt)
	}
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// progress is how far a run has come: batches loaded, and tables that the source has asked for.
type progress struct{ batches, tables int64 }

func (x *execution) progress() progress {
	if x.source == nil {
		return progress{batches: x.event.Batches}
	}
	return progress{x.event.Batches, int64(len(x.source.Tables))}
}

// anew reports whether a source whose structure changed is asked once more: the first time, and one that asks for tables as it
// needs them whenever it has come further since.
func (x *execution) anew(last progress) bool {
	if x.opt.Part != nil && x.opt.Part.Step != extract.Collect {
		return false // the plan is made anew, then
	}
	now := x.progress()
	return last.batches < 0 || x.source != nil && x.source.Partial && (now.batches > last.batches || now.tables > last.tables)
}

// guarded makes an error of a panic of a source or of ours: it fails this run, not the process. What was panicked with
// may hold a value and is not told.
func (x *execution) guarded(work func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			x.log.Error("run panicked", slog.String("stack", string(debug.Stack())))
			err = extract.Errorf(extract.KindInternal, "run "+x.order.Job, "a defect of syncd: panic of type %T", p)
		}
	}()
	return work()
}

// attempt describes, agrees, pulls and proves, once.
func (x *execution) attempt(ctx context.Context) error {
	x.read, x.proof, x.settled = tally{}, nil, 0
	x.ending = load.Ending{Requests: x.ending.Requests, Bytes: x.ending.Bytes, LogRows: x.ending.LogRows}
	x.tell(Describing)
	src, err := x.open(ctx)
	if err != nil {
		return err
	}
	defer x.account(src)
	since, err := x.run.Since(ctx, x.opt.Full || x.order.Kind == Full)
	if err != nil {
		return err
	}
	since.Stale = x.stale
	x.reread.begin(since)
	x.inParts(&since)
	blind := since
	blind.Stored = nil
	if x.source, err = src.Describe(ctx, blind); err != nil {
		return err
	}
	if err := x.w.SeeAccount(ctx, x.order.Job, x.source.AccessEnds); err != nil {
		return err
	}
	if err := x.agree(ctx); err != nil {
		return err
	}
	if x.stopped() {
		return ErrStopped
	}
	x.tell(Pulling)
	x.proof, err = src.Pull(ctx, since, func(b *extract.Batch) error { return x.load(ctx, b) })
	if x.proof != nil {
		x.warnings = append(x.warnings, x.proof.Warnings...)
	}
	if err != nil {
		return err
	}
	if x.opt.Part != nil {
		return x.provePart(ctx, since.Stored)
	}
	return x.prove(ctx, since.Stored)
}

// account adds what an attempt cost the upstream, also where it failed and the source can tell.
func (x *execution) account(src extract.Source) {
	var requests, bytes, rows int64
	switch m, metered := src.(extract.Metered); {
	case metered:
		requests, bytes, rows = m.Cost()
	case x.proof != nil:
		requests, bytes, rows = x.proof.Requests, x.proof.Bytes, x.proof.LogRows
	}
	x.ending.Requests += requests
	x.ending.Bytes += bytes
	x.ending.LogRows += rows
}

// agree binds the job to its source and makes the tables agree with the source's structure.
func (x *execution) agree(ctx context.Context) error {
	x.tell(Agreeing)
	x.rep.Title = x.source.Identity.Title
	x.warnings = append([]string(nil), x.source.Warnings...)
	err := x.run.Bind(ctx, x.source.Identity)
	x.order.Schema = x.run.Schema()
	if err != nil {
		return err
	}
	changes, err := x.run.Agree(ctx, x.source)
	if err != nil {
		return err
	}
	x.rep.Changes = changes
	for _, c := range changes.Pending {
		x.warnings = append(x.warnings, fmt.Sprintf("waiting: %s: %s", c.Detail, c.Reason))
	}
	return nil
}

// load hands one batch to the warehouse. The first signal ends the run after it.
func (x *execution) load(ctx context.Context, b *extract.Batch) error {
	started := time.Now()
	result, err := x.run.Load(ctx, b)
	if err != nil {
		return err
	}
	x.settled += int64(len(b.Settled))
	x.read.add(b, result)
	x.reread.add(b)
	if err := x.auto.note(ctx, b); err != nil {
		return err
	}
	total := result.Total()
	rows := total.Read
	if b.Drift {
		x.ending.Drift += total.Inserted + total.Updated + total.Deleted
	}
	x.log.Debug("batch loaded", slog.Int64("batch", x.event.Batches+1), slog.Int64("rows", rows), slog.Duration("took", time.Since(started)))
	return x.loaded(b, rows)
}

// loaded tells of a batch that is done, and ends the run where the first signal has come.
func (x *execution) loaded(b *extract.Batch, rows int64) error {
	x.event.Batches++
	x.event.Rows += rows
	x.event.Done, x.event.Total = b.Done, b.Total
	x.tell(Pulling)
	if x.stopped() {
		return ErrStopped
	}
	return nil
}

func (x *execution) stopped() bool {
	if x.cancelled.Load() != nil {
		return true
	}
	select {
	case <-x.opt.Stop: // a nil channel is never ready
		return true
	default:
		return false
	}
}

func (x *execution) tell(p Phase) {
	if x.opt.Progress == nil {
		return
	}
	x.event.Job, x.event.RunID, x.event.Phase = x.order.Job, x.rep.RunID, p
	x.opt.Progress(x.event)
}

// end writes the ending of the run. It does so under a context of its own: the run may just have been cut.
func (x *execution) end(ctx context.Context, err error) error {
	if errors.As(err, new(*load.StaleError)) {
		x.rep.State = load.LostState
		return err // whoever took the claim has ended the run
	}
	x.ending.Warnings = x.warnings
	x.conclude(ctx, err)
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), endWithin)
	defer cancel()
	if x.ending.State == load.Failed && err != nil && x.opt.Again != nil {
		x.ending.Again = x.opt.Again(late, err)
	}
	e := x.ending
	x.rep.State, x.rep.Verdict, x.rep.Reason = e.State, e.Verdict, e.Reason
	x.rep.ErrorKind, x.rep.Error, x.rep.Next = string(e.ErrorKind), e.Error, e.Next
	x.rep.Proofs, x.rep.Warnings, x.rep.Requests, x.rep.Bytes, x.rep.LogRows = e.Proofs, e.Warnings, e.Requests, e.Bytes, e.LogRows
	if failed := x.run.End(late, e); failed != nil {
		x.log.Error("run could not be ended, it will be found silent", slog.Any("error", failed))
		if err == nil {
			x.rep.State, x.rep.Verdict = load.LostState, ""
		}
		return errors.Join(err, failed)
	}
	return err
}

// conclude says what an error means for the run.
func (x *execution) conclude(ctx context.Context, err error) {
	e := &x.ending
	if err == nil {
		if e.State = load.Succeeded; e.Verdict == load.Mismatch {
			e.State = load.Failed
		}
		return
	}
	e.Error = err.Error()
	var known *extract.Error
	if errors.As(err, &known) {
		e.Next = known.Next
	}
	asked := x.cancelled.Load()
	switch {
	case asked != nil && (errors.Is(err, ErrStopped) || ctx.Err() != nil):
		e.State, e.By, e.Error = load.Cancelled, asked.By, ""
		e.Reason = "cancelled by " + asked.By
	case errors.Is(err, ErrStopped):
		e.State, e.Reason, e.Error = load.Cancelled, ErrStopped.Error(), ""
	case ctx.Err() != nil:
		e.State, e.Reason, e.Error = load.Cancelled, "cut: "+err.Error(), ""
	case extract.KindOf(err) == extract.KindHeld:
		e.State, e.ErrorKind = load.Held, extract.KindHeld
	default:
		e.State, e.ErrorKind = load.Failed, extract.KindOf(err)
	}
}

// report completes the report with what the ledger holds of the run.
func (x *execution) report(ctx context.Context) {
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), endWithin)
	defer cancel()
	d, err := x.w.RunDetail(late, x.run.ID())
	if err != nil {
		x.log.Warn("run could not be read back", slog.Any("error", err))
		return
	}
	x.rep.RunDetail = *d
}

func (x *execution) logEnd(err error) {
	r := x.rep
	attrs := []any{
		slog.String("state", string(r.State)), slog.String("verdict", string(r.Verdict)), slog.Duration("took", r.Took),
		slog.Int64("rows", r.Read), slog.Int64("batches", r.Batches),
	}
	if err != nil && r.State == load.Cancelled { // as somebody asked
		x.log.Info("run ended", append(attrs, slog.String("reason", err.Error()))...)
		return
	}
	if err != nil {
		x.log.Error("run ended", append(attrs, slog.String("kind", string(extract.KindOf(err))), slog.Any("error", err))...)
		return
	}
	if r.Reason != "" {
		x.log.Warn("run ended", append(attrs, slog.String("reason", r.Reason))...)
		return
	}
	x.log.Info("run ended", attrs...)
}
