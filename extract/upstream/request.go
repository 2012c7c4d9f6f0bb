package upstream

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"time"

	"syncd/extract"
)

// Request is one question to the server. It is sent again, from Body, as often as is worth it.
type Request struct {
	Resource string // for errors and logs: "record, 25 ids"
	Method   string // POST where empty
	Path     string // below the endpoint's; empty is the endpoint itself
	Query    url.Values
	// ContentType is of Body; application/x-www-form-urlencoded where it is empty and there is a Body.
	ContentType string
	Body        []byte
	Header      http.Header
	MaxBody     int64 // decoded bytes of the answer; 0 is the endpoint's
	// Tries is how many attempts there are in all; 0 is the endpoint's. Who sets it tries again in its own way, by asking
	// for less perhaps: a failure is then not held against the server (Circuit).
	Tries int
}

// String returns method and resource, so that printing a Request shows no token.
func (r Request) String() string { return r.Method + " " + r.Resource }

// GoString is String.
func (r Request) GoString() string { return r.String() }

// Response is an answer with status 200.
type Response struct {
	Header http.Header
	// Body is decoded and ends with an error where the answer is cut, too long or too slow. What is left of it
	// when read returns is read away.
	Body io.Reader
	// Framed says that length or chunks show where the answer ends. Where they do not, an answer that was cut
	// looks whole, and only its content can tell.
	Framed bool
	Date   time.Time // the server's clock, by its Date header; zero where it has none
	// Outage may be set by read, in a few words, where the answer shows that the server is down although its status is
	// 200: a page that says so, an error text of its database.
	Outage string
}

// Do sends r and hands the answer to read, which is called at most once per attempt and must start afresh each
// time. The time that read takes counts as the request's, so it should take the bytes and no more.
//
// What fails for a while is tried again: no connection, a cut or late answer, 408, 429, 5xx, an error of read that
// is of KindTransient or marked by Retry. Retry-After is honoured up to five minutes. Other errors of read are
// returned as they are. A cancelled ctx ends it at once; its cause is in the error's chain. Where the endpoint's circuit
// knows that the server is down nothing is sent, and ErrDown is in the chain.
func (c *Client) Do(ctx context.Context, r Request, read func(*Response) error) error {
	if r.Method == "" {
		r.Method = http.MethodPost
	}
	target, err := c.target(r)
	if err != nil {
		return err
	}
	own := r.Tries > 0
	if err := c.admit(ctx, &r); err != nil {
		return c.locate(err, r, target)
	}
	outage := ""
	err = c.retry(ctx, r, func() error {
		outage = ""
		return c.attempt(ctx, r, target, func(resp *Response) error {
			err := read(resp)
			outage = resp.Outage
			return err
		})
	}, func(err error) error {
		return c.locate(err, r, target)
	})
	c.settle(ctx, own, outage, err)
	return err
}

// target resolves the path of r below the endpoint's; it cannot leave it.
func (c *Client) target(r Request) (*url.URL, error) {
	u := *c.base
	if r.Path != "" {
		if strings.ContainsFunc(r.Path, isControl) || strings.ContainsAny(r.Path, "\\?#") {
			return nil, extract.Errorf(extract.KindInternal, "make request", "path of %s holds what no path may", r.Resource)
		}
		for part := range strings.SplitSeq(r.Path, "/") {
			if part == ".." || part == "." {
				return nil, extract.Errorf(extract.KindInternal, "make request", "path of %s leaves its endpoint", r.Resource)
			}
		}
		u.Path = strings.TrimSuffix(u.Path, "/") + "/" + strings.TrimPrefix(r.Path, "/")
		u.RawPath = ""
	}
	u.RawQuery = r.Query.Encode()
	return &u, nil
}

// attempt sends r once.
func (c *Client) attempt(ctx context.Context, r Request, target *url.URL, read func(*Response) error) error {
	t := &trace{client: c}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, t.hooks()), r.Method, target.String(), bytes.NewReader(r.Body))
	if err != nil {
		return extract.Errorf(extract.KindInternal, "make request", "method of %s is not one", r.Resource)
	}
	for name, values := range r.Header {
		req.Header[name] = values
	}
	if r.ContentType != "" {
		req.Header.Set("Content-Type", r.ContentType)
	} else if len(r.Body) > 0 {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	limit := r.MaxBody
	if limit <= 0 {
		limit = c.endpoint.MaxBody
	}
	resp, err := decoded{next: c.stack, limit: limit, count: &c.bytes}.RoundTrip(req)
	if err != nil {
		return c.fault(ctx, t, err)
	}
	defer func() { _ = resp.Body.Close() }()
	c.clock.sample(resp.Header, t)
	if resp.StatusCode != http.StatusOK {
		return c.refused(ctx, resp, r)
	}
	return c.hand(ctx, t, resp, read)
}

// hand gives the answer to read. An error of the transfer outweighs what read made of the torn bytes.
func (c *Client) hand(ctx context.Context, t *trace, resp *http.Response, read func(*Response) error) error {
	body := &remembered{from: resp.Body}
	date, _ := http.ParseTime(resp.Header.Get("Date"))
	framed := resp.ContentLength >= 0 || len(resp.TransferEncoding) > 0 || resp.Uncompressed
	readErr := read(&Response{Header: resp.Header, Body: body, Framed: framed, Date: date})
	if readErr == nil && body.err == nil {
		_, _ = io.Copy(io.Discard, body) // body remembers
	}
	if body.err != nil && body.err != io.EOF {
		return c.fault(ctx, t, body.err)
	}
	return readErr
}

// locate fills in what and where in errors that say neither.
func (c *Client) locate(err error, r Request, target *url.URL) error {
	e, ok := err.(*extract.Error) // only the outermost is ours to complete
	if !ok {
		return err
	}
	if e.What == "" {
		e.What = "send request"
	}
	if e.Where == "" {
		e.Where = fmt.Sprintf("%s %s %s", c.endpoint.Name, safeURL(target), r.Resource)
	}
	return e
}

// remembered keeps the error that ended a body.
type remembered struct {
	from io.Reader
	err  error
}

func (b *remembered) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.from.Read(p)
	b.err = err
	return n, err
}
