package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"syncd/internal/config"
	"syncd/migrations"
)

// migrateCommand looks after the ledger's own schema.
func (c *cli) migrateCommand() *cobra.Command {
	parent := &cobra.Command{Use: "migrate", Short: "the ledger's own schema", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	parent.AddCommand(
		c.migrating("up", "bring the ledger to this program's version", func(ctx context.Context, mc migrations.Config) error {
			from, to, err := migrations.Up(ctx, mc)
			if err == nil {
				fmt.Fprintf(c.Stdout, "ledger at version %d (was %d)\n", to, from)
			}
			return err
		}),
		c.migrating("status", "version of the ledger, and what is pending", c.migrationStatus),
		c.migrating("repair", "after a crash in the middle of a migration: look what was committed, and say so", func(ctx context.Context, mc migrations.Config) error {
			done, err := migrations.Repair(ctx, mc)
			if err == nil {
				fmt.Fprintln(c.Stdout, done)
			}
			return err
		}))
	return parent
}

func (c *cli) migrating(use, short string, do func(context.Context, migrations.Config) error) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
		return c.withDatabase(func(cfg *config.Config, url string, log *slog.Logger) error {
			url, err := c.migrator(c.ctx, cfg, url)
			if err != nil {
				return err
			}
			return do(c.ctx, migrations.Config{URL: url, Log: log})
		})
	}}
}

func (c *cli) migrationStatus(ctx context.Context, mc migrations.Config) error {
	s, err := migrations.Status(ctx, mc)
	if err != nil {
		return err
	}
	switch {
	case s.Dirty:
		fmt.Fprintf(c.Stdout, "ledger at version %d, dirty: a migration did not end; next: syncd migrate repair\n", s.Version)
	case s.Current():
		fmt.Fprintf(c.Stdout, "ledger at version %d: up to date\n", s.Version)
	default:
		fmt.Fprintf(c.Stdout, "ledger at version %d, this syncd needs %d: %d pending; next: syncd migrate up\n", s.Version, s.Latest, len(s.Pending))
	}
	return nil
}
