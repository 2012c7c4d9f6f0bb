package redcap

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// ask posts a call and returns status and body. Pairs are name, value; "name[]" repeats.
func ask(t *testing.T, s *Server, p *Project, pairs ...string) (int, string) {
	t.Helper()
	var b strings.Builder
	b.WriteString("token=" + p.Token())
	for i := 0; i < len(pairs); i += 2 {
		b.WriteString("&" + url.QueryEscape(pairs[i]) + "=" + url.QueryEscape(pairs[i+1]))
	}
	r := httptest.NewRequest(http.MethodPost, "/api/", strings.NewReader(b.String()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	body, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, string(body)
}

func TestSmoke(t *testing.T) {
	for k := Classic; k <= Mixed; k++ {
		p := Synthetic(Spec{Kind: k, Records: 3, Fields: 12, DAGs: 2, Surveys: true, Missing: true})
		s := NewServer(Options{})
		s.Add(p)
		for _, c := range []string{"version", "project", "metadata", "instrument", "arm", "event", "formEventMapping", "repeatingFormsEvents", "exportFieldNames", "dag"} {
			_, body := ask(t, s, p, "content", c, "format", "json")
			t.Log(c, body[:min(len(body), 500)])
		}
		_, body := ask(t, s, p, "content", "record", "format", "csv", "exportSurveyFields", "true", "exportDataAccessGroups", "true", "exportBlankForGrayFormStatus", "true")
		t.Log(body)
		_, body = ask(t, s, p, "content", "record", "format", "json", "fields[0]", "record_id")
		t.Log(body)
	}
}
