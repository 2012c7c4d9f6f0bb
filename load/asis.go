package load

import (
	"context"
	_ "embed"
	"maps"

	"github.com/jackc/pgx/v5"

	"syncd/extract"
)

//go:embed sql/change_waits.sql
var changeWaitsSQL string

// agreeAsIs takes the tables as they are. Chunks of a backfill may be at work side by side, and none of them may change a table under
// the others: a structure that would need a change is KindDrift, unless the change is one that waits anyway.
func (r *Run) agreeAsIs(ctx context.Context, s *extract.Structure) (*Changes, error) {
	p, err := r.w.planner(ctx, r.job, r.schema, s)
	if err != nil {
		return nil, err
	}
	waits, err := r.w.waitingChanges(ctx, r.schema)
	if err != nil {
		return nil, err
	}
	out := &Changes{Blocked: map[string]string{}}
	var differs *Change
	look := func(st step) (bool, error) {
		switch {
		case waits[changeKey{st.Schema, st.Table, st.Column, st.Kind}]:
			st.Reason = "it waits"
			out.Pending = append(out.Pending, st.Change)
		case st.Kind != kindComment && differs == nil:
			differs = &st.Change
		}
		return false, nil
	}
	if err := p.follow(s, look); err != nil {
		return nil, err
	}
	if err := p.plan(s); err != nil {
		return nil, err
	}
	for _, st := range p.steps {
		if _, err := look(st); err != nil {
			return nil, err
		}
	}
	if differs != nil {
		return nil, &extract.Error{
			Kind: extract.KindDrift, What: "read a chunk", Where: step{Change: *differs}.what(),
			Cause: extract.Errorf(extract.KindDrift, "compare tables", "the tables do not agree with the structure that the chunk is read by"),
		}
	}
	for _, st := range p.waiting {
		out.Pending = append(out.Pending, st.Change)
	}
	maps.Copy(out.Blocked, p.blocked)
	return out, r.take(ctx, s, p.have, out)
}

// changeKey is what tells pending changes apart.
type changeKey struct{ Schema, Table, Column, Kind string }

func (w *Warehouse) waitingChanges(ctx context.Context, base string) (map[changeKey]bool, error) {
	rows, err := w.pool.Query(ctx, changeWaitsSQL, schemas(base))
	if err != nil {
		return nil, fault("read pending changes", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[changeKey])
	waits := map[changeKey]bool{}
	for _, k := range all {
		waits[k] = true
	}
	return waits, fault("read pending changes", err)
}
