package load

import (
	"context"
	_ "embed"
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"syncd/extract"
)

//go:embed sql/memo_base.sql
var memoBaseSQL string

// Renames are taken in two steps. First the ledger learns what the source calls a table or a column now (called): all
// of a structure's list in one transaction, so that no part of it is ever taken without the rest, and rows are found under
// the new names at once. Then the tables follow (follow.go), one transaction each, when nobody is in the way or when
// somebody who may has run the plan; until then they are read and written under the names that they still have.

// origin is the name that a table or a column had where a list of renames begins. A list says what became of the
// structure in the source's memo; where a run that took one did not come to its end, the next list begins there as well.
type origin struct {
	ID   string `json:"id"`             // of the list
	Base int64  `json:"base"`           // the run that stored the memo with which it begins; 0 where there is none
	From string `json:"from,omitempty"` // table from which a column was moved
	Name string `json:"name"`
}

// namer finds what a list of renames is about, and gives names.
type namer struct {
	p      *planner
	id     string
	base   int64
	ledger []string
}

// name takes a structure's list of renames into what is stored, as the source would see it, and writes down what the
// ledger has to be told. It touches nothing.
func (p *planner) name(s *extract.Structure, base int64) {
	p.namer = &namer{p: p, id: s.RenameID, base: base}
	if len(s.Renames) == 0 && s.RenameID == "" {
		return // nothing is said, which is not the same as that nothing was renamed
	}
	p.tables(s.Renames)
	p.moves(s.Renames) // a column that moves may leave the name of one that is renamed,
	p.columns(s.Renames)
	p.moves(s.Renames) // or need the name that one had
}

// base reads where a source's list of renames begins.
func (w *Warehouse) base(ctx context.Context, job string) (run int64, err error) {
	err = w.pool.QueryRow(ctx, memoBaseSQL, job).Scan(&run)
	if errors.Is(err, pgx.ErrNoRows) {
		err = nil
	}
	return run, fault("read memo of "+job, err)
}

// keepNames tells the ledger what is called otherwise.
func (r *Run) keepNames(ctx context.Context, ledger []string) error {
	if len(ledger) == 0 {
		return nil
	}
	return r.w.transact(ctx, "keep names", func(tx pgx.Tx) error {
		if err := r.hold(ctx, tx); err != nil {
			return err
		}
		_, err := tx.Conn().PgConn().Exec(ctx, strings.Join(ledger, ";\n")).ReadAll()
		return err
	})
}

// begins reports whether an origin is the name of where the list begins, and not of an earlier structure.
func (n *namer) begins(o *origin) bool {
	return o != nil && (n.id != "" && o.ID == n.id || n.base != 0 && o.Base == n.base)
}

// again reports whether a thing was renamed by another list that began at the same place: then it is called as this list
// says, or by the name that it had there.
func (n *namer) again(o *origin) bool { return n.begins(o) && o.ID != n.id }

// mine reports whether a table may be renamed.
func (n *namer) mine(t *table) bool { return t.known && t.job == n.p.job && t.side != archiveSide }

func (n *namer) table(side extract.Side, old string) *table {
	for _, t := range n.p.have {
		if t.side == side && n.mine(t) && n.begins(t.was) && t.was.Name == old {
			return t
		}
	}
	if t := n.p.have[place{side, old}]; t != nil && n.mine(t) && !n.begins(t.was) {
		return t
	}
	return nil
}

func (p *planner) tables(list []extract.Rename) {
	n := p.namer
	to, given := map[*table]string{}, map[place]bool{}
	for _, r := range list {
		at := place{r.Side, r.New}
		if t := n.table(r.Side, r.Old); r.Kind == extract.RenameTable && t != nil && !given[at] && to[t] == "" {
			to[t], given[at] = r.New, true
		}
	}
	for _, t := range p.have {
		if n.mine(t) && n.again(t.was) && to[t] == "" && !given[place{t.side, t.was.Name}] {
			to[t] = t.was.Name
		}
	}
	vacate(to, (*table).logical, func(t *table, name string) (*table, bool) {
		if other := p.have[place{t.side, name}]; other != nil {
			return other, true
		}
		if a := p.have[place{archiveSide, name}]; a != nil && t.archive != nil && a != t.archive {
			return p.archived(a), true
		}
		return nil, false
	})
	p.call(to)
}

// archived finds the table of an archive.
func (p *planner) archived(archive *table) *table {
	for _, t := range p.have {
		if t.archive == archive {
			return t
		}
	}
	return nil
}

// vacate leaves out renames to the name that a thing has already, and to names that others keep.
func vacate[T comparable](to map[T]string, logical func(T) string, holder func(T, string) (T, bool)) {
	for thing, name := range to {
		if logical(thing) == name {
			delete(to, thing)
		}
	}
	for again := true; again; {
		again = false
		for thing, name := range to {
			other, taken := holder(thing, name)
			if _, leaves := to[other]; taken && !leaves {
				delete(to, thing)
				again = true
			}
		}
	}
}

// call gives tables the names that the source has for them now. Rejects and what the brake holds are kept under those.
func (p *planner) call(to map[*table]string) {
	n := p.namer
	tables := make([]*table, 0, len(to))
	bySide, names := map[extract.Side]map[string]string{}, map[string]string{}
	for t, name := range to {
		tables = append(tables, t)
		names[t.String()] = name
		if bySide[t.side] == nil {
			bySide[t.side] = map[string]string{}
		}
		bySide[t.side][t.logical()] = name
		delete(p.have, place{t.side, t.logical()})
	}
	slices.SortFunc(tables, func(a, b *table) int { return strings.Compare(a.String(), b.String()) })
	p.followMoving(names)
	for _, t := range tables {
		was := t.logical()
		if n.begins(t.was) {
			was = t.was.Name
		}
		t.was = &origin{ID: n.id, Base: n.base, Name: was}
		t.called = other(to[t], t.name)
		p.have[place{t.side, to[t]}] = t
		n.ledger = append(n.ledger, setTableDef(t.schema, t.name, "called = "+literalOrNull(t.called)+", renamed = "+jsonLiteral(t.was)))
	}
	for _, side := range []extract.Side{extract.Live, extract.Meta} {
		for _, leg := range legs(bySide[side], asideName) {
			n.ledger = append(n.ledger, carryRejects(p.job, leg.old, leg.new), carryHeld(p.job, p.base, leg.old, leg.new))
		}
	}
}

// other is a name where it is not the one that a thing has.
func other(name, has string) string {
	if name == has {
		return ""
	}
	return name
}

// followMoving lets columns that wait to be moved to a table know what the table is called.
func (p *planner) followMoving(names map[string]string) {
	for _, at := range sortedPlaces(p.have) {
		t := p.have[at]
		for _, c := range t.columns {
			if to := names[t.schema+"."+c.moves]; c.moves != "" && to != "" {
				c.moves = to
				p.namer.ledger = append(p.namer.ledger, setColumnDef(t.schema, t.name, c.id, "moves_to = "+literal(to)))
			}
		}
	}
}

func (n *namer) column(t *table, old string) *column {
	for _, c := range t.columns {
		if n.begins(c.was) && c.was.From == "" && c.was.Name == old && !c.retired && c.moves == "" {
			return c
		}
	}
	if c := t.of(old); c != nil && !c.retired && !n.begins(c.was) {
		return c
	}
	return nil
}

func (p *planner) columns(list []extract.Rename) {
	n := p.namer
	for _, at := range sortedPlaces(p.have) {
		t := p.have[at]
		if !n.mine(t) {
			continue
		}
		to, given := map[*column]string{}, map[string]bool{}
		for _, r := range list {
			if r.Kind != extract.RenameColumn || (place{r.Side, r.Table}) != at {
				continue
			}
			if c := n.column(t, r.Old); c != nil && !given[r.New] && to[c] == "" {
				to[c], given[r.New] = r.New, true
			}
		}
		for _, c := range t.columns {
			if n.again(c.was) && c.was.From == "" && !c.retired && c.moves == "" && to[c] == "" && !given[c.was.Name] {
				to[c] = c.was.Name
			}
		}
		vacate(to, (*column).logical, func(_ *column, name string) (*column, bool) { return t.holder(name) })
		for _, c := range t.columns {
			if to[c] != "" {
				n.rename(t, c, to[c])
			}
		}
	}
}

// holder finds who has a name in a table: a column as the source calls it, or one that somebody made by hand.
func (t *table) holder(name string) (*column, bool) {
	if c := t.of(name); c != nil {
		return c, true
	}
	return nil, t.names[name] != nil && t.column(name) == nil
}

func (n *namer) rename(t *table, c *column, to string) {
	was := &origin{ID: n.id, Base: n.base, Name: c.logical()}
	if n.begins(c.was) {
		was.From, was.Name = c.was.From, c.was.Name
	}
	c.was, c.called = was, other(to, c.name)
	n.ledger = append(n.ledger, setColumnDef(t.schema, t.name, c.id, "called = "+literalOrNull(c.called)+", renamed = "+jsonLiteral(c.was)))
}

// moves takes the renames that bring a column to another table.
func (p *planner) moves(list []extract.Rename) {
	n := p.namer
	for _, r := range list {
		if r.Kind != extract.MoveColumn {
			continue
		}
		to := p.have[place{r.Side, r.Table}]
		from, c := n.source(r)
		switch {
		case to == nil || c == nil || !n.mine(to) || !to.exists || !to.isTable:
		case from == to && c.moves == "": // it was moved already
			if _, taken := to.holder(r.New); !taken {
				n.rename(to, c, r.New)
			}
		case c.key || p.arrives(to, r.New) || !sameKeys(from, to):
		default:
			if _, taken := to.holder(r.New); taken {
				continue
			}
			c.was = &origin{ID: n.id, Base: n.base, From: r.From, Name: r.Old}
			c.moves, c.called = to.logical(), r.New
			n.ledger = append(n.ledger, setColumnDef(from.schema, from.name, c.id,
				"moves_to = "+literal(c.moves)+", called = "+literal(c.called)+", renamed = "+jsonLiteral(c.was)))
		}
	}
}

// source finds the column that a list moves: where an unfinished run has moved it, or where the list begins.
func (n *namer) source(r extract.Rename) (*table, *column) {
	for _, at := range sortedPlaces(n.p.have) {
		t := n.p.have[at]
		for _, c := range t.columns {
			if t.side == r.Side && n.mine(t) && !c.retired && n.begins(c.was) && c.was.From == r.From && c.was.Name == r.Old {
				return t, c
			}
		}
	}
	t := n.p.have[place{r.Side, r.From}]
	if t == nil || !n.mine(t) || !t.exists {
		return nil, nil
	}
	return t, n.column(t, r.Old)
}

// arrives reports whether a column waits to be moved to a table under a name.
func (p *planner) arrives(to *table, name string) bool {
	for _, t := range p.have {
		if t.schema != to.schema {
			continue
		}
		for _, c := range t.columns {
			if c.moves != "" && c.moves == to.logical() && c.called == name {
				return true
			}
		}
	}
	return false
}

// sameKeys reports whether rows of two tables can have the same key.
func sameKeys(a, b *table) bool {
	return slices.EqualFunc(a.keys(), b.keys(), func(x, y *column) bool { return x.typ == y.typ }) && len(a.keys()) == len(a.primary)
}
