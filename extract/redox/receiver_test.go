package redox

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"syncd/extract"
	"syncd/extract/redox/auth"
)

const (
	goodToken    = "9Qk3vX2mT7pLr5Wz8YcB1nD4fG6hJ0sA"
	oldToken     = "oLd3vX2mT7pLr5Wz8YcB1nD4fG6hJ0sA"
	hospitalPath = "/redox/hospital-7f3c"
)

// kept is what an Inbox has of a delivery.
type kept struct {
	destination, key string
	sha              [32]byte
}

// memoryInbox keeps deliveries as the warehouse does, as far as a sender can tell.
type memoryInbox struct {
	mu       sync.Mutex
	all      map[kept]*extract.Delivery
	order    []*extract.Delivery
	verified []string
	accept   func(ctx context.Context, d *extract.Delivery) error // goes before keeping
	after    func() error                                         // goes after it
}

func (b *memoryInbox) Accept(ctx context.Context, d *extract.Delivery, letGo func()) (bool, error) {
	type verdict struct {
		known bool
		err   error
	}
	done := make(chan verdict, 1)
	go func() {
		known, err := b.keep(ctx, d)
		letGo()
		done <- verdict{known, err}
	}()
	select {
	case v := <-done:
		return v.known, v.err
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}

func (b *memoryInbox) keep(ctx context.Context, d *extract.Delivery) (bool, error) {
	if b.accept != nil {
		if err := b.accept(ctx, d); err != nil {
			return false, err
		}
	}
	b.mu.Lock()
	id := kept{d.Destination, d.Key, d.SHA256}
	_, known := b.all[id]
	if !known {
		own := *d
		own.Body = bytes.Clone(d.Body) // the body is the receiver's again after this
		if b.all == nil {
			b.all = map[kept]*extract.Delivery{}
		}
		b.all[id], b.order = &own, append(b.order, &own)
	}
	b.mu.Unlock()
	if b.after != nil {
		return known, b.after()
	}
	return known, nil
}

func (b *memoryInbox) Verified(_ context.Context, destination, form string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.verified = append(b.verified, destination+" "+form)
	return nil
}

func (b *memoryInbox) deliveries() []*extract.Delivery {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.order)
}

// events are what a receiver said of its requests.
type events struct {
	mu  sync.Mutex
	all []Event
}

func (e *events) observe(one Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, one)
}

func (e *events) list() []Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.all)
}

// world is a receiver behind a server that listens.
type world struct {
	t      testing.TB
	inbox  *memoryInbox
	events *events
	rc     *Receiver
	server *Server
	addr   string
	served chan error
}

// setting is what a test wants otherwise.
type setting struct {
	tokens  []string // default: goodToken
	maxBody int
	onQuery string
	now     func() time.Time
	more    []*Receiver
	allowed func(*allowance)
	config  func(*ServerConfig)
	limits  func(*Server)
	listen  net.Listener
}

func secrets(tokens ...string) []auth.Secret {
	var all []auth.Secret
	for _, token := range tokens {
		all = append(all, func() ([]byte, error) { return []byte(token), nil })
	}
	return all
}

func gateOf(t testing.TB, c auth.Config) *auth.Gate {
	t.Helper()
	c.Destination, c.Path = "hospital", hospitalPath
	g, err := auth.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func receiverOf(t testing.TB, s setting, inbox *memoryInbox, seen *events) *Receiver {
	t.Helper()
	if s.tokens == nil {
		s.tokens = []string{goodToken}
	}
	if s.maxBody == 0 {
		s.maxBody = 64 << 20
	}
	rc := NewReceiver(ReceiverConfig{
		Name: "hospital", Options: Options{Path: hospitalPath, MaxBody: s.maxBody, OnQuery: s.onQuery},
		Gate: gateOf(t, auth.Config{Tokens: secrets(s.tokens...)}), Inbox: inbox, Now: s.now, Observe: seen.observe,
	})
	if s.allowed != nil {
		s.allowed(&rc.allowed)
	}
	return rc
}

func newWorld(t testing.TB, s setting) *world {
	t.Helper()
	w := &world{t: t, inbox: &memoryInbox{}, events: &events{}, served: make(chan error, 1)}
	w.rc = receiverOf(t, s, w.inbox, w.events)
	config := ServerConfig{Served: Served{Receivers: append([]*Receiver{w.rc}, s.more...)}, ErrorLog: log.New(io.Discard, "", 0), Observe: w.events.observe}
	if s.config != nil {
		s.config(&config)
	}
	w.rc.config.TrustedProxies = config.TrustedProxies
	w.server = NewServer(config)
	if s.limits != nil {
		s.limits(w.server)
	}
	l := s.listen
	if l == nil {
		var err error
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	w.addr = l.Addr().String()
	go func() { w.served <- w.server.Serve(l) }()
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel() // what is still open is cut
		_ = w.server.Shutdown(ended)
		if err := <-w.served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve ended with %v", err)
		}
	})
	return w
}

// request is a request on the wire: POST to the receiver's path, with its token, length and the wish to close, but for what
// lines say: "-Name" leaves a header out, "Name: value" adds one, and what begins with a method is the request line.
func request(body string, lines ...string) string {
	first, headers := "POST "+hospitalPath+" HTTP/1.1", []string{
		"Host: etl.example.org", "Verification-Token: " + goodToken, "Content-Type: application/json",
		fmt.Sprintf("Content-Length: %d", len(body)), "Connection: close",
	}
	for _, line := range lines {
		switch name, without := strings.CutPrefix(line, "-"); {
		case without:
			headers = slices.DeleteFunc(headers, func(h string) bool { return strings.HasPrefix(h, name+":") })
		case strings.Contains(line, " HTTP/"):
			first = line
		default:
			headers = append(headers, line)
		}
	}
	return first + "\r\n" + strings.Join(headers, "\r\n") + "\r\n\r\n" + body
}

// chunked is a body in chunks of so many bytes.
func chunked(body string, each int) string {
	var b strings.Builder
	for len(body) > 0 {
		n := min(each, len(body))
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, body[:n])
		body = body[n:]
	}
	return b.String() + "0\r\n\r\n"
}

// reply is one answer.
type reply struct {
	status int
	header http.Header
	body   string
}

func statuses(all []reply) []int {
	var s []int
	for _, r := range all {
		s = append(s, r.status)
	}
	return s
}

func (w *world) dial() net.Conn {
	w.t.Helper()
	c, err := net.Dial("tcp", w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// send writes bytes and returns all answers until the server closes the connection.
func (w *world) send(raw string) []reply {
	w.t.Helper()
	c := w.dial()
	defer c.Close()
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = io.WriteString(c, raw) // the server may close before the end
	}()
	all := answers(c)
	_ = c.Close()
	<-written
	return all
}

// answers reads to the end of a connection.
func answers(c io.Reader) []reply {
	var all []reply
	for r := bufio.NewReader(c); ; {
		one, err := http.ReadResponse(r, nil)
		if err != nil {
			return all
		}
		body, _ := io.ReadAll(one.Body)
		all = append(all, reply{one.StatusCode, one.Header, string(body)})
	}
}

// one sends a request that gets one answer.
func (w *world) one(raw string) reply {
	w.t.Helper()
	all := w.send(raw)
	if len(all) != 1 {
		w.t.Fatalf("answers %v, want one", statuses(all))
	}
	return all[0]
}

// arrivalOf is a push of a data model.
func arrivalOf(log, more string) string {
	return `{"Meta":{"DataModel":"PatientAdmin","EventType":"Arrival","EventDateTime":"2026-03-01T12:00:00.000Z","Source":{"ID":"src-1","Name":"EHR"},"Logs":[{"ID":"` + log + `","AttemptID":"a"}]}` + more + `}`
}
