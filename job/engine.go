package job

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"syncd/extract"
	"syncd/load"
	"syncd/schedule"
)

const (
	// turnEvery is how often the planner looks for slots, silent runs and slots that nobody is about to run.
	turnEvery = 5 * time.Second
	// tryEvery is how often it is tried again while Postgres is away.
	tryEvery = time.Second
	// grace is how long runs may finish their batches after the first signal, before they are cut.
	grace = 15 * time.Second
	// stopMore is how much longer than the grace and the last writing of runs a stop may take.
	stopMore = 2 * time.Second
	// turnWithin bounds a turn of the planner: a Postgres that does not answer does not stop it.
	turnWithin = time.Minute
	// rescueAfter is longer than any run: the queue's own idea of a dead job is never needed.
	rescueAfter = 30 * 24 * time.Hour
	// runsAtOnce is how many runs a replica carries out at once, unless Config says otherwise.
	runsAtOnce = 4
)

// Planned is a job as the daemon knows it.
type Planned struct {
	Name, Source, Schema string
	ByName               bool               // Schema is the name, because the file gives no other (load.Order)
	Sync, Full           *schedule.Schedule // nil: none
	Offset, FullOffset   time.Duration      // after the slot, so that jobs of one slot do not start at once
	CatchUp              string             // latest (default), all, none
	Overlap              string             // skip (default), queue
	RetryFor             time.Duration      // how long a slot waits for a source that is down; 0: retryFor
	Open                 Open               // fails with KindConfig where the job is misconfigured
}

// schedule is when a kind of slot of the job is due; nil where it never is.
func (j Planned) schedule(kind string) *schedule.Schedule {
	if kind == Full {
		return j.Full
	}
	return j.Sync
}

// offset is how long after its slot a kind of run starts.
func (j Planned) offset(kind string) time.Duration {
	if kind == Full {
		return j.FullOffset
	}
	return j.Offset
}

// Config is what an Engine is made of.
type Config struct {
	Warehouse *load.Warehouse
	Jobs      []Planned
	Drains    []Drained
	Holder    string // unique to this process
	Log       *slog.Logger
	Workers   int           // runs at once; 0: runsAtOnce
	BeatEvery time.Duration // 0: load.BeatEvery
	Grace     time.Duration // 0: grace

	Now  func(context.Context) (time.Time, error) // nil: the clock of Postgres, by which replicas agree
	Poke <-chan struct{}                          // a value on it makes the planner look at once; may be nil
	Done func(Report, error)                      // called after each run, from its goroutine; may be nil
}

// Engine is the daemon: every replica has one. It records the slots that became due, has the queue distribute them,
// runs its share, and hands on what a dead replica left.
type Engine struct {
	Config
	set        atomic.Pointer[jobSet]
	drains     drains
	replaced   chan struct{} // a value on it makes the planner look at the jobs anew
	runner     *Runner
	stopping   chan struct{}   // closed by the first signal
	cut        context.Context // ended by the second
	retired    time.Time       // when jobs that no replica has were last looked for; used by the planner's goroutine only
	up         atomic.Bool
	turned     atomic.Pointer[time.Time]
	away       bool  // Postgres was away at the last turn; used by the planner's goroutine only
	generation int64 // of the database, at the last turn
}

// NewEngine makes an Engine; Run starts it.
func NewEngine(c Config) *Engine {
	e := &Engine{Config: c, replaced: make(chan struct{}, 1), stopping: make(chan struct{})}
	e.set.Store(newSet(c.Jobs))
	e.drains.run, e.drains.want = e.drain, c.Drains
	if e.Workers == 0 {
		e.Workers = runsAtOnce
	}
	if e.Grace == 0 {
		e.Grace = grace
	}
	if e.Now == nil {
		e.Now = c.Warehouse.Now
	}
	e.runner = &Runner{Warehouse: c.Warehouse, Log: c.Log, Holder: c.Holder, BeatEvery: c.BeatEvery}
	return e
}

// Run works until stop is closed, which lets batches finish, and returns nil then. When ctx ends, or the grace is over,
// what is left is cut. While Postgres is away it waits.
func (e *Engine) Run(ctx context.Context, stop <-chan struct{}) error {
	cut, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	e.cut = cut
	queue, err := e.start(ctx, stop)
	if err != nil || queue == nil {
		return err
	}
	e.comeRound()
	e.up.Store(true)
	e.Log.Info("serving", slog.Int("jobs", len(e.all())))
	e.drains.begin()
	e.turns(ctx, stop, queue)

	e.up.Store(false)
	close(e.stopping)
	e.drains.stop()
	e.Log.Info("stopping: no work is taken, batches in hand finish", slog.Duration("grace", e.Grace))
	timer := time.AfterFunc(e.Grace, func() { cancel(fmt.Errorf("stop: batches did not finish within %s", e.Grace)) })
	defer timer.Stop()
	late, done := context.WithTimeout(context.WithoutCancel(ctx), e.Grace+endWithin+stopMore)
	defer done()
	if err := queue.Stop(late); err != nil {
		e.Log.Warn("queue did not stop in time", slog.Any("error", err))
	}
	e.drains.all.Wait()
	return nil
}

func (e *Engine) comeRound() {
	now := time.Now()
	e.turned.Store(&now)
}

// Turned is when the planner last came round; zero where it has not begun, or has ended. A turn is bounded: whatever Postgres does, a
// planner that works comes round within a minute or two.
func (e *Engine) Turned() time.Time {
	at := e.turned.Load()
	if at == nil || !e.up.Load() {
		return time.Time{}
	}
	return *at
}

// Ready reports whether this replica does its work: it has begun, and a row can be committed.
func (e *Engine) Ready(ctx context.Context) error {
	if !e.up.Load() {
		return errors.New("serve: not begun, or stopping")
	}
	return e.Warehouse.Ready(ctx)
}

type queue = river.Client[pgx.Tx]

// start starts the queue, as soon as Postgres lets it. It answers nil where it was stopped before.
func (e *Engine) start(ctx context.Context, stop <-chan struct{}) (*queue, error) {
	for {
		q, err := e.newQueue()
		if err != nil {
			return nil, fmt.Errorf("start queue: %w", err)
		}
		if err = q.Start(context.WithoutCancel(ctx)); err == nil {
			return q, nil
		}
		e.complain("queue could not be started, trying again", extract.Errorf(extract.KindPostgres, "start queue", "no connection to Postgres"))
		select {
		case <-ctx.Done():
			return nil, nil
		case <-stop:
			return nil, nil
		case <-time.After(tryEvery):
		}
	}
}

func (e *Engine) newQueue() (*queue, error) {
	workers := river.NewWorkers()
	if err := river.AddWorkerSafely(workers, &worker{engine: e}); err != nil {
		return nil, err
	}
	if err := river.AddWorkerSafely(workers, &chunkWorker{engine: e, atWork: map[int64]int{}}); err != nil {
		return nil, err
	}
	return river.NewClient(riverpgxv5.New(e.Warehouse.Pool()), &river.Config{
		ID:                   e.Holder,
		Schema:               "syncd",
		Queues:               map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: e.Workers}, chunkQueue: {MaxWorkers: e.chunkWorkers()}},
		Workers:              workers,
		JobTimeout:           -1,
		RescueStuckJobsAfter: rescueAfter,
		ReindexerIndexNames:  []string{}, // only the owner of its tables could
		Logger:               slog.New(warnings{e.Log.Handler()}),
	})
}

// turns plans at every slot, every poke and at least every turnEvery, until it is told to stop.
func (e *Engine) turns(ctx context.Context, stop <-chan struct{}, q *queue) {
	for {
		next := e.turn(ctx, q)
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
		case <-stop:
		case <-e.Poke:
			timer.Stop()
			continue
		case <-e.replaced:
			timer.Stop()
			continue
		case <-timer.C:
			continue
		}
		timer.Stop()
		return
	}
}

var errSilentPostgres = errors.New("postgres did not answer within " + turnWithin.String())

// turn does all that a replica owes the others, and answers how long there is nothing more to do.
func (e *Engine) turn(ctx context.Context, q *queue) time.Duration {
	turn, cancel := context.WithTimeoutCause(ctx, turnWithin, errSilentPostgres)
	defer cancel()
	defer e.comeRound()
	if err := e.own(turn); err != nil {
		e.complain("nothing is done in this database", err)
		return tryEvery
	}
	next, err := e.plan(turn)
	if err == nil {
		var lost []load.Lost
		if lost, err = e.Warehouse.Reap(turn); err == nil {
			for _, l := range lost {
				e.Log.Warn("run was silent, it is lost", slog.String("job", l.Job), slog.Int64("run_id", l.RunID))
			}
			if err = e.distribute(turn, q); err == nil {
				err = e.distributeChunks(turn, q)
			}
		}
	}
	if err != nil && ctx.Err() == nil {
		e.complain("planner waits", err)
		return tryEvery
	}
	e.away = false
	return next
}

// own makes sure that the database is still the one that this replica works in, and not another that took its place. One that was
// restored knows nothing of what was told to the one before.
func (e *Engine) own(ctx context.Context) error {
	if err := e.Warehouse.Guard(ctx); err != nil {
		return err
	}
	if now := e.Warehouse.Generation(); now != e.generation {
		e.generation = now
		clear(e.set.Load().seen)
	}
	return nil
}

// complain logs a failure when it begins, not at every try.
func (e *Engine) complain(message string, err error) {
	if !e.away {
		e.Log.Warn(message, slog.Any("error", err))
	}
	e.away = true
}

// warnings lets through what the queue says from warnings upwards.
type warnings struct{ slog.Handler }

// Enabled lets warnings and errors through.
func (w warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && w.Handler.Enabled(ctx, level)
}

// WithAttrs keeps the threshold.
func (w warnings) WithAttrs(attrs []slog.Attr) slog.Handler {
	return warnings{w.Handler.WithAttrs(attrs)}
}

// WithGroup keeps the threshold.
func (w warnings) WithGroup(name string) slog.Handler { return warnings{w.Handler.WithGroup(name)} }
