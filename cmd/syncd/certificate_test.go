package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"
)

// authority signs certificates of tests.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func newAuthority(t *testing.T, now time.Time) *authority {
	t.Helper()
	a := &authority{key: elliptic256(t)}
	a.cert = a.sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Authority"}, NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, a.key)
	return a
}

func elliptic256(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) sign(t *testing.T, template *x509.Certificate, key crypto.Signer) *x509.Certificate {
	t.Helper()
	parent := a.cert
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// leaf makes a certificate for etl.example.edu that ends at a time.
func (a *authority) leaf(t *testing.T, from, to time.Time, key crypto.Signer) *x509.Certificate {
	t.Helper()
	return a.sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{"etl.example.edu"}, NotBefore: from, NotAfter: to,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, key)
}

func TestACertificateIsJudgedAsRedoxWill(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	c := &cli{Main: &Main{Now: func() time.Time { return now }}}
	a, other := newAuthority(t, now), newAuthority(t, now)
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	before, later := now.AddDate(0, -1, 0), now.AddDate(0, 3, 0)
	for _, row := range []struct {
		name  string
		by    *authority
		from  time.Time
		to    time.Time
		key   crypto.Signer
		asked string
		want  string // of each finding: ok, warning or FAILED
	}{
		{"good", a, before, later, elliptic256(t), "etl.example.edu", "certificate ok, chain ok"},
		{"nobody says which name", a, before, later, elliptic256(t), "", "certificate ok, chain ok"},
		{"another name", a, before, later, elliptic256(t), "etl.example.org", "certificate FAILED"},
		{"expired", a, before, now.Add(-time.Second), elliptic256(t), "etl.example.edu", "certificate FAILED"},
		{"not yet", a, now.Add(time.Second), later, elliptic256(t), "etl.example.edu", "certificate FAILED"},
		{"soon", a, before, now.Add(soon), elliptic256(t), "etl.example.edu", "certificate warning, chain ok"},
		{"just not soon", a, before, now.Add(soon + time.Second), elliptic256(t), "etl.example.edu", "certificate ok, chain ok"},
		{"an authority that nobody trusts", other, before, later, elliptic256(t), "etl.example.edu", "certificate ok, chain warning"},
		{"a short key", a, before, later, short, "etl.example.edu", "certificate FAILED"},
	} {
		got := ""
		for _, f := range c.judgeChain("serve", row.by.leaf(t, row.from, row.to, row.key), nil, row.asked, roots) {
			if got != "" {
				got += ", "
			}
			switch {
			case f.Warning:
				got += f.What + " warning"
			case f.OK:
				got += f.What + " ok"
			default:
				got += f.What + " FAILED"
			}
			if !f.OK && f.Next == "" {
				t.Errorf("%s: %s does not say what to do", row.name, f.What)
			}
		}
		if got != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
}

func TestAHandshakeIsPlayedWithTheSuitesThatRedoxAccepts(t *testing.T) {
	now := time.Now()
	a := newAuthority(t, now)
	long, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{"ECDSA": elliptic256(t), "RSA": long, "Ed25519": edwards} {
		leaf := a.leaf(t, now.AddDate(0, -1, 0), now.AddDate(0, 1, 0), key)
		pair := tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
		if err := handshake(t.Context(), pair); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	leaf := a.leaf(t, now.AddDate(0, -1, 0), now.AddDate(0, 1, 0), long)
	if err := handshake(t.Context(), tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: edwards, Leaf: leaf}); err == nil {
		t.Error("a handshake with the key of another certificate")
	}
}
