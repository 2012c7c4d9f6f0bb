package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"syncd/extract"
	"syncd/internal/config"
	"syncd/job"
	"syncd/load"
)

const (
	serveConns   = 24 // of the pool: runs, their beats, the queue and its listener
	postgresWait = 2 * time.Second
)

// serveCommand is the daemon.
func (c *cli) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "the daemon: runs the schedules; SIGHUP reads jobs.toml again, SIGTERM ends it after the batch in hand, a second one at once",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			level := &slog.LevelVar{}
			log, err := c.loggerAt(level)
			if err != nil {
				return err
			}
			return c.serve(cfg, log, level)
		},
	}
}

// serve is the daemon from its start to its end. It listens before Postgres is there: receivers answer 503 until then.
func (c *cli) serve(cfg *config.Config, log *slog.Logger, level *slog.LevelVar) error {
	d := c.newDaemon(cfg, log, level)
	defer d.stops.end()
	hangups, release := c.hangups()
	defer release()
	if err := d.listen(); err != nil {
		return err
	}
	d.tell.ready("waiting for Postgres")
	go d.reloads(hangups)
	go d.tell.watchdog(d.stops.ctx, d.tell.watchdogTime(), d.alive.check)
	return d.bounded(d.run)
}

// awaitWarehouse opens the warehouse, again and again while Postgres is away. A nil warehouse means that a signal came first.
func (c *cli) awaitWarehouse(s *stopping, cfg *config.Config, log *slog.Logger) (*load.Warehouse, func() error, error) {
	ctx, cancel := s.untilStop()
	defer cancel()
	for first := true; ; first = false {
		w, closeAll, err := c.warehouseOf(ctx, cfg, log, serveConns)
		if err == nil || s.interrupted() {
			return w, closeAll, nil
		}
		if extract.KindOf(err) == extract.KindConfig {
			return nil, nil, err
		}
		if first {
			log.Warn(whyWaiting(err), slog.Any("error", err), slog.Duration("wait", postgresWait))
		}
		select {
		case <-s.stop:
			return nil, nil, nil
		case <-time.After(postgresWait):
		}
	}
}

// planned lists the jobs that have a schedule.
func planned(cfg *config.Config, from *sources) []job.Planned {
	var all []job.Planned
	for _, name := range cfg.Names() {
		j := cfg.Jobs[name]
		all = append(all, job.Planned{
			Name: name, Source: j.Source, Schema: j.Schema, ByName: !j.NamesSchema(), Sync: j.Slots, Full: j.Fulls, RetryFor: j.RetryFor,
			Offset: j.Offset(), FullOffset: j.FullOffset(), CatchUp: j.CatchUp, Overlap: j.Overlap,
			Open: func(context.Context) (extract.Source, error) { return from.of(j) },
		})
	}
	return all
}

// logRun writes the one line at the end of a failed run that says what to do; successful ones have theirs already.
func logRun(log *slog.Logger) func(job.Report, error) {
	return func(r job.Report, err error) {
		if err == nil {
			return
		}
		var e *extract.Error
		if errors.As(err, &e) && e.Next != "" {
			log.Warn("run needs attention", slog.String("job", r.Job), slog.Int64("run_id", r.RunID), slog.String("next", e.Next))
		}
	}
}

// runEngine runs the engine on a warehouse that is open already, until ctx ends; the demo stays up with it.
func (c *cli) runEngine(ctx context.Context, cfg *config.Config, w *load.Warehouse, log *slog.Logger, drained []job.Drained) error {
	engine := job.NewEngine(job.Config{Warehouse: w, Jobs: planned(cfg, c.newSources(cfg, log, w)), Drains: drained, Holder: holder(), Log: log, Done: func(r job.Report, err error) {
		if err == nil {
			tellReport(c.Stdout, r)
		}
	}})
	return engine.Run(context.WithoutCancel(ctx), ctx.Done())
}
