// Package engage reads one campus of Campus Labs (Anthology) Engage: its lists come in page by page over the API of
// version 2, tables and batches go out.
//
// It promises: every request is signed for itself, at the last moment, by a clock that the server agrees with; a page
// is read whole and checked before anything is made of it, and an answer that is no page is never taken for an empty
// one, so that it can delete nothing.
//
// It must never send anything but GET, follow a redirect, put a value, a key or a signed URL into an error or a log, or
// know what a warehouse is.
package engage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"syncd/extract"
	"syncd/extract/upstream"
)

// Config is what a Client needs to know.
type Config struct {
	Access Access
	Reach  upstream.Config
	// Endpoint is the campus: Name, URL, Version, Budget, Circuit, Log, Tries, Wait and Dial of it are taken.
	Endpoint upstream.Endpoint
	// PublicKey and PrivateKey, or APIKey, read the secrets; they are called for every attempt.
	PublicKey, PrivateKey, APIKey func(context.Context) (string, error)
}

// Client asks one campus. It serves one run, and may be used by several goroutines.
type Client struct {
	cfg     Config
	name    string // for errors: "engage.campus"
	up      *upstream.Client
	digest  func() hash.Hash
	clock   *clock
	address *address
	bodies  sync.Pool // of *bytes.Buffer
	log     *slog.Logger
	// accepted is set once the key was let in.
	accepted atomic.Bool
}

// connectWithin bounds how long connecting may take, and the TLS handshake after it: a signature ages meanwhile.
const connectWithin = 5 * time.Second

// NewClient makes a Client. It sends nothing. Its errors are of KindConfig and name the key at fault.
func NewClient(cfg Config) (*Client, error) {
	e := cfg.Endpoint
	has := func(f func(context.Context) (string, error)) bool { return f != nil }
	for _, m := range cfg.Access.Check(has(cfg.PublicKey), has(cfg.PrivateKey), has(cfg.APIKey)) {
		return nil, &extract.Error{Kind: extract.KindConfig, What: "read " + m.Key, Where: e.Name, Cause: errors.New("it " + m.Reason)}
	}
	if e.Log == nil {
		e.Log = slog.New(slog.DiscardHandler)
	}
	c := &Client{
		cfg: cfg, name: e.Name, digest: algorithms()[cfg.Access.hash()], clock: &clock{}, log: e.Log.With("source", e.Name),
		bodies: sync.Pool{New: func() any { return new(bytes.Buffer) }},
	}
	limit := &limit{}
	e.Sign, e.Judge = c.sign, func(r *upstream.Refusal) *extract.Error { limit.note(r); return judge(r) }
	e.Budget = limit.over(e.Budget)
	e.IPv4, e.Connect, e.Busy = cfg.Access.IP != "", connectWithin, busyWait
	if e.Wait > 0 {
		e.Busy = busyWaits * e.Wait
	}
	var err error
	if c.address, err = newAddress(cfg, e); err != nil {
		return nil, err
	}
	if c.up, err = upstream.New(cfg.Reach, e); err != nil {
		return nil, err
	}
	return c, nil
}

// Server returns scheme, host and path of the campus.
func (c *Client) Server() string { return c.up.Server() }

// Cost returns how many requests were sent, each attempt counted, and how many bytes the decoded answers had.
func (c *Client) Cost() (requests, bytes int64) { return c.up.Stats() }

// Way returns how the campus was reached last, and false as long as it was not.
func (c *Client) Way() (upstream.Way, bool) { return c.up.Way() }

// Close closes connections that are kept for reuse.
func (c *Client) Close() {
	c.up.Close()
	c.address.close()
}

// Page asks for one page of a resource, numbered from 1, and calls each for its items. The page was read and checked
// whole by then: each may take its time, and never sees an item of a page that was cut. An item is valid until each
// returns; it is a JSON object in which names may stand twice and bytes may not be UTF-8. An error of each is returned
// as it is.
//
// A failure that another attempt may change was tried again for the same page. KindRights says that the key has no
// right to this resource although it is let in; KindAuth that it is not let in, as far as is known: a campus may refuse a
// resource as it refuses a key, so Test is to be asked before the first page.
func (c *Client) Page(ctx context.Context, resource string, params url.Values, page, size int, each func(item jsontext.Value) error) (Envelope, error) {
	query := maps.Clone(params)
	if query == nil {
		query = url.Values{}
	}
	query.Set("page", strconv.Itoa(page))
	query.Set("pageSize", strconv.Itoa(size))
	body := c.bodies.Get().(*bytes.Buffer)
	defer c.bodies.Put(body)
	a := &answer{body: body}
	err := c.get(ctx, question{path: resource, query: query, label: fmt.Sprintf("page %d", page)}, a)
	if err != nil {
		return Envelope{}, c.scope(ctx, resource, err)
	}
	if resource != testPath { // which also answers those that are not let in
		c.accepted.Store(true)
	}
	for _, item := range a.items {
		if err := each(item); err != nil {
			return Envelope{}, err
		}
	}
	return a.envelope, nil
}

// question is one request.
type question struct {
	path  string
	query url.Values
	label string // for errors
}

// answer is a page as it came.
type answer struct {
	body     *bytes.Buffer
	envelope Envelope
	items    []jsontext.Value // in body
}

// get sends a question, once more where the clock was the reason of a refusal.
func (c *Client) get(ctx context.Context, q question, a *answer) error {
	if _, err := c.address.text(ctx); err != nil { // here, where no signature waits for it
		return err
	}
	err := c.once(ctx, q, a)
	if turnedAway(err) && c.recover(ctx) {
		err = c.once(ctx, q, a)
	}
	if e := (*extract.Error)(nil); errors.As(err, &e) && e.Kind != extract.KindConfig { // which names the key at fault
		e.What = "read " + q.path
	}
	return err
}

func (c *Client) once(ctx context.Context, q question, a *answer) error {
	return c.up.Do(ctx, upstream.Request{Method: http.MethodGet, Resource: q.label, Path: q.path, Query: q.query},
		func(r *upstream.Response) error {
			a.body.Reset()
			if _, err := a.body.ReadFrom(r.Body); err != nil {
				return err
			}
			var fault error
			a.envelope, a.items, fault = readPage(a.body.Bytes())
			a.envelope.Date = r.Date
			switch {
			case fault == nil:
				return nil
			case errors.Is(fault, errWebPage):
				r.Outage = "a web page instead of data"
			}
			e := &extract.Error{Kind: extract.KindGarbled, Cause: fault, Next: nextPage}
			if errors.Is(fault, errWebPage) || errors.Is(fault, errCut) || errors.Is(fault, errBlank) || errors.Is(fault, errNotJSON) {
				return upstream.Retry(e)
			}
			return e
		})
}

// scope tells a key that has no right to a resource from one that is not let in: both may be answered with 401. Where it
// was let in before, test is asked whether it still is.
func (c *Client) scope(ctx context.Context, resource string, err error) error {
	if statusOf(err) != http.StatusUnauthorized || resource == testPath || !c.accepted.Load() {
		return err
	}
	_, ok, other := c.Test(ctx)
	switch {
	case other != nil && statusOf(other) != http.StatusUnauthorized:
		return other
	case other != nil || !ok:
		return err
	}
	return &extract.Error{
		Kind: extract.KindRights, What: "read " + resource, Where: c.name, Next: nextScope,
		Cause: fmt.Errorf("the key is let in, and not to this resource: %w", err),
	}
}

// turnedAway reports whether a request was refused as one of nobody known: with 401, or, by some campuses, with the way to
// their login page.
func turnedAway(err error) bool {
	status := statusOf(err)
	return status == http.StatusUnauthorized || status == http.StatusFound
}

// statusOf returns the status of a refusal, 0 where err is none.
func statusOf(err error) int {
	var refusal *upstream.Refusal
	if errors.As(err, &refusal) {
		return refusal.Status
	}
	return 0
}
