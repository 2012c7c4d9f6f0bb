package redcap

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// recording is a whole project recorded through the API as one JSON object.
type recording struct {
	Version     string              `json:"redCapVersion"`
	Info        map[string]any      `json:"projectInfo"`
	Metadata    []map[string]any    `json:"metadata"`
	Instruments orderedPairs        `json:"instruments"`
	Mappings    []map[string]any    `json:"instrumentEventMappings"`
	Records     []map[string]any    `json:"records"`
	FieldNames  []map[string]string `json:"fieldNames"`
}

// orderedPairs is a JSON object whose order counts.
type orderedPairs [][2]string

func (o *orderedPairs) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		k, err := d.Token()
		if err != nil {
			return err
		}
		var v string
		if err := d.Decode(&v); err != nil {
			return err
		}
		*o = append(*o, [2]string{fmt.Sprint(k), v})
	}
	return nil
}

// ReadRecording reads a project from JSON: one object with the answers of several methods, or an array of exported
// rows whose dictionary lies beside it (db_data_NAME.json and db_metadata_NAME.json, else any db_metadata_ file).
func ReadRecording(file string) (*Project, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read recording: %w", err)
	}
	var p *Project
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("[")) {
		p, err = readPair(file, b)
	} else {
		p, err = readWhole(file, b)
	}
	if err != nil {
		return nil, fmt.Errorf("read recording %s: %w", filepath.Base(file), err)
	}
	return p, nil
}

func readWhole(file string, b []byte) (*Project, error) {
	var rec recording
	if err := json.Unmarshal(b, &rec); err != nil {
		return nil, err
	}
	if len(rec.Metadata) == 0 {
		return nil, errors.New("there is no dictionary in it")
	}
	p := newProject(infoOf(rec.Info, file))
	for _, pair := range rec.Instruments {
		p.addForm(Form{Name: pair[0], Label: pair[1]})
	}
	p.useDictionary(fieldsOfJSON(rec.Metadata))
	p.codes = parseCodes(text(rec.Info["missing_data_codes"]))
	for _, m := range rec.Mappings {
		unique := text(m["unique_event_name"])
		e := p.event(unique)
		if e == nil {
			arm := 1
			fmt.Sscan(text(m["arm_num"]), &arm)
			stem, _, _ := strings.Cut(unique, "_arm_")
			e = p.addEvent(Event{Name: titled(stem), Unique: unique, Arm: arm, forms: map[string]bool{}})
		}
		if form := p.form(text(m["form"])); form != nil {
			p.designate(e, form)
		}
	}
	p.complete()
	return p, p.loadObjects(rec.Records)
}

// infoOf reads project information.
func infoOf(m map[string]any, file string) Info {
	is := func(name string) bool { return text(m[name]) == "1" }
	i := Info{
		Title: text(m["project_title"]), Language: text(m["project_language"]), Notes: text(m["project_notes"]),
		Longitudinal: is("is_longitudinal"), Surveys: is("surveys_enabled"), Scheduling: is("scheduling_enabled"),
		Autonumbering: is("record_autonumbering_enabled"), InProduction: is("in_production"),
		CustomRecordLabel: text(m["custom_record_label"]), Secondary: text(m["secondary_unique_field"]),
	}
	fmt.Sscan(text(m["project_id"]), &i.ID)
	fmt.Sscan(text(m["purpose"]), &i.Purpose)
	i.Created, _ = time.Parse("2006-01-02 15:04:05", text(m["creation_time"]))
	if i.Title == "" {
		i.Title = strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
	}
	return i
}

// text is a JSON scalar as text.
func text(v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case string:
		return x
	case float64:
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprint(v)
}

// fieldsOfJSON reads a dictionary. Rows that a client made out of checkbox options are put together again.
func fieldsOfJSON(rows []map[string]any) []Field {
	var out []Field
	for _, r := range rows {
		cells := make([]string, 0, 18)
		for _, c := range metadataColumns() {
			cells = append(cells, text(r[c]))
		}
		f := fieldOf(cells)
		if f.Type == "checkbox" {
			f.Name, _, _ = strings.Cut(f.Name, "___")
		}
		if n := len(out); n > 0 && out[n-1].Name == f.Name {
			continue
		}
		out = append(out, f)
	}
	return out
}

// readPair reads exported rows and the dictionary beside them.
func readPair(file string, b []byte) (*Project, error) {
	base := filepath.Base(file)
	if !strings.HasPrefix(base, "db_data_") {
		return nil, errors.New("it holds a dictionary, not records")
	}
	var records []map[string]any
	if err := json.Unmarshal(b, &records); err != nil {
		return nil, err
	}
	own := filepath.Join(filepath.Dir(file), strings.Replace(base, "db_data_", "db_metadata_", 1))
	meta, err := os.ReadFile(own)
	if errors.Is(err, os.ErrNotExist) {
		others, _ := filepath.Glob(filepath.Join(filepath.Dir(file), "db_metadata_*.json"))
		if len(others) == 0 {
			return nil, errors.New("there is no dictionary beside it")
		}
		meta, err = os.ReadFile(others[0])
	}
	if err != nil {
		return nil, err
	}
	var rows []map[string]any
	if err := json.Unmarshal(meta, &rows); err != nil {
		return nil, err
	}
	p := newProject(Info{Title: strings.TrimSuffix(base, ".json")})
	p.useDictionary(present(fieldsOfJSON(rows), records))
	p.complete()
	return p, p.loadObjects(records)
}

// present keeps the fields that the export has columns of.
func present(fields []Field, records []map[string]any) []Field {
	if len(records) == 0 {
		return fields
	}
	has := func(f Field) bool {
		if f.Type == "descriptive" {
			return true
		}
		for column := range records[0] {
			stem, _, _ := strings.Cut(column, "___")
			if column == f.Name || (f.Type == "checkbox" && stem == f.Name) {
				return true
			}
		}
		return false
	}
	return slices.DeleteFunc(fields, func(f Field) bool { return !has(f) })
}

// loadObjects fills the store from JSON rows.
func (p *Project) loadObjects(records []map[string]any) error {
	columns := map[string]bool{}
	for _, r := range records {
		for name := range r {
			columns[name] = true
		}
	}
	var header []string
	for name := range columns {
		header = append(header, name)
	}
	slices.Sort(header)
	rows := make([][]string, len(records))
	for i, r := range records {
		for _, name := range header {
			rows[i] = append(rows[i], text(r[name]))
		}
	}
	return p.loadRows(header, rows)
}
