package job

import (
	"context"
	"time"

	"syncd/extract"
	"syncd/load"
)

// DryRun is what a run would find, without having written anything: no run row, no claim, no table.
type DryRun struct {
	Statements []load.Statement `json:"statements"` // that would be run first
	Tables     []DryTable       `json:"tables"`
	New        int64            `json:"new_ids"`  // listed at the source and not live
	Gone       int64            `json:"gone_ids"` // live and not listed
	Compared   string           `json:"compared"` // how far the comparison went, in words
}

// DryTable is what was read for one table, beside what it holds.
type DryTable struct {
	Schema  string `json:"schema_name"`
	Table   string `json:"table_name"`
	Read    int64  `json:"read"`
	Refused int64  `json:"rejected"` // by the source's own checks
	Live    *int64 `json:"live"`     // nil: the table is not there yet
}

// dryRun reads what a run would read and compares ids and row counts. Cells are not compared: that is done inside the
// transaction that loads them.
func (r *Runner) dryRun(ctx context.Context, o load.Order, open Open, opt Options, rep Report) (Report, error) {
	started := time.Now()
	dry := &DryRun{Compared: "ids and numbers of rows; cells are compared only when they are loaded"}
	x := &execution{w: r.Warehouse, run: r.Warehouse.Rehearse(o), order: o, opt: opt, rep: &rep, log: r.Log}
	src, err := open(ctx)
	if err != nil {
		return rep, err
	}
	x.tell(Describing)
	s, err := src.Describe(ctx)
	if err != nil {
		return rep, err
	}
	rep.Title, rep.Warnings = s.Identity.Title, s.Warnings
	x.tell(Agreeing)
	if dry.Statements, err = r.Warehouse.Plan(ctx, o.Job, o.Schema, s); err != nil {
		return rep, err
	}
	since, err := x.run.Since(ctx, true)
	if err != nil {
		return rep, err
	}
	fresh := map[string]bool{}
	for _, st := range dry.Statements {
		if st.Kind == "create" {
			fresh[st.Schema+"."+st.Table] = true
		}
	}
	since.Stored = storedBut{since.Stored, o.Schema, fresh}
	counts := map[*extract.Table]*DryTable{}
	of := func(t *extract.Table) *DryTable {
		if counts[t] == nil {
			counts[t] = &DryTable{Schema: o.Schema + string(t.Side), Table: t.Name}
		}
		return counts[t]
	}
	x.tell(Pulling)
	proof, err := src.Pull(ctx, since, func(b *extract.Batch) error {
		for _, rows := range b.Rows {
			of(rows.Table).Read += int64(rows.Len())
			x.event.Rows += int64(rows.Len())
		}
		for _, reject := range b.Rejects {
			of(reject.Table).Refused++
		}
		x.event.Batches++
		x.event.Done, x.event.Total = b.Done, b.Total
		x.tell(Pulling)
		if x.stopped() {
			return ErrStopped
		}
		return nil
	})
	if err != nil {
		return rep, err
	}
	for _, t := range s.Tables {
		c := of(t)
		if !fresh[c.Schema+"."+c.Table] {
			n, err := r.Warehouse.Live(ctx, c.Schema, c.Table)
			if err != nil {
				return rep, err
			}
			c.Live = &n
		}
		dry.Tables = append(dry.Tables, *c)
	}
	ids, err := proveIDs(ctx, since.Stored, proof)
	dry.New, dry.Gone = ids.Counts["missing"], ids.Counts["extra"]
	rep.DryRun, rep.State, rep.Took = dry, load.Succeeded, time.Since(started)
	rep.Requests, rep.Bytes = proof.Requests, proof.Bytes
	return rep, err
}

// storedBut is what the warehouse holds, without the tables that are not there yet.
type storedBut struct {
	extract.Stored
	schema string
	fresh  map[string]bool
}

// Keys yields nothing for a table that is not there yet.
func (s storedBut) Keys(ctx context.Context, t *extract.Table, yield func(string) error) error {
	if s.fresh[s.schema+string(t.Side)+"."+t.Name] {
		return nil
	}
	return s.Stored.Keys(ctx, t, yield)
}
