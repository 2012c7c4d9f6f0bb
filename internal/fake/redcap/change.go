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
	return p.save(record, at, values, true, "")
}

// Import stores values as an API import does: a form's status is stored only if it is among the values.
func (p *Project) Import(record string, at Place, values map[string]string) error {
	return p.save(record, at, values, false, "(API) ")
}

// AddRecord creates a record with values in its first place. It fails if the record exists.
func (p *Project) AddRecord(record string, values map[string]string) error {
	p.mu.RLock()
	known := p.store.get(record) != nil
	p.mu.RUnlock()
	if known {
		return fmt.Errorf("add record %s: it exists already", record)
	}
	return p.save(record, Place{}, values, true, "")
}

func (p *Project) save(id string, at Place, values map[string]string, status bool, how string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if id == "" {
		return fmt.Errorf("save record: no name")
	}
	keys := p.columnKeys()
	rec, action, kind := p.store.get(id), "Update record ", kindEdit
	if rec == nil {
		rec, action, kind = &record{id: id}, "Create record ", kindAdd
		rec.find(p.events[0].ID, "", 0, !p.events[0].Repeats)
	} else {
		rec = rec.clone()
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
		if status && k.form != nil && r.values[k.form.key+"_complete"] == "" {
			r.values[k.form.key+"_complete"] = "0"
		}
	}
	prefix := ""
	if at.Instance > 0 {
		prefix = fmt.Sprintf("[instance = %d] ", at.Instance)
	}
	p.store.put(rec)
	p.writeLog(logRow{kind: kind, action: action + how + id, details: prefix + strings.Join(details, ", "), record: id, dag: rec.dag})
	return nil
}

// place finds a row of a record.
func (p *Project) place(rec *record, at Place, make_ bool) (*row, error) {
	e := p.events[0]
	if at.Event != "" {
		if e = p.event(at.Event); e == nil {
			return nil, fmt.Errorf("no event %s", at.Event)
		}
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

// Delete deletes a record.
func (p *Project) Delete(record string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.store.get(record)
	if r == nil {
		return fmt.Errorf("delete record %s: there is none", record)
	}
	p.store.remove(record)
	p.writeLog(logRow{kind: kindDelete, action: "Delete record " + record, details: p.fields[0].Name + " = '" + record + "'", record: record, dag: r.dag})
	return nil
}

// DeleteTraceless deletes a record together with its log rows, as delete_logging does.
func (p *Project) DeleteTraceless(record string) error {
	if err := p.Delete(record); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.log {
		if p.log[i].record == record {
			p.log[i].hidden = true
		}
	}
	return nil
}

// DeleteRow deletes one instance, or one event of a record.
func (p *Project) DeleteRow(record string, at Place) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	rec := p.store.get(record)
	if rec == nil {
		return fmt.Errorf("delete row: no record %s", record)
	}
	rec = rec.clone()
	r, err := p.place(rec, at, false)
	if err != nil || r == nil {
		return fmt.Errorf("delete row of record %s: there is none (%v)", record, err)
	}
	rec.rows = slices.DeleteFunc(rec.rows, func(x *row) bool { return x == r })
	p.store.put(rec)
	p.writeLog(logRow{kind: kindEdit, action: "Update record " + record, details: fmt.Sprintf("[instance = %d] delete %s", at.Instance, at.Instrument), record: record, dag: rec.dag})
	return nil
}

// Rename gives a record another name. The log shows it as an update of the new name whose details name the record-id field.
func (p *Project) Rename(old, name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	rec := p.store.get(old)
	if rec == nil || p.store.get(name) != nil || name == "" {
		return fmt.Errorf("rename record %s: there is none, or %s is taken", old, name)
	}
	rec = rec.clone()
	rec.id = name
	p.store.remove(old)
	p.store.put(rec)
	p.writeLog(logRow{kind: kindEdit, action: "Update record " + name, details: p.fields[0].Name + " = '" + name + "'", record: name, dag: rec.dag})
	return nil
}

// SetGroup moves a record into a data access group, by its unique name; "" takes it out.
func (p *Project) SetGroup(record, group string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	rec, d := p.store.get(record), p.dagByUnique(group)
	if rec == nil || (d == nil && group != "") {
		return fmt.Errorf("set group of record %s: no such record or group", record)
	}
	rec = rec.clone()
	rec.dag = 0
	if d != nil {
		rec.dag = d.ID
	}
	p.store.put(rec)
	p.manage("Assign record to Data Access Group (redcap_data_access_group = '"+group+"')", record)
	return nil
}

// EraseAll erases all data, leaving no delete row per record.
func (p *Project) EraseAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.store.clear()
	p.manage("Erase all data", "")
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

// Records returns the names of all records in export order; Count how many there are.
func (p *Project) Records() []string {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var out []string
	p.store.each(p.store.snapshot(), func(e entry) bool {
		if e.record != nil {
			out = append(out, e.record.id)
		} else {
			out = append(out, p.store.gen.id(e.pos))
		}
		return true
	})
	return out
}

// Count returns how many records there are.
func (p *Project) Count() int {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.store.count()
}

// Value returns what is stored, by the names that Set takes.
func (p *Project) Value(record string, at Place, field string) (string, bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	rec := p.store.get(record)
	k, ok := p.columnKeys()[field]
	if rec == nil || !ok {
		return "", false
	}
	r, err := p.place(rec, at, false)
	if err != nil || r == nil {
		return "", false
	}
	v, ok := r.values[k.key]
	return v, ok
}

// manage writes a log row of the Manage/Design kind and marks the structure as changed.
func (p *Project) manage(details, record string) {
	p.rev++
	p.writeLog(logRow{kind: kindManage, action: "Manage/Design ", details: details, record: record})
}
