package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"syncd/extract/redox"
	"syncd/internal/config"
	"syncd/job"
	"syncd/load"
	"syncd/ops"
)

// stopWithin bounds a stop, whatever is frozen or slow: who sent the signal waits half a minute. What is still under way then is left
// as a kill would leave it.
const stopWithin = 28 * time.Second

// runsStop is how long runs may finish the batch in hand. What they write then has the rest.
const runsStop = 15 * time.Second

// daemon is a `syncd serve` under way. There are two configurations: the one that it began with, whose addresses and database hold to
// the end, and the one that holds now, which a reload replaces.
type daemon struct {
	c       *cli
	log     *slog.Logger
	level   *slog.LevelVar
	began   *config.Config
	stops   *stopping
	tell    *notifier
	ready   *readiness
	alive   *liveness
	watch   *watchers
	tally   *redox.Tally
	metrics *ops.Metrics
	admin   *admin
	loaded  *loaded

	cfg  atomic.Pointer[config.Config]
	from atomic.Pointer[sources] // nil until Postgres is there

	mu     sync.Mutex      // of what follows; a reload holds it
	in     *intake         // nil as long as there were no receivers
	w      *load.Warehouse // nil until Postgres is there, and so are the next two
	engine *job.Engine
	inbox  *load.Inbox // nil as long as there were no receivers
}

func (c *cli) newDaemon(cfg *config.Config, log *slog.Logger, level *slog.LevelVar) *daemon {
	d := &daemon{
		c: c, log: log, level: level, began: cfg, stops: c.stopping(c.ctx, 2), tell: newNotifier(log), ready: &readiness{},
		alive: &liveness{now: time.Now}, watch: &watchers{}, tally: &redox.Tally{}, metrics: ops.NewMetrics(log), loaded: newLoaded(c, cfg),
	}
	d.cfg.Store(cfg)
	d.level.Set(c.levelOf(cfg))
	d.metrics.Add(tellTally(d.tally))
	d.metrics.Add(d.loaded.metrics)
	return d
}

// config is the configuration that holds now.
func (d *daemon) config() *config.Config { return d.cfg.Load() }

// sources are those of the configuration that holds now; nil until Postgres is there.
func (d *daemon) sources() *sources { return d.from.Load() }

// listen begins to answer: on the admin listener, then to whoever pushes, with 503 until Postgres is there.
func (d *daemon) listen() (err error) {
	page := ops.NewPage(d.log, d.board)
	d.admin, err = listenAdmin(d.began.Serve.Admin, map[string]http.Handler{
		"/livez": d.alive, "/readyz": d.ready, "/watch/{name}": d.watch, "/metrics": d.metrics, "/loaded": d.loaded,
		"/{$}": page, "/page.css": http.HandlerFunc(page.Style),
	})
	if err != nil {
		return err
	}
	d.log.Info("listening", slog.String("admin", d.admin.addr))
	if len(d.began.Receivers) == 0 {
		return nil
	}
	if err := d.receive(d.began); err != nil {
		return errors.Join(err, d.admin.close())
	}
	return nil
}

// receive begins to listen for pushes.
func (d *daemon) receive(cfg *config.Config) error {
	in, err := d.c.listenIntake(cfg, d.log, tellIntake(d.log, d.watch, d.tally))
	if err != nil {
		return err
	}
	d.log.Info("listening", slog.String("receivers", in.addr))
	d.in = in
	return nil
}

// bounded does the daemon's work. After the first signal it waits for its end as long as a stop may take, and whatever fails from
// then on is told and no error: nothing is lost by it.
func (d *daemon) bounded(work func() error) error {
	done := make(chan error, 1)
	go func() { done <- work() }()
	select {
	case err := <-done:
		return d.calm(err)
	case <-d.stops.stop:
	}
	d.tell.stopping()
	within := d.c.within(stopWithin)
	late := time.NewTimer(within)
	defer late.Stop()
	select {
	case err := <-done:
		return d.calm(err)
	case <-late.C:
		d.log.Error("stopping took too long, what is left is cut: runs under way are found silent and made again", slog.Duration("after", within))
		return nil
	}
}

// calm keeps what a stop brought about from being an error.
func (d *daemon) calm(err error) error {
	if err == nil || !d.stops.interrupted() {
		return err
	}
	if !errors.Is(err, errInterrupted) && !errors.Is(err, context.Canceled) {
		d.log.Warn("not everything ended as it should", slog.Any("error", err))
	}
	return nil
}

// run waits for Postgres, then runs the engine until a signal. What is received is not accepted before, and not after.
func (d *daemon) run() error {
	w, closeWarehouse, err := d.c.awaitWarehouse(d.stops, d.began, d.log)
	if err == nil && w != nil {
		heir := newHeir(d.stops.ctx, d.began, d.log)
		err = d.serve(w)
		err = errors.Join(err, closeWarehouse(), heir.close())
	} else {
		err = errors.Join(err, d.stopIntake())
	}
	d.watch.close()
	return errors.Join(err, d.admin.close())
}

func (d *daemon) serve(w *load.Warehouse) error {
	if err := d.begin(w); err != nil {
		return errors.Join(err, d.stopIntake())
	}
	stopped, ended := make(chan error, 1), make(chan struct{})
	go func() {
		select {
		case <-d.stops.stop:
		case <-d.stops.ctx.Done():
		case <-ended:
		}
		stopped <- d.stopIntake()
	}()
	stopTending := d.c.startTending(d.stops.ctx, d.config, w, d.inboxNow, d.log)
	stopTelling := d.c.startTelling(d.stops.ctx, w, d.config, d.sources, d.metrics, d.log)
	err := d.engine.Run(d.stops.ctx, d.stops.stop)
	close(ended)
	d.ready.set(nil)
	stopTelling()
	stopTending()
	err = errors.Join(err, <-stopped)
	if b := d.inboxNow(); b != nil {
		b.Close()
	}
	return err
}

// inboxNow is the inbox; nil as long as there were no receivers.
func (d *daemon) inboxNow() *load.Inbox {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.inbox
}

// begin makes of the configuration that holds now what needs Postgres.
func (d *daemon) begin(w *load.Warehouse) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	cfg := d.config()
	d.w = w
	d.from.Store(d.c.newSources(cfg, d.log, w))
	d.metrics.Add(tellClocks(d.sources))
	d.metrics.Add(tellCare(w))
	d.metrics.Add(tellReceivers(w, func() []string { return d.config().ReceiverNames() }, d.c.Now))
	if err := d.openInbox(); err != nil {
		return err
	}
	d.engine = job.NewEngine(job.Config{
		Warehouse: w, Jobs: planned(cfg, d.sources()), Drains: d.drains(cfg), Holder: holder(), Log: d.log, Grace: d.c.within(runsStop), Done: logRun(d.log),
	})
	d.ready.set(d.engine.Ready)
	d.alive.set(d.engine.Turned)
	d.tell.status(serves(cfg))
	return nil
}

// openInbox lets what is pushed in, where there are receivers.
func (d *daemon) openInbox() (err error) {
	if d.in != nil && d.w != nil && d.inbox == nil {
		d.inbox, err = d.in.open(d.w)
	}
	return err
}

func (d *daemon) drains(cfg *config.Config) []job.Drained {
	if d.inbox == nil {
		return nil
	}
	return drains(cfg, d.inbox)
}

// stopIntake ends receiving. After it no reload begins to receive.
func (d *daemon) stopIntake() error {
	d.mu.Lock()
	in := d.in
	d.mu.Unlock()
	return in.stop()
}

// serves says in a line what a daemon of a configuration does.
func serves(cfg *config.Config) string {
	return fmt.Sprintf("serving %s and %s", counted(int64(len(cfg.Jobs)), "job"), counted(int64(len(cfg.Receivers)), "receiver"))
}
