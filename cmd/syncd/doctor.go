package main

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"syncd/extract"
	"syncd/internal/config"
	"syncd/load"
)

// doctorCommand makes a restored database this installation's again.
func (c *cli) doctorCommand() *cobra.Command {
	restored, now := false, false
	cmd := &cobra.Command{
		Use:   "doctor --after-restore",
		Short: "after a backup was restored: purge again who was purged since, read every source again, say what Redox must send again",
		Long: "For a database of this installation that was restored from a backup. It purges again whoever was purged since the backup was made,\n" +
			"ends what was under way in it, has each job read everything in its next run, and says since when each receiver's sender must send\n" +
			"again. Then the daemons go on by themselves. Interrupted, it is run again; run twice, it does no harm.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if !restored {
				return usage("say what happened: syncd doctor --after-restore")
			}
			return c.withAny(func(cfg *config.Config, w *load.Warehouse, log *slog.Logger) error {
				if err := c.afterRestore(cfg, w, now); err != nil || !now {
					return err
				}
				return c.readAgain(cfg, log)
			})
		},
	}
	cmd.Flags().BoolVar(&restored, "after-restore", false, "the database was restored from a backup of this installation")
	cmd.Flags().BoolVar(&now, "now", false, "read every source here and now, rather than when each job is next due")
	return cmd
}

// afterRestore settles the database. now says that its jobs are run right after it.
func (c *cli) afterRestore(cfg *config.Config, w *load.Warehouse, now bool) error {
	was, err := w.Whereabouts(c.ctx, cfg.Installation)
	if err != nil {
		return err
	}
	if was.Name != "" && was.Name != cfg.Installation {
		return &extract.Error{
			Kind: extract.KindHeld, What: "restore", Cause: fmt.Errorf("the database is a backup of installation %s, and jobs.toml is of installation %s", was.Name, cfg.Installation),
			Next: "as a copy for itself: syncd adopt --as-clone; to go on as what it was: installation = \"" + was.Name + "\" in jobs.toml",
		}
	}
	lost, err := w.Unwind(c.ctx)
	if err != nil {
		return err
	}
	purged, err := c.reapplyPurges(c.ctx, cfg, w)
	if err != nil {
		return fmt.Errorf("purge again who was purged since the backup: %w", err)
	}
	s, err := w.Restored(c.ctx, cfg.Installation, actor())
	if err != nil {
		return err
	}
	fmt.Fprintf(c.Stdout, "restored: %s; %s runs that were under way are lost, %s purged again\n", dataEnds(s.EndsAt), count(lost+s.Runs), count(int64(purged)))
	if len(s.Full) > 0 {
		fmt.Fprintf(c.Stdout, "the next run of each job reads everything: %s\n", strings.Join(s.Full, ", "))
		if !now {
			fmt.Fprintln(c.Stdout, "  when it is next due; or now: syncd sync --all")
		}
	}
	return c.tellGaps(cfg, w, s.EndsAt)
}

func dataEnds(at time.Time) string {
	if at.IsZero() {
		return "nobody had worked in the data"
	}
	return "the data ends at " + at.UTC().Format(time.RFC3339)
}

// tellGaps says since when each sender must send again. Redox keeps what it sent, and sends a message again when a person says so.
func (c *cli) tellGaps(cfg *config.Config, w *load.Warehouse, ends time.Time) error {
	gaps, err := w.Gaps(c.ctx, cfg.ReceiverNames())
	if err != nil || len(gaps) == 0 {
		return err
	}
	for _, g := range gaps {
		since := "no push is in the data: from the first one on"
		if !g.Since.IsZero() {
			since = "from " + g.Since.UTC().Format(time.RFC3339) + " on: two minutes before the last push that the data holds"
		}
		fmt.Fprintf(c.Stdout, "receiver %s: Redox must send again %s\n", g.Receiver, since)
	}
	fmt.Fprintln(c.Stdout, "  at Redox: the logs of the destination, those since then that were delivered, send again; or ask Redox's support for it with these times.")
	fmt.Fprintln(c.Stdout, "  What comes twice is known again and changes nothing. What Redox could not deliver meanwhile it sends by itself.")
	return nil
}

// readAgain runs every job, which reads everything.
func (c *cli) readAgain(cfg *config.Config, log *slog.Logger) error {
	w, closeAll, err := c.warehouseOf(c.ctx, cfg, log, 0)
	if err != nil {
		return err
	}
	return errors.Join(c.sync(cfg, w, cfg.Names(), syncing{all: true}), closeAll())
}

// whyWaiting says why the daemon has no warehouse yet.
func whyWaiting(err error) string {
	if errors.As(err, new(*load.StoppedError)) {
		return "the database is not worked in until somebody says whose it is: syncd doctor --after-restore, or syncd adopt"
	}
	return "postgres is not ready, trying again"
}
