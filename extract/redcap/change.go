package redcap

import (
	"fmt"
	"slices"
	"strings"

	"syncd/extract"
)

// change is what became different between two structures of a project.
type change struct {
	all     bool            // every record has to be read again
	forms   map[string]bool // instruments that have to be read again for every record
	renames []extract.Rename
	hidden  int // columns that the dictionary has and the export no longer shows
}

// any reports whether rows may differ because the structure does.
func (c *change) any() bool { return c.all || len(c.forms) > 0 }

// comparison works on two models.
type comparison struct {
	old, now *model
	out      change
	forms    map[string]string // old name -> name now, of instruments that are still there
	fields   map[string]string // old name -> name now
	placed   bool              // where instruments have rows, or whether they are seen, has changed
}

// compareModels finds what was renamed and which instruments have to be read again. Whatever it takes for a rename is
// read again all the same, so that a wrong guess costs the times of rows and nothing else.
func compareModels(old, now *model) change {
	c := &comparison{old: old, now: now, forms: map[string]string{}, fields: map[string]string{}}
	c.out.forms = map[string]bool{}
	c.matchForms()
	c.matchFields()
	c.projectWide()
	c.renameTables()
	c.renameColumns()
	c.renameEvents()
	c.renameMeta()
	for _, f := range now.forms {
		if !f.unread && c.differs(f) {
			c.out.forms[f.name] = true
		}
	}
	c.countHidden()
	if len(c.out.forms) == len(now.forms) && len(now.forms) > 0 || c.placed && len(now.arms) > 1 {
		c.out.all = true // with several arms the record's own row says in which of them it has data
	}
	return c.out
}

// matchForms finds the instruments that go on: by name, else a new one with four fifths of a vanished one's fields.
func (c *comparison) matchForms() {
	is, was := map[string]bool{}, map[string]bool{}
	for _, in := range c.now.instruments {
		is[in.name] = true
	}
	for _, in := range c.old.instruments {
		was[in.name] = true
		if is[in.name] {
			c.forms[in.name] = in.name
		}
	}
	at := map[string]string{} // field -> form now
	for i := range c.now.fields {
		at[c.now.fields[i].name()] = c.now.fields[i].form()
	}
	for _, in := range c.old.instruments {
		if is[in.name] {
			continue
		}
		total, votes := 0, map[string]int{}
		for i := range c.old.fields {
			if f := &c.old.fields[i]; f.form() == in.name {
				total++
				if to := at[f.name()]; to != "" && !was[to] {
					votes[to]++
				}
			}
		}
		for to, n := range votes {
			if n*5 >= total*4 {
				c.forms[in.name] = to
			}
		}
	}
}

// matchFields finds the fields that go on: by name, the first by its place, others where but for the name everything is the
// same and they stand behind the same field of the same instrument.
func (c *comparison) matchFields() {
	is := map[string]*field{}
	for i := range c.now.fields {
		is[c.now.fields[i].name()] = &c.now.fields[i]
	}
	was := map[string]bool{}
	for i := range c.old.fields {
		name := c.old.fields[i].name()
		was[name] = true
		if is[name] != nil {
			c.fields[name] = name
		}
	}
	if from, to := c.old.idField, c.now.idField; from != to && !was[to] && is[from] == nil {
		c.fields[from] = to
	}
	taken := map[string]bool{c.fields[c.old.idField]: true}
	for i := range c.old.fields {
		f := &c.old.fields[i]
		if c.fields[f.name()] != "" {
			continue
		}
		if to := c.successor(f, i, was, taken); to != "" {
			c.fields[f.name()], taken[to] = to, true
		}
	}
}

// successor finds the one field that a vanished one may have become.
func (c *comparison) successor(f *field, at int, was, taken map[string]bool) string {
	found := ""
	for j := range c.now.fields {
		g := &c.now.fields[j]
		if was[g.name()] || taken[g.name()] || c.forms[f.form()] != g.form() || !alike(f, g) {
			continue
		}
		if c.fields[before(c.old.fields, at, func(name string) bool { return c.fields[name] != "" })] != before(c.now.fields, j, func(name string) bool { return was[name] || taken[name] }) {
			continue
		}
		if found != "" {
			return ""
		}
		found = g.name()
	}
	return found
}

// before finds the nearest field in front of one, in the same instrument, that goes on; empty where there is none.
func before(fields []field, at int, on func(name string) bool) string {
	for i := at - 1; i >= 0 && fields[i].form() == fields[at].form(); i-- {
		if on(fields[i].name()) {
			return fields[i].name()
		}
	}
	return ""
}

// alike reports whether two fields say the same but for name and form.
func alike(f, g *field) bool {
	for i := range f.text {
		if i != attrName && i != attrForm && f.text[i] != g.text[i] {
			return false
		}
	}
	return true
}

// projectWide finds changes that touch every record.
func (c *comparison) projectWide() {
	old, now := c.old, c.now
	switch {
	case old.longitudinal != now.longitudinal, old.lead != now.lead, old.idField != now.idField,
		old.repeatsKnown != now.repeatsKnown, !slices.Equal(old.missing, now.missing), !slices.Equal(old.repeating, now.repeating) && len(old.repeating)*len(now.repeating) == 0:
		c.out.all = true
	}
	if !slices.EqualFunc(old.events, now.events, func(a, b event) bool { return a.unique == b.unique && a.id == b.id && a.arm == b.arm }) {
		c.out.all = true
	}
	if old.headerIndex(surveyColumn) >= 0 != (now.headerIndex(surveyColumn) >= 0) && old.header != nil && now.header != nil {
		c.out.all = true
	}
}

// differs reports whether rows of an instrument may differ for what the structure says of it.
func (c *comparison) differs(f *form) bool {
	name := ""
	for from, to := range c.forms {
		if to == f.name {
			name = from
		}
	}
	before := c.old.formNamed(name)
	c.placed = c.placed || before == nil || before.unread || !slices.Equal(c.old.designated(name), c.now.designated(f.name))
	if before == nil || before.unread || name != f.name || len(before.columns) != len(f.columns) {
		return true
	}
	for i, col := range f.columns {
		was := before.columns[i]
		if was.export != col.export || was.role != col.role || was.absent != col.absent || was.dropped != col.dropped ||
			was.emptied != col.emptied || was.pg.Type != col.pg.Type || was.pg.Choices != col.pg.Choices || was.computed() != col.computed() || was.kind() != col.kind() {
			return true
		}
	}
	return !slices.Equal(c.old.designated(name), c.now.designated(f.name))
}

func (c *column) computed() bool { return c.field != nil && c.field.computed() }

// kind is what a value is read by.
func (c *column) kind() string {
	if c.field == nil {
		return ""
	}
	return c.field.kind() + " " + c.field.validation()
}

func (m *model) formNamed(name string) *form {
	for _, f := range m.forms {
		if f.name == name {
			return f
		}
	}
	return nil
}

// designated are the events that a form is designated for, and how it repeats in each.
func (p *snapshot) designated(form string) []string {
	var all []string
	for _, d := range p.designations {
		if d.form == form {
			all = append(all, d.event)
		}
	}
	for _, r := range p.repeating {
		if r.form == form || r.form == "" {
			all = append(all, "repeats "+r.event+" "+r.form)
		}
	}
	slices.Sort(all)
	return all
}

// countHidden counts columns that were exported and are not any more, although the dictionary has them.
func (c *comparison) countHidden() {
	for _, f := range c.old.forms {
		to := c.now.formNamed(c.forms[f.name])
		if to == nil {
			continue
		}
		absent := map[string]bool{}
		for _, col := range to.columns {
			absent[col.export] = col.absent
		}
		for _, col := range f.columns {
			if !col.absent && absent[col.export] {
				c.out.hidden++
			}
		}
	}
}

func (c *comparison) rename(r extract.Rename) {
	if r.Old != r.New || r.Kind == extract.MoveColumn {
		c.out.renames = append(c.out.renames, r)
	}
}

// renameTables renames the tables of instruments, part by part, and what is named after the instrument in them.
func (c *comparison) renameTables() {
	for _, f := range c.old.forms {
		to := c.now.formNamed(c.forms[f.name])
		if to == nil || to.name == f.name {
			continue
		}
		for i := range min(len(f.parts), len(to.parts)) {
			c.rename(extract.Rename{Kind: extract.RenameTable, Old: f.parts[i].table.Name, New: to.parts[i].table.Name})
		}
		for _, end := range []string{"_complete", "_timestamp"} {
			from, fromTable := c.columnOf(c.old, f, f.name+end)
			now, nowTable := c.columnOf(c.now, to, to.name+end)
			if fromTable != "" && nowTable != "" {
				c.rename(extract.Rename{Kind: extract.RenameColumn, Table: nowTable, Old: from, New: now})
			}
		}
	}
}

// columnOf finds the Postgres name and the table of an exported column of a form.
func (c *comparison) columnOf(m *model, f *form, export string) (column, table string) {
	for _, p := range f.parts {
		for _, col := range p.columns {
			if col.export == export {
				return col.pg.Name, p.table.Name
			}
		}
	}
	return "", ""
}

// renameColumns follows fields to their new names and instruments.
func (c *comparison) renameColumns() {
	before, now := c.old.fieldPlaces(), c.now.fieldPlaces()
	for i := range c.old.fields {
		f := &c.old.fields[i]
		to := c.fields[f.name()]
		if to == "" || f.name() == c.old.idField {
			continue
		}
		from, at := before[f.name()], now[to]
		if len(from) != len(at) {
			continue
		}
		for k := range from {
			home := c.tableNow(from[k].table)
			switch {
			case home == at[k].table:
				c.rename(extract.Rename{Kind: extract.RenameColumn, Table: home, Old: from[k].column, New: at[k].column})
			case home != "" && c.forms[f.form()] != c.formOf(to):
				c.rename(extract.Rename{Kind: extract.MoveColumn, From: home, Table: at[k].table, Old: from[k].column, New: at[k].column})
			}
		}
	}
}

func (c *comparison) formOf(field string) string {
	for i := range c.now.fields {
		if c.now.fields[i].name() == field {
			return c.now.fields[i].form()
		}
	}
	return ""
}

// tableNow is the name that a table of the old model has now; its own where its instrument is gone.
func (c *comparison) tableNow(table string) string {
	for _, r := range c.out.renames {
		if r.Kind == extract.RenameTable && r.Old == table {
			return r.New
		}
	}
	return table
}

// fieldPlaces finds table and column of each field, its options in order.
func (m *model) fieldPlaces() map[string][]place {
	places := map[string][]place{}
	for _, f := range m.forms {
		for _, p := range f.parts {
			for _, col := range p.columns {
				if col.field != nil {
					places[col.field.name()] = append(places[col.field.name()], place{p.table.Name, col.pg.Name})
				}
			}
		}
	}
	return places
}

// renameEvents follows events by their id, and a project that turned longitudinal or classic.
func (c *comparison) renameEvents() {
	names := map[string]string{}
	switch {
	case !c.old.longitudinal && c.now.longitudinal:
		names[""] = c.now.events[0].unique
	case c.old.longitudinal && !c.now.longitudinal:
		names[c.old.events[0].unique] = ""
	default:
		ids := map[string]string{}
		for _, e := range c.now.events {
			ids[e.id] = e.unique
		}
		for _, e := range c.old.events {
			if to := ids[e.id]; e.id != "" && to != "" && to != e.unique {
				names[e.unique] = to
			}
		}
	}
	if len(names) == 0 {
		return
	}
	for _, f := range c.now.forms {
		for _, p := range f.parts {
			c.renameValues(extract.Live, p.table.Name, eventColumn, names)
		}
	}
	c.renameValues(extract.Meta, "redcap_event", "unique_event_name", names)
	c.renameValues(extract.Meta, "redcap_instrument_event", "unique_event_name", names)
	c.renameValues(extract.Meta, "redcap_repeating", "event_name", names)
	c.renameValues(extract.Meta, "redcap_file", eventColumn, names)
	c.renameValues(extract.Meta, "redcap_survey_participant", "unique_event_name", names)
}

func (c *comparison) renameValues(side extract.Side, table, column string, names map[string]string) {
	olds := make([]string, 0, len(names))
	for old := range names {
		olds = append(olds, old)
	}
	slices.Sort(olds)
	for _, old := range olds {
		c.rename(extract.Rename{Kind: extract.RenameValue, Side: side, Table: table, Column: column, Old: old, New: names[old]})
	}
}

// renameMeta lets the structure tables follow renamed instruments and fields.
func (c *comparison) renameMeta() {
	renamed := func(all map[string]string) map[string]string {
		out := map[string]string{}
		for from, to := range all {
			if from != to {
				out[from] = to
			}
		}
		return out
	}
	forms, fields := renamed(c.forms), renamed(c.fields)
	for from, to := range forms {
		fields[from+"_complete"] = to + "_complete"
	}
	c.renameValues(extract.Meta, "redcap_instrument", "instrument_name", forms)
	c.renameValues(extract.Meta, "redcap_instrument_event", "form", forms)
	c.renameValues(extract.Meta, "redcap_repeating", "form_name", forms)
	c.renameValues(extract.Meta, "redcap_survey_participant", "instrument", forms)
	c.renameValues(extract.Meta, "redcap_file", fileFieldColumn, renamed(c.fields))
	c.renameValues(extract.Meta, "redcap_field", "field_name", renamed(c.fields))
	c.renameValues(extract.Meta, "redcap_choice", "field_name", renamed(c.fields))
	c.renameValues(extract.Meta, "redcap_export_field", "original_field_name", fields)
}

// String lists what is to be read again, for a log line.
func (c *change) String() string {
	if c.all {
		return "every instrument"
	}
	names := make([]string, 0, len(c.forms))
	for f := range c.forms {
		names = append(names, f)
	}
	slices.Sort(names)
	return fmt.Sprintf("%d instruments: %s", len(names), strings.Join(names, ", "))
}
