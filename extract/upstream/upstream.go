// Package upstream is the one outbound HTTP client of syncd: everything that is asked of a server that syncd
// reads from goes through a Client.
//
// In come a Config (how the server is reached), an Endpoint (which server) and Requests; out goes each answer's
// decoded body, handed to a function of the caller, or an *extract.Error whose kind says what the failure means.
//
// It promises: TLS 1.2 or newer with a verified peer before the first byte of a request leaves, plain http to
// the own machine only; no redirect is ever followed and no cookie kept; at most Tries attempts, none after an
// answer that another attempt would not change; an end in bounded time and a bounded number of decoded bytes,
// whatever the peer does.
//
// It does not ask whether a certificate was revoked: the Go standard library does not.
//
// It never puts a body, a header, a query, a token or the password of a proxy into an error or a log line, and
// it has no way to skip the verification of a peer.
package upstream

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"syncd/extract"
)

const (
	defaultTimeout = 5 * time.Minute
	defaultMaxBody = 64 << 20
	defaultTries   = 5
	// idleTimeout ends a body of which nothing comes for so long.
	idleTimeout = 60 * time.Second
	unversioned = "dev"
)

// Endpoint says which server a Client talks to.
type Endpoint struct {
	Name    string // for errors and logs: "redcap.main"
	URL     string // https; http for the own machine only; a trailing slash is kept as it is
	Version string // of syncd, for the User-Agent
	// Budget is waited for before each attempt and shared by all clients of a host. nil is no limit, which is
	// for loopback only.
	Budget Budget
	// Circuit is asked before each request and told how it ended. nil lets every request through.
	Circuit Circuit
	MaxBody int64 // decoded bytes of one answer; 0 is 64 MiB
	Tries   int   // attempts in all for one request; 0 is 5
	// Wait is before the second attempt, and grows from there; 0 is a second. Tests make it short.
	Wait time.Duration
	// Busy is the least wait after status 429 without Retry-After, twice as long from the second on, and up to a fifth
	// longer by chance; 0 is as after any failure.
	Busy time.Duration
	// Connect bounds how long connecting takes, and the TLS handshake after it; 0 is 30 s.
	Connect time.Duration
	// IPv4 keeps connections that take no proxy to IPv4.
	IPv4 bool
	// Sign is called last, once for each attempt, and may set headers and the query.
	Sign func(*http.Request) error
	// Judge says what an answer other than 200 means. An *extract.Error that it returns decides kind and words;
	// nil leaves it to the status.
	Judge func(*Refusal) *extract.Error
	Log   *slog.Logger
	// Dial replaces the net.Dialer; fault injection and tests set it.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Client talks to one server. It may be used by several goroutines.
type Client struct {
	endpoint  Endpoint
	base      *url.URL
	stack     http.RoundTripper // paced -> watched -> signed -> transport
	transport *http.Transport
	proxy     func(*http.Request) (*url.URL, error)
	log       *slog.Logger

	clock    clock
	way      way
	requests atomic.Int64
	bytes    atomic.Int64
	// asked is set once the server has asked for a client certificate, and there is none.
	asked atomic.Bool
}

// New makes a Client. It reads ca_file and looks at the client certificate, but opens no connection. Its errors
// are of KindConfig and name the file or the key at fault.
func New(cfg Config, e Endpoint) (*Client, error) {
	base, err := parseBase(e.URL)
	if err != nil {
		return nil, config(e.Name, "url", err)
	}
	if e.Budget == nil && !isLoopback(base.Hostname()) {
		return nil, config(e.Name, "requests_per_minute", fmt.Errorf("no limit is for loopback only"))
	}
	if strings.ContainsFunc(cfg.Contact, isControl) {
		return nil, config(e.Name, "contact", fmt.Errorf("holds control characters"))
	}
	c := &Client{endpoint: defaults(e), base: base}
	c.log = c.endpoint.Log.With("source", e.Name)
	if c.transport, err = c.newTransport(cfg); err != nil {
		return nil, err
	}
	timeout := cfg.Timeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	c.stack = paced{
		budget: e.Budget,
		next: watched{
			whole: timeout,
			idle:  idleTimeout,
			next: signed{
				sign:  e.Sign,
				agent: agent(c.endpoint.Version, cfg.Contact),
				next:  c.transport,
			},
		},
	}
	return c, nil
}

func defaults(e Endpoint) Endpoint {
	if e.MaxBody <= 0 {
		e.MaxBody = defaultMaxBody
	}
	if e.Tries <= 0 {
		e.Tries = defaultTries
	}
	if e.Wait <= 0 {
		e.Wait = firstWait
	}
	if e.Connect <= 0 {
		e.Connect = connectTimeout
	}
	e.Version = cmp.Or(e.Version, unversioned)
	if e.Log == nil {
		e.Log = slog.New(slog.DiscardHandler)
	}
	return e
}

// Agent returns the User-Agent that is sent with every request.
func Agent(version, contact string) string { return agent(cmp.Or(version, unversioned), contact) }

func agent(version, contact string) string {
	if contact == "" {
		return "syncd/" + version
	}
	return "syncd/" + version + " (" + contact + ")"
}

// Server returns scheme, host and path of the endpoint: what a job is bound to.
func (c *Client) Server() string { return safeURL(c.base) }

// Clock returns the server's clock minus ours, from the Date header of the answer that was quickest to come, and
// false as long as there was none. It is exact to about a second.
func (c *Client) Clock() (offset time.Duration, ok bool) { return c.clock.get() }

// LastClock is Clock by the latest answer: less exact where that was slow, and right where a clock was set meanwhile.
func (c *Client) LastClock() (offset time.Duration, ok bool) { return c.clock.last() }

// Stats returns how many requests were sent, each attempt counted, and how many bytes the decoded answers had.
func (c *Client) Stats() (requests, bytes int64) { return c.requests.Load(), c.bytes.Load() }

// Way returns how the server was reached last, and false as long as it was not.
func (c *Client) Way() (Way, bool) { return c.way.get() }

// Close closes connections that are kept for reuse.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// parseBase checks an endpoint's URL. Its errors do not repeat the URL: it may hold a password.
func parseBase(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || strings.ContainsFunc(raw, isControl) || strings.ContainsAny(raw, " \\") {
		return nil, fmt.Errorf("not a URL")
	}
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("must begin with https://")
	case u.Hostname() == "" || u.Opaque != "":
		return nil, fmt.Errorf("names no host")
	case u.User != nil:
		return nil, fmt.Errorf("must hold no user and password")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, fmt.Errorf("must end with its path")
	case u.Port() == "0":
		return nil, fmt.Errorf("port 0 cannot be reached")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return nil, fmt.Errorf("http:// is accepted for loopback only: use https://")
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// safeURL prints scheme, host and path: never user, query or fragment.
func safeURL(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

func config(name, key string, cause error) *extract.Error {
	return &extract.Error{Kind: extract.KindConfig, What: "read " + key, Where: name, Cause: cause}
}
