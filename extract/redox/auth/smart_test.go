package auth

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
)

const (
	publicURL   = "https://etl.example.org"
	receiver    = "/redox/hospital-7f3c"
	ourTokenURL = publicURL + receiver + tokenPath
)

// smartConfig is a receiver with SMART Backend Services: kid and key in turn.
func smartConfig(t *testing.T, now func() time.Time, keys ...any) (Config, *memory) {
	t.Helper()
	store := newMemory(now)
	return Config{PublicURL: publicURL, Path: receiver, Store: store, Now: now, Options: Options{
		Strategy: strategySmart, ClientID: "redox-client", Scope: "system/*.write", JWKSFile: keyFile(t, jwkSet(keys...)),
	}}, store
}

// smartClaims are those of a client assertion that is let in.
func smartClaims(jti string) map[string]any {
	return map[string]any{
		"iss": "redox-client", "sub": "redox-client", "aud": ourTokenURL, "jti": jti, "exp": noon.Add(4 * time.Minute).Unix(),
	}
}

// A client assertion is what the profile of SMART says, and nothing else.
func TestAClientAssertionIsJudgedAsSMARTSays(t *testing.T) {
	c, _ := smartConfig(t, always(noon), "a", rsaKey().Public(), "e", ecKey().Public())
	g := newGate(t, c)
	one, _ := smartConfig(t, always(noon), "a", rsaKey().Public())
	single := newGate(t, one)
	rs := func(changes ...any) url.Values {
		return smartForm(sign(t, jose.RS384, "a", rsaKey(), but(smartClaims(t.Name()), changes...)))
	}
	with := func(form url.Values, name, value string) url.Values { form.Set(name, value); return form }
	without := func(form url.Values, name string) url.Values { form.Del(name); return form }
	for _, row := range []struct {
		name  string
		form  url.Values
		want  int
		error string
	}{
		{"RS384", rs("jti", "1"), 200, ""},
		{"ES384", smartForm(sign(t, jose.ES384, "e", ecKey(), smartClaims("2"))), 200, ""},
		{"aud with a slash", rs("jti", "3", "aud", ourTokenURL+"/"), 200, ""},
		{"scope that is granted", with(rs("jti", "4"), "scope", "system/*.write"), 200, ""},
		{"RS256", smartForm(sign(t, jose.RS256, "a", rsaKey(), smartClaims("5"))), 401, "invalid_client"},
		{"no kid", smartForm(sign(t, jose.RS384, "", rsaKey(), smartClaims("6"))), 401, "invalid_client"},
		{"RS384, in a set of one", smartForm(sign(t, jose.RS384, "a", rsaKey(), smartClaims("13"))), 200, ""},
		{"another typ", smartForm(sign(t, jose.RS384, "a", rsaKey(), smartClaims("7"), "typ", "at+jwt")), 401, "invalid_client"},
		{"another sub", rs("sub", "other"), 401, "invalid_client"},
		{"another iss", rs("iss", "other"), 401, "invalid_client"},
		{"no jti", rs("jti", nil), 401, "invalid_client"},
		{"empty jti", rs("jti", ""), 401, "invalid_client"},
		{"aud of the receiver", rs("aud", publicURL+receiver), 401, "invalid_client"},
		{"exp in 10 minutes", rs("exp", noon.Add(10*time.Minute).Unix()), 401, "invalid_client"},
		{"exp past", rs("exp", noon.Add(-time.Hour).Unix()), 401, "invalid_client"},
		{"stranger", smartForm(sign(t, jose.RS384, "a", strangerKey(), smartClaims("8"))), 401, "invalid_client"},
		{"client_id of another", with(rs("jti", "9"), "client_id", "other"), 401, "invalid_client"},
		{"client_id", with(rs("jti", "10"), "client_id", "redox-client"), 200, ""},
		{"assertion of another type", with(rs(), "client_assertion_type", "saml"), 401, "invalid_client"},
		{"no assertion", without(rs(), "client_assertion"), 401, "invalid_client"},
		{"another grant", with(rs(), "grant_type", "authorization_code"), 400, "unsupported_grant_type"},
		{"no grant", without(rs(), "grant_type"), 400, "invalid_request"},
		{"scope that is not granted", with(rs("jti", "11"), "scope", "system/*.read"), 400, "invalid_scope"},
		{"scope that is none", with(rs("jti", "12"), "scope", "system/*.write\n"), 400, "invalid_scope"},
	} {
		g := g
		if row.name == "no kid" || strings.HasSuffix(row.name, "in a set of one") {
			g = single
		}
		got := ask(t, g, row.form)
		if got.status != row.want || row.error != "" && got.body["error"] != row.error {
			t.Errorf("%s: %d %v, want %d %s", row.name, got.status, got.body, row.want, row.error)
		}
		if row.want == 200 && (got.body["token_type"] != "Bearer" || got.body["expires_in"] != 300.0 || got.body["scope"] != "system/*.write") {
			t.Errorf("%s: answer %v", row.name, got.body)
		}
	}
}

// An assertion may say where its keys are, if it says what is registered.
func TestAForeignJKUIsRefused(t *testing.T) {
	at := newClock()
	r := newRemote(t, sends(string(jwkSet("a", rsaKey().Public()))))
	c, _ := smartConfig(t, at.now, "a", rsaKey().Public())
	c.Options.JWKSFile, c.Options.JWKSURL, c.Upstream = "", r.URL+"/jwks", r.reach()
	g := newGate(t, c)
	for jku, want := range map[string]int{r.URL + "/jwks": 200, r.URL + "/jwks/": 401, "https://evil.example.org/jwks": 401, "": 401} {
		if got := ask(t, g, smartForm(sign(t, jose.RS384, "a", rsaKey(), smartClaims("jku "+jku), "jku", jku))); got.status != want {
			t.Errorf("jku %q: %d %v, want %d", jku, got.status, got.body, want)
		}
	}
	r.says(fails(500))
	at.pass(25 * time.Hour)
	if got := ask(t, g, smartForm(sign(t, jose.RS384, "a", rsaKey(), but(smartClaims("late"), "exp", at.now().Unix())))); got.status != 503 || got.body["error"] != "temporarily_unavailable" {
		t.Errorf("while keys cannot be read: %d %v", got.status, got.body)
	}
}

// A token that was given out lets pushes in on every replica until it ends or is revoked.
func TestATokenThatWasGivenOutLetsPushesIn(t *testing.T) {
	at := newClock()
	c, store := smartConfig(t, at.now, "a", rsaKey().Public())
	g, other := newGate(t, c), newGate(t, c)
	got := ask(t, g, smartForm(sign(t, jose.RS384, "a", rsaKey(), smartClaims("1"))))
	token := got.token()
	if got.status != 200 || token == "" {
		t.Fatalf("%d %v", got.status, got.body)
	}
	judge(t, g, "here", token, 200)
	judge(t, other, "at another replica", token, 200)
	flipped := token[:len(token)-1] + map[bool]string{true: "B", false: "A"}[token[len(token)-1] == 'A']
	judge(t, g, "changed", flipped, 401)
	asked := store.asked
	for _, garbage := range []string{"x", "syncd_x", token + "A", "Syncd_" + token[6:], token[:len(token)-1] + "!", token[6:]} {
		judge(t, g, "garbage", garbage, 401)
	}
	if store.asked != asked {
		t.Errorf("the store was asked about what cannot be a token of ours")
	}
	store.down = true
	judge(t, g, "just judged, while the store is down", token, 200)
	at.pass(issuedTrust)
	judge(t, g, "while the store is down", token, 503)
	store.down = false
	judge(t, g, "when it is back", token, 200)
	kept := store.tokens
	store.tokens = map[[32]byte]time.Time{}
	at.pass(issuedTrust)
	judge(t, g, "revoked", token, 401)
	store.tokens = kept
	at.pass(issuedTrust)
	at.pass(issuedFor - 3*issuedTrust - time.Second)
	judge(t, g, "before its end", token, 200)
	at.pass(time.Second)
	judge(t, g, "after its end", token, 401)
	for sum := range kept {
		if string(sum[:]) == token[:32] {
			t.Error("the store holds a token rather than its hash")
		}
	}
	store.down = true
	if got := ask(t, g, smartForm(sign(t, jose.RS384, "a", rsaKey(), but(smartClaims("2"), "exp", at.now().Add(time.Minute).Unix())))); got.status != 503 {
		t.Errorf("asking for a token while the store is down: %d %v", got.status, got.body)
	}
}

func TestSMARTClientsAreToldWhereToAsk(t *testing.T) {
	c, _ := smartConfig(t, always(noon), "a", rsaKey().Public())
	g := newGate(t, c)
	w := httptest.NewRecorder()
	g.Endpoints()[smartPath].ServeHTTP(w, httptest.NewRequest(http.MethodGet, receiver+smartPath, nil))
	var about struct {
		Endpoint     string   `json:"token_endpoint"`
		Algorithms   []string `json:"token_endpoint_auth_signing_alg_values_supported"`
		Capabilities []string `json:"capabilities"`
		Scopes       []string `json:"scopes_supported"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &about); err != nil || w.Code != 200 {
		t.Fatal(w.Code, err)
	}
	if about.Endpoint != ourTokenURL || !slices.Equal(about.Algorithms, []string{"RS384", "ES384"}) ||
		!slices.Contains(about.Capabilities, "client-confidential-asymmetric") || !slices.Equal(about.Scopes, []string{"system/*.write"}) {
		t.Errorf("told %+v", about)
	}
	w = httptest.NewRecorder()
	g.Endpoints()[smartPath].ServeHTTP(w, httptest.NewRequest(http.MethodPost, receiver+smartPath, nil))
	if w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
	c.PublicURL, c.Options.Audience = "", []string{ourTokenURL}
	if _, ok := newGate(t, c).Endpoints()[smartPath]; ok {
		t.Error("an address is told that nobody knows")
	}
}
