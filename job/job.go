// Package job carries out runs: it takes the claim, lets a source describe itself and pull, hands every batch to the
// warehouse, and says at the end what was proved.
//
// What comes in: an order (job, kind, slot) and a way to open its source. What goes out: a run in the ledger that has
// ended, with its verdict, and a report of it; for the daemon an Engine that turns schedules into slots and slots into
// such runs, and drains what is pushed. It promises that a run beats while it works, that a first stop lets the batch finish and a second cuts it,
// that a verdict is only made of what was asked of the warehouse itself, and that every slot is settled once
// however many replicas share them. It must never decide anything by the state of the queue, and never
// know an upstream.
package job

import (
	"context"
	"errors"
	"time"

	"syncd/extract"
	"syncd/load"
)

// The kinds of run.
const (
	Sync = "sync" // what the schedule asks for
	Full = "full" // a full reconcile

	Drain  = "drain"  // what was pushed within one hour
	Replay = "replay" // what was pushed before, once more
)

// ErrStopped says that a run was stopped between two batches, as the first signal asks.
var ErrStopped = errors.New("stopped between two batches")

// Open makes the source of a run. It is called once per attempt, because a source serves one Pull; secrets are read
// here, so that a job whose secret is missing fails alone.
type Open func(ctx context.Context) (extract.Source, error)

// Options say how a run is to be made.
type Options struct {
	Full     bool
	DryRun   bool            // read and compare, write nothing
	Stop     <-chan struct{} // closed by the first signal: the batch finishes, the run ends; the second cancels the context
	Progress func(Event)     // called on the run's goroutine; nil for none
	// Part is the one step that is to be made of a pull in parts, Memo the source's structure of when it was planned, Parts what
	// keeps what is collected.
	Part  *extract.Part
	Memo  []byte
	Parts extract.Parts
	// Asked is called once where a person asks for the end of the run, on another goroutine; nil for nobody. The run ends after the
	// batch in hand whether or not anything is done about it.
	Asked func()
	// Again answers whether the slot of a run that failed with an error is to be run again; nil is never.
	Again func(context.Context, error) bool
}

// Phase is what a run is doing.
type Phase string

// The phases of a run, in order.
const (
	Describing Phase = "describe"
	Agreeing   Phase = "agree"
	Pulling    Phase = "pull"
	Proving    Phase = "prove"
	Ended      Phase = "end"
)

// Event tells how far a run has come.
type Event struct {
	Job         string
	RunID       int64
	Phase       Phase
	Batches     int64
	Rows        int64 // read so far
	Done, Total int64 // records, as the source counts them; 0 where it does not know
}

// Report is what is known of a run when it has ended: what the ledger holds, and what only the run itself knows.
type Report struct {
	load.RunDetail
	Title   string        `json:"title,omitempty"`
	Full    bool          `json:"full"`
	Changes *load.Changes `json:"changes,omitempty"`
	Took    time.Duration `json:"took"`
	DryRun  *DryRun       `json:"dry_run,omitempty"`
}

// ExitCode is the exit code of a command that ran it: 0 done, 1 failed, 2 misconfigured, 3 done with new rejects,
// 4 refused, 130 interrupted. strict asks for a proof and counts every reject.
func ExitCode(r Report, err error, strict bool) int {
	switch {
	case errors.As(err, new(*load.BusyError)), errors.As(err, new(*load.PausedError)), extract.KindOf(err) == extract.KindHeld && err != nil:
		return 4
	case r.State == load.Cancelled, errors.Is(err, ErrStopped), errors.Is(err, context.Canceled):
		return 130
	case err != nil && extract.KindOf(err) == extract.KindConfig:
		return 2
	case err != nil, r.Verdict == load.Mismatch, strict && r.Verdict == load.Unproven:
		return 1
	case r.NewRejects > 0, strict && rejected(r) > 0:
		return 3
	}
	return 0
}

func rejected(r Report) (n int64) {
	for _, t := range r.Tables {
		n += t.Rejected
	}
	return n
}
