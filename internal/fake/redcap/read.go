package redcap

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ReadFolder reads a folder of recorded exports: data.csv is what the server answers, dictionary.csv (titles of the
// user interface) or metadata.csv (API names) the dictionary, project.xml the rest of the structure, event.csv,
// arm.csv and form-event-mapping.csv what the XML leaves out. Without data.csv the XML's data are taken.
func ReadFolder(dir string) (*Project, error) {
	fields, err := readDictionary(dir)
	if err != nil {
		return nil, fmt.Errorf("read recorded project %s: %w", filepath.Base(dir), err)
	}
	p := newProject(Info{Title: filepath.Base(dir)})
	var doc *odm
	if doc, err = readODM(filepath.Join(dir, "project.xml")); err == nil {
		p = doc.project()
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read recorded project %s: %w", filepath.Base(dir), err)
	}
	p.useDictionary(fields)
	if doc != nil {
		doc.structure(p)
	}
	if err := p.readEvents(dir); err != nil {
		return nil, fmt.Errorf("read recorded project %s: %w", filepath.Base(dir), err)
	}
	rows, err := readCSV(filepath.Join(dir, "data.csv"))
	switch {
	case errors.Is(err, fs.ErrNotExist) && doc != nil:
		doc.data(p)
	case err != nil:
		return nil, fmt.Errorf("read recorded project %s: %w", filepath.Base(dir), err)
	case len(rows) > 0:
		p.complete()
		if err = p.loadRows(rows[0], rows[1:]); err == nil && doc != nil {
			p.adoptStatuses(doc)
		}
	}
	p.complete()
	if err != nil {
		return nil, fmt.Errorf("read recorded project %s: %w", filepath.Base(dir), err)
	}
	return p, nil
}

// readDictionary finds a folder's dictionary.
func readDictionary(dir string) ([]Field, error) {
	rows, err := readCSV(filepath.Join(dir, "dictionary.csv"))
	if errors.Is(err, fs.ErrNotExist) {
		rows, err = readCSV(filepath.Join(dir, "metadata.csv"))
	}
	if err != nil {
		return nil, err
	}
	var out []Field
	for i, r := range rows {
		for j, cell := range r {
			if cell == "NA" {
				r[j] = ""
			}
		}
		if i > 0 && len(r) > 3 {
			out = append(out, fieldOf(r))
		}
	}
	if len(out) == 0 {
		return nil, errors.New("the dictionary has no fields")
	}
	return out, nil
}

// readCSV reads a file without its byte order mark. Rows of one empty cell are dropped.
func readCSV(path string) ([][]string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(b), "\ufeff")))
	r.FieldsPerRecord, r.LazyQuotes = -1, true
	rows, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return rows, nil
}

// useDictionary replaces the fields, keeping what is known of the forms.
func (p *Project) useDictionary(fields []Field) {
	known := p.forms
	p.fields, p.forms = nil, nil
	p.graves, p.used = map[string]string{}, map[string]bool{}
	for _, f := range fields {
		form := Form{Name: f.Form}
		for _, k := range known {
			if k.Name == f.Form {
				form.Label, form.Survey = k.Label, k.Survey
			}
		}
		p.addForm(form)
		p.mustAdd(f)
	}
}

// readEvents takes event ids and the recorded mapping order from a folder's CSV files, where it has them.
func (p *Project) readEvents(dir string) error {
	rows, err := readCSV(filepath.Join(dir, "event.csv"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for i, r := range rows {
		if i == 0 || len(r) < 5 {
			continue
		}
		id, err := strconv.Atoi(r[4])
		e := p.event(r[2])
		if err != nil || e == nil {
			continue
		}
		for j := range p.rows {
			if p.rows[j].event == e.ID {
				p.rows[j].event = id
			}
		}
		e.ID = id
	}
	return nil
}

// complete makes sure that the project has an event, and that later event ids are free.
func (p *Project) complete() {
	if len(p.events) == 0 {
		p.addEvent(Event{Name: "Event 1"})
	}
	for _, e := range p.events {
		p.nextEv = max(p.nextEv, e.ID+1)
	}
}

// loadRows fills the store from a flat export. What the export implies about the structure is taken over: groups,
// surveys, repeating instruments and events that the structure does not name.
func (p *Project) loadRows(header []string, rows [][]string) error {
	p.inferFrom(header, rows)
	keys := p.columnKeys()
	at := map[string]int{}
	for i, h := range header {
		at[h] = i
	}
	get := func(r []string, name string) string {
		if i, ok := at[name]; ok && i < len(r) {
			return r[i]
		}
		return ""
	}
	byID := map[string]*record{}
	var order []*record
	for n, r := range rows {
		id := get(r, p.fields[0].Name)
		if id == "" {
			return fmt.Errorf("row %d has no record id", n+1)
		}
		rec := byID[id]
		if rec == nil {
			rec = &record{id: id}
			byID[id], order = rec, append(order, rec)
		}
		if d := p.dagByUnique(get(r, "redcap_data_access_group")); d != nil {
			rec.dag = d.ID
		}
		instance, _ := strconv.Atoi(get(r, "redcap_repeat_instance"))
		form := p.form(get(r, "redcap_repeat_instrument"))
		e := p.events[0]
		if name := get(r, "redcap_event_name"); name != "" {
			e = p.event(name)
		}
		if e == nil {
			return fmt.Errorf("row %d is of an unknown event", n+1)
		}
		key := ""
		if form != nil {
			key = form.key
		}
		p.loadRow(rec.find(e.ID, key, instance, true), header, r, keys)
	}
	p.store.recorded = true
	p.store.load(order)
	return nil
}

// loadRow stores the cells of one row. A status of 0 is stored only where something else of the form is: a form
// that was never opened is exported as 0, too.
func (p *Project) loadRow(r *row, header, cells []string, keys map[string]slot) {
	touched := map[string]bool{r.form: true}
	filled := r.form != ""
	for i, h := range header {
		k, ok := keys[h]
		if !ok || i >= len(cells) || cells[i] == "" || (k.box && cells[i] == "0") {
			continue
		}
		k.store(r, cells[i])
		if k.form != nil && !k.calc {
			touched[k.form.key], filled = true, true
		}
	}
	if first := p.form(p.fields[0].Form); !filled && first != nil {
		touched[first.key] = true // saving this form made the record
	}
	for _, f := range p.forms {
		if r.values[f.key+"_complete"] == "0" && !touched[f.key] {
			delete(r.values, f.key+"_complete")
		}
	}
}

// inferFrom takes over what a header and its rows show.
func (p *Project) inferFrom(header []string, rows [][]string) {
	at := map[string]int{}
	for i, h := range header {
		at[h] = i
		if form := p.form(strings.TrimSuffix(h, "_timestamp")); form != nil && strings.HasSuffix(h, "_timestamp") {
			form.Survey, p.info.Surveys = true, true
		}
	}
	cell := func(r []string, name string) string {
		if i, ok := at[name]; ok && i < len(r) {
			return r[i]
		}
		return ""
	}
	for _, r := range rows {
		if g := cell(r, "redcap_data_access_group"); g != "" && p.dagByUnique(g) == nil {
			p.addDAG(g)
		}
		e := p.events[0]
		if name := cell(r, "redcap_event_name"); name != "" {
			e = p.event(name)
		}
		if e == nil || cell(r, "redcap_repeat_instance") == "" {
			continue
		}
		if form := p.form(cell(r, "redcap_repeat_instrument")); form != nil {
			if _, known := e.repeating[form.key]; !known {
				e.repeat(form, "")
			}
		} else {
			e.Repeats = true
		}
	}
}

// adoptStatuses takes over from the XML which forms were saved with status 0: a flat export shows 0 for forms that
// were never opened, too.
func (p *Project) adoptStatuses(doc *odm) {
	other := newProject(p.info)
	other.forms, other.fields, other.events, other.dags, other.codes = p.forms, p.fields, p.events, p.dags, p.codes
	doc.data(other)
	for _, rec := range p.store.order {
		told := other.store.get(rec.id)
		if told == nil {
			continue
		}
		for _, r := range rec.rows {
			known := told.find(r.event, r.form, r.instance, false)
			if known == nil {
				continue
			}
			for _, f := range p.forms {
				key := f.key + "_complete"
				switch saved := known.values[key]; {
				case saved == "0" && r.values[key] == "":
					r.values[key] = "0"
				case saved == "" && r.values[key] == "0":
					delete(r.values, key)
				}
			}
		}
	}
}
