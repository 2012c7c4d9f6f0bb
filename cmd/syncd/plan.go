package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"syncd/extract"
	"syncd/internal/config"
	"syncd/load"
	"syncd/migrations"
)

// planCommand prints the DDL that the warehouse is waiting for. It alters nothing, whatever jobs.toml says.
func (c *cli) planCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "plan [JOB|RECEIVER...]",
		Short:             "the DDL that is waiting, for whoever owns the database: syncd plan | psql",
		ValidArgsFunction: c.completeAll,
		RunE: func(_ *cobra.Command, args []string) error {
			return c.plan(args)
		},
	}
}

func (c *cli) plan(names []string) error {
	return c.withDatabase(func(cfg *config.Config, url string, log *slog.Logger) error {
		return c.planIn(cfg, url, names, log)
	})
}

func (c *cli) planIn(cfg *config.Config, url string, names []string, log *slog.Logger) error {
	state, err := migrations.Status(c.ctx, migrations.Config{URL: url, Log: log})
	if err != nil {
		return err
	}
	if !state.Current() {
		fmt.Fprintf(c.Stdout, "-- the ledger: version %d to %d\n%s\n", state.Version, state.Latest, migrations.SQL(state.Version))
		fmt.Fprintln(c.Stdout, "-- the tables of jobs are planned by the ledger: run this, then syncd plan again")
		return nil
	}
	w, err := load.Open(c.ctx, load.Config{URL: url, DDL: load.Plan, Log: log, DialFunc: dialer()})
	if err != nil {
		return err
	}
	defer w.Close()
	jobs, receivers, err := picked(cfg, names)
	if err != nil {
		return err
	}
	from := c.newSources(cfg, log, w)
	for _, name := range jobs {
		job := cfg.Jobs[name]
		source, err := from.of(job)
		if err == nil {
			err = c.planJob(c.ctx, w, "job", orderOf(cfg, job, ""), source)
		}
		if err != nil {
			return fmt.Errorf("plan job %s: %w", name, err)
		}
	}
	return c.planReceivers(cfg, w, receivers)
}

// planReceivers plans the tables of what was pushed so far, and the partitions for the bytes to come.
func (c *cli) planReceivers(cfg *config.Config, w *load.Warehouse, names []string) error {
	if len(names) == 0 {
		return nil
	}
	b, err := w.Inbox(inboxConns)
	if err != nil {
		return err
	}
	defer b.Close()
	for _, name := range names {
		for _, s := range streamsOf(cfg.Receivers[name]) {
			if err := c.planStream(w, b, s); err != nil {
				return fmt.Errorf("plan receiver %s: %w", s.name, err)
			}
		}
	}
	missing, err := b.MonthsMissing(c.ctx, c.Now())
	if err == nil && len(missing) > 0 {
		c.printPlan("partitions of syncd.payload", missing)
	}
	return err
}

func (c *cli) planStream(w *load.Warehouse, b *load.Inbox, s stream) error {
	q := b.Queue(s.of.Name, s.test)
	defer q.Close()
	source, err := s.open(q, true, nil)(c.ctx)
	if err != nil {
		return err
	}
	return c.planJob(c.ctx, w, "receiver", load.Order{Job: s.name, Schema: s.schema}, source)
}

func (c *cli) planJob(ctx context.Context, w *load.Warehouse, word string, o load.Order, source extract.Source) error {
	// What was renamed is told from the structure of the last good run.
	since, err := w.Marks(ctx, o, false)
	if err != nil {
		return err
	}
	structure, err := source.Describe(ctx, since)
	if err != nil {
		return err
	}
	name := o.Job
	if o, err = w.AsKnown(ctx, o, structure.Identity); err != nil {
		return err
	}
	statements, err := w.Plan(ctx, o.Job, o.Schema, structure)
	if err != nil {
		return err
	}
	if len(statements) == 0 {
		fmt.Fprintf(c.Stdout, "-- %s %s: nothing is waiting\n", word, name)
		return nil
	}
	all := make([]string, len(statements))
	for i, s := range statements {
		all[i] = s.SQL
	}
	c.printPlan(word+" "+name, all)
	return nil
}

// printPlan prints statements, of which each is whole in itself.
func (c *cli) printPlan(of string, statements []string) {
	fmt.Fprintf(c.Stdout, "-- %s: %d statements\n", of, len(statements))
	for _, s := range statements {
		fmt.Fprintln(c.Stdout, strings.TrimRight(s, ";\n")+";")
	}
}
