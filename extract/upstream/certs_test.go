package upstream

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// host is the name under which the zoo's servers are asked for.
const host = "redcap.example.edu"

// cert is a certificate with its key and the chain that is shown with it.
type cert struct {
	*x509.Certificate
	key   crypto.Signer
	chain [][]byte // without the certificate itself
}

func ecKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rsaKey(t testing.TB, bits int) crypto.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issue makes a server certificate for host, signed by parent (itself where nil), after change has had its way.
func issue(t testing.TB, parent *cert, key crypto.Signer, change func(*x509.Certificate)) *cert {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: host},
		DNSNames:     []string{host},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(40*24*time.Hour + time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if change != nil {
		change(template)
	}
	signer, by := template, key
	if parent != nil {
		signer, by = parent.Certificate, parent.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Logf("made a certificate that crypto/x509 does not read: %v", err)
		parsed = &x509.Certificate{Raw: der}
	}
	c := &cert{Certificate: parsed, key: key}
	if parent != nil && parent.Issuer.String() != parent.Subject.String() {
		c.chain = append([][]byte{parent.Raw}, parent.chain...)
	}
	return c
}

// authority makes a certificate that may sign others.
func authority(t testing.TB, parent *cert, name string, change func(*x509.Certificate)) *cert {
	t.Helper()
	return issue(t, parent, ecKey(t), func(c *x509.Certificate) {
		c.Subject.CommonName, c.DNSNames, c.ExtKeyUsage = name, nil, nil
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
		if change != nil {
			change(c)
		}
	})
}

func (c *cert) tls() tls.Certificate {
	return tls.Certificate{Certificate: append([][]byte{c.Raw}, c.chain...), PrivateKey: c.key}
}

// files writes the certificate and its key as PEM.
func (c *cert) files(t testing.TB, dir, name string) (certFile, keyFile string) {
	t.Helper()
	certFile, keyFile = filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	der, err := x509.MarshalPKCS8PrivateKey(c.key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, certFile, "CERTIFICATE", append([][]byte{c.Raw}, c.chain...)...)
	writePEM(t, keyFile, "PRIVATE KEY", der)
	return certFile, keyFile
}

func writePEM(t testing.TB, path, kind string, ders ...[]byte) {
	t.Helper()
	var text []byte
	for _, der := range ders {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
