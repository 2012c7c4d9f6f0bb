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
	look := "look at the source"
	if e.Doubt != "" {
		look += " (" + e.Doubt + ")"
	}
	return &extract.Error{
		Kind: extract.KindHeld, What: "move out rows", Where: e.at(),
		Cause: errors.New(e.why()),
		Next:  fmt.Sprintf("%s; if they are really gone: syncd approve %d", look, e.RunID),
	}
}

// going are the records that a batch would move out of one place, by the hash of their key.
type going struct {
	table    string // in syncd.held
	hashes   map[[16]byte]bool
	approved [][16]byte // among them
	intakes  []*intake
	width    int // key columns of what goes
	live     int64
	held     int64 // of live, where they are not let go
}

// open is how many of them nobody has approved.
func (g *going) open() int64 { return int64(len(g.hashes) - len(g.approved)) }

// brake looks at what would be moved out and holds it where it looks like mass deletion, or where the source doubts that
// it is gone. Everything that is held of a batch is held at once, so that one approval lets it go.
func (r *Run) brake(ctx context.Context, s *session, w *work) error {
	if r.released != nil {
		return nil
	}
	var all []*going
	for _, g := range w.leaving() {
		if len(g.hashes) == 0 {
			continue
		}
		if err := r.judge(ctx, s, w, g); err != nil {
			return err
		}
		all = append(all, g)
	}
	if len(w.held) > 0 {
		return r.heldError(w)
	}
	for _, g := range all {
		if len(g.approved) == 0 {
			continue
		}
		if _, err := s.tx.Exec(ctx, heldUsedSQL, r.job, r.schema, g.table, g.approved); err != nil {
			return err
		}
	}
	return nil
}

// leaving is what a batch would move out and the brake looks at: of closing batches table by table, where a table with a longer key
// counts with the one before it, below which it hangs; of vanished ids over all tables of the scope; and row by row in a
// batch of rows that the source doubts.
func (w *work) leaving() (all []*going) {
	switch {
	case w.b.Closing != nil:
		for i := 0; i < len(w.intakes); {
			n := i + 1
			for n < len(w.intakes) && w.intakes[n].sh.keys > w.intakes[i].sh.keys {
				n++
			}
			all = append(all, newGoing(w.intakes[i].sh.src.Name, w.b.Closing.Width, w.intakes[i:n]...))
			i = n
		}
	case w.b.Vanished && w.scope != nil && w.scope.width > 0:
		all = append(all, newGoing("", w.scope.width, w.intakes...))
	case w.b.Doubt != "":
		for _, in := range w.intakes {
			all = append(all, newGoing(in.sh.src.Name, in.sh.keys, in))
		}
	}
	return all
}

func newGoing(table string, width int, intakes ...*intake) *going {
	g := &going{table: table, width: width, intakes: intakes, hashes: map[[16]byte]bool{}}
	for _, in := range intakes {
		for i := range in.missing.len() {
			g.hashes[xxh3.Hash128(prefix(in.missing.at(i), width)).Bytes()] = true
		}
	}
	return g
}

// judge holds records unless they are few, or approved. Vanished ids count together with those that went unapproved in
// batches of the run before; a doubt is about this batch alone.
func (r *Run) judge(ctx context.Context, s *session, w *work, g *going) (err error) {
	if g.approved, err = r.approved(ctx, s, g); err != nil {
		return err
	}
	most, share := limits(w.b)
	open, gone := g.open(), int64(0)
	if g.table == "" {
		w.vanished, w.gone = open, int64(len(g.hashes))
		if w.b.Doubt == "" && open > 0 {
			open += r.state.vanished
		}
		gone = r.state.gone
	}
	if open <= most {
		return nil
	}
	for _, in := range g.intakes {
		if in.sh.t.blocked != "" {
			continue
		}
		var n int64
		if err := s.tx.QueryRow(ctx, countKeys(in.sh.t, g.width)).Scan(&n); err != nil {
			return err
		}
		g.live = max(g.live, n)
	}
	if g.live += gone; open*100 > g.live*share {
		g.held = open
		w.held = append(w.held, g)
	}
	return nil
}

// heldError tells what is held of a batch.
func (r *Run) heldError(w *work) error {
	e := &HeldError{RunID: r.id, Schema: r.schema, Table: w.held[0].table, Doubt: w.b.Doubt}
	if len(w.held) > 1 {
		e.Table = ""
	}
	for _, g := range w.held {
		e.Going += g.held
		e.Live += g.live
	}
	return e
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
