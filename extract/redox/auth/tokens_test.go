package auth

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	newToken = "n3w-token-of-43-characters-that-nobody-guesses"
	oldToken = "0ld-token-of-43-characters-that-nobody-guesses"
)

func tokenGate(t *testing.T, tokens ...Secret) *Gate {
	t.Helper()
	return newGate(t, Config{Tokens: tokens})
}

// The basic option: every header that could hold the token and is there must hold an active one, and one of them must be there.
func TestVerificationTokensAreComparedWithAllThatAreActive(t *testing.T) {
	g := tokenGate(t, text(newToken), text(oldToken))
	bearer := func(token string) []string { return []string{"Authorization", "Bearer " + token} }
	header := func(token string) []string { return []string{"verification-token", token} }
	for name, c := range map[string]struct {
		headers []string
		want    int
	}{
		"H1 none":                         {nil, 401},
		"H2 wrong, as long":               {header("x" + newToken[1:]), 401},
		"H2 wrong, beginning alike":       {header(newToken[:len(newToken)-1]), 401},
		"H2 wrong, longer":                {header(newToken + "x"), 401},
		"H2 empty":                        {header(""), 401},
		"H2 of 1 MB":                      {header(strings.Repeat("x", 1<<20)), 401},
		"H4 right, then wrong":            {append(header(newToken), header("wrong")...), 401},
		"H4 wrong, then right":            {append(header("wrong"), header(newToken)...), 401},
		"H4 right twice":                  {append(header(newToken), header(newToken)...), 401},
		"H4 authorization twice":          {append(bearer(newToken), bearer(newToken)...), 401},
		"H6 new":                          {header(newToken), 200},
		"H6 old":                          {header(oldToken), 200},
		"both headers":                    {append(bearer(newToken), header(newToken)...), 200},
		"authorization alone":             {bearer(newToken), 200},
		"authorization in other case":     {[]string{"authorization", "BEARER " + newToken}, 200},
		"authorization wrong":             {append(bearer("wrong"), header(newToken)...), 401},
		"token wrong beside":              {append(bearer(newToken), header("wrong")...), 401},
		"authorization of another scheme": {append([]string{"Authorization", "Basic " + newToken}, header(newToken)...), 401},
		"blank before":                    {header(" " + newToken), 401},
		"both empty":                      {append(bearer(""), header("")...), 401},
		"in the address alone":            {nil, 401},
	} {
		r := push("{}", c.headers...)
		if name == "in the address alone" { // H3
			r.URL.RawQuery, r.RequestURI = "verification-token="+newToken, receiver+"?verification-token="+newToken
		}
		r.Bytes = func() ([]byte, error) { t.Errorf("%s: the body was read", name); return nil, nil }
		if got := status(t, g.Check(t.Context(), r)); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	// H6: the window ends when the old token is taken out of the configuration.
	if got := status(t, tokenGate(t, text(newToken)).Check(t.Context(), push("{}", header(oldToken)...))); got != 401 {
		t.Errorf("old token after its time: %d", got)
	}
}

// H5. A token that is empty or cannot be read makes a receiver that judges nobody.
func TestAMissingTokenIsOurFault(t *testing.T) {
	for name, bad := range map[string]Secret{"empty": text(""), "unreadable": missing()} {
		g := tokenGate(t, text(newToken), bad)
		for _, token := range []string{newToken, "wrong", ""} {
			if got := status(t, g.Check(t.Context(), push("{}", "verification-token", token))); got != 503 {
				t.Errorf("%s, with token %q: %d", name, token, got)
			}
		}
		if !hasFinding(g.Diagnose(t.Context()), Fault, "verification token 2") {
			t.Errorf("%s: found %v", name, g.Diagnose(t.Context()))
		}
	}
	if _, err := New(Config{Destination: "hospital"}); err == nil {
		t.Error("a receiver without tokens and strategy was made")
	}
	if _, err := New(Config{Tokens: slices.Repeat([]Secret{text(newToken)}, MaxTokens+1)}); err == nil {
		t.Error("a receiver with any number of tokens was made")
	}
}

// A secret is read again within seconds, so that a rotation needs no restart.
func TestATokenThatChangesIsSeen(t *testing.T) {
	at, value := newClock(), oldToken
	g := newGate(t, Config{Now: at.now, Tokens: []Secret{func() ([]byte, error) {
		if value == "" {
			return nil, errors.New("gone")
		}
		return []byte(value), nil
	}}})
	check := func(token string, want int) {
		t.Helper()
		if got := status(t, g.Check(t.Context(), push("{}", "verification-token", token))); got != want {
			t.Errorf("%d, want %d", got, want)
		}
	}
	check(oldToken, 200)
	value = newToken
	at.pass(freshFor)
	check(newToken, 200)
	check(oldToken, 401)
	value = ""
	at.pass(freshFor)
	check(newToken, 503)
	value = newToken
	at.pass(freshFor)
	check(newToken, 200)
}

// While one request reads a secret again, which may take a command its time, the others go on with what was read before.
func TestASlowSecretHoldsUpOneRequest(t *testing.T) {
	at, reading, goOn := newClock(), make(chan struct{}), make(chan struct{})
	reads := 0
	s := newSecret(func() ([]byte, error) {
		if reads++; reads > 1 {
			close(reading)
			<-goOn
		}
		return []byte(fmt.Sprint("secret ", reads)), nil
	}, at.now)
	get := func() string { return string(must(s.get())) }
	if got := get(); got != "secret 1" {
		t.Fatal(got)
	}
	at.pass(freshFor)
	slow := make(chan string)
	go func() { slow <- get() }()
	<-reading
	if got := get(); got != "secret 1" {
		t.Errorf("while it is read: %s", got)
	}
	at.pass(staleFor)
	late := make(chan string)
	go func() { late <- get() }()
	close(goOn)
	for _, c := range []chan string{slow, late} {
		if got := <-c; got != "secret 2" {
			t.Errorf("afterwards: %s", got)
		}
	}
}

// The uses of each token are counted once a request, and only of requests that were let in.
func TestTheUsesOfTokensAreCounted(t *testing.T) {
	g := tokenGate(t, text(newToken), text(oldToken))
	for range 3 {
		_ = g.Check(t.Context(), push("{}", "Authorization", "Bearer "+oldToken, "verification-token", oldToken))
	}
	_ = g.Check(t.Context(), push("{}", "verification-token", newToken))
	_ = g.Check(t.Context(), push("{}", "verification-token", newToken, "Authorization", "Bearer wrong"))
	_ = g.Check(t.Context(), push("{}", "verification-token", "wrong"))
	uses := g.Uses()
	if len(uses) != 2 || uses[Fingerprint([]byte(oldToken))] != 3 || uses[Fingerprint([]byte(newToken))] != 1 {
		t.Errorf("uses %v", uses)
	}
	if again := g.Uses(); len(again) != 0 {
		t.Errorf("uses were counted twice: %v", again)
	}
	strict := newGate(t, Config{Tokens: []Secret{text(newToken)}, Options: Options{Strategy: strategySigV4, AccessKey: "a", Region: "r", Service: "s"}, Secrets: Secrets{SecretKey: text("x")}})
	_ = strict.Check(t.Context(), push("{}", "verification-token", newToken))
	if uses := strict.Uses(); len(uses) != 0 {
		t.Errorf("a push whose credential is wrong counts: %v", uses)
	}
}

// H2. However early a token is known to be right or wrong, it is compared with all, over digests and in constant time. That a
// comparison is constant in time no test can prove: this one sees that nobody puts another in its place, and
// BenchmarkRefusing measures it.
func TestTokensAreComparedWithAllAndInConstantTime(t *testing.T) {
	for name, token := range map[string]string{"first": newToken, "last": oldToken, "none": "wrong"} {
		read := make([]int, 3)
		var active []Secret
		for i, value := range []string{newToken, "another", oldToken} {
			active = append(active, func() ([]byte, error) { read[i]++; return []byte(value), nil })
		}
		_ = tokenGate(t, active...).Check(t.Context(), push("{}", "verification-token", token))
		if !slices.Equal(read, []int{1, 1, 1}) {
			t.Errorf("the %s: tokens were read %v times", name, read)
		}
	}
	calls := map[string]string{"equal": "subtle.ConstantTimeCompare", "signed": "hmac.Equal"}
	for _, file := range []string{"secret.go", "sigv4.go"} {
		parsed := must(parser.ParseFile(token.NewFileSet(), file, nil, 0))
		for _, d := range parsed.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || calls[f.Name.Name] == "" {
				continue
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if call, ok := n.(*ast.SelectorExpr); ok && fmt.Sprintf("%v.%s", call.X, call.Sel.Name) == calls[f.Name.Name] {
					delete(calls, f.Name.Name)
				}
				return true
			})
		}
	}
	if len(calls) > 0 {
		t.Errorf("secrets are compared in another way than by %v", calls)
	}
}

// BenchmarkRefusing measures whether the time of a refusal tells how much of a token was right: t is Welch's statistic over the
// faster half of the samples, for what other processes do to the clock is in the slower.
func BenchmarkRefusing(b *testing.B) {
	const length = 43
	g, err := New(Config{Tokens: []Secret{text(strings.Repeat("a", length))}})
	if err != nil {
		b.Fatal(err)
	}
	tokens := [2]string{strings.Repeat("a", length-1) + "b", "b" + strings.Repeat("a", length-1)}
	var took [2][]float64
	requests := [2]*Request{push("{}", "verification-token", tokens[0]), push("{}", "verification-token", tokens[1])}
	for b.Loop() {
		i := rand.IntN(2)
		began := time.Now()
		_ = g.Check(b.Context(), requests[i])
		took[i] = append(took[i], float64(time.Since(began)))
	}
	for i := range took {
		slices.Sort(took[i])
		took[i] = took[i][:max(len(took[i])/2, 2)]
	}
	b.ReportMetric(welch(took[0], took[1]), "t")
}

// welch returns the t statistic of two samples.
func welch(a, b []float64) float64 {
	moments := func(s []float64) (mean, variance float64) {
		for _, x := range s {
			mean += x / float64(len(s))
		}
		for _, x := range s {
			variance += (x - mean) * (x - mean) / float64(len(s)-1)
		}
		return mean, variance
	}
	ma, va := moments(a)
	mb, vb := moments(b)
	return (ma - mb) / math.Sqrt(va/float64(len(a))+vb/float64(len(b)))
}

// A push must satisfy all that is configured; a handshake token or credential, or both where that is asked for.
func TestTokenAndCredentialAreBothRequired(t *testing.T) {
	c := Config{
		PublicURL: publicURL, Path: receiver, Tokens: []Secret{text(newToken)},
		Options: Options{Strategy: strategyBearer, Issuer: "https://issuer.example.org", JWKSFile: keyFile(t, jwkSet("a", rsaKey().Public()))},
	}
	good := sign(t, "RS256", "a", rsaKey(), usual())
	plain := newGate(t, c)
	c.HandshakeRequiresCredential = true
	strict := newGate(t, c)
	c.Tokens = nil
	tokenless := newGate(t, c)
	for name, row := range map[string]struct {
		token, credential                    string
		push, handshake, strict, noTokenOnes int
	}{
		"both":             {newToken, good, 200, 200, 200, 200},
		"token alone":      {newToken, "", 401, 200, 401, 401},
		"credential alone": {"", good, 401, 200, 401, 200},
		"wrong token":      {"wrong", good, 401, 200, 401, 200},
		"wrong credential": {newToken, good + "A", 401, 200, 401, 401},
		"neither":          {"", "", 401, 401, 401, 401},
		"both wrong":       {"wrong", good + "A", 401, 401, 401, 401},
	} {
		request := func() *Request {
			r := push("{}")
			if row.token != "" {
				r.Header.Set("verification-token", row.token)
			}
			if row.credential != "" {
				r.Header.Set("Authorization", "Bearer "+row.credential)
			}
			return r
		}
		for what, got := range map[string][2]int{
			"push":                     {status(t, plain.Check(t.Context(), request())), row.push},
			"handshake":                {status(t, plain.Handshake(t.Context(), request(), row.token)), row.handshake},
			"strict handshake":         {status(t, strict.Handshake(t.Context(), request(), row.token)), row.strict},
			"handshake without tokens": {status(t, tokenless.Handshake(t.Context(), request(), row.token)), row.noTokenOnes},
		} {
			if got[0] != got[1] {
				t.Errorf("%s, %s: %d, want %d", name, what, got[0], got[1])
			}
		}
	}
	basic := tokenGate(t, text(newToken))
	for token, want := range map[string]int{newToken: 200, "wrong": 401, "": 401} {
		if got := status(t, basic.Handshake(t.Context(), push("{}"), token)); got != want {
			t.Errorf("basic handshake with token %q: %d, want %d", token, got, want)
		}
	}
	if uses := basic.Uses(); uses[Fingerprint([]byte(newToken))] != 1 {
		t.Errorf("uses of a handshake: %v", uses)
	}
	if got := status(t, tokenGate(t, missing()).Handshake(t.Context(), push("{}"), newToken)); got != http.StatusServiceUnavailable {
		t.Errorf("handshake of a receiver whose token is missing: %d", got)
	}
}

func TestDiagnoseTellsWhatIsWeak(t *testing.T) {
	found := tokenGate(t, text("short"), text(newToken)).Diagnose(t.Context())
	if !hasFinding(found, Warning, "verification token 1") || !hasFinding(found, Good, "verification token 2") || !hasFinding(found, Warning, "only the verification token") {
		t.Errorf("found %v", found)
	}
	for _, f := range found {
		if strings.Contains(f.What+f.Next, newToken) || f.Level != Good && f.Next == "" {
			t.Errorf("finding %v", f)
		}
	}
	sig := sigGate(t, func(c *Config) { c.Secrets.SecretKeyOld, c.PublicURL = missing(), "" }).Diagnose(t.Context())
	if !hasFinding(sig, Good, "secret_key can be read") || !hasFinding(sig, Fault, "secret_key_old") || !hasFinding(sig, Warning, "public_url") || hasFinding(sig, Warning, "only the") {
		t.Errorf("found %v", sig)
	}
	r := newRemote(t, fails(400))
	if found := googleGate(t, r, newClock()).Diagnose(t.Context()); !hasFinding(found, Good, "tokeninfo_url") {
		t.Errorf("found %v", found)
	}
	r.says(fails(500))
	if found := googleGate(t, r, newClock()).Diagnose(t.Context()); !hasFinding(found, Fault, "tokeninfo_url") {
		t.Errorf("found %v", found)
	}
	if found := remoteGate(t, r, newClock()).Diagnose(t.Context()); !hasFinding(found, Fault, "status 500") {
		t.Errorf("found %v", found)
	}
	r.says(sends(string(jwkSet("a", rsaKey().Public()))))
	if found := remoteGate(t, r, newClock()).Diagnose(t.Context()); !hasFinding(found, Good, "1 usable key") {
		t.Errorf("found %v", found)
	}
}
