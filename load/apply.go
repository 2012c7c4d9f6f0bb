package load

import (
	"context"
	_ "embed"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"syncd/extract"
)

var (
	//go:embed sql/change_applied.sql
	changeAppliedSQL string
	//go:embed sql/change_pending.sql
	changePendingSQL string
	//go:embed sql/change_settle.sql
	changeSettleSQL string
)

// How long a change of structure waits for readers, and how often it is tried before it is left to the next run:
// whoever queues behind it waits no longer than that.
const (
	ddlTries  = 3
	ddlPause  = 200 * time.Millisecond
	ddlLimits = "SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '1h'"
)

// agreement is an Agree under way.
type agreement struct {
	r       *Run
	p       *planner
	out     *Changes
	applied bool
}

// try makes a change, or lets it wait.
func (a *agreement) try(ctx context.Context, s step) (done bool, err error) {
	if len(s.ddl) > 0 && a.r.drift == Freeze && s.frozen() {
		s.Reason = `drift = "freeze"`
		a.p.waiting = append(a.p.waiting, s)
		return false, nil
	}
	if len(s.ddl) > 0 && a.r.w.ddl == Plan {
		s.Reason = `ddl = "plan": syncd plan prints it`
		a.p.waiting = append(a.p.waiting, s)
		return false, nil
	}
	a.applied = true
	if s.Reason, err = a.r.applyPatiently(ctx, s); err != nil {
		return false, err
	}
	switch {
	case s.Reason != "":
		a.p.waiting = append(a.p.waiting, s)
	case s.Kind != kindDescribe && s.Kind != kindComment:
		a.out.Applied = append(a.out.Applied, s.Change)
	}
	return s.Reason == "", nil
}

// frozen reports whether a change is one of a table that exists, and of more than its comments and indexes.
func (c Change) frozen() bool {
	switch c.Kind {
	case kindAdd, kindWiden, kindRetype, kindRetire, kindReturn, kindRename, kindMove:
		return true
	}
	return false
}

// revalue renames values. It cannot wait: rows that come under the new names would stand beside those of before.
func (a *agreement) revalue(ctx context.Context, s *extract.Structure) error {
	values, err := a.p.revalue(s)
	if err != nil {
		return err
	}
	for _, x := range values {
		s := x.step()
		if s.Reason, err = a.r.applyPatiently(ctx, s); err != nil {
			return err
		}
		if s.Reason != "" {
			return extract.Errorf(extract.KindPostgres, s.what(), "%s: %s", s.Detail, s.Reason)
		}
		if len(s.dml) > 0 {
			a.applied = true
			a.out.Applied = append(a.out.Applied, s.Change)
		}
	}
	return nil
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
			if reason := s.whyItWaits(pg); reason != "" {
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
func (s step) whyItWaits(pg *pgconn.PgError) string {
	switch pg.Code {
	case "42P07", "42701":
		if s.Kind == kindRename || s.Kind == kindMove {
			return "a name that it needs is taken (SQLSTATE " + pg.Code + ")"
		}
	case "55P03":
		return "somebody held the table for longer than a change may wait"
	case "42501":
		return "the role of syncd may not do this (SQLSTATE 42501); syncd plan prints it for somebody who may"
	case "0A000", "2BP01":
		return "something depends on it (SQLSTATE " + pg.Code + ")"
	case "42P16", "42809":
		return "it cannot be made in place of what has its name; drop that by hand, and the next run makes it (SQLSTATE " + pg.Code + ")"
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
		all := slices.Concat([]string{ddlLimits}, s.ddl, s.dml, s.ledger)
		if _, err := tx.Conn().PgConn().Exec(ctx, strings.Join(all, ";\n")).ReadAll(); err != nil {
			return err
		}
		if done := slices.Concat(s.ddl, s.dml); len(done) > 0 && s.Kind != kindComment {
			if _, err := tx.Exec(ctx, changeAppliedSQL, s.Schema, s.Table, s.Column, s.Kind, s.Detail, done[0], r.id); err != nil {
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
