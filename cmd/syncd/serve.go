package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"syncd/extract"
	"syncd/extract/redox"
	"syncd/internal/config"
	"syncd/job"
	"syncd/load"
	"syncd/ops"
)

const (
	serveConns   = 24 // of the pool: runs, their beats, the queue and its listener
	postgresWait = 2 * time.Second
	adminStop    = 3 * time.Second
)

// serveCommand is the daemon.
func (c *cli) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "the daemon: runs the schedules; SIGTERM ends it after the batch in hand, a second one at once",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			log, err := c.logger(slog.LevelInfo)
			if err != nil {
				return err
			}
			return c.serve(cfg, log)
		},
	}
}

func (c *cli) serve(cfg *config.Config, log *slog.Logger) error {
	s := c.stopping(c.ctx, 2)
	defer s.end()
	ready, watch, tally, metrics := &readiness{}, &watchers{}, &redox.Tally{}, ops.NewMetrics(log)
	admin, err := listenAdmin(cfg.Serve.Admin, map[string]http.Handler{"/readyz": ready, "/watch/{name}": watch, "/metrics": metrics})
	if err != nil {
		return err
	}
	log.Info("listening", slog.String("admin", admin.addr))
	in, err := c.listenIntake(cfg, log, tellIntake(log, watch, tally))
	if err != nil {
		return errors.Join(err, admin.close())
	}
	if in != nil {
		log.Info("listening", slog.String("receivers", in.addr))
		metrics.Add(tellTally(tally))
	}
	err = c.serveWith(s, cfg, log, daemonParts{ready, metrics, in})
	if errors.Is(err, errInterrupted) || s.interrupted() && errors.Is(err, context.Canceled) {
		err = nil
	}
	watch.close()
	return errors.Join(err, admin.close())
}

// daemonParts is what is there before the warehouse is.
type daemonParts struct {
	ready   *readiness
	metrics *ops.Metrics
	in      *intake // nil where there are no receivers
}

// serveWith waits for Postgres, then runs the engine until a signal. What is received is not accepted before, and not after.
func (c *cli) serveWith(s *stopping, cfg *config.Config, log *slog.Logger, d daemonParts) error {
	in, ready := d.in, d.ready
	w, closeAll, err := c.awaitWarehouse(s, cfg, log)
	if err != nil || w == nil {
		return errors.Join(err, in.stop())
	}
	from := c.newSources(cfg, log, w)
	d.metrics.Add(tellClocks(from))
	jc := job.Config{Warehouse: w, Jobs: planned(cfg, from), Holder: holder(), Log: log, Done: logRun(log)}
	var inbox *load.Inbox
	if in != nil {
		b, err := in.open(w)
		if inbox = b; err != nil {
			return errors.Join(err, in.stop(), closeAll())
		}
		d.metrics.Add(tellReceivers(w, cfg.ReceiverNames(), c.Now))
		var closeQueues func()
		jc.Drains, closeQueues = drains(cfg, b)
		closeWarehouse := closeAll
		closeAll = func() error { closeQueues(); b.Close(); return closeWarehouse() }
	}
	stopTending := c.startTending(s.ctx, func() *config.Config { return cfg }, w, inbox, log)
	engine := job.NewEngine(jc)
	ready.set(engine.Ready)
	stopped, ended := make(chan error, 1), make(chan struct{})
	go func() {
		select {
		case <-s.stop:
		case <-s.ctx.Done():
		case <-ended:
		}
		stopped <- in.stop()
	}()
	err = engine.Run(s.ctx, s.stop)
	close(ended)
	ready.set(nil)
	stopTending()
	return errors.Join(err, <-stopped, closeAll())
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
			Name: name, Source: j.Source, Schema: j.Schema, Sync: j.Slots, Full: j.Fulls, RetryFor: j.RetryFor,
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

// daemon runs the engine on a warehouse that is open already, until ctx ends; the demo stays up with it.
func (c *cli) daemon(ctx context.Context, cfg *config.Config, w *load.Warehouse, log *slog.Logger, drained []job.Drained) error {
	engine := job.NewEngine(job.Config{Warehouse: w, Jobs: planned(cfg, c.newSources(cfg, log, w)), Drains: drained, Holder: holder(), Log: log, Done: func(r job.Report, err error) {
		if err == nil {
			tellReport(c.Stdout, r)
		}
	}})
	return engine.Run(context.WithoutCancel(ctx), ctx.Done())
}

// admin is the listener of the health endpoints.
type admin struct {
	addr   string
	server *http.Server
	done   chan error
}

func listenAdmin(addr string, pages map[string]http.Handler) (*admin, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, &extract.Error{
			Kind: extract.KindConfig, What: "listen on serve.admin", Where: addr, Cause: err,
			Next: "stop what listens there, or set another address: [serve] admin = \"127.0.0.1:PORT\"",
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "alive") })
	for path, page := range pages {
		mux.Handle("GET "+path, page)
	}
	a := &admin{addr: l.Addr().String(), done: make(chan error, 1), server: &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10,
	}}
	go func() { a.done <- a.server.Serve(l) }()
	return a, nil
}

func (a *admin) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), adminStop)
	defer cancel()
	if err := a.server.Shutdown(ctx); err != nil {
		return fmt.Errorf("stop admin listener: %w", err)
	}
	if err := <-a.done; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve admin: %w", err)
	}
	return nil
}
