package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"syncd/extract"
	"syncd/internal/config"
	"syncd/job"
	"syncd/load"
)

// syncing is what the flags of `syncd sync` say.
type syncing struct {
	all, full, dryRun, strict bool
}

// syncCommand pulls jobs now, one after the other.
func (c *cli) syncCommand() *cobra.Command {
	var o syncing
	cmd := &cobra.Command{
		Use:               "sync JOB... | --all",
		Short:             "pull jobs now",
		ValidArgsFunction: c.completeJobs,
		RunE: func(_ *cobra.Command, args []string) error {
			names, err := c.chosen(args, o.all)
			if err != nil {
				return err
			}
			return c.withWarehouse(func(cfg *config.Config, w *load.Warehouse) error {
				return c.sync(cfg, w, names, o)
			})
		},
	}
	cmd.Flags().BoolVar(&o.all, "all", false, "every job of the configuration")
	cmd.Flags().BoolVar(&o.full, "full", false, "compare every row, whatever the marks say")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "say what would change; write nothing")
	cmd.Flags().BoolVar(&o.strict, "strict", false, "exit 1 where something could not be proved, 3 where there are any rejects")
	return cmd
}

// sync runs jobs in order. One that fails does not keep the next from running; the exit code tells of the worst.
func (c *cli) sync(cfg *config.Config, w *load.Warehouse, names []string, o syncing) error {
	s := c.stopping(c.ctx, 2)
	defer s.end()
	log, err := c.logger(slog.LevelWarn)
	if err != nil {
		return err
	}
	r := &syncRun{
		cli: c, cfg: cfg, syncing: o, from: c.newSources(cfg, log, w), bars: newProgress(c.Stderr), stopping: s,
		runner: &job.Runner{Warehouse: w, Log: log, Holder: holder(), Large: c.large, LargeChunk: c.large / 2},
	}
	worst := exitDone
	for _, name := range names {
		if s.interrupted() {
			worst = exitInterrupted
			break
		}
		report, err := r.one(s.ctx, cfg.Jobs[name])
		worst = worse(worst, job.ExitCode(report, err, o.strict))
	}
	r.bars.wait()
	if worst != exitDone {
		return &exitError{code: worst}
	}
	return nil
}

// worse picks the exit code of several jobs: an interruption, then a failure, then what was refused, then rejects.
func worse(a, b int) int {
	for _, code := range []int{exitInterrupted, exitFailed, exitUsage, exitRefused, exitRejects} {
		if a == code || b == code {
			return code
		}
	}
	return exitDone
}

// syncRun is what the runs of one command share.
type syncRun struct {
	*cli
	syncing
	cfg      *config.Config
	from     *sources
	bars     *progress
	stopping *stopping
	runner   *job.Runner
}

// one runs a job and tells its result.
func (r *syncRun) one(ctx context.Context, j *config.Job) (job.Report, error) {
	kind := job.Sync
	if r.full {
		kind = job.Full
	}
	order := orderOf(r.cfg, j, kind)
	order.Holder = r.runner.Holder
	report, err := r.runner.Run(ctx, order, r.open(j), job.Options{
		Full: r.full, DryRun: r.dryRun, Stop: r.stopping.stop,
		Progress: func(e job.Event) { r.bars.report(e.Job, e.Done, e.Total) },
	})
	r.bars.finish(j.Name, err == nil)
	if err != nil {
		r.tellFailure(j.Name, report, err)
		return report, err
	}
	tellReport(r.Stdout, report)
	for _, warning := range report.Warnings {
		fmt.Fprintf(r.Stderr, "syncd: %s: warning: %s\n", j.Name, warning)
	}
	return report, nil
}

// open makes the source of a job when its run begins, so that a missing secret fails that run and no other.
func (r *syncRun) open(j *config.Job) job.Open {
	return func(context.Context) (extract.Source, error) { return r.from.of(j) }
}

func (r *syncRun) tellFailure(name string, report job.Report, err error) {
	var busy *load.BusyError
	var paused *load.PausedError
	var loading *load.LoadingError
	switch {
	case errors.As(err, &busy):
		fmt.Fprintf(r.Stderr, "syncd: %s: refused: %v\n", name, err)
		return
	case errors.As(err, &loading):
		fmt.Fprintf(r.Stderr, "syncd: %s: refused: backfill %d (%s) makes its first load\n  next: %s\n", name, loading.Backfill, loading.State, loading.Next())
		return
	case errors.As(err, &paused):
		fmt.Fprintf(r.Stderr, "syncd: %s: refused: %s is %s\n  next: syncd resume %s\n", name, paused.Pause.Subject, &paused.Pause, paused.Pause.Subject)
		return
	case report.State == load.Cancelled && report.Reason != "":
		fmt.Fprintf(r.Stderr, "syncd: %s: %s; what was loaded stays, the next run goes on\n", name, report.Reason)
		return
	case errors.Is(err, job.ErrStopped), report.State == load.Cancelled:
		fmt.Fprintf(r.Stderr, "syncd: %s: stopped; what was loaded stays, the next run goes on\n", name)
		return
	}
	state := string(report.State)
	if state == "" {
		state = string(load.Failed)
	}
	fmt.Fprintf(r.Stderr, "syncd: %s: %s: %v\n", name, state, err)
	var e *extract.Error
	if errors.As(err, &e) && e.Next != "" {
		fmt.Fprintf(r.Stderr, "  next: %s\n", e.Next)
	}
}

// tellReport prints the result of a run in one line, and one more where it is not proven.
func tellReport(out io.Writer, r job.Report) {
	if r.DryRun != nil {
		tellDryRun(out, r)
		return
	}
	fmt.Fprintf(out, "%s: %s, %s; %s; %s, %s, run %d\n", r.Job, r.State, r.Verdict, outcomes(r.Tables), counted(r.Requests, "request"),
		r.Took.Round(10*time.Millisecond), r.RunID)
	if r.Reason != "" {
		fmt.Fprintf(out, "  %s because: %s\n", r.Verdict, r.Reason)
	}
}

// outcomes adds up the rows of all tables.
func outcomes(tables []load.RunTable) string {
	var t load.RunTable
	for _, x := range tables {
		t.Read += x.Read
		t.Inserted += x.Inserted
		t.Updated += x.Updated
		t.Unchanged += x.Unchanged
		t.Reencoded += x.Reencoded
		t.Deleted += x.Deleted
		t.Rejected += x.Rejected
		t.Blocked += x.Blocked
	}
	parts := []string{"read " + count(t.Read), "inserted " + count(t.Inserted), "updated " + count(t.Updated), "unchanged " + count(t.Unchanged)}
	if t.Reencoded > 0 {
		parts = append(parts, "reencoded "+count(t.Reencoded))
	}
	parts = append(parts, "deleted "+count(t.Deleted))
	if t.Rejected > 0 {
		parts = append(parts, "rejected "+count(t.Rejected))
	}
	if t.Blocked > 0 {
		parts = append(parts, "blocked "+count(t.Blocked))
	}
	return strings.Join(parts, ", ")
}
