package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"syncd/internal/config"
	"syncd/load"
	"syncd/migrations"
)

// planCommand prints the DDL that the warehouse is waiting for. It alters nothing, whatever jobs.toml says.
func (c *cli) planCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "plan [JOB...]",
		Short:             "the DDL that is waiting, for whoever owns the database: syncd plan | psql",
		ValidArgsFunction: c.completeJobs,
		RunE: func(_ *cobra.Command, args []string) error {
			names, err := c.chosen(args, len(args) == 0)
			if err != nil {
				return err
			}
			return c.plan(names)
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
	from := c.newSources(cfg, log, w)
	for _, name := range names {
		if err := c.planJob(c.ctx, w, from, cfg.Jobs[name]); err != nil {
			return fmt.Errorf("plan job %s: %w", name, err)
		}
	}
	return nil
}

func (c *cli) planJob(ctx context.Context, w *load.Warehouse, from *sources, job *config.Job) error {
	source, err := from.of(job)
	if err != nil {
		return err
	}
	// What was renamed is told from the structure of the last good run.
	since, err := w.Marks(ctx, load.Order{Job: job.Name, Schema: job.Schema}, false)
	if err != nil {
		return err
	}
	structure, err := source.Describe(ctx, since)
	if err != nil {
		return err
	}
	statements, err := w.Plan(ctx, job.Name, job.Schema, structure)
	if err != nil {
		return err
	}
	if len(statements) == 0 {
		fmt.Fprintf(c.Stdout, "-- job %s: nothing is waiting\n", job.Name)
		return nil
	}
	fmt.Fprintf(c.Stdout, "-- job %s: %d statements\nBEGIN;\n", job.Name, len(statements))
	for _, s := range statements {
		fmt.Fprintln(c.Stdout, s.SQL)
	}
	fmt.Fprintln(c.Stdout, "COMMIT;")
	return nil
}
