package upstream

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"syncd/extract"
)

const (
	connectTimeout  = 30 * time.Second
	idleConnTimeout = 90 * time.Second
	maxHeaderBytes  = 64 << 10
	// maxConns is a request and the one that is fetched ahead of it.
	maxConns = 2
)

// newTransport makes the bottom of the stack. It is used without an http.Client, which is what follows redirects
// and keeps cookies; HTTP/2 is off, so that a request is a connection's only one.
func (c *Client) newTransport(cfg Config) (*http.Transport, error) {
	proxy, err := c.proxyOf(cfg.Proxy)
	if err != nil {
		return nil, config(c.endpoint.Name, "proxy", err)
	}
	c.proxy = proxy
	trust, err := c.newTrust(cfg)
	if err != nil {
		return nil, err
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:                  proxy,
		DialContext:            c.dial,
		TLSClientConfig:        trust,
		TLSHandshakeTimeout:    c.endpoint.Connect,
		Protocols:              protocols,
		DisableCompression:     true, // decoded does it, and counts
		MaxConnsPerHost:        maxConns,
		MaxIdleConnsPerHost:    maxConns,
		IdleConnTimeout:        idleConnTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		ProxyConnectHeader:     http.Header{"User-Agent": {agent(c.endpoint.Version, "")}},
		OnProxyConnectResponse: connected,
	}, nil
}

// proxyOf returns which proxy a request takes. Plain http takes none: it may not leave the machine.
func (c *Client) proxyOf(setting string) (func(*http.Request) (*url.URL, error), error) {
	switch {
	case setting == "none" || c.base.Scheme == "http" && setting == "":
		return nil, nil
	case setting == "":
		return fromEnvironment()
	case c.base.Scheme == "http":
		return nil, fmt.Errorf("http:// is for loopback, which no proxy reaches")
	}
	u, err := url.Parse(setting)
	if err != nil || u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" {
		return nil, fmt.Errorf("not a URL like http://proxy.example.edu:3128") // setting may hold a password
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
		return http.ProxyURL(u), nil
	}
	return nil, fmt.Errorf("its scheme is none of http, https, socks5, socks5h")
}

// fromEnvironment goes by HTTPS_PROXY and NO_PROXY. net/http passes over a proxy that it cannot read and would go
// direct, which is not what was meant; its errors would print the password.
func fromEnvironment() (func(*http.Request) (*url.URL, error), error) {
	setting := cmp.Or(os.Getenv("HTTPS_PROXY"), os.Getenv("https_proxy"))
	if _, err := url.Parse(setting); err != nil {
		if _, err := url.Parse("http://" + setting); err != nil {
			return nil, fmt.Errorf("HTTPS_PROXY of the environment is not a URL like http://proxy.example.edu:3128")
		}
	}
	return http.ProxyFromEnvironment, nil
}

// proxyName returns host and port of the proxy that requests take.
func (c *Client) proxyName() string {
	if c.proxy == nil {
		return ""
	}
	u, err := c.proxy(&http.Request{URL: c.base})
	if err != nil || u == nil {
		return ""
	}
	return u.Host
}

// connected judges the answer of a proxy to CONNECT.
func connected(_ context.Context, proxy *url.URL, _ *http.Request, resp *http.Response) error {
	status := resp.StatusCode
	if status == http.StatusOK {
		return nil
	}
	e := &extract.Error{
		Kind: extract.KindTransient, What: "connect through proxy " + proxy.Host,
		Cause: &Refusal{Status: status}, After: retryAfter(resp.Header, time.Now()),
	}
	switch {
	case status == http.StatusProxyAuthRequired:
		e.Kind, e.Next = extract.KindAuth, "put user and password into the URL of proxy, or into HTTPS_PROXY"
	case status >= 400 && status < 500 && status != http.StatusRequestTimeout && status != http.StatusTooManyRequests:
		e.Kind, e.Next = extract.KindRights, "ask whoever runs the proxy to let this host through"
	}
	return e
}

// dial opens a connection; one for plain http must end on the own machine, whatever its name resolves to.
func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	dial := c.endpoint.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: c.endpoint.Connect, KeepAlive: 30 * time.Second}).DialContext
	}
	if c.endpoint.IPv4 && network == "tcp" && c.proxyName() == "" {
		network = "tcp4"
	}
	conn, err := dial(ctx, network, address)
	if err != nil || c.base.Scheme == "https" {
		return conn, err
	}
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok && !tcp.IP.IsLoopback() {
		_ = conn.Close()
		return nil, config(c.endpoint.Name, "url", fmt.Errorf("http:// is accepted for loopback only, and this name leads elsewhere"))
	}
	return conn, nil
}

// retryAfter reads a Retry-After header of seconds or a date; 0 where it is neither. It is cut to a year, so that
// arithmetic with it is safe.
func retryAfter(header http.Header, now time.Time) time.Duration {
	const year = 365 * 24 * time.Hour
	text := strings.TrimSpace(header.Get("Retry-After"))
	if date, err := http.ParseTime(text); err == nil {
		return min(max(0, date.Sub(now)), year)
	}
	seconds := 0
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return 0
		}
		seconds = min(seconds*10+int(c-'0'), int(year/time.Second))
	}
	return time.Duration(seconds) * time.Second
}
