package auth

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

const account = "108234567890123456789"

// googleGate asks a remote in Google's place.
func googleGate(t *testing.T, r *remote, at *clock, change ...func(*Options)) *Gate {
	t.Helper()
	o := Options{Strategy: strategyGoogle, TokeninfoURL: r.URL + "/tokeninfo", Audience: []string{account}, Scope: "https://www.googleapis.com/auth/cloud-platform"}
	for _, c := range change {
		c(&o)
	}
	return newGate(t, Config{Options: o, Upstream: r.reach(), Now: at.now})
}

// info is what Google says of a good token, with one member changed: name and raw JSON; an empty one takes it away.
func info(changes ...string) string {
	members := map[string]string{
		"azp": `"` + account + `"`, "aud": `"` + account + `"`, "scope": `"openid https://www.googleapis.com/auth/cloud-platform"`,
		"exp": fmt.Sprintf(`"%d"`, noon.Add(time.Hour).Unix()), "expires_in": `"3599"`, "email": `"redox@project.iam.gserviceaccount.com"`, "email_verified": `"true"`,
	}
	for i := 0; i < len(changes); i += 2 {
		members[changes[i]] = changes[i+1]
	}
	var parts []string
	for name, value := range members {
		if value != "" {
			parts = append(parts, `"`+name+`":`+value)
		}
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// t10Answers: what Google or an issuer says is believed where it is whole and right, and nothing else is.
func t10Answers(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want int
	}{
		"good":                   {info(), 200},
		"times as numbers":       {info("exp", fmt.Sprint(noon.Add(time.Hour).Unix()), "expires_in", "3599"), 200},
		"expires_in alone":       {info("exp", ""), 200},
		"azp missing":            {info("azp", ""), 200},
		"another account":        {info("aud", `"1"`), 401},
		"another azp":            {info("azp", `"1"`), 401},
		"aud missing":            {info("aud", ""), 401},
		"scope missing":          {info("scope", ""), 401},
		"scope that begins so":   {info("scope", `"https://www.googleapis.com/auth/cloud-platform.read-only"`), 401},
		"expires_in 0":           {info("expires_in", `"0"`), 401},
		"exp past":               {info("exp", fmt.Sprintf(`"%d"`, noon.Unix())), 401},
		"expires_in -1 alone":    {info("exp", "", "expires_in", "-1"), 503},
		"expires_in 1e18 alone":  {info("exp", "", "expires_in", "1e18"), 503},
		"expires_in soon, alone": {info("exp", "", "expires_in", `"soon"`), 503},
		"no end":                 {info("exp", "", "expires_in", ""), 503},
		"web page":               {"<html>sign in</html>", 503},
		"empty":                  {"", 503},
		"a list":                 {"[]", 503},
		"null":                   {"null", 503},
		"an error with 200":      {`{"error":"invalid_token"}`, 503},
		"aud twice":              {strings.Replace(info(), "{", `{"aud":"1",`, 1), 503},
		"of 5 MB":                {`{"x":"` + strings.Repeat("x", 5<<20) + `"}`, 503},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRemote(t, sends(c.body))
			judge(t, googleGate(t, r, newClock()), name, "ya29.token-of-google-that-says-nothing", c.want)
		})
	}
}

// t11Refusals: a token that Google refuses is refused; one that it cannot judge now is asked about again.
func t11Refusals(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   int
	}{
		"400":                         {fails(400), 401},
		"401":                         {fails(401), 503},
		"403":                         {fails(403), 503},
		"404":                         {fails(404), 503},
		"429, Retry-After 999999":     {fails(429, "Retry-After", "999999"), 503},
		"429, Retry-After of 9999":    {fails(429, "Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT"), 503},
		"429, Retry-After of nothing": {fails(429, "Retry-After", "later"), 503},
		"500":                         {fails(500), 503},
		"204":                         {fails(204), 503},
	} {
		t.Run(name, func(t *testing.T) {
			at := newClock()
			r := newRemote(t, c.answer)
			g := googleGate(t, r, at)
			judge(t, g, name, "ya29.token-of-google", c.want)
			r.says(sends(info()))
			if c.want == 503 {
				judge(t, g, "asked again", "ya29.token-of-google", 200)
			} else {
				judge(t, g, "refused for a minute without asking", "ya29.token-of-google", c.want)
				if n := r.asked.Load(); n != 1 {
					t.Errorf("asked %d times about a token that was refused", n)
				}
			}
		})
	}
}

func t12Ends(t *testing.T) {
	at := newClock()
	r := newRemote(t, sends(info("exp", "", "expires_in", `"90"`)))
	g := googleGate(t, r, at)
	judge(t, g, "first", "ya29.token", 200)
	at.pass(89 * time.Second)
	judge(t, g, "before its end", "ya29.token", 200)
	if n := r.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	r.says(fails(400))
	at.pass(time.Second)
	judge(t, g, "at its end", "ya29.token", 401)
	// A verdict never lasts longer than an hour, whatever was said of it.
	r.says(sends(info("exp", "", "expires_in", `"999999"`)))
	judge(t, g, "a long one", "ya29.long", 200)
	r.says(fails(400))
	at.pass(time.Hour)
	judge(t, g, "an hour later", "ya29.long", 401)
}

func t13Flight(t *testing.T) {
	waiting := make(chan struct{})
	r := newRemote(t, func(w http.ResponseWriter, q *http.Request) {
		<-waiting
		sends(info())(w, q)
	})
	g := googleGate(t, r, newClock())
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { judge(t, g, "at once", "ya29.token", 200) })
	}
	close(waiting)
	all.Wait()
	if n := r.asked.Load(); n != 1 {
		t.Errorf("asked %d times about one token", n)
	}
}

func t14Redirects(t *testing.T) {
	elsewhere := newRemote(t, sends(info()))
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, to := range []string{elsewhere.URL + "/tokeninfo", "http://127.0.0.1:1/"} {
			r := newRemote(t, fails(status, "Location", to))
			judge(t, googleGate(t, r, newClock()), fmt.Sprint(status), "ya29.token", 503)
		}
	}
	if n := elsewhere.asked.Load(); n != 0 {
		t.Errorf("a token was sent elsewhere %d times", n)
	}
}

// An ID token of Google is judged by its keys, its account and its audience.
func TestAnIDTokenOfGoogleIsLetInForItsAccount(t *testing.T) {
	at := newClock()
	r := newRemote(t, sends(string(jwkSet("a", rsaKey().Public()))))
	g := newGate(t, Config{Upstream: r.reach(), Now: at.now, Options: Options{
		Strategy: strategyGoogle, JWKSURL: r.URL + "/certs", Audience: []string{"https://etl.example.org"}, Email: "redox@project.iam.gserviceaccount.com",
	}})
	good := map[string]any{
		"iss": "https://accounts.google.com", "aud": "https://etl.example.org", "sub": account, "email": "redox@project.iam.gserviceaccount.com",
		"email_verified": true, "iat": noon.Unix(), "exp": noon.Add(time.Hour).Unix(),
	}
	for name, c := range map[string]struct {
		changes []any
		want    int
	}{
		"good":                      {nil, 200},
		"iss spelled without https": {[]any{"iss", "accounts.google.com"}, 200},
		"iss another":               {[]any{"iss", "https://accounts.google.com.evil.example.org"}, 401},
		"another account":           {[]any{"email", "other@project.iam.gserviceaccount.com"}, 401},
		"e-mail not verified":       {[]any{"email_verified", false}, 401},
		"e-mail missing":            {[]any{"email", nil}, 401},
		"another audience":          {[]any{"aud", "https://other.example.org"}, 401},
	} {
		judge(t, g, name, sign(t, "RS256", "a", rsaKey(), but(good, c.changes...)), c.want)
	}
	judge(t, g, "an access token", "ya29.token", 401)
}

// A JWT of an external issuer is judged by its keys, and by the client and the scope that are asked for.
func TestATokenOfAnExternalIssuerIsLetInForItsClient(t *testing.T) {
	g := newGate(t, Config{Options: Options{
		Strategy: strategyOAuth, JWKSFile: keyFile(t, jwkSet("a", rsaKey().Public())), Issuer: "https://issuer.example.org",
		Audience: []string{"https://etl.example.org"}, ClientID: "redox-client", Scope: "push",
	}})
	good := but(usual(), "aud", "https://etl.example.org", "client_id", "redox-client", "scope", "read push")
	for name, c := range map[string]struct {
		changes []any
		want    int
	}{
		"good":                        {nil, 200},
		"azp in place of client_id":   {[]any{"client_id", nil, "azp", "redox-client"}, 200},
		"scp in place of scope":       {[]any{"scope", nil, "scp", []string{"read", "push"}}, 200},
		"another client":              {[]any{"client_id", "other"}, 401},
		"another client, azp right":   {[]any{"client_id", "other", "azp", "redox-client"}, 401},
		"no client":                   {[]any{"client_id", nil}, 401},
		"no scope":                    {[]any{"scope", nil}, 401},
		"scope that begins so":        {[]any{"scope", "pushed"}, 401},
		"scope that is no text":       {[]any{"scope", 1}, 401},
		"another audience":            {[]any{"aud", "https://other.example.org"}, 401},
		"audience of the destination": {[]any{"aud", publicURL + receiver}, 401},
	} {
		judge(t, g, name, sign(t, "RS256", "a", rsaKey(), but(good, c.changes...)), c.want)
	}
}

// An issuer that is asked about tokens (RFC 7662) hears who we are, and is believed for a minute.
func TestAnIssuerIsAskedAboutTokens(t *testing.T) {
	at := newClock()
	active := fmt.Sprintf(`{"active":true,"iss":"https://issuer.example.org","aud":["x","https://etl.example.org"],"scope":"push read","exp":%d}`, noon.Add(time.Hour).Unix())
	r := newRemote(t, nil)
	answers := func(body string) {
		r.says(func(w http.ResponseWriter, q *http.Request) {
			sent, _ := io.ReadAll(q.Body) // a cut body is no form
			form, _ := url.ParseQuery(string(sent))
			id, secret, ok := q.BasicAuth()
			if q.Method != http.MethodPost || !ok || id != "syncd" || secret != url.QueryEscape("s3cret/+of ours") || form.Get("token") != "opaque-token" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			sends(body)(w, q)
		})
	}
	answers(active)
	secret := "s3cret/+of ours"
	c := Config{
		Upstream: r.reach(), Now: at.now, Secrets: Secrets{ClientSecret: func() ([]byte, error) { return []byte(secret), nil }},
		Options: Options{
			Strategy: strategyOAuth, IntrospectionURL: r.URL + "/introspect", ClientID: "syncd", Issuer: "https://issuer.example.org",
			Audience: []string{"https://etl.example.org"}, Scope: "push",
		},
	}
	g := newGate(t, c)
	judge(t, g, "active", "opaque-token", 200)
	answers(`{"active":false}`)
	at.pass(59 * time.Second)
	judge(t, g, "revoked, within a minute", "opaque-token", 200)
	at.pass(time.Second)
	judge(t, g, "revoked, after a minute", "opaque-token", 401)
	for name, change := range map[string][2]string{
		"another issuer":   {`"iss":"https://issuer.example.org"`, `"iss":"https://evil.example.org"`},
		"another audience": {`"https://etl.example.org"`, `"https://etl.example.org.evil.example.org"`},
		"no scope":         {`"push read"`, `"pushed"`},
		"expired":          {`"exp":`, `"exp":1,"was":`},
		"end that is none": {`"exp":`, `"exp":"soon","was":`},
		"not active":       {`"active":true`, `"active":false`},
	} {
		answers(strings.Replace(active, change[0], change[1], 1))
		judge(t, newGate(t, c), name, "opaque-token", 401)
	}
	answers(strings.Replace(active, `"exp":`, fmt.Sprintf(`"exp":%d,"was":`, at.now().Add(30*time.Second).Unix()), 1))
	short := newGate(t, c)
	judge(t, short, "ends in 30 s", "opaque-token", 200)
	at.pass(30 * time.Second)
	judge(t, short, "ended", "opaque-token", 401)
	for _, nonsense := range []string{`{"active":"true"}`, `{}`, `[]`, `<html>`, ""} {
		answers(nonsense)
		judge(t, newGate(t, c), nonsense, "opaque-token", 503)
	}
	answers(active)
	secret = "wrong"
	judge(t, newGate(t, c), "while our own secret is wrong there", "opaque-token", 503)
	secret = ""
	judge(t, newGate(t, c), "while our own secret is missing", "opaque-token", 503)
}

// What is remembered of strangers' tokens is bounded, and never pushes out more than it has to.
func TestVerdictsAreBounded(t *testing.T) {
	at := newClock()
	asked := 0
	v := &verdicts{now: at.now, ask: nil}
	v.ask = func(_ context.Context, token string) (verdict, error) {
		asked++
		if strings.HasPrefix(token, "good") {
			return verdict{until: at.now().Add(time.Hour)}, nil
		}
		return verdict{bearerRefused("no"), at.now().Add(refusedFor)}, nil
	}
	if err := v.check(t.Context(), "good"); err != nil {
		t.Fatal(err)
	}
	for i := range 3 * mostVerdicts {
		if err := v.check(t.Context(), fmt.Sprint("bad", i)); err == nil {
			t.Fatal("let in")
		}
	}
	if n := len(v.known); n > mostVerdicts {
		t.Errorf("%d verdicts are kept", n)
	}
	before := asked
	if err := v.check(t.Context(), "good"); err != nil || asked != before {
		t.Errorf("a good token was forgotten for strangers' sake: %v, asked %d times", err, asked-before)
	}
}
