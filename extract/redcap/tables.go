package redcap

import (
	"strconv"

	"syncd/extract"
)

// makeTables cuts the instruments into parts, names tables and columns, and describes the record table.
//
// How parts stay put: fields are laid in dictionary order into the part that is being filled, and the status and
// survey time always stand in the first part, whose room for them is kept free. A field that is appended to the
// end of its instrument therefore moves no other. One that is inserted before others in an instrument of several
// parts may move them: what a field's part was is in the catalog, not in the dictionary.
func (m *model) makeTables() {
	names := []string{recordTable}
	for _, f := range m.forms {
		names = append(names, f.name)
	}
	var spare []*part
	for _, f := range m.forms {
		f.cut(m.lead)
		for i := range f.parts {
			if i > 0 {
				names = append(names, f.name+"__"+strconv.Itoa(i+1))
				spare = append(spare, f.parts[i])
			}
		}
	}
	names = extract.PostgresNames(names)
	m.record = m.newRecordTable(names[0])
	m.live = []*extract.Table{m.record}
	first, rest := names[1:], names[1+len(m.forms):]
	next := map[*part]string{}
	for i, p := range spare {
		next[p] = rest[i]
	}
	for i, f := range m.forms {
		m.fillTables(f, first[i], next)
	}
}

// worst is the most bytes that a value of a type takes inside its row.
func worst(t extract.Type) int {
	switch t {
	case extract.Boolean:
		return 1
	case extract.Smallint:
		return 2
	case extract.Integer, extract.Date:
		return 4
	case extract.Bigint, extract.Time, extract.Timestamp, extract.Timestamptz:
		return 8
	case extract.Interval:
		return 16
	}
	return 24
}

// cut lays the columns of a form into parts. The options of a checkbox stay together where a part can hold them.
func (f *form) cut(lead int) {
	const keyBytes = 24 + 24 + 4 + 24
	last := len(f.columns) - 1 // the status
	bytes, count := keyBytes+worst(extract.Smallint)+worst(extract.Timestamp), lead+2
	at := &part{}
	f.parts = []*part{at}
	for i := 0; i < last; {
		end := i + 1
		for end < last && f.columns[i].field != nil && f.columns[end].field == f.columns[i].field {
			end++
		}
		if f.columns[i].role == roleSurvey {
			at.columns, i = append(at.columns, f.columns[i]), end
			continue
		}
		need := 0
		for _, c := range f.columns[i:end] {
			need += worst(c.pg.Type)
		}
		if fresh := keyBytes+need > partBytes || lead+end-i > partColumns; fresh {
			end, need = i+1, worst(f.columns[i].pg.Type) // a field that no part can hold is cut itself
		}
		if bytes+need > partBytes || count+end-i > partColumns {
			at = &part{}
			f.parts = append(f.parts, at)
			bytes, count = keyBytes, lead
		}
		at.columns = append(at.columns, f.columns[i:end]...)
		bytes, count, i = bytes+need, count+end-i, end
	}
	f.parts[0].columns = append(f.parts[0].columns, f.columns[last])
}

// leadColumns are the columns before the data columns of every instrument's table.
func (m *model) leadColumns() []extract.Column {
	id := &m.fields[0]
	label := plainLabel(id.label())
	columns := []extract.Column{
		{
			Name: m.idField, Source: m.idField, Field: m.idField, Type: extract.Text, Key: true, Label: label,
			Identifier: id.identifier(), Comment: id.comment(label),
		},
		{
			Name: eventColumn, Source: eventColumn, Type: extract.Text, Key: true, Label: "Event Name",
			Comment: "Unique name of the event; empty in a classic project",
		},
		{
			Name: instanceColumn, Source: instanceColumn, Type: extract.Integer, Key: true, Label: "Repeat Instance",
			Comment: "Instance of the repeating instrument or event; 1 where nothing repeats",
		},
	}
	if m.lead == 4 {
		columns = append(columns, groupPG())
	}
	return columns
}

func groupPG() extract.Column {
	return extract.Column{
		Name: groupColumnName, Source: groupColumnName, Type: extract.Text, Label: "Data Access Group",
		Comment: "Unique name of the record's data access group",
	}
}

// fillTables makes the tables of a form's parts. Names of columns are apart over all parts of an instrument.
func (m *model) fillTables(f *form, name string, names map[*part]string) {
	lead := m.leadColumns()
	sources := make([]string, 0, len(lead)+len(f.columns)+1)
	for _, c := range lead {
		sources = append(sources, c.Name)
	}
	if m.lead == 3 {
		sources = append(sources, groupColumnName)
	}
	from := len(sources)
	for _, c := range f.columns {
		sources = append(sources, c.export)
	}
	for i, n := range extract.PostgresNames(sources) {
		if i < len(lead) {
			lead[i].Name = n
		} else if i >= from {
			f.columns[i-from].pg.Name = n
		}
	}
	for i, p := range f.parts {
		p.table = &extract.Table{Name: name, Source: f.name, Comment: m.formComment(f)}
		if i > 0 {
			p.table.Name = names[p]
			p.table.Comment += "\nPart " + strconv.Itoa(i+1) + " of " + strconv.Itoa(len(f.parts))
		}
		p.table.Columns = append(p.table.Columns, lead...)
		if m.lead == 3 {
			p.table.Unnamed = append(p.table.Unnamed, groupColumnName)
		}
		part := 0
		if len(f.parts) > 1 {
			part = i + 1
		}
		p.fill(part, f.unread)
		if !f.unread {
			m.live = append(m.live, p.table)
		}
	}
}

// fill puts the columns that are asked for into the part's table and keeps only those for decoding.
func (p *part) fill(number int, unread bool) {
	var kept []*column
	for _, c := range p.columns {
		c.pg.Part = number
		if c.dropped || c.absent && !unread {
			p.table.Unnamed = append(p.table.Unnamed, c.pg.Name)
			continue
		}
		kept = append(kept, c)
		p.table.Columns = append(p.table.Columns, c.pg)
	}
	p.columns = kept
}

func (m *model) formComment(f *form) string {
	text := plainLabel(f.label)
	if text == "" {
		text = f.name
	}
	return text + "\nrepeats: " + m.repeats(f.name)
}

// newRecordTable describes redcap_record: one row for each record, which proves the ids.
func (m *model) newRecordTable(name string) *extract.Table {
	lead := m.leadColumns()
	names := extract.PostgresNames([]string{groupColumnName, surveyColumn, "arms", m.idField})
	id := lead[0]
	id.Name = names[len(names)-1]
	t := &extract.Table{
		Name: name, Source: recordTable, Comment: "One row for each record of the project",
		Columns: []extract.Column{id},
	}
	if m.lead == 4 {
		t.Columns = append(t.Columns, groupPG())
	} else {
		t.Unnamed = append(t.Unnamed, groupColumnName)
	}
	t.Columns = append(t.Columns,
		extract.Column{
			Name: surveyColumn, Source: surveyColumn, Type: extract.Text, Label: "Survey Identifier",
			Identifier: true, Comment: "Identifier of the survey's participant",
		},
		extract.Column{
			Name: "arms", Source: "arms", Type: extract.Text, Label: "Arms",
			Comment: "Numbers of the arms in which the record has data, separated by commas; NULL in a classic project",
		})
	return t
}

// tables are all tables of the project: records, instruments, structure.
func (m *model) tables() []*extract.Table {
	all := []*extract.Table{m.record}
	for _, f := range m.forms {
		for _, p := range f.parts {
			all = append(all, p.table)
		}
	}
	if m.log != nil {
		all = append(all, m.log)
	}
	return append(all, m.meta.tables()...)
}

// whole are the tables of which a batch of records is the whole truth: not those of instruments that are seen in part.
func (m *model) whole() []*extract.Table {
	unsure := map[*extract.Table]bool{}
	for _, f := range m.forms {
		for _, p := range f.parts {
			unsure[p.table] = f.partly
		}
		if m.files != nil && f.partly {
			unsure[m.files.file] = true
		}
	}
	if len(unsure) == 0 {
		return m.live
	}
	var all []*extract.Table
	for _, t := range m.live {
		if !unsure[t] {
			all = append(all, t)
		}
	}
	return all
}

// recordTables are all tables with rows of a record, those of instruments that the token may not see among them: a record that
// is gone is gone from them too.
func (m *model) recordTables() []*extract.Table {
	all := []*extract.Table{m.record}
	for _, f := range m.forms {
		for _, p := range f.parts {
			all = append(all, p.table)
		}
	}
	if m.files != nil {
		all = append(all, m.files.file)
	}
	return all
}

// ignores reports whether a column of the export belongs to an instrument that was not asked for.
func (m *model) ignores(name string) bool {
	for form := range m.skipped {
		if name == form+"_complete" || name == form+"_timestamp" {
			return true
		}
	}
	for i := range m.fields {
		f := &m.fields[i]
		if f.name() == name {
			return m.skipped[f.form()]
		}
	}
	return false
}
