package engage

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Options is how a server is set up.
type Options struct {
	Path  string           // default "/engage/api"
	Clock func() time.Time // default time.Now
	Keys  []Key
	Knobs Knobs
	// Peer is the address that a request comes from, as the server sees it; default that of the connection.
	Peer func(*http.Request) string
}

// Server is the fake. It is an http.Handler and safe for concurrent use.
//
// Version 3 of the API lies under /api/v3.0 with three lists, without faults and knobs. Beside the API it serves /ip, a page that answers the address of who asks: what a campus offers to hosts that do not
// know their own.
type Server struct {
	campus  *Campus
	o       Options
	traffic traffic

	mu       sync.Mutex
	knobs    Knobs
	keys     []*Key
	randoms  map[string]bool
	requests []Request
	faults   []*armed
	hook     func(Request)
	passed   []time.Time // when requests came that the limits count
}

// NewServer serves a campus, whose clock becomes the server's.
func NewServer(campus *Campus, o Options) *Server {
	if o.Path == "" {
		o.Path = "/engage/api"
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Peer == nil {
		o.Peer = func(r *http.Request) string { host, _, _ := net.SplitHostPort(r.RemoteAddr); return host }
	}
	s := &Server{campus: campus, o: o, knobs: o.Knobs, randoms: map[string]bool{}}
	for _, k := range o.Keys {
		if k.Hash == "" {
			k.Hash = "sha256"
		}
		s.keys = append(s.keys, &k)
	}
	campus.mu.Lock()
	campus.clock = s.Now
	campus.mu.Unlock()
	return s
}

// Campus returns what is served.
func (s *Server) Campus() *Campus { return s.campus }

// Now is the time by the server's clock.
func (s *Server) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nowLocked()
}

func (s *Server) nowLocked() time.Time { return s.o.Clock().Add(s.knobs.ClockOffset) }

// Set turns knobs, also while requests are under way.
func (s *Server) Set(turn func(*Knobs)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	turn(&s.knobs)
}

// SetKey changes the key with a public name, or, for keys without one, a header value: what support does.
func (s *Server) SetKey(name string, change func(*Key)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, k := range s.keys {
		if k.Public == name || k.Public == "" && k.Header == name {
			next := *k // a request under way keeps what it was let in with
			change(&next)
			s.keys[i] = &next
		}
	}
}

// OnRequest sets a function that is called before each request is answered, on the request's goroutine and without any lock held, so
// that it may change the campus.
func (s *Server) OnRequest(f func(Request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = f
}

// params are a request's parameters by their names in lower case. The first of several counts.
type params map[string]string

func readParams(query string) params {
	out := params{}
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		n, err1 := url.QueryUnescape(name)
		v, err2 := url.QueryUnescape(value)
		n = strings.ToLower(n)
		if _, twice := out[n]; err1 != nil || err2 != nil || twice || n == "" {
			continue
		}
		out[n] = v
	}
	return out
}

// call is one request on its way.
type call struct {
	s     *Server
	w     http.ResponseWriter
	r     *http.Request
	rq    *Request
	q     params
	key   *Key
	knobs Knobs
	fault *armed
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := s.Now()
	defer s.traffic.enter(now)()
	counted := &countingWriter{ResponseWriter: w, status: http.StatusOK}
	header(w, now)
	if r.URL.Path == "/ip" {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintln(w, s.o.Peer(r))
		return
	}
	rest, ok := strings.CutPrefix(strings.ToLower(r.URL.Path), strings.ToLower(s.o.Path)+"/")
	q := readParams(r.URL.RawQuery)
	rq := describe(r, now, rest, q)
	c := &call{s: s, w: counted, r: r, rq: &rq, q: q}
	defer func() {
		rq.Status, rq.ResponseBytes = counted.status, counted.bytes
		s.record(rq)
	}()
	third, isThird := strings.CutPrefix(r.URL.Path, thirdPath)
	switch {
	case isThird:
		rq.Resource, rq.Auth = strings.Trim(third, "/"), "header"
		c.serveThird(third)
	case !ok:
		c.fail(http.StatusNotFound, "Not Found")
	default:
		c.run()
	}
}

// header sets what every answer of the recorded server had; the date is by the fake's own clock.
func header(w http.ResponseWriter, now time.Time) {
	h := w.Header()
	h.Set("Date", now.UTC().Format(http.TimeFormat))
	h.Set("Cache-Control", "no-cache")
	h.Set("Pragma", "no-cache")
	h.Set("Expires", "-1")
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("X-AspNet-Version", "4.0.30319")
	h.Set("Content-Type", "application/json; charset=utf-8")
}

// run lets hook and fault go first, then answers.
func (c *call) run() {
	s := c.s
	s.mu.Lock()
	hook, latency := s.hook, s.knobs.Latency
	s.mu.Unlock()
	if hook != nil {
		hook(*c.rq)
	}
	wait(c.r, latency)
	c.fault = s.arm(*c.rq)
	if c.fault != nil {
		c.rq.Fault = c.fault.Kind
		if c.strike() {
			return
		}
	}
	c.answer()
}

// answer lets in whom it may, and serves.
func (c *call) answer() {
	s := c.s
	if c.r.Method != http.MethodGet {
		c.w.Header().Set("Allow", http.MethodGet)
		c.fail(http.StatusMethodNotAllowed, "The requested resource does not support this http method.")
		return
	}
	s.mu.Lock()
	limited := s.overLimit()
	key, no := s.authenticate(c.r, c.q, c.rq)
	c.knobs, c.key = s.knobs, key
	s.mu.Unlock()
	switch {
	case limited:
		if c.knobs.RetryAfter != "" {
			c.w.Header().Set("Retry-After", c.knobs.RetryAfter)
		}
		c.fail(http.StatusTooManyRequests, "API calls quota exceeded.")
	case no != nil && no.key != nil && no.key.Debug && c.rq.Resource == "test":
		c.messages(no.why)
	case no != nil && c.knobs.LoginRedirect:
		c.w.Header().Set("Location", "https://login.example.edu/engage/account/login")
		c.w.WriteHeader(http.StatusFound)
	case no != nil:
		c.fail(http.StatusUnauthorized, "Authorization has been denied for this request.")
	case !key.may(c.rq.Resource):
		status := c.knobs.ScopeStatus
		if status == 0 {
			status = http.StatusForbidden
		}
		c.fail(status, "Authorization has been denied for this request.")
	default:
		c.serve()
	}
}

// serve answers a call that was let in.
func (c *call) serve() {
	if c.rq.Resource == "test" {
		c.messages("Success")
		return
	}
	t := c.s.campus.table(c.rq.Resource)
	switch {
	case t == nil:
		c.fail(http.StatusNotFound, "No HTTP resource was found that matches the request.")
	case c.rq.ID != 0:
		c.one(t)
	default:
		c.page(t)
	}
}

// one answers a single item, without an envelope.
func (c *call) one(t *table) {
	campus := c.s.campus
	var body []byte
	campus.mu.Lock()
	if r, ch, ok := t.find(c.rq.ID); ok && (ch == nil || !ch.deleted) {
		it := t.item(&r)
		body = c.knobs.appendItem(nil, t.name, &it)
	}
	campus.mu.Unlock()
	if body == nil {
		c.fail(http.StatusNotFound, "Not Found")
		return
	}
	c.w.Write(body)
}

// fail answers as the stock error of the server's framework.
func (c *call) fail(status int, message string) {
	c.w.WriteHeader(status)
	c.w.Write(append(appendText([]byte(`{"Message":`), message), '}'))
}

// messages answers test.
func (c *call) messages(text string) {
	c.rq.Items, c.rq.TotalItems = 1, 1
	c.w.Write(append(appendText([]byte(`{"pageNumber":1,"pageSize":100,"totalItems":1,"totalPages":1,"items":[{"messages":[`), text), "]}]}"...))
}

// number reads a whole number of a parameter, at least 1.
func (q params) number(name string, absent int) (int, bool) {
	v, there := q[name]
	if !there || v == "" {
		return absent, true
	}
	n, err := strconv.Atoi(v)
	return n, err == nil && n >= 1
}
