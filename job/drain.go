package job

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"syncd/extract"
	"syncd/load"
)

// Drained is what is pushed to one receiver, production or test traffic, as the daemon drains it. A drain is one run for each
// hour in which it had work, so that its verdict comes while somebody still remembers the hour.
type Drained struct {
	Name, Source, Schema string
	Due                  func(context.Context) (bool, error) // whether there is anything to do
	Wait                 func(context.Context) error         // returns when there may be
	// Open makes the source of a run, which ends when until is closed and what was taken is loaded.
	Open    func(until <-chan struct{}) Open
	Version string // of what Open makes: a drain that differs in it takes the place of one that is under way
	Close   func() // called once, when a drain that was begun has ended; may be nil
}

// How long a drain waits before it asks again for a claim that another replica holds, and after a run that failed.
const (
	drainClaimed = 5 * time.Second
	drainFailed  = 2 * time.Second
)

// drain drains one receiver until stop is closed.
func (e *Engine) drain(d Drained, stop <-chan struct{}) {
	ctx, cancel := context.WithCancel(e.cut)
	defer cancel()
	waiting, wake := context.WithCancel(ctx)
	defer wake()
	go func() {
		select {
		case <-stop:
			wake()
		case <-ctx.Done():
		}
	}()
	away := false
	for waiting.Err() == nil {
		due, err := d.Due(waiting)
		switch {
		case waiting.Err() != nil:
		case err != nil:
			if !away {
				e.Log.Warn("drain waits", slog.String("job", d.Name), slog.Any("error", err))
			}
			away = true
			rest(waiting, tryEvery)
		case !due:
			away = false
			_ = d.Wait(waiting) // its error is that of waiting
		default:
			away = false
			rest(waiting, e.drainHour(ctx, d, stop))
		}
	}
}

// drainHour makes one run, until the hour is over or stop is closed, and says how long there is nothing more to do.
func (e *Engine) drainHour(ctx context.Context, d Drained, stop <-chan struct{}) time.Duration {
	now, err := e.Now(ctx)
	if err != nil {
		return tryEvery
	}
	until, asked := make(chan struct{}), make(chan struct{})
	over := time.NewTimer(now.Truncate(time.Hour).Add(time.Hour).Sub(now))
	ended := make(chan struct{})
	go func() {
		defer close(until)
		select {
		case <-over.C:
		case <-stop:
		case <-asked:
		case <-ended:
		}
	}()
	defer close(ended)
	defer over.Stop()

	rep, err := e.runner.Run(ctx, load.Order{Job: d.Name, Kind: Drain, Schema: d.Schema, Source: d.Source}, d.Open(until), Options{Asked: func() { close(asked) }})
	if rep.RunID == 0 && errors.As(err, new(*load.BusyError)) {
		return drainClaimed // of another replica, which does what is to be done
	}
	if rep.RunID == 0 && errors.As(err, new(*load.PausedError)) {
		return drainClaimed // what is pushed meanwhile is kept, and waits
	}
	if rep.RunID == 0 && err != nil {
		e.Log.Warn("drain could not begin", slog.String("job", d.Name), slog.Any("error", err))
	} else if e.Done != nil {
		e.Done(rep, err)
	}
	if err != nil {
		return drainFailed
	}
	return 0
}

// rest waits a while, or until ctx ends.
func rest(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// proveSettled compares what a source of pushes took with what batches have settled; the warehouse refuses a batch that settles
// anything else than what was pending.
func proveSettled(p *extract.Proof, settled int64) load.Proof {
	proof := load.Proof{Name: "settled", At: p.AfterAt.UTC(), Counts: map[string]int64{"taken": p.Taken, "settled": settled}}
	if proof.Holds = p.Taken == settled; !proof.Holds {
		proof.Broken = true
		proof.Reason = "not every delivery that was taken is settled"
	}
	return proof
}
