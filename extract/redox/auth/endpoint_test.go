package auth

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
)

// told is what a token endpoint answered.
type told struct {
	status int
	header http.Header
	body   map[string]any
}

func (a told) token() string { s, _ := a.body["access_token"].(string); return s }

// ask sends a form to the token endpoint of a gate, with headers, a name and a value each.
func ask(t *testing.T, g *Gate, form url.Values, headers ...string) told {
	t.Helper()
	return askWith(t, g, "application/x-www-form-urlencoded", form.Encode(), headers...)
}

func askWith(t *testing.T, g *Gate, kind, body string, headers ...string) told {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/redox/hospital-7f3c/oauth/token", strings.NewReader(body))
	r.Header.Set("Content-Type", kind)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	g.Endpoints()[tokenPath].ServeHTTP(w, r)
	got := told{status: w.Code, header: w.Header()}
	if err := json.Unmarshal(w.Body.Bytes(), &got.body); err != nil {
		t.Fatalf("answer of the token endpoint: %v", err)
	}
	if got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("answer of the token endpoint may be kept: %v", got.header)
	}
	return got
}

func smartForm(assertion string) url.Values {
	return url.Values{"grant_type": {grantCredentials}, "client_assertion_type": {assertionType}, "client_assertion": {assertion}}
}

func grantForm(assertion string) url.Values {
	return url.Values{"grant_type": {grantAssertion}, "assertion": {assertion}}
}
