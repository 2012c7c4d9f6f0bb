package upstream

import (
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"syncd/extract"
)

// minRSA is the shortest RSA key that a peer may show.
const minRSA = 2048

// newTrust says which peers are believed, and shows the client certificate.
func (c *Client) newTrust(cfg Config) (*tls.Config, error) {
	roots, err := rootsOf(cfg)
	if err != nil {
		return nil, config(c.endpoint.Name, "ca_file", err)
	}
	if (cfg.ClientCert == "") != (cfg.ClientKey == "") {
		return nil, config(c.endpoint.Name, "client_cert", fmt.Errorf("client_cert and client_key go together"))
	}
	if cfg.ClientCert != "" {
		if _, err := loadPair(cfg); err != nil {
			return nil, config(c.endpoint.Name, "client_cert", err)
		}
	}
	return &tls.Config{
		MinVersion:       tls.VersionTLS12,
		RootCAs:          roots,
		VerifyConnection: strongKeys,
		// Read for each connection, so that a renewed certificate is shown without a restart.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if cfg.ClientCert == "" {
				c.asked.Store(true)
				return &tls.Certificate{}, nil
			}
			pair, err := loadPair(cfg)
			if err != nil {
				return nil, config(c.endpoint.Name, "client_cert", err)
			}
			return &pair, nil
		},
	}, nil
}

// rootsOf returns the authorities that are trusted; nil is the system's.
func rootsOf(cfg Config) (*x509.CertPool, error) {
	if cfg.CAFile == "" {
		if cfg.CAOnly {
			return nil, fmt.Errorf("ca_only needs a ca_file")
		}
		return nil, nil
	}
	pool := x509.NewCertPool()
	if !cfg.CAOnly {
		system, err := x509.SystemCertPool()
		if err != nil {
			return nil, fmt.Errorf("read the system's authorities: %w", err)
		}
		pool = system
	}
	text, err := os.ReadFile(cfg.CAFile)
	if err != nil {
		return nil, err
	}
	found := 0
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: certificate %d cannot be read", cfg.CAFile, found+1)
		}
		pool.AddCert(cert)
		found++
	}
	if found == 0 {
		return nil, fmt.Errorf("%s: holds no certificate in PEM", cfg.CAFile)
	}
	return pool, nil
}

func loadPair(cfg Config) (tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(cfg.ClientCert, cfg.ClientKey)
	var missing *os.PathError
	switch {
	case errors.As(err, &missing):
		return pair, missing
	case err != nil:
		return pair, fmt.Errorf("%s and %s are not a certificate and its key in PEM", cfg.ClientCert, cfg.ClientKey)
	}
	return pair, nil
}

// strongKeys refuses what crypto/x509 lets pass: RSA keys that can be broken. The trust anchor is not looked at; it
// is believed by decision.
func strongKeys(state tls.ConnectionState) error {
	for _, chain := range state.VerifiedChains {
		if strong(chain) {
			return nil
		}
	}
	return extract.Errorf(extract.KindTLS, "verify peer", "certificate has an RSA key of less than %d bits", minRSA)
}

func strong(chain []*x509.Certificate) bool {
	for _, cert := range chain[:max(1, len(chain)-1)] {
		if key, ok := cert.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() < minRSA {
			return false
		}
	}
	return true
}
