package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"syncd/internal/config"
	"syncd/load"
)

// forgetCommand takes a job for good out of the ledger that is not in the configuration any more.
func (c *cli) forgetCommand() *cobra.Command {
	yes := false
	cmd := &cobra.Command{
		Use:   "forget JOB",
		Short: "take a retired job out of the ledger, and print what drops its tables, which stay until then",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return c.withWarehouse(func(cfg *config.Config, w *load.Warehouse) error { return c.forget(cfg, w, args[0], yes) })
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask whether to go on")
	return cmd
}

func (c *cli) forget(cfg *config.Config, w *load.Warehouse, name string, yes bool) error {
	if j := cfg.Jobs[name]; j != nil {
		return usage("job %s is at %s: take its block out of the configuration first", name, j.Place())
	}
	jobs, err := w.Jobs(c.ctx)
	if err != nil {
		return err
	}
	known := false
	for _, j := range jobs {
		known = known || j.Job == name
		if j.Job == name && (isDrain(cfg, name) || strings.HasPrefix(j.Source, "redox.")) {
			return usage("%s is a receiver: what was pushed to it is kept for its retention, and its tables with it", name)
		}
	}
	if !known {
		return usage("forget job %s: the ledger knows no job of that name; those that can be forgotten are retired in: %s", name, c.typed("status"))
	}
	s := c.stopping(c.ctx, 1)
	defer s.end()
	if on, err := c.dialog(s.ctx, yes).agree(fmt.Sprintf("forget how far job %s has read and what it could not store? Its tables stay", name)); err != nil || !on {
		return err
	}
	schemas, err := w.Forget(c.ctx, name, actor())
	if errors.As(err, new(*load.BusyError)) {
		return &exitError{exitRefused, err}
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(c.Stdout, "-- job %s is forgotten; its runs stay as history. What drops its tables and all that they hold:\n", name)
	for _, schema := range schemas {
		fmt.Fprintf(c.Stdout, "DROP SCHEMA %s CASCADE;\n", pgx.Identifier{schema}.Sanitize())
	}
	return nil
}
