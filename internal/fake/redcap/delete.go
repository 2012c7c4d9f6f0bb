package redcap

import (
	"errors"
	"fmt"
	"slices"
)

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
	p.hide(func(r *logRow) bool { return r.record == record })
	return nil
}

// errNoPart is a part of a record that is not there.
var errNoPart = errors.New("there is none")

// DeleteRow deletes one instance, or all that a record has in one event (its instances of repeating forms aside). A
// record without any row is no record any more.
func (p *Project) DeleteRow(id string, at Place) error {
	return p.deletePart(id, at, func(rec *record) (string, error) {
		r, err := p.place(rec, at, false)
		if err != nil || r == nil {
			return "", errors.Join(errNoPart, err)
		}
		rec.rows = slices.DeleteFunc(rec.rows, func(x *row) bool { return x == r })
		if at.Instrument == "" {
			return "all data of the event", nil
		}
		return "all data of instrument " + at.Instrument, nil
	})
}

// DeleteEvent deletes everything that a record has in an event.
func (p *Project) DeleteEvent(id, event string) error {
	at := Place{Event: event}
	return p.deletePart(id, at, func(rec *record) (string, error) {
		n, e := len(rec.rows), p.eventAt(at)
		if e != nil {
			rec.rows = slices.DeleteFunc(rec.rows, func(x *row) bool { return x.event == e.ID })
		}
		if len(rec.rows) == n {
			return "", errNoPart
		}
		return "all data of the event", nil
	})
}

// DeleteForm deletes what was saved of a form at one place; the row stays.
func (p *Project) DeleteForm(id string, at Place, form string) error {
	return p.deletePart(id, at, func(rec *record) (string, error) {
		f := p.form(form)
		r, err := p.place(rec, at, false)
		if f == nil || r == nil {
			return "", errors.Join(errNoPart, err)
		}
		mine := map[string]bool{f.key + "_complete": true, f.key + "_timestamp": true}
		for _, x := range p.fields {
			if x.Form == form {
				mine[x.key] = true
			}
		}
		for key := range r.values {
			if mine[stemKey(key)] {
				delete(r.values, key)
			}
		}
		return "all data of instrument " + form, nil
	})
}

// deletePart deletes some of a record and logs it as the server is told to word it.
func (p *Project) deletePart(id string, at Place, part func(*record) (string, error)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	rec := p.store.get(id)
	if rec == nil {
		return fmt.Errorf("delete part of record %s: no such record", id)
	}
	rec = p.editable(rec)
	what, err := part(rec)
	if err != nil {
		return fmt.Errorf("delete part of record %s: %w", id, err)
	}
	if p.store.put(rec); len(rec.rows) == 0 {
		p.store.remove(id)
	}
	details := at.instance() + "Delete " + what
	if e := p.eventAt(at); e != nil && p.info.Longitudinal {
		details += " (event: " + e.Name + ")"
	}
	row := logRow{kind: kindEdit, action: "Update record " + id, details: details, record: id, dag: rec.dag}
	if p.server != nil && p.server.o.Deletes == DeletesAsDeletes {
		row.kind, row.action = kindDelete, "Delete record "+id
	}
	p.writeLog(row)
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

// EraseAll erases all data. The log keeps one row of that; since 15.2 it no longer shows the rows of single records.
func (p *Project) EraseAll() {
	p.mu.Lock()
	server := p.server
	p.store.clear()
	p.manage("Erase all data", "")
	p.mu.Unlock()
	if server != nil && server.served().atLeast(15, 2, 0) {
		p.hide(func(r *logRow) bool { return r.record != "" })
	}
}
