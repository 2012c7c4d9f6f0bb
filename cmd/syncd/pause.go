package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"syncd/internal/config"
	"syncd/job"
	"syncd/load"
)

// runsNamed is how many runs under way are looked at to say which go on.
const runsNamed = 1_000

// pauseCommand keeps runs of a job or of a whole source from beginning.
func (c *cli) pauseCommand() *cobra.Command {
	reason := ""
	cmd := &cobra.Command{
		Use:   "pause JOB|SOURCE",
		Short: "no run of a job, or of all jobs of a source, begins until it is resumed",
		Long: "Slots that come due meanwhile are skipped, with who paused and why. What is running goes on: syncd cancel RUN ends it.\n" +
			"Of a receiver's source (redox.NAME) nothing is loaded meanwhile: what is pushed is taken, kept, and waits.",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: c.completePausable,
		RunE: func(_ *cobra.Command, args []string) error {
			if strings.ContainsFunc(reason, func(r rune) bool { return r < ' ' || r == 0x7f }) || len(reason) > 200 {
				return usage("--reason: one line of at most 200 bytes")
			}
			return c.withWarehouse(func(cfg *config.Config, w *load.Warehouse) error {
				return c.pause(cfg, w, args[0], reason)
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for whoever reads status or the skipped slots; no patient data")
	return cmd
}

func (c *cli) pause(cfg *config.Config, w *load.Warehouse, name, reason string) error {
	subject, err := pausable(cfg, name)
	if err != nil {
		return err
	}
	fresh, err := w.Pause(c.ctx, subject, actor(), reason)
	if err != nil {
		return err
	}
	pauses, err := w.Pauses(c.ctx)
	if err != nil {
		return err
	}
	p := load.PausedOf(pauses, subject, "")
	switch {
	case p == nil:
		return fmt.Errorf("pause %s: it was resumed at the same moment", subject)
	case !fresh:
		fmt.Fprintf(c.Stdout, "%s was %s already\n", subject, p)
	default:
		fmt.Fprintf(c.Stdout, "%s is paused: no run of it begins, until: syncd resume %s\n", subject, subject)
	}
	return c.tellGoingOn(cfg, w, subject)
}

// tellGoingOn names the runs that a pause lets end by themselves.
func (c *cli) tellGoingOn(cfg *config.Config, w *load.Warehouse, subject string) error {
	runs, err := w.Runs(c.ctx, load.RunFilter{State: load.Running, Limit: runsNamed})
	if err != nil {
		return err
	}
	for _, r := range runs {
		if r.Job == subject || sourceOfJob(cfg, r.Job) == subject {
			fmt.Fprintf(c.Stdout, "run %d of %s (%s) goes on; to end it: syncd cancel %d\n", r.RunID, r.Job, r.Kind, r.RunID)
		}
	}
	return nil
}

// sourceOfJob is the source of a job, or of what drains a receiver.
func sourceOfJob(cfg *config.Config, name string) string {
	if j := cfg.Jobs[name]; j != nil {
		return j.Source
	}
	for _, r := range cfg.ReceiverNames() {
		for _, s := range streamsOf(cfg.Receivers[r]) {
			if s.name == name {
				return s.source()
			}
		}
	}
	return ""
}

// pausable is what is written down for a job, a source or a receiver.
func pausable(cfg *config.Config, name string) (string, error) {
	if cfg.Receivers[name] != nil {
		return stream{of: cfg.Receivers[name]}.source(), nil
	}
	if cfg.Jobs[name] != nil || slices.Contains(pausableNames(cfg), name) {
		return name, nil
	}
	return "", usage("%s is no job, source or receiver of %s; there are: %s", shownName(name), cfg.Files[0], strings.Join(pausableNames(cfg), ", "))
}

// pausableNames are the names of all jobs, then of all sources.
func pausableNames(cfg *config.Config) []string {
	names := append(cfg.Names(), cfg.Sources()...)
	for _, r := range cfg.ReceiverNames() {
		names = append(names, stream{of: cfg.Receivers[r]}.source())
	}
	return names
}

// shownName quotes a word that was typed, unless it is too long to be a name.
func shownName(name string) string {
	if len(name) > 64 {
		name = name[:64]
	}
	return strconv.Quote(name)
}

func (c *cli) completePausable(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	cfg, err := c.load()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return pausableNames(cfg), cobra.ShellCompDirectiveNoFileComp
}

// resumeCommand ends a pause.
func (c *cli) resumeCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "resume JOB|SOURCE",
		Short:             "end a pause: the next slot is run again",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: c.completePausable,
		RunE: func(_ *cobra.Command, args []string) error {
			return c.withWarehouse(func(cfg *config.Config, w *load.Warehouse) error {
				return c.resume(cfg, w, args[0])
			})
		},
	}
}

// resume ends a pause, also that of a job that has left the file meanwhile.
func (c *cli) resume(cfg *config.Config, w *load.Warehouse, name string) error {
	subject, wrong := pausable(cfg, name)
	if wrong != nil {
		subject = name
	}
	ended, err := w.Resume(c.ctx, subject, actor())
	if err != nil {
		return err
	}
	if ended == nil {
		if wrong != nil {
			return wrong
		}
		fmt.Fprintf(c.Stdout, "%s was not paused\n", subject)
		return nil
	}
	fmt.Fprintf(c.Stdout, "%s is resumed (it was %s); slots that were skipped meanwhile stay skipped", subject, ended)
	if j := cfg.Jobs[subject]; j != nil {
		fmt.Fprintf(c.Stdout, ": syncd sync %s does their work now", subject)
	}
	fmt.Fprintln(c.Stdout)
	return c.tellStillPaused(cfg, w, subject)
}

// tellStillPaused warns where a job that was resumed belongs to a source that is paused.
func (c *cli) tellStillPaused(cfg *config.Config, w *load.Warehouse, subject string) error {
	j := cfg.Jobs[subject]
	if j == nil {
		return nil
	}
	pauses, err := w.Pauses(c.ctx)
	if err != nil {
		return err
	}
	if p := load.PausedOf(pauses, j.Source, ""); p != nil {
		fmt.Fprintf(c.Stdout, "its source %s is still %s; to resume that: syncd resume %s\n", j.Source, p, j.Source)
	}
	return nil
}

// cancelCommand asks a run to end, wherever it is carried out.
func (c *cli) cancelCommand() *cobra.Command {
	now := false
	cmd := &cobra.Command{
		Use:   "cancel RUN",
		Short: "end a run after the batch in hand, wherever it is carried out; its slot is skipped",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			id, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil || id < 1 {
				return usage("cancel %s: a run's number, as 'syncd runs' lists them", shownName(args[0]))
			}
			return c.withWarehouse(func(cfg *config.Config, w *load.Warehouse) error {
				return c.cancelRun(cfg, w, id, now)
			})
		},
	}
	cmd.Flags().BoolVar(&now, "now", false, "do not wait for the batch in hand: it is given up, whole")
	return cmd
}

func (c *cli) cancelRun(cfg *config.Config, w *load.Warehouse, id int64, now bool) error {
	r, err := w.Cancel(c.ctx, id, actor(), now)
	if err != nil {
		return err
	}
	when := "after the batch in hand"
	if now {
		when = "at once"
	}
	fmt.Fprintf(c.Stdout, "run %d of %s (%s, on %s) ends %s; it hears so within %s. What it loaded stays.\n", id, r.Job, r.Kind, r.Holder, when, load.BeatEvery)
	if r.SlotAt != nil {
		fmt.Fprintf(c.Stdout, "its slot of %s is skipped; the job's next slot is run as ever (syncd pause %s keeps it from that)\n", stamp(*r.SlotAt), r.Job)
	}
	if r.Kind == job.Drain {
		fmt.Fprintf(c.Stdout, "the next run loads what is pushed meanwhile; to keep that waiting: syncd pause %s\n", sourceOfJob(cfg, r.Job))
	}
	if open, err := w.Backfills(c.ctx, r.Job, 0); err == nil && r.Kind == load.KindBackfill && len(open) > 0 {
		fmt.Fprintf(c.Stdout, "its backfill is paused then; to go on: syncd backfill resume %d; to end it for good: syncd backfill cancel %d\n", open[0].ID, open[0].ID)
	}
	fmt.Fprintf(c.Stdout, "how it ended: syncd run %d\n", id)
	return nil
}
