package upstream

import (
	"crypto/tls"
	"errors"

	"syncd/extract"
)

// Trust returns what verifies a peer that is spoken to in another protocol than HTTP, by the same rules: its certificate is for
// host, and leads to an authority that cfg or the system trusts. name is for errors.
func Trust(cfg Config, name, host string) (*tls.Config, error) {
	c := &Client{endpoint: Endpoint{Name: name}}
	trust, err := c.newTrust(cfg)
	if err != nil {
		return nil, err
	}
	trust.ServerName = host
	return trust, nil
}

// Explain says in words of our own what ended the connection to such a peer.
func Explain(err error) *extract.Error {
	if known, ok := err.(*extract.Error); ok {
		return known
	}
	if unknown := untrusted(err); unknown != nil {
		return &extract.Error{Kind: extract.KindTLS, Cause: unknown, Next: nextAuthority}
	}
	if words, next := certificate(err); words != "" {
		return &extract.Error{Kind: extract.KindTLS, Cause: errors.New(words), Next: next}
	}
	return &extract.Error{Kind: extract.KindTransient, Cause: network(err)}
}
