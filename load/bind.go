package load

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/zeebo/xxh3"

	"syncd/extract"
)

var (
	//go:embed sql/job_bind.sql
	jobBindSQL string
	//go:embed sql/job_bound.sql
	jobBoundSQL string
	//go:embed sql/job_rebind.sql
	jobRebindSQL string
)

// heldSource is where syncd.held keeps that another source answered, in place of a table.
const heldSource = "(source)"

// otherSource is the error of a job behind which another source answers than before.
type otherSource struct {
	job, server, source string // bound to
	id                  extract.Identity
	run                 int64
}

// Error says which source is read and which answered.
func (e *otherSource) Error() string {
	return fmt.Sprintf("bind job %s: it reads project %s of %s since its first run, and now project %s of %s answered; nothing was read, held for approval",
		e.job, e.source, e.server, e.id.ID, e.id.Server)
}

// Unwrap gives the error its kind, and what to do next.
func (e *otherSource) Unwrap() error {
	return &extract.Error{
		Kind: extract.KindHeld, What: "bind job " + e.job, Cause: errors.New("another project answered"),
		Next: fmt.Sprintf("put back the URL and the credential that open %s; to load %s as well, give it a [job.NAME] block and a schema of its own; "+
			"if this job shall read %s in place of %s from now on, and forget what it holds: syncd approve %d", e.source, e.id.ID, e.id.ID, e.source, e.run),
	}
}

func sourceHash(id extract.Identity) [16]byte {
	return xxh3.HashString128(id.Server + "\x00" + id.ID).Bytes()
}

// errRebound says that what was read of a job's marks and memo was another source's.
var errRebound = errors.New("the job reads another source from now on, as was approved, and begins again without marks")

// Bind binds the job to the source behind it, at its first run. Where another answers later the run is held, until a person
// approves it: then the job is bound to that one, forgets its marks, and the run has to begin again (KindDrift). Until the
// job has marks again, what the source does not list goes. A job that has read nothing yet goes on as the one that read the
// source before, if that is in the configuration no more (ErrRenamed, of KindDrift: the run has to begin again).
func (r *Run) Bind(ctx context.Context, id extract.Identity) error {
	var other *otherSource
	var rebound bool
	var before string // stays where the reply to the COMMIT was lost
	err := r.w.transact(ctx, "bind job "+r.job, func(tx pgx.Tx) error {
		other, rebound, r.released = nil, false, nil
		if err := r.hold(ctx, tx); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, heldApprovedSQL, r.job, r.schema, heldSource)
		if err != nil {
			return err
		}
		approved, err := pgx.CollectRows(rows, pgx.RowTo[[16]byte])
		if err != nil {
			return err
		}
		mine := slices.Index(approved, sourceHash(id))
		switch name, err := r.takeOver(ctx, tx, id, mine >= 0); {
		case err != nil:
			return err
		case name != "":
			before = name
		}
		tag, err := tx.Exec(ctx, jobBindSQL, r.job, id.Server, id.ID, id.Title, id.Version)
		switch {
		case err != nil:
			return err
		case tag.RowsAffected() == 1 && len(approved) == 0:
			return nil
		case tag.RowsAffected() == 1 && mine < 0:
			// The source of before answers: what was approved is not for another time.
			_, err := tx.Exec(ctx, heldUsedSQL, r.job, r.schema, heldSource, approved)
			return err
		case tag.RowsAffected() == 1: // rebound by a run that did not come to its end
			r.released = [][16]byte{approved[mine]}
			return nil
		}
		other = &otherSource{job: r.job, id: id, run: r.id}
		if err := tx.QueryRow(ctx, jobBoundSQL, r.job).Scan(&other.server, &other.source); err != nil || mine < 0 {
			return err
		}
		rebound = true
		return r.rebind(ctx, tx, other)
	})
	if errors.As(err, new(*elsewhere)) {
		return errors.Join(err, r.holdSource(ctx, id))
	}
	switch {
	case err == nil && before != "":
		return extract.Errorf(extract.KindDrift, "bind job "+r.job, "%w", ErrRenamed)
	case err != nil || other == nil:
		return err
	case rebound:
		return extract.Errorf(extract.KindDrift, "bind job "+r.job, "%w", errRebound)
	}
	if err := r.holdSource(ctx, id); err != nil {
		return err
	}
	return other
}

// holdSource keeps which source waits for a person to approve it.
func (r *Run) holdSource(ctx context.Context, id extract.Identity) error {
	return r.keepHeld(ctx, &going{table: heldSource, hashes: map[[16]byte]bool{sourceHash(id): true}})
}

// rebind lets the job read another source, as somebody has approved.
func (r *Run) rebind(ctx context.Context, tx pgx.Tx, o *otherSource) error {
	if _, err := tx.Exec(ctx, jobRebindSQL, r.job, o.id.Server, o.id.ID, o.id.Title, o.id.Version); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, markForgetSQL, r.job); err != nil {
		return err
	}
	return audit(ctx, tx, "syncd", "rebind", "job "+r.job, map[string]string{"from": o.server + " " + o.source, "to": o.id.Server + " " + o.id.ID})
}

// settleRelease ends what an approved source may do: it has been read to its end.
func (r *Run) settleRelease(ctx context.Context, tx pgx.Tx) error {
	if r.released == nil {
		return nil
	}
	_, err := tx.Exec(ctx, heldUsedSQL, r.job, r.schema, heldSource, r.released)
	return err
}
