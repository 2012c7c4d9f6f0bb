package redox

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

func TestTokensVerifyWithTheKeysThatArePublished(t *testing.T) {
	for _, alg := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256", "HS384", "HS512"} {
		key, err := NewKey(alg, "k-"+alg)
		if err != nil {
			t.Fatal(err)
		}
		token, err := key.Sign(map[string]any{"iss": "redox", "exp": 4102444800})
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		var verify any = key.Secret
		text, err := KeySet(key)
		if err != nil {
			t.Fatal(err)
		}
		var set jose.JSONWebKeySet
		if err := json.Unmarshal(text, &set); err != nil {
			t.Fatal(err)
		}
		if key.Private != nil {
			if len(set.Keys) != 1 || set.Keys[0].KeyID != "k-"+alg || !set.Keys[0].IsPublic() {
				t.Fatalf("%s: key set %s", alg, text)
			}
			verify = set.Keys[0].Key
		} else if len(set.Keys) != 0 {
			t.Fatalf("%s: a shared secret is published", alg)
		}
		var claims jwt.Claims
		if err := parsed.Claims(verify, &claims); err != nil || claims.Issuer != "redox" || parsed.Headers[0].KeyID != "k-"+alg {
			t.Errorf("%s: issuer %q, %v", alg, claims.Issuer, err)
		}
	}
}

// asked is an endpoint for tokens that keeps what it was asked.
type asked struct {
	*httptest.Server
	forms   []url.Values
	basic   []string
	kinds   []string
	answer  string
	expires int
}

func newAsked(t *testing.T) *asked {
	a := &asked{answer: "token-1", expires: 300}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, rq *http.Request) {
		form := url.Values{}
		if rq.Header.Get("Content-Type") == "application/json" {
			var flat map[string]string
			if err := json.NewDecoder(rq.Body).Decode(&flat); err != nil {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			for name, value := range flat {
				form.Set(name, value)
			}
		} else if err := rq.ParseForm(); err == nil {
			form = rq.PostForm
		}
		id, secret, _ := rq.BasicAuth()
		a.forms, a.basic, a.kinds = append(a.forms, form), append(a.basic, id+" "+secret), append(a.kinds, rq.Header.Get("Content-Type"))
		write(w, http.StatusOK, map[string]any{"access_token": a.answer, "token_type": "Bearer", "expires_in": a.expires})
	}))
	t.Cleanup(a.Close)
	return a
}

// push authorizes a request and returns its Authorization.
func push(t *testing.T, c Credential) string {
	t.Helper()
	rq := httptest.NewRequest(http.MethodPost, "https://etl.example.edu/push", nil)
	if err := c.authorize(t.Context(), http.DefaultClient, rq, nil); err != nil {
		t.Fatal(err)
	}
	return rq.Header.Get("Authorization")
}

func TestClientCredentialsAreAskedForOnceAndAgainWhenTheyExpire(t *testing.T) {
	a, at := newAsked(t), firstMorning
	further := url.Values{"scope": {"push"}, "audience": {"syncd"}}
	clock := func() time.Time { return at }
	basic := OAuth2(Client{TokenURL: a.URL, ID: "id:1", Secret: "s/1", Further: further, Now: clock})
	for range 3 {
		if got := push(t, basic); got != "Bearer token-1" {
			t.Fatal(got)
		}
	}
	at = at.Add(299 * time.Second)
	push(t, basic)
	basic.(forgetful).forget()
	push(t, basic)
	if len(a.forms) != 3 || a.basic[0] != url.QueryEscape("id:1")+" "+url.QueryEscape("s/1") || a.forms[0].Get("client_secret") != "" ||
		a.forms[0].Get("grant_type") != "client_credentials" || a.forms[0].Get("scope") != "push" || a.forms[0].Get("audience") != "syncd" {
		t.Errorf("asked %d times: %v, basic %q", len(a.forms), a.forms[0], a.basic[0])
	}
	for i, body := range []Client{{TokenURL: a.URL, ID: "id", Secret: "s", InBody: true}, {TokenURL: a.URL, ID: "id", Secret: "s", InBody: true, JSON: true}} {
		push(t, OAuth2(body))
		last := len(a.forms) - 1
		if a.basic[last] != " " || a.forms[last].Get("client_id") != "id" || a.forms[last].Get("client_secret") != "s" || (a.kinds[last] == "application/json") != (i == 1) {
			t.Errorf("in the body: %v as %s, basic %q", a.forms[last], a.kinds[last], a.basic[last])
		}
	}
}

func TestAssertionsAreSignedForTheEndpoint(t *testing.T) {
	a := newAsked(t)
	key, err := NewKey("ES384", "kid-1")
	if err != nil {
		t.Fatal(err)
	}
	claimsOf := func(token string) map[string]any {
		parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES384})
		if err != nil {
			t.Fatal(err)
		}
		claims := map[string]any{}
		if err := parsed.Claims(key.Private.Public(), &claims); err != nil {
			t.Fatal(err)
		}
		return claims
	}
	push(t, SMARTBackend(Assertion{TokenURL: a.URL, Key: key, Issuer: "redox", Scope: "system/*.write"}))
	push(t, JWTGrant(Assertion{TokenURL: a.URL, Key: key, Issuer: "robot@example.org", Subject: "robot", Audience: "https://aud", Scope: "s", Claims: map[string]any{"target_audience": "x"}}))
	smart, jwtGrant := a.forms[0], a.forms[1]
	if smart.Get("grant_type") != "client_credentials" || smart.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" || smart.Get("scope") != "system/*.write" ||
		jwtGrant.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		t.Errorf("asked with %v and %v", smart, jwtGrant)
	}
	c := claimsOf(smart.Get("client_assertion"))
	if c["iss"] != "redox" || c["sub"] != "redox" || c["aud"] != a.URL || c["jti"] == "" || c["exp"].(float64)-c["iat"].(float64) != 300 {
		t.Errorf("SMART assertion: %v", c)
	}
	g := claimsOf(jwtGrant.Get("assertion"))
	if g["iss"] != "robot@example.org" || g["sub"] != "robot" || g["aud"] != "https://aud" || g["scope"] != "s" || g["target_audience"] != "x" || g["jti"] == c["jti"] {
		t.Errorf("JWT grant: %v", g)
	}
	bearer := SignedJWT(Assertion{Key: key, Issuer: "redox", Audience: "syncd"})
	first := push(t, bearer)
	if b := claimsOf(strings.TrimPrefix(first, "Bearer ")); b["aud"] != "syncd" || push(t, bearer) != first {
		t.Errorf("JWT as bearer: %v", b)
	}
}

func TestAnIssuerKnowsItsTokens(t *testing.T) {
	at := firstMorning
	issuer, err := NewIssuer("https://accounts.google.com", Account{ClientID: "1234", Email: "robot@example.org", Scope: "push"}, func() time.Time { return at })
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(issuer)
	defer server.Close()
	key, err := NewKey("RS256", "w")
	if err != nil {
		t.Fatal(err)
	}
	federation := Federation{TokenURL: server.URL + "/token", ImpersonationURL: server.URL + "/sa:generateAccessToken", Workload: Assertion{Key: key, Issuer: "redox", Audience: "pool"}, Audience: "pool", Scope: "push"}
	opaque := strings.TrimPrefix(push(t, GoogleWIF(federation)), "Bearer ")
	federation.ImpersonationURL, federation.Scope = server.URL+"/sa:generateIdToken", "syncd"
	id := strings.TrimPrefix(push(t, GoogleWIF(federation)), "Bearer ")
	ask := func(path string, form url.Values) (int, map[string]any) {
		rs, err := http.PostForm(server.URL+path, form)
		if err != nil {
			t.Fatal(err)
		}
		defer rs.Body.Close()
		answer := map[string]any{}
		_ = json.NewDecoder(rs.Body).Decode(&answer) // nothing where it is down
		return rs.StatusCode, answer
	}
	if status, info := ask("/tokeninfo", url.Values{"access_token": {opaque}}); status != 200 || info["aud"] != "1234" || info["expires_in"] != "3600" || info["scope"] != "push" {
		t.Errorf("tokeninfo: %d %v", status, info)
	}
	if _, about := ask("/introspect", url.Values{"token": {opaque}}); about["active"] != true || about["client_id"] != "1234" {
		t.Errorf("introspection: %v", about)
	}
	_, published := ask("/jwks", nil)
	text, _ := json.Marshal(published)
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(text, &set); err != nil {
		t.Fatal(err)
	}
	parsed, err := jwt.ParseSigned(id, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	claims := map[string]any{}
	if err := parsed.Claims(set.Keys[0].Key, &claims); err != nil || claims["aud"] != "syncd" || claims["email"] != "robot@example.org" || claims["iss"] != "https://accounts.google.com" {
		t.Errorf("ID token: %v, %v", claims, err)
	}
	at = at.Add(time.Hour)
	if status, info := ask("/tokeninfo", url.Values{"access_token": {opaque}}); status != 400 || info["error"] != "invalid_token" {
		t.Errorf("expired: %d %v", status, info)
	}
	fresh := issuer.Opaque(time.Minute)
	issuer.Revoke()
	if _, about := ask("/introspect", url.Values{"token": {fresh}}); about["active"] != false {
		t.Errorf("revoked: %v", about)
	}
	issuer.Down(true)
	if status, _ := ask("/tokeninfo", url.Values{"access_token": {fresh}}); status != 503 {
		t.Errorf("down: %d", status)
	}
	if calls := issuer.Calls(); calls["/tokeninfo"] != 3 || calls["/token"] != 2 {
		t.Errorf("calls %v", calls)
	}
}

func TestHeadersAreThoseOfTheMode(t *testing.T) {
	r := newReceiver(t, nil)
	for _, c := range []struct {
		credential  Credential
		token       string
		auth, plain string
	}{
		{nil, "T", "Bearer T", "T"},
		{OAuth2(Client{TokenURL: newAsked(t).URL, ID: "a", Secret: "b"}), "T", "Bearer token-1", "T"},
		{OAuth2(Client{TokenURL: newAsked(t).URL, ID: "a", Secret: "b"}), "", "Bearer token-1", ""},
		{&SigV4{AccessKey: "K", SecretKey: "S", Region: "r", Service: "s"}, "T", "AWS4-HMAC-SHA256 Credential=K/", "T"},
	} {
		s := New(Config{URL: r.URL + "/push", Token: c.token, Credential: c.credential, Wait: atOnce})
		if err := s.Send(t.Context(), slices.Values(messages(1, 1, 1))); err != nil {
			t.Fatal(err)
		}
		h := r.headers[len(r.headers)-1]
		if !strings.HasPrefix(h.Get("Authorization"), c.auth) || h.Get("Verification-Token") != c.plain || h.Get("Content-Type") != "application/json" || h.Get("Application-Name") != "RedoxEngine" {
			t.Errorf("headers %v, want %s and token %q", h, c.auth, c.plain)
		}
	}
}

func TestA401DropsTheAccessTokenWhereAsked(t *testing.T) {
	for _, refresh := range []bool{false, true} {
		a := newAsked(t)
		r := newReceiver(t, func(_ string, times int) int {
			if times == 0 {
				return 401
			}
			return 200
		})
		s := New(Config{URL: r.URL, Credential: OAuth2(Client{TokenURL: a.URL, ID: "a", Secret: "b"}), RefreshOn401: refresh, Wait: atOnce})
		if err := s.Send(t.Context(), slices.Values(messages(1, 1, 1))); err != nil {
			t.Fatal(err)
		}
		if want := map[bool]int{false: 1, true: 2}[refresh]; len(a.forms) != want {
			t.Errorf("refresh %t: asked %d times, want %d", refresh, len(a.forms), want)
		}
	}
}

func TestHandshakesHaveTheirFourForms(t *testing.T) {
	var last *http.Request
	var body map[string]string
	answer := func(challenge string) string { return challenge }
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, rq *http.Request) {
		last, body = rq, map[string]string{}
		if rq.Method == http.MethodPost {
			_ = json.NewDecoder(rq.Body).Decode(&body) // an empty one fails below
		}
		challenge := body["challenge"] + rq.URL.Query().Get("challenge")
		if challenge == "" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = w.Write([]byte(answer(challenge)))
	}))
	defer server.Close()
	s := New(Config{URL: server.URL + "/push", Token: "T"})
	for _, h := range []Handshake{{Method: "POST"}, {Method: "POST", Old: true}, {Method: "GET"}, {Method: "GET", Old: true}} {
		answer = func(challenge string) string { return challenge }
		if err := s.Verify(t.Context(), h); err != nil {
			t.Errorf("%+v: %v", h, err)
		}
		inBody, inQuery, inHeader := body["verification-token"] == "T", last.URL.Query().Get("verification-token") == "T", last.Header.Get("Verification-Token") == "T"
		if inBody != (h.Method == "POST") || inQuery != (h.Method == "GET" && !h.Old) || inHeader != h.Old || last.Header.Get("Authorization") != "" {
			t.Errorf("%+v: token in body %t, query %t, header %t, Authorization %q", h, inBody, inQuery, inHeader, last.Header.Get("Authorization"))
		}
		answer = func(challenge string) string { return `{"challenge":"` + challenge + `"}` }
		if err := s.Verify(t.Context(), h); (err != nil) != h.Old {
			t.Errorf("%+v, answered in JSON: %v", h, err)
		}
		answer = func(string) string { return "hello" }
		if err := s.Verify(t.Context(), h); err == nil {
			t.Errorf("%+v: no error without the challenge", h)
		}
	}
	if err := s.Verify(t.Context(), Handshake{Method: "GET", Credentialed: true}); err == nil || last.Header.Get("Authorization") != "Bearer T" {
		t.Error("the credential does not go along")
	}
	if err := New(Config{URL: server.URL}).Verify(t.Context(), Handshake{Method: "PUT"}); err == nil {
		t.Error("no error for another method")
	}
}
