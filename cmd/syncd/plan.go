package main

import (
	"context"
	"fmt"
	"log/slog"

	"syncd/extract"

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
	}
	w, err := load.Open(c.ctx, load.Config{URL: url, DDL: load.Plan, Log: log, DialFunc: dialer()})
	if err != nil {
		return err
	}
	defer w.Close()
	bounds := w
	if !state.Current() {
		bounds = nil // there is no place for them yet
	}
	from := c.newSources(cfg, log, bounds)
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
	structure, err := source.Describe(ctx, extract.Since{})
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
