package redox

import (
	"context"
	"crypto/tls"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"
)

// ServerConfig is what a Server is made of.
type ServerConfig struct {
	Served
	TLS      *tls.Config // with certificates; nil where a proxy in front ends TLS
	ErrorLog *log.Logger // of handshakes that fail and the like; nil: the log package's
	Observe  func(Event) // is told of requests that no Receiver gets; may be nil. It must not wait
}

// Served is what of a Server may be replaced while it serves.
type Served struct {
	Receivers []*Receiver
	// Host is the name by which Redox reaches us. Where TLS ends here, requests for another are answered with 404; empty: any.
	Host           string
	TrustedProxies []netip.Prefix // whose X-Forwarded-For is believed, and who may have any number of connections
}

// Limits of a Server, before anybody is known. The total of open connections is bounded, and that of one peer; where either is
// reached, the one that has been unknown for the longest is closed for the newest, so that whoever holds connections open does
// not keep a sender out.
const (
	headerWithin  = 10 * time.Second
	idleWithin    = 2 * time.Minute
	headerBytes   = 64 << 10
	connsPerPeer  = 256
	connsOverall  = 2048
	streams       = 64
	endpointBytes = 64 << 10
)

// Server routes requests to Receivers by exact path.
type Server struct {
	config  ServerConfig
	http    *http.Server
	routes  atomic.Pointer[routes]
	memory  *memory // of the bodies of all receivers, those that were replaced included
	perPeer int
	overall int
}

// routes say who answers what. They are replaced whole.
type routes struct {
	Served
	receivers map[string]*Receiver // by path
	endpoints map[string]endpoint  // by path
}

// endpoint is what a strategy serves of its own.
type endpoint struct {
	of      *Receiver
	handler http.Handler
}

// NewServer makes a Server. The bodies of all its receivers share one budget.
func NewServer(c ServerConfig) *Server {
	if c.Observe == nil {
		c.Observe = func(Event) {}
	}
	s := &Server{config: c, memory: newMemory(smallBodies, largeBodies), perPeer: connsPerPeer, overall: connsOverall}
	s.Replace(c.Served)
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(c.TLS != nil)
	s.http = &http.Server{
		Handler: s, TLSConfig: safeTLS(c.TLS), Protocols: &protocols, ErrorLog: c.ErrorLog, DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout: headerWithin, WriteTimeout: writeWithin, IdleTimeout: idleWithin, MaxHeaderBytes: headerBytes,
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: streams, MaxReceiveBufferPerConnection: 4 << 20, MaxReceiveBufferPerStream: 1 << 20},
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, guardedOf(c))
		},
	}
	return s
}

// Replace serves other receivers from now on. Requests in hand are answered by those that have them.
func (s *Server) Replace(by Served) {
	next := &routes{Served: by, receivers: map[string]*Receiver{}, endpoints: map[string]endpoint{}}
	for _, rc := range by.Receivers {
		rc.memory = s.memory
		next.receivers[rc.config.Path] = rc
		if rc.config.Gate == nil {
			next.receivers[rc.config.Path+"/oauth/token"] = rc // 503 there, too
			continue
		}
		for path, h := range rc.config.Gate.Endpoints() {
			next.endpoints[rc.config.Path+path] = endpoint{rc, h}
		}
	}
	s.routes.Store(next)
}

// proxies are the peers that are trusted now.
func (s *Server) proxies() []netip.Prefix { return s.routes.Load().TrustedProxies }

// safeTLS asks for what Redox asks for at the least.
func safeTLS(c *tls.Config) *tls.Config {
	if c == nil {
		return nil
	}
	c = c.Clone()
	c.MinVersion = max(c.MinVersion, tls.VersionTLS12)
	return c
}

// Serve answers what comes in at l until Shutdown, and then returns http.ErrServerClosed. It closes l.
func (s *Server) Serve(l net.Listener) error {
	g := newGuard(l, s.perPeer, s.overall, s.proxies)
	if s.config.TLS != nil {
		return s.http.ServeTLS(g, "", "")
	}
	return s.http.Serve(g)
}

// Shutdown stops listening first, then waits for the requests in hand; when ctx ends, they are cut.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		_ = s.http.Close() // the listener is closed already; err says more
	}
	return err
}

// ServeHTTP hands a request on. Paths are compared as they were sent: what is escaped, doubled or of another case is another.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := s.routes.Load()
	if path, ok := now.path(r); ok {
		if rc, ok := now.receivers[path]; ok {
			rc.ServeHTTP(w, r)
			return
		}
		if e, ok := now.endpoints[path]; ok {
			s.serveEndpoint(e, w, r)
			return
		}
	}
	x := &exchange{Receiver: &Receiver{allowed: granted}, w: w, r: r, control: http.NewResponseController(w), began: time.Now()}
	a := answer{status: http.StatusNotFound, kind: KindStray, reason: "no receiver has this path"}
	x.send(a)
	s.config.Observe(Event{At: x.began, Peer: peerOf(r, now.TrustedProxies), Method: methodOf(r), Kind: a.kind, Status: a.status, Reason: a.reason, Took: time.Since(x.began)})
}

// path returns the path of a request for us.
func (now *routes) path(r *http.Request) (string, bool) {
	plain := r.URL.Host == "" && r.URL.Scheme == "" && r.URL.Opaque == "" && r.URL.RawPath == ""
	if now.Host == "" || r.TLS == nil {
		return r.URL.Path, plain
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return r.URL.Path, plain && strings.EqualFold(strings.TrimSuffix(host, "."), now.Host)
}

// serveEndpoint hands a request to what a strategy serves, with the bounds that hold for a body here.
func (s *Server) serveEndpoint(e endpoint, w http.ResponseWriter, r *http.Request) {
	began, rc := time.Now(), e.of
	_ = http.NewResponseController(w).SetReadDeadline(began.Add(rc.allowed.own))
	r.Body = http.MaxBytesReader(w, r.Body, endpointBytes)
	status := &statusWriter{ResponseWriter: w, status: http.StatusOK, reason: "token endpoint"}
	e.handler.ServeHTTP(status, r)
	kind := KindToken
	switch {
	case status.status == http.StatusServiceUnavailable:
		kind = KindUnavailable
	case status.status >= http.StatusBadRequest:
		kind = KindRefused
	}
	rc.config.Observe(Event{
		At: rc.config.Now(), Receiver: rc.config.Name, Peer: peerOf(r, rc.config.TrustedProxies), Method: methodOf(r),
		Kind: kind, Status: status.status, Reason: status.reason, Cause: status.cause, Took: time.Since(began),
	})
}

// statusWriter hears what was answered, and for people why.
type statusWriter struct {
	http.ResponseWriter
	status int
	reason string
	cause  error
}

// Note takes what the token endpoint decided.
func (w *statusWriter) Note(reason string, cause error) { w.reason, w.cause = reason, cause }

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
