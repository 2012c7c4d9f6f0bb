package engage

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync"

	"syncd/extract"
	"syncd/extract/upstream"
)

const (
	// addressBytes is the most that a page that answers an address may have.
	addressBytes = 4 << 10
	// addressesPerMinute bounds how often it is asked: a client asks once.
	addressesPerMinute = 30
)

// address is the IPv4 address that is part of the signature: typed, asked for, or none.
type address struct {
	name string           // for errors
	page *upstream.Client // nil where nothing has to be asked
	near bool             // the campus is on this machine, and so may the address be

	mu    sync.Mutex
	known string
}

// newAddress makes the address of a campus whose endpoint is e. The page that answers it is reached the way that the
// campus is reached, or it would see another address.
func newAddress(cfg Config, e upstream.Endpoint) (*address, error) {
	url, auto := strings.CutPrefix(cfg.Access.IP, autoPrefix)
	a := &address{name: e.Name}
	if !auto {
		a.known = cfg.Access.IP
		return a, nil
	}
	a.near = strings.HasPrefix(e.URL, "http://")
	page, err := upstream.New(cfg.Reach, upstream.Endpoint{
		Name: e.Name + " ip", URL: url, Version: e.Version, Budget: upstream.PerMinute(addressesPerMinute), MaxBody: addressBytes,
		Tries: e.Tries, Wait: e.Wait, Log: e.Log, Dial: e.Dial, IPv4: true,
	})
	if known := (*extract.Error)(nil); errors.As(err, &known) && known.What == "read url" {
		known.What, known.Where = "read ip", e.Name
	}
	a.page = page
	return a, err
}

// auto reports whether the address is asked for.
func (a *address) auto() bool { return a.page != nil }

func (a *address) close() {
	if a.page != nil {
		a.page.Close()
	}
}

// text returns the address as it is signed, empty where the key is not restricted to one. It is asked for once.
func (a *address) text(ctx context.Context) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known != "" || a.page == nil {
		return a.known, nil
	}
	var found string
	err := a.page.Do(ctx, upstream.Request{Method: http.MethodGet, Resource: "our address"}, func(r *upstream.Response) error {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		ip, ok := dotted(string(bytes.TrimSpace(body)))
		if !ok {
			return a.fault("it answers something else than an IPv4 address", "The page must answer nothing but the address, as plain text: 203.0.113.7.")
		}
		if !a.outside(ip) {
			return a.fault("it answers an address that is of no use outside of a network of its own",
				"Use a page outside of your network: what counts is the address that Engage sees.")
		}
		found = ip.String()
		return nil
	})
	if err == nil {
		a.known = found
		return found, nil
	}
	if e := (*extract.Error)(nil); errors.As(err, &e) {
		e.What = "ask the page of ip for our address"
	}
	return "", err
}

func (a *address) fault(cause, next string) error {
	return &extract.Error{Kind: extract.KindConfig, Where: a.name, Cause: errors.New(cause), Next: next}
}

// outside reports whether a server elsewhere can have seen ip.
func (a *address) outside(ip netip.Addr) bool {
	return a.near && ip.IsLoopback() || ip.IsGlobalUnicast() && !ip.IsPrivate()
}
