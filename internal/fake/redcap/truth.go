package redcap

import (
	"slices"
	"strings"
)

// TruthRow is what a project holds of one form of one record at one place. It is taken from the store and the structure,
// not from an answer, so that a test can compare what arrived with what there was to arrive.
type TruthRow struct {
	Record string // the record's name now
	Group  string // unique name of its data access group; ""

	Event   string // unique name; "" in classic projects
	EventID int
	Form    string // the instrument's name now

	Instrument string // redcap_repeat_instrument: Form where the form repeats on its own, else ""
	Instance   int    // redcap_repeat_instance: of the form or of the event; 0 where nothing repeats

	// Status is the form's _complete as stored: "0", "1", "2", or "" if the form was never saved.
	Status string
	// Timestamp is the survey timestamp as stored: "" if the form is no survey now, or was never begun as one.
	Timestamp string
	// Identifier is the row's survey identifier as stored; "" if the project has no surveys.
	Identifier string

	// Values are the raw values that are stored and not empty, by dictionary name: of a checkbox field(code) = "1" for
	// each ticked option of those that the field has now, the missing-data codes included; of a file its name. The
	// record id is not among them.
	Values map[string]string
}

// Truth returns what the project holds, seen with all rights in the structure of now. There is a row for every (record,
// shown event, form, instance) of which a value, a status or a timestamp is stored, in places that the structure has: the
// form is designated in the event, and repeats where the row does. Forms of which nothing is stored have no row; what
// belongs to deleted fields, forms, events, options or instances is not in it. A form of which only a calculated value
// is stored has a row: whether that makes a form exist is for the reader to say.
//
// The order is that of records in an export, of events, of forms, of instances. It computes every record of a generated
// project, so it is meant for small ones.
func (p *Project) Truth() []TruthRow {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var out []TruthRow
	homes := p.homes()
	byForm := map[string][]*Field{}
	for i, f := range p.fields {
		if i > 0 {
			byForm[f.Form] = append(byForm[f.Form], f)
		}
	}
	p.store.each(p.store.snapshot(), func(e entry) bool {
		out = append(out, p.truthOf(p.settled(p.store.whole(e), homes), byForm)...)
		return true
	})
	return out
}

// truthOf are the rows of one record.
func (p *Project) truthOf(rec *record, byForm map[string][]*Field) []TruthRow {
	var out []TruthRow
	group := ""
	if d := p.dag(rec.dag); d != nil {
		group = d.Unique
	}
	for _, e := range p.shown() {
		var here []*row
		for _, r := range rec.rows {
			if r.event == e.ID && p.fits(e, r) {
				here = append(here, r)
			}
		}
		slices.SortStableFunc(here, func(a, b *row) int { return a.instance - b.instance })
		for _, form := range p.forms {
			_, alone := e.repeating[form.key]
			for _, r := range here {
				if !p.has(e, form) || (r.form != "") != alone || alone && r.form != form.key {
					continue
				}
				t := TruthRow{Record: rec.id, Group: group, EventID: e.ID, Form: form.Name, Instance: r.instance}
				if p.info.Longitudinal {
					t.Event = e.Unique
				}
				if alone {
					t.Instrument = form.Name
				}
				if p.fill(&t, form, r, byForm[form.Name]) {
					out = append(out, t)
				}
			}
		}
	}
	return out
}

// fill takes over what is stored of a form, and tells whether there is anything.
func (p *Project) fill(t *TruthRow, form *Form, r *row, fields []*Field) bool {
	t.Values = map[string]string{}
	t.Status = r.values[form.key+"_complete"]
	if form.Survey {
		t.Timestamp = r.values[form.key+"_timestamp"]
	}
	if p.info.Surveys {
		t.Identifier = r.values["redcap_survey_identifier"]
	}
	for _, f := range fields {
		switch f.Type {
		case "descriptive":
		case "checkbox":
			for _, o := range p.boxes(f) {
				if r.values[f.key+"("+o.code+")"] != "" {
					t.Values[f.Name+"("+o.code+")"] = "1"
				}
			}
		default:
			if v := r.values[f.key]; v != "" {
				t.Values[f.Name] = v
			}
		}
	}
	return t.Status != "" || t.Timestamp != "" || len(t.Values) > 0
}

// TruthRecord is one record of a project.
type TruthRecord struct {
	Name, Group string
	Events      []string // unique names of the events that it has a row in, in order; none in classic projects
}

// TruthRecords returns the records that an export with all rights has rows of, also those of which no form was ever
// saved, in its order.
func (p *Project) TruthRecords() []TruthRecord {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var out []TruthRecord
	homes := p.homes()
	p.store.each(p.store.snapshot(), func(e entry) bool {
		rec := p.settled(p.store.whole(e), homes)
		if !p.present(rec) {
			return true
		}
		t := TruthRecord{Name: rec.id}
		if d := p.dag(rec.dag); d != nil {
			t.Group = d.Unique
		}
		if p.info.Longitudinal {
			for _, ev := range p.events {
				if slices.ContainsFunc(rec.rows, func(r *row) bool { return r.event == ev.ID && p.fits(ev, r) }) {
					t.Events = append(t.Events, ev.Unique)
				}
			}
		}
		out = append(out, t)
		return true
	})
	return out
}

// Checkbox splits a key of TruthRow.Values that names an option.
func Checkbox(key string) (field, code string, ok bool) {
	field, code, ok = strings.Cut(strings.TrimSuffix(key, ")"), "(")
	return field, code, ok
}
