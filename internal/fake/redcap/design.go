package redcap

import (
	"fmt"
	"slices"
)

// AddField adds a field at the end of its form; the form is made if there is none of that name.
func (p *Project) AddField(f Field) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !validFieldName(f.Name) {
		return fmt.Errorf("add field %s: not a name", f.Name)
	}
	if err := p.addField(f); err != nil {
		return err
	}
	p.manage("Create project field", "")
	return nil
}

// RemoveField takes a field out of the dictionary. Its data stay and come back with a field of the same name.
func (p *Project) RemoveField(name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.fields)
	p.fields = slices.DeleteFunc(slices.Clone(p.fields), func(f *Field) bool { return f.Name == name })
	if len(p.fields) == n {
		return fmt.Errorf("remove field %s: there is none", name)
	}
	p.manage("Delete project field", "")
	return nil
}

// RenameField renames a field in the designer, where data move along. The record-id field can be renamed too.
func (p *Project) RenameField(old, name string) error {
	return p.ChangeField(old, func(f *Field) { f.Name = name })
}

// ChangeField edits a field: its type, validation, choices, label, form.
func (p *Project) ChangeField(name string, change func(*Field)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.field(name)
	if f == nil {
		return fmt.Errorf("change field %s: there is none", name)
	}
	next := *f
	change(&next)
	if next.Name != name && p.field(next.Name) != nil {
		return fmt.Errorf("change field %s: %s is taken", name, next.Name)
	}
	next.options = optionsOf(&next)
	p.fields = slices.Clone(p.fields)
	p.fields[slices.Index(p.fields, f)] = &next
	p.manage("Edit project field", "")
	return nil
}

// MoveField puts a field behind another one of the dictionary.
func (p *Project) MoveField(name, after string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	f, to := p.field(name), p.field(after)
	if f == nil || to == nil {
		return fmt.Errorf("move field %s: no such fields", name)
	}
	moved := *f
	moved.Form = to.Form
	fields := slices.DeleteFunc(slices.Clone(p.fields), func(x *Field) bool { return x == f })
	p.fields = slices.Insert(fields, slices.Index(fields, to)+1, &moved)
	p.manage("Move project field", "")
	return nil
}

// AddForm adds an instrument with its fields. In longitudinal projects it must be designated to be filled in.
func (p *Project) AddForm(form Form, fields ...Field) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.form(form.Name) != nil {
		return fmt.Errorf("add form %s: it exists already", form.Name)
	}
	p.addForm(form)
	for _, f := range fields {
		f.Form = form.Name
		if err := p.addField(f); err != nil {
			return err
		}
	}
	p.manage("Create data collection instrument", "")
	return nil
}

// RemoveForm removes an instrument and its fields.
func (p *Project) RemoveForm(name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.form(name) == nil {
		return fmt.Errorf("remove form %s: there is none", name)
	}
	p.forms = slices.DeleteFunc(slices.Clone(p.forms), func(f *Form) bool { return f.Name == name })
	p.fields = slices.DeleteFunc(slices.Clone(p.fields), func(f *Field) bool { return f.Form == name })
	p.manage("Delete data collection instrument", "")
	return nil
}

// RenameForm renames an instrument; its data move along.
func (p *Project) RenameForm(old, name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	form := p.form(old)
	if form == nil || p.form(name) != nil {
		return fmt.Errorf("rename form %s: there is none, or %s is taken", old, name)
	}
	form.Name = name
	p.fields = slices.Clone(p.fields)
	for i, f := range p.fields {
		if f.Form == old {
			moved := *f
			moved.Form = name
			p.fields[i] = &moved
		}
	}
	p.manage("Rename data collection instrument", "")
	return nil
}

// SetSurvey turns an instrument into a survey, or back.
func (p *Project) SetSurvey(form string, on bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.form(form)
	if f == nil {
		return fmt.Errorf("set survey: no form %s", form)
	}
	f.Survey = on
	p.info.Surveys = p.info.Surveys || on
	p.manage("Modify survey info", "")
	return nil
}

// MakeLongitudinal turns a classic project longitudinal: all its forms are designated in its one event.
func (p *Project) MakeLongitudinal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.info.Longitudinal = true
	for _, f := range p.forms {
		p.designate(p.events[0], f)
	}
	p.manage("Modify project settings", "")
}

// AddEvent adds an event to an arm and returns its unique name.
func (p *Project) AddEvent(name string, arm int, forms ...string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.info.Longitudinal {
		return "", fmt.Errorf("add event: the project is classic")
	}
	e := p.addEvent(Event{Name: name, Arm: arm, forms: map[string]bool{}})
	for _, f := range forms {
		form := p.form(f)
		if form == nil {
			return "", fmt.Errorf("add event: no form %s", f)
		}
		p.designate(e, form)
	}
	p.manage("Create event", "")
	return e.Unique, nil
}

// RenameEvent renames an event: its unique name changes, its id does not. The new unique name is returned.
func (p *Project) RenameEvent(unique, name string) (string, error) {
	return p.onEvent("rename event", unique, "Edit event", func(e *Event) error {
		e.Unique = ""
		e.Name, e.Unique = name, p.uniqueEvent(name, e.Arm)
		return nil
	})
}

// RemoveEvent removes an event; the data in it stay unseen.
func (p *Project) RemoveEvent(unique string) error {
	_, err := p.onEvent("remove event", unique, "Delete event", func(e *Event) error {
		p.events = slices.DeleteFunc(slices.Clone(p.events), func(x *Event) bool { return x == e })
		return nil
	})
	return err
}

// Designate makes a form part of an event, or takes it out; data of a form taken out are not exported any more.
func (p *Project) Designate(unique, form string, on bool) error {
	_, err := p.onEvent("designate form", unique, "Perform instrument-event mappings", func(e *Event) error {
		f := p.form(form)
		if f == nil {
			return fmt.Errorf("no form %s", form)
		}
		if on {
			p.designate(e, f)
			return nil
		}
		delete(e.forms, f.key)
		p.rows = slices.DeleteFunc(slices.Clone(p.rows), func(r mappingRow) bool { return r.event == e.ID && r.form == f.key })
		return nil
	})
	return err
}

// RepeatForm makes a form repeat on its own in an event ("" in classic projects).
func (p *Project) RepeatForm(unique, form, label string) error {
	_, err := p.onEvent("repeat form", unique, "Set up repeating instruments/events", func(e *Event) error {
		f := p.form(form)
		if f == nil {
			return fmt.Errorf("no form %s", form)
		}
		e.repeat(f, label)
		return nil
	})
	return err
}

// RepeatEvent makes a whole event repeat.
func (p *Project) RepeatEvent(unique string) error {
	_, err := p.onEvent("repeat event", unique, "Set up repeating instruments/events", func(e *Event) error {
		e.Repeats = true
		return nil
	})
	return err
}

func (p *Project) onEvent(what, unique, details string, change func(*Event) error) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.events[0]
	if unique != "" {
		e = p.event(unique)
	}
	if e == nil {
		return "", fmt.Errorf("%s: no event %s", what, unique)
	}
	if err := change(e); err != nil {
		return "", fmt.Errorf("%s: %w", what, err)
	}
	p.manage(details, "")
	return e.Unique, nil
}

// AddDAG adds a data access group and returns its unique name.
func (p *Project) AddDAG(name string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	d := p.addDAG(name)
	p.manage("Create data access group", "")
	return d.Unique
}

// RenameDAG renames a group, which changes its unique name; users stay bound to it.
func (p *Project) RenameDAG(unique, name string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := slices.IndexFunc(p.dags, func(d DAG) bool { return d.Unique == unique })
	if at < 0 {
		return "", fmt.Errorf("rename group %s: there is none", unique)
	}
	id := p.dags[at].ID
	fresh := *p.addDAG(name)
	p.dags = slices.Clone(p.dags[:len(p.dags)-1])
	fresh.ID = id
	p.dags[at] = fresh
	for _, u := range p.users {
		if u.DAG == unique {
			u.DAG = fresh.Unique
		}
	}
	p.manage("Rename data access group", "")
	return fresh.Unique, nil
}

// SetCodes sets the project's missing-data codes.
func (p *Project) SetCodes(codes ...Code) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.codes = slices.Clone(codes)
	p.manage("Modify project settings", "")
}

// Retitle changes title or id, to make a token point at another project.
func (p *Project) Retitle(id int, title string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.info.ID, p.info.Title = id, title
	p.manage("Modify project settings", "")
}
