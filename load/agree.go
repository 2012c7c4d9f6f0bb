package load

import (
	"context"
	_ "embed"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"syncd/extract"
)

var (
	//go:embed sql/schema_names.sql
	schemaNamesSQL string
	//go:embed sql/column_dependents.sql
	columnDependentsSQL string
	//go:embed sql/change_applied.sql
	changeAppliedSQL string
	//go:embed sql/change_pending.sql
	changePendingSQL string
	//go:embed sql/change_settle.sql
	changeSettleSQL string
	//go:embed sql/shape_keep.sql
	shapeKeepSQL string
)

// How long a change of structure waits for readers, and how often it is tried before it is left to the next run:
// whoever queues behind it waits no longer than that.
const (
	ddlTries  = 3
	ddlPause  = 200 * time.Millisecond
	ddlLimits = "SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '1h'"
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
	p, err := w.plan(ctx, job, schema, s)
	if err != nil {
		return nil, err
	}
	var out []Statement
	for _, s := range p.steps {
		if len(s.ddl) == 0 {
			continue
		}
		body := append([]string{"BEGIN", "SET LOCAL search_path = pg_catalog", "SET LOCAL standard_conforming_strings = on", "SET LOCAL lock_timeout = '2s'"}, s.ddl...)
		body = append(append(body, s.ledger...), "COMMIT")
		out = append(out, Statement{Change: s.Change, SQL: strings.Join(body, ";\n") + ";\n"})
	}
	return out, nil
}

// plan reads what is stored and compares.
func (w *Warehouse) plan(ctx context.Context, job, base string, s *extract.Structure) (*planner, error) {
	p := &planner{job: job, base: base, ddl: w.ddl, schemas: map[string]bool{}}
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
	return p, p.plan(s)
}

// Agree makes the tables of the job agree with what the source says of itself, as far as it may and as far as readers
// let it; what waits is recorded as pending, and data loads regardless. It must be called before Load.
func (r *Run) Agree(ctx context.Context, s *extract.Structure) (*Changes, error) {
	p, err := r.w.plan(ctx, r.job, r.schema, s)
	if err != nil {
		return nil, err
	}
	out := &Changes{Blocked: map[string]string{}}
	applied := false
	for _, s := range p.steps {
		if len(s.ddl) > 0 && r.w.ddl == Plan {
			s.Reason = `ddl = "plan": syncd plan prints it`
			p.waiting = append(p.waiting, s)
			continue
		}
		applied = true
		if s.Reason, err = r.applyPatiently(ctx, s); err != nil {
			return nil, err
		}
		switch {
		case s.Reason != "":
			p.waiting = append(p.waiting, s)
		case s.Kind != kindDescribe && s.Kind != kindComment:
			out.Applied = append(out.Applied, s.Change)
		}
	}
	for _, s := range p.waiting {
		out.Pending = append(out.Pending, s.Change)
	}
	if err := r.keepPending(ctx, p.waiting); err != nil {
		return nil, err
	}
	maps.Copy(out.Blocked, p.blocked)
	if applied {
		r.w.pool.Reset() // statements that were prepared before the change are not to be used again
		if p.have, err = readStored(ctx, r.w.pool, r.schema); err != nil {
			return nil, fault("read tables of "+r.schema, err)
		}
	}
	return out, r.take(ctx, s, p.have, out)
}

// applyPatiently makes one change, a few times where somebody is in the way, and says why it has to wait.
func (r *Run) applyPatiently(ctx context.Context, s step) (reason string, err error) {
	for try := 1; ; try++ {
		err := r.apply(ctx, s)
		var pg *pgconn.PgError
		switch {
		case err == nil:
			return "", nil
		case !errors.As(err, &pg):
			return "", fault(s.what(), err)
		case pg.Code == "55P03" && try < ddlTries:
			if err := pause(ctx, ddlPause); err != nil {
				return "", fault(s.what(), err)
			}
		default:
			if reason := whyItWaits(pg); reason != "" {
				return reason, nil
			}
			return "", fault(s.what(), err)
		}
	}
}

func (s step) what() string {
	at := s.Schema
	for _, part := range []string{s.Table, s.Column} {
		if part != "" {
			at += "." + part
		}
	}
	return s.Kind + " " + at
}

// whyItWaits says which refusals are no failure of the run: somebody else has to act, or the next run.
func whyItWaits(pg *pgconn.PgError) string {
	switch pg.Code {
	case "55P03":
		return "somebody held the table for longer than a change may wait"
	case "42501":
		return "the role of syncd may not do this (SQLSTATE 42501); syncd plan prints it for somebody who may"
	case "0A000", "2BP01":
		return "something depends on it (SQLSTATE " + pg.Code + ")"
	case "54000", "54001", "54011":
		return "it is more than a table can hold (SQLSTATE " + pg.Code + ")"
	case "57014":
		return "it took longer than a change may take"
	}
	return ""
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// apply makes one change in a transaction of its own, under the claim of the run.
func (r *Run) apply(ctx context.Context, s step) error {
	return pgx.BeginFunc(ctx, r.w.pool, func(tx pgx.Tx) error {
		if err := r.hold(ctx, tx); err != nil {
			return err
		}
		all := append(append([]string{ddlLimits}, s.ddl...), s.ledger...)
		if _, err := tx.Conn().PgConn().Exec(ctx, strings.Join(all, ";\n")).ReadAll(); err != nil {
			return err
		}
		if len(s.ddl) > 0 && s.Kind != kindComment {
			if _, err := tx.Exec(ctx, changeAppliedSQL, s.Schema, s.Table, s.Column, s.Kind, s.Detail, s.ddl[0], r.id); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, claimBeatSQL, r.job, r.chunk, r.epoch)
		return err
	})
}

// keepPending records what waits, and settles what waited and does not any longer.
func (r *Run) keepPending(ctx context.Context, waiting []step) error {
	columns := make([][]string, 7)
	for _, s := range waiting {
		if s.Kind == kindComment {
			continue
		}
		for i, v := range []string{s.Schema, s.Table, s.Column, s.Kind, s.Detail, s.ddl[0], s.Reason} {
			columns[i] = append(columns[i], v)
		}
	}
	return r.w.transact(ctx, "keep pending changes", func(tx pgx.Tx) error {
		if err := r.hold(ctx, tx); err != nil {
			return err
		}
		if len(columns[0]) > 0 {
			if _, err := tx.Exec(ctx, changePendingSQL, columns[0], columns[1], columns[2], columns[3], columns[4], columns[5], columns[6], r.id); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, changeSettleSQL, schemas(r.schema), columns[0], columns[1], columns[2], columns[3], r.id)
		return err
	})
}

// take makes the shapes under which the run loads, and remembers them.
func (r *Run) take(ctx context.Context, s *extract.Structure, have stored, out *Changes) error {
	r.tables = tables{}
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
