package load

import (
	"context"
	_ "embed"
	"errors"
	"fmt"

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

// Bind binds the job to the source behind it, at its first run. Where another answers later the run is held, until a person
// approves it: then the job reads that one from this run on, from the beginning, and what the source does not list goes.
func (r *Run) Bind(ctx context.Context, id extract.Identity) error {
	var other *otherSource
	err := r.w.transact(ctx, "bind job "+r.job, func(tx pgx.Tx) error {
		other = nil
		if err := r.hold(ctx, tx); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, jobBindSQL, r.job, id.Server, id.ID, id.Title, id.Version)
		if err != nil || tag.RowsAffected() == 1 {
			return err
		}
		o := &otherSource{job: r.job, id: id, run: r.id}
		if err := tx.QueryRow(ctx, jobBoundSQL, r.job).Scan(&o.server, &o.source); err != nil {
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
		for _, hash := range approved {
			if hash == sourceHash(id) {
				return r.rebind(ctx, tx, o)
			}
		}
		other = o
		return nil
	})
	if err != nil || other == nil {
		return err
	}
	hash := sourceHash(id)
	if err := r.keepHeld(ctx, &going{table: heldSource, hashes: map[[16]byte]bool{hash: true}}); err != nil {
		return err
	}
	return other
}

// rebind lets the job read another source, as somebody has approved.
func (r *Run) rebind(ctx context.Context, tx pgx.Tx, o *otherSource) error {
	if _, err := tx.Exec(ctx, jobRebindSQL, r.job, o.id.Server, o.id.ID, o.id.Title, o.id.Version); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, markForgetSQL, r.job); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, heldUsedSQL, r.job, r.schema, heldSource, [][16]byte{sourceHash(o.id)}); err != nil {
		return err
	}
	r.released = true
	return audit(ctx, tx, "syncd", "rebind", "job "+r.job, map[string]string{"from": o.server + " " + o.source, "to": o.id.Server + " " + o.id.ID})
}
