package redcap

import (
	"compress/gzip"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Server is the fake. It is an http.Handler and safe for concurrent use.
type Server struct {
	o       Options // Version aside, which Upgrade changes
	traffic traffic

	mu       sync.Mutex
	release  release
	projects []*Project
	requests []Request
	faults   []*armed
	hook     func(Request)
	limiter  limiter
}

// NewServer makes a server without projects.
func NewServer(o Options) *Server {
	if o.Version == "" {
		o.Version = "14.9.1"
	}
	if o.Path == "" {
		o.Path = "/api/"
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.MaxInputVars == 0 {
		o.MaxInputVars = 1000
	}
	s := &Server{o: o, release: releaseOf(o.Version)}
	s.limiter.perMinute = o.PerMinute
	return s
}

// Add serves a project; its clock, zone and version become the server's.
func (s *Server) Add(projects ...*Project) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range projects {
		p.mu.Lock()
		p.now, p.zone, p.server = s.o.Clock, s.o.Zone, s
		p.rezone()
		p.mu.Unlock()
		s.projects = append(s.projects, p)
	}
}

// Projects returns what is served.
func (s *Server) Projects() []*Project {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*Project(nil), s.projects...)
}

// OnRequest sets a function that is called before each request is answered, on the request's goroutine and without
// any lock held, so that it may change projects.
func (s *Server) OnRequest(f func(Request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = f
}

// Requests returns what was asked so far, in the order of the answers.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// ResetRequests forgets what was asked so far.
func (s *Server) ResetRequests() {
	s.traffic.reset()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

// Count returns how many requests of a content were answered; "" counts all.
func (s *Server) Count(content string) int {
	n := 0
	for _, r := range s.Requests() {
		if content == "" || r.Content == content {
			n++
		}
	}
	return n
}

// Writes returns the requests that would have changed something at a real server.
func (s *Server) Writes() []Request {
	var out []Request
	for _, r := range s.Requests() {
		if r.Write {
			out = append(out, r)
		}
	}
	return out
}

// ReadOnly returns an error that names the first request that was neither an export nor a list.
func (s *Server) ReadOnly() error {
	for _, r := range s.Writes() {
		return fmt.Errorf("a write was called: content %q, action %q", r.Content, r.Action)
	}
	return nil
}

// call is one request on its way.
type call struct {
	s       *Server
	w       http.ResponseWriter
	r       *http.Request
	p       params
	rq      *Request
	project *Project
	user    *User
	fault   *armed
	version release
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := s.o.Clock()
	defer s.traffic.enter(now)()
	w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	bare := strings.TrimSuffix(s.o.Path, "/")
	switch {
	case s.limiter.banned(clientAddress(r), now):
		htmlPage(w, http.StatusForbidden, "Your IP address has been banned due to suspected abuse.")
		return
	case r.URL.Path == bare:
		w.Header().Set("Location", s.o.Path)
		htmlPage(w, http.StatusMovedPermanently, "Moved Permanently")
		return
	case r.URL.Path != s.o.Path:
		htmlPage(w, http.StatusNotFound, "Not Found")
		return
	}
	counted := &countingWriter{ResponseWriter: w, status: http.StatusOK}
	if r.Method != http.MethodPost {
		s.record(Request{At: now, Content: r.Method, Status: http.StatusNotImplemented})
		counted.Header().Set("Content-Type", contentType("xml"))
		counted.WriteHeader(http.StatusNotImplemented)
		counted.Write(errorBody("xml", "The requested method is not implemented."))
		return
	}
	p, size, err := parseBody(r, s.o.MaxInputVars)
	if err != nil {
		htmlPage(w, http.StatusBadRequest, "Bad Request")
		return
	}
	c := &call{s: s, w: counted, r: r, p: p, rq: p.describe(r, now, size, s.o.Zone), version: s.served()}
	c.project, c.user = s.holder(p.get("token"))
	if c.project != nil {
		c.rq.Project = c.project.ID()
	}
	defer func() {
		c.rq.Status, c.rq.ResponseBytes = counted.status, counted.bytes
		s.record(*c.rq)
	}()
	c.run()
}

// run lets hook and fault go first, then answers.
func (c *call) run() {
	c.s.mu.Lock()
	hook := c.s.hook
	c.s.mu.Unlock()
	if hook != nil {
		hook(*c.rq)
	}
	wait(c.r, c.s.o.Latency)
	c.fault = c.s.arm(*c.rq)
	if c.fault != nil {
		c.rq.Fault = c.fault.Kind
		if c.strike() {
			return
		}
	}
	if c.s.o.Gzip && strings.Contains(c.r.Header.Get("Accept-Encoding"), "gzip") {
		c.w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(c.w)
		defer z.Close()
		c.w = &bodyWriter{ResponseWriter: c.w, to: z}
	}
	c.answer()
	if c.rq.Fault == Reset {
		panic(http.ErrAbortHandler) // the body was shorter than the fault allows
	}
}

// answer looks the token up again, for what hook and fault may have changed, and serves.
func (c *call) answer() {
	c.project, c.user = c.s.holder(c.param("token"))
	c.serve()
}

// holder finds the project and user of a token. White space counts: a token with a newline is another token.
func (s *Server) holder(token string) (*Project, *User) {
	for _, p := range s.Projects() {
		if u := p.user(token); u != nil {
			return p, u
		}
	}
	return nil, nil
}

func (s *Server) record(rq Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, rq)
}

func (c *call) param(name string) string { return c.p.get(name) }

// flag reads a boolean parameter: true, or the older 1.
func (c *call) flag(name string) bool {
	v := strings.ToLower(c.param(name))
	return v == "true" || v == "1"
}

// atLeast compares the served version.
func (c *call) atLeast(major, minor, patch int) bool { return c.version.atLeast(major, minor, patch) }

// format is the answer's format: xml unless asked otherwise.
func (c *call) format() string {
	switch f := c.param("format"); f {
	case "csv", "json", "odm":
		return f
	}
	return "xml"
}

// fail answers an error in returnFormat, else in format.
func (c *call) fail(status int, message string) {
	format := c.param("returnFormat")
	if format != "csv" && format != "json" && format != "xml" {
		format = c.format()
	}
	c.w.Header().Set("Content-Type", contentType(format))
	c.w.WriteHeader(status)
	c.w.Write(errorBody(format, message))
}

// reply answers a table.
func (c *call) reply(t *table) {
	c.w.Header().Set("Content-Type", contentType(c.format()))
	c.w.Write(t.render(c.format(), !c.atLeast(17, 4, 1)))
}

// text answers plain text.
func (c *call) text(s string) {
	c.w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	c.w.Write([]byte(s))
}
