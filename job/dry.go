package job

import (
	"context"
	"errors"
	"time"

	"syncd/extract"
	"syncd/load"
)

// DryRun is what a run would do, without having written anything: no run, no claim, no table.
type DryRun struct {
	Statements []load.Statement `json:"statements"` // that would be made first
	Tables     []DryTable       `json:"tables"`
	New        int64            `json:"new_ids"`  // listed at the source and not live
	Gone       int64            `json:"gone_ids"` // live and not listed
	Listed     bool             `json:"listed"`   // all ids were listed: else New and Gone are those of some lists
	Held       string           `json:"held,omitempty"`
	Compared   string           `json:"compared"` // how far the comparison went, in words
}

// DryTable is what would become of the rows of one table.
type DryTable struct {
	load.TableResult
	Live *int64 `json:"live"` // rows now; nil: the table is not there yet
}

const compared = "ids and cells, by fingerprint; a row that only Postgres would refuse is counted as inserted or updated"

// dryRun pulls as a run would and compares every batch with what is stored.
func (r *Runner) dryRun(ctx context.Context, o load.Order, open Open, opt Options, rep Report) (Report, error) {
	started := time.Now()
	x := &execution{w: r.Warehouse, order: o, open: open, opt: opt, rep: &rep, log: r.Log}
	err := x.guarded(func() error { return x.rehearse(ctx) })
	rep.Took = time.Since(started)
	switch {
	case err == nil:
		rep.State = load.Succeeded
	case ctx.Err() != nil || errors.Is(err, ErrStopped):
		rep.State = load.Cancelled
	default:
		rep.State = load.Failed
	}
	return rep, err
}

// describe has the source describe itself from where a run would start: once more where that shows that the job would go on as
// one of another name did.
func (x *execution) describe(ctx context.Context) (extract.Source, error) {
	for {
		src, err := x.open(ctx)
		if err != nil {
			return nil, err
		}
		marks, err := x.w.Marks(ctx, x.order, x.opt.Full)
		if err != nil {
			return nil, err
		}
		if x.source, err = src.Describe(ctx, marks); err != nil {
			return nil, err
		}
		known, err := x.w.AsKnown(ctx, x.order, x.source.Identity)
		again := known.Job != x.order.Job
		if x.order = known; err != nil || !again {
			return src, err
		}
	}
}

func (x *execution) rehearse(ctx context.Context) error {
	x.tell(Describing)
	src, err := x.describe(ctx)
	if err != nil {
		return err
	}
	x.rep.Title, x.rep.Warnings = x.source.Identity.Title, x.source.Warnings
	x.tell(Agreeing)
	h, err := x.w.Rehearse(ctx, x.order, x.source)
	if err != nil {
		return err
	}
	since, err := h.Since(ctx, x.opt.Full)
	if err != nil {
		return err
	}
	dry := &DryRun{Statements: h.Statements, Compared: compared}
	counts := map[tableName]*load.Counts{}
	x.tell(Pulling)
	x.proof, err = src.Pull(ctx, since, func(b *extract.Batch) error {
		result, err := h.Compare(ctx, b)
		if err != nil {
			return err
		}
		for _, t := range result.Tables {
			name := tableName{t.Schema, t.Table}
			if counts[name] == nil {
				counts[name] = &load.Counts{}
			}
			counts[name].Add(t.Counts)
		}
		return x.loaded(b, result.Total().Read)
	})
	if err != nil {
		return err
	}
	if x.proof == nil {
		x.proof = &extract.Proof{}
	}
	x.rep.DryRun, x.rep.Requests, x.rep.Bytes = dry, x.proof.Requests, x.proof.Bytes
	if h.Held != nil {
		dry.Held = h.Held.Error()
	}
	for _, t := range x.source.Tables {
		name := tableName{x.order.Schema + string(t.Side), t.Name}
		d := DryTable{TableResult: load.TableResult{Schema: name.schema, Table: name.table}}
		if c := counts[name]; c != nil {
			d.Counts = *c
		}
		if !h.New(t) {
			n, err := x.w.Live(ctx, name.schema, name.table)
			if err != nil {
				return err
			}
			d.Live = &n
		}
		dry.Tables = append(dry.Tables, d)
	}
	ids, err := proveIDs(ctx, since.Stored, x.proof)
	dry.New, dry.Gone, dry.Listed = ids.Counts["missing"], ids.Counts["extra"], x.proof.Full || x.proof.Listed == nil
	return err
}
