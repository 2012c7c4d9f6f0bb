package main

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"syncd/internal/config"
	"syncd/load"
)

// adoptCommand says what a database is that finds itself elsewhere.
func (c *cli) adoptCommand() *cobra.Command {
	var moved, clone bool
	cmd := &cobra.Command{
		Use:   "adopt --moved | --as-clone",
		Short: "say what a database is that finds itself elsewhere: moved with all its data, or a copy for itself",
		Long: "--moved     this installation was moved with all its data (another server, an upgrade, another name of the database or of the\n" +
			"            installation), and what it was moved from works no more. Everything goes on. Was anything done in the old place after the copy\n" +
			"            was taken, it is a restore: syncd doctor --after-restore.\n" +
			"--as-clone  it is a copy for trying things out. Its jobs.toml has an installation of its own. It gets an id of its own and keeps its\n" +
			"            data; nothing that was due there is done here, and its jobs are paused until somebody resumes them.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if moved == clone {
				return usage("say what it is: syncd adopt --moved, or syncd adopt --as-clone")
			}
			return c.withAny(func(cfg *config.Config, w *load.Warehouse, _ *slog.Logger) error {
				return c.adopt(cfg, w, clone)
			})
		},
	}
	cmd.Flags().BoolVar(&moved, "moved", false, "this installation was moved with all its data")
	cmd.Flags().BoolVar(&clone, "as-clone", false, "it is a copy, for an installation of its own")
	return cmd
}

func (c *cli) adopt(cfg *config.Config, w *load.Warehouse, clone bool) error {
	if !clone {
		s, err := w.Moved(c.ctx, cfg.Installation, actor())
		if err == nil {
			fmt.Fprintf(c.Stdout, "adopted as installation %s, moved; %s; %s runs that were under way are due again\n", cfg.Installation, dataEnds(s.EndsAt), count(s.Runs))
		}
		return err
	}
	var received []string
	for _, name := range cfg.ReceiverNames() {
		received = append(received, name, name+testEnding)
	}
	s, err := w.Cloned(c.ctx, cfg.Installation, actor(), received)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.Stdout, "adopted as installation %s, a copy of %s, with the id %s; %s; %s slots are skipped\n", cfg.Installation, s.Was, s.ID, dataEnds(s.EndsAt), count(s.Skipped))
	if len(s.Paused) > 0 {
		fmt.Fprintf(c.Stdout, "paused: %s\n  each goes on with: syncd resume JOB\n", strings.Join(s.Paused, ", "))
	}
	return nil
}
