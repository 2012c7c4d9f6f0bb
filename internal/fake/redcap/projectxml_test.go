package redcap

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// reread serves a project as XML and reads that.
func reread(t *testing.T, s *Server, p *Project, pairs ...string) (*Project, string) {
	t.Helper()
	code, body := ask(t, s, p, append([]string{"content", "project_xml", "format", "json"}, pairs...)...)
	if code != 200 {
		t.Fatalf("project XML: %d %.200s", code, body)
	}
	file := filepath.Join(t.TempDir(), "project.xml")
	do(t, os.WriteFile(file, []byte(body), 0o600))
	again, err := ReadXML(file)
	if err != nil {
		t.Fatal(err)
	}
	return again, body
}

// bones are the parts of a project that its XML carries.
func bones(p *Project) map[string]any {
	out := map[string]any{"codes": formatCodes(p.codes), "longitudinal": p.info.Longitudinal, "surveys": p.info.Surveys, "title": p.info.Title}
	var lines []string
	add := func(parts ...string) { lines = append(lines, strings.Join(parts, "|")) }
	for _, f := range p.forms {
		add("form", f.Name, f.Label, bit(f.Survey))
	}
	for _, f := range p.fields {
		g := *f
		if g.Type == "sql" || g.Type == "text" {
			g.Choices = "" // the XML does not carry a query or an ontology
		} else if g.options != nil {
			g.Choices = ""
			for _, o := range g.options {
				g.Choices += o.code + "=" + o.label + ";"
			}
		}
		add(append([]string{"field"}, g.cells()...)...)
	}
	for _, e := range p.shown() {
		if p.info.Longitudinal {
			add("event", e.Name, e.Unique, text(e.Arm), bit(e.Repeats))
		}
		for _, f := range p.forms {
			label, alone := e.repeating[f.key]
			add("place", f.Name, bit(p.has(e, f)), bit(alone), label)
		}
	}
	for _, d := range p.dags {
		add("group", d.Name, d.Unique)
	}
	for _, r := range p.roles {
		add("role", r.Label, r.Unique, bit(r.As.Design), bit(r.As.Logging), text(r.As.right("form_1")))
	}
	for _, r := range p.reports {
		add("report", r.Title, r.Unique, strings.Join(r.Fields, ","), r.Logic, bit(r.DAGs), bit(r.Survey))
	}
	out["lines"] = lines
	return out
}

func TestAProjectXMLReadAgainIsTheSameProject(t *testing.T) {
	for _, kind := range []SpecKind{Classic, Longitudinal, Repeating, Mixed} {
		p := Synthetic(Spec{Kind: kind, Records: 8, Fields: 60, Forms: 4, DAGs: 2, Surveys: true, Missing: true, Title: `Trial "A" & <b>`})
		p.AddRole(Role{Label: "Reader", As: &User{Design: true, Forms: map[string]int{"form_1": ExportDeidentified}}})
		p.AddReport(Report{Title: "one", Fields: []string{"record_id", "int_2"}, DAGs: true})
		s := serve(Options{}, p)
		again, body := reread(t, s, p, "exportDataAccessGroups", "true", "exportSurveyFields", "true", "exportFiles", "true")
		if d := cmp.Diff(bones(p), bones(again)); d != "" {
			t.Errorf("kind %d, structure:\n%s", kind, d)
		}
		want, got := p.Truth(), again.Truth()
		for _, rows := range [][]TruthRow{want, got} {
			for i := range rows {
				rows[i].EventID, rows[i].Identifier, rows[i].Timestamp = 0, "", "" // ids are new, and rows of one form carry the rest
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("kind %d, data:\n%.3000s", kind, d)
		}
		if !strings.Contains(body, `SourceSystemVersion="14.9.1"`) || !strings.Contains(body, `AsOfDateTime="`) {
			t.Errorf("root: %.900s", body)
		}
	}
}

func TestTheXMLOfMetadataHasNoData(t *testing.T) {
	p := small()
	_, body := reread(t, serve(Options{}, p), p, "returnMetadataOnly", "true")
	if strings.Contains(body, "ClinicalData") || !strings.HasSuffix(body, "</Study>\n</ODM>\n") {
		t.Errorf("%s", body[len(body)-200:])
	}
}

func TestRecordedProjectXMLsAreServedWithTheirElements(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(fixtures(t), "redcapr-*", "project.xml"))
	for _, file := range files {
		p, err := ReadXML(file)
		if err != nil {
			t.Fatal(err)
		}
		again, body := reread(t, serve(Options{}, p), p, "exportDataAccessGroups", "true")
		if d := cmp.Diff(bones(p), bones(again)); d != "" {
			t.Errorf("%s:\n%s", filepath.Base(filepath.Dir(file)), d)
		}
		recorded, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want, got := elements(string(recorded)), elements(body)
		for _, name := range got {
			if !slices.Contains(want, name) {
				t.Errorf("%s: element %s was not recorded", filepath.Base(filepath.Dir(file)), name)
			}
		}
	}
}

// elements are the names of a document's elements, each once; data aside.
func elements(doc string) []string {
	doc, _, _ = strings.Cut(doc, "<ClinicalData")
	var out []string
	for _, part := range strings.Split(doc, "<")[1:] {
		name := strings.FieldsFunc(part, func(r rune) bool { return strings.ContainsRune(" \t\n/>?", r) })
		if len(name) > 0 && !strings.HasPrefix(part, "/") && !slices.Contains(out, name[0]) {
			out = append(out, name[0])
		}
	}
	return out
}
