// Package load keeps the warehouse: it makes tables agree with what a source says of itself, merges batches
// into them, and writes the ledger (runs, claims, marks, slots, rejects) in the same transactions. It keeps the inbox of what is
// pushed, which is drained into batches like everything else.
//
// What comes in: extract.Structure, extract.Batch and extract.Delivery. What goes out: rows in Postgres, counts that add up, and
// what a verdict needs. It promises that a batch is loaded once however often it is handed in, that unchanged rows
// are not touched, that a holder whose claim was taken writes nothing, and that nothing from a source reaches SQL
// except as a quoted identifier or a parameter. It must never know the name of a source.
package load

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/jackc/pgx/v5/pgconn"

	"syncd/extract"
)

// Run is a claimed right to write for (job, chunk), with the row in syncd.run that tells of it. It is used by one
// goroutine, except for Beat.
type Run struct {
	w      *Warehouse
	id     int64
	job    string
	chunk  string
	schema string // base schema of the job
	epoch  int64
	// generation is that of the database when the run began: one that was restored since knows nothing of the run.
	generation int64
	seq        int64  // of the next batch
	tables     tables // as Agree found or made them
	state      merged
	// behind says that rows of this run wait for a table: it may not say that it has come anywhere.
	behind bool

	deletes Deletes
	drift   Drift
	present []string // of the order, as byName
	byName  bool
	asIs    bool // tables are taken as they are
	// released is the approval by which the job reads another source than before, until that was read to its end: what
	// it does not list goes.
	released [][16]byte
}

// How long a batch is tried while Postgres is away or in the way, and how long one try may take.
const (
	loadPatience = 2 * time.Minute
	loadTry      = 5 * time.Minute
)

// Load makes the warehouse agree with a batch inside its scope, in one transaction. A batch whose COMMIT was sent
// and not answered is loaded again, and recognised if it was committed. Errors are *StaleError (stop, the claim is
// another's), *HeldError (the brake), or *extract.Error.
func (r *Run) Load(ctx context.Context, b *extract.Batch) (*Result, error) {
	if r.tables == nil {
		return nil, extract.Errorf(extract.KindInternal, "load batch", "the run has not agreed on any structure")
	}
	w, err := r.prepare(b)
	defer r.release(w)
	if err != nil {
		return nil, err
	}
	var result *Result
	patience := backoff.NewExponentialBackOff(backoff.WithInitialInterval(50*time.Millisecond),
		backoff.WithMaxInterval(10*time.Second), backoff.WithMaxElapsedTime(loadPatience))
	err = backoff.Retry(func() error {
		var err error
		if result, err = r.persist(ctx, w); err != nil && !again(ctx, err) {
			return backoff.Permanent(err)
		}
		return err
	}, backoff.WithContext(patience, ctx))
	for _, g := range w.held {
		if err := r.keepHeld(ctx, g); err != nil {
			return nil, err
		}
	}
	if len(w.held) > 0 {
		return nil, err
	}
	if err != nil {
		return nil, fault("load batch", err)
	}
	r.seq++
	r.analyze(ctx, w)
	return result, nil
}

// persist tries a batch, and again at once in another way where Postgres refused the way and not the moment.
func (r *Run) persist(ctx context.Context, w *work) (*Result, error) {
	replanned := false
	for {
		try, cancel := context.WithTimeout(ctx, loadTry)
		result, err := r.try(try, w)
		cancel()
		var row *refusedRow
		var pg *pgconn.PgError
		switch {
		case err == nil:
			return result, nil
		case errors.As(err, &row):
			if err := r.refuse(row.in, row.row, row.state); err != nil {
				return nil, err
			}
		case !errors.As(err, &pg):
			return nil, err
		case pg.Code == "23505" && !w.staged:
			w.staged = true
			w.doubt()
		case pg.Code == "0A000" && !replanned: // a plan of before a change of structure
			r.w.pool.Reset()
			replanned = true
		case aboutData(pg) && !w.careful:
			w.careful = true
		default:
			return nil, err
		}
	}
}

// again reports whether the same batch may succeed in a moment: Postgres is away or overloaded, or somebody was in the
// way. What Postgres did not say itself is an unknown outcome, also of a COMMIT: the batch is loaded again and
// recognised if it is there.
func again(ctx context.Context, err error) bool {
	var pg *pgconn.PgError
	switch {
	case ctx.Err() != nil:
		return false
	case passing(err), errors.Is(err, context.DeadlineExceeded):
		return true
	case !errors.As(err, &pg):
		return false
	}
	switch pg.Code {
	case "57014", "57P05", "25006", "25P03", // cancelled, idle for too long, read-only
		"42P06", "42P07": // somebody else made the same schema or table in this moment
		return true
	}
	return strings.HasPrefix(pg.Code, "53") // disk full, out of memory, too many connections
}
