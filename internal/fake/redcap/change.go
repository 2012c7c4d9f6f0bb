package redcap

import (
	"fmt"
	"slices"
	"strings"
)

// Place says where in a record a value stands. Empty members mean: the first event, no repeating instrument, no
// instance.
type Place struct {
	Event      string // unique name
	Instrument string // of a repeating instrument's instance
	Instance   int    // of a repeating instrument or event
}

// Set saves a value as a person does who opens the form and saves it: the form's status becomes 0 if it was never
// saved, the record is created if it does not exist, one log row is written. field is a dictionary name, a form's
// _complete or _timestamp, redcap_survey_identifier, or one option of a checkbox as field(code) or as its export
// column. "" clears.
func (p *Project) Set(record, event, instrument string, instance int, field, value string) error {
	return p.SetMany(record, Place{event, instrument, instance}, map[string]string{field: value})
}

// SetMany is Set for several fields at once, in one log row.
func (p *Project) SetMany(record string, at Place, values map[string]string) error {
	return p.save(record, at, values, saving{status: true})
}

// Import stores values as an API import does: a form's status is stored only if it is among the values.
func (p *Project) Import(record string, at Place, values map[string]string) error {
	return p.save(record, at, values, saving{how: "(API) "})
}

// ImportFile stores values as the import tool of the user interface does.
func (p *Project) ImportFile(record string, at Place, values map[string]string) error {
	return p.save(record, at, values, saving{how: "(import) "})
}

// Recalculate stores values of calculated fields as the server does by itself.
func (p *Project) Recalculate(record string, at Place, values map[string]string) error {
	return p.save(record, at, values, saving{how: "(Auto calculation) ", user: "SYSTEM"})
}

// saving says how values came in, as the log words it.
type saving struct {
	noun   string // default "record "
	how    string
	user   string
	status bool // a form that is saved for the first time becomes Incomplete
}

// AddRecord creates a record with values in its first place. It fails if the record exists.
func (p *Project) AddRecord(record string, values map[string]string) error {
	p.mu.RLock()
	known := p.store.get(record) != nil
	p.mu.RUnlock()
	if known {
		return fmt.Errorf("add record %s: it exists already", record)
	}
	return p.save(record, Place{}, values, saving{status: true})
}

func (p *Project) save(id string, at Place, values map[string]string, how saving) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if id == "" {
		return fmt.Errorf("save record: no name")
	}
	keys := p.columnKeys()
	rec, action, kind := p.store.get(id), "Update ", kindEdit
	if rec == nil {
		rec, action, kind = &record{id: id}, "Create ", kindAdd
		if e := p.eventAt(at); e != nil {
			rec.find(e.ID, "", 0, !e.Repeats)
		}
	} else {
		rec = p.editable(rec)
	}
	r, err := p.place(rec, at, true)
	if err != nil {
		return fmt.Errorf("save record: %w", err)
	}
	var details []string
	for _, name := range slices.Sorted(mapKeys(values)) {
		value := values[name]
		k, ok := keys[name]
		if !ok {
			return fmt.Errorf("save record: no field %s", name)
		}
		details = append(details, k.store(r, value))
		if how.status && k.form != nil && r.values[k.form.key+"_complete"] == "" {
			r.values[k.form.key+"_complete"] = "0"
		}
	}
	if how.noun == "" {
		how.noun = "record "
	}
	p.store.put(rec)
	p.writeLog(logRow{
		kind: kind, user: how.user, action: action + how.noun + how.how + id, details: at.instance() + strings.Join(details, ", "),
		record: id, dag: rec.dag,
	})
	return nil
}

// editable is a copy of a record as the structure of now shows it.
func (p *Project) editable(rec *record) *record {
	if homes := p.homes(); homes != nil {
		rec = p.settled(rec, homes)
	}
	return rec.clone()
}

// instance is how the log names an instance in front of its details.
func (at Place) instance() string {
	if at.Instance == 0 {
		return ""
	}
	return fmt.Sprintf("[instance = %d] ", at.Instance)
}

// eventAt is the event that a place names: the first where it names none.
func (p *Project) eventAt(at Place) *Event {
	if at.Event == "" {
		return p.events[0]
	}
	return p.event(at.Event)
}

// place finds a row of a record.
func (p *Project) place(rec *record, at Place, make_ bool) (*row, error) {
	e := p.eventAt(at)
	if e == nil {
		return nil, fmt.Errorf("no event %s", at.Event)
	}
	key := ""
	if at.Instrument != "" {
		form := p.form(at.Instrument)
		if form == nil {
			return nil, fmt.Errorf("no instrument %s", at.Instrument)
		}
		key = form.key
	}
	instance := at.Instance
	if instance == 0 && (key != "" || e.Repeats) {
		instance = 1
	}
	if make_ && !p.fits(e, &row{event: e.ID, form: key, instance: instance}) {
		return nil, fmt.Errorf("event %s has no place for instrument %q, instance %d", e.Unique, at.Instrument, at.Instance)
	}
	return rec.find(e.ID, key, instance, make_), nil
}

// slot is where an export column's value is stored.
type slot struct {
	key  string
	box  bool
	code string
	name string
	form *Form
	calc bool
}

// store puts a value into a row and returns it as the log words it.
func (k slot) store(r *row, value string) string {
	if k.box {
		if value == "" || value == "0" {
			delete(r.values, k.key)
			return fmt.Sprintf("%s(%s) = unchecked", k.name, k.code)
		}
		r.values[k.key] = "1"
		return fmt.Sprintf("%s(%s) = checked", k.name, k.code)
	}
	if value == "" {
		delete(r.values, k.key)
	} else {
		r.values[k.key] = value
	}
	return fmt.Sprintf("%s = '%s'", k.name, value)
}

// columnKeys maps every spelling of a data column to its slot.
func (p *Project) columnKeys() map[string]slot {
	out := map[string]slot{"redcap_survey_identifier": {key: "redcap_survey_identifier", name: "redcap_survey_identifier"}}
	for _, form := range p.forms {
		for _, end := range []string{"_complete", "_timestamp"} {
			s := slot{key: form.key + end, name: form.Name + end}
			if end == "_timestamp" {
				s.form = form
			}
			out[form.Name+end] = s
		}
	}
	byName := p.formsByName()
	for i, f := range p.fields {
		form := byName[f.Form]
		if i == 0 {
			continue
		}
		if f.Type != "checkbox" {
			out[f.Name] = slot{key: f.key, name: f.Name, form: form, calc: f.Type == "calc"}
			continue
		}
		for _, o := range p.boxes(f) {
			s := slot{key: f.key + "(" + o.code + ")", box: true, code: o.code, name: f.Name, form: form}
			for _, spelling := range []string{f.Name + "(" + o.code + ")", f.Name + "___" + o.code, checkboxColumn(f.Name, o.code)} {
				if _, taken := out[spelling]; !taken {
					out[spelling] = s
				}
			}
		}
	}
	return out
}

func mapKeys(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// Silently runs changes that write no log rows: a plug-in, or somebody at the database.
func (p *Project) Silently(changes func()) {
	set := func(v bool) {
		p.mu.Lock()
		p.silent = v
		p.mu.Unlock()
	}
	set(true)
	defer set(false)
	changes()
}

// manage writes a log row of the Manage/Design kind and marks the structure as changed.
func (p *Project) manage(details, record string) {
	p.rev++
	p.writeLog(logRow{kind: kindManage, action: "Manage/Design ", details: details, record: record})
}
