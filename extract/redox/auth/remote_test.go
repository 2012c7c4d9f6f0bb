package auth

import (
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"

	"syncd/extract/upstream"
)

// remote is a server with a certificate of its own that answers as a test says.
type remote struct {
	*httptest.Server
	ca     string
	asked  atomic.Int64
	mu     sync.Mutex
	answer http.HandlerFunc
}

func newRemote(t *testing.T, answer http.HandlerFunc) *remote {
	t.Helper()
	r := &remote{answer: answer}
	r.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.asked.Add(1)
		r.mu.Lock()
		answer := r.answer
		r.mu.Unlock()
		answer(w, q)
	}))
	t.Cleanup(r.Close)
	r.ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(r.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *remote) says(answer http.HandlerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

func (r *remote) reach() upstream.Config { return upstream.Config{CAFile: r.ca, Proxy: "none"} }

// sends answers 200 with this body and these headers, a name and a value each.
func sends(body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		_, _ = w.Write([]byte(body))
	}
}

func fails(status int, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"error":"invalid_token"}`))
	}
}

// remoteGate lets JWTs in whose keys are at a remote.
func remoteGate(t *testing.T, r *remote, at *clock) *Gate {
	t.Helper()
	return newGate(t, Config{PublicURL: "https://etl.example.org", Path: "/redox/hospital-7f3c", Upstream: r.reach(), Now: at.now, Options: Options{
		Strategy: strategyBearer, Issuer: "https://issuer.example.org", JWKSURL: r.URL + "/keys",
	}})
}

// lasting are claims that are let in at the time of a clock.
func lasting(at *clock) map[string]any {
	return but(usual(), "iat", at.now().Unix(), "exp", at.now().Add(10*time.Minute).Unix())
}

// t9KeySets: whatever a server sends in place of a set, the last good one is used until it is a day old, and what cannot be
// judged is answered with 503.
func t9KeySets(t *testing.T) {
	good := jwkSet("a", rsaKey().Public())
	private := string(must(json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{KeyID: "b", Key: strangerKey()}}})))
	encryption := string(must(json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{KeyID: "b", Key: strangerKey().Public(), Use: "enc"}}})))
	for name, bad := range map[string]http.HandlerFunc{
		"of 10 MB":        sends(`{"keys":[` + strings.Repeat(" ", 10<<20) + `]}`),
		"duplicate kid":   sends(string(jwkSet("b", strangerKey().Public(), "b", rsaKey().Public()))),
		"private members": sends(private),
		"shared secret":   sends(`{"keys":[{"kty":"oct","kid":"b","k":"AAAA"}]}`),
		"use enc":         sends(encryption),
		"unknown curve":   sends(`{"keys":[{"kty":"EC","kid":"b","crv":"P-192","x":"AA","y":"AA"}]}`),
		"web page":        sends("<html><body>Down for maintenance</body></html>", "Content-Type", "text/html"),
		"empty":           sends(""),
		"empty set":       sends(`{"keys":[]}`),
		"two documents":   sends(string(good) + string(good)),
		"redirect":        fails(302, "Location", "https://evil.example.org/keys"),
		"500":             fails(500),
		"404":             fails(404),
	} {
		t.Run(name, func(t *testing.T) {
			at := newClock()
			r := newRemote(t, bad)
			g := remoteGate(t, r, at)
			judge(t, g, "cold", sign(t, jose.RS256, "a", rsaKey(), lasting(at)), 503)
			judge(t, g, "cold at once again", sign(t, jose.RS256, "a", rsaKey(), lasting(at)), 503)
			if n := r.asked.Load(); n != 1 {
				t.Errorf("asked %d times at once after a failure", n)
			}
			at.pass(11 * time.Second)
			r.says(sends(string(good)))
			judge(t, g, "good set", sign(t, jose.RS256, "a", rsaKey(), lasting(at)), 200)
			at.pass(11 * time.Minute)
			r.says(bad)
			before := r.asked.Load()
			judge(t, g, "known key", sign(t, jose.RS256, "a", rsaKey(), lasting(at)), 200)
			judge(t, g, "unknown key", sign(t, jose.RS256, "b", strangerKey(), lasting(at)), 503)
			if n := r.asked.Load() - before; n != 1 {
				t.Errorf("asked %d times within a minute", n)
			}
			at.pass(25 * time.Hour)
			judge(t, g, "known key a day later", sign(t, jose.RS256, "a", rsaKey(), lasting(at)), 503)
			r.says(sends(string(good)))
			at.pass(time.Minute)
			judge(t, g, "good set again", sign(t, jose.RS256, "a", rsaKey(), lasting(at)), 200)
		})
	}
}

// A new key is found when the first token names it, and strangers cannot make us ask more than once a minute.
func TestANewKeyIsFoundAndStrangersDoNotMakeUsAsk(t *testing.T) {
	at := newClock()
	r := newRemote(t, sends(string(jwkSet("a", rsaKey().Public())), "Cache-Control", "public, max-age=3600"))
	g := remoteGate(t, r, at)
	judge(t, g, "first", sign(t, jose.RS256, "a", rsaKey(), lasting(at)), 200)
	for range 20 {
		judge(t, g, "unknown", sign(t, jose.RS256, "b", strangerKey(), lasting(at)), 401)
	}
	if n := r.asked.Load(); n != 1 {
		t.Errorf("asked %d times in one minute", n)
	}
	at.pass(time.Minute)
	r.says(sends(string(jwkSet("a", rsaKey().Public(), "b", strangerKey().Public())), "Cache-Control", "max-age=3600"))
	judge(t, g, "new key", sign(t, jose.RS256, "b", strangerKey(), lasting(at)), 200)
	at.pass(59 * time.Minute)
	r.says(sends(string(jwkSet("b", strangerKey().Public()))))
	judge(t, g, "old key while its set may be kept", sign(t, jose.RS256, "a", rsaKey(), lasting(at)), 200)
	at.pass(2 * time.Minute)
	judge(t, g, "old key that was taken away", sign(t, jose.RS256, "a", rsaKey(), lasting(at)), 401)
	if n := r.asked.Load(); n != 3 {
		t.Errorf("asked %d times in all", n)
	}
}

// Many pushes before the set is there ask for it once.
func TestASetIsAskedForOnceByAllWhoWait(t *testing.T) {
	at := newClock()
	waiting := make(chan struct{})
	r := newRemote(t, func(w http.ResponseWriter, q *http.Request) {
		<-waiting
		sends(string(jwkSet("a", rsaKey().Public())))(w, q)
	})
	g := remoteGate(t, r, at)
	token := sign(t, jose.RS256, "a", rsaKey(), lasting(at))
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { judge(t, g, "waiting", token, 200) })
	}
	close(waiting)
	all.Wait()
	if n := r.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

// A server that takes a request and never answers is given up after the time that is configured.
func TestWhoNeverAnswersIsGivenUp(t *testing.T) {
	r := newRemote(t, func(_ http.ResponseWriter, q *http.Request) {
		_, _ = io.Copy(io.Discard, q.Body) // until then a server does not notice that its client is gone
		<-q.Context().Done()
	})
	reach := r.reach()
	reach.Timeout = 20 * time.Millisecond
	g := newGate(t, Config{Upstream: reach, Options: Options{Strategy: strategyGoogle, TokeninfoURL: r.URL, Audience: []string{account}}})
	judge(t, g, "never", "ya29.token", 503)
}

func TestHowLongASetIsKeptIsWhatItsServerSays(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"": 10 * time.Minute, "max-age=1200": 20 * time.Minute, "public, max-age=19845, must-revalidate": 19845 * time.Second, "no-store": time.Minute,
		"max-age=0": time.Minute, "max-age=99999999": 24 * time.Hour, "MAX-AGE=\"600\"": 10 * time.Minute, "max-age=soon": 10 * time.Minute, "max-age=-5": time.Minute,
	} {
		if got := maxAge(header); got != want {
			t.Errorf("%q: %v, want %v", header, got, want)
		}
	}
}

// An issuer on this machine needs no certificate: what it says does not leave the machine.
func TestAnIssuerOnThisMachineIsAskedOverPlainHTTP(t *testing.T) {
	at := newClock()
	server := httptest.NewServer(sends(string(jwkSet("a", rsaKey().Public()))))
	t.Cleanup(server.Close)
	g := newGate(t, Config{PublicURL: "https://etl.example.org", Path: "/redox/hospital-7f3c", Upstream: upstream.Config{Proxy: "none"}, Now: at.now, Options: Options{
		Strategy: strategyBearer, Issuer: "https://issuer.example.org", JWKSURL: server.URL + "/keys",
	}})
	judge(t, g, "ours", sign(t, jose.RS256, "a", rsaKey(), lasting(at)), 200)
	judge(t, g, "a stranger's", sign(t, jose.RS256, "a", strangerKey(), lasting(at)), 401)
}
