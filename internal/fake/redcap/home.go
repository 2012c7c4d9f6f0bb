package redcap

import "strings"

// docMark ends the key under which a file field's document id is stored, beside its name.
const docMark = "\x00doc"

// shown are the events that a project has now. A classic project shows its first event only; others that it may have
// from longitudinal days are kept, unseen.
func (p *Project) shown() []*Event {
	if p.info.Longitudinal {
		return p.events
	}
	return p.events[:1]
}

// shownByID finds an event among those shown.
func (p *Project) shownByID(id int) *Event {
	for _, e := range p.shown() {
		if e.ID == id {
			return e
		}
	}
	return nil
}

// has tells whether the form is designated in the event; in a classic project every form is.
func (p *Project) has(e *Event, form *Form) bool { return !p.info.Longitudinal || e.has(form) }

// fits tells whether the structure of now has a place for a row. What does not fit stays stored, unseen.
func (p *Project) fits(e *Event, r *row) bool {
	if e == nil {
		return false
	}
	if r.form == "" {
		return e.Repeats == (r.instance > 0)
	}
	form := p.formByKey(r.form)
	_, alone := e.repeating[r.form]
	return alone && form != nil && p.has(e, form)
}

// homes says to which form a stored value belongs now, by the stem of its key. It is nil while no change of the
// structure can have moved anything.
func (p *Project) homes() map[string]string {
	if !p.reshaped {
		return nil
	}
	out := make(map[string]string, len(p.fields)+2*len(p.forms))
	byName := p.formsByName()
	for _, f := range p.fields {
		if form := byName[f.Form]; form != nil {
			out[f.key] = form.key
		}
	}
	for _, f := range p.forms {
		out[f.key+"_complete"], out[f.key+"_timestamp"] = f.key, f.key
	}
	return out
}

// settled is a record as the structure of now shows it. The server stores (event, field, instance), the first
// instance being the same as no instance: so when a form or event starts to repeat, what there was becomes instance 1,
// and when it stops, instance 1 is what remains to be seen. The same goes for fields moved to another form. (That is
// general knowledge of the server's table; the reference is silent.)
func (p *Project) settled(rec *record, homes map[string]string) *record {
	if homes == nil || rec == nil {
		return rec
	}
	out := &record{id: rec.id, dag: rec.dag}
	for i, r := range rec.rows {
		e := p.eventByID(r.event)
		if e == nil {
			out.rows = append(out.rows, r)
			continue
		}
		if i == 0 || len(r.values) == 0 {
			form, instance := e.home(r.form, r)
			out.find(r.event, form, instance, true)
		}
		for key, value := range r.values {
			form, instance := e.home(homes[stemKey(key)], r)
			out.find(r.event, form, instance, true).values[key] = value
		}
	}
	return out
}

// home is the row of an event in which a form's value of a stored row is seen.
func (e *Event) home(form string, r *row) (string, int) {
	n := max(1, r.instance)
	if form == "" && r.form != "" {
		return r.form, n // of a deleted field: it stays where it was saved
	}
	if _, alone := e.repeating[form]; alone {
		return form, n
	}
	if n == 1 && !e.Repeats {
		return "", 0
	}
	return "", n
}

// stemKey is a stored key without the code of an option or the mark of a document.
func stemKey(key string) string {
	key = strings.TrimSuffix(key, docMark)
	stem, _, _ := strings.Cut(key, "(")
	return stem
}

// present tells whether any row of a record is seen.
func (p *Project) present(rec *record) bool {
	for _, r := range rec.rows {
		if p.fits(p.shownByID(r.event), r) {
			return true
		}
	}
	return false
}

// freshKey is a storage key that was never used: what is deleted stays stored under its own. A name that was deleted
// before gets its old key back, and with it the data.
func (p *Project) freshKey(kind, name string) string {
	if key, ok := p.graves[kind+name]; ok {
		delete(p.graves, kind+name)
		return key
	}
	key := name
	for p.used[kind+key] {
		key += "'"
	}
	p.used[kind+key] = true
	return key
}

// bury remembers the key of a deleted field or form.
func (p *Project) bury(kind, name, key string) { p.graves[kind+name] = key }

// The two kinds of keys.
const (
	fieldKey = "field "
	formKey  = "form "
)
