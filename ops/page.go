package ops

import (
	"bytes"
	"context"
	_ "embed"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

var (
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	pageCSS []byte
)

// Board is what the page shows: some tables of text. Whoever makes it sees to it that no value of a record stands in it.
type Board struct {
	Title    string
	At       time.Time // of the figures
	Status   string    // how the daemon is, in a line
	Notices  []string  // what somebody should look at first
	Sections []Section
}

// Section is one table.
type Section struct {
	Title string
	Head  []string
	Rows  []BoardRow
	Empty string // what is said where there are no rows; a section without rows and this is left out
	Hint  string // how to act on it: the command to type
}

// BoardRow is one line of a table.
type BoardRow struct {
	Cells []string
	Tone  Tone
}

// Tone says how a row is to be seen.
type Tone string

// The tones.
const (
	Calm    Tone = ""
	Running Tone = "running"
	Warn    Tone = "warn"
	Bad     Tone = "bad"
)

// Page shows how everything stands to people with a browser. It has nothing to press: what is to be done is done by the command line, as
// the page says. It loads nothing from elsewhere and runs no script.
type Page struct {
	ask      func(context.Context) (*Board, error)
	log      *slog.Logger
	template *template.Template

	mu sync.Mutex // one is made at a time, however many look
}

// NewPage makes a page of boards that ask makes when somebody looks.
func NewPage(log *slog.Logger, ask func(context.Context) (*Board, error)) *Page {
	return &Page{ask: ask, log: log, template: template.Must(template.New("page").Funcs(template.FuncMap{"label": label}).Parse(pageHTML))}
}

// label is the head of a cell's column, which narrow screens show beside it.
func label(head []string, i int) string {
	if i < len(head) {
		return head[i]
	}
	return ""
}

// Style serves the page's style sheet.
func (p *Page) Style(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(pageCSS) // whoever asked may have gone
}

// ServeHTTP shows the page.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if foreign(r) {
		http.Error(w, "the page is for this machine: ask for it by 127.0.0.1 or localhost", http.StatusMisdirectedRequest)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	ctx, cancel := context.WithTimeout(r.Context(), askWithin)
	defer cancel()
	board, err := p.ask(ctx)
	if err != nil {
		p.log.Warn("the page could not be made", slog.Any("error", err))
		http.Error(w, "the figures cannot be had now; the log says why", http.StatusServiceUnavailable)
		return
	}
	var text bytes.Buffer
	if err := p.template.Execute(&text, board); err != nil {
		p.log.Error("the page could not be written", slog.Any("error", err))
		http.Error(w, "the page could not be written; the log says why", http.StatusInternalServerError)
		return
	}
	for name, value := range map[string]string{
		"Content-Type":            "text/html; charset=utf-8",
		"Content-Security-Policy": "default-src 'self'; script-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		"X-Content-Type-Options":  "nosniff",
		"Referrer-Policy":         "no-referrer",
		"Cache-Control":           "no-store",
	} {
		w.Header().Set(name, value)
	}
	_, _ = w.Write(text.Bytes())
}

// foreign says that a request came to this machine's own address under the name of another: a page of elsewhere whose name was made to
// lead here would read this one.
func foreign(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok || !loopback(local.String()) {
		return false
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return host != "localhost" && !loopback(host)
}

// loopback says of an address, with or without a port, that it is this machine's own.
func loopback(text string) bool {
	if at, err := netip.ParseAddrPort(text); err == nil {
		return at.Addr().Unmap().IsLoopback()
	}
	a, err := netip.ParseAddr(text)
	return err == nil && a.Unmap().IsLoopback()
}
