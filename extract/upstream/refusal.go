package upstream

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"syncd/extract"
)

// refusalBytes is as much of a refused answer as Judge may look at.
const refusalBytes = 64 << 10

// Refusal is an answer with a status other than 200. It is in the chain of Do's error.
type Refusal struct {
	Status int
	header http.Header
	body   []byte
}

// Error names the status; neither headers nor body, which are the server's words and may repeat ours.
func (r *Refusal) Error() string {
	return strings.TrimSpace(fmt.Sprintf("status %d %s", r.Status, http.StatusText(r.Status)))
}

// GoString is Error, so that no verb prints the body.
func (r *Refusal) GoString() string { return r.Error() }

// Body returns the decoded beginning of the answer, at most 64 KiB, to be matched and never to be shown.
func (r *Refusal) Body() []byte { return r.body }

// Header returns the answer's header, to be matched and never to be shown.
func (r *Refusal) Header() http.Header { return r.header }

// refused makes an error of an answer that is not 200.
func (c *Client) refused(ctx context.Context, resp *http.Response, r Request) error {
	refusal := &Refusal{Status: resp.StatusCode, header: resp.Header}
	refusal.body, _ = io.ReadAll(io.LimitReader(resp.Body, refusalBytes)) // what came of it has to do
	if ctx.Err() != nil {
		return stopped(ctx)
	}
	var e *extract.Error
	if c.endpoint.Judge != nil {
		e = c.endpoint.Judge(refusal)
	}
	if e == nil {
		e = judge(refusal, resp.Request, r)
	}
	if e.Cause == nil {
		e.Cause = refusal
	}
	if e.After == 0 {
		e.After = retryAfter(resp.Header, time.Now())
	}
	return e
}

// judge goes by the status alone.
func judge(r *Refusal, asked *http.Request, question Request) *extract.Error {
	e := &extract.Error{Cause: r}
	switch s := r.Status; {
	case s == http.StatusUnauthorized:
		e.Kind = extract.KindAuth
	case s == http.StatusForbidden:
		e.Kind = extract.KindRights
	case s == http.StatusRequestEntityTooLarge || s == http.StatusRequestURITooLong:
		e.Kind = extract.KindTooLarge
	case s == http.StatusRequestTimeout || s == http.StatusTooManyRequests || s == http.StatusTooEarly:
		e.Kind = extract.KindTransient
	case s == http.StatusNotImplemented || s == http.StatusHTTPVersionNotSupported:
		e.Kind = extract.KindRefused
	case s >= 500:
		e.Kind = extract.KindTransient
	case s >= 400:
		e.Kind = extract.KindRefused
	case s >= 300 && s != http.StatusNotModified:
		redirected(e, r, asked, question)
	default:
		e.Kind = extract.KindGarbled // a success without an answer: 204, 206, 304
	}
	return e
}

// redirected tells where a redirect points, and what to do if that is right. Nothing is sent there: a 307 would
// carry the token to a stranger.
func redirected(e *extract.Error, r *Refusal, asked *http.Request, question Request) {
	e.Kind = extract.KindRedirect
	to, err := asked.URL.Parse(r.header.Get("Location"))
	if err != nil || r.header.Get("Location") == "" || to.Host == "" {
		e.Cause = fmt.Errorf("%w to nowhere", r)
		return
	}
	seen := hideEchoes(to, asked, question)
	e.Cause = fmt.Errorf("%w to %s, which is never followed", r, seen)
	switch {
	case to.Scheme != "https" && !isLoopback(to.Hostname()):
		e.Next = "ask the server's administrator for its https:// address; http:// is accepted for loopback only"
	case safeURL(to) == safeURL(asked.URL):
		e.Next = "the server points back at the same address: ask its administrator"
	case strings.Contains(seen, "..."):
		e.Next = "ask the server's administrator for the address of the API"
	default:
		e.Next = fmt.Sprintf("if that server is the right one, put url = %q into jobs.toml", seen)
	}
}

// hideEchoes prints where a URL leads without any part of it that we sent, for a server could hand our token back, and
// of its path only what stands in ours or is usual for an API: the rest could be a value.
func hideEchoes(u *url.URL, asked *http.Request, question Request) string {
	sent := strings.ToLower(string(question.Body) + " " + asked.URL.RawQuery) // with what signed it, as the headers
	for _, values := range asked.Header {
		sent += " " + strings.ToLower(strings.Join(values, " "))
	}
	known := append(strings.Split(asked.URL.Path, "/"), "api", "redcap", "index.php")
	parts := strings.Split(u.Path, "/")
	for i, part := range parts {
		if len(part) > 3 && !slices.Contains(known, part) {
			parts[i] = "..."
		}
	}
	labels := strings.Split(u.Host, ".")
	for i, label := range labels {
		if len(label) >= 8 && strings.Contains(sent, strings.ToLower(label)) {
			labels[i] = "..."
		}
	}
	scheme := u.Scheme
	if scheme != "http" && scheme != "https" {
		scheme = "..."
	}
	return scheme + "://" + strings.Join(labels, ".") + (&url.URL{Path: strings.Join(parts, "/")}).EscapedPath()
}
