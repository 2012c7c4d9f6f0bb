package load

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// How a run shows that it is alive: it beats every BeatEvery, and one that was silent for Silence has lost its claim
// to whoever asks for it. Both are judged by the clock of Postgres.
const (
	BeatEvery = 10 * time.Second
	Silence   = 40 * time.Second
)

var (
	//go:embed sql/claim_make.sql
	claimMakeSQL string
	//go:embed sql/claim_lock.sql
	claimLockSQL string
	//go:embed sql/claim_judge.sql
	claimJudgeSQL string
	//go:embed sql/claim_take.sql
	claimTakeSQL string
	//go:embed sql/claim_free.sql
	claimFreeSQL string
	//go:embed sql/claim_hold.sql
	claimHoldSQL string
	//go:embed sql/claim_adopt.sql
	claimAdoptSQL string
	//go:embed sql/claim_beat.sql
	claimBeatSQL string
	//go:embed sql/claim_listen.sql
	claimListenSQL string
	//go:embed sql/claim_epoch.sql
	claimEpochSQL string
	//go:embed sql/claim_release.sql
	claimReleaseSQL string
	//go:embed sql/claim_silent.sql
	claimSilentSQL string
)

// BusyError says that another run holds the claim and is alive.
type BusyError struct {
	Job    string
	Chunk  string // of a backfill; empty: the whole job
	RunID  int64
	Holder string
	Since  time.Time
	Silent time.Duration // since its last beat; more than one interval of beats makes one wonder
}

// Error names the run that holds the claim.
func (e *BusyError) Error() string {
	return fmt.Sprintf("begin run of %s: run %d of %s has been at it since %s", e.Job, e.RunID, e.Holder, e.Since.UTC().Format(time.RFC3339))
}

// claim is one row of syncd.claim as judged under its lock.
type claim struct {
	chunk  string
	epoch  int64
	runID  int64
	holder string
	since  time.Time
	silent time.Duration
	alive  bool // its run has not ended, and beats
}

// lockClaim locks the claims that stand for (job, chunk) or exclude it. Whoever locks the job's row too does this first, as
// everything that a run writes begins with its claim.
func lockClaim(ctx context.Context, tx pgx.Tx, job, chunk string) error {
	if _, err := tx.Exec(ctx, claimMakeSQL, job, chunk); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, claimLockSQL, job, chunk)
	return err
}

// takeClaim locks the claims that stand for (job, chunk) or exclude it, and judges them after the wait.
func takeClaim(ctx context.Context, tx pgx.Tx, job, chunk string) (epoch int64, err error) {
	if err := lockClaim(ctx, tx, job, chunk); err != nil {
		return 0, err
	}
	return judgeClaim(ctx, tx, job, chunk)
}

// judgeClaim judges the claims that lockClaim locked. What a silent predecessor held is taken from it. It answers with the epoch
// that the new holder will have.
func judgeClaim(ctx context.Context, tx pgx.Tx, job, chunk string) (epoch int64, err error) {
	rows, err := tx.Query(ctx, claimJudgeSQL, job, chunk, Silence)
	if err != nil {
		return 0, err
	}
	claims, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (c claim, err error) {
		err = row.Scan(&c.chunk, &c.epoch, &c.runID, &c.holder, &c.since, &c.silent, &c.alive)
		return c, err
	})
	if err != nil {
		return 0, err
	}
	for _, c := range claims {
		if c.alive {
			return 0, &BusyError{Job: job, Chunk: c.chunk, RunID: c.runID, Holder: c.holder, Since: c.since, Silent: c.silent}
		}
	}
	for _, c := range claims {
		if c.chunk == chunk {
			epoch = c.epoch + 1
		}
		if c.holder == "" {
			continue
		}
		if err := loseRun(ctx, tx, job, c.chunk, c.runID); err != nil {
			return 0, err
		}
		if c.chunk == chunk {
			epoch++
		}
	}
	return epoch, nil
}

// loseRun takes a claim, whose row is locked, from a run that fell silent: the run is lost, its slot due again.
func loseRun(ctx context.Context, tx pgx.Tx, job, chunk string, run int64) error {
	reason := fmt.Sprintf("run %d was silent for over %s", run, Silence)
	if _, err := tx.Exec(ctx, runLostSQL, run, reason); err != nil {
		return err
	}
	if err := giveBack(ctx, tx, run, reason); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, claimFreeSQL, job, chunk)
	return err
}

// giveBack makes due again what a lost run had: its slot, or its chunk.
func giveBack(ctx context.Context, tx pgx.Tx, run int64, reason string) error {
	if _, err := tx.Exec(ctx, slotLostSQL, run, reason, lostRuns); err != nil {
		return err
	}
	return settleChunk(ctx, tx, run, Ending{State: LostState, Error: reason})
}

// hold locks the claim of a run and refuses a run that lost it. It is the first statement of every transaction in
// which a run writes: a predecessor that is still committing is waited for, a zombie writes nothing.
func (r *Run) hold(ctx context.Context, tx pgx.Tx) error {
	var epoch int64
	if err := tx.QueryRow(ctx, claimHoldSQL, r.job, r.chunk).Scan(&epoch); err != nil {
		return r.unclaimed(err)
	}
	if epoch != r.epoch || r.outlived() {
		return &StaleError{Job: r.job, Chunk: r.chunk, Mine: r.epoch, Theirs: epoch}
	}
	return nil
}

// unclaimed says of a run whose claim is not there any more that it lost it: those of the chunks of an ended backfill are let go of.
func (r *Run) unclaimed(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return &StaleError{Job: r.job, Chunk: r.chunk, Mine: r.epoch, Theirs: r.epoch + 1}
	}
	return err
}

// outlived reports whether the database was restored since the run began: a claim in it that looks like the run's is another's.
func (r *Run) outlived() bool { return r.generation != r.w.Generation() }

// Beat says that the run is alive. While a batch of the run itself has the claim locked nothing is written and all is
// well: the batch says so at its commit. Beat may be called while the run's goroutine works; a *StaleError means
// that the run should stop, a *CancelledError that somebody asked for its end: it is answered by every beat from then on.
func (r *Run) Beat(ctx context.Context) error {
	var said int
	asked := &CancelledError{RunID: r.id}
	if err := r.w.pool.QueryRow(ctx, claimListenSQL, r.job, r.chunk, r.epoch, r.id).Scan(&said, &asked.By, &asked.Now); err != nil {
		return fault("beat", err)
	}
	if said == 0 {
		var epoch int64
		var held bool
		if err := r.w.pool.QueryRow(ctx, claimEpochSQL, r.job, r.chunk).Scan(&epoch, &held); err != nil {
			return fault("beat", r.unclaimed(err))
		}
		if epoch != r.epoch {
			return &StaleError{Job: r.job, Chunk: r.chunk, Mine: r.epoch, Theirs: epoch}
		}
	}
	if asked.By != "" {
		return asked
	}
	return nil
}

// Lost names a run that was found silent.
type Lost struct {
	RunID      int64
	Job, Chunk string
}

// Reap ends the runs that have been silent for Silence as lost, makes their slots due again, and raises the epochs of
// their claims. Any number of replicas may call it at once.
func (w *Warehouse) Reap(ctx context.Context) ([]Lost, error) {
	var lost []Lost
	err := w.transact(ctx, "look for silent runs", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, claimSilentSQL, Silence)
		if err != nil {
			return err
		}
		lost, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (l Lost, err error) {
			err = row.Scan(&l.Job, &l.Chunk, &l.RunID)
			return l, err
		})
		if err != nil {
			return err
		}
		for _, l := range lost {
			if err := loseRun(ctx, tx, l.Job, l.Chunk, l.RunID); err != nil {
				return err
			}
		}
		return endStrays(ctx, tx)
	})
	if err != nil {
		return nil, err
	}
	return lost, nil
}

// endStrays ends runs that hold no claim, and frees slots that have no run, as a restored ledger can have them.
func endStrays(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, runStraySQL)
	if err != nil {
		return err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return err
	}
	for _, id := range ids {
		const reason = "the run holds no claim"
		if _, err := tx.Exec(ctx, runLostSQL, id, reason); err != nil {
			return err
		}
		if err := giveBack(ctx, tx, id, reason); err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, slotStraySQL)
	return err
}
