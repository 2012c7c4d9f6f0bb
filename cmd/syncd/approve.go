package main

import (
	"fmt"
	"os"
	"os/user"
	"strconv"

	"github.com/spf13/cobra"

	"syncd/internal/config"
	"syncd/load"
)

// approveCommand lets go what the brake held in a run.
func (c *cli) approveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "approve RUN",
		Short: "let the deletions go that the brake held in that run",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			id, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil || id < 1 {
				return usage("approve %s: a run's number, as 'syncd runs' lists them", args[0])
			}
			return c.withWarehouse(func(_ *config.Config, w *load.Warehouse) error {
				a, err := w.Approve(c.ctx, id, actor())
				if err != nil {
					return err
				}
				if a.Source {
					fmt.Fprintf(c.Stdout, "approved: the job of run %d reads the project that answered from its next run on, and what that does not list goes\n", id)
					return nil
				}
				fmt.Fprintf(c.Stdout, "approved: %s of run %d may go at the job's next run, if the source still does not list them\n", counted(a.Keys, "key"), id)
				return nil
			})
		},
	}
}

// actor names who typed, and where, for the audit: ann@etl1.
func actor() string {
	name, host := "unknown", "unknown"
	if u, err := user.Current(); err == nil && u.Username != "" {
		name = u.Username
	}
	if h, err := os.Hostname(); err == nil && h != "" {
		host = h
	}
	return name + "@" + host
}
