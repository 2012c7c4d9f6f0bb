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
	bound     int // group that the user sees, 0: all
	events    map[int]bool
	asked     map[string]bool // keys of forms of which something beside the record id is asked
	forms     map[string]*Form
	hashed    bool
	shift     bool
	csvHeader bool
	head      []string
	cacheKey  string // "" where the answer depends on more than the record's class

	names  map[string]bool // records[]; nil: all
	begin  string          // wall-clock texts as the log stores them; "": open
	end    string
	ranged bool
}

// planExport reads the parameters of a record export. The project's lock is held. It answers the error itself.
func (c *call) planExport() (*plan, bool) {
	p := c.project
	pl := &plan{
		p: p, format: c.format(), comma: ',', label: c.param("rawOrLabel") == "label", boxLabel: c.flag("exportCheckboxLabel"),
		blankGray: c.flag("exportBlankForGrayFormStatus") && c.atLeast(12, 4, 0), eav: c.param("type") == "eav",
		asked: map[string]bool{}, forms: map[string]*Form{}, csvHeader: !c.atLeast(17, 4, 1), hashed: p.deidentified(c.user),
		odd: c.s.o.OddStatus,
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
	if pl.format == "odm" {
		c.fail(http.StatusNotImplemented, "The requested method is not implemented.")
		return nil, false
	}
	for _, f := range p.forms {
		pl.forms[f.key] = f
	}
	ok := c.planSelection(pl) && c.planLogic(pl) && c.planRange(pl) && c.planColumns(pl)
	if ok {
		pl.cacheKey = c.cacheKey(pl)
		pl.header()
	}
	return pl, ok
}

// planSelection reads records and events.
func (c *call) planSelection(pl *plan) bool {
	if names := c.p.list("records"); len(names) > 0 {
		pl.names = make(map[string]bool, len(names))
		for _, n := range names {
			pl.names[n] = true
		}
	}
	if len(c.rq.Events) == 0 {
		return true
	}
	pl.events = map[int]bool{}
	var bad []string
	for _, name := range c.rq.Events {
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

func (c *call) planLogic(pl *plan) bool {
	text := c.param("filterLogic")
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
func (c *call) planColumns(pl *plan) bool {
	p := pl.p
	wanted, ok := c.wantedFields(pl)
	if !ok {
		return false
	}
	if c.flag("exportDataAccessGroups") && !c.user.DAGs && c.user.DAG == "" {
		return c.needs(false, dagRight)
	}
	surveys := c.flag("exportSurveyFields") && p.info.Surveys
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
			if surveys && form.Survey && right != ExportNone && wanted(&Field{Name: f.Form + "_complete", Form: f.Form}) {
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
	pl.shift = pl.hashed
	pl.columns = c.withKeys(pl, cols, surveys)
	c.headers(pl)
	return true
}

// wantedFields turns fields[] and forms[] into a test. The record id comes only if it is asked for by name or by form.
func (c *call) wantedFields(pl *plan) (func(*Field) bool, bool) {
	p := pl.p
	if len(c.rq.Fields)+len(c.rq.Forms) == 0 {
		return func(*Field) bool { return true }, true
	}
	fields, forms := map[string]bool{}, map[string]bool{}
	var bad []string
	for _, name := range c.rq.Forms {
		if p.form(name) == nil {
			bad = append(bad, name)
		}
		forms[name] = true
	}
	if !c.refuse("forms", bad) {
		return nil, false
	}
	for _, name := range c.rq.Fields {
		stem, status := strings.CutSuffix(name, "_complete")
		if p.field(name) == nil && !(status && p.form(stem) != nil) {
			bad = append(bad, name)
		}
		fields[name] = true
	}
	if c.atLeast(13, 4, 10) && !c.refuse("fields", bad) {
		return nil, false
	}
	return func(f *Field) bool { return fields[f.Name] || forms[f.Form] }, true
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
func (c *call) withKeys(pl *plan, cols []column, surveys bool) []column {
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
	if c.flag("exportDataAccessGroups") && c.user.DAG == "" && len(p.dags) > 0 {
		keys = append(keys, column{kind: colDAG, name: "redcap_data_access_group"})
	}
	if surveys {
		keys = append(keys, column{kind: colSurveyID, name: "redcap_survey_identifier", key: "redcap_survey_identifier"})
	}
	return append(keys, cols...)
}

// repeatAsked tells whether anything asked for repeats.
func (pl *plan) repeatAsked() bool {
	for _, e := range pl.p.events {
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
func (c *call) cacheKey(pl *plan) string {
	if pl.hashed || pl.nothing || (pl.logic != nil && slices.Contains(fieldsOf(pl.logic), pl.p.fields[0].Name)) {
		return ""
	}
	var b strings.Builder
	fmt.Fprint(&b, pl.p.rev, c.user.Name, pl.format, pl.comma, pl.label, pl.boxLabel, pl.blankGray, pl.eav, pl.decimal, c.param("filterLogic"))
	for _, col := range pl.columns {
		b.WriteString("\x00" + col.name)
	}
	fmt.Fprint(&b, c.rq.Events)
	return b.String()
}
