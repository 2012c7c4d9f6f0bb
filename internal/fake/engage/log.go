package engage

import (
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Request is one that the server got. Neither keys nor signatures nor random values are in it.
type Request struct {
	At       time.Time // by the server's clock
	Method   string
	Resource string            // in lower case; what follows the base path, without an id
	ID       int64             // of a single item asked for in the path
	Page     int               // 1 where none was named
	PageSize int               // as asked for; 0: not named
	Params   map[string]string // the others, by their names in lower case
	Auth     string            // "signed", "header", or "" where neither was tried
	Age      time.Duration     // how old the signature was by the server's clock
	Fresh    bool              // the random value was not seen before
	Network  string            // "ip4" or "ip6"

	Status        int
	Items         int // of the answer
	TotalItems    int
	ResponseBytes int64
	Fault         FaultKind // that struck
}

// describe says of a request what is no secret.
func describe(r *http.Request, now time.Time, path string, q params) Request {
	rq := Request{At: now, Method: r.Method, Network: "ip4", Resource: strings.Trim(path, "/"), Params: maps.Clone(map[string]string(q))}
	if strings.HasPrefix(r.RemoteAddr, "[") {
		rq.Network = "ip6"
	}
	if resource, id, ok := strings.Cut(rq.Resource, "/"); ok {
		if n, err := strconv.ParseInt(id, 10, 64); err == nil {
			rq.Resource, rq.ID = resource, n
		}
	}
	rq.Page, _ = q.number("page", 1)
	rq.PageSize, _ = q.number("pagesize", 0)
	for _, name := range []string{"time", "apikey", "random", "hash", "key", "page", "pagesize"} {
		delete(rq.Params, name)
	}
	return rq
}

func (s *Server) record(rq Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, rq)
}

// Requests returns what was asked so far, in the order of the answers.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// ResetRequests forgets what was asked so far. Random values stay known.
func (s *Server) ResetRequests() {
	s.traffic.reset()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

// Count returns how many requests of a resource were answered; "" counts all.
func (s *Server) Count(resource string) int {
	n := 0
	for _, r := range s.Requests() {
		if resource == "" || r.Resource == resource {
			n++
		}
	}
	return n
}

// ReadOnly returns an error that names the first request that was no GET.
func (s *Server) ReadOnly() error {
	for _, r := range s.Requests() {
		if r.Method != http.MethodGet {
			return fmt.Errorf("a write was called: %s %s", r.Method, r.Resource)
		}
	}
	return nil
}

// countingWriter notes status and size of an answer.
type countingWriter struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *countingWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *countingWriter) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

func (w *countingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
