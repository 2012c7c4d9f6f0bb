package main

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"syncd/internal/config"
	"syncd/job"
	"syncd/load"
)

// filling is what the flags of `syncd backfill` say.
type filling struct {
	from, to        string
	chunk, parallel int
	detach, dryRun  bool
}

// Chunks are small enough that little is read twice, and large enough that what each costs beside its records is little.
const (
	usualChunk = 2_000
	mostChunk  = 1_000_000
	mostAtOnce = 32
	fillConns  = 4 // of the pool, and fillEach more for each chunk at once
	fillEach   = 3
)

// backfillCommand loads a job in chunks.
func (c *cli) backfillCommand() *cobra.Command {
	var o filling
	cmd := &cobra.Command{
		Use:   "backfill JOB [--from TIME] [--to TIME]",
		Short: "load everything, or what changed in a time, in chunks that can be interrupted and shared",
		Long: "Reads a job's records in chunks. Ctrl-C pauses, and the same command goes on; --detach hands the work to the daemons.\n" +
			"With --from or --to the records are read that changed in between, as they are now; a time is a date (2026-03-01, midnight in the\n" +
			"source's time zone) or an instant (2026-03-01T08:30:00Z).",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: c.completeJobs,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			if cfg.Receivers[args[0]] != nil {
				return usage("backfill %s: a receiver's history begins at its first delivery; what it has received is loaded anew by: syncd replay %s --from DATE", args[0], args[0])
			}
			j, err := cfg.Job(args[0])
			if err != nil {
				return &exitError{exitUsage, err}
			}
			want, err := o.wanted(j, c.Now())
			if err != nil {
				return err
			}
			named := cmd.Flags().Changed("from") || cmd.Flags().Changed("to") || cmd.Flags().Changed("chunk")
			return c.withFilling(cfg, func(f *fillRun) error {
				if cmd.Flags().Changed("parallel") {
					f.parallel = want.Parallel
				}
				return f.backfill(j, want, named, o.dryRun)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.from, "from", "", "only what changed from then on, a date or an instant")
	flags.StringVar(&o.to, "to", "", "only what changed before then")
	flags.IntVar(&o.chunk, "chunk", usualChunk, "records in a chunk")
	flags.IntVar(&o.parallel, "parallel", 1, "chunks at once, of each process; the budget of the source holds all the same")
	flags.BoolVar(&o.detach, "detach", false, "hand it to the daemons")
	flags.BoolVar(&o.dryRun, "dry-run", false, "print the plan, and write nothing")
	cmd.AddCommand(c.backfillListCommand(), c.backfillMoveCommand("pause", "begin no further chunk; those in hand finish their batch"),
		c.backfillResumeCommand(), c.backfillMoveCommand("cancel", "end it for good; what is loaded stays"))
	return cmd
}

// wanted checks the flags against the job.
func (o filling) wanted(j *config.Job, now time.Time) (want load.NewBackfill, err error) {
	want = load.NewBackfill{Job: j.Name, Size: o.chunk, Parallel: o.parallel, Detached: o.detach, By: actor()}
	switch {
	case o.chunk < 1 || o.chunk > mostChunk:
		return want, usage("--chunk %d: from 1 to %s records", o.chunk, count(mostChunk))
	case o.parallel < 1 || o.parallel > mostAtOnce:
		return want, usage("--parallel %d: from 1 to %d chunks at once", o.parallel, mostAtOnce)
	case j.Campus != nil && (o.from != "" || o.to != ""):
		return want, usage("backfill %s: Engage has no past to read: its lists are read whole, and a chunk is a list; leave --from and --to out", j.Name)
	}
	zone := time.UTC
	if j.Server != nil {
		zone = j.Server.Zone
	}
	if want.From, err = pastMoment("--from", o.from, zone, now); err != nil {
		return want, err
	}
	if want.To, err = pastMoment("--to", o.to, zone, time.Time{}); err != nil {
		return want, err
	}
	if !want.From.IsZero() && !want.To.IsZero() && !want.To.After(want.From) {
		return want, usage("--to %s is not after --from %s: nothing changed in between", o.to, o.from)
	}
	return want, nil
}

// oldest is before any of the systems that are read was made.
var oldest = time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)

// pastMoment reads a time that may be one of a change: after oldest, and before now where that is given.
func pastMoment(flag, text string, zone *time.Location, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := moment(flag, text, zone)
	switch {
	case err != nil:
		return t, err
	case t.Before(oldest):
		return t, usage("%s %s: nothing is as old as that", flag, text)
	case !now.IsZero() && t.After(now), t.Year() > 2100:
		return t, usage("%s %s: that is yet to come", flag, text)
	}
	return t, nil
}

// fillRun is what the steps of one backfill share.
type fillRun struct {
	*cli
	cfg    *config.Config
	w      *load.Warehouse
	log    *slog.Logger
	from   *sources
	runner *job.Runner

	parallel int // chunks at once, here; 0: as the backfill says
}

// withFilling opens the warehouse with connections for as many chunks as there may be at once.
func (c *cli) withFilling(cfg *config.Config, do func(*fillRun) error) error {
	log, err := c.logger(slog.LevelWarn)
	if err != nil {
		return err
	}
	w, closeAll, err := c.warehouseOf(c.ctx, cfg, log, fillConns+fillEach*mostAtOnce)
	if err != nil {
		return err
	}
	f := &fillRun{cli: c, cfg: cfg, w: w, log: log, from: c.newSources(cfg, log, w), runner: &job.Runner{Warehouse: w, Log: log, Holder: holder()}}
	return errors.Join(do(f), closeAll())
}

// backfill makes a backfill, or goes on with the open one. named says that the flags say what is to be read.
func (f *fillRun) backfill(j *config.Job, want load.NewBackfill, named, dry bool) error {
	open, err := f.open(j)
	if err != nil {
		return err
	}
	if dry {
		return f.tellPlan(j, want)
	}
	if open != nil && named && !same(open, want) {
		return &exitError{exitRefused, fmt.Errorf(
			"backfill %d of %s is open (%s), and another is asked for\n  next: go on with it: syncd backfill resume %d; or end it: syncd backfill cancel %d",
			open.ID, j.Name, open.State, open.ID, open.ID)}
	}
	if open == nil {
		b, made, err := f.w.MakeBackfill(f.ctx, want)
		if err != nil {
			return err
		}
		open = &b
		if made {
			fmt.Fprintf(f.Stdout, "%s: backfill %d; %s\n", j.Name, b.ID, brings(j))
		}
	}
	detached := want.Detached || open.Detached
	return f.goOn(j, open, detached)
}

// same reports whether an open backfill reads what is asked for.
func same(b *load.Backfill, want load.NewBackfill) bool {
	is := func(have *time.Time, want time.Time) bool {
		return have == nil && want.IsZero() || have != nil && have.Equal(want)
	}
	return is(b.From, want.From) && is(b.To, want.To) && (b.ChunkSize == want.Size || b.Automatic)
}

// open finds the open backfill of a job.
func (f *fillRun) open(j *config.Job) (*load.Backfill, error) {
	all, err := f.w.Backfills(f.ctx, j.Name, 0)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return &all[0], nil
}

// goOn hands a backfill to the daemons, or works on it here.
func (f *fillRun) goOn(j *config.Job, b *load.Backfill, detached bool) error {
	if b.Done > 0 || b.State != load.BackfillPlanned {
		fmt.Fprintf(f.Stdout, "%s: goes on with backfill %d (%s): %s of %s done\n", j.Name, b.ID, b.State, count(b.Done), counted(b.Chunks, "chunk"))
	}
	if b.State != load.BackfillPlanned || detached != b.Detached {
		if _, err := f.w.ResumeBackfill(f.ctx, b.ID, actor(), &detached); err != nil {
			return err
		}
	}
	if detached {
		_, err := fmt.Fprintf(f.Stdout, "%s: backfill %d is with the daemons (syncd serve); how far it is: syncd backfill list\n", j.Name, b.ID)
		return err
	}
	return f.work(j, b)
}
