package load

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"syncd/extract"
	"syncd/internal/pgtest"
	"syncd/migrations"
)

func TestClaimGoesToOneOfManyThatAskAtOnce(t *testing.T) {
	t.Parallel()
	w := ledger(t)
	var mu sync.Mutex
	var runs []*Run
	var busy int
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			r, err := w.Begin(t.Context(), order())
			mu.Lock()
			defer mu.Unlock()
			var b *BusyError
			switch {
			case err == nil:
				runs = append(runs, r)
			case errors.As(err, &b) && b.RunID > 0 && b.Holder == "here":
				busy++
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if len(runs) != 1 || busy != 7 {
		t.Fatalf("%d runs began, %d were refused", len(runs), busy)
	}
	if n := ask[int64](t, w, "SELECT count(*) FROM syncd.run"); n != 1 {
		t.Fatalf("%d run rows", n)
	}
}

func TestHolderThatFellSilentLosesItsClaimAndWritesNothingMore(t *testing.T) {
	t.Parallel()
	w := ledger(t)
	zombie := begin(t, w, order())
	if _, err := w.Begin(t.Context(), order()); !errors.As(err, new(*BusyError)) {
		t.Fatalf("a beating holder was robbed: %v", err)
	}
	silence(t, w)
	heir := begin(t, w, order())
	if heir.epoch <= zombie.epoch {
		t.Fatalf("epoch went from %d to %d", zombie.epoch, heir.epoch)
	}
	for what, err := range map[string]error{
		"beat": zombie.Beat(t.Context()),
		"bind": zombie.Bind(t.Context(), extract.Identity{Server: "s", ID: "1"}),
		"end":  zombie.End(t.Context(), Ending{State: Succeeded, Verdict: Proven}),
	} {
		if !errors.As(err, new(*StaleError)) {
			t.Errorf("%s of a zombie: %v", what, err)
		}
	}
	if s := ask[string](t, w, "SELECT state FROM syncd.run WHERE run_id = $1", zombie.id); s != "lost" {
		t.Errorf("the zombie's run is %s", s)
	}
	if err := heir.Beat(t.Context()); err != nil {
		t.Error(err)
	}
	end(t, heir, Ending{State: Succeeded})
	again := begin(t, w, order())
	end(t, again, Ending{State: Succeeded})
}

func TestTakerJudgesTheBeatAfterItsWait(t *testing.T) {
	t.Parallel()
	w := ledger(t)
	holder := begin(t, w, order())
	silence(t, w)
	tx := start(t, w)
	if err := holder.hold(t.Context(), tx); err != nil { // a batch that takes its time
		t.Fatal(err)
	}
	got := make(chan error, 1)
	go func() {
		_, err := w.Begin(t.Context(), order())
		got <- err
	}()
	waitFor(t, w, "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"+
		" OR NOT granted AND locktype = 'transactionid'")
	// Who waits for a claim holds nothing else: a holder that binds its job locks the job's row after its claim.
	if _, err := tx.Exec(t.Context(), "SELECT FROM syncd.job WHERE job = 'asthma' FOR UPDATE NOWAIT"); err != nil {
		t.Fatalf("the job's row is held by a run that waits for the claim: %v", err)
	}
	if _, err := tx.Exec(t.Context(), "UPDATE syncd.claim SET beat_at = clock_timestamp()"); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-got; !errors.As(err, new(*BusyError)) {
		t.Fatalf("the claim was taken from a holder that had just committed: %v", err)
	}
}

func TestBeatSkipsTheClaimThatItsOwnBatchHasLocked(t *testing.T) {
	t.Parallel()
	w := ledger(t)
	r := begin(t, w, order())
	silence(t, w)
	tx := start(t, w)
	if err := r.hold(t.Context(), tx); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := r.Beat(ctx); err != nil {
		t.Fatalf("beat waited for the batch: %v", err)
	}
	if lost, err := w.Reap(ctx); err != nil || len(lost) != 0 {
		t.Fatalf("a run at work was reaped: %v, %v", lost, err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if lost, err := w.Reap(ctx); err != nil || len(lost) != 1 || lost[0].RunID != r.id {
		t.Fatalf("a silent run was not reaped: %v, %v", lost, err)
	}
}

func TestWholeRunAndChunksOfOneJobExcludeEachOther(t *testing.T) {
	t.Parallel()
	w := ledger(t)
	one, two, whole := order(), order(), order()
	one.Chunk, two.Chunk = "1", "2"
	a := begin(t, w, one)
	b := begin(t, w, two)
	if _, err := w.Begin(t.Context(), whole); !errors.As(err, new(*BusyError)) {
		t.Fatalf("a whole run beside its chunks: %v", err)
	}
	end(t, a, Ending{State: Succeeded})
	end(t, b, Ending{State: Succeeded})
	r := begin(t, w, whole)
	if _, err := w.Begin(t.Context(), one); !errors.As(err, new(*BusyError)) {
		t.Fatalf("a chunk beside the whole run: %v", err)
	}
	silence(t, w)
	c := begin(t, w, one)
	if err := r.Beat(t.Context()); !errors.As(err, new(*StaleError)) {
		t.Fatalf("the silent whole run goes on beside a chunk: %v", err)
	}
	end(t, c, Ending{State: Succeeded})
}

// Holders come, write, fall silent at random and come back as zombies; what is written must look as if one holder
// after the other had been there.
func TestNoZombieWritesAmongItsSuccessors(t *testing.T) {
	t.Parallel()
	w := ledger(t)
	do(t, w, "CREATE SCHEMA aside; CREATE TABLE aside.history (at bigint GENERATED ALWAYS AS IDENTITY, epoch bigint, run_id bigint)")
	var refused, written atomic.Int64
	write := func(r *Run) error {
		return pgx.BeginFunc(t.Context(), w.pool, func(tx pgx.Tx) error {
			if err := r.hold(t.Context(), tx); err != nil {
				return err
			}
			_, err := tx.Exec(t.Context(), "INSERT INTO aside.history (epoch, run_id) VALUES ($1, $2)", r.epoch, r.id)
			return err
		})
	}
	var all sync.WaitGroup
	for i := range 4 {
		chance := rand.New(rand.NewPCG(1, uint64(i)))
		all.Go(func() {
			for range 25 {
				r, err := w.Begin(t.Context(), order())
				if errors.As(err, new(*BusyError)) {
					if chance.IntN(3) == 0 {
						silence(t, w)
					}
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				for range chance.IntN(6) {
					err = write(r)
					if err == nil {
						err = r.Beat(t.Context())
						written.Add(1)
					}
					if errors.As(err, new(*StaleError)) {
						refused.Add(1)
					} else if err != nil {
						t.Error(err)
					}
				}
				if chance.IntN(2) == 0 {
					if err := r.End(t.Context(), Ending{State: Succeeded}); err != nil && !errors.As(err, new(*StaleError)) {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	wrong := ask[int](t, w, "SELECT count(*) FROM (SELECT epoch, lag(epoch) OVER (ORDER BY at) AS before FROM aside.history) AS h WHERE before > epoch")
	shared := ask[int](t, w, "SELECT count(*) FROM (SELECT epoch FROM aside.history GROUP BY epoch HAVING count(DISTINCT run_id) > 1) AS h")
	if wrong != 0 || shared != 0 {
		t.Errorf("%d writes of an earlier holder after a later one, %d epochs with two holders", wrong, shared)
	}
	if n := ask[int](t, w, "SELECT count(*) FROM syncd.run WHERE state = 'running'"); n > 1 {
		t.Errorf("%d runs are running", n)
	}
	t.Logf("%d writes, %d zombie writes refused", written.Load(), refused.Load())
}

func TestReapEndsARunWithoutAClaim(t *testing.T) {
	t.Parallel()
	w := ledger(t)
	do(t, w, "INSERT INTO syncd.run (job, kind, state) VALUES ('asthma', 'sync', 'running')")
	if _, err := w.Reap(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := ask[string](t, w, "SELECT state FROM syncd.run"); s != "lost" {
		t.Fatalf("the stray run is %s", s)
	}
}

// ledger opens a migrated warehouse of the test's own.
func ledger(t *testing.T) *Warehouse {
	t.Helper()
	return ledgerAt(t, pgtest.New(t), nil)
}

func ledgerAt(t *testing.T, url string, change func(*pgxpool.Config)) *Warehouse {
	t.Helper()
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(config)
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return &Warehouse{pool: pool}
}

func order() Order {
	return Order{Job: "asthma", Kind: "sync", Schema: "asthma", Source: "redcap.main", Holder: "here"}
}

func begin(t *testing.T, w *Warehouse, o Order) *Run {
	t.Helper()
	r, err := w.Begin(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func end(t *testing.T, r *Run, e Ending) {
	t.Helper()
	if err := r.End(t.Context(), e); err != nil {
		t.Fatal(err)
	}
}

func start(t *testing.T, w *Warehouse) pgx.Tx {
	t.Helper()
	tx, err := w.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) })
	return tx
}

// silence makes every holder look as if it had not beaten for longer than Silence.
func silence(t *testing.T, w *Warehouse) {
	t.Helper()
	do(t, w, "UPDATE syncd.claim SET beat_at = beat_at - interval '41 s'")
}

func do(t *testing.T, w *Warehouse, statement string, args ...any) {
	t.Helper()
	if _, err := w.pool.Exec(t.Context(), statement, args...); err != nil {
		t.Fatal(err)
	}
}

// asOwner runs a statement as the role that owns schema syncd.
func asOwner(t *testing.T, w *Warehouse, statement string) {
	t.Helper()
	do(t, warehouseAt(t, Config{URL: pgtest.As(w.own.URL, migrations.RoleMigrate)}), statement)
}

func ask[T any](t *testing.T, w *Warehouse, query string, args ...any) (answer T) {
	t.Helper()
	if err := w.pool.QueryRow(t.Context(), query, args...).Scan(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

// waitFor asks until the answer is true.
func waitFor(t *testing.T, w *Warehouse, query string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for yes := false; !yes; {
		if err := w.pool.QueryRow(ctx, query).Scan(&yes); err != nil {
			t.Fatalf("wait: %v", err)
		}
	}
}
