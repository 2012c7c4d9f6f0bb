package notice

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"syncd/extract"
)

const secretPath = "T0CANARY/B0CANARY/XyCANARYz"

func sample() Message {
	at := time.Date(2026, 3, 1, 7, 15, 0, 0, time.UTC)
	m := Message{Cause: RunFailed, State: Began, At: at, Host: "etl", Items: []Item{
		{Subject: "asthma", Began: at.Add(-time.Minute), RunID: 41, Detail: "failed, kind auth", Next: "syncd run 41"},
		{Subject: "registry_consented", Began: at, RunID: 42, Detail: "misconfigured", Next: "syncd check registry_consented", Again: true},
	}}
	return m.finish(&Rules{})
}

func post(url string, kind Kind) *Post {
	return &Post{
		Name: "ops", Kind: kind, URL: func(context.Context) (string, error) { return url, nil }, Version: "test", Log: slog.New(slog.DiscardHandler),
		Wait: time.Millisecond,
	}
}

// taker keeps what was posted and answers with a status.
func taker(t *testing.T, status int) (*httptest.Server, *[]byte, *string) {
	t.Helper()
	body, query := new([]byte), new(string)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*body, _ = io.ReadAll(r.Body)
		*query = r.URL.String()
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s of %s", r.Method, r.Header.Get("Content-Type"))
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	return s, body, query
}

func TestEachKindGetsTheMessageInItsWords(t *testing.T) {
	t.Parallel()
	const title, first, second = "2 jobs failed", "asthma: failed, kind auth, since 2026-03-01 07:14 UTC; next: syncd run 41",
		"registry_consented: misconfigured, since 2026-03-01 07:15 UTC (told before); next: syncd check registry_consented"
	text := func(text string, bold bool) any {
		run := map[string]any{"type": "TextRun", "text": text}
		if bold {
			run["weight"] = "Bolder"
		}
		return map[string]any{"type": "RichTextBlock", "inlines": []any{run}}
	}
	for kind, want := range map[Kind]map[string]any{
		Slack: {"text": title + "\n" + first + "\n" + second, "mrkdwn": false},
		Teams: {"type": "message", "attachments": []any{map[string]any{
			"contentType": "application/vnd.microsoft.card.adaptive",
			"content": map[string]any{
				"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4",
				"body": []any{text(title, true), text(first, false), text(second, false)},
			},
		}}},
		Webhook: {
			"cause": "run_failed", "state": "began", "title": title, "text": first + "\n" + second, "at": "2026-03-01T07:15:00Z", "host": "etl", "more": 0.0,
			"items": []any{
				map[string]any{"subject": "asthma", "began_at": "2026-03-01T07:14:00Z", "ended_at": nil, "count": 0.0, "run_id": 41.0, "detail": "failed, kind auth", "next": "syncd run 41", "again": false},
				map[string]any{
					"subject": "registry_consented", "began_at": "2026-03-01T07:15:00Z", "ended_at": nil, "count": 0.0, "run_id": 42.0, "detail": "misconfigured",
					"next": "syncd check registry_consented", "again": true,
				},
			},
		},
	} {
		for _, status := range []int{200, 202, 204} {
			s, body, asked := taker(t, status)
			if err := post(s.URL+"/services/"+secretPath+"?sig=a%2Fb&sp=%2Ftriggers", kind).Send(t.Context(), sample()); err != nil {
				t.Fatalf("%s, status %d: %v", kind, status, err)
			}
			var got map[string]any
			if err := json.Unmarshal(*body, &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s:\n%s", kind, diff)
			}
			if *asked != "/services/"+secretPath+"?sig=a%2Fb&sp=%2Ftriggers" {
				t.Errorf("posted to %s", *asked)
			}
		}
	}
}

func TestTheURLStandsInNoErrorAndNoRedirectIsFollowed(t *testing.T) {
	t.Parallel()
	var followed atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
	t.Cleanup(other.Close)
	redirecting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", other.URL+r.URL.Path)
		w.WriteHeader(http.StatusTemporaryRedirect)
	}))
	t.Cleanup(redirecting.Close)
	secure := httptest.NewTLSServer(http.NotFoundHandler()) // of an authority that nobody trusts
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	t.Cleanup(secure.Close)
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	failing, _, _ := taker(t, 500)
	gone, _, _ := taker(t, 404)
	secretPart := "/services/" + secretPath + "?sig=CANARY"
	for name, c := range map[string]struct {
		url  string
		kind extract.Kind
	}{
		"redirect":  {redirecting.URL + secretPart, extract.KindRedirect},
		"untrusted": {secure.URL + secretPart, extract.KindTLS},
		"closed":    {closed.URL + secretPart, extract.KindTransient},
		"500":       {failing.URL + secretPart, extract.KindTransient},
		"404":       {gone.URL + secretPart, extract.KindRefused},
		"clear":     {"http://hooks.example.com" + secretPart, extract.KindConfig},
		"no url":    {"hooks.CANARY", extract.KindConfig},
		"user":      {"https://user:CANARY@hooks.example.com/", extract.KindConfig},
		"path":      {"https://hooks.example.com/CANARY/../x", extract.KindInternal},
		"scheme":    {"ftp://hooks.example.com" + secretPart, extract.KindConfig},
	} {
		err := post(c.url, Webhook).Send(t.Context(), sample())
		if err == nil || extract.KindOf(err) != c.kind {
			t.Errorf("%s: kind %s: %v", name, extract.KindOf(err), err)
			continue
		}
		for e := err; e != nil; e = errors.Unwrap(e) {
			if strings.Contains(strings.ToUpper(e.Error()), "CANARY") {
				t.Errorf("%s: %v", name, e)
			}
		}
		var known *extract.Error
		if errors.As(err, &known); strings.Contains(known.Next, "CANARY") || known.Where != "notify.ops" {
			t.Errorf("%s: %+v", name, known)
		}
	}
	if n := followed.Load(); n > 0 {
		t.Errorf("%d redirects were followed", n)
	}
}
