package redcap

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Kind names what is done to an answer.
type Kind string

// What can be done to an answer. N is meant as each says.
const (
	Nothing      Kind = ""              // only Do is run
	Empty        Kind = "empty"         // 200 and no body
	Blank        Kind = "blank"         // 200 and white space
	Page         Kind = "page"          // 200 HTML: the server is offline for an upgrade
	LoginPage    Kind = "login"         // 200 HTML: a login form
	FatalPage    Kind = "fatal"         // 200: a PHP fatal error block, then a JSON error
	Notice       Kind = "notice"        // 200: a PHP notice printed before the true body
	ErrorAs200   Kind = "error200"      // 200 with an error body in the format asked for
	MySQL        Kind = "mysql"         // 200 and the text of a failed database connection
	Memory       Kind = "memory"        // 500 and "ran out of server memory"
	MemoryAs200  Kind = "memory200"     // the same with 200
	Status       Kind = "status"        // status N with an HTML page (408, 429, 502, 503, 504 ...); RetryAfter if set
	TooMuch      Kind = "too_much"      // 200 and the text of an export that is too large to complete
	ForbidIDs    Kind = "forbid_ids"    // 403 HTML if there are more than N ids
	ForbidBody   Kind = "forbid_body"   // 403 HTML if the request body has more than N bytes
	Truncate     Kind = "truncate"      // the body ends after N bytes (N < 0: that many before its end), properly closed
	Reset        Kind = "reset"         // the connection breaks after N bytes of the body
	LongLength   Kind = "long_length"   // Content-Length is N greater than the body
	ShortLength  Kind = "short_length"  // Content-Length is N smaller than the body, and that much of it is sent: nothing on the wire tells
	Drip         Kind = "drip"          // N bytes at a time, Delay between
	Stall        Kind = "stall"         // Delay before the first byte
	DropIDs      Kind = "drop_ids"      // the records IDs are missing; without IDs the last N of those asked for
	NoRecords    Kind = "no_records"    // header or [] and no records
	InvalidUTF8  Kind = "invalid_utf8"  // bytes A0 E7 92 are put behind the first occurrence of Text, else into the last row
	NUL          Kind = "nul"           // the same with a NUL
	BOM          Kind = "bom"           // a UTF-8 byte order mark in front
	CRLF         Kind = "crlf"          // row ends become CR LF, line breaks inside values stay
	NoHeader     Kind = "no_header"     // CSV without its header row
	ExtraColumn  Kind = "extra_column"  // CSV rows have a column that the header does not have
	Redirect     Kind = "redirect"      // 302 to Text
	ObjectAnswer Kind = "object"        // {"unexpected":"object"}
	Garbage      Kind = "garbage"       // 200 with bytes that are no format at all
	TokenRefused Kind = "token_refused" // 403 with the message for a bad token
)

// Fault is one thing that goes wrong. Requests are matched by Content ("" is any) and Match; the first After
// matching ones pass, then Times are hit (0: all).
type Fault struct {
	Kind       Kind
	Content    string
	Match      func(Request) bool
	After      int
	Times      int
	N          int
	Text       string
	IDs        []string
	Delay      time.Duration
	Window     time.Duration // strikes only calls that ask for more time than this, by their date or log range
	RetryAfter string
	Do         func() // run before a request that is hit is answered; may change projects
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
		if !a.meets(rq) {
			continue
		}
		a.seen++
		if a.seen <= a.After || (a.Times > 0 && a.hits >= a.Times) {
			continue
		}
		a.hits++
		return a
	}
	return nil
}

// meets tells whether a request is one that the fault is about.
func (a *armed) meets(rq Request) bool {
	switch {
	case a.Content != "" && a.Content != rq.Content, a.Match != nil && !a.Match(rq),
		a.Window > 0 && rq.Window <= a.Window, a.Kind == ForbidIDs && rq.IDs <= a.N, a.Kind == ForbidBody && rq.BodyBytes <= int64(a.N):
		return false
	}
	return true
}

// strike answers in place of the server, or prepares the writer and lets it answer. It returns true if the request
// has been answered.
func (c *call) strike() bool {
	f := c.fault
	if f.Do != nil {
		f.Do()
	}
	if body, status, ok := f.canned(c); ok {
		if f.RetryAfter != "" {
			c.w.Header().Set("Retry-After", f.RetryAfter)
		}
		c.w.WriteHeader(status)
		io.WriteString(c.w, body)
		return true
	}
	switch f.Kind {
	case Drip:
		c.w = &dripWriter{ResponseWriter: c.w, r: c.r, n: max(1, f.N), delay: f.Delay}
	case Stall:
		wait(c.r, f.Delay)
	case Reset:
		c.w = &resetWriter{ResponseWriter: c.w, left: f.N}
	case Truncate, LongLength, ShortLength, InvalidUTF8, NUL, BOM, CRLF, NoHeader, ExtraColumn, Notice:
		held := &heldWriter{header: c.w.Header(), status: http.StatusOK}
		out := c.w
		c.w = held
		c.answer()
		f.deliver(out, held)
		return true
	}
	return false
}

// canned are answers that do not depend on the project.
func (f *armed) canned(c *call) (body string, status int, ok bool) {
	kind := "text/html; charset=UTF-8"
	defer func() {
		if ok {
			c.w.Header().Set("Content-Type", kind)
		}
	}()
	page := func(title string) string {
		return "<!DOCTYPE html>\n<html>\n<head><title>" + title + "</title></head>\n<body><h2>" + title + "</h2></body>\n</html>\n"
	}
	const memory = "REDCap ran out of server memory. The request cannot be processed. Please try importing/exporting a smaller amount of data."
	native := func(message string, status int) (string, int, bool) {
		kind = contentType(c.format())
		return string(errorBody(c.format(), message)), status, true
	}
	switch f.Kind {
	case Empty:
		kind = contentType(c.format())
		return "", 200, true
	case Blank:
		kind = contentType(c.format())
		return " \n", 200, true
	case Page:
		return page("REDCap is currently offline. We are in the process of being upgraded."), 200, true
	case LoginPage:
		return page("REDCap: Log In") + `<form method="post"><input name="username"><input name="password" type="password"></form>`, 200, true
	case FatalPage:
		return "<br />\n<b>Fatal error</b>:  Allowed memory size of 536870912 bytes exhausted in <b>DataExport.php</b> on line <b>4212</b><br />\n" +
			`{"error":"An unknown error occurred. Please check your API parameters."}`, 200, true
	case ErrorAs200:
		return native("An unknown error occurred. Please check your API parameters.", 200)
	case MySQL:
		return "The hostname (db.example.edu) / username (redcap) / password (********) combination could not connect to the MySQL server. Please check their values.", 200, true
	case Memory:
		return native(memory, 500)
	case MemoryAs200:
		return native(memory, 200)
	case TooMuch:
		return native("We are sorry, but apparently the data export is not able to complete successfully. Please try exporting a smaller data set.", 200)
	case TokenRefused:
		return native("You do not have permissions to use the API", 403)
	case Status:
		return page(fmt.Sprintf("%d %s", f.N, http.StatusText(f.N))), f.N, true
	case ForbidIDs, ForbidBody:
		return page("403 Forbidden"), 403, true
	case Redirect:
		c.w.Header().Set("Location", f.Text)
		return page("302 Found"), 302, true
	case ObjectAnswer:
		kind = "application/json"
		return `{"unexpected":"object"}`, 200, true
	case Garbage:
		return "\x1f\x8b\x08\x00garbage" + strconv.Itoa(f.N), 200, true
	}
	return "", 0, false
}

// droppedIDs tells which records a fault makes vanish from an export.
func (c *call) droppedIDs() func(string) bool {
	none := func(string) bool { return false }
	if c.fault == nil {
		return none
	}
	switch c.fault.Kind {
	case NoRecords:
		return func(string) bool { return true }
	case DropIDs:
		drop := c.fault.IDs
		if asked := c.p.list("records"); len(drop) == 0 && len(asked) > 0 {
			drop = asked[max(0, len(asked)-max(1, c.fault.N)):]
		}
		return func(id string) bool { return slices.Contains(drop, id) }
	}
	return none
}
