package load

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"syncd/extract"
)

var (
	//go:embed sql/job_schema.sql
	jobSchemaSQL string
	//go:embed sql/job_holder.sql
	jobHolderSQL string
	//go:embed sql/job_vanish.sql
	jobVanishSQL string
	//go:embed sql/job_before.sql
	jobBeforeSQL string
	//go:embed sql/job_tenant.sql
	jobTenantSQL string
	//go:embed sql/schema_purged.sql
	schemaPurgedSQL string
	//go:embed sql/job_drop.sql
	jobDropSQL string
	//go:embed sql/job_rename.sql
	jobRenameSQL string
	//go:embed sql/slot_called.sql
	slotCalledSQL string
	//go:embed sql/job_carry.sql
	jobCarrySQL string
	//go:embed sql/job_carry_totals.sql
	jobCarryTotalsSQL string
	//go:embed sql/job_retire.sql
	jobRetireSQL string
)

// retiredAfter is for how long nobody may have had a job before it is retired: longer than a replica with an older file lives.
const retiredAfter = 2 * time.Minute

// ErrRenamed says that a run goes on as a job of another name did: what it had read of marks and memo was not that job's, so
// it begins again with those.
var ErrRenamed = errors.New("the job goes on as one of another name did, with its marks")

// elsewhere is the error of a job whose source is that of one that is not in the configuration any more, and whose block
// asks for another schema than that one has.
type elsewhere struct {
	job, schema  string
	before, kept string // the other job, and its schema
	run          int64
}

// Error says which job has read the source, and where its tables are.
func (e *elsewhere) Error() string {
	return fmt.Sprintf("bind job %s: job %s, which is not in the configuration any more, has read the same source into schema %s, and this one is to write schema %s; nothing was read",
		e.job, e.before, e.kept, e.schema)
}

// Unwrap gives the error its kind, and the two ways out.
func (e *elsewhere) Unwrap() error {
	return &extract.Error{
		Kind: extract.KindHeld, What: "bind job " + e.job, Cause: errors.New("the source has tables in another schema"),
		Next: fmt.Sprintf("to go on where %[1]s left off, set schema = %[2]q in the block of %[3]s, or leave schema out of it; to load it anew into %[4]s, beside what %[2]s holds: syncd approve %[5]d",
			e.before, e.kept, e.job, e.schema, e.run),
	}
}

// settleSchema finds the schema that an order writes: a job that was renamed keeps its own where the configuration names none. A
// job that vanished from the configuration leaves its schema to the one that the configuration gives it to.
func settleSchema(ctx context.Context, tx pgx.Tx, o *Order) error {
	if err := keptSchema(ctx, tx, o); err != nil {
		return err
	}
	return freeSchema(ctx, tx, o.Job, o.Schema, o.Present)
}

func freeSchema(ctx context.Context, tx pgx.Tx, job, schema string, present []string) error {
	var holder string
	var vanished bool
	switch err := tx.QueryRow(ctx, jobHolderSQL, schema, job, present).Scan(&holder, &vanished); {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return err
	case !vanished:
		e := extract.Errorf(extract.KindConfig, "begin run of "+job, "schema %s is written by another job, %s", schema, holder)
		e.Next = "give the job a schema of its own: schema = \"...\" in its block"
		if present == nil { // a drain
			e.Next = "give the receiver a schema of its own: schema = \"...\" in its block; one that had another name goes on under that name only, for what was pushed is kept under it"
		}
		return e
	}
	_, err := tx.Exec(ctx, jobVanishSQL, holder)
	return err
}

// asked is a transaction or the pool.
type asked interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func keptSchema(ctx context.Context, q asked, o *Order) error {
	var schema string
	var renamed bool
	err := q.QueryRow(ctx, jobSchemaSQL, o.Job).Scan(&schema, &renamed)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err == nil && renamed && o.ByName {
		o.Schema = schema
	}
	return err
}

// takeOver lets a job that has read nothing yet go on as the one that read the same source under a name that is not in the
// configuration any more: it gets that one's schema, marks and history, and no row is read or written for it. It answers with
// that name, empty where there is none. apart says that a person has approved to load the source anew.
func (r *Run) takeOver(ctx context.Context, tx pgx.Tx, id extract.Identity, apart bool) (string, error) {
	var before, schema string
	switch err := tx.QueryRow(ctx, jobBeforeSQL, r.job, id.Server, id.ID, r.present, r.schema).Scan(&before, &schema); {
	case errors.Is(err, pgx.ErrNoRows):
		return "", r.ownSchema(ctx, tx, id)
	case err != nil:
		return "", err
	case apart && schema != r.schema:
		if err := letBack(ctx, tx, r.job, schema, r.schema); err != nil {
			return "", err
		}
		return "", r.ownSchema(ctx, tx, id)
	case !r.byName && schema != r.schema:
		return "", &elsewhere{job: r.job, schema: r.schema, before: before, kept: schema, run: r.id}
	}
	if _, err := takeClaim(ctx, tx, before, ""); err != nil {
		return "", underWay(err, r.job, before)
	}
	var source string
	var spec *string
	var since *time.Time
	if err := tx.QueryRow(ctx, jobDropSQL, r.job).Scan(&source, &spec, &since); err != nil {
		return "", err
	}
	if err := freeSchema(ctx, tx, before, schema, r.present); err != nil {
		return "", err
	}
	if _, err := tx.Exec(ctx, jobRenameSQL, before, r.job, source, spec, since); err != nil {
		return "", err
	}
	note := fmt.Sprintf("the job goes on as job %s did, which is not in the configuration any more: its tables stay in schema %s, and nothing is loaded anew", before, schema)
	if err := r.carry(ctx, tx, before, schema, note); err != nil {
		return "", err
	}
	r.schema = schema
	return before, audit(ctx, tx, "syncd", "rename", "job "+r.job, map[string]string{"from": before, "schema": schema, "source": id.Server + " " + id.ID})
}

// carry gives what the ledger keeps under another name to the job, and notes it in the run.
func (r *Run) carry(ctx context.Context, tx pgx.Tx, before, schema, note string) error {
	if _, err := tx.Exec(ctx, slotCalledSQL, before, r.job); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, jobCarrySQL, before, r.job, r.id, schema, note); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, jobCarryTotalsSQL, before, r.job)
	return err
}

// ownSchema refuses a job whose schema holds what a job that vanished has read of another source.
func (r *Run) ownSchema(ctx context.Context, tx pgx.Tx, id extract.Identity) error {
	var other, server, source string
	err := tx.QueryRow(ctx, jobTenantSQL, r.schema, r.job, id.Server, id.ID).Scan(&other, &server, &source)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	e := extract.Errorf(extract.KindConfig, "bind job "+r.job,
		"schema %s holds what job %s, which is not in the configuration any more, has read of %s %s, and now %s %s answered; nothing was read", r.schema, other, server, source, id.Server, id.ID)
	e.Next = "give the job a schema of its own: schema = \"...\" in its block; or syncd forget " + other + ", and drop its tables"
	return e
}

// letBack refuses to load a source into another schema than before where persons were purged from that one: they are kept out of
// it by hashes that hold for it alone, and would be back.
func letBack(ctx context.Context, tx pgx.Tx, job, old, schema string) error {
	var purged bool
	if err := tx.QueryRow(ctx, schemaPurgedSQL, old).Scan(&purged); err != nil || !purged {
		return err
	}
	e := extract.Errorf(extract.KindConfig, "move job "+job, "persons were purged from schema %s, and would be loaded again into schema %s; nothing was read", old, schema)
	e.Next = fmt.Sprintf("keep schema = %q in the job's block", old)
	return e
}

// underWay words that a job cannot be taken over while a run of it is at work.
func underWay(err error, job, before string) error {
	var busy *BusyError
	if !errors.As(err, &busy) {
		return err
	}
	return &extract.Error{
		Kind: extract.KindTransient, What: "bind job " + job, Cause: fmt.Errorf("it goes on as job %s, which is still at work: %w", before, err),
		Next: fmt.Sprintf("wait until run %d has ended, then run the job again; its next slot does so too", busy.RunID),
	}
}

// AsKnown answers with an order as the ledger would carry it out: the schema of a job that was renamed, and the name and schema
// under which a source that is bound to no other job of the configuration was read before. It changes nothing.
func (w *Warehouse) AsKnown(ctx context.Context, o Order, id extract.Identity) (Order, error) {
	what := "look up job " + o.Job
	if err := keptSchema(ctx, w.pool, &o); err != nil {
		return o, fault(what, err)
	}
	var before, schema string
	err := w.pool.QueryRow(ctx, jobBeforeSQL, o.Job, id.Server, id.ID, o.Present, o.Schema).Scan(&before, &schema)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return o, nil
	case err == nil && (o.ByName || schema == o.Schema):
		o.Job, o.Schema = before, schema
	}
	return o, fault(what, err)
}

// Retire marks the jobs that are none of present, and that neither a run nor a daemon has had lately, as retired: they are
// in no configuration any more. It answers with their names. A job is back as soon as it is planned or run again.
func (w *Warehouse) Retire(ctx context.Context, present []string) ([]string, error) {
	rows, err := w.pool.Query(ctx, jobRetireSQL, present, retiredAfter)
	if err != nil {
		return nil, fault("retire jobs", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return names, fault("retire jobs", err)
}
