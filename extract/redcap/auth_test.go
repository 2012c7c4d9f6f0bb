package redcap

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"syncd/extract"
	fake "syncd/internal/fake/redcap"
)

// TestRefusedTokenIsSentOnceAndTheErrorNamesTheLikelyCauses refuses the token at the first request, and again in the
// middle of a pull: it may be locked out for good if it goes on asking.
func TestRefusedTokenIsSentOnceAndTheErrorNamesTheLikelyCauses(t *testing.T) {
	t.Parallel()
	for name, match := range map[string]func(fake.Request) bool{
		"at first":      func(fake.Request) bool { return true },
		"in the middle": data,
	} {
		t.Run(name, func(t *testing.T) {
			p := small(fake.Classic, 60)
			server, url := serve(t, fake.Options{}, p)
			server.Fault(fake.Fault{Kind: fake.TokenRefused, Match: match})
			_, _, err := pullInto(t, source(t, url, p.Token()), newStore(t))
			var e *extract.Error
			if !errors.As(err, &e) || e.Kind != extract.KindAuth {
				t.Fatalf("%v, want an error of kind auth", err)
			}
			refused := 0
			for _, r := range server.Requests() {
				if r.Fault == fake.TokenRefused {
					refused++
				}
			}
			if refused != 1 {
				t.Errorf("the refused token was sent %d times", refused)
			}
			inOrder(t, err.Error(), "expired or suspended", "API right", "regenerated")
			inOrder(t, e.Next, "expired or suspended", "API Export", "API page", "syncd check")
			var user string
			p.Rights(func(u *fake.User) { user = u.Name })
			for _, secret := range []string{p.Token(), user} {
				if strings.Contains(err.Error()+e.Next, secret) {
					t.Error("token or user name in the text")
				}
			}
		})
	}
}

func inOrder(t *testing.T, text string, parts ...string) {
	t.Helper()
	rest := text
	for _, part := range parts {
		_, after, ok := strings.Cut(rest, part)
		if !ok {
			t.Errorf("%q does not say %q, or not in its place", text, part)
		}
		rest = after
	}
}

func TestRefusalInAnyLanguageIsTheTokens(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden} {
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, `{"error":"Sie sind nicht berechtigt"}`, status)
		}))
		t.Cleanup(web.Close)
		_, err := source(t, web.URL+"/api/", strings.Repeat("0", 32)).Describe(t.Context(), extract.Since{})
		if extract.KindOf(err) != extract.KindAuth {
			t.Fatalf("status %d: %v", status, err)
		}
		inOrder(t, err.Error(), "expired or suspended", "API right", "regenerated")
	}
}

func TestPagesAndDatabaseErrorsAreOutagesAndWhatPHPPrintsIsNone(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`[{"record_id":"1"}]`: "",
		"":                    "",
		"<!DOCTYPE html><html><title>REDCap is offline</title>":                        errHTML.Error(),
		"\xEF\xBB\xBF \n<html><body>Log in":                                            errHTML.Error(),
		"<br />\n<b>Fatal error</b>: Uncaught":                                         "",
		`{"error":"REDCap ran out of server memory."}`:                                 "",
		"ERROR: The hostname (x) / username (x) could not connect to the MySQL server": errDatabase.Error(),
	} {
		if got := outage([]byte(body)); got != want {
			t.Errorf("%.40q is %q, want %q", body, got, want)
		}
	}
}
