package upstream

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"syncd/extract"
)

// pipes is a server reached through pipes, so that time in a synctest bubble stands still until nothing moves.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	mu     sync.Mutex
	dials  int
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	p.mu.Lock()
	p.dials++
	p.mu.Unlock()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// canary is the token of all tests: it must be in no error and no log.
const canary = "C0FFEE00DEADBEEF1234567890ABCDEF"

// bubble runs test in a synctest bubble with a client whose server is handler.
func bubble(t *testing.T, cfg Config, e Endpoint, handler http.HandlerFunc, test func(t *testing.T, c *Client, log *bytes.Buffer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		var serving atomic.Int64
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			serving.Add(1)
			defer serving.Add(-1)
			handler(w, r)
		}), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
		done := make(chan struct{})
		go func() { defer close(done); _ = server.Serve(p) }()
		var log bytes.Buffer
		e.Name, e.Dial = "redcap.main", p.dial
		e.Log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		if e.URL == "" {
			e.URL = "http://127.0.0.1:8080/redcap/api/"
		}
		c, err := New(cfg, e)
		if err != nil {
			t.Fatal(err)
		}
		test(t, c, &log)
		c.Close()
		_ = server.Close()
		<-done
		for serving.Load() > 0 {
			time.Sleep(time.Second) // of the bubble's time
		}
		if leaks(log.String()) {
			t.Error("the token is in the log")
		}
	})
}

// ask is a request with the canary in its body, its query and a header.
func ask() Request {
	return Request{
		Resource: "record, 2 ids", Body: []byte("token=" + canary + "&content=record"),
		Query: map[string][]string{"key": {canary}}, Header: http.Header{"X-Api-Key": {canary}},
	}
}

// into returns a read that keeps the whole body.
func into(body *[]byte) func(*Response) error {
	return func(r *Response) (err error) {
		*body, err = io.ReadAll(r.Body)
		return err
	}
}

func fails(t *testing.T, err error, kind extract.Kind, words string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %s: %s", kind, words)
	}
	if got := extract.KindOf(err); got != kind {
		t.Errorf("kind %s, want %s: %v", got, kind, err)
	}
	if !strings.Contains(err.Error(), words) {
		t.Errorf("error %q does not say %q", err, words)
	}
	if leaks(everyPrint(err)) {
		t.Error("the token is in the error")
	}
}

func TestDoHandsOverTheDecodedBody(t *testing.T) {
	bubble(t, Config{Contact: "data@example.edu"}, Endpoint{Version: "1.2"}, func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		if r.Method != http.MethodPost || r.URL.Path != "/redcap/api/" || r.PostForm.Get("token") != canary {
			t.Errorf("the server saw %s %s", r.Method, r.URL.Path)
		}
		if got := r.UserAgent(); got != "syncd/1.2 (data@example.edu)" {
			t.Errorf("User-Agent %q", got)
		}
		_, _ = io.WriteString(w, "record_id\n1\n")
	}, func(t *testing.T, c *Client, _ *bytes.Buffer) {
		var body []byte
		if err := c.Do(t.Context(), ask(), into(&body)); err != nil {
			t.Fatal(err)
		}
		if string(body) != "record_id\n1\n" {
			t.Errorf("body %q", body)
		}
		if requests, n := c.Stats(); requests != 1 || n != int64(len(body)) {
			t.Errorf("%d requests, %d bytes", requests, n)
		}
	})
}
