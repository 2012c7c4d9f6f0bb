package main

import (
	"context"
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"syncd/extract/redox"
	fake "syncd/internal/fake/redox"
)

// Senders whose credential somebody else answers for: let in while that one says so, and kept waiting while it says nothing.
func TestReceiversAskWhoeverIssuedACredential(t *testing.T) {
	t.Parallel()
	issuer, err := fake.NewIssuer("https://accounts.google.com", fake.Account{ClientID: "1234", Email: "robot@example.org", Scope: "push"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewTLSServer(issuer)
	defer server.Close()
	workload, err := fake.NewKey("RS256", "w")
	if err != nil {
		t.Fatal(err)
	}
	google := func(grant, scope string) fake.Credential {
		return fake.GoogleWIF(fake.Federation{
			TokenURL: server.URL + "/token", ImpersonationURL: server.URL + "/sa:" + grant, Audience: "pool", Scope: scope,
			Workload: fake.Assertion{Key: workload, Issuer: "redox", Audience: "pool"},
		})
	}
	client := fake.Client{TokenURL: server.URL + "/token", ID: "redox", Secret: "s"}
	credentials := map[string]fake.Credential{
		"access": google("generateAccessToken", "push"), "identity": google("generateIdToken", "syncd"), "introspect": fake.OAuth2(client),
	}
	var mu sync.Mutex
	refusals := map[string][]string{}
	r := newRehearsal(t, fmt.Sprintf(`[redox.access]
path = "/redox/access"
ca_file = "issuer.pem"
[redox.access.auth]
strategy = "google-wif"
tokeninfo_url = "%[1]s/tokeninfo"
audience = "1234"
scope = "push"
[redox.identity]
path = "/redox/identity"
ca_file = "issuer.pem"
[redox.identity.auth]
strategy = "google-wif"
jwks_url = "%[1]s/jwks"
audience = "syncd"
email = "robot@example.org"
[redox.introspect]
path = "/redox/introspect"
ca_file = "issuer.pem"
[redox.introspect.auth]
strategy = "oauth2"
introspection_url = "%[1]s/introspect"
client_id = "syncd"
client_secret = "file:secret"
`, server.URL), map[string]string{
		"secret":     strings.Repeat("s", 43),
		"issuer.pem": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})),
	}, func(e redox.Event) {
		mu.Lock()
		defer mu.Unlock()
		refusals[e.Receiver] = append(refusals[e.Receiver], e.Reason)
	})
	for name, credential := range credentials {
		ctx, cancel := context.WithCancel(t.Context())
		sender := fake.New(fake.Config{URL: "http://" + r.intake.addr + "/redox/" + name, Credential: credential, Client: server.Client(), Observe: func(a fake.Attempt) {
			if !a.Acknowledged() {
				cancel() // else it is tried again without end
			}
		}})
		if err := sender.Verify(ctx, fake.Handshake{Method: "POST", Credentialed: true}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := sender.Send(ctx, slices.Values(fake.NewHistory(fake.HistorySpec{Clock: time.Now}).Take(20))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
		mu.Lock()
		if n := scalar(t, r.database, "SELECT count(*) FROM syncd.delivery WHERE destination = '"+name+"'"); n != "20" || len(refusals[name]) != 0 {
			t.Errorf("%s: %s of 20 kept, refused %v", name, n, refusals[name])
		}
		mu.Unlock()
	}
	token := issuer.Opaque(time.Hour)
	issuer.Down(true)
	for _, name := range []string{"access", "introspect"} {
		status := pushWith(t, "http://"+r.intake.addr+"/redox/"+name, token)
		if status != 503 {
			t.Errorf("%s: %d while nobody can be asked, want 503", name, status)
		}
	}
	issuer.Down(false)
	for _, name := range []string{"access", "introspect", "identity"} {
		if status := pushWith(t, "http://"+r.intake.addr+"/redox/"+name, "ya29.not-given-out"); status != 401 {
			t.Errorf("%s: %d for a token that nobody gave out, want 401", name, status)
		}
	}
}

// pushWith pushes once with a bearer token and returns the status.
func pushWith(t *testing.T, url, token string) int {
	t.Helper()
	s := fake.New(fake.Config{URL: url, Credential: fake.Bearer(token)})
	status, _, err := s.Ask(t.Context(), fake.NewHistory(fake.HistorySpec{}).Next())
	if err != nil {
		t.Fatal(err)
	}
	return status
}
