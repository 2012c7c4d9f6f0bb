package load

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"syncd/extract"
)

// revalued is what the values of a key column are called since a list of renames was taken, by what they were called
// where the list begins.
type revalued struct {
	ID   string            `json:"id"`
	Base int64             `json:"base"`
	Map  map[string]string `json:"map"`
}

// revaluing is the renaming of values of one key column.
type revaluing struct {
	t      *table
	c      *column
	values map[string]string // as they are stored now
	keep   revalued
}

// revalue finds which values are to be renamed: those of the list, where it was not taken before; and where another list
// that began at the same place was taken, what leads from its values to those of this list.
func (p *planner) revalue(s *extract.Structure) ([]revaluing, error) {
	if len(s.Renames) == 0 && s.RenameID == "" {
		return nil, nil
	}
	type column struct {
		at   place
		name string
	}
	given := map[column]map[string]string{}
	for _, r := range s.Renames {
		if r.Kind != extract.RenameValue {
			continue
		}
		c := column{place{r.Side, r.Table}, r.Column}
		if given[c] == nil {
			given[c] = map[string]string{}
		}
		given[c][r.Old] = r.New
	}
	var out []revaluing
	for _, at := range sortedPlaces(p.have) {
		t := p.have[at]
		if !p.namer.mine(t) || !t.exists || !t.isTable {
			continue
		}
		for _, c := range t.keys() {
			list := given[column{at, c.logical()}]
			if c.typ != extract.Text && len(list) > 0 {
				return nil, extract.Errorf(extract.KindInternal, "rename values", "%s of %s is not text", c.name, t)
			}
			if x, ok := p.namer.revaluing(t, c, list); ok {
				out = append(out, x)
			}
			if !permutes(list) {
				return nil, extract.Errorf(extract.KindInternal, "rename values", "two values of %s of %s would have one name", c.name, t)
			}
		}
	}
	return out, nil
}

func permutes(list map[string]string) bool {
	names := map[string]bool{}
	for _, to := range list {
		names[to] = true
	}
	return len(names) == len(list)
}

func (n *namer) revaluing(t *table, c *column, list map[string]string) (revaluing, bool) {
	x := revaluing{t: t, c: c, values: maps.Clone(list), keep: revalued{ID: n.id, Base: n.base, Map: list}}
	switch old := c.values; {
	case old == nil:
		return x, len(list) > 0
	case n.id != "" && old.ID == n.id:
		return x, false
	case n.base != 0 && old.Base == n.base:
		x.values = map[string]string{}
		taken := map[string]bool{}
		for was, is := range old.Map {
			taken[is] = true
			x.values[is] = was
			if to, ok := list[was]; ok {
				x.values[is] = to
			}
		}
		for was, to := range list {
			if _, before := old.Map[was]; !before && !taken[was] {
				x.values[was] = to
			}
		}
		return x, true
	}
	return x, len(list) > 0
}

// order is the order in which values are renamed, those aside that exchange their names.
func (x revaluing) order() []pair {
	values := maps.Clone(x.values)
	maps.DeleteFunc(values, func(old, to string) bool { return old == to })
	return legs(values, asideValue)
}

// step makes a change of it: syncd makes it itself in either mode, because it only moves rows.
func (x revaluing) step() step {
	t := x.t
	s := step{
		Change: Change{Schema: t.schema, Table: t.name, Column: x.c.name, Kind: kindValues},
		place:  place{t.side, t.logical()},
		ledger: []string{setColumnDef(t.schema, t.name, x.c.id, "revalued = "+jsonLiteral(x.keep)), markReshaped(t.schema, t.name)},
	}
	order := x.order()
	s.Detail = fmt.Sprintf("%d values are called otherwise now", len(order))
	for _, leg := range order {
		s.dml = append(s.dml, renameValue(t, x.c, leg, t.schema, t.name, true))
		if t.archive != nil {
			s.dml = append(s.dml, renameValue(t, x.c, leg, t.archive.schema, t.archive.name, false))
		}
	}
	return s
}

// rehearse renames values in the rows of a batch's scope, in a transaction that is given up.
func (x revaluing) rehearse(ctx context.Context, tx pgx.Tx, sc *scope) error {
	var keys []string
	if sc != nil && sc.width > 0 {
		for _, i := range sc.sorted {
			keys = append(keys, string(part(sc.index.keys.at(i), 0)))
		}
		slices.Sort(keys)
		keys = slices.Compact(keys)
	}
	first := x.t.keys()[0]
	for _, leg := range x.order() {
		sql := renameValue(x.t, x.c, leg, x.t.schema, x.t.name, true)
		args := []any{}
		if keys != nil && first != x.c {
			sql += fmt.Sprintf(" AND t.%s = ANY ($1::text[]::%s[])", ident(first.name), first.typ)
			args = append(args, keys)
		}
		if _, err := tx.Exec(ctx, sql, args...); err != nil {
			return err
		}
	}
	return nil
}

// renameValue gives the rows that have a value another one. A row that would have the key of one that is stored is left:
// the batch that follows settles it. In a live table a row that was renamed loses its fingerprint.
func renameValue(t *table, c *column, leg pair, schema, table string, live bool) string {
	set := ident(c.name) + " = " + literal(leg.new)
	if live {
		set += ", " + fingerprintColumn + " = " + noFingerprint
	}
	same := []string{"o." + ident(c.name) + " = " + literal(leg.new)}
	for _, k := range t.keys() {
		if k != c {
			same = append(same, "o."+ident(k.name)+" = t."+ident(k.name))
		}
	}
	at := name(schema, table)
	return "UPDATE " + at + " AS t SET " + set + " WHERE t." + ident(c.name) + " = " + literal(leg.old) +
		" AND NOT EXISTS (SELECT FROM " + at + " AS o WHERE " + strings.Join(same, " AND ") + ")"
}
