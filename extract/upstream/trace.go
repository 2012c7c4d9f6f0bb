package upstream

import (
	"crypto/tls"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"
)

// trace is what is seen of one attempt below HTTP. Its hooks run on goroutines of the transport, some of them
// after the attempt has ended.
type trace struct {
	client *Client

	mu        sync.Mutex
	handshake error     // of TLS
	reused    bool      // the connection had served before
	sent      time.Time // the request was written
	answered  time.Time // the first byte of the answer came
}

func (t *trace) hooks() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			t.note(func() { t.reused = info.Reused })
			t.client.requests.Add(1)
			t.client.way.seen(info.Conn, t.client.proxyName())
		},
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) { t.note(func() { t.handshake = err }) },
		WroteRequest:     func(httptrace.WroteRequestInfo) { t.note(func() { t.sent = time.Now() }) },
		GotFirstResponseByte: func() {
			t.note(func() { t.answered = time.Now() })
		},
	}
}

func (t *trace) note(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f()
}

// failedHandshake returns the error of the TLS handshake, if that is where the attempt ended.
func (t *trace) failedHandshake() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.handshake
}

// unanswered reports whether a new connection ended before the first byte of an answer.
func (t *trace) unanswered() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.reused && t.answered.IsZero()
}

// clock keeps the offset of the server's clock as the quickest answer showed it, and the latest.
type clock struct {
	mu     sync.Mutex
	offset time.Duration
	took   time.Duration
	latest time.Duration
	ok     bool
}

// sample compares Date, which names a second that has begun, with the middle between the end of the request and
// the first byte of the answer. An answer from a cache tells the time of another request.
func (c *clock) sample(header http.Header, t *trace) {
	t.mu.Lock()
	sent, answered := t.sent, t.answered
	t.mu.Unlock()
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil || header.Get("Age") != "" || sent.IsZero() || answered.Before(sent) {
		return
	}
	took := answered.Sub(sent)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.latest = date.Add(time.Second / 2).Sub(sent.Add(took / 2))
	if !c.ok || took < c.took {
		c.offset, c.took, c.ok = c.latest, took, true
	}
}

func (c *clock) get() (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.offset, c.ok
}

func (c *clock) last() (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.latest, c.ok
}
