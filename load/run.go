package load

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"syncd/extract"
)

var (
	//go:embed sql/job_see.sql
	jobSeeSQL string
	//go:embed sql/job_move.sql
	jobMoveSQL string
	//go:embed sql/run_begin.sql
	runBeginSQL string
	//go:embed sql/run_lost.sql
	runLostSQL string
	//go:embed sql/run_stray.sql
	runStraySQL string
	//go:embed sql/run_end.sql
	runEndSQL string
	//go:embed sql/run_state.sql
	runStateSQL string
	//go:embed sql/run_live.sql
	runLiveSQL string
)

// State is how a run stands.
type State string

// The states of a run.
const (
	Running   State = "running"
	Succeeded State = "succeeded"
	Failed    State = "failed"
	Held      State = "held"
	Cancelled State = "cancelled"
	LostState State = "lost"
)

// Verdict is what was proved about a run.
type Verdict string

// The verdicts.
const (
	Proven   Verdict = "proven"
	Unproven Verdict = "unproven"
	Mismatch Verdict = "mismatch"
)

// Proof is one of the proofs behind a verdict.
type Proof struct {
	Name   string           `json:"name"` // ids, changes, cells
	Holds  bool             `json:"holds"`
	At     time.Time        `json:"at,omitzero"`      // the source's instant that it holds for
	Reason string           `json:"reason,omitempty"` // why it does not hold, or could not be made
	Broken bool             `json:"broken,omitempty"` // it was made, and shows a mismatch
	Counts map[string]int64 `json:"counts,omitempty"`
}

// Order asks for a run.
type Order struct {
	Job    string
	Kind   string    // what is done: sync, full, drain, backfill
	Chunk  string    // part of a backfill; empty is the whole job
	Schema string    // base schema that the job writes
	Source string    // name of the source in the configuration: "redcap.main"
	Holder string    // who runs it: host and process
	Slot   time.Time // the instant at which it was due; zero where nobody planned it
	// Present are the names of all jobs and receivers of the configuration: a job that the ledger knows beside them has vanished
	// from it, and one that reads its source under another name goes on as it did. nil: of none is known that it vanished.
	Present []string
	ByName  bool // Schema is the job's name, because the configuration gives no other: one that was renamed keeps its own
	// Deletes says what becomes of rows that are moved out, Drift what of tables whose source has another structure; empty
	// is the first of each.
	Deletes Deletes
	Drift   Drift
	AsIs    bool // tables are taken as they are: others may be at work on them
}

// Deletes is what becomes of rows that the source does not have any more.
type Deletes string

// Rows that are moved out are kept in the archive, or are gone for good; what the archive holds stays.
const (
	ToArchive Deletes = "archive"
	ForGood   Deletes = "hard"
)

// Drift is what becomes of the tables of a source whose structure changes.
type Drift string

// Tables follow their source, or stay as they are: then only new ones are made, what has no column waits in _extra, and
// every other change is recorded as pending.
const (
	Evolve Drift = "evolve"
	Freeze Drift = "freeze"
)

// Begin takes the claim of (job, chunk) and writes the run's row, in one transaction. Whoever held the claim and fell
// silent is lost from then on. Answers *BusyError where the holder is alive, *SettledError where the slot is not due
// (another replica has it, or it has ended), *PausedError where the job or its source is paused.
func (w *Warehouse) Begin(ctx context.Context, o Order) (*Run, error) {
	r := &Run{w: w, job: o.Job, chunk: o.Chunk, schema: o.Schema, deletes: o.Deletes, drift: o.Drift, present: o.Present, byName: o.ByName, asIs: o.AsIs}
	if o.Job == "" || o.Schema == "" || o.Kind == "" || o.Holder == "" {
		return nil, extract.Errorf(extract.KindInternal, "begin run", "job, kind, schema and holder must be given")
	}
	err := w.transact(ctx, "begin run of "+o.Job, func(tx pgx.Tx) error {
		r.generation = w.Generation()
		if adopted, err := r.adopt(ctx, tx); adopted || err != nil {
			return err
		}
		if err := refusePaused(ctx, tx, o); err != nil {
			return err
		}
		if err := refuseLoading(ctx, tx, o); err != nil {
			return err
		}
		if err := lockClaim(ctx, tx, o.Job, o.Chunk); err != nil {
			return err
		}
		warnings, err := seeJob(ctx, tx, &o)
		if err != nil {
			return err
		}
		r.schema = o.Schema
		if r.epoch, err = judgeClaim(ctx, tx, o.Job, o.Chunk); err != nil {
			return err
		}
		var slot *time.Time
		if !o.Slot.IsZero() {
			slot = &o.Slot
		}
		row := tx.QueryRow(ctx, runBeginSQL, o.Job, o.Kind, slot, o.Chunk, r.epoch, o.Holder, o.Schema, warnings)
		if err := row.Scan(&r.id); err != nil {
			return err
		}
		if slot != nil {
			if err := startSlot(ctx, tx, r.id, o); err != nil {
				return err
			}
		}
		if o.Kind == KindBackfill && o.Chunk != "" {
			if err := startChunk(ctx, tx, r.id, o); err != nil {
				return err
			}
		}
		return tx.QueryRow(ctx, claimTakeSQL, o.Job, o.Chunk, o.Holder, r.id).Scan(&r.epoch)
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// adopt recognises on a second try that the first one did commit, although its reply was lost.
func (r *Run) adopt(ctx context.Context, tx pgx.Tx) (bool, error) {
	if r.id == 0 {
		return false, nil
	}
	err := tx.QueryRow(ctx, claimAdoptSQL, r.job, r.chunk, r.id).Scan(&r.epoch)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// seeJob makes the job known. One whose schema was changed in the file starts from nothing in the new one; what it wrote
// before stays where it is.
func seeJob(ctx context.Context, tx pgx.Tx, o *Order) (warnings []string, err error) {
	if err := knowJob(ctx, tx, o); err != nil {
		return nil, err
	}
	var old string
	switch err := tx.QueryRow(ctx, jobMoveSQL, o.Job, o.Schema, o.Source).Scan(&old); {
	case errors.Is(err, pgx.ErrNoRows) || err == nil && old == o.Schema:
		return nil, nil
	case err != nil:
		return nil, err
	}
	if err := letBack(ctx, tx, o.Job, old, o.Schema); err != nil {
		return nil, err
	}
	if _, err := tx.Exec(ctx, markForgetSQL, o.Job); err != nil {
		return nil, err
	}
	return []string{fmt.Sprintf("the job wrote schema %s until now; %s is filled from the start, %s stays as it is", old, o.Schema, old)}, nil
}

// ID returns the run's id.
func (r *Run) ID() int64 { return r.id }

// Schema returns the base schema that the run writes. Bind may change it.
func (r *Run) Schema() string { return r.schema }

// Ending is how a run ended.
type Ending struct {
	State     State
	Verdict   Verdict // empty where the run did not get so far
	Reason    string  // of the verdict, or of the cancelling
	Proofs    []Proof
	Live      []TableRows // rows per table at the end, where they were counted
	ErrorKind extract.Kind
	Error     string // free of values and secrets
	Next      string // what to type or whom to ask
	Warnings  []string
	Requests  int64
	Bytes     int64
	LogRows   int64  // rows that the upstream's own log keeps of the run
	By        string // of a cancelled run: who asked for it; empty where its process was stopped, and its slot is due again
	Again     bool   // of a failed run: its slot is due again, for its source is down and not the job at fault
	Drift     int64  // rows that a full run found changed though nothing at the source had told of it
}

// TableRows is the number of live rows of one table.
type TableRows struct {
	Schema, Table string
	Rows          int64
}

// End writes how the run ended, lets go of the claim and settles the slot, in one transaction. A second call with the
// same state does nothing, so that a lost reply may be answered by calling again. A *StaleError means that another
// holder has ended the run as lost.
func (r *Run) End(ctx context.Context, e Ending) error {
	proofs, err := json.Marshal(e.Proofs)
	if err != nil {
		return fmt.Errorf("end run: %w", err)
	}
	if len(e.Proofs) == 0 {
		proofs = nil
	}
	return r.w.transact(ctx, fmt.Sprintf("end run %d of %s", r.id, r.job), func(tx pgx.Tx) error {
		if err := r.hold(ctx, tx); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, runEndSQL, r.id, e.State, orNull(e.Verdict), orNull(e.Reason), proofs, e.Requests, e.Bytes, e.Drift,
			orNull(e.ErrorKind), orNull(e.Error), orNull(e.Next), e.Warnings, e.LogRows)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return r.ended(ctx, tx, e.State)
		}
		if err := r.keepLive(ctx, tx, e.Live); err != nil {
			return err
		}
		if err := settleSlot(ctx, tx, r.id, e); err != nil {
			return err
		}
		if err := settleChunk(ctx, tx, r.id, e); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, claimReleaseSQL, r.job, r.chunk)
		return err
	})
}

// ended answers a second End: the same state is the lost reply of the first.
func (r *Run) ended(ctx context.Context, tx pgx.Tx, want State) error {
	var state State
	if err := tx.QueryRow(ctx, runStateSQL, r.id).Scan(&state); err != nil {
		return err
	}
	if state != want {
		return extract.Errorf(extract.KindInternal, "end run", "run %d has ended as %s, not as %s", r.id, state, want)
	}
	return nil
}

func (r *Run) keepLive(ctx context.Context, tx pgx.Tx, live []TableRows) error {
	if len(live) == 0 {
		return nil
	}
	schemas, tables, rows := make([]string, len(live)), make([]string, len(live)), make([]int64, len(live))
	for i, l := range live {
		schemas[i], tables[i], rows[i] = l.Schema, l.Table, l.Rows
	}
	_, err := tx.Exec(ctx, runLiveSQL, r.id, schemas, tables, rows)
	return err
}

func orNull[S ~string](s S) *string {
	if s == "" {
		return nil
	}
	t := string(s)
	return &t
}
