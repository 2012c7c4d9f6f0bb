package redcap

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// colKind says what a column of a flat export is made from.
type colKind int

const (
	colID colKind = iota
	colEvent
	colRepeatForm
	colRepeatInstance
	colDAG
	colSurveyID
	colTimestamp
	colField
	colBox
	colStatus
)

// column is one column of a flat export.
type column struct {
	kind   colKind
	name   string
	header string // what the header shows
	key    string // what the value is stored under
	field  *Field
	form   *Form
	code   string
	label  string // of a checkbox option
}

// plan is a record export, made up before the first record is looked at.
type plan struct {
	p         *Project
	columns   []column
	format    string
	comma     byte
	label     bool
	boxLabel  bool
	blankGray bool
	eav       bool
	decimal   byte
	logic     expr
	nothing   bool // a filter that cannot be read, on servers that then answer nothing
	odd       bool
	documents bool
	bound     int // group that the user sees, 0: all
	events    map[int]bool
	asked     map[string]bool // keys of forms of which something beside the record id is asked
	forms     map[string]*Form
	homes     map[string]string // how stored rows are to be settled; nil: as they are
	hashed    bool
	shift     map[string]bool // forms whose dates are shifted
	csvHeader bool
	head      []string
	cacheKey  string // "" where the answer depends on more than the record's class

	names  map[string]bool // records[]; nil: all
	begin  string          // wall-clock texts as the log stores them; "": open
	end    string
	ranged bool
}

// wish is what an export is asked for: by a call's parameters, or by a report's definition.
type wish struct {
	fields, forms   map[string]bool // by name; both empty: everything
	events          []string
	logic           string
	surveys, groups bool
	report          string         // its id; "" in a record export
	order           map[string]int // of a report's columns, by field; nil: as in the dictionary
}

// wants tells whether a field is asked for. The record id comes only if it is asked for by name or by form.
func (w *wish) wants(f *Field) bool {
	return len(w.fields)+len(w.forms) == 0 && w.report == "" || w.fields[f.Name] || w.forms[f.Form]
}

// wantsAny tells whether a survey's timestamp is asked for: with its form, and in a report with any field of it.
func (w *wish) wantsAny(p *Project, form *Form) bool {
	if w.wants(&Field{Name: form.Name + "_complete", Form: form.Name}) {
		return true
	}
	return w.report != "" && slices.ContainsFunc(p.fields[1:], func(f *Field) bool { return f.Form == form.Name && w.fields[f.Name] })
}

// arrange puts the columns of a report in the report's own order, timestamps first.
func (w *wish) arrange(cols []column) {
	if w.order == nil {
		return
	}
	at := func(col column) int {
		switch col.kind {
		case colID:
			return -2
		case colField, colBox:
			return w.order[col.field.Name]
		case colStatus:
			return w.order[col.name]
		}
		return -1
	}
	slices.SortStableFunc(cols, func(a, b column) int { return at(a) - at(b) })
}

// wished reads what a record export is asked for. It answers the error itself.
func (c *call) wished() (wish, bool) {
	w := wish{
		fields: map[string]bool{}, forms: map[string]bool{}, events: c.rq.Events, logic: c.param("filterLogic"),
		surveys: c.flag("exportSurveyFields"), groups: c.flag("exportDataAccessGroups"),
	}
	if w.groups && c.user.DAG == "" && !c.needs(c.user.DAGs, dagRight) {
		return w, false
	}
	var bad []string
	for _, name := range c.rq.Forms {
		if c.project.form(name) == nil {
			bad = append(bad, name)
		}
		w.forms[name] = true
	}
	if !c.refuse("forms", bad) {
		return w, false
	}
	for _, name := range c.rq.Fields {
		stem, status := strings.CutSuffix(name, "_complete")
		if c.project.field(name) == nil && !(status && c.project.form(stem) != nil) {
			bad = append(bad, name)
		}
		w.fields[name] = true
	}
	return w, !c.atLeast(13, 4, 10) || c.refuse("fields", bad)
}

// planExport reads how an export is to be rendered. The project's lock is held. It answers the error itself.
func (c *call) planExport(w *wish) (*plan, bool) {
	p := c.project
	pl := &plan{
		p: p, format: c.format(), comma: ',', label: c.param("rawOrLabel") == "label", boxLabel: c.flag("exportCheckboxLabel"),
		blankGray: c.flag("exportBlankForGrayFormStatus") && c.atLeast(12, 4, 0), eav: c.param("type") == "eav" && w.report == "",
		asked: map[string]bool{}, forms: map[string]*Form{}, csvHeader: !c.atLeast(17, 4, 1), hashed: p.deidentified(c.user),
		odd: c.s.o.OddStatus, documents: c.s.o.Documents, homes: p.homes(),
	}
	if d := p.dagByUnique(c.user.DAG); d != nil {
		pl.bound = d.ID
	}
	if d := c.param("decimalCharacter"); d == "." || d == "," {
		pl.decimal = d[0]
	}
	switch c.param("csvDelimiter") {
	case "tab":
		pl.comma = '\t'
	case ";", "|", "^":
		pl.comma = c.param("csvDelimiter")[0]
	}
	for _, f := range p.forms {
		pl.forms[f.key] = f
	}
	ok := c.planSelection(pl, w) && c.planLogic(pl, w.logic) && (w.report != "" || c.planRange(pl))
	if ok {
		c.planColumns(pl, w)
		pl.cacheKey = c.cacheKey(pl, w)
		pl.header()
	}
	return pl, ok
}

// planSelection reads records and events.
func (c *call) planSelection(pl *plan, w *wish) bool {
	if names := c.p.list("records"); len(names) > 0 && w.report == "" {
		pl.names = make(map[string]bool, len(names))
		for _, n := range names {
			pl.names[n] = true
		}
	}
	if len(w.events) == 0 {
		return true
	}
	pl.events = map[int]bool{}
	var bad []string
	for _, name := range w.events {
		if e := pl.p.event(name); e != nil && pl.p.info.Longitudinal {
			pl.events[e.ID] = true
		} else {
			bad = append(bad, name)
		}
	}
	return c.refuse("events", bad)
}

// refuse answers the message for values that the project does not have.
func (c *call) refuse(parameter string, bad []string) bool {
	if len(bad) == 0 {
		return true
	}
	c.fail(http.StatusBadRequest, fmt.Sprintf("The following values in the parameter %q are not valid: '%s'", parameter, strings.Join(bad, "', '")))
	return false
}

func (c *call) planLogic(pl *plan, text string) bool {
	if strings.TrimSpace(text) == "" {
		return true
	}
	var err error
	if pl.logic, err = parseLogic(text); err == nil {
		return true
	}
	if c.s.o.BadLogic == LogicNothing {
		pl.nothing = true
		return true
	}
	c.fail(http.StatusBadRequest, "There was an error in the filter logic.")
	return false
}

// planRange reads the date range as text of the server's wall clock, which is what the log stores. A bad value is an error since 14.0.2 and was ignored before.
func (c *call) planRange(pl *plan) bool {
	for _, x := range []struct {
		name string
		to   *string
	}{{"dateRangeBegin", &pl.begin}, {"dateRangeEnd", &pl.end}} {
		if !c.p.has(x.name) {
			continue
		}
		t, err := time.Parse("2006-01-02 15:04:05", c.param(x.name))
		if err == nil {
			*x.to, pl.ranged = t.Format(wallLayout), true
		} else if c.atLeast(14, 0, 2) {
			return c.refuse(x.name, []string{c.param(x.name)})
		}
	}
	if pl.ranged && pl.names != nil {
		switch c.s.o.DateRange {
		case DateRangeIgnored:
			pl.ranged = false
		case DateRangeEverything:
			pl.ranged, pl.names = false, nil
		}
	}
	return true
}

// planColumns makes the columns: record id, event, repeat, group, survey identifier, then form by form.
func (c *call) planColumns(pl *plan, w *wish) {
	p, wanted := pl.p, w.wants
	surveys := w.surveys && p.info.Surveys
	var cols []column
	byName := p.formsByName()
	last := ""
	for i, f := range p.fields {
		form := byName[f.Form]
		right := c.user.right(f.Form)
		if i == 0 {
			if wanted(f) {
				cols = append(cols, column{kind: colID, name: f.Name, field: f})
			}
		}
		if f.Form != last {
			last = f.Form
			if surveys && form.Survey && right != ExportNone && w.wantsAny(p, form) {
				cols = append(cols, column{kind: colTimestamp, name: f.Form + "_timestamp", key: form.key + "_timestamp", form: form})
			}
		}
		if i > 0 && wanted(f) && visible(f, right) {
			cols = append(cols, c.columnsOf(pl, f, form)...)
			pl.asked[form.key] = true
		}
		if i+1 == len(p.fields) || p.fields[i+1].Form != f.Form {
			status := f.Form + "_complete"
			if right != ExportNone && wanted(&Field{Name: status, Form: f.Form}) {
				cols = append(cols, column{kind: colStatus, name: status, key: form.key + "_complete", form: form, label: "Complete?"})
				pl.asked[form.key] = true
			}
		}
	}
	pl.shift = map[string]bool{}
	for _, f := range p.forms {
		pl.shift[f.Name] = c.user.right(f.Name) == ExportDeidentified
	}
	w.arrange(cols)
	pl.columns = c.withKeys(pl, cols, surveys, w.groups)
	c.headers(pl)
}

// visible tells whether an export right lets a field through.
func visible(f *Field, right int) bool {
	switch right {
	case ExportNone:
		return false
	case ExportWithoutIdentifer:
		return f.Identifier != "y"
	case ExportDeidentified:
		free := f.Type == "notes" || (f.Type == "text" && f.Validation == "")
		return f.Identifier != "y" && !free
	}
	return true
}

// columnsOf are the export columns of one field.
func (c *call) columnsOf(pl *plan, f *Field, form *Form) []column {
	switch f.Type {
	case "descriptive":
		return nil
	case "checkbox":
		var out []column
		for _, o := range pl.p.boxes(f) {
			out = append(out, column{
				kind: colBox, name: checkboxColumn(f.Name, o.code), key: f.key + "(" + o.code + ")", field: f, form: form,
				code: o.code, label: o.label,
			})
		}
		return out
	}
	return []column{{kind: colField, name: f.Name, key: f.key, field: f, form: form, label: f.Label}}
}

// withKeys puts the identifying columns where they belong.
func (c *call) withKeys(pl *plan, cols []column, surveys, groups bool) []column {
	p := pl.p
	var keys []column
	if len(cols) > 0 && cols[0].kind == colID {
		keys, cols = append(keys, cols[0]), cols[1:]
	}
	if p.info.Longitudinal {
		keys = append(keys, column{kind: colEvent, name: "redcap_event_name"})
	}
	if pl.repeatAsked() {
		keys = append(keys, column{kind: colRepeatForm, name: "redcap_repeat_instrument"},
			column{kind: colRepeatInstance, name: "redcap_repeat_instance"})
	}
	if groups && c.user.DAG == "" && len(p.dags) > 0 {
		keys = append(keys, column{kind: colDAG, name: "redcap_data_access_group"})
	}
	if surveys {
		keys = append(keys, column{kind: colSurveyID, name: "redcap_survey_identifier", key: "redcap_survey_identifier"})
	}
	return append(keys, cols...)
}

// repeatAsked tells whether anything asked for repeats.
func (pl *plan) repeatAsked() bool {
	for _, e := range pl.p.shown() {
		if pl.events != nil && !pl.events[e.ID] {
			continue
		}
		if e.Repeats {
			return true
		}
		for key := range e.repeating {
			if pl.asked[key] {
				return true
			}
		}
	}
	return false
}

// headers fills in what the header row shows.
func (c *call) headers(pl *plan) {
	labels := c.param("rawOrLabelHeaders") == "label" && pl.format == "csv" && !pl.eav
	for i := range pl.columns {
		col := &pl.columns[i]
		col.header = col.name
		if !labels {
			continue
		}
		switch col.kind {
		case colBox:
			col.header = col.field.Label + " (choice=" + col.label + ")"
		case colField, colStatus:
			col.header = col.label
		case colID:
			col.header = col.field.Label
		case colEvent:
			col.header = "Event Name"
		}
	}
}

// cacheKey identifies exports that render every record of a class alike.
func (c *call) cacheKey(pl *plan, w *wish) string {
	if pl.hashed || pl.nothing || (pl.logic != nil && slices.Contains(fieldsOf(pl.logic), pl.p.fields[0].Name)) {
		return ""
	}
	var b strings.Builder
	fmt.Fprint(&b, pl.p.rev, c.user.Name, pl.format, pl.comma, pl.label, pl.boxLabel, pl.blankGray, pl.eav, pl.decimal, w.logic)
	for _, col := range pl.columns {
		b.WriteString("\x00" + col.name)
	}
	fmt.Fprint(&b, w.events, pl.documents)
	return b.String()
}
