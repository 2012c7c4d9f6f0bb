package main

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"syncd/extract"
	"syncd/internal/config"
	"syncd/load"
)

// replayCommand has deliveries decoded and loaded anew.
func (c *cli) replayCommand() *cobra.Command {
	var from, to, model string
	var states []string
	dry := false
	cmd := &cobra.Command{
		Use:   "replay RECEIVER --from TIME [--to TIME]",
		Short: "decode and load the deliveries of a range anew, into the same tables; newer ones stay as they are",
		Long: "Makes the deliveries that came in between two times pending again, --from included, --to not, and loads them anew; where syncd serve\n" +
			"is running, that does the loading.\n" +
			"A time is a date (2026-03-01, midnight in the timezone of jobs.toml) or an instant (2026-03-01T08:30:00Z).",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: c.completeReceivers,
		RunE: func(_ *cobra.Command, args []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			r, err := cfg.Receiver(args[0])
			if err != nil {
				return &exitError{exitUsage, err}
			}
			again, err := againOf(cfg, from, to, model, states)
			if err != nil {
				return err
			}
			return c.withWarehouse(func(_ *config.Config, w *load.Warehouse) error { return c.replay(w, r, again, dry) })
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&from, "from", "", "first arrival, a date or an instant (required)")
	flags.StringVar(&to, "to", "", "end of the range, itself not in it (default: now)")
	flags.StringVar(&model, "model", "", "of this data model only, such as PatientAdmin or FHIR")
	flags.StringSliceVar(&states, "state", nil, "of these states only: applied, rejected, unhandled")
	flags.BoolVar(&dry, "dry-run", false, "print how many there are, and change nothing")
	return cmd
}

func againOf(cfg *config.Config, from, to, model string, states []string) (load.Again, error) {
	again := load.Again{Model: model}
	if from == "" {
		return again, usage("say from when: --from 2026-03-01, a date or an instant")
	}
	var err error
	if again.From, err = moment("--from", from, cfg.Zone); err != nil {
		return again, err
	}
	if to != "" {
		if again.To, err = moment("--to", to, cfg.Zone); err != nil {
			return again, err
		}
		if !again.To.After(again.From) {
			return again, usage("--to %s is not after --from %s: nothing came in between", to, from)
		}
	}
	for _, s := range states {
		outcome := extract.Outcome(s)
		if !slices.Contains([]extract.Outcome{extract.Applied, extract.Rejected, extract.Unhandled}, outcome) {
			return again, usage("--state %s: applied, rejected or unhandled", s)
		}
		again.States = append(again.States, outcome)
	}
	return again, nil
}

// moment reads a date, which begins at midnight in a zone, or an instant.
func moment(flag, text string, zone *time.Location) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, time.RFC3339Nano, "2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02 15:04:05"} {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usage("%s %s: a date such as 2026-03-01, or an instant such as 2026-03-01T08:30:00Z", flag, text)
}

func (c *cli) replay(w *load.Warehouse, r *config.Receiver, again load.Again, dry bool) error {
	n, gone, err := w.CountAgain(c.ctx, r.Name, again)
	if err != nil {
		return err
	}
	if gone > 0 {
		fmt.Fprintf(c.Stderr, "%s: the bytes of %s deliveries of that range are gone (retention, or a purge): they are not loaded anew\n", r.Name, count(gone))
	}
	if dry {
		_, err := fmt.Fprintf(c.Stdout, "%s: %s deliveries would be loaded anew\n", r.Name, count(n))
		return err
	}
	return c.repend(w, r, again)
}

// repend makes deliveries pending, and loads them here where no daemon does.
func (c *cli) repend(w *load.Warehouse, r *config.Receiver, again load.Again) error {
	n, err := w.Repend(c.ctx, r.Name, again, actor())
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(c.Stdout, "%s: %s deliveries are pending again\n", r.Name, count(n)); err != nil {
		return err
	}
	log, err := c.logger(slog.LevelWarn)
	if err != nil {
		return err
	}
	reports, err := c.drainOnce(w, r, "replay", log)
	for _, report := range reports {
		if report.RunID != 0 {
			tellReport(c.Stdout, report)
		}
	}
	var busy *load.BusyError
	if errors.As(err, &busy) {
		err = nil
	}
	if busy != nil && n > 0 {
		_, err = fmt.Fprintf(c.Stdout, "%s: the daemon (%s) loads them\n", r.Name, busy.Holder)
	}
	return err
}
