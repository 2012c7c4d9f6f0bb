package main

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"syncd/internal/config"
)

// soon is how long before its end a certificate is spoken of.
const soon = 21 * 24 * time.Hour

// redoxTLS is what Redox accepts of a server at the least: TLS 1.2 with elliptic curves and AES-GCM.
func redoxTLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12,
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		},
	}
}

// checkCertificate looks at the receivers' certificate as Redox will: its name, its chain, its days, and its suites.
func (c *cli) checkCertificate(cfg *config.Config) []finding {
	const subject, what = "serve", "certificate"
	pair, err := tls.LoadX509KeyPair(cfg.Serve.CertFile, cfg.Serve.KeyFile)
	if err != nil {
		f := failed(subject, what, fmt.Errorf("%s and %s cannot be used: %w", cfg.Serve.CertFile, cfg.Serve.KeyFile, err))
		f.Next = "both are PEM files; the certificate comes first in its file, its chain after it"
		return []finding{f}
	}
	public, _ := url.Parse(cfg.Serve.PublicURL)
	all := c.judgeChain(subject, pair.Leaf, chainOf(pair), public.Hostname(), nil)
	if public.Hostname() == "" {
		all = append(all, finding{
			Subject: subject, What: what, Warning: true, Detail: "whether its name fits is not known: " + strings.Join(pair.Leaf.DNSNames, ", "),
			Next: "set public_url under [serve]",
		})
	}
	if err := handshake(c.ctx, pair); err != nil {
		all = append(all, finding{
			Subject: subject, What: "suites", Detail: "no handshake with what Redox accepts: " + err.Error(),
			Next: "take a certificate with an RSA key of 2048 bits or more, or an ECDSA key",
		})
	} else {
		all = append(all, finding{Subject: subject, What: "suites", OK: true, Detail: "a handshake with the suites of TLS 1.2 that Redox accepts succeeds, and so TLS 1.3"})
	}
	return all
}

func chainOf(pair tls.Certificate) []*x509.Certificate {
	var chain []*x509.Certificate
	for _, der := range pair.Certificate[1:] {
		if cert, err := x509.ParseCertificate(der); err == nil {
			chain = append(chain, cert)
		}
	}
	return chain
}

// judgeChain judges a server's certificate for the name that it is reached by; without one, for any. Roots nil are the system's.
func (c *cli) judgeChain(subject string, leaf *x509.Certificate, chain []*x509.Certificate, name string, roots *x509.CertPool) []finding {
	f := finding{Subject: subject, What: "certificate"}
	now, days := c.Now(), int(leaf.NotAfter.Sub(c.Now()).Hours()/24)
	switch {
	case now.After(leaf.NotAfter):
		f.Detail, f.Next = "expired on "+leaf.NotAfter.Format(time.DateOnly), "renew it"
		return []finding{f}
	case now.Before(leaf.NotBefore):
		f.Detail, f.Next = "is not valid before "+leaf.NotBefore.Format(time.RFC3339), "look at this machine's clock"
		return []finding{f}
	case name != "" && leaf.VerifyHostname(name) != nil:
		f.Detail, f.Next = "is for "+strings.Join(leaf.DNSNames, ", ")+", and Redox reaches "+name, "take one for that name"
		return []finding{f}
	case weakKey(leaf):
		f.Detail, f.Next = "has an RSA key of fewer than 2048 bits", "take a longer one"
		return []finding{f}
	}
	f.Detail = fmt.Sprintf("%d days left", days)
	f.OK = leaf.NotAfter.Sub(now) > soon
	if !f.OK {
		f.Warning, f.Next = true, "renew it: Redox pauses the feed when it has expired"
	}
	trust := finding{Subject: subject, What: "chain", OK: true, Detail: "leads to an authority that is publicly trusted"}
	pool := x509.NewCertPool()
	for _, cert := range chain {
		pool.AddCert(cert)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Intermediates: pool, Roots: roots, CurrentTime: now}); err != nil {
		trust.OK, trust.Warning = false, true
		trust.Detail = "does not lead to an authority that this machine trusts: Redox accepts that in development at the most"
		trust.Next = "put the whole chain into cert_file, or take a certificate of a public authority"
	}
	return []finding{f, trust}
}

func weakKey(cert *x509.Certificate) bool {
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	return ok && key.N.BitLen() < 2048
}

// handshake plays a handshake with what Redox accepts, inside this process.
func handshake(ctx context.Context, pair tls.Certificate) error {
	client, server := net.Pipe()
	defer client.Close()
	defer server.Close()
	ctx, cancel := context.WithTimeoutCause(ctx, 5*time.Second, errors.New("no answer"))
	defer cancel()
	done := make(chan error, 1)
	go func() {
		s := tls.Server(server, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
		done <- s.HandshakeContext(ctx)
	}()
	// Chain, name and days are judged apart: here the certificate vouches for itself, on one of its own days.
	cc := redoxTLS()
	cc.RootCAs, cc.ServerName = x509.NewCertPool(), nameOf(pair.Leaf)
	cc.RootCAs.AddCert(pair.Leaf)
	cc.Time = func() time.Time { return pair.Leaf.NotBefore.Add(time.Second) }
	err := tls.Client(client, cc).HandshakeContext(ctx)
	_ = client.Close()
	return errors.Join(err, quietIf(err, <-done))
}

// nameOf is a name that a certificate is for.
func nameOf(cert *x509.Certificate) string {
	switch {
	case len(cert.DNSNames) > 0:
		return strings.Replace(cert.DNSNames[0], "*", "any", 1)
	case len(cert.IPAddresses) > 0:
		return cert.IPAddresses[0].String()
	}
	return ""
}

// quietIf drops the other side's error where one is known.
func quietIf(known, err error) error {
	if known != nil {
		return nil
	}
	return err
}
