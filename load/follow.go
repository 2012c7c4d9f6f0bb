package load

import (
	"fmt"
	"maps"
	"slices"

	"syncd/extract"
)

// tryStep makes a change, or says that it waits.
type tryStep func(step) (done bool, err error)

// follow lets tables and columns follow the names that the source has for them, one change after the other. What is
// done is taken into what is stored, so that the comparison that comes next finds it.
func (p *planner) follow(s *extract.Structure, try tryStep) error {
	wanted := map[place]*extract.Table{}
	for _, want := range s.Tables {
		wanted[placeOf(want)] = want
	}
	for _, side := range []extract.Side{extract.Live, extract.Meta} {
		if err := p.followTables(side, wanted, try); err != nil {
			return err
		}
	}
	tried := map[*column]bool{}
	moves := func(t *table, _ *extract.Table) error { return p.followMoves(t, tried, try) }
	columns := func(t *table, want *extract.Table) error { return p.followColumns(t, want, try) }
	// A column that moves may leave the name of one that is renamed, or need the name that one has.
	for _, follow := range []func(*table, *extract.Table) error{moves, columns, moves} {
		for _, at := range sortedPlaces(p.have) {
			if t := p.have[at]; p.namer.mine(t) && t.exists && t.isTable {
				if err := follow(t, wanted[at]); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// followTables renames the tables of one side: those whose new name is free at once, those that exchange names together.
func (p *planner) followTables(side extract.Side, wanted map[place]*extract.Table, try tryStep) error {
	names, tables := map[string]string{}, map[string]*table{}
	for _, t := range p.have {
		if t.side == side && p.namer.mine(t) && t.called != "" && t.exists && t.isTable {
			names[t.name], tables[t.name] = t.called, t
		}
	}
	chains, rings := inOrder(names, asideName)
	groups := rings
	for _, leg := range chains {
		groups = append(groups, []pair{leg})
	}
	for _, group := range groups {
		s := p.renameTables(tables, wanted, group)
		if len(group) == 1 && p.occupied(s.Schema, group[0].new) {
			s.Reason = "its new name is still that of another table"
			p.waiting = append(p.waiting, s)
			continue
		}
		done, err := try(s)
		if err != nil {
			return err
		}
		if !done {
			continue
		}
		for _, leg := range group {
			if t := tables[leg.old]; t != nil {
				t.become(t.called, wanted[place{side, t.called}])
			}
		}
	}
	return nil
}

// occupied reports whether a relation of that name stands in a schema.
func (p *planner) occupied(schema, name string) bool {
	for _, t := range p.have {
		if t.schema == schema && t.name == name && t.exists {
			return true
		}
	}
	return false
}

// renameTables plans a group of renames that stand or fall together, with archives and indexes.
func (p *planner) renameTables(tables map[string]*table, wanted map[place]*extract.Table, group []pair) step {
	var s step
	aside := map[string]*table{}
	for _, leg := range group {
		t := tables[leg.old]
		if t == nil {
			t = aside[leg.old]
		}
		aside[leg.new] = t
		now := *t
		if leg.old != t.name { // it went aside a moment ago
			now.become(leg.old, wanted[place{t.side, t.called}])
		}
		s.ddl = append(s.ddl, now.renameTo(leg.new, wanted[place{t.side, t.called}])...)
		s.ledger = append(s.ledger, setTableDef(t.schema, leg.old, "table_name = "+literal(leg.new)), carryChanges(t.schema, leg.old, leg.new))
		if leg.new == t.called {
			s.ledger = append(s.ledger, setTableDef(t.schema, leg.new, "called = NULL, renamed = "+jsonLiteral(t.was)))
		}
	}
	t := tables[group[0].old]
	s.Change = Change{Schema: t.schema, Table: t.called, Kind: kindRename, Detail: "table " + t.name + " is called " + t.called + " now"}
	if len(group) > 1 {
		s.Detail = fmt.Sprintf("table %s is called %s now, and %d others exchange their names with it", t.name, t.called, len(group)-2)
	}
	s.place = place{t.side, t.called}
	return s
}

// renamedIndexes pairs the indexes of a table with what they are called when the table is.
func (t *table) renamedIndexes(to string, want *extract.Table) []pair {
	pairs := []pair{{changedIndex(t.name), changedIndex(to)}}
	if pkey := fitName(to + "_pkey"); pkey == to+"_pkey" {
		pairs = append(pairs, pair{t.name + "_pkey", pkey})
	}
	if want != nil {
		for _, columns := range want.Indexes {
			names := t.stored(columns)
			pairs = append(pairs, pair{indexName(t.name, names), indexName(to, names)})
		}
	}
	return slices.DeleteFunc(pairs, func(x pair) bool { return x.old == x.new || !slices.Contains(t.indexes, x.old) })
}

// stored are the names that columns of the source have in the table.
func (t *table) stored(columns []string) []string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = t.at(c)
	}
	return names
}

// renameTo makes the statements that give a table, its archive and their indexes another name.
func (t *table) renameTo(name string, want *extract.Table) []string {
	ddl := []string{renameTable(t.schema, t.name, name)}
	for _, index := range t.renamedIndexes(name, want) {
		ddl = append(ddl, renameIndex(t.schema, index.old, index.new))
	}
	if a := t.archive; a != nil {
		ddl = append(ddl, renameTable(a.schema, a.name, name))
		for _, index := range a.renamedIndexes(name, nil) {
			ddl = append(ddl, renameIndex(a.schema, index.old, index.new))
		}
	}
	return ddl
}

// become takes a rename into what is stored.
func (t *table) become(name string, want *extract.Table) {
	t.reindex(t.renamedIndexes(name, want))
	if t.archive != nil {
		a := *t.archive
		a.reindex(a.renamedIndexes(name, nil))
		a.name = name
		t.archive = &a
	}
	t.name, t.called = name, other(t.called, name)
}

func (t *table) reindex(renamed []pair) {
	t.indexes = slices.Clone(t.indexes)
	for _, index := range renamed {
		t.indexes[slices.Index(t.indexes, index.old)] = index.new
	}
}

// followColumns renames the columns of one table.
func (p *planner) followColumns(t *table, want *extract.Table, try tryStep) error {
	names := map[string]string{}
	for _, c := range t.columns {
		if c.called != "" && c.moves == "" && t.names[c.name] != nil {
			names[c.name] = c.called
		}
	}
	chains, rings := inOrder(names, asideName)
	groups := rings
	for _, leg := range chains {
		groups = append(groups, []pair{leg})
	}
	for _, group := range groups {
		s := p.renameColumns(t, want, group)
		if len(group) == 1 && t.names[group[0].new] != nil {
			s.Reason = "its new name is still that of another column"
			p.waiting = append(p.waiting, s)
			continue
		}
		done, err := try(s)
		if err != nil {
			return err
		}
		if !done {
			continue
		}
		for _, leg := range group {
			t.renamed(leg.old, leg.new, want)
		}
	}
	return nil
}

// renameColumns plans a group of renames of columns, in the table and in its archive; notes that are kept under the old
// names follow.
func (p *planner) renameColumns(t *table, want *extract.Table, group []pair) step {
	now := t.copy()
	var s step
	for _, leg := range group {
		c := now.column(leg.old)
		s.ddl = append(s.ddl, both(t, func(schema, table string) string { return renameColumn(schema, table, leg.old, leg.new) })...)
		for _, index := range now.reindexed(leg.old, leg.new, want) {
			s.ddl = append(s.ddl, renameIndex(t.schema, index.old, index.new))
		}
		s.ddl = append(s.ddl, carryNotes(t.schema, t.name, leg.old, leg.new, true))
		if t.archive != nil {
			s.ddl = append(s.ddl, carryNotes(t.archive.schema, t.archive.name, leg.old, leg.new, false))
		}
		set := "column_name = " + literal(leg.new)
		if leg.new == c.called {
			set += ", called = NULL, renamed = " + jsonLiteral(c.was)
		}
		s.ledger = append(s.ledger, setColumnDef(t.schema, t.name, c.id, set), carryColumnChanges(t.schema, t.name, leg.old, leg.new))
		now.renamed(leg.old, leg.new, want)
	}
	c := t.column(group[0].old)
	s.Change = Change{Schema: t.schema, Table: t.name, Column: c.called, Kind: kindRename, Detail: "column " + c.name + " is called " + c.called + " now"}
	if len(group) > 1 {
		s.Detail = fmt.Sprintf("column %s is called %s now, and %d others exchange their names with it", c.name, c.called, len(group)-2)
	}
	s.place = place{t.side, t.logical()}
	s.ledger = append(s.ledger, markReshaped(t.schema, t.name))
	return s
}

// copy is a table whose columns can be renamed without the other's being so.
func (t *table) copy() *table {
	now := *t
	now.names = maps.Clone(t.names)
	now.columns = make([]*column, len(t.columns))
	for i, c := range t.columns {
		one := *c
		now.columns[i] = &one
	}
	if t.archive != nil {
		a := *t.archive
		a.names = maps.Clone(a.names)
		now.archive = &a
	}
	return &now
}

// reindexed pairs the indexes over a column with what they are called when the column is.
func (t *table) reindexed(old, to string, want *extract.Table) []pair {
	if want == nil {
		return nil
	}
	var pairs []pair
	for _, columns := range want.Indexes {
		before := t.stored(columns)
		after := slices.Clone(before)
		for i, c := range after {
			if c == old {
				after[i] = to
			}
		}
		x := pair{indexName(t.name, before), indexName(t.name, after)}
		if x.old != x.new && slices.Contains(t.indexes, x.old) {
			pairs = append(pairs, x)
		}
	}
	return pairs
}

// renamed takes the rename of a column into what is stored.
func (t *table) renamed(old, to string, want *extract.Table) {
	c := t.column(old)
	t.reindex(t.reindexed(old, to, want))
	c.name, c.called = to, other(c.logical(), to)
	t.primary = slices.Clone(t.primary)
	if i := slices.Index(t.primary, old); i >= 0 {
		t.primary[i] = to
	}
	moveName(t.names, old, to)
	if t.archive != nil {
		moveName(t.archive.names, old, to)
	}
}

func moveName(names map[string]*attribute, old, to string) {
	if a := names[old]; a != nil {
		one := *a
		one.name = to
		names[to] = &one
		delete(names, old)
	}
}

// followMoves moves columns of a table to others, with the values and notes of rows that have the same key there.
func (p *planner) followMoves(from *table, tried map[*column]bool, try tryStep) error {
	for _, c := range slices.Clone(from.columns) {
		to := p.have[place{from.side, c.moves}]
		if c.moves == "" || tried[c] || to == nil || !to.exists || !sameKeys(from, to) || from.names[c.name] == nil {
			continue
		}
		if to.names[c.called] != nil {
			continue // the name of a column that waits to be renamed
		}
		tried[c] = true
		added := &column{id: p.nextID(to), name: c.called, typ: c.typ, def: c.def, was: c.was}
		done, err := try(p.moveColumn(from, to, c, added))
		if err != nil {
			return err
		}
		if !done {
			continue
		}
		retired := from.retiredName(c)
		moveName(from.names, c.name, retired)
		if from.archive != nil {
			moveName(from.archive.names, c.name, retired)
		}
		c.name, c.called, c.moves, c.retired, c.was = retired, "", "", true, nil
		to.columns = append(to.columns, added)
		to.names[added.name] = &attribute{name: added.name, typ: added.typ.String(), comment: added.def.comment()}
		if to.archive != nil {
			to.archive.names[added.name] = &attribute{name: added.name, typ: added.typ.String()}
		}
	}
	return nil
}

func (p *planner) moveColumn(from, to *table, c, added *column) step {
	retired := from.retiredName(c)
	ddl := both(to, func(schema, table string) string { return addColumn(schema, table, added) })
	ddl = append(ddl, both(to, func(schema, table string) string {
		return commentColumn(schema, table, added.name, added.def.comment())
	})...)
	ddl = append(ddl, takeValues(from, to, c, added), emptyColumn(from, to, c), dropNotes(from, c))
	ddl = append(ddl, both(from, func(schema, table string) string { return renameColumn(schema, table, c.name, retired) })...)
	return step{
		Change: Change{
			Schema: to.schema, Table: to.name, Column: added.name, Kind: kindMove,
			Detail: "column " + c.name + " of " + from.name + " is column " + added.name + " now; its values move, row by row of the same key",
		},
		place: place{to.side, to.logical()}, ddl: ddl,
		ledger: []string{
			keepColumnDefs(to.schema, to.name, []*column{added}),
			setColumnDef(to.schema, to.name, added.id, "renamed = "+jsonLiteral(added.was)),
			setColumnDef(from.schema, from.name, c.id, "column_name = "+literal(retired)+
				", retired_at = clock_timestamp(), called = NULL, moves_to = NULL, renamed = NULL"),
			markReshaped(to.schema, to.name), markReshaped(from.schema, from.name),
		},
	}
}
