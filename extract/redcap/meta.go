package redcap

import (
	"slices"
	"strconv"

	"syncd/extract"
)

// metaTable is one structure table with its rows, a whole-table batch.
type metaTable struct {
	table *extract.Table
	rows  func(add func(cells ...string))
	held  bool // the right was missing: the table stays as stored
}

// metaTables are the tables of <schema>_meta, in the order in which they are read.
type metaTables struct {
	list []*metaTable
}

func (mt *metaTables) tables() []*extract.Table {
	var tables []*extract.Table
	for _, t := range mt.list {
		tables = append(tables, t.table)
	}
	return tables
}

// metaColumn describes a column of a structure table; a name that begins with '*' is of the key.
type metaColumn struct {
	name string
	kind extract.Type
}

func metaTableOf(name, comment string, columns ...metaColumn) *extract.Table {
	t := &extract.Table{Side: extract.Meta, Name: name, Source: name, Comment: comment}
	for _, c := range columns {
		key := c.name[0] == '*'
		if key {
			c.name = c.name[1:]
		}
		t.Columns = append(t.Columns, extract.Column{Name: c.name, Source: c.name, Type: c.kind, Key: key})
	}
	return t
}

// Types that structure tables use, short so that a table reads as a table.
const (
	txt = extract.Text
	num = extract.Integer
	yes = extract.Boolean
	tim = extract.Timestamp
)

func newMetaTables(m *model) *metaTables {
	return &metaTables{list: []*metaTable{
		m.projectTable(), m.armTable(), m.eventTable(), m.instrumentTable(), m.designationTable(), m.repeatingTable(),
		m.fieldTable(), m.choiceTable(), m.exportTable(), m.groupTable(),
	}}
}

func (m *model) projectTable() *metaTable {
	columns := []metaColumn{
		{"*project_id", num},
		{"project_title", txt},
		{"creation_time", tim},
		{"production_time", tim},
		{"in_production", yes},
		{"project_language", txt},
		{"purpose", num},
		{"purpose_other", txt},
		{"project_notes", txt},
		{"custom_record_label", txt},
		{"secondary_unique_field", txt},
		{"is_longitudinal", yes},
		{"has_repeating_instruments_or_events", yes},
		{"surveys_enabled", yes},
		{"scheduling_enabled", yes},
		{"record_autonumbering_enabled", yes},
		{"randomization_enabled", yes},
		{"ddp_enabled", yes},
		{"project_irb_number", txt},
		{"project_grant_number", txt},
		{"project_pi_firstname", txt},
		{"project_pi_lastname", txt},
		{"project_pi_email", txt},
		{"display_today_now_button", yes},
		{"missing_data_codes", txt},
		{"external_modules", txt},
		{"bypass_branching_erase_field_prompt", yes},
	}
	columns = append(columns, metaColumn{"redcap_version", txt})
	return &metaTable{
		table: metaTableOf("redcap_project", "The project as REDCap describes it", columns...),
		rows: func(add func(...string)) {
			cells := make([]string, len(columns))
			cells[0] = m.info["project_id"]
			for i, c := range columns[1:] {
				cells[i+1] = m.info[c.name]
			}
			cells[len(cells)-1] = m.version
			add(cells...)
		},
	}
}

func (m *model) armTable() *metaTable {
	return &metaTable{
		table: metaTableOf("redcap_arm", "Arms of a longitudinal project", metaColumn{"*arm_num", num}, metaColumn{"name", txt}),
		rows: func(add func(...string)) {
			for _, a := range m.arms {
				add(a.number, a.name)
			}
		},
	}
}

func (m *model) eventTable() *metaTable {
	return &metaTable{
		table: metaTableOf("redcap_event", "Events of a longitudinal project; the id stays when an event is renamed",
			metaColumn{"*unique_event_name", txt}, metaColumn{"ordinal", num}, metaColumn{"event_name", txt}, metaColumn{"arm_num", num},
			metaColumn{"custom_event_label", txt}, metaColumn{"event_id", num}, metaColumn{"day_offset", num},
			metaColumn{"offset_min", num}, metaColumn{"offset_max", num}),
		rows: func(add func(...string)) {
			for i, e := range m.events {
				add(e.unique, strconv.Itoa(i+1), e.name, e.arm, e.customLabel, e.id, e.dayOffset, e.offsetMin, e.offsetMax)
			}
		},
	}
}

func (m *model) instrumentTable() *metaTable {
	return &metaTable{
		table: metaTableOf("redcap_instrument", "Instruments in project order, those that this job leaves out included",
			metaColumn{"*instrument_name", txt}, metaColumn{"ordinal", num}, metaColumn{"instrument_label", txt}, metaColumn{"repeats", txt},
			metaColumn{"is_survey", yes}),
		rows: func(add func(...string)) {
			for i, in := range m.instruments {
				add(in.name, strconv.Itoa(i+1), plainLabel(in.label), m.repeats(in.name), m.isSurvey(in.name))
			}
		},
	}
}

func (m *model) designationTable() *metaTable {
	return &metaTable{
		table: metaTableOf("redcap_instrument_event", "Which instrument is designated for which event",
			metaColumn{"*unique_event_name", txt}, metaColumn{"*form", txt}, metaColumn{"ordinal", num}, metaColumn{"arm_num", num}),
		rows: func(add func(...string)) {
			for i, d := range m.designations {
				add(d.event, d.form, strconv.Itoa(i+1), d.arm)
			}
		},
	}
}

func (m *model) repeatingTable() *metaTable {
	return &metaTable{
		held: !m.repeatsKnown,
		table: metaTableOf("redcap_repeating", "What repeats: an empty form_name is a whole event; event_name is empty in a classic project",
			metaColumn{"*event_name", txt}, metaColumn{"*form_name", txt}, metaColumn{"custom_form_label", txt}),
		rows: func(add func(...string)) {
			for _, r := range m.repeating {
				add(r.event, r.form, r.customLabel)
			}
		},
	}
}

func (m *model) fieldTable() *metaTable {
	columns := []metaColumn{{"*field_name", txt}, {"ordinal", num}}
	for _, a := range attributes[1:] {
		columns = append(columns, metaColumn{a, txt})
	}
	return &metaTable{
		table: metaTableOf("redcap_field", "The data dictionary, as REDCap exports it", columns...),
		rows: func(add func(...string)) {
			cells := make([]string, 0, len(columns))
			for i := range m.fields {
				text := &m.fields[i].text
				cells = append(append(cells[:0], text[0], strconv.Itoa(i+1)), text[1:]...)
				add(cells...)
			}
		},
	}
}

func (m *model) choiceTable() *metaTable {
	return &metaTable{
		table: metaTableOf("redcap_choice", "Codes and labels of fields; the project's missing-data codes stand under an empty field_name",
			metaColumn{"*field_name", txt}, metaColumn{"*ordinal", num}, metaColumn{"code", txt}, metaColumn{"label", txt},
			metaColumn{"is_missing_code", yes}),
		rows: func(add func(...string)) {
			list := func(field string, from int, choices []choice, missing string) {
				for i, c := range choices {
					add(field, strconv.Itoa(from+i+1), c.code, plainLabel(c.label), missing)
				}
			}
			list("", 0, m.missing, "1")
			for i := range m.fields {
				f := &m.fields[i]
				options := f.options()
				list(f.name(), 0, options, "0")
				if f.kind() == "checkbox" {
					list(f.name(), len(options), m.missing, "1")
				}
			}
		},
	}
}

func (m *model) exportTable() *metaTable {
	return &metaTable{
		held: m.exports == nil,
		table: metaTableOf("redcap_export_field", "The columns that REDCap exports, and the table and column that hold each",
			metaColumn{"*original_field_name", txt}, metaColumn{"*ordinal", num}, metaColumn{"choice_value", txt},
			metaColumn{"export_field_name", txt}, metaColumn{"table_name", txt}, metaColumn{"column_name", txt}),
		rows: func(add func(...string)) {
			places := m.places()
			count := map[string]int{}
			for _, e := range m.exports {
				count[e.field]++
				at := places[e.export]
				if len(at) > 1 {
					places[e.export] = at[1:]
				}
				table, column := "", ""
				if len(at) > 0 {
					table, column = at[0].table, at[0].column
				}
				add(e.field, strconv.Itoa(count[e.field]), e.choice, e.export, table, column)
			}
		},
	}
}

// place is where an exported column is stored.
type place struct{ table, column string }

// places finds every exported column; a name that stands twice has as many places, in order.
func (m *model) places() map[string][]place {
	places := map[string][]place{m.idField: {{m.record.Name, m.record.Columns[0].Name}}}
	for _, f := range m.forms {
		for _, p := range f.parts {
			for _, c := range p.columns {
				places[c.export] = append(places[c.export], place{p.table.Name, c.pg.Name})
			}
		}
	}
	return places
}

func (m *model) groupTable() *metaTable {
	return &metaTable{
		held: !m.groupsKnown,
		table: metaTableOf("redcap_dag", "Data access groups",
			metaColumn{"*unique_group_name", txt}, metaColumn{"data_access_group_name", txt}, metaColumn{"data_access_group_id", num}),
		rows: func(add func(...string)) {
			for _, g := range m.groups {
				add(g.unique, g.name, g.id)
			}
		},
	}
}

// batch makes the whole-table batch of a structure table.
func (t *metaTable) batch() *extract.Batch {
	var all []metaRow
	t.rows(func(cells ...string) { all = append(all, metaRow{cells: slices.Clone(cells)}) })
	return wholeTable(t.table, all, "gone from the project's structure")
}

func appendMeta(rows *extract.Rows, c extract.Column, text string) {
	if text == "" && !(c.Key && c.Type == extract.Text) {
		rows.Null()
		return
	}
	buf, err := extract.Append(rows.Open(), c.Type, []byte(text))
	if err != nil {
		rows.Null()
		rows.Note(extract.NonConforming, c.Name, text)
		return
	}
	rows.Close(buf)
}
