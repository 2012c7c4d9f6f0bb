package auth

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
)

// told is what a token endpoint answered.
type told struct {
	status int
	header http.Header
	body   map[string]any
	noted  string // for people
}

// noting keeps what the endpoint says of its answer.
type noting struct {
	*httptest.ResponseRecorder
	noted string
}

func (n *noting) Note(reason string, cause error) { n.noted = fmt.Sprint(reason, " ", cause) }

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
	w := noting{ResponseRecorder: httptest.NewRecorder()}
	g.Endpoints()[tokenPath].ServeHTTP(&w, r)
	got := told{status: w.Code, header: w.Header(), noted: w.noted}
	if got.noted == "" {
		t.Error("nobody was told what the token endpoint decided")
	}
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

// secretConfig is a receiver whose token endpoint knows clients by secret.
func secretConfig() (Config, *memory) {
	store := newMemory(always(noon))
	return Config{PublicURL: publicURL, Path: receiver, Store: store, Secrets: Secrets{
		ClientSecret: text("s3cret/+of the client"), ClientSecretOld: text("old-secret-of-the-client"),
	}, Options: Options{Strategy: strategyOAuth, ClientID: "redox client", Scope: "push status"}}, store
}

func basic(id, secret string) []string {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(id, secret)
	return []string{"Authorization", r.Header.Get("Authorization")}
}

// The token endpoint knows a client by secret in the header, encoded or not, and in the body, as form or as JSON.
func TestTheTokenEndpointKnowsAClientBySecret(t *testing.T) {
	c, _ := secretConfig()
	g := newGate(t, c)
	const id, secret, old = "redox client", "s3cret/+of the client", "old-secret-of-the-client"
	form := func(pairs ...string) url.Values {
		f := url.Values{"grant_type": {grantCredentials}}
		for i := 0; i < len(pairs); i += 2 {
			f.Add(pairs[i], pairs[i+1])
		}
		return f
	}
	for _, row := range []struct {
		name    string
		form    url.Values
		headers []string
		want    int
		error   string
	}{
		{"basic, encoded", form(), basic(url.QueryEscape(id), url.QueryEscape(secret)), 200, ""},
		{"basic, as it is", form(), basic(id, secret), 200, ""},
		{"basic, old secret", form(), basic(id, old), 200, ""},
		{"body", form("client_id", id, "client_secret", secret), nil, 200, ""},
		{"body, old secret", form("client_id", id, "client_secret", old), nil, 200, ""},
		{"both alike", form("client_id", id, "client_secret", secret), basic(url.QueryEscape(id), url.QueryEscape(secret)), 200, ""},
		{"both, and different", form("client_id", id, "client_secret", old), basic(id, secret), 400, "invalid_request"},
		{"scope", form("scope", "push"), basic(id, secret), 200, ""},
		{"audience and resource, which say nothing here", form("audience", "x", "resource", "https://x.example.org"), basic(id, secret), 200, ""},
		{"scope of others", form("scope", "push admin"), basic(id, secret), 400, "invalid_scope"},
		{"wrong secret", form(), basic(id, secret+"x"), 401, "invalid_client"},
		{"empty secret", form(), basic(id, ""), 401, "invalid_client"},
		{"wrong id", form(), basic("other", secret), 401, "invalid_client"},
		{"no credentials", form(), nil, 401, "invalid_client"},
		{"id alone", form("client_id", id), nil, 401, "invalid_client"},
		{"bearer", form(), []string{"Authorization", "Bearer x"}, 401, "invalid_client"},
		{"another grant", url.Values{"grant_type": {"password"}}, basic(id, secret), 400, "unsupported_grant_type"},
		{"refresh", url.Values{"grant_type": {"refresh_token"}}, basic(id, secret), 400, "unsupported_grant_type"},
		{"no grant", url.Values{}, basic(id, secret), 400, "invalid_request"},
		{"grant twice", url.Values{"grant_type": {grantCredentials, grantCredentials}}, basic(id, secret), 400, "invalid_request"},
	} {
		got := ask(t, g, row.form, row.headers...)
		if got.status != row.want || row.error != "" && got.body["error"] != row.error {
			t.Errorf("%s: %d %v, want %d %s", row.name, got.status, got.body, row.want, row.error)
			continue
		}
		switch {
		case row.want == 200:
			judge(t, g, row.name, got.token(), 200)
		case row.want == 401 && !strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Basic"):
			t.Errorf("%s: no challenge: %v", row.name, got.header)
		}
	}
	body := `{"grant_type":"client_credentials","client_id":"redox client","client_secret":"s3cret/+of the client","n":1}`
	for name, row := range map[string]struct {
		kind, body string
		want       int
	}{
		"JSON":             {"application/json; charset=utf-8", body, 200},
		"JSON twice":       {"application/json", strings.Replace(body, "{", `{"client_id":"x",`, 1), 400},
		"JSON as form":     {"application/x-www-form-urlencoded", body, 400},
		"a list":           {"application/json", "[]", 400},
		"another type":     {"text/plain", form("client_id", id, "client_secret", secret).Encode(), 400},
		"no type":          {"", body, 400},
		"of 1 MB":          {"application/x-www-form-urlencoded", "grant_type=" + strings.Repeat("x", 1<<20), 400},
		"a long tail":      {"application/x-www-form-urlencoded", form("client_id", id, "client_secret", secret).Encode() + "&x=" + strings.Repeat("x", formBytes), 400},
		"a broken form":    {"application/x-www-form-urlencoded", "grant_type=%zz", 400},
		"a line break end": {"application/x-www-form-urlencoded", form("client_id", id, "client_secret", secret).Encode() + "\r\n", 200},
	} {
		if got := askWith(t, g, row.kind, row.body); got.status != row.want {
			t.Errorf("%s: %d %v, want %d", name, got.status, got.body, row.want)
		}
	}
}

// Where scopes mean nothing, whatever is asked for is granted, if it is short enough to be kept.
func TestAScopeIsBounded(t *testing.T) {
	c, _ := secretConfig()
	c.Options.Scope = ""
	for scope, want := range map[string]int{"anything at all": 200, "": 200, strings.Repeat("x", longestScope+1): 400} {
		got := ask(t, newGate(t, c), url.Values{"grant_type": {grantCredentials}, "scope": {scope}}, basic("redox client", "s3cret/+of the client")...)
		if got.status != want || want == 200 && got.body["scope"] != scope {
			t.Errorf("scope of %d bytes: %d %v, want %d", len(scope), got.status, got.body, want)
		}
	}
}

func TestTheTokenEndpointTakesNothingButPOST(t *testing.T) {
	c, _ := secretConfig()
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodTrace} {
		w := httptest.NewRecorder()
		newGate(t, c).Endpoints()[tokenPath].ServeHTTP(w, httptest.NewRequest(method, receiver+tokenPath, nil))
		if w.Code != 405 || w.Header().Get("Allow") != "POST" || w.Body.Len() != 0 {
			t.Errorf("%s: %d, Allow %q, %d bytes", method, w.Code, w.Header().Get("Allow"), w.Body.Len())
		}
	}
}

// A secret that cannot be read, or a store that is away, is answered so that the client tries again; and no answer and
// no note holds a secret.
func TestOutagesOfTheTokenEndpointAreNotTheClientsFault(t *testing.T) {
	c, store := secretConfig()
	form := url.Values{"grant_type": {grantCredentials}, "client_id": {"redox client"}, "client_secret": {"s3cret/+of the client"}}
	store.down = true
	got := ask(t, newGate(t, c), form)
	if got.status != 503 || got.header.Get("Retry-After") != "3" || got.body["error"] != "temporarily_unavailable" {
		t.Errorf("store down: %d %v", got.status, got.body)
	}
	store.down = false
	good, noted := ask(t, newGate(t, c), form), got.noted
	if !strings.Contains(noted, errDown.Error()) {
		t.Errorf("noted %q", noted)
	}
	c.Secrets.ClientSecretOld = missing()
	got = ask(t, newGate(t, c), form)
	if got.status != 503 || !strings.Contains(got.noted, "REDOX_TOKEN") {
		t.Errorf("secret missing: %d %v, noted %q", got.status, got.body, got.noted)
	}
	form.Set("client_secret", "wr0ng")
	c.Secrets.ClientSecretOld = nil
	wrong := ask(t, newGate(t, c), form)
	for _, secret := range []string{"s3cret", "wr0ng", good.token()} {
		if all := fmt.Sprint(noted, good.noted, got, wrong); strings.Contains(all, secret) {
			t.Errorf("a secret is told:\n%s", all)
		}
	}
}

// The two strategies in which an assertion is the grant: oauth2-jwt-bearer-gcp at our own endpoint, and jwt-bearer with grant.
func TestAnAssertionIsAGrant(t *testing.T) {
	store := newMemory(always(noon))
	account := "redox@project.iam.gserviceaccount.com"
	gcp := newGate(t, Config{PublicURL: publicURL, Path: receiver, Store: store, Options: Options{
		Strategy: strategyGCP, Issuer: account, JWKSFile: keyFile(t, jwkSet("a", rsaKey().Public())),
	}})
	shared := newGate(t, Config{PublicURL: publicURL, Path: receiver, Store: store, Secrets: Secrets{Shared: text("a shared secret of at least 32 bytes")}, Options: Options{
		Strategy: strategyBearer, Issuer: account, Subject: account, Grant: true,
	}})
	claims := map[string]any{
		"iss": account, "sub": account, "aud": ourTokenURL, "scope": "push", "iat": noon.Unix(), "exp": noon.Add(time.Hour).Unix(),
	}
	hs := []byte("a shared secret of at least 32 bytes")
	for _, row := range []struct {
		name      string
		gate      *Gate
		assertion string
		want      int
		error     string
	}{
		{"gcp", gcp, sign(t, jose.RS256, "a", rsaKey(), claims), 200, ""},
		{"gcp, jti", gcp, sign(t, jose.RS256, "a", rsaKey(), but(claims, "jti", "1")), 200, ""},
		{"gcp, jti again", gcp, sign(t, jose.RS256, "a", rsaKey(), but(claims, "jti", "1")), 400, "invalid_grant"},
		{"gcp, without sub", gcp, sign(t, jose.RS256, "a", rsaKey(), but(claims, "sub", nil)), 200, ""},
		{"gcp, another algorithm", gcp, sign(t, jose.RS384, "a", rsaKey(), claims), 400, "invalid_grant"},
		{"gcp, another audience", gcp, sign(t, jose.RS256, "a", rsaKey(), but(claims, "aud", "https://oauth2.googleapis.com/token")), 400, "invalid_grant"},
		{"gcp, too long", gcp, sign(t, jose.RS256, "a", rsaKey(), but(claims, "exp", noon.Add(2*time.Hour).Unix())), 400, "invalid_grant"},
		{"gcp, stranger", gcp, sign(t, jose.RS256, "a", strangerKey(), claims), 400, "invalid_grant"},
		{"gcp, nothing", gcp, "", 400, "invalid_request"},
		{"shared", shared, sign(t, jose.HS256, "", hs, claims), 200, ""},
		{"shared, any kid", shared, sign(t, jose.HS512, "k", append(hs, make([]byte, 64)...), claims), 400, "invalid_grant"},
		{"shared, another subject", shared, sign(t, jose.HS256, "", hs, but(claims, "sub", "x")), 400, "invalid_grant"},
		{"shared, signed with a public key's algorithm", shared, sign(t, jose.RS256, "", rsaKey(), claims), 400, "invalid_grant"},
	} {
		got := ask(t, row.gate, grantForm(row.assertion))
		if got.status != row.want || row.error != "" && got.body["error"] != row.error {
			t.Errorf("%s: %d %v, want %d %s", row.name, got.status, got.body, row.want, row.error)
		}
		if row.want == 200 {
			judge(t, row.gate, row.name, got.token(), 200)
			if got.body["scope"] != "push" {
				t.Errorf("%s: scope %v", row.name, got.body["scope"])
			}
		}
	}
	judge(t, gcp, "the assertion itself", sign(t, jose.RS256, "a", rsaKey(), claims), 401)
}
