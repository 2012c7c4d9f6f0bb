package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"

	fake "syncd/internal/fake/redcap"
)

// truth is what the project holds, as a user sees it who may see everything, brought into the form that the reference and
// section 5 of DESIGN ask of the warehouse. No code of the source has part in it.
type truth struct {
	forms   map[string]map[rowKey]*trueRow // by the instrument's name
	records map[string]*trueRecord
	fields  map[string]*trueColumn // by export column
}

// trueRow is a row that an instrument's table has to have. One that is not certain may be missing.
type trueRow struct {
	cells   map[string]string
	group   string
	certain bool
}

type trueRecord struct {
	group, survey string
	arms          []string
}

// trueColumn says what an export column is of: field is nil for an instrument's status and survey time.
type trueColumn struct {
	form   string
	field  *fake.Field
	option bool
	status bool
}

// truth asks the project behind the job's back, and brings the answer into the form of tables.
func (w *realm) truth(view sight) (*truth, error) {
	rows, err := w.audit()
	if err != nil {
		return nil, err
	}
	t := &truth{forms: map[string]map[rowKey]*trueRow{}, records: map[string]*trueRecord{}, fields: w.columns()}
	arms := map[string]string{}
	for _, e := range w.events {
		arms[e.unique] = fmt.Sprint(e.arm)
	}
	for _, f := range w.project.Forms() {
		t.forms[f.Name] = map[rowKey]*trueRow{}
	}
	idField := w.project.RecordField()
	for _, row := range rows {
		t.add(row, idField, arms, view, w.longitudinal)
	}
	return t, nil
}

// audit exports every record, as the server's version shows it.
func (w *realm) audit() ([]map[string]string, error) {
	server := fake.NewServer(fake.Options{Version: w.version, Clock: w.clock.now, Zone: w.zone})
	server.Add(w.project)
	form := url.Values{
		"token": {w.auditor}, "content": {"record"}, "format": {"json"}, "type": {"flat"}, "exportSurveyFields": {"true"},
		"exportDataAccessGroups": {"true"}, "exportBlankForGrayFormStatus": {"true"}, "decimalCharacter": {"."},
	}
	r := httptest.NewRequest(http.MethodPost, "/api/", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer := httptest.NewRecorder()
	server.ServeHTTP(answer, r)
	var raw []map[string]any
	dec := json.NewDecoder(bytes.NewReader(answer.Body.Bytes()))
	dec.UseNumber()
	if err := dec.Decode(&raw); err != nil {
		return nil, fmt.Errorf("audit: status %d: %w", answer.Code, err)
	}
	rows := make([]map[string]string, len(raw))
	for i, x := range raw {
		rows[i] = make(map[string]string, len(x))
		for name, value := range x {
			rows[i][name] = fmt.Sprint(value)
		}
	}
	return rows, nil
}

// columns lists the export columns of the dictionary (reference 4.4 and 4.5).
func (w *realm) columns() map[string]*trueColumn {
	out := map[string]*trueColumn{}
	fields := w.project.Fields()
	for i := range fields {
		f := &fields[i]
		switch {
		case i == 0 || f.Type == "descriptive":
		case f.Type == "checkbox":
			codes := codesOf(f.Choices)
			for _, c := range w.codes {
				codes = append(codes, c.Code)
			}
			for _, code := range codes {
				out[boxColumn(f.Name, code)] = &trueColumn{form: f.Form, field: f, option: true}
			}
		default:
			out[f.Name] = &trueColumn{form: f.Form, field: f}
		}
	}
	for _, f := range w.project.Forms() {
		out[f.Name+"_complete"] = &trueColumn{form: f.Name, status: true}
		if f.Survey {
			out[f.Name+"_timestamp"] = &trueColumn{form: f.Name}
		}
	}
	return out
}

// add applies the rule for rows: one exists where the status is set, or a field but a calculated one and an unticked option is
// not blank. A status of 0 is certain only where the server tells it from never opened; what the token may not see
// makes no row certain.
func (t *truth) add(row map[string]string, idField string, arms map[string]string, view sight, longitudinal bool) {
	id, event, only := row[idField], row["redcap_event_name"], row["redcap_repeat_instrument"]
	key := rowKey{id, event, 1}
	fmt.Sscan(row["redcap_repeat_instance"], &key.instance)
	rec := t.records[id]
	if rec == nil {
		rec = &trueRecord{group: row["redcap_data_access_group"]}
		t.records[id] = rec
	}
	if rec.survey == "" {
		rec.survey = row["redcap_survey_identifier"]
	}
	hidden := only != "" && view.form(only) == fake.ExportNone // such a row is not exported to the job
	if arm := arms[event]; longitudinal && !hidden && !slices.Contains(rec.arms, arm) {
		rec.arms = append(rec.arms, arm)
	}
	gray := versionAtLeast(view.version, 12, 4)
	found, certain := map[string]bool{}, map[string]bool{}
	for name, value := range row {
		c := t.fields[name]
		switch {
		case c == nil, value == "", only != "" && only != c.form:
		case c.option && value == "0", c.field != nil && computed(c.field):
		default:
			found[c.form] = true
			if !(c.status && value == "0" && !gray) && view.shows(c) {
				certain[c.form] = true
			}
		}
	}
	for form := range found {
		t.forms[form][key] = &trueRow{cells: row, group: row["redcap_data_access_group"], certain: certain[form]}
	}
}

// computed fields are filled by the server: they do not tell that a form was opened.
func computed(f *fake.Field) bool {
	return f.Type == "calc" || strings.Contains(f.Annotation, "@CALCTEXT") || strings.Contains(f.Annotation, "@CALCDATE")
}

// shows says whether the token's user gets a column (reference 1).
func (s sight) shows(c *trueColumn) bool {
	switch s.form(c.form) {
	case fake.ExportNone:
		return false
	case fake.ExportWithoutIdentifer:
		return c.field == nil || c.field.Identifier != "y"
	}
	return true
}

func versionAtLeast(version string, major, minor int) bool {
	var a, b int
	fmt.Sscanf(version, "%d.%d", &a, &b)
	return a > major || a == major && b >= minor
}

// pgType is the type that the dictionary asks for (section 5 of DESIGN).
func (c *trueColumn) pgType() string {
	r := recordedColumn{form: c.form, option: c.option, status: c.status}
	if f := c.field; f != nil {
		r.field = &recordedField{
			f.Name, f.Form, f.Section, f.Type, f.Label, f.Choices, f.Note, f.Validation, f.Min, f.Max, f.Identifier, f.Branching,
			f.Required, f.Alignment, f.Question, f.Matrix, f.Ranking, f.Annotation,
		}
	}
	return r.pgType()
}

// verdictOn says what is wrong with a stored cell; nothing where it is what a raw value has to become. The stored type
// may be wider than the dictionary's, or another as long as a person has not changed it: then what does not fit waits beside the row.
func (c *trueColumn) verdictOn(raw, stored string, have *string, missing, misfit string, codes []fake.Code) string {
	isCode := c.field != nil && !c.option && slices.ContainsFunc(codes, func(m fake.Code) bool { return m.Code == raw })
	asked := c.pgType()
	if c.field != nil && strings.HasSuffix(c.field.Validation, "comma_decimal") && !strings.Contains(raw, ".") {
		raw = strings.Replace(raw, ",", ".", 1)
	}
	switch noted := missing + misfit; {
	case raw == "":
		return differs(have == nil && noted == "", have, noted, "nothing")
	case isCode, c.field == nil && raw == "[not completed]":
		return differs(have == nil && missing == raw && misfit == "", have, noted, "missing "+raw)
	}
	meant, fitsDictionary := fitting(asked, raw)
	text, fitsStored := fitting(stored, raw)
	value := have != nil && missing == "" && misfit == "" &&
		(fitsStored && canonical(stored, *have) == text || fitsDictionary && stored == "text" && *have == meant || fitsDictionary && canonical(stored, *have) == canonical(stored, meant))
	// What fits the dictionary and waits for the stored type waits as the dictionary's type spells it: 3 for +3.
	meant = strings.NewReplacer("true", "t", "false", "f").Replace(meant)
	if stored == "text" && asked == "boolean" {
		value = value || have != nil && fitsDictionary && *have == meant
	}
	note := have == nil && missing == "" && (misfit == raw || misfit != "" && strings.Replace(misfit, ",", ".", 1) == raw || fitsDictionary && misfit == meant)
	switch {
	case fitsDictionary && (asked == stored || wider(asked, stored)):
		return differs(value, have, misfit, "value "+meant)
	case fitsDictionary || fitsStored:
		return differs(value || note, have, misfit, "value or misfit "+raw)
	}
	return differs(note, have, misfit, "misfit "+raw)
}

func differs(same bool, have *string, noted, want string) string {
	if same {
		return ""
	}
	return fmt.Sprintf("is %s with note %q, want %s", show(have), noted, want)
}

// wider says whether every value of one type is one of the other (section 5, Drift).
func wider(from, to string) bool {
	for _, chain := range [][]string{
		{"smallint", "integer", "bigint", "numeric", "text"}, {"date", "timestamp without time zone", "text"},
	} {
		i, j := slices.Index(chain, from), slices.Index(chain, to)
		if i >= 0 && i < j {
			return true
		}
	}
	return false
}
