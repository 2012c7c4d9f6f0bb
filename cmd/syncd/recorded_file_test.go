package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// recording is what the files of one recorded project say. Nothing of the product reads it: no source, no loader, and
// not what the fake made of the same files.
type recording struct {
	file    string // below the fixtures
	idField string
	fields  []*recordedField
	forms   []string
	header  map[string]bool // the columns of the export; nil in a project XML, which lists what is filled only
	rows    []*recordedRow
	group   map[string]string // data access group by record
	events  bool              // longitudinal
	blank   bool              // the export told forms that nobody opened by a blank status
}

// recordedField is one row of the dictionary: its 18 columns in the order of the export.
type recordedField [18]string

func (f *recordedField) name() string       { return f[0] }
func (f *recordedField) form() string       { return f[1] }
func (f *recordedField) kind() string       { return f[3] }
func (f *recordedField) choices() string    { return f[5] }
func (f *recordedField) validation() string { return f[7] }

// computed fields are filled by the server: they do not tell that a form was opened.
func (f *recordedField) computed() bool {
	tags := strings.ToUpper(f[17])
	return f.kind() == "calc" || strings.Contains(tags, "@CALCTEXT") || strings.Contains(tags, "@CALCDATE")
}

// recordedRow is one row of a flat export.
type recordedRow struct {
	record, event, form string // form: the repeating instrument
	instance            int    // 1 where nothing repeats
	survey              string
	cells               map[string]string
}

// recordedSource is a project as it lies in the fixtures, by the shape of its files.
type recordedSource struct {
	file string
	kind string // folder, whole, pair, xml
}

func fixtures(t testing.TB) string {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "shared", "fixtures", "redcap")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the recorded projects are missing: ../shared/fixtures/redcap beside the project")
	}
	return dir
}

// recordedSources lists every recorded project: folders with an export, whole projects and rows as JSON, and all
// project XMLs.
func recordedSources(t testing.TB, dir string) []recordedSource {
	t.Helper()
	var list []recordedSource
	for _, pattern := range []struct{ glob, kind string }{
		{"redcapr-*/data.csv", "folder"}, {"redcap-etl/*.json", "whole"}, {"redcaptidier/db_data_*.json", "pair"}, {"*/*.xml", "xml"},
	} {
		files, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern.glob)))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			rel, err := filepath.Rel(dir, f)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, recordedSource{filepath.ToSlash(rel), pattern.kind})
		}
	}
	return list
}

// read parses the files of a project.
func (s recordedSource) read(t testing.TB, dir string) *recording {
	t.Helper()
	r := &recording{file: s.file, group: map[string]string{}}
	path := filepath.Join(dir, filepath.FromSlash(s.file))
	var err error
	switch s.kind {
	case "folder":
		err = r.readFolder(filepath.Dir(path))
	case "whole":
		err = r.readWhole(path)
	case "pair":
		err = r.readPair(path)
	case "xml":
		err = r.readXML(path)
	}
	if err != nil {
		t.Fatalf("%s: %v", s.file, err)
	}
	return r
}

func (r *recording) readFolder(dir string) error {
	dictionary, err := csvFile(filepath.Join(dir, "dictionary.csv"))
	if err != nil {
		return err
	}
	for _, line := range dictionary[1:] {
		var f recordedField
		copy(f[:], line)
		r.define(&f)
	}
	data, err := csvFile(filepath.Join(dir, "data.csv"))
	if err != nil || len(data) == 0 {
		return err
	}
	for _, line := range data[1:] {
		row := map[string]string{}
		for i, name := range data[0] {
			row[name] = line[i]
		}
		if err := r.add(row); err != nil {
			return err
		}
	}
	return r.readBlankStatuses(filepath.Join(dir, "records-blank-true.csv"))
}

// readBlankStatuses takes the statuses of a second export, where there is one that was made with
// exportBlankForGrayFormStatus.
func (r *recording) readBlankStatuses(path string) error {
	lines, err := csvFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(lines)-1 != len(r.rows) {
		return fmt.Errorf("the export with blank statuses has %d rows, not %d", len(lines)-1, len(r.rows))
	}
	r.blank = true
	for i, row := range r.rows {
		for j, name := range lines[0] {
			if c, _ := r.column(name); c.status {
				row.cells[name] = lines[i+1][j]
			}
		}
	}
	return nil
}

// csvFile reads a CSV file; one that is a line break only has no lines.
func csvFile(path string) ([][]string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return csv.NewReader(bytes.NewReader(bytes.TrimPrefix(b, []byte("\ufeff")))).ReadAll()
}

func (r *recording) readWhole(path string) error {
	var whole struct {
		Metadata, Records []map[string]any
	}
	if err := jsonFile(path, &whole); err != nil {
		return err
	}
	return r.readObjects(whole.Metadata, whole.Records)
}

// readPair reads rows whose dictionary is another file. One dictionary serves both recordings: of a field that an
// export does not have nothing was recorded, so it is left out.
func (r *recording) readPair(path string) error {
	var metadata, records []map[string]any
	if err := jsonFile(path, &records); err != nil {
		return err
	}
	if err := jsonFile(filepath.Join(filepath.Dir(path), "db_metadata_classic.json"), &metadata); err != nil {
		return err
	}
	return r.readObjects(metadata, records)
}

func jsonFile(path string, v any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return d.Decode(v)
}

// attributes are the names of a dictionary's columns as the API spells them.
func attributes() []string {
	return strings.Fields("field_name form_name section_header field_type field_label select_choices_or_calculations field_note" +
		" text_validation_type_or_show_slider_number text_validation_min text_validation_max identifier branching_logic required_field" +
		" custom_alignment question_number matrix_group_name matrix_ranking field_annotation")
}

func (r *recording) readObjects(metadata, records []map[string]any) error {
	seen := map[string]bool{}
	for _, m := range metadata {
		var f recordedField
		for i, a := range attributes() {
			f[i] = word(m[a])
		}
		if !seen[f.name()] { // a client made one row of each option of a checkbox
			seen[f.name()] = true
			r.define(&f)
		}
	}
	for _, o := range records {
		row := map[string]string{}
		for name, v := range o {
			row[name] = word(v)
		}
		if err := r.add(row); err != nil {
			return err
		}
	}
	r.dropUnrecorded()
	return nil
}

// word is a JSON scalar as it stands in the file.
func word(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// dropUnrecorded forgets fields that no column of the export belongs to.
func (r *recording) dropUnrecorded() {
	if r.header == nil {
		return
	}
	var kept []*recordedField
	for _, f := range r.fields {
		found := f.name() == r.idField || f.kind() == "descriptive"
		for name := range r.header {
			found = found || name == f.name() || f.kind() == "checkbox" && strings.HasPrefix(name, f.name()+"___")
		}
		if found {
			kept = append(kept, f)
		}
	}
	fields := kept
	r.fields, r.forms = nil, nil
	for _, f := range fields {
		r.define(f)
	}
}

// define appends a field of the dictionary. The first is the record id.
func (r *recording) define(f *recordedField) {
	if len(r.fields) == 0 {
		r.idField = f.name()
	}
	r.fields = append(r.fields, f)
	if len(r.forms) == 0 || r.forms[len(r.forms)-1] != f.form() {
		r.forms = append(r.forms, f.form())
	}
}

// add takes a row of a flat export.
func (r *recording) add(cells map[string]string) error {
	row := &recordedRow{instance: 1, cells: map[string]string{}}
	if r.header == nil {
		r.header = map[string]bool{}
	}
	for name, v := range cells {
		switch name {
		case r.idField:
			row.record = v
		case "redcap_event_name":
			row.event, r.events = v, true
		case "redcap_repeat_instrument":
			row.form = v
		case "redcap_repeat_instance":
			if v == "" {
				continue
			}
			n, err := strconv.Atoi(v)
			if err != nil {
				return fmt.Errorf("repeat instance %q: %w", v, err)
			}
			row.instance = n
		case "redcap_survey_identifier":
			row.survey = v
		case "redcap_data_access_group":
			if v != "" {
				r.group[cells[r.idField]] = v
			}
		default:
			row.cells[optionColumn(name)] = v
			r.header[optionColumn(name)] = true
		}
	}
	r.rows = append(r.rows, row)
	return nil
}

// optionColumn is how the server spells the column of a checkbox option (reference 4.4): a client that shows the code
// itself behind the three underscores renamed it.
func optionColumn(name string) string {
	field, code, option := strings.Cut(name, "___")
	if !option {
		return name
	}
	return field + "___" + strings.Map(func(c rune) rune {
		if c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' {
			return c
		}
		return '_'
	}, strings.ToLower(code))
}
