package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"syncd/extract"
	"syncd/internal/config"
	"syncd/load"
)

// rejectsCommand counts what could not be stored, by reason. It shows no key and no value.
func (c *cli) rejectsCommand() *cobra.Command {
	cmd := c.reading(&cobra.Command{
		Use:               "rejects [JOB|RECEIVER]",
		Short:             "rows and deliveries that could not be stored, counted by reason; no values",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: c.completeAll,
		RunE: func(_ *cobra.Command, args []string) error {
			return c.toRead(func(cfg *config.Config, w *load.Warehouse) error {
				name, err := one(cfg, args)
				if err != nil {
					return err
				}
				return c.rejects(w, name)
			})
		},
	})
	cmd.AddCommand(&cobra.Command{
		Use:               "retry [JOB|RECEIVER]",
		Short:             "load rejected and unhandled deliveries anew; of jobs, say when their rows are read again",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: c.completeAll,
		RunE: func(_ *cobra.Command, args []string) error {
			return c.withWarehouse(func(cfg *config.Config, w *load.Warehouse) error {
				name, err := one(cfg, args)
				if err != nil {
					return err
				}
				return c.retryRejects(cfg, w, name)
			})
		},
	})
	return cmd
}

// one resolves the job or receiver that a verb was given; empty stands for all.
func one(cfg *config.Config, args []string) (string, error) {
	if len(args) == 0 || cfg.Receivers[args[0]] != nil {
		return first(args), nil
	}
	if _, err := cfg.Job(args[0]); err != nil {
		return "", &exitError{exitUsage, err}
	}
	return args[0], nil
}

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

// rejectLine is a line of `syncd rejects`.
type rejectLine struct {
	Of      string    `json:"of"`             // job or receiver
	What    string    `json:"what"`           // row or delivery
	Where   string    `json:"where"`          // table and column, or model and event
	Test    bool      `json:"test,omitempty"` // of test traffic
	State   string    `json:"state"`          // rejected, unhandled
	Reason  string    `json:"reason"`
	Count   int64     `json:"count"`
	FirstAt time.Time `json:"first_at"`
	LastAt  time.Time `json:"last_at"`
}

func (c *cli) rejects(w *load.Warehouse, name string) error {
	rows, err := w.Rejects(c.ctx, name)
	if err != nil {
		return err
	}
	deliveries, err := w.RefusedDeliveries(c.ctx, name)
	if err != nil {
		return err
	}
	lines := []rejectLine{}
	for _, r := range rows {
		where := r.Table
		if r.Column != "" {
			where += "." + r.Column
		}
		lines = append(lines, rejectLine{r.Job, "row", where, false, string(extract.Rejected), r.Rule, r.Count, r.FirstAt, r.LastAt})
	}
	for _, d := range deliveries {
		where := strings.Trim(printable(d.Model+"/"+d.EventType), "/")
		lines = append(lines, rejectLine{d.Receiver, "delivery", where, d.Test, d.State, d.Reason, d.Count, d.FirstAt, d.LastAt})
	}
	g := &grid{head: []string{"of", "what", "where", "state", "reason", "count", "first", "last"}, value: lines}
	for _, l := range lines {
		what := l.What
		if l.Test {
			what += " (test)"
		}
		g.add(l.Of, what, l.Where, l.State, l.Reason, count(l.Count), stamp(l.FirstAt), stamp(l.LastAt))
	}
	return g.print(c.Stdout, c.output)
}

// retryRejects makes refused deliveries pending again. What a job could not store stands at its source, which alone can mend it.
func (c *cli) retryRejects(cfg *config.Config, w *load.Warehouse, name string) error {
	rows, err := w.Rejects(c.ctx, name)
	if err != nil {
		return err
	}
	open := map[string]int64{}
	for _, r := range rows {
		open[r.Job] += r.Count
	}
	for _, job := range cfg.Names() {
		if name != "" && name != job || open[job] == 0 && name == "" {
			continue
		}
		fmt.Fprintf(c.Stdout, "%s: %s rows wait to be mended at the source; the next sync after that reads them again (syncd sync %s --full reads all)\n", job, count(open[job]), job)
	}
	for _, receiver := range cfg.ReceiverNames() {
		if name != "" && name != receiver {
			continue
		}
		if n := open[receiver] + open[receiver+testEnding]; n > 0 {
			fmt.Fprintf(c.Stdout, "%s: %s rows of deliveries that were applied otherwise: syncd replay %s --from ... loads those anew\n", receiver, count(n), receiver)
		}
		if err := c.repend(w, cfg.Receivers[receiver], load.Again{States: []extract.Outcome{extract.Rejected, extract.Unhandled}}); err != nil {
			return err
		}
	}
	return nil
}
