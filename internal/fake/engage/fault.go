package engage

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// FaultKind names what is done to an answer.
type FaultKind string

// What can be done to an answer. N is meant as each says.
const (
	Nothing     FaultKind = ""             // only Do and After are run
	Status      FaultKind = "status"       // status N with the framework's error body; RetryAfter if set
	Relabel     FaultKind = "relabel"      // the true body with status N, such as 206
	Page        FaultKind = "page"         // 200 HTML: maintenance
	Redirect    FaultKind = "redirect"     // 302 to Text, default a login page of another host
	Reset       FaultKind = "reset"        // the connection breaks after N bytes of the body; 0: before the answer begins
	Truncate    FaultKind = "truncate"     // the body ends N bytes early, properly closed
	Drip        FaultKind = "drip"         // N bytes at a time, Delay between
	Stall       FaultKind = "stall"        // Delay before the answer
	Garbage     FaultKind = "garbage"      // 200 with bytes that are no JSON
	Trailing    FaultKind = "trailing"     // Text after the body
	NoItems     FaultKind = "no_items"     // 200 with an error as version 1 has it: no member items
	NullItems   FaultKind = "null_items"   // items is null
	ObjectItems FaultKind = "object_items" // items is an object
	BadGzip     FaultKind = "bad_gzip"     // compressed, and the checksum at the end is wrong
	Repeat      FaultKind = "repeat"       // the first N items stand again at the end of the page
	Lose        FaultKind = "lose"         // the last N items of the page are missing
	Total       FaultKind = "total"        // totalItems is greater by N
	Earlier     FaultKind = "earlier"      // the items of the page before, under this page's number
	Rewritten   FaultKind = "rewritten"    // the body that Rewrite makes of the true one
)

// Fault is one thing that goes wrong. Requests are matched by Resource, Page and Match; the first Skip matching ones pass, then Times
// are hit (0: all).
type Fault struct {
	Kind       FaultKind
	Resource   string // "": any
	Page       int    // 0: any
	Match      func(Request) bool
	Skip       int
	Times      int
	N          int
	Text       string
	Delay      time.Duration
	RetryAfter string
	Rewrite    func(body []byte) []byte
	Do         func() // run before a request that is hit is answered; may change the campus
	After      func() // run once a page is computed, before it is sent: the next page sees what it changes
}

type armed struct {
	Fault
	seen, hits int
}

// Fault arms a fault; the returned function disarms it. Of several that match, the first armed one strikes.
func (s *Server) Fault(f Fault) func() {
	a := &armed{Fault: f}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, a)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.faults = slices.DeleteFunc(s.faults, func(x *armed) bool { return x == a })
	}
}

// AfterPage runs f once, when a page of a resource has been computed: the pages after it see what f changes. It is how lists
// drift while they are walked.
func (s *Server) AfterPage(resource string, page int, f func()) (disarm func()) {
	return s.Fault(Fault{Resource: resource, Page: page, Times: 1, After: f})
}

// ClearFaults disarms everything.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// arm finds the fault that strikes a request.
func (s *Server) arm(rq Request) *armed {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.faults {
		if a.Resource != "" && a.Resource != rq.Resource || a.Page != 0 && a.Page != rq.Page || a.Match != nil && !a.Match(rq) {
			continue
		}
		a.seen++
		if a.seen <= a.Skip || a.Times > 0 && a.hits >= a.Times {
			continue
		}
		a.hits++
		return a
	}
	return nil
}

// strike answers in place of the server. It returns false where the server is to answer.
func (c *call) strike() bool {
	f := c.fault
	if f.Do != nil {
		f.Do()
	}
	switch f.Kind {
	case Status:
		if f.RetryAfter != "" {
			c.w.Header().Set("Retry-After", f.RetryAfter)
		}
		if f.N == http.StatusNoContent || f.N == http.StatusNotModified {
			c.w.WriteHeader(f.N)
			return true
		}
		c.fail(f.N, fmt.Sprintf("%d %s", f.N, http.StatusText(f.N)))
	case Page:
		c.w.Header().Set("Content-Type", "text/html; charset=utf-8")
		c.w.Write([]byte("<!DOCTYPE html>\n<html><head><title>Scheduled maintenance</title></head><body><h1>We will be back soon.</h1></body></html>\n"))
	case Redirect:
		to := f.Text
		if to == "" {
			to = "https://login.example.edu/engage/account/login"
		}
		c.w.Header().Set("Location", to)
		c.w.WriteHeader(http.StatusFound)
	case Garbage:
		c.w.Write([]byte{0x00, 0x01, 0xff, 0xfe, '{', '[', 0x80})
	case NoItems:
		c.w.Write([]byte(`{"results":{"error":{"type":"UNKNOWN_SERVICE","message":"Unknown service."}}}`))
	case NullItems:
		c.w.Write([]byte(`{"pageNumber":1,"pageSize":100,"totalItems":0,"totalPages":0,"items":null}`))
	case ObjectItems:
		c.w.Write([]byte(`{"pageNumber":1,"pageSize":100,"totalItems":1,"totalPages":1,"items":{"id":1}}`))
	case Stall:
		wait(c.r, f.Delay)
		return false
	case Reset:
		if f.N == 0 {
			panic(http.ErrAbortHandler)
		}
		return false
	default:
		return false
	}
	return true
}

// spoil changes a page before it is written.
func (f *armed) spoil(p *page) {
	n := min(f.N, len(p.items))
	switch f.Kind {
	case Repeat:
		p.items = append(p.items, p.items[:n]...)
	case Lose:
		p.items = p.items[:len(p.items)-n]
	case Total:
		p.total += f.N
		p.pages = (p.total + p.size - 1) / p.size
	}
}

// deliver sends a body as the fault has it.
func (f *armed) deliver(c *call, body []byte) {
	switch f.Kind {
	case Truncate:
		body = body[:max(0, len(body)-f.N)]
	case Trailing:
		body = append(body, f.Text...)
	case Rewritten:
		body = f.Rewrite(body)
	case BadGzip:
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		w.Write(body)
		w.Close()
		body = z.Bytes()
		body[len(body)-5] ^= 0xff
		c.w.Header().Set("Content-Encoding", "gzip")
	case Relabel:
		c.w.WriteHeader(f.N)
	case Reset:
		c.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		c.w.Write(body[:min(f.N, len(body))])
		http.NewResponseController(c.w).Flush()
		panic(http.ErrAbortHandler)
	case Drip:
		for len(body) > 0 && c.r.Context().Err() == nil {
			n := min(max(1, f.N), len(body))
			c.w.Write(body[:n])
			http.NewResponseController(c.w).Flush()
			body = body[n:]
			wait(c.r, f.Delay)
		}
		return
	}
	c.w.Write(body)
}

// wait waits, or until the client has gone.
func wait(r *http.Request, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.Context().Done():
	}
}
