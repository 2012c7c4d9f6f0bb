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
	//go:embed sql/held_approved.sql
	heldApprovedSQL string
	//go:embed sql/held_keep.sql
	heldKeepSQL string
	//go:embed sql/held_used.sql
	heldUsedSQL string
)

// The brake holds what would move out more than heldShare of the records and more than heldRecords of them; half of both
// in a wary batch, and anything at all where the source doubts that what it does not list is gone.
const (
	heldRecords = 20
	heldShare   = 10 // per cent
)

// HeldError says that the brake holds a mass deletion until somebody approves the run. Nothing of the batch was written.
type HeldError struct {
	RunID         int64
	Schema, Table string // Table is empty where records would go from all tables of a scope
	Going, Live   int64  // records that would go, of how many
	Doubt         string // why they may be there all the same; empty where their number alone is the reason
}

// Error tells how much would go.
func (e *HeldError) Error() string {
	return fmt.Sprintf("move out rows of %s: %s; held for approval", e.at(), e.why())
}

func (e *HeldError) why() string {
	text := fmt.Sprintf("%d of %d records would go", e.Going, e.Live)
	if e.Doubt != "" {
		text += ", and may be there all the same: " + e.Doubt
	}
	return text
}

func (e *HeldError) at() string {
	if e.Table == "" {
		return e.Schema
	}
	return e.Schema + "." + e.Table
}

// Unwrap gives the error its kind, and what to do next.
func (e *HeldError) Unwrap() error {
	return &extract.Error{
		Kind: extract.KindHeld, What: "move out rows", Where: e.at(),
		Cause: errors.New(e.why()),
		Next:  fmt.Sprintf("look at the source; if they are really gone: syncd approve %d", e.RunID),
	}
}

// going are the records that a batch would move out of one place, by the hash of their key.
type going struct {
	table  string // in syncd.held
	hashes map[[16]byte]bool
	live   int64
}

// brake looks at what would be moved out and holds it where it looks like mass deletion: of closing batches table by
// table, of vanished ids over all tables of the scope. Batches of vanished ids count together with those that the
// run moved out before.
func (r *Run) brake(ctx context.Context, s *session, w *work) error {
	switch {
	case w.b.Closing != nil:
		for _, in := range w.intakes {
			g := &going{table: in.sh.src.Name, hashes: map[[16]byte]bool{}}
			g.add(in, w.b.Closing.Width)
			if err := r.judge(ctx, s, w, g, []*intake{in}, w.b.Closing.Width); err != nil {
				return err
			}
		}
	case w.b.Vanished && w.scope != nil && w.scope.width > 0:
		g := &going{hashes: map[[16]byte]bool{}}
		for _, in := range w.intakes {
			g.add(in, w.scope.width)
		}
		w.vanished = int64(len(g.hashes))
		return r.judge(ctx, s, w, g, w.intakes, w.scope.width)
	}
	return nil
}

func (g *going) add(in *intake, width int) {
	for i := range in.missing.len() {
		g.hashes[xxh3.Hash128(prefix(in.missing.at(i), width)).Bytes()] = true
	}
}

// judge holds records unless they are few, or approved.
func (r *Run) judge(ctx context.Context, s *session, w *work, g *going, intakes []*intake, width int) error {
	before := int64(0)
	if w.b.Closing == nil {
		before = r.state.vanished
	}
	most, share := limits(w.b)
	if int64(len(g.hashes))+before <= most || len(g.hashes) == 0 || r.released {
		return nil
	}
	approved, err := r.approved(ctx, s, g)
	if err != nil {
		return err
	}
	open := int64(len(g.hashes)-len(approved)) + before
	for _, in := range intakes {
		if in.sh.t.blocked != "" {
			continue
		}
		var n int64
		if err := s.tx.QueryRow(ctx, countKeys(in.sh.t, width)).Scan(&n); err != nil {
			return err
		}
		g.live = max(g.live, n)
	}
	if live := g.live + before; open > most && open*100 > live*share {
		w.held = g
		return &HeldError{RunID: r.id, Schema: r.schema, Table: g.table, Going: open, Live: live, Doubt: w.b.Doubt}
	}
	if len(approved) == 0 {
		return nil
	}
	_, err = s.tx.Exec(ctx, heldUsedSQL, r.job, r.schema, g.table, approved)
	return err
}

// limits are how many records, and how many in a hundred, may go without a person.
func limits(b *extract.Batch) (most, share int64) {
	switch {
	case b.Doubt != "":
		return 0, 0
	case b.Wary:
		return heldRecords / 2, heldShare / 2
	}
	return heldRecords, heldShare
}

// approved finds which of the records that would go may.
func (r *Run) approved(ctx context.Context, s *session, g *going) ([][16]byte, error) {
	rows, err := s.tx.Query(ctx, heldApprovedSQL, r.job, r.schema, g.table)
	if err != nil {
		return nil, err
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[[16]byte])
	if err != nil {
		return nil, err
	}
	var mine [][16]byte
	for _, h := range all {
		if g.hashes[h] {
			mine = append(mine, h)
		}
	}
	return mine, nil
}

// keepHeld remembers what was held, after the batch's transaction was given up.
func (r *Run) keepHeld(ctx context.Context, g *going) error {
	hashes := make([][16]byte, 0, len(g.hashes))
	for h := range g.hashes {
		hashes = append(hashes, h)
	}
	return r.w.transact(ctx, "keep held keys", func(tx pgx.Tx) error {
		if err := r.hold(ctx, tx); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, heldKeepSQL, r.id, r.job, r.schema, g.table, hashes)
		return err
	})
}
