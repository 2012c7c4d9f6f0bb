package load

import (
	"fmt"
	"slices"
	"strconv"

	"syncd/extract"
)

// reconcile plans what it takes for a stored table to follow its source.
func (p *planner) reconcile(t *table, want *extract.Table) error {
	if t.retired || t.source != plainText(want.Source) {
		p.add(step{
			Change: Change{Schema: t.schema, Table: t.name, Kind: kindDescribe, Detail: "table is at the source"}, place: placeOf(want),
			ledger: []string{keepTableDef(t.schema, t.name, p.job, want.Source, want.Comment)},
		})
	}
	claimed := map[*column]bool{} // stored columns that the structure still has
	for i, c := range want.Columns {
		var have *column
		if c.Key {
			have = p.key(t, want, i)
		} else {
			have = t.of(c.Name)
		}
		if have == nil || have.retired {
			have = p.returned(t, want, c)
		}
		if have == nil {
			p.append(t, want, c)
			continue
		}
		claimed[have] = true
		if err := p.known(t, want, have, c); err != nil {
			return err
		}
	}
	for _, c := range t.columns {
		if !claimed[c] && !c.retired {
			p.absent(t, want, c)
		}
	}
	if want.Versioned && t.names[versionColumn] == nil {
		p.step(t, want, kindAdd, versionColumn, "rows carry the version of their scope", both(t, addVersion), nil)
	}
	p.describe(t, want)
	p.indexes(t, want)
	switch {
	case want.Side == extract.History:
	case t.archive != nil:
		p.archive(t.name, want, t.columns, t.archive) // what is new is added to both in one step
	case p.ddl == Plan:
		p.archive(t.name, want, slices.Concat(t.columns, p.added[t]), nil)
	}
	return nil
}

func (p *planner) step(t *table, want *extract.Table, kind, column, detail string, ddl, ledger []string) {
	p.add(step{
		Change: Change{Schema: t.schema, Table: t.name, Column: column, Kind: kind, Detail: detail},
		place:  placeOf(want), ddl: ddl, ledger: ledger,
	})
}

// both makes a statement for a table and for its archive, where it has one.
func both(t *table, statement func(schema, table string) string) []string {
	ddl := []string{statement(t.schema, t.name)}
	if t.archive != nil {
		ddl = append(ddl, statement(t.archive.schema, t.archive.name))
	}
	return ddl
}

// key finds a key column by its place: a key keeps its columns, and one with another name was renamed at the source.
func (p *planner) key(t *table, want *extract.Table, i int) *column {
	have, name := t.column(t.primary[i]), want.Columns[i].Name
	if have.logical() == name {
		return have
	}
	p.step(t, want, kindRename, name, "key column "+have.name+" is called "+name+" now",
		both(t, func(schema, table string) string { return renameColumn(schema, table, have.name, name) }),
		[]string{setColumnDef(t.schema, t.name, have.id, "column_name = "+literal(name))})
	return have
}

// returned finds a retired column whose field is back, and gives it its name again.
func (p *planner) returned(t *table, want *extract.Table, c extract.Column) *column {
	old := t.column(retiredName(c.Name))
	if old == nil || !old.retired || t.names[c.Name] != nil || p.arrives(t, c.Name) {
		return nil
	}
	p.step(t, want, kindReturn, c.Name, "field is back; its column keeps the values it had",
		both(t, func(schema, table string) string { return renameColumn(schema, table, old.name, c.Name) }),
		[]string{
			setColumnDef(t.schema, t.name, old.id, "column_name = "+literal(c.Name)+", retired_at = NULL, unnamed_at = NULL"),
			newGeneration(t.schema, t.name),
		})
	return old
}

func (p *planner) append(t *table, want *extract.Table, c extract.Column) {
	if p.arrives(t, c.Name) {
		return // it waits for its values
	}
	added := &column{id: p.nextID(t), name: c.Name, typ: c.Type, def: defOf(c)}
	ddl := both(t, func(schema, table string) string { return addColumn(schema, table, added) })
	ddl = append(ddl, both(t, func(schema, table string) string {
		return commentColumn(schema, table, added.name, added.def.comment())
	})...)
	if p.displaced(t, c.Name) {
		p.waiting = append(p.waiting, step{
			Change: Change{
				Schema: t.schema, Table: t.name, Column: c.Name, Kind: kindAdd, Detail: "new column " + c.Type.String(),
				Reason: "its name is still that of another column, which waits to be renamed",
			},
			place: placeOf(want), ddl: ddl,
		})
		return
	}
	p.step(t, want, kindAdd, c.Name, "new column "+c.Type.String(), ddl, []string{keepColumnDefs(t.schema, t.name, []*column{added})})
	p.added[t] = append(p.added[t], added)
}

// nextID is the id of the next column of a table.
func (p *planner) nextID(t *table) int {
	id := 1
	for _, other := range slices.Concat(t.columns, p.added[t]) {
		id = max(id, other.id+1)
	}
	return id
}

// known plans what a column needs that is stored and wanted: the ledger's words and the type.
func (p *planner) known(t *table, want *extract.Table, have *column, c extract.Column) error {
	if have.unnamed {
		p.step(t, want, kindDescribe, c.Name, "column is asked for again", nil, []string{
			setColumnDef(t.schema, t.name, have.id, "unnamed_at = NULL"), newGeneration(t.schema, t.name),
		})
	}
	if d := defOf(c); d != have.def {
		set := fmt.Sprintf("source_name = %s, field = %s, part = %d, label = %s, choices = %s, identifier = %t, comment = %s",
			literal(d.Source), literalOrNull(d.Field), d.Part, literalOrNull(d.Label), literalOrNull(d.Choices), d.Identifier, literalOrNull(d.Comment))
		p.step(t, want, kindDescribe, c.Name, "the source describes the column differently", nil, []string{setColumnDef(t.schema, t.name, have.id, set)})
	}
	return p.retype(t, want, have, c)
}

// retype compares types. The stored type wins until it is changed: a value that does not fit it waits beside its row.
func (p *planner) retype(t *table, want *extract.Table, have *column, c extract.Column) error {
	a := t.names[have.name]
	adopt := setColumnDef(t.schema, t.name, have.id, "pg_type = "+literal(c.Type.String()))
	switch {
	case a == nil || have.typ == c.Type && a.typ == c.Type.String(): // a is nil where the column is planned only
		return nil
	case a.typ == c.Type.String(): // somebody applied what was pending
		p.step(t, want, kindDescribe, c.Name, "column was changed to "+c.Type.String(), nil, []string{adopt})
		return nil
	case widens(c.Type, have.typ): // the stored type is the wider one: every value fits
		return nil
	}
	now := c.Name
	if have.called != "" { // it still has another name
		now = have.name
	}
	change := Change{Schema: t.schema, Table: t.name, Column: now, Detail: have.typ.String() + " to " + c.Type.String()}
	ddl := both(t, func(schema, table string) string {
		return widenColumn(schema, table, &column{name: now, key: have.key}, c.Type)
	})
	if !widens(have.typ, c.Type) {
		change.Kind, change.Reason = kindRetype, "stored values need not fit the new type; until it is changed by hand, values that do not fit the old one wait in "+nonConformingColumn
		p.waiting = append(p.waiting, step{Change: change, place: placeOf(want), ddl: ddl, ledger: []string{adopt}})
		return nil
	}
	change.Kind = kindWiden
	who, err := p.dependents(t, a)
	if err != nil {
		return err
	}
	s := step{Change: change, place: placeOf(want), ddl: ddl, ledger: []string{adopt}}
	if who != "" {
		s.Reason = who + " depends on the column; until it is changed, values that do not fit wait in " + nonConformingColumn
		p.waiting = append(p.waiting, s)
		return nil
	}
	p.add(s)
	return nil
}

// widens reports whether every value of one type is a value of the other, and may be changed in place.
func widens(from, to extract.Type) bool {
	chains := [][]extract.Type{
		{extract.Smallint, extract.Integer, extract.Bigint, extract.Numeric, extract.Text},
		{extract.Date, extract.Timestamp, extract.Text},
	}
	for _, chain := range chains {
		i, j := slices.Index(chain, from), slices.Index(chain, to)
		if i >= 0 && i < j {
			return true
		}
	}
	return false
}

// absent plans what becomes of a stored column that the structure no longer has: left aside, or retired.
func (p *planner) absent(t *table, want *extract.Table, c *column) {
	if c.key || t.names[c.name] == nil {
		return
	}
	gone := !slices.Contains(want.Unnamed, c.logical()) && c.moves == ""
	if !c.unnamed {
		// Also before it is retired, which may have to wait: from now on fingerprints do without it.
		p.step(t, want, kindDescribe, c.name, "column is no longer read; it stays as it is", nil,
			[]string{setColumnDef(t.schema, t.name, c.id, "unnamed_at = clock_timestamp()")})
	}
	if !gone {
		return
	}
	retired := t.retiredName(c)
	p.step(t, want, kindRetire, c.name, "field is gone; its column is called "+retired+" and keeps its values",
		both(t, func(schema, table string) string { return renameColumn(schema, table, c.name, retired) }),
		[]string{setColumnDef(t.schema, t.name, c.id, "column_name = "+literal(retired)+", retired_at = clock_timestamp(), called = NULL, renamed = NULL")})
}

// retiredName is what a column is called when its field is gone.
func (t *table) retiredName(c *column) string {
	retired := retiredName(c.name)
	if c.moves == "" {
		retired = retiredName(c.logical())
	}
	if t.names[retired] != nil {
		// The name is taken by an earlier column of the same name: this one is told apart by its id.
		retired = fitName(retired + "_" + strconv.Itoa(c.id))
	}
	return retired
}

// describe plans the comments that differ from what the source says.
func (p *planner) describe(t *table, want *extract.Table) {
	var ddl []string
	if comment := plainText(want.Comment); comment != t.comment {
		ddl = append(ddl, commentTable(t.schema, t.name, comment))
	}
	for _, c := range want.Columns {
		a := t.names[t.at(c.Name)]
		if comment := defOf(c).comment(); a != nil && a.comment != comment && !p.arrives(t, c.Name) {
			ddl = append(ddl, commentColumn(t.schema, t.name, a.name, comment))
		}
	}
	if len(ddl) > 0 {
		p.step(t, want, kindComment, "", fmt.Sprintf("%d comments", len(ddl)), ddl, nil)
	}
}

// indexes plans what is missing of the table's indexes.
func (p *planner) indexes(t *table, want *extract.Table) {
	if n := changedIndex(t.name); !slices.Contains(t.indexes, n) {
		p.step(t, want, kindIndex, "", "index "+n, []string{createIndex(t.schema, t.name, n, "brin", []string{changedColumn})}, nil)
	}
	for _, columns := range want.Indexes {
		if slices.ContainsFunc(columns, func(c string) bool { return p.arrives(t, c) || p.displaced(t, c) }) {
			continue // it cannot be made before its column is there
		}
		names := t.stored(columns)
		if n := indexName(t.name, names); !slices.Contains(t.indexes, n) {
			p.step(t, want, kindIndex, "", "index "+n, []string{createIndex(t.schema, t.name, n, "btree", names)}, nil)
		}
	}
}

// displaced reports whether a column cannot be added because another still has its name.
func (p *planner) displaced(t *table, name string) bool {
	c := t.column(name)
	return c != nil && (c.logical() != name || c.moves != "") && t.of(name) == nil
}
