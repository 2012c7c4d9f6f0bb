package redcap

import (
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"syncd/extract"
	fake "syncd/internal/fake/redcap"
)

func TestRecordedProjectXMLsTellSurveysAndReports(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]design{
		"redcapr-survey/project.xml": {Surveys: []string{"prescreening_survey", "participant_info_survey", "participant_morale_questionnaire"}},
		"redcapr-simple/project.xml": {Reports: []reportInfo{
			{Unique: "R-3788YK8R7X", Title: "test-report-1", Order: "1", Fields: "record_id,height,health_complete,address,ethnicity"},
			{Unique: "R-2338YHPD7Y", Title: "test-report-2", Order: "2", Fields: "record_id,race"},
		}},
		"phpcap/PHPCapRepeatableSurvey.REDCap.xml": {},
	} {
		f, err := os.Open(filepath.Join(fixtures(t), file))
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseProjectXML(f)
		_ = f.Close()
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		got.Missing = nil
		if diff := cmp.Diff(&want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

func TestEveryRecordedProjectXMLIsRead(t *testing.T) {
	t.Parallel()
	paths, _ := filepath.Glob(filepath.Join(fixtures(t), "*", "*.xml"))
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseProjectXML(f); err != nil {
			t.Errorf("%s: %v", filepath.Base(path), err)
		}
		_ = f.Close()
	}
	if len(paths) < 20 {
		t.Errorf("%d documents: the test shows little", len(paths))
	}
}

// odm makes a project XML of what stands among its global variables.
func odm(globals string) string {
	return `<?xml version="1.0" encoding="UTF-8" ?>` + "\n" + `<ODM xmlns:redcap="https://projectredcap.org"><Study><GlobalVariables>` + globals +
		`</GlobalVariables><MetaDataVersion><ItemDef Label="x"/></MetaDataVersion></Study></ODM>`
}

func TestProjectXMLIsReadAsServersWriteIt(t *testing.T) {
	t.Parallel()
	codes := "UNK, Unknown\nNA, Not applicable"
	for name, test := range map[string]struct {
		text string
		want *design // nil: no project XML
	}{
		"codes":          {odm("<redcap:MissingDataCodes>" + codes + "</redcap:MissingDataCodes>"), &design{Missing: &codes}},
		"mark in front":  {"\xEF\xBB\xBF" + odm(`<redcap:Surveys form_name="a"/>`), &design{Surveys: []string{"a"}}},
		"latin 1":        {odm("<redcap:Surveys form_name=\"a\" title=\"caf\xE9 \x01\"/>"), &design{Surveys: []string{"a"}}},
		"numeric id":     {odm(`<redcap:Reports ID="12" title="T"/>`), &design{Reports: []reportInfo{{Unique: "12", ID: "12", Title: "T"}}}},
		"no credentials": {odm(`<redcap:Reports unique_report_name="R-1" hash="CANARY" short_url="https://CANARY"/>`), &design{Reports: []reportInfo{{Unique: "R-1"}}}},
		"cut":            {odm("")[:80], nil},
		"error":          {`<?xml version="1.0"?><hash><error>x</error></hash>`, nil},
		"json":           {`{"error":"x"}`, nil},
		"page":           {"<html><body>login</body></html>", nil},
		"nothing":        {"", nil},
		"text":           {"14.9.1", nil},
		"nested deep":    {odm(strings.Repeat("<a>", 200) + strings.Repeat("</a>", 200)), nil},
		"not XML":        {"<?xml version=\"1.0\"?>\n<ODM <<", nil},
	} {
		got, err := parseProjectXML(strings.NewReader(test.text))
		if test.want == nil {
			if err == nil {
				t.Errorf("%s was taken for a project XML", name)
			}
			if err != nil && strings.Contains(err.Error(), "login") {
				t.Errorf("%s: the error quotes the answer: %v", name, err)
			}
			continue
		}
		if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

func FuzzParseProjectXML(f *testing.F) {
	f.Add([]byte(odm(`<redcap:Surveys form_name="a"/><redcap:MissingDataCodes>x</redcap:MissingDataCodes>`)))
	f.Add([]byte("<ODM>&#0;<![CDATA[x]]></ODM>"))
	f.Add([]byte{0xFF, '<'})
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := parseProjectXML(strings.NewReader(string(text)))
		if (d == nil) == (err == nil) {
			t.Errorf("%v, %v", d, err)
		}
		if d == nil {
			return
		}
		for _, form := range d.Surveys {
			if !storable([]byte(form)) {
				t.Error("a name that Postgres cannot hold")
			}
		}
	})
}

func TestWhichInstrumentsAreSurveysIsToldWhereTheXMLMayBeRead(t *testing.T) {
	t.Parallel()
	p := small(fake.Classic, 2)
	server, url := serve(t, fake.Options{}, p)
	s := newStore(t)
	surveys := func() (out string) {
		for _, form := range []string{"form_1", "form_2", "form_3"} {
			out += form + "=" + s.row("_meta.redcap_instrument", form)["is_survey"] + " "
		}
		return out
	}
	mustPull(t, source(t, url, p.Token()), s)
	if got, want := surveys(), "form_1=t form_2=t form_3=f "; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for _, r := range server.Requests() {
		if r.Content == "project_xml" && r.Params.Get("returnMetadataOnly") != "true" {
			t.Error("the project XML was asked for with its data")
		}
	}
	p.Rights(func(u *fake.User) { u.Design = false })
	structure, _ := mustPull(t, source(t, url, p.Token()), s)
	if got, want := surveys(), "form_1= form_2= form_3= "; got != want {
		t.Errorf("without the right: %s, want %s", got, want)
	}
	if len(structure.Warnings) != 1 {
		t.Errorf("warnings %q, want one", structure.Warnings)
	}
}

func TestAProjectXMLThatCannotBeReadStopsNoRun(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]*canned{
		"garbled": {body: "<?xml version=\"1.0\"?>\n<ODM <<"}, "refused": {status: http.StatusBadRequest, body: `{"error":"no"}`}, "unknown": {status: http.StatusNotImplemented},
	} {
		p := small(fake.Classic, 2)
		at := replay(t, p, fake.Options{}, func(form url.Values) *canned {
			if form.Get("content") == "project_xml" {
				return c
			}
			return nil
		})
		s := newStore(t)
		structure, _ := mustPull(t, source(t, at, p.Token()), s)
		wantWarning(t, structure.Warnings, "the project XML was not read", "which instruments are surveys is not known")
		if s.count(".redcap_record") != 2 {
			t.Errorf("%s: %d records, want 2", name, s.count(".redcap_record"))
		}
	}
}

func TestOldServersTellMissingCodesInTheProjectXML(t *testing.T) {
	t.Parallel()
	p := clinic(t, text("memo"))
	p.SetCodes(fake.Code{Code: "UNK", Label: "Unknown"})
	add(t, p, "1", map[string]string{"memo": "UNK"})
	_, url := serve(t, fake.Options{Version: "9.1.3"}, p)
	s := newStore(t)
	mustPull(t, source(t, url, p.Token()), s)
	if row := s.row(".visit", "1", "", "1"); row["1:memo"] != "UNK" || row["memo"] != "" {
		t.Errorf("the code was taken for a value: %v", row)
	}
	if s.row("_meta.redcap_choice", "", "1")["code"] != "UNK" {
		t.Error("redcap_choice does not have the code")
	}
}

func TestAQuietNightDoesNotAskForTheProjectXML(t *testing.T) {
	t.Parallel()
	s := newSite(t, cohort(t, 5), fake.Options{})
	s.must(false)
	s.now = s.now.Add(25 * time.Hour)
	s.must(false)
	for _, call := range s.calls() {
		if call == "project_xml" {
			t.Error("it was asked for")
		}
	}
	if p, err := source(t, s.url, s.project.Token()).Describe(t.Context(), extract.Since{}); err != nil || errors.Is(err, errForgotten) || len(p.Warnings) > 0 {
		t.Error(err)
	}
}
