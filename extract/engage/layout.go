package engage

import (
	"net/url"
	"slices"
	"strings"

	"syncd/extract"
)

// layout is a resource as one job reads it: its tables, and where each member of an item goes.
type layout struct {
	*resource
	table   *extract.Table
	below   []*under
	members map[string]place
	slots   int
	cells   []cell
	params  url.Values // of every request: what decides what can be seen
	whole   bool       // the filter would not tell of what leaves the list
}

// tables are the resource's own and those below it.
func (l *layout) tables() []*extract.Table {
	all := []*extract.Table{l.table}
	for _, u := range l.below {
		all = append(all, u.table)
	}
	return all
}

// place is where a member goes.
type place struct {
	slot  int
	below *under // a list with a table of its own
	drop  bool   // sensitive, and not asked for
	gone  bool   // whether the item is deleted
}

// cell is how a column is made: of one slot, or of another spelling's where that is empty.
type cell struct {
	slot, other int // other is -1 where there is one spelling
	spelled     string
	kind        kind
	part        part
}

// part is what of a value a column holds.
type part uint8

const (
	plain        part = iota
	value             // of a wrapped field
	lastModified      // of a wrapped field
)

// under is a table below a resource's own.
type under struct {
	nest
	table *extract.Table
}

// newLayout lays a resource out for a job.
func newLayout(r *resource, keeps func(column string) bool) *layout {
	l := &layout{resource: r, members: map[string]place{}, params: url.Values{}}
	for name, value := range r.always {
		l.params.Set(name, value)
	}
	t := &extract.Table{Name: r.name, Source: r.path, Comment: r.comment}
	for i, f := range r.fields {
		if f.sensitive && !keeps(f.columnName()) {
			l.drop(f, t)
			continue
		}
		l.add(f, t, i == 0)
	}
	if r.deletes {
		l.put(gone, place{gone: true})
	}
	for _, column := range r.indexes {
		if column != t.Columns[0].Name && slices.ContainsFunc(t.Columns, func(c extract.Column) bool { return c.Name == column }) {
			t.Indexes = append(t.Indexes, []string{column})
		}
	}
	l.table = t
	for _, n := range r.nests {
		u := &under{nest: n, table: n.lay(t)}
		l.below = append(l.below, u)
		l.put(n.name, place{below: u})
	}
	return l
}

// put finds members by their spelling, and else whatever the case of their letters.
func (l *layout) put(name string, p place) {
	l.members[name] = p
	if low := strings.ToLower(name); low != name {
		if _, taken := l.members[low]; !taken {
			l.members[low] = p
		}
	}
}

// find returns the place of a member.
func (l *layout) find(name string) (place, bool) {
	p, ok := l.members[name]
	if !ok {
		p, ok = l.members[strings.ToLower(name)]
	}
	return p, ok
}

// add gives a field its columns.
func (l *layout) add(f field, t *extract.Table, key bool) {
	c := cell{slot: l.slots, other: -1, kind: f.kind}
	l.put(f.name, place{slot: l.slots})
	l.slots++
	for _, other := range f.also {
		c.other, c.spelled = l.slots, other
		l.put(other, place{slot: l.slots})
		l.slots++
	}
	if f.wrapped {
		c.part = value
	}
	t.Columns = append(t.Columns, f.column(f.columnName(), f.kind, key))
	l.cells = append(l.cells, c)
	if f.wrapped {
		c.kind, c.part = instant, lastModified
		modified := f.column(f.columnName()+lastModifiedSuffix, instant, false)
		modified.Label = "when " + f.columnName() + " was changed last"
		t.Columns = append(t.Columns, modified)
		l.cells = append(l.cells, c)
	}
}

const lastModifiedSuffix = "_last_modified"

func (f field) column(name string, kind kind, key bool) extract.Column {
	return extract.Column{Name: name, Source: f.name, Field: f.name, Type: kind.column(), Key: key, Label: f.label, Identifier: f.sensitive}
}

// drop leaves a field out.
func (l *layout) drop(f field, t *extract.Table) {
	l.put(f.name, place{drop: true})
	t.Unnamed = append(t.Unnamed, f.columnName())
	if f.wrapped {
		t.Unnamed = append(t.Unnamed, f.columnName()+lastModifiedSuffix)
	}
}

// lay makes the table below another: its key is the other's and the item's own.
func (n nest) lay(above *extract.Table) *extract.Table {
	t := &extract.Table{Name: n.table, Source: above.Source + "." + n.name}
	t.Columns = append(t.Columns, above.Columns[0])
	if n.fields == nil {
		t.Comment = "Custom fields of " + above.Name + ", a row for each value. Their names are labels that the campus may change."
		t.Columns = append(
			t.Columns,
			extract.Column{Name: "name", Source: "name", Field: "name", Type: extract.Text, Key: true},
			extract.Column{Name: "ordinal", Type: extract.Integer, Key: true, Label: "counts the values of a field from 1"},
			extract.Column{Name: "value", Source: "value", Field: "value", Type: extract.Text},
		)
		return t
	}
	t.Comment = "The " + n.name + " of " + above.Name
	for i, f := range n.fields {
		t.Columns = append(t.Columns, f.column(f.columnName(), f.kind, i == 0))
	}
	return t
}
