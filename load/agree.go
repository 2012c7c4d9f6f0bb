package load

import (
	"context"
	_ "embed"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"syncd/extract"
)

var (
	//go:embed sql/schema_names.sql
	schemaNamesSQL string
	//go:embed sql/column_dependents.sql
	columnDependentsSQL string
	//go:embed sql/shape_keep.sql
	shapeKeepSQL string
)

// Change is one change of structure.
type Change struct {
	Schema, Table, Column string
	Kind                  string // create, add, widen, retire, return, rename, index, comment, retype, archive, schema
	Detail                string // in words
	Reason                string // why it waits; empty where it was applied
}

// Changes is what Agree did and what it could not do.
type Changes struct {
	Applied []Change
	Pending []Change
	// Blocked are tables that cannot be loaded, by qualified name, each with the reason.
	Blocked map[string]string
}

// Statement is one change of a plan. SQL is complete: a transaction of its own, for psql.
type Statement struct {
	Change
	SQL string
}

// Plan returns what would make the tables of a job agree with a structure, for psql and somebody who may. It changes
// nothing. What cannot be done in place is not among it; Agree records that as pending.
func (w *Warehouse) Plan(ctx context.Context, job, schema string, s *extract.Structure) ([]Statement, error) {
	return w.statements(ctx, Order{Job: job, Schema: schema}, s)
}

func (w *Warehouse) statements(ctx context.Context, o Order, s *extract.Structure) ([]Statement, error) {
	p, err := w.planner(ctx, o.Job, o.Schema, s)
	if err != nil {
		return nil, err
	}
	done := func(s step) bool { return o.Drift != Freeze || !s.frozen() }
	if err := p.follow(s, func(s step) (bool, error) { p.add(s); return done(s), nil }); err != nil {
		return nil, err
	}
	if err := p.plan(s); err != nil {
		return nil, err
	}
	views, err := p.views(ctx, w.pool, s)
	if err != nil {
		return nil, err
	}
	p.steps = append(p.steps, views...)
	p.steps = slices.DeleteFunc(p.steps, func(s step) bool { return !done(s) })
	return p.statements(), nil
}

// statements are the steps that change structure, each a transaction.
func (p *planner) statements() []Statement {
	var out []Statement
	for _, s := range p.steps {
		if len(s.ddl) == 0 {
			continue
		}
		body := append([]string{"BEGIN", "SET LOCAL search_path = pg_catalog", "SET LOCAL standard_conforming_strings = on", "SET LOCAL lock_timeout = '2s'"}, s.ddl...)
		body = append(append(body, s.ledger...), "COMMIT")
		out = append(out, Statement{Change: s.Change, SQL: strings.Join(body, ";\n") + ";\n"})
	}
	return out
}

// planner reads what is stored, and takes the structure's renames into it.
func (w *Warehouse) planner(ctx context.Context, job, base string, s *extract.Structure) (*planner, error) {
	p := &planner{job: job, base: base, ddl: w.ddl, schemas: map[string]bool{}, blocked: map[string]string{}, added: map[*table][]*column{}}
	var names []string
	if err := w.pool.QueryRow(ctx, schemaNamesSQL, schemas(base)).Scan(&p.role, &names); err != nil {
		return nil, fault("read schemas", err)
	}
	for _, n := range names {
		p.schemas[n] = true
	}
	var err error
	if p.have, err = readStored(ctx, w.pool, base); err != nil {
		return nil, fault("read tables of "+base, err)
	}
	p.dependents = func(t *table, a *attribute) (string, error) {
		rows, err := w.pool.Query(ctx, columnDependentsSQL, t.oid, a.number)
		if err != nil {
			return "", fault("read dependents", err)
		}
		who, err := pgx.CollectRows(rows, pgx.RowTo[string])
		return strings.Join(who, ", "), fault("read dependents", err)
	}
	memo, err := w.base(ctx, job)
	if err != nil {
		return nil, err
	}
	p.name(s, memo)
	return p, nil
}

// Agree makes the tables of the job agree with what the source says of itself, as far as it may and as far as readers
// let it; what waits is recorded as pending, and data loads regardless. It must be called before Load.
func (r *Run) Agree(ctx context.Context, s *extract.Structure) (*Changes, error) {
	if r.asIs {
		return r.agreeAsIs(ctx, s)
	}
	p, err := r.w.planner(ctx, r.job, r.schema, s)
	if err != nil {
		return nil, err
	}
	if err := r.keepNames(ctx, p.namer.ledger); err != nil {
		return nil, err
	}
	a := &agreement{r: r, p: p, out: &Changes{Blocked: map[string]string{}}}
	if err := p.follow(s, func(s step) (bool, error) { return a.try(ctx, s) }); err != nil {
		return nil, err
	}
	if err := a.revalue(ctx, s); err != nil {
		return nil, err
	}
	if err := p.plan(s); err != nil {
		return nil, err
	}
	for _, s := range p.steps {
		if _, err := a.try(ctx, s); err != nil {
			return nil, err
		}
	}
	if a.applied {
		if p.have, err = readStored(ctx, r.w.pool, r.schema); err != nil {
			return nil, fault("read tables of "+r.schema, err)
		}
	}
	if err := a.views(ctx, s); err != nil {
		return nil, err
	}
	for _, s := range p.waiting {
		a.out.Pending = append(a.out.Pending, s.Change)
	}
	if err := r.keepPending(ctx, p.waiting); err != nil {
		return nil, err
	}
	maps.Copy(a.out.Blocked, p.blocked)
	if a.applied {
		r.w.pool.Reset() // statements that were prepared before the change are not to be used again
	}
	return a.out, r.take(ctx, s, p.have, a.out)
}

// take makes the shapes under which the run loads, and remembers them.
func (r *Run) take(ctx context.Context, s *extract.Structure, have stored, out *Changes) error {
	r.tables, r.behind = tables{}, false
	var schemas, names []string
	var marks [][16]byte
	for _, want := range s.Tables {
		t := have[placeOf(want)]
		if t == nil || !t.exists || !t.known {
			t = &table{schema: r.schema + string(want.Side), name: want.Name, blocked: "it does not exist yet; its structure is pending"}
		}
		if why := out.Blocked[t.String()]; why != "" {
			t.blocked = why
		} else if t.blocked == "" {
			t.blocked = altered(t, want)
		}
		sh := &shape{t: t, src: want}
		if t.blocked != "" {
			out.Blocked[t.String()] = t.blocked
		} else {
			sh = newShape(t, want)
			sh.made = out.made(t)
			sh.fresh = sh.made
			if mark := sh.mark(); !t.shaped || t.shape != mark || t.encoding != encodingVersion {
				schemas, names, marks = append(schemas, t.schema), append(names, t.name), append(marks, mark)
				t.reshaped = t.reshaped || t.shaped
			}
		}
		r.tables[placeOf(want)] = sh
	}
	if err := r.readRejects(ctx); err != nil {
		return err
	}
	if len(names) == 0 {
		return nil
	}
	return r.w.transact(ctx, "keep shapes", func(tx pgx.Tx) error {
		if err := r.hold(ctx, tx); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, shapeKeepSQL, schemas, names, marks, encodingVersion)
		return err
	})
}

// made reports whether a table was made a moment ago, so that nothing can be in it but what this run loads.
func (c *Changes) made(t *table) bool {
	return slices.ContainsFunc(c.Applied, func(a Change) bool {
		return a.Kind == kindCreate && a.Schema == t.schema && a.Table == t.name
	})
}

// tables are the shapes under which a run loads, by place.
type tables map[place]*shape

func (t tables) of(want *extract.Table) (*shape, error) {
	sh := t[placeOf(want)]
	if sh == nil {
		return nil, extract.Errorf(extract.KindInternal, "load batch", "%s: %w", want.Name, errNotAgreed)
	}
	if sh.src != want && !slices.EqualFunc(sh.src.Columns, want.Columns, func(a, b extract.Column) bool { return a.Name == b.Name && a.Type == b.Type }) {
		return nil, extract.Errorf(extract.KindInternal, "load batch", "%s: its columns are not those of the structure", want.Name)
	}
	return sh, nil
}
