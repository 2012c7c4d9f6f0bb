package redcap

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestEqualSpecsAreEqualProjects(t *testing.T) {
	for kind := Classic; kind <= Mixed; kind++ {
		body := func(seed uint64) string {
			p := Synthetic(Spec{Kind: kind, Records: 50, Fields: 50, Seed: seed, Missing: true, Misfits: 20, Surveys: true})
			_, b := ask(t, serve(Options{}, p), p, "content", "record", "format", "csv", "exportSurveyFields", "true")
			return b
		}
		if first, again := body(7), body(7); first != again || first == body(8) {
			t.Errorf("kind %d: the seed does not decide", kind)
		}
	}
}

func TestCachedAndComputedExportsAreTheSame(t *testing.T) {
	for kind := Classic; kind <= Mixed; kind++ {
		p := Synthetic(Spec{Kind: kind, Records: 60, Fields: 30, Variety: 7, DAGs: 2, Prefix: "S-"})
		do(t, p.Set("S-9", "", "", 0, "name_1", "changed"))
		do(t, p.Delete("S-12"))
		do(t, p.AddRecord("S-30a", nil))
		s := serve(Options{}, p)
		for _, format := range []string{"csv", "json", "xml"} {
			for _, extra := range [][2]string{{"type", "flat"}, {"type", "eav"}, {"rawOrLabel", "label"}} {
				pairs := []string{"content", "record", "format", format, "exportDataAccessGroups", "true", extra[0], extra[1]}
				_, fast := ask(t, s, p, pairs...)
				_, slow := ask(t, s, p, append(pairs, "filterLogic", "[record_id] <> 'x'")...) // names the id: not cached
				if fast != slow {
					t.Errorf("kind %d, %s, %v differ", kind, format, extra)
				}
			}
		}
		if ids := p.Records(); len(ids) != 60 || ids[8] != "S-9" || ids[11] != "S-13" || ids[29] != "S-30a" {
			t.Errorf("order: %v", ids)
		}
	}
}

func TestMillionsOfRecordsCostNoMemory(t *testing.T) {
	p := Synthetic(Spec{Records: 3_000_000, Fields: 39, Forms: 1, OneColumnFields: true})
	s := serve(Options{}, p)
	_, body := ask(t, s, p, "content", "record", "format", "csv", "records[0]", "2999999", "records[1]", "3000001")
	rows := csvRows(t, body)
	if len(rows) != 2 || rows[1][0] != "2999999" || len(rows[0]) != 41 {
		t.Errorf("%d rows, %d columns", len(rows), len(rows[0]))
	}
	do(t, p.Set("1500000", "", "", 0, "int_2", "1"))
	if p.Count() != 3_000_000 || len(p.store.over) != 1 {
		t.Errorf("%d records, %d kept", p.Count(), len(p.store.over))
	}
}

func TestEveryFieldTypeAndValidationIsMade(t *testing.T) {
	p := Synthetic(Spec{Records: 300, Fields: 92, Misfits: 30, Missing: true})
	types, validations := map[string]bool{}, map[string]bool{}
	for _, f := range p.Fields() {
		types[f.Type], validations[f.Validation] = true, true
	}
	for _, want := range strings.Fields("text notes calc dropdown radio checkbox yesno truefalse slider file descriptive sql") {
		if !types[want] {
			t.Errorf("no %s field", want)
		}
	}
	for _, want := range strings.Fields("integer number number_1dp number_2dp number_3dp number_4dp number_comma_decimal number_1dp_comma_decimal date_ymd " +
		"date_mdy date_dmy datetime_ymd datetime_mdy datetime_dmy datetime_seconds_ymd datetime_seconds_mdy datetime_seconds_dmy time " +
		"time_hh_mm_ss time_mm_ss phone zipcode email ssn mrn_10d vmrn alpha_only postalcode_canada signature") {
		if !validations[want] {
			t.Errorf("no field of validation %s", want)
		}
	}
	_, body := ask(t, serve(Options{}, p), p, "content", "record", "format", "csv")
	for _, want := range []string{"before validation", ",UNK,", `"say ""hi"""`, "李"} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s among the values", want)
		}
	}
	if strings.Contains(body, "banner_") {
		t.Error("a descriptive field is exported")
	}
}

func TestEmptyRowsDoNotExist(t *testing.T) {
	p := Synthetic(Spec{Kind: Longitudinal, Records: 200, Fields: 8, Surveys: true})
	s := serve(Options{}, p)
	stamps := map[string]int{}
	for _, r := range records(t, s, p, "exportSurveyFields", "true", "exportBlankForGrayFormStatus", "true") {
		filled := false
		for k, v := range r {
			filled = filled || (k != "record_id" && k != "redcap_event_name" && v != "")
		}
		if !filled && r["redcap_event_name"] != "enrollment_arm_1" {
			t.Fatalf("an empty row: %v", r)
		}
		stamps[strings.Trim(r["form_1_timestamp"].(string), "0123456789-: ")]++
	}
	if stamps["[not completed]"] == 0 || stamps[""] == 0 {
		t.Error(stamps)
	}
}

func TestGzipIsGivenToThoseWhoAsk(t *testing.T) {
	p := small()
	s := serve(Options{Gzip: true}, p)
	r := httptest.NewRequest(http.MethodPost, "/api/", strings.NewReader("content=version&token="+p.Token()))
	r.Header.Set("Accept-Encoding", "gzip")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	z, err := gzip.NewReader(w.Body)
	if err != nil || w.Header().Get("Content-Encoding") != "gzip" {
		t.Fatal(err, w.Header())
	}
	if b, err := io.ReadAll(z); string(b) != "14.9.1" || err != nil {
		t.Errorf("%q %v", b, err)
	}
}

func TestVeryWideDictionariesAreServed(t *testing.T) {
	p := Synthetic(Spec{Records: 2, Fields: 35_000})
	s := serve(Options{}, p)
	_, body := ask(t, s, p, "content", "metadata", "format", "json")
	if n := strings.Count(body, `"field_name"`); n != 35_001 {
		t.Errorf("%d fields", n)
	}
	if rows := records(t, s, p, "forms[0]", "form_1", "forms[1]", "form_1750"); len(rows) != 2 || rows[0]["form_1750_complete"] == nil {
		t.Error(len(rows))
	}
}
