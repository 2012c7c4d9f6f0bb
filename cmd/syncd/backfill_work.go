package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"syncd/extract"
	"syncd/internal/config"
	"syncd/job"
	"syncd/load"
)

// pauseWithin bounds how long an interrupted backfill may take to write down that it was.
const pauseWithin = 10 * time.Second

// fillers are the chunks of a backfill that this process has in hand, and what is told of them.
type fillers struct {
	*fillRun
	j    *config.Job
	bars *progress

	mu      sync.Mutex
	inHand  []int64 // records, by loop
	told    bool    // the plan
	waits   string
	worst   int
	last    job.Report // of the last step
	errLast error
}

func (f *fillRun) opener(j *config.Job) job.Open {
	return func(context.Context) (extract.Source, error) { return f.from.of(j) }
}

// work works on a backfill until it is over, and tells how it ended. The first signal pauses it.
func (f *fillRun) work(j *config.Job, b *load.Backfill) error {
	s := f.stopping(f.ctx, 2)
	defer s.end()
	began := time.Now()
	parallel := b.Parallel
	if f.parallel > 0 {
		parallel = f.parallel
	}
	x := &fillers{fillRun: f, j: j, bars: newProgress(f.Stderr), inHand: make([]int64, parallel)}
	x.bars.unit = unitOf(j)
	var all sync.WaitGroup
	failed := make([]error, parallel)
	for i := range parallel {
		all.Go(func() {
			failed[i] = f.runner.Fill(s.ctx, s.stop, job.Fill{
				Order: orderOf(f.cfg, j, load.KindBackfill), Open: f.opener(j), ID: b.ID, Patient: true,
				Waits:    x.wait,
				Progress: func(p job.Filled) { x.progress(i, p) },
				Done:     x.done,
			})
		})
	}
	all.Wait()
	interrupted := s.interrupted()
	late, cancel := context.WithTimeout(context.WithoutCancel(f.ctx), pauseWithin)
	defer cancel()
	if interrupted {
		if _, err := f.w.PauseBackfill(late, b.ID, actor(), "interrupted"); err != nil {
			return err
		}
	}
	now, err := f.w.Backfill(late, b.ID)
	if err != nil {
		return errors.Join(append(failed, err)...)
	}
	x.bars.finish(j.Name, now.State == load.BackfillSucceeded)
	x.bars.wait()
	return x.end(now, time.Since(began), failed)
}

// progress tells how far all is, and the plan once it is known.
func (x *fillers) progress(loop int, p job.Filled) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.inHand[loop] = p.InHand
	if p.InHand > 0 {
		x.waits = ""
	}
	if p.Described && !x.told {
		x.told = true
		x.tellPlanned(p.Backfill)
	}
	if p.Chunks == 0 {
		return
	}
	done := p.RecordsDone
	for _, n := range x.inHand {
		done += n
	}
	x.bars.report(x.j.Name, min(done, p.Records), p.Records)
}

// tellPlanned tells the plan of a backfill whose ids were collected just now.
func (x *fillers) tellPlanned(b *load.Backfill) {
	if b.Done > 0 {
		return
	}
	want := load.NewBackfill{Size: b.ChunkSize}
	if b.From != nil {
		want.From = *b.From
	}
	if b.To != nil {
		want.To = *b.To
	}
	e, err := x.planLines(x.j, want, b.First, b.Records, b.Chunks)
	if err == nil && b.Estimate == nil && e.requests > 0 {
		_ = x.w.EstimateBackfill(x.ctx, b.ID, e.requests) // told already; it is kept for the list
	}
}

// wait tells what is waited for, where nothing of this process is in hand.
func (x *fillers) wait(why string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, n := range x.inHand {
		if n > 0 {
			return
		}
	}
	if why == x.waits || strings.Contains(why, x.runner.Holder) {
		return
	}
	x.waits = why
	fmt.Fprintf(x.Stderr, "%s: waits for %s\n", x.j.Name, strings.TrimPrefix(why, "waiting: "))
}

func (x *fillers) done(r job.Report, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err == nil || !errors.Is(err, job.ErrStopped) {
		x.last, x.errLast = r, err
	}
	if err == nil {
		x.worst = worse(x.worst, job.ExitCode(r, nil, false))
	}
	if r.Chunk == "" {
		for _, warning := range r.Warnings {
			fmt.Fprintf(x.Stderr, "syncd: %s: warning: %s\n", x.j.Name, warning)
		}
	}
}

// end tells the result in one line, and what to type next where it is not whole.
func (x *fillers) end(b *load.Backfill, took time.Duration, failed []error) error {
	line := fmt.Sprintf("%s: backfill %d %s; %s of %s, %s of %s, read %s, %s, %s", b.Job, b.ID, b.State,
		count(b.Done), counted(b.Chunks, "chunk"), count(b.RecordsDone), counted(b.Records, unitOf(x.j)), counted(b.Rows, "row"), counted(b.Requests, "request"), took.Round(10*time.Millisecond))
	if b.State == load.BackfillSucceeded && x.last.Verdict != "" {
		line += fmt.Sprintf("; last step %s, run %d", x.last.Verdict, x.last.RunID)
	}
	fmt.Fprintln(x.Stdout, line)
	if b.State != load.BackfillSucceeded && b.Reason != "" {
		fmt.Fprintf(x.Stdout, "  because: %s\n", b.Reason)
	}
	switch b.State {
	case load.BackfillSucceeded:
		if x.worst != exitDone {
			return &exitError{code: x.worst}
		}
		return nil
	case load.BackfillPaused:
		fmt.Fprintf(x.Stderr, "syncd: %s: what is loaded stays; to go on: syncd backfill %s\n", b.Job, b.Job)
		return &exitError{code: exitInterrupted}
	case load.BackfillCancelled:
		return &exitError{code: exitRefused}
	case load.BackfillFailed:
		fmt.Fprintf(x.Stderr, "syncd: %s: when that is put right: syncd backfill %s\n", b.Job, b.Job)
		if x.errLast != nil && extract.KindOf(x.errLast) == extract.KindHeld {
			return &exitError{code: exitRefused}
		}
		return &exitError{code: exitFailed}
	}
	return errors.Join(failed...)
}
