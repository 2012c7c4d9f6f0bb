package redcap

import (
	"fmt"

	"syncd/extract"
)

// The columns that REDCap puts in front of a record export (reference 4.1).
const (
	eventColumn      = "redcap_event_name"
	instrumentColumn = "redcap_repeat_instrument"
	instanceColumn   = "redcap_repeat_instance"
	groupColumnName  = "redcap_data_access_group"
	surveyColumn     = "redcap_survey_identifier"
	recordTable      = "redcap_record"
)

// Limits of one part of an instrument: a row whose every column has its longest in-row form must fit a page, and
// 800 columns leave room for as many again before Postgres' limit of 1,600, retired ones counted.
const (
	partBytes   = 6_500
	partColumns = 800
)

// role tells what a column of the export is to its instrument.
type role uint8

const (
	roleField  role = iota
	roleOption      // one option of a checkbox
	roleStatus      // <form>_complete
	roleSurvey      // <form>_timestamp
)

// column is one column that the server exports for an instrument.
type column struct {
	export  string // the server's own spelling
	role    role
	field   *field // nil for status and survey time
	dropped bool   // skip_fields: it only tells whether the form has a row
	absent  bool   // the token's rights take it out of the export
	emptied bool   // identifiers = "skip": the column stays and is NULL
	pg      extract.Column
	encode  encoder
	check   *check
}

// part is one table of an instrument; data columns begin after key and group.
type part struct {
	table   *extract.Table
	columns []*column
}

// form is an instrument that is asked for.
type form struct {
	instrument
	columns []*column // in the server's order
	parts   []*part
	// unread says that the token's rights take the whole instrument out of the export: its tables stay as they are
	// and no batch names them.
	unread bool
	// partly says that rights take out some of its columns: that nothing else of a row is filled does not tell that there is
	// none, and no stored row is taken for gone.
	partly bool
}

// model is what a snapshot makes of a project: tables, and where each exported column goes.
type model struct {
	*snapshot
	forms   []*form
	record  *extract.Table
	live    []*extract.Table // record and all parts that batches name
	lead    int              // columns before the data columns: the keys and, where it is read, the group
	skipped map[string]bool  // instruments that are not asked for
	meta    *metaTables
	log     *extract.Table // redcap_log; nil where it is not pulled
	files   *fileTables    // nil where files are not pulled
	partial bool           // some instruments only: the record's own table is left alone
}

// newModel turns a snapshot into tables by DESIGN section 5.
func newModel(p *snapshot, o Options) (*model, error) {
	m := &model{snapshot: p, skipped: map[string]bool{}, lead: 3}
	if p.groupColumn != groupRefused {
		m.lead = 4
	}
	if err := m.checkSkips(o); err != nil {
		return nil, err
	}
	byForm := map[string][]*field{}
	for i := range p.fields {
		f := &p.fields[i]
		byForm[f.form()] = append(byForm[f.form()], f)
	}
	options := p.optionColumns()
	for _, in := range p.instruments {
		if o.skips(in.name) {
			m.skipped[in.name] = true
			continue
		}
		m.forms = append(m.forms, m.newForm(in, byForm[in.name], options, o))
	}
	m.markAbsent()
	m.makeTables()
	if m.files = m.newFileTables(o); m.files != nil {
		m.live = append(m.live, m.files.file)
	}
	m.meta = newMetaTables(m)
	if o.logged() {
		m.log = m.logTable(o.logDetails())
	}
	return m, nil
}

// checkSkips refuses an option that would take away the key, and warns of patterns that fit nothing.
func (m *model) checkSkips(o Options) error {
	if matches(o.SkipFields, m.idField) {
		return &extract.Error{
			Kind: extract.KindConfig, What: "read options", Cause: fmt.Errorf("skip_fields covers the record id field %q", m.idField),
			Next: "Take the record id field out of skip_fields: without it no row can be told from another.",
		}
	}
	for _, pattern := range append(append([]string(nil), o.SkipForms...), o.OnlyForms...) {
		found := false
		for _, in := range m.instruments {
			found = found || matches([]string{pattern}, in.name)
		}
		if !found {
			m.warn("no instrument of the project is called %q, which skip_forms or only_forms names", pattern)
		}
	}
	return nil
}

// newForm lists the columns of an instrument in the order in which the server exports them.
func (m *model) newForm(in instrument, fields []*field, options map[string][]exportOption, o Options) *form {
	f := &form{instrument: in}
	at := m.headerIndex(in.name + "_timestamp")
	hidden := m.header == nil && m.info["surveys_enabled"] == "1"
	if (at >= 0 || hidden) && !m.isField(in.name+"_timestamp") {
		f.add(&column{export: in.name + "_timestamp", role: roleSurvey, absent: hidden}, extract.Column{
			Type: extract.Timestamp, Label: "Survey completed at", Comment: "When the survey was completed, on the server's clock",
		})
	}
	for _, fd := range fields {
		if fd.name() == m.idField || fd.kind() == "descriptive" {
			continue
		}
		m.addField(f, fd, options[fd.name()], o)
	}
	f.add(&column{export: in.name + "_complete", role: roleStatus}, extract.Column{
		Type: extract.Smallint, Label: "Complete?", Choices: "0, Incomplete | 1, Unverified | 2, Complete",
		Comment: "Complete?\nChoices: 0, Incomplete | 1, Unverified | 2, Complete\nNULL where the form was never opened",
	})
	return f
}

// addField appends the one column of a field, or one for each option of a checkbox.
func (m *model) addField(f *form, fd *field, options []exportOption, o Options) {
	label := plainLabel(fd.label())
	base := column{
		field:   fd,
		dropped: matches(o.SkipFields, fd.name()),
		emptied: o.Identifiers == "skip" && fd.identifier(),
	}
	pg := extract.Column{Field: fd.name(), Label: label, Choices: codesOf(fd), Identifier: fd.identifier()}
	if fd.kind() != "checkbox" {
		c := base
		c.export = fd.name()
		pg.Type, pg.Comment = typeOf(fd), fd.comment(label)
		f.add(&c, pg)
		return
	}
	for _, opt := range options {
		c := base
		c.export, c.role = opt.export, roleOption
		pg.Type = extract.Boolean
		pg.Label = fmt.Sprintf("%s (choice=%s)", label, plainLabel(opt.label))
		pg.Comment = fd.comment(pg.Label)
		f.add(&c, pg)
	}
}

func (f *form) add(c *column, pg extract.Column) {
	pg.Source = c.export
	if c.emptied {
		pg.Comment += "\nNot pulled: identifiers = \"skip\""
	}
	c.pg, c.encode = pg, encoderOf(pg.Type, c.field)
	c.check = checkOf(c)
	f.columns = append(f.columns, c)
}

// codesOf is the coding that the catalog keeps, verbatim.
func codesOf(f *field) string {
	switch f.kind() {
	case "radio", "dropdown", "checkbox":
		return f.choices()
	case "yesno":
		return "1, Yes | 0, No"
	case "truefalse":
		return "1, True | 0, False"
	}
	return ""
}

// exportOption is the exported column of one checkbox option.
type exportOption struct{ code, label, export string }

// optionColumns finds the columns of every checkbox: the server's own spelling by field and place where it tells,
// else our reading of its rule. Missing-data codes are options of every checkbox (reference 4.5).
func (p *snapshot) optionColumns() map[string][]exportOption {
	told := map[string][]exportName{}
	for _, e := range p.exports {
		told[e.field] = append(told[e.field], e)
	}
	columns := map[string][]exportOption{}
	for i := range p.fields {
		f := &p.fields[i]
		if f.kind() != "checkbox" {
			continue
		}
		labels := map[string]string{}
		all := append(f.options(), p.missing...)
		var list []exportOption
		for _, c := range all {
			labels[c.code] = c.label
			list = append(list, exportOption{c.code, c.label, spell(f.name(), c.code)})
		}
		if names := told[f.name()]; len(names) > 0 {
			list = list[:0]
			for _, e := range names {
				list = append(list, exportOption{e.choice, labels[e.choice], e.export})
			}
		}
		columns[f.name()] = list
	}
	return columns
}

// markAbsent finds what the token's rights take out of the export without a word (reference 1).
func (m *model) markAbsent() {
	if m.header == nil {
		return
	}
	shown := make(map[string]bool, len(m.header))
	for _, name := range m.header {
		shown[name] = true
	}
	gone := 0
	for _, f := range m.forms {
		f.unread = true
		for _, c := range f.columns {
			c.absent = !shown[c.export]
			f.unread = f.unread && c.absent
			f.partly = f.partly || c.absent && !c.computed()
			if c.absent {
				gone++
			}
		}
		if f.unread {
			m.warn("instrument %s is not in the export: the token's user has no access to it; its table is left as stored", f.name)
			gone -= len(f.columns)
		}
	}
	if gone > 0 {
		m.warn("%d columns of the dictionary are not in the export: the token's rights take them out; they are left as stored", gone)
	}
}

// isField reports whether the dictionary has a field of that name: a real field may end as a made one does.
func (p *snapshot) isField(name string) bool {
	for i := range p.fields {
		if p.fields[i].name() == name {
			return true
		}
	}
	return false
}

// headerIndex finds a column of the header that the server showed, and -1.
func (p *snapshot) headerIndex(name string) int {
	for i, h := range p.header {
		if h == name {
			return i
		}
	}
	return -1
}
