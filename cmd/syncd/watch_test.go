package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"syncd/extract/redox"
)

// firstWrite is a stream that tells when it was first written to.
type firstWrite struct {
	mu    sync.Mutex
	text  bytes.Buffer
	first chan struct{}
}

func (w *firstWrite) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.text.Len() == 0 {
		close(w.first)
	}
	return w.text.Write(p)
}

func (w *firstWrite) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// watching runs `syncd watch ward` against a daemon's watchers, and returns once it watches.
func watching(t *testing.T, ws *watchers, args ...string) (stdout *bytes.Buffer, end <-chan int) {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("GET /watch/{name}", ws)
	admin := httptest.NewServer(mux)
	t.Cleanup(admin.Close)
	path := filepath.Join(t.TempDir(), "jobs.toml")
	text := fmt.Sprintf("postgres.url = 'postgres:///x'\nserve.admin = %q\n[redox.ward]\npath = '/w'\nverification_tokens = 'env:WARD'\n", strings.TrimPrefix(admin.URL, "http://"))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	stdout = &bytes.Buffer{}
	stderr := &firstWrite{first: make(chan struct{})}
	m := &Main{Args: append([]string{"-c", path, "watch", "ward"}, args...), Stdout: stdout, Stderr: stderr, Now: time.Now}
	code := make(chan int, 1)
	go func() { code <- m.Run(t.Context()) }()
	<-stderr.first
	if got := stderr.String(); got != "watching ward; Ctrl-C ends it\n" {
		t.Fatalf("stderr: %s", got)
	}
	return stdout, code
}

func TestWatchShowsEachRequestOfItsReceiver(t *testing.T) {
	ws := &watchers{}
	stdout, end := watching(t, ws, "-n", "3")
	at := time.Date(2026, 3, 1, 8, 30, 0, 0, time.Local)
	peer := netip.MustParseAddr("192.0.2.7")
	ws.observe(redox.Event{At: at, Receiver: "clinic", Kind: redox.KindPush, Status: 200, Peer: peer, Method: "POST"})
	for _, e := range []redox.Event{
		{Kind: redox.KindPush, Status: 200, Model: "PatientAdmin", EventType: "Arrival", Bytes: 12_345, Took: 8400 * time.Microsecond},
		{Kind: redox.KindRefused, Status: 401, Reason: "wrong verification token"},
		{Kind: redox.KindPush, Status: 200, Model: "\x1b[31mred", EventType: "\u202e", Test: true},
	} {
		e.At, e.Receiver, e.Peer, e.Method = at, "ward", peer, "POST"
		ws.observe(e)
	}
	if code := <-end; code != exitDone {
		t.Errorf("exit code %d", code)
	}
	want := []string{
		`^08:30:00.000  200  push        POST PatientAdmin/Arrival +12,345 B +8.4 ms  192.0.2.7  $`,
		`^08:30:00.000  401  refused     POST +0 B +0.0 ms  192.0.2.7  wrong verification token$`,
		`^08:30:00.000  200  push        POST \?\[31mred/\? \(test\) +0 B +0.0 ms  192.0.2.7  $`,
	}
	lines := strings.Split(strings.TrimSuffix(stdout.String(), "\n"), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d lines:\n%s", len(lines), stdout)
	}
	for i, w := range want {
		if !regexp.MustCompile(w).MatchString(lines[i]) {
			t.Errorf("line %d: %q, want %s", i, lines[i], w)
		}
	}
}

func TestAWatcherIsToldThatTheDaemonStops(t *testing.T) {
	ws := &watchers{}
	_, end := watching(t, ws)
	ws.close()
	if code := <-end; code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	if _, ok := ws.join("ward"); ok {
		t.Error("somebody may watch a daemon that stops")
	}
	ws.observe(redox.Event{Receiver: "ward"}) // and it harms nobody
}

func TestASlowWatcherHoldsNobodyUp(t *testing.T) {
	ws := &watchers{}
	w, _ := ws.join("ward")
	const more = 7
	for range watchBuffer + more {
		ws.observe(redox.Event{Receiver: "ward"})
	}
	for range watchBuffer {
		if e := <-w.events; e.Dropped != 0 {
			t.Fatalf("%d were dropped before the buffer was full", e.Dropped)
		}
	}
	ws.observe(redox.Event{Receiver: "ward"})
	if e := <-w.events; e.Dropped != more {
		t.Errorf("%d were dropped, want %d", e.Dropped, more)
	}
	ws.leave(w)
	ws.observe(redox.Event{Receiver: "ward"})
	if len(w.events) != 0 {
		t.Error("one who left is told more")
	}
}

func TestAWatcherThatGoesAwayIsForgotten(t *testing.T) {
	ws := &watchers{}
	ctx, cancel := context.WithCancel(t.Context())
	r := httptest.NewRequest(http.MethodGet, "/watch/ward", nil).WithContext(ctx)
	r.SetPathValue("name", "ward")
	cancel()
	ws.ServeHTTP(&deadlined{ResponseRecorder: httptest.NewRecorder()}, r)
	if len(ws.of) != 0 {
		t.Errorf("%d watchers are left", len(ws.of))
	}
}

// deadlined is a recorder that takes deadlines.
type deadlined struct{ *httptest.ResponseRecorder }

func (*deadlined) SetWriteDeadline(time.Time) error { return nil }
