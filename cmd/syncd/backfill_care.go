package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"syncd/internal/config"
	"syncd/load"
)

// endedShown is how many backfills that have ended a list shows.
const endedShown = 10

// backfillListCommand lists backfills.
func (c *cli) backfillListCommand() *cobra.Command {
	all := false
	cmd := c.reading(&cobra.Command{
		Use:   "list [JOB]",
		Short: "backfills that are open, and the last that ended",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			name, ended := "", endedShown
			if len(args) > 0 {
				name = args[0]
			}
			if all {
				ended = 1 << 30
			}
			return c.toRead(func(_ *config.Config, w *load.Warehouse) error {
				list, err := w.Backfills(c.ctx, name, ended)
				if err != nil {
					return err
				}
				return c.listBackfills(list)
			})
		},
	})
	cmd.Flags().BoolVar(&all, "all", false, "all that ever ended")
	return cmd
}

func (c *cli) listBackfills(list []load.Backfill) error {
	if list == nil {
		list = []load.Backfill{}
	}
	return backfillGrid(list).print(c.Stdout, c.output)
}

// backfillGrid has a line for each backfill.
func backfillGrid(list []load.Backfill) *grid {
	g := &grid{head: []string{"id", "job", "state", "reads", "chunks", "records", "rows", "requests", "at work", "by", "begun", "note"}, value: list}
	for _, b := range list {
		reads := "everything"
		switch {
		case b.First:
			reads = "first load"
		case !b.Whole():
			reads = span(orNever(b.From), orNever(b.To))
		}
		requests := count(b.Requests)
		if b.Estimate != nil && b.Open() {
			requests += " of " + count(*b.Estimate)
		}
		note := b.Reason
		if b.Failed > 0 && note == "" {
			note = fmt.Sprintf("%s failed: %s", counted(b.Failed, "chunk"), b.ChunkReason)
		}
		g.add(strconv.FormatInt(b.ID, 10), b.Job, b.State, reads, count(b.Done)+" of "+count(b.Chunks), count(b.RecordsDone)+" of "+count(b.Records),
			count(b.Rows), requests, count(b.AtWork), b.By, b.CreatedAt.UTC().Format(time.RFC3339), note)
	}
	return g
}

func orNever(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// backfillNumber reads the number of a backfill.
func backfillNumber(verb, text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 1 {
		return 0, usage("backfill %s %s: a backfill's number, as 'syncd backfill list' shows them", verb, text)
	}
	return id, nil
}

// backfillMoveCommand pauses or cancels a backfill.
func (c *cli) backfillMoveCommand(verb, short string) *cobra.Command {
	reason := ""
	cmd := &cobra.Command{
		Use:   verb + " ID",
		Short: short,
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			id, err := backfillNumber(verb, args[0])
			if err != nil {
				return err
			}
			return c.withWarehouse(func(_ *config.Config, w *load.Warehouse) error { return c.moveBackfill(w, verb, id, reason) })
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for those who look at the list")
	return cmd
}

func (c *cli) moveBackfill(w *load.Warehouse, verb string, id int64, reason string) error {
	move, done := w.PauseBackfill, "paused"
	if verb == "cancel" {
		move, done = w.CancelBackfill, "cancelled"
	}
	by := actor()
	text := done + " by " + by
	if reason != "" {
		text += ": " + reason
	}
	moved, err := move(c.ctx, id, by, text)
	if err != nil {
		return err
	}
	b, err := w.Backfill(c.ctx, id)
	if err != nil {
		return err
	}
	if !moved {
		return &exitError{exitRefused, fmt.Errorf("backfill %d of %s is %s: there is nothing to %s", id, b.Job, b.State, verb)}
	}
	text = fmt.Sprintf("backfill %d of %s is %s", id, b.Job, done)
	if b.Running > 0 {
		text += "; what is in hand finishes its batch: " + counted(b.Running, "chunk")
	}
	_, err = fmt.Fprintln(c.Stdout, text)
	return err
}

// backfillResumeCommand lets a backfill go on, here or with the daemons.
func (c *cli) backfillResumeCommand() *cobra.Command {
	detach := false
	cmd := &cobra.Command{
		Use:   "resume ID",
		Short: "go on with a backfill that was paused, interrupted or failed: with the daemons, where it was theirs, else here",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			id, err := backfillNumber("resume", args[0])
			if err != nil {
				return err
			}
			cfg, err := c.load()
			if err != nil {
				return err
			}
			return c.withFilling(cfg, func(f *fillRun) error {
				b, err := f.w.Backfill(f.ctx, id)
				if err != nil {
					return err
				}
				if !b.Open() {
					return &exitError{exitRefused, fmt.Errorf("backfill %d of %s is %s: there is nothing to resume", id, b.Job, b.State)}
				}
				j, err := cfg.Job(b.Job)
				if err != nil {
					return &exitError{exitUsage, err}
				}
				return f.goOn(j, b, detach || b.Detached)
			})
		},
	}
	cmd.Flags().BoolVar(&detach, "detach", false, "hand it to the daemons")
	return cmd
}
