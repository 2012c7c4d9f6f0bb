package load

import (
	"context"
	_ "embed"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"

	"syncd/extract"
)

//go:embed sql/claim_rehearse.sql
var claimRehearseSQL string

// rehearsing is the epoch of a rehearsal: no claim that is held ever has it.
const rehearsing = -1

// Rehearsal compares batches with the warehouse and writes nothing. One goroutine uses it.
type Rehearsal struct {
	Statements []Statement // that a run would make first
	Held       error       // *HeldError where the brake would have held the run

	run    *Run
	values []revaluing     // that a run would make first; here, each in the rows that a batch is about
	new    map[*table]bool // tables that are not there yet: all their rows are new
}

// Rehearse plans what a run of the order would do for a structure. It takes no claim and can be done beside a run.
func (w *Warehouse) Rehearse(ctx context.Context, o Order, s *extract.Structure) (*Rehearsal, error) {
	statements, err := w.statements(ctx, o, s)
	if err != nil {
		return nil, err
	}
	p, err := w.planner(ctx, o.Job, o.Schema, s)
	if err != nil {
		return nil, err
	}
	values, err := p.revalue(s)
	if err != nil {
		return nil, err
	}
	r := &Run{w: w, job: o.Job, schema: o.Schema, epoch: rehearsing, generation: w.Generation(), tables: tables{}, deletes: o.Deletes, drift: o.Drift}
	r.chunk = "rehearsal " + strconv.FormatUint(rand.Uint64(), 36) // nobody waits for it
	h := &Rehearsal{Statements: statements, run: r, values: values, new: map[*table]bool{}}
	for _, want := range s.Tables {
		t := p.have[placeOf(want)]
		if t == nil || !t.exists || !t.known {
			t = &table{schema: o.Schema + string(want.Side), name: want.Name, blocked: "it does not exist yet"}
			h.new[t] = true
		} else if t.blocked == "" {
			t.blocked = altered(t, want)
		}
		sh := &shape{t: t, src: want}
		if t.blocked == "" {
			sh = newShape(t, want)
			t.reshaped = t.reshaped || t.shaped && t.shape != sh.mark()
		}
		r.tables[placeOf(want)] = sh
	}
	return h, nil
}

// Marks says where a run of the order would start, as far as a source may know before it has described itself.
func (w *Warehouse) Marks(ctx context.Context, o Order, full bool) (extract.Since, error) {
	since, err := (&Run{w: w, job: o.Job}).Since(ctx, full)
	since.Stored = nil
	return since, err
}

// Since says where the run would start.
func (h *Rehearsal) Since(ctx context.Context, full bool) (extract.Since, error) {
	return h.run.Since(ctx, full)
}

// New reports whether a table is not there yet.
func (h *Rehearsal) New(t *extract.Table) bool {
	sh, err := h.run.tables.of(t)
	return err == nil && h.new[sh.t]
}

// Compare says what loading a batch would do: rows that would be inserted, updated, left alone or moved out. What only
// Postgres would refuse is not found. It reads in a transaction that is given up.
func (h *Rehearsal) Compare(ctx context.Context, b *extract.Batch) (*Result, error) {
	w, err := h.run.prepare(b)
	defer h.run.release(w)
	if err != nil {
		return nil, err
	}
	s, err := h.run.w.begin(ctx)
	if err != nil {
		return nil, fault("compare batch", err)
	}
	defer s.drop()
	if _, err := s.tx.Exec(ctx, claimRehearseSQL, h.run.job, h.run.chunk, rehearsing); err != nil {
		return nil, fault("compare batch", err)
	}
	for _, x := range h.values {
		if !w.about(x.t) {
			continue
		}
		if err := x.rehearse(ctx, s.tx, w.scope); err != nil {
			return nil, fault("compare batch", err)
		}
		x.t.reshaped = true
	}
	now, _, err := h.run.compare(ctx, s, w)
	if err != nil {
		return nil, fault("compare batch", err)
	}
	if _, err := h.run.renameRecords(ctx, s, w, now); err != nil {
		return nil, fault("compare batch", err)
	}
	for _, in := range w.intakes {
		if in.sh.t.blocked != "" || in.rows == nil {
			continue
		}
		if err := h.run.reread(ctx, s, in); err != nil {
			return nil, fault("compare batch", err)
		}
	}
	w.unread()
	if err := h.run.brake(ctx, s, w); errors.As(err, new(*HeldError)) {
		h.Held = err
	} else if err != nil {
		return nil, fault("compare batch", err)
	}
	h.run.state.vanished += w.vanished
	h.run.state.gone += w.gone
	for _, in := range w.intakes {
		w.result.Tables = append(w.result.Tables, h.counts(in))
	}
	return &w.result, nil
}

// about reports whether a batch brings rows of a table, or has it in its scope.
func (w *work) about(t *table) bool {
	return slices.ContainsFunc(w.intakes, func(in *intake) bool { return in.sh.t == t })
}

// counts takes what the comparison found for what would have been done.
func (h *Rehearsal) counts(in *intake) TableResult {
	in.counts.Inserted, in.counts.Updated = int64(len(in.pick(fresh))), int64(len(in.pick(changed)))
	in.counts.Deleted = int64(in.missing.len())
	in.tally()
	if h.new[in.sh.t] {
		in.counts.Inserted, in.counts.Blocked = in.counts.Blocked, 0
	}
	return TableResult{Schema: in.sh.t.schema, Table: in.sh.t.logical(), Counts: in.counts}
}
