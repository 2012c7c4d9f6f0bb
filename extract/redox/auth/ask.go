package auth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"syncd/extract/upstream"
)

const (
	askTimeout = 5 * time.Second // unless the configuration says otherwise
	askMinute  = 600             // requests to one address in a minute: what strangers can make us ask is bounded
)

// asker asks one address: key sets, and verdicts on tokens.
type asker struct {
	client *upstream.Client
	query  url.Values
	where  string // scheme, host and path, for people
}

// newAsker makes the client for the address that a key holds.
func newAsker(c Config, address string) (*asker, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("is not a URL")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errors.New("has a query that cannot be read")
	}
	u.RawQuery = ""
	reach := c.Upstream
	reach.Timeout = cmp.Or(reach.Timeout, askTimeout)
	client, err := upstream.New(reach, upstream.Endpoint{
		Name: "redox." + c.Destination, URL: u.String(), Version: c.Version,
		Budget: upstream.PerMinute(askMinute), MaxBody: keysMaxBody, Tries: 1,
	})
	if err != nil {
		return nil, err
	}
	return &asker{client: client, query: query, where: client.Server()}, nil
}

// get reads the address.
func (a *asker) get(ctx context.Context, what string, read func(*upstream.Response) error) error {
	return a.client.Do(ctx, upstream.Request{Resource: what, Method: http.MethodGet, Query: a.query, Tries: 1}, read)
}

// post sends a form, with the id and the secret of a client where it has one.
func (a *asker) post(ctx context.Context, what string, form url.Values, id, secret string, read func(*upstream.Response) error) error {
	header := http.Header{"Accept": {"application/json"}}
	if id != "" {
		r := http.Request{Header: header}
		r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret)) // RFC 6749 section 2.3.1
	}
	return a.client.Do(ctx, upstream.Request{
		Resource: what, Query: a.query, Body: []byte(form.Encode()), Header: header, Tries: 1,
	}, read)
}

// loopback says that a host is this machine itself, which plain http does not leave.
func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// checkAddress says what is wrong with an address that keys or verdicts are to come from, in words that follow the key's name.
func checkAddress(address string) string {
	u, err := url.Parse(address)
	switch {
	case err != nil, u.Host == "":
		return "is not a URL"
	case u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())):
		return "must begin with https://, except on this machine itself: whoever can change the answer can push"
	case u.User != nil || u.Fragment != "" || strings.ContainsAny(address, " \\"):
		return fmt.Sprintf("must hold no user, blank or fragment (%s)", u.Hostname())
	}
	return ""
}
