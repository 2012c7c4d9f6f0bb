package redcap

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// exportAll exports a project as the recordings were made.
func exportAll(t *testing.T, p *Project) (header []string, rows [][]string) {
	t.Helper()
	_, body := ask(t, serve(Options{}, p), p, "content", "record", "format", "csv", "exportSurveyFields", "true", "exportDataAccessGroups", "true")
	all := csvRows(t, body)
	return all[0], all[1:]
}

// keyed indexes rows by (record, event, instrument, instance).
func keyed(t *testing.T, p *Project, header []string, rows [][]string) map[string]map[string]string {
	t.Helper()
	out := map[string]map[string]string{}
	for _, r := range rows {
		m := map[string]string{}
		for i, h := range header {
			if i < len(r) {
				m[h] = r[i]
			}
		}
		key := strings.Join([]string{m[p.RecordField()], m["redcap_event_name"], m["redcap_repeat_instrument"], m["redcap_repeat_instance"]}, "|")
		if out[key] != nil {
			t.Errorf("row %s comes twice", key)
		}
		out[key] = m
	}
	return out
}

// equalRows compares an export with a recording, cell by cell.
func equalRows(t *testing.T, name string, p *Project, header []string, recorded [][]string) (cells int) {
	t.Helper()
	gotHeader, gotRows := exportAll(t, p)
	got, want := keyed(t, p, gotHeader, gotRows), keyed(t, p, header, recorded)
	if len(got) != len(want) {
		t.Errorf("%s: %d rows, recorded %d", name, len(got), len(want))
	}
	for key, w := range want {
		g := got[key]
		if g == nil {
			t.Errorf("%s: row %s is missing", name, key)
			continue
		}
		for column, v := range w {
			cells++
			have, ok := g[spelled(column)]
			if !ok {
				t.Errorf("%s: column %s is missing", name, column)
			} else if have != v {
				t.Errorf("%s: row %s, column %s: %q, recorded %q", name, key, column, have, v)
			}
		}
	}
	return cells
}

// spelled undoes a client's renaming of checkbox columns.
func spelled(column string) string {
	stem, code, ok := strings.Cut(column, "___")
	if !ok {
		return column
	}
	return checkboxColumn(stem, code)
}

func TestRecordedFoldersAreServedAsRecorded(t *testing.T) {
	dirs, _ := filepath.Glob(filepath.Join(fixtures(t), "redcapr-*", "data.csv"))
	cells := 0
	for _, file := range dirs {
		p, err := ReadFolder(filepath.Dir(file))
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(filepath.Dir(file))
		rows, err := readCSV(file)
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) == 0 {
			if _, got := exportAll(t, p); len(got) != 0 {
				t.Errorf("%s: %d rows of nothing", name, len(got))
			}
			continue
		}
		header, got := exportAll(t, p)
		cells += equalRows(t, name, p, rows[0], rows[1:])
		kept := slices.DeleteFunc(header, func(h string) bool { return !slices.Contains(rows[0], h) })
		if !slices.Equal(kept, rows[0]) {
			t.Errorf("%s: columns in another order:\n%v\n%v", name, kept, rows[0])
		}
		for i := range rows[1:] {
			if got[i][0] != rows[i+1][0] {
				t.Errorf("%s: row %d is of record %s, recorded %s", name, i, got[i][0], rows[i+1][0])
			}
		}
	}
	if cells < 3000 {
		t.Errorf("only %d cells were compared", cells)
	}
	t.Logf("%d projects, %d cells", len(dirs), cells)
}

func TestRecordedJSONIsServedAsRecorded(t *testing.T) {
	dir := fixtures(t)
	cells := 0
	for _, file := range []string{
		"redcap-etl/visits.json", "redcap-etl/basic-demography.json", "redcap-etl/non-repeating.json", "redcap-etl/repeating-event-inst.json",
		"redcaptidier/db_data_classic.json", "redcaptidier/db_data_classic_norepeat.json",
	} {
		p, err := ReadRecording(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		var rows []map[string]any
		if strings.HasPrefix(file, "redcap-etl") {
			var whole struct{ Records []map[string]any }
			err = json.Unmarshal(b, &whole)
			rows = whole.Records
		} else {
			err = json.Unmarshal(b, &rows)
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) == 0 {
			continue
		}
		var header []string
		for name := range rows[0] {
			header = append(header, name)
		}
		table := make([][]string, len(rows))
		for i, r := range rows {
			for _, h := range header {
				table[i] = append(table[i], text(r[h]))
			}
		}
		cells += equalRows(t, filepath.Base(file), p, header, table)
	}
	t.Logf("%d cells", cells)
}

func TestProjectXMLsAreReadWithTheirData(t *testing.T) {
	dir := fixtures(t)
	want := map[string]int{
		"redcap-etl/Visits.REDCap.xml": 1, "redcap-etl/BasicDemography.REDCap.xml": 100, "redcap-etl/RepeatingForms.REDCap.xml": 50,
		"phpcap/PHPCapBasicDemography.REDCap.xml": 100, "phpcap/PHPCapRepeatingForms.REDCap.xml": 0, "phpcap/PHPCapRepeatableSurvey.REDCap.xml": 0,
		"pycap/test_simple_project.xml": 3, "pycap/doctest_project.xml": 3, "redcapr-simple/project-old.xml": 5,
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*", "*.xml"))
	for _, file := range files {
		p, err := ReadXML(file)
		if err != nil {
			t.Error(err)
			continue
		}
		rel, _ := filepath.Rel(dir, file)
		if n, known := want[rel]; known && p.Count() != n {
			t.Errorf("%s: %d records, not %d", rel, p.Count(), n)
		}
		if _, rows := exportAll(t, p); p.Count() > 0 && len(rows) < p.Count() {
			t.Errorf("%s: %d records but %d rows", rel, p.Count(), len(rows))
		}
	}
	if len(files) < 30 {
		t.Errorf("only %d project XMLs", len(files))
	}
}

func TestFolderAndXMLOfTheSameProjectAgree(t *testing.T) {
	dirs, _ := filepath.Glob(filepath.Join(fixtures(t), "redcapr-*", "project.xml"))
	for _, file := range dirs {
		a, err := ReadFolder(filepath.Dir(file))
		if err != nil {
			t.Fatal(err)
		}
		b, err := ReadXML(file)
		if err != nil {
			t.Fatal(err)
		}
		x, y := map[string]Field{}, map[string]Field{}
		for _, f := range a.Fields() {
			x[f.Name] = f
		}
		for _, f := range b.Fields() {
			y[f.Name] = f
		}
		for name, f := range x {
			g := y[name]
			if name == "age" && strings.Contains(file, "write") || strings.Contains(file, "sparse") {
				continue // the XML was made after the field's type had been changed
			}
			if f.Type != g.Type || f.Form != g.Form || f.Validation != g.Validation || len(f.options) != len(g.options) {
				t.Errorf("%s %s: dictionary %s/%s/%s/%d, XML %s/%s/%s/%d", filepath.Base(filepath.Dir(file)), name,
					f.Type, f.Form, f.Validation, len(f.options), g.Type, g.Form, g.Validation, len(g.options))
			}
		}
	}
}

func TestBlankForGrayStatusTellsNeverOpenedFromIncomplete(t *testing.T) {
	dir := filepath.Join(fixtures(t), "redcapr-blank-for-gray-status")
	p, err := ReadFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	for flag, file := range map[string]string{"true": "records-blank-true.csv", "false": "records-blank-false.csv"} {
		want, err := readCSV(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		_, body := ask(t, serve(Options{}, p), p, "content", "record", "format", "csv", "exportBlankForGrayFormStatus", flag)
		got := csvRows(t, body)
		for i, r := range want {
			for j, v := range r {
				// data.csv, which is served, was saved with its line breaks turned into spaces
				if g := got[i][j]; strings.Join(strings.Fields(g), " ") != strings.Join(strings.Fields(v), " ") {
					t.Errorf("%s: row %d, column %s: %q, recorded %q", file, i, want[0][j], g, v)
				}
			}
		}
	}
}
