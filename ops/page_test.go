package ops

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"
)

func lookAt(p *Page, host string, at net.Addr) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Host = host
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, at)))
	return w
}

var here = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8081}

func TestThePageShowsTextAsTextAndLoadsNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	p := NewPage(slog.New(slog.DiscardHandler), func(context.Context) (*Board, error) {
		return &Board{
			Title: "syncd", At: time.Date(2026, 3, 1, 2, 15, 0, 0, time.UTC), Status: "serving 2 jobs", Notices: []string{"redcap.main is down since 02:11"},
			Sections: []Section{
				{Title: "Jobs", Head: []string{"job", "state"}, Rows: []BoardRow{
					{Cells: []string{"asthma", "<script>alert(1)</script>"}, Tone: Bad}, {Cells: []string{"copd", ""}},
				}, Hint: "syncd runs --failed"},
				{Title: "Backfills", Head: []string{"backfill"}, Empty: "no backfill is open"},
				{Title: "Left out", Head: []string{"x"}},
			},
		}, nil
	})
	w := lookAt(p, "127.0.0.1:8081", here)
	text := w.Body.String()
	for _, want := range []string{
		"redcap.main is down since 02:11", "asthma", "&lt;script&gt;alert(1)", "no backfill is open", `class="bad"`, `data-head="state"`, "syncd cancel RUN",
		`datetime="2026-03-01T02:15:00Z"`, `name="viewport"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
	for _, never := range []string{"<script", "Left out", "//", "style=", "onload"} {
		if strings.Contains(strings.ReplaceAll(text, "<!doctype html>", ""), never) {
			t.Errorf("it holds %s", never)
		}
	}
	if csp := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'self'; script-src 'none'") || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", w.Header())
	}
	style := httptest.NewRecorder()
	p.Style(style, httptest.NewRequest(http.MethodGet, "/page.css", nil))
	if regexp.MustCompile(`url\(|@import|//`).MatchString(style.Body.String()) || style.Body.Len() == 0 {
		t.Error("the style sheet loads something, or is empty")
	}
}

func TestThePageIsForThisMachineWhereItsListenerIs(t *testing.T) {
	t.Parallel()
	p := NewPage(slog.New(slog.DiscardHandler), func(context.Context) (*Board, error) { return &Board{}, nil })
	everywhere := &net.TCPAddr{IP: net.IPv4(10, 0, 0, 7), Port: 8081}
	for _, c := range []struct {
		host string
		at   net.Addr
		want int
	}{
		{"127.0.0.1:8081", here, 200},
		{"localhost:18081", here, 200},
		{"[::1]:8081", here, 200},
		{"localhost", here, 200},
		{"evil.example.org:8081", here, 421},
		{"", here, 421},
		{"127.0.0.1.evil.example.org", here, 421},
		{"syncd.example.edu", everywhere, 200},
	} {
		if got := lookAt(p, c.host, c.at).Code; got != c.want {
			t.Errorf("%q at %s: %d, want %d", c.host, c.at, got, c.want)
		}
	}
}

func TestAPageWithoutFiguresSaysSoAndNothingElse(t *testing.T) {
	t.Parallel()
	p := NewPage(slog.New(slog.DiscardHandler), func(context.Context) (*Board, error) { return nil, errors.New("no such table as secret") })
	if w := lookAt(p, "localhost", here); w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
