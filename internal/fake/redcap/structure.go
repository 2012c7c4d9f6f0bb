package redcap

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

func bit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// stamp writes a server wall-clock time; the zero time is blank.
func stamp(t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return ""
	}
	return t.In(zone).Format("2006-01-02 15:04:05")
}

func (c *call) serveProject() {
	p := c.project
	p.mu.RLock()
	defer p.mu.RUnlock()
	i := p.info
	type col struct{ name, value string }
	cols := []col{
		{"project_id", strconv.Itoa(i.ID)},
		{"project_title", i.Title},
		{"creation_time", stamp(i.Created, p.zone)},
		{"production_time", stamp(i.Production, p.zone)},
		{"in_production", bit(i.InProduction)},
		{"project_language", i.Language},
		{"purpose", strconv.Itoa(i.Purpose)},
		{"purpose_other", ""},
		{"project_notes", i.Notes},
		{"custom_record_label", i.CustomRecordLabel},
		{"secondary_unique_field", i.Secondary},
		{"is_longitudinal", bit(i.Longitudinal)},
	}
	if c.atLeast(9, 5, 0) {
		cols = append(cols, col{"has_repeating_instruments_or_events", bit(p.repeats())})
	}
	cols = append(cols,
		col{"surveys_enabled", bit(i.Surveys)}, col{"scheduling_enabled", bit(i.Scheduling)},
		col{"record_autonumbering_enabled", bit(i.Autonumbering)}, col{"randomization_enabled", "0"},
		col{"ddp_enabled", "0"}, col{"project_irb_number", ""}, col{"project_grant_number", ""},
		col{"project_pi_firstname", ""}, col{"project_pi_lastname", ""})
	if c.atLeast(13, 0, 0) {
		cols = append(cols, col{"project_pi_email", ""})
	}
	cols = append(cols, col{"display_today_now_button", "1"})
	if c.atLeast(9, 5, 0) {
		cols = append(cols, col{"missing_data_codes", formatCodes(p.codes)}, col{"external_modules", ""},
			col{"bypass_branching_erase_field_prompt", "0"})
	}
	t := &table{single: true, rows: [][]string{nil}, numbers: map[string]bool{}}
	for _, x := range cols {
		t.columns = append(t.columns, x.name)
		t.rows[0] = append(t.rows[0], x.value)
		t.numbers[x.name] = x.name != "project_title" && x.name != "project_notes"
	}
	c.reply(t)
}

// metadataColumns are the 18 columns of the dictionary.
func metadataColumns() []string {
	return []string{
		"field_name", "form_name", "section_header", "field_type", "field_label", "select_choices_or_calculations",
		"field_note", "text_validation_type_or_show_slider_number", "text_validation_min", "text_validation_max", "identifier",
		"branching_logic", "required_field", "custom_alignment", "question_number", "matrix_group_name", "matrix_ranking",
		"field_annotation",
	}
}

// cells are the field's 18 dictionary cells.
func (f *Field) cells() []string {
	return []string{
		f.Name, f.Form, f.Section, f.Type, f.Label, f.Choices, f.Note, f.Validation, f.Min, f.Max, f.Identifier,
		f.Branching, f.Required, f.Alignment, f.Question, f.Matrix, f.Ranking, f.Annotation,
	}
}

// fieldOf is the reverse of cells; missing trailing cells are empty.
func fieldOf(cells []string) Field {
	c := make([]string, 18)
	copy(c, cells)
	return Field{
		Name: c[0], Form: c[1], Section: c[2], Type: c[3], Label: c[4], Choices: c[5], Note: c[6], Validation: c[7], Min: c[8],
		Max: c[9], Identifier: c[10], Branching: c[11], Required: c[12], Alignment: c[13], Question: c[14], Matrix: c[15],
		Ranking: c[16], Annotation: c[17],
	}
}

// serveMetadata answers the live dictionary. A comma-joined forms list does not filter, as was seen.
func (c *call) serveMetadata() {
	p := c.project
	p.mu.RLock()
	defer p.mu.RUnlock()
	fields, forms := c.rq.Fields, c.rq.Forms
	if c.p.has("forms") {
		forms = nil
	}
	t := &table{columns: metadataColumns()}
	for _, f := range p.fields {
		if len(fields)+len(forms) > 0 && !slices.Contains(fields, f.Name) && !slices.Contains(forms, f.Form) {
			continue
		}
		t.rows = append(t.rows, f.cells())
	}
	c.reply(t)
}

func (c *call) serveInstruments() {
	p := c.project
	p.mu.RLock()
	defer p.mu.RUnlock()
	t := &table{columns: []string{"instrument_name", "instrument_label"}}
	for _, f := range p.forms {
		t.rows = append(t.rows, []string{f.Name, f.Label})
	}
	c.reply(t)
}

// longitudinal refuses a method that classic projects do not have.
func (c *call) longitudinal(what string) bool {
	if c.project.info.Longitudinal {
		return true
	}
	c.fail(http.StatusBadRequest, "You cannot export "+what+" for classic projects")
	return false
}

func (c *call) wantsArm(n int) bool {
	arms := c.p.list("arms")
	return len(arms) == 0 || slices.Contains(arms, strconv.Itoa(n))
}

func (c *call) serveArms() {
	p := c.project
	p.mu.RLock()
	defer p.mu.RUnlock()
	if !c.longitudinal("arms") {
		return
	}
	t := &table{columns: []string{"arm_num", "name"}, numbers: map[string]bool{"arm_num": true}}
	for _, a := range p.arms {
		if c.wantsArm(a.Number) {
			t.rows = append(t.rows, []string{strconv.Itoa(a.Number), a.Name})
		}
	}
	c.reply(t)
}

func (c *call) serveEvents() {
	p := c.project
	p.mu.RLock()
	defer p.mu.RUnlock()
	if !c.longitudinal("events") {
		return
	}
	t := &table{
		columns: []string{"event_name", "arm_num", "unique_event_name", "custom_event_label", "event_id"},
		numbers: map[string]bool{"arm_num": true, "event_id": true},
	}
	if !c.atLeast(11, 0, 0) {
		t.columns = t.columns[:4]
	}
	for _, e := range p.events {
		if c.wantsArm(e.Arm) {
			cells := []string{e.Name, strconv.Itoa(e.Arm), e.Unique, e.CustomLabel, strconv.Itoa(e.ID)}
			t.rows = append(t.rows, cells[:len(t.columns)])
		}
	}
	c.reply(t)
}

func (c *call) serveMapping() {
	p := c.project
	p.mu.RLock()
	defer p.mu.RUnlock()
	if !c.longitudinal("form/event mappings") {
		return
	}
	t := &table{columns: []string{"arm_num", "unique_event_name", "form"}, numbers: map[string]bool{"arm_num": true}}
	for _, r := range p.rows {
		e, f := p.eventByID(r.event), p.formByKey(r.form)
		if e != nil && f != nil && e.forms[f.key] && c.wantsArm(e.Arm) {
			t.rows = append(t.rows, []string{strconv.Itoa(e.Arm), e.Unique, f.Name})
		}
	}
	c.reply(t)
}

// serveRepeating answers the repeating set-up: an empty form name means that the whole event repeats.
func (c *call) serveRepeating() {
	p := c.project
	p.mu.RLock()
	defer p.mu.RUnlock()
	switch {
	case !c.has(8, 10, 0), !c.needs(c.user.Design, designRight):
		return
	case !p.repeats():
		c.fail(http.StatusBadRequest, "You cannot export repeating instruments and events because the project does not contain any repeating instruments and events")
		return
	}
	t := &table{columns: []string{"event_name", "form_name", "custom_form_label"}}
	for _, e := range p.shown() {
		if e.Repeats {
			t.rows = append(t.rows, []string{e.Unique, "", ""})
		}
		for _, key := range e.repeatingPlaced {
			if f := p.formByKey(key); f != nil {
				t.rows = append(t.rows, []string{e.Unique, f.Name, e.repeating[key]})
			}
		}
	}
	if !p.info.Longitudinal {
		t.columns = t.columns[1:]
		for i := range t.rows {
			t.rows[i] = t.rows[i][1:]
		}
	}
	c.reply(t)
}

// serveFieldNames answers the export columns: no file and descriptive fields, one row per option of a checkbox and
// per missing-data code.
func (c *call) serveFieldNames() {
	p := c.project
	p.mu.RLock()
	defer p.mu.RUnlock()
	want := c.param("field")
	if want != "" && p.field(want) == nil {
		c.fail(http.StatusBadRequest, "The following values in the parameter \"field\" are not valid: '"+want+"'")
		return
	}
	t := &table{columns: []string{"original_field_name", "choice_value", "export_field_name"}}
	for i, f := range p.fields {
		switch {
		case want != "" && f.Name != want, f.Type == "file", f.Type == "descriptive":
		case f.Type == "checkbox":
			for _, o := range p.boxes(f) {
				t.rows = append(t.rows, []string{f.Name, o.code, checkboxColumn(f.Name, o.code)})
			}
		default:
			t.rows = append(t.rows, []string{f.Name, "", f.Name})
		}
		if want == "" && (i+1 == len(p.fields) || p.fields[i+1].Form != f.Form) {
			t.rows = append(t.rows, []string{f.Form + "_complete", "", f.Form + "_complete"})
		}
	}
	c.reply(t)
}

// boxes are the columns of a checkbox: its options, then the project's missing-data codes.
func (p *Project) boxes(f *Field) []option {
	out := slices.Clip(f.options)
	for _, m := range p.codes {
		out = append(out, option{m.Code, m.Label})
	}
	return out
}
