package engage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"syncd/extract"
	"syncd/extract/upstream"
)

// The keys of all tests: they must be in no error and no log.
const (
	publicKey  = "canary-public-07"
	privateKey = "CanaryPrivate0123456789"
	apiKey     = "CanaryHeader0123456789"
	campusURL  = "http://127.0.0.1:8080/engage/api/"
)

// pipes is a server reached through pipes, so that time in a synctest bubble stands still until nothing moves.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once

	mu       sync.Mutex
	networks []string // asked for
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

func (p *pipes) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	p.mu.Lock()
	p.networks = append(p.networks, network)
	p.mu.Unlock()
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// signedConfig has the keys of the tests; headerConfig the other key.
func signedConfig() Config { return Config{PublicKey: key(publicKey), PrivateKey: key(privateKey)} }

func headerConfig() Config {
	return Config{Access: Access{Auth: "header"}, APIKey: key(apiKey)}
}

func key(text string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return text, nil }
}

// world is what a test sees of a bubble.
type world struct {
	*Client
	pipes *pipes
	log   *bytes.Buffer
}

// bubble runs test in a synctest bubble with a client whose campus is handler. No key may be in the log.
func bubble(t *testing.T, cfg Config, handler http.HandlerFunc, test func(t *testing.T, w world)) {
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
		cfg.Endpoint.Name, cfg.Endpoint.Dial = "engage.campus", p.dial
		cfg.Endpoint.Log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		if cfg.Endpoint.URL == "" {
			cfg.Endpoint.URL = campusURL
		}
		c, err := NewClient(cfg)
		if err != nil {
			t.Fatal(err)
		}
		test(t, world{c, p, &log})
		c.Close()
		_ = server.Close()
		<-done
		for serving.Load() > 0 {
			time.Sleep(time.Second) // of the bubble's time
		}
		if leaks(log.String()) {
			t.Errorf("a key is in the log: %s", log.String())
		}
	})
}

// leaks reports whether a text holds a key.
func leaks(text string) bool {
	text = strings.ToLower(text)
	for _, k := range []string{publicKey, privateKey, apiKey} {
		if strings.Contains(text, strings.ToLower(k)) {
			return true
		}
	}
	return strings.Contains(text, "hash=") || digits.MatchString(text)
}

// everyPrint is err in all the ways in which somebody might print it, and those that it wraps.
func everyPrint(err error) string {
	text := fmt.Sprintf("%s %v %+v %#v %q", err, err, err, err, err)
	var e *extract.Error
	if errors.As(err, &e) {
		text += e.Next
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			text += everyPrint(inner)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			text += everyPrint(inner)
		}
	}
	return text
}

// fails checks kind and words of an error, and that it holds no key.
func fails(t *testing.T, err error, kind extract.Kind, words string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %s: %s", kind, words)
	}
	if got := extract.KindOf(err); got != kind {
		t.Errorf("kind %s, want %s: %v", got, kind, err)
	}
	if text := everyPrint(err); !strings.Contains(text, words) || leaks(text) {
		t.Errorf("error %q does not say %q, or tells a key", text, words)
	}
}

// readAll reads pages until the last, and returns the items.
func readAll(t *testing.T, c *Client, resource string, size int) (items []string, err error) {
	t.Helper()
	for page := 1; ; page++ {
		e, err := c.Page(t.Context(), resource, nil, page, size, func(item jsontext.Value) error {
			items = append(items, string(item))
			return nil
		})
		if err != nil || page >= e.TotalPages {
			return items, err
		}
	}
}

// keep is for pages of which only the outcome counts.
func keep(jsontext.Value) error { return nil }

// pages answers a list of n items, whoever asks.
func pages(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		page, _ := strconv.Atoi(q.Get("page"))
		size, _ := strconv.Atoi(q.Get("pageSize"))
		var items []string
		for i := (page - 1) * size; i < min(page*size, n); i++ {
			items = append(items, fmt.Sprintf(`{"id":%d}`, i+1))
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		fmt.Fprintf(w, `{"pageNumber":%d,"pageSize":%d,"totalItems":%d,"totalPages":%d,"items":[%s]}`,
			page, size, n, (n+size-1)/size, strings.Join(items, ","))
	}
}

// gate lets signed requests to next and refuses others, by its own clock. It is written from the reference, 2.4.
type gate struct {
	ahead   time.Duration // of its clock
	private string
	ip      string
	next    http.HandlerFunc

	mu   sync.Mutex
	seen []url.Values // queries that came
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	g.mu.Lock()
	g.seen = append(g.seen, q)
	ahead := g.ahead
	g.mu.Unlock()
	now := time.Now().Add(ahead)
	w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	millis, err := strconv.ParseInt(q.Get("time"), 10, 64)
	sum := sha256.Sum256([]byte(publicKey + g.ip + q.Get("time") + q.Get("random") + g.private))
	if err != nil || now.Sub(time.UnixMilli(millis)).Abs() > 30*time.Second || q.Get("hash") != hex.EncodeToString(sum[:]) || q.Get("apikey") != publicKey {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"Message":"Authorization has been denied for this request."}`)
		return
	}
	g.next(w, r)
}

func (g *gate) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.seen)
}

func newGate(next http.HandlerFunc) *gate { return &gate{private: privateKey, next: next} }

// inTurn serves one handler after the other, the last one for ever.
func inTurn(list ...http.HandlerFunc) http.HandlerFunc {
	var n atomic.Int64
	return func(w http.ResponseWriter, r *http.Request) { list[min(int(n.Add(1)), len(list))-1](w, r) }
}

func status(code int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

// pacer is a budget that notes when it was asked.
type pacer struct {
	mu    sync.Mutex
	asked []time.Time
	held  int
	most  int
}

func (p *pacer) Wait(context.Context) (func(), error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, time.Now())
	p.held++
	p.most = max(p.most, p.held)
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.held--
	}), nil
}

var _ upstream.Budget = (*pacer)(nil)
