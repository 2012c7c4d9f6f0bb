package redcap

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func small() *Project { return Synthetic(Spec{Records: 5, Fields: 8}) }

func TestOnlyPOSTIsAnswered(t *testing.T) {
	s := serve(Options{}, small())
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/?content=version", nil))
	if w.Code != 501 || !strings.Contains(w.Body.String(), "<hash><error>The requested method is not implemented.</error></hash>") {
		t.Errorf("GET: %d %s", w.Code, w.Body)
	}
	for path, want := range map[string]int{"/api": 301, "/elsewhere": 404} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, nil))
		if w.Code != want {
			t.Errorf("%s: %d, not %d", path, w.Code, want)
		}
	}
}

func TestErrorsFollowReturnFormatThenFormatThenXML(t *testing.T) {
	s := serve(Options{}, small())
	const message = "You do not have permissions to use the API"
	for _, c := range []struct{ format, returnFormat, kind, body string }{
		{"json", "", "application/json", `{"error":"` + message + `"}`},
		{"csv", "", "text/csv; charset=utf-8", "ERROR: " + message},
		{"json", "csv", "text/csv; charset=utf-8", "ERROR: " + message},
		{"", "", "text/xml; charset=utf-8", `<?xml version="1.0" encoding="UTF-8" ?><hash><error>` + message + `</error></hash>`},
	} {
		w := post(t, s, strings.Repeat("0", 32), "content", "record", "format", c.format, "returnFormat", c.returnFormat)
		if w.Code != 403 || w.Header().Get("Content-Type") != c.kind || w.Body.String() != c.body {
			t.Errorf("%+v: %d %s %s", c, w.Code, w.Header().Get("Content-Type"), w.Body)
		}
	}
}

func TestATokenWithANewlineIsAnotherToken(t *testing.T) {
	p := small()
	s := serve(Options{}, p)
	if w := post(t, s, p.Token()+"%0A", "content", "version"); w.Code != 403 {
		t.Errorf("token with newline: %d", w.Code)
	}
	if w := post(t, s, strings.ToLower(p.Token()), "content", "version"); w.Body.String() != "14.9.1" {
		t.Errorf("lower case token: %d %s", w.Code, w.Body)
	}
}

func TestArraysComeIndexedOrCommaJoinedOrInParts(t *testing.T) {
	p := small()
	s := serve(Options{}, p)
	for _, pairs := range [][]string{
		{"records[0]", "2", "records[1]", "4"}, {"records[]", "2", "records[]", "4"}, {"records", "2,4"},
	} {
		if got := names(t, s, p, pairs...); got != "2 4" {
			t.Errorf("%v: %s", pairs, got)
		}
	}
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	for k, v := range map[string]string{"token": p.Token(), "content": "version"} {
		if err := m.WriteField(k, v); err != nil {
			t.Fatal(err)
		}
	}
	m.Close()
	r := httptest.NewRequest(http.MethodPost, "/api/", &body)
	r.Header.Set("Content-Type", m.FormDataContentType())
	w := httptest.NewRecorder()
	if s.ServeHTTP(w, r); w.Body.String() != "14.9.1" {
		t.Errorf("multipart: %d %s", w.Code, w.Body)
	}
}

func TestVariablesBeyondTheLimitAreDroppedInSilence(t *testing.T) {
	p := small()
	s := serve(Options{MaxInputVars: 6}, p) // token, content, format, fields[0] and two names
	if got := names(t, s, p, "records[0]", "1", "records[1]", "2", "records[2]", "3"); got != "1 2" {
		t.Errorf("got records %s", got)
	}
}

func TestTooManyRequestsAMinuteBanForGood(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	p := small()
	s := serve(Options{PerMinute: 3, Clock: func() time.Time { return now }}, p)
	for i := range 5 {
		want := 200
		if i > 2 {
			want = 403
		}
		if code, body := ask(t, s, p, "content", "version"); code != want {
			t.Errorf("request %d: %d %s", i+1, code, body)
		}
	}
	now = now.Add(time.Hour)
	if code, _ := ask(t, s, p, "content", "version"); code != 403 || !s.Banned() {
		t.Errorf("an hour later: %d", code)
	}
	s.Unban()
	if code, _ := ask(t, s, p, "content", "version"); code != 200 {
		t.Errorf("after the ban was lifted: %d", code)
	}
}

func TestTheDateHeaderIsTheServersClock(t *testing.T) {
	now := time.Date(2026, 3, 8, 7, 30, 0, 0, time.UTC)
	p := small()
	s := serve(Options{Clock: func() time.Time { return now }}, p)
	if got := post(t, s, p.Token(), "content", "version").Header().Get("Date"); got != "Sun, 08 Mar 2026 07:30:00 GMT" {
		t.Error(got)
	}
}

func TestWritesAreRefusedAndSeen(t *testing.T) {
	p := small()
	s := serve(Options{}, p)
	ask(t, s, p, "content", "record", "format", "json")
	if err := s.ReadOnly(); err != nil {
		t.Error(err)
	}
	for _, call := range [][]string{
		{"content", "record", "data", "[]"},
		{"content", "record", "action", "delete", "records[0]", "1"},
		{"content", "record", "action", "rename", "record", "1", "new_record_name", "9"},
		{"content", "dag", "action", "switch", "dag", "x"},
	} {
		if code, body := ask(t, s, p, append(call, "returnFormat", "json")...); code != 403 || !strings.Contains(body, "error") {
			t.Errorf("%v: %d %s", call, code, body)
		}
	}
	if n := len(s.Writes()); n != 4 || s.ReadOnly() == nil || p.Count() != 5 {
		t.Errorf("%d writes seen, %d records left", n, p.Count())
	}
}

func TestRequestsAreRememberedWithoutTheToken(t *testing.T) {
	p := small()
	s := serve(Options{}, p)
	var hooked Request
	s.OnRequest(func(r Request) { hooked = r })
	ask(t, s, p, "content", "record", "format", "csv", "records[0]", "1", "records[1]", "2", "fields[0]", "record_id")
	r := s.Requests()[0]
	if r.IDs != 2 || r.Content != "record" || r.Format != "csv" || r.Status != 200 || r.ResponseBytes != 14 || r.Project != p.ID() || r.BodyBytes == 0 {
		t.Errorf("%+v", r)
	}
	if hooked.IDs != 2 || r.Params.Get("token") != "" || s.Count("record") != 1 {
		t.Errorf("%+v", hooked)
	}
}

func TestOlderVersionsAnswerAsTheyDid(t *testing.T) {
	p := Synthetic(Spec{Kind: Longitudinal, Records: 2, Fields: 6})
	old := serve(Options{Version: "9.1.3"}, p)
	if code, _ := ask(t, old, p, "content", "log", "format", "json"); code != 501 {
		t.Errorf("log before 10.8: %d", code)
	}
	if _, body := ask(t, old, p, "content", "event", "format", "csv"); strings.Contains(body, "event_id") {
		t.Error("event ids before 11")
	}
	if _, body := ask(t, old, p, "content", "project", "format", "csv"); strings.Contains(body, "missing_data_codes") {
		t.Error("missing-data codes in 9.1.3")
	}
	if code, _ := ask(t, old, p, "content", "record", "format", "json", "fields[0]", "nobody"); code != 200 {
		t.Errorf("an unknown field before 13.4.10: %d", code)
	}
	if code, body := ask(t, serve(Options{}, p), p, "content", "record", "format", "json", "fields[0]", "nobody"); code != 400 || !strings.Contains(body, `The following values in the parameter \"fields\" are not valid: 'nobody'`) {
		t.Errorf("an unknown field: %d %s", code, body)
	}
	empty := Synthetic(Spec{Records: 0, Fields: 4})
	_, body := ask(t, serve(Options{Version: "17.4.1"}, empty), empty, "content", "record", "format", "csv")
	if strings.Contains(body, "record_id") {
		t.Errorf("a header in an empty set of 17.4.1: %q", body)
	}
}
