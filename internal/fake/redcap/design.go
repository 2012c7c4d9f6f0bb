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
	f := p.field(name)
	if f == nil || f == p.fields[0] {
		return fmt.Errorf("remove field %s: there is none, or it is the record id", name)
	}
	p.fields = slices.DeleteFunc(slices.Clone(p.fields), func(x *Field) bool { return x == f })
	p.bury(fieldKey, f.Name, f.key)
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
	if next.Form != f.Form && (f == p.fields[0] || p.form(next.Form) == nil) {
		return fmt.Errorf("change field %s: it cannot go to form %s", name, next.Form)
	}
	p.reshaped = p.reshaped || next.Form != f.Form
	next.options = optionsOf(&next)
	p.fields = slices.Clone(p.fields)
	p.fields[slices.Index(p.fields, f)] = &next
	for i := range p.reports {
		if at := slices.Index(p.reports[i].Fields, name); at >= 0 {
			p.reports[i].Fields = slices.Clone(p.reports[i].Fields)
			p.reports[i].Fields[at] = next.Name
		}
	}
	p.manage("Edit project field", "")
	return nil
}

// MoveField puts a field behind another one of the dictionary.
func (p *Project) MoveField(name, after string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	f, to := p.field(name), p.field(after)
	if f == nil || to == nil || f == p.fields[0] || f == to {
		return fmt.Errorf("move field %s: no such fields, or it is the record id", name)
	}
	p.reshaped = p.reshaped || f.Form != to.Form
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

// RemoveForm removes an instrument and its fields. The data stay, and the rights that users had to it stay listed.
func (p *Project) RemoveForm(name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	form := p.form(name)
	if form == nil || p.fields[0].Form == name {
		return fmt.Errorf("remove form %s: there is none, or it holds the record id", name)
	}
	p.dropForm(form)
	for _, f := range p.fields {
		if f.Form == name {
			p.bury(fieldKey, f.Name, f.key)
		}
	}
	p.forms = slices.DeleteFunc(slices.Clone(p.forms), func(f *Form) bool { return f.Name == name })
	p.fields = slices.DeleteFunc(slices.Clone(p.fields), func(f *Field) bool { return f.Form == name })
	p.manage("Delete data collection instrument", "")
	return nil
}

// dropForm takes an instrument out of the events; its data stay stored.
func (p *Project) dropForm(form *Form) {
	p.reshaped = true
	p.bury(formKey, form.Name, form.key)
	for _, e := range p.events {
		delete(e.forms, form.key)
		delete(e.repeating, form.key)
		e.repeatingPlaced = slices.DeleteFunc(slices.Clone(e.repeatingPlaced), func(key string) bool { return key == form.key })
	}
	p.rows = slices.DeleteFunc(slices.Clone(p.rows), func(r mappingRow) bool { return r.form == form.key })
}

// UploadDictionary replaces the dictionary, whose forms are those that the fields name, in that order. A field of a
// known name keeps its data; one of a new name has none, even if it stands where another stood before.
func (p *Project) UploadDictionary(fields ...Field) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	names, ended := map[string]bool{}, map[string]bool{}
	for i, f := range fields {
		if i > 0 && fields[i-1].Form != f.Form {
			ended[fields[i-1].Form] = true
		}
		if !validFieldName(f.Name) || names[f.Name] || f.Form == "" || ended[f.Form] {
			return fmt.Errorf("upload dictionary: field %s: not a name, twice, or apart from its form", f.Name)
		}
		names[f.Name] = true
	}
	if len(fields) == 0 {
		return fmt.Errorf("upload dictionary: no fields")
	}
	known, forms := map[string]*Field{}, p.forms
	for _, f := range p.fields {
		if known[f.Name] = f; !names[f.Name] {
			p.bury(fieldKey, f.Name, f.key)
		}
	}
	p.fields, p.forms = nil, nil
	for _, f := range fields {
		if at := slices.IndexFunc(forms, func(x *Form) bool { return x.Name == f.Form }); at >= 0 && p.form(f.Form) == nil {
			p.forms = append(p.forms, forms[at])
		}
		p.addForm(Form{Name: f.Form})
		if old := known[f.Name]; old != nil {
			f.key = old.key
		} else {
			f.key = p.freshKey(fieldKey, f.Name)
		}
		f.options = optionsOf(&f)
		p.fields = append(p.fields, &f)
	}
	for _, form := range forms {
		if p.form(form.Name) == nil {
			p.dropForm(form)
		}
	}
	p.reshaped = true
	p.manage("Upload data dictionary", "")
	return nil
}

// RenameForm renames an instrument; its data and everybody's rights to it move along.
func (p *Project) RenameForm(old, name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	form := p.form(old)
	if form == nil || p.form(name) != nil {
		return fmt.Errorf("rename form %s: there is none, or %s is taken", old, name)
	}
	form.Name = name
	p.renameRights(old, name)
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
