package redcap

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fixtures returns the folder of recorded projects, or skips.
func fixtures(t *testing.T) string {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "..", "shared", "fixtures", "redcap")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("recorded fixtures are not beside the project: ../shared/fixtures")
	}
	return dir
}

// serve makes a server with one project.
func serve(o Options, p *Project) *Server {
	s := NewServer(o)
	s.Add(p)
	return s
}

// post sends a call with a token and returns the whole answer. Pairs are name, value.
func post(t *testing.T, s *Server, token string, pairs ...string) *httptest.ResponseRecorder {
	t.Helper()
	var b strings.Builder
	b.WriteString("token=" + token)
	for i := 0; i < len(pairs); i += 2 {
		b.WriteString("&" + url.QueryEscape(pairs[i]) + "=" + url.QueryEscape(pairs[i+1]))
	}
	r := httptest.NewRequest(http.MethodPost, "/api/", strings.NewReader(b.String()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// ask sends a call to a project and returns status and body.
func ask(t *testing.T, s *Server, p *Project, pairs ...string) (int, string) {
	t.Helper()
	w := post(t, s, p.Token(), pairs...)
	body, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, string(body)
}

// records exports rows as JSON.
func records(t *testing.T, s *Server, p *Project, pairs ...string) []map[string]any {
	t.Helper()
	code, body := ask(t, s, p, append([]string{"content", "record", "format", "json"}, pairs...)...)
	var out []map[string]any
	if err := json.Unmarshal([]byte(body), &out); err != nil || code != 200 {
		t.Fatalf("export: status %d, %v: %.300s", code, err, body)
	}
	return out
}

// csvRows reads a CSV body.
func csvRows(t *testing.T, body string) [][]string {
	t.Helper()
	r := csv.NewReader(strings.NewReader(body))
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatalf("read csv: %v", err)
	}
	return rows
}

// names lists the first column of an id-only export, each name once.
func names(t *testing.T, s *Server, p *Project, pairs ...string) string {
	t.Helper()
	var out []string
	for _, r := range records(t, s, p, append([]string{"fields[0]", p.RecordField()}, pairs...)...) {
		id := r[p.RecordField()].(string)
		if len(out) == 0 || out[len(out)-1] != id {
			out = append(out, id)
		}
	}
	return strings.Join(out, " ")
}
