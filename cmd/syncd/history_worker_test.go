package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"syncd/extract"
	"syncd/extract/redcap"
	"syncd/extract/upstream"
	"syncd/internal/pgtest"
	"syncd/job"
	"syncd/load"
)

// perDatabase is how many histories share a database, each with a job and schemas of its own: a new one costs less than
// a catalog that grows.
const perDatabase = 30

// worker plays histories one after the other: one address, one database, one warehouse.
type worker struct {
	t         *testing.T
	web       *httptest.Server
	realm     atomic.Pointer[realm] // whose requests are answered
	wire      *wire
	database  string
	warehouse *load.Warehouse
	look      *pgx.Conn // by which tables are read; no fault ever strikes it
	used      int
}

func newWorker(t *testing.T) *worker {
	t.Helper()
	k := &worker{t: t, wire: &wire{}}
	k.web = httptest.NewServer(k)
	t.Cleanup(func() {
		k.web.CloseClientConnections()
		k.web.Close()
		k.leave()
	})
	return k
}

// ServeHTTP lets the realm that is played answer.
func (k *worker) ServeHTTP(w http.ResponseWriter, r *http.Request) { k.realm.Load().serve(w, r) }

// leave closes what is open on the database, and drops it where nothing has failed.
func (k *worker) leave() {
	if k.database == "" {
		return
	}
	k.warehouse.Close()
	_ = k.look.Close(context.Background())
	if !k.t.Failed() {
		pgtest.Drop(k.t, k.database)
	}
	k.database = ""
}

// settle takes a fresh database after every so many histories.
func (k *worker) settle() error {
	if k.database != "" && k.used%perDatabase != 0 {
		k.used++
		return nil
	}
	k.leave()
	k.used = 1
	k.database = pgtest.New(k.t)
	var err error
	k.warehouse, err = load.Open(k.t.Context(), load.Config{
		URL: k.database, DDL: load.Apply, Log: slog.New(slog.DiscardHandler), MaxConns: 4, DialFunc: k.wire.dial,
	})
	if err != nil {
		return err
	}
	config, err := pgx.ParseConfig(k.database)
	if err != nil {
		return err
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	for name, value := range map[string]string{"timezone": "UTC", "datestyle": "ISO", "intervalstyle": "postgres"} {
		config.RuntimeParams[name] = value
	}
	k.look, err = pgx.ConnectConfig(k.t.Context(), config)
	return err
}

// told is how a run ended, as its caller was told and as the ledger has it.
type told struct {
	report job.Report
	err    error
	exit   int
	struck bool // the trouble did come
}

// errSignal is the cause of a context that a second signal ended.
var errSignal = errors.New("second signal")

// errand is one run that a history asks for.
type errand struct {
	job, source string
	full        bool
	trouble     trouble
	open        func() (extract.Source, interface{ Close() }, error)
	begin       func(cut func()) // arms what the upstream does meanwhile
	end         func() bool      // disarms it, and says whether it did anything
}

// run carries out a run at a REDCap.
func (k *worker) run(w *realm, p runPlan) told {
	return k.carryOut(errand{
		job: w.job, source: "redcap.main", full: p.full, trouble: p.trouble,
		open:  func() (extract.Source, interface{ Close() }, error) { return k.open(w) },
		begin: func(cut func()) { w.begin(p, cut) }, end: w.end,
	})
}

// carryOut carries out one run as the program does it, with everything real but the wires.
func (k *worker) carryOut(e errand) told {
	ctx, cut := context.WithCancelCause(k.t.Context())
	defer cut(nil)
	stop := make(chan struct{})
	stopped := false
	e.begin(func() { cut(errSignal) })
	k.wire.arm(e.trouble, func() { cut(errKilled) })
	kind := job.Sync
	if e.full {
		kind = job.Full
	}
	runner := &job.Runner{Warehouse: k.warehouse, Log: slog.New(slog.DiscardHandler), Holder: "history"}
	order := load.Order{Job: e.job, Kind: kind, Schema: e.job, Source: e.source}
	var clients []interface{ Close() }
	report, err := runner.Run(ctx, order, func(context.Context) (extract.Source, error) {
		s, c, err := e.open()
		if err == nil {
			clients = append(clients, c)
		}
		return s, err
	}, job.Options{Full: e.full, Stop: stop, Progress: func(event job.Event) {
		if e.trouble.kind == stopTrouble && !stopped && event.Phase == job.Pulling && event.Batches >= int64(e.trouble.after) {
			stopped = true
			close(stop)
		}
	}})
	for _, c := range clients {
		c.Close()
	}
	struck := k.wire.disarm()
	out := told{report: report, err: err, exit: job.ExitCode(report, err, false)}
	out.struck = e.end() || struck || stopped
	if e.trouble.kind == killTrouble && struck {
		k.warehouse.Pool().Reset()
	}
	k.quieten()
	return out
}

// quieten waits until the server is done with what a run that was cut has left: a last statement may still commit, and what is
// read meanwhile is neither what was nor what will be.
func (k *worker) quieten() {
	for busy := true; busy; {
		err := k.look.QueryRow(k.t.Context(), `SELECT EXISTS (SELECT FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND state <> 'idle')`).Scan(&busy)
		if err != nil {
			k.t.Fatal(err)
		}
	}
}

// open makes the source as the program wires it.
func (k *worker) open(w *realm) (extract.Source, *upstream.Client, error) {
	c, err := upstream.New(upstream.Config{Proxy: "none"}, upstream.Endpoint{
		Name: "redcap.main", URL: k.web.URL + "/api/", Version: "test", Judge: redcap.Judge, Wait: time.Millisecond,
	})
	if err != nil {
		return nil, nil, err
	}
	s, err := redcap.New(redcap.Config{
		Job: w.job, Server: c.Server(), Client: c, Zone: w.zone,
		Token: func(context.Context) (string, error) { return w.token, nil },
	})
	return s, c, err
}

// outlive makes a claim look as old as a dead process's does by the time that another takes it.
func (k *worker) outlive(w *realm) error {
	_, err := k.look.Exec(k.t.Context(), "UPDATE syncd.claim SET beat_at = beat_at - interval '1 h' WHERE job = $1", w.job)
	return err
}
