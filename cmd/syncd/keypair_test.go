package main

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writePair writes a certificate that ends on a day, and its key.
func writePair(t *testing.T, a *authority, cert, key string, until time.Time) {
	t.Helper()
	signer := elliptic256(t)
	der, err := x509.MarshalPKCS8PrivateKey(signer)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{
		cert: {Type: "CERTIFICATE", Bytes: a.leaf(t, until.AddDate(0, -1, 0), until, signer).Raw}, key: {Type: "PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAReloadTakesTheCertificateThatIsThereAndKeepsTheLastGoodOne(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), time.Now().Truncate(time.Second)
	cert, key, other := filepath.Join(dir, "chain.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "other.pem")
	a := newAuthority(t, now)
	var log bytes.Buffer
	k := &keyPair{log: slog.New(slog.NewTextHandler(&log, nil))}
	ends := func(want time.Time) {
		t.Helper()
		pair, err := k.get(nil)
		if err != nil || !pair.Leaf.NotAfter.Equal(want) {
			t.Errorf("a certificate that ends on %v is shown (%v), want %v", pair.Leaf.NotAfter, err, want)
		}
	}
	if err := k.use(cert, key); err == nil {
		t.Error("a pair that is not there can be used")
	}
	first, second, third := now.AddDate(0, 1, 0).UTC(), now.AddDate(0, 2, 0).UTC(), now.AddDate(0, 3, 0).UTC()
	writePair(t, a, cert, key, first)
	if err := k.use(cert, key); err != nil {
		t.Fatal(err)
	}
	ends(first)
	writePair(t, a, cert, key, second) // within what the clock of files can tell apart: only a reload looks at once
	if err := k.use(cert, key); err != nil {
		t.Fatal(err)
	}
	ends(second)
	if err := os.WriteFile(other, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := k.use(other, key); err == nil || strings.Contains(err.Error(), "no certificate") {
		t.Errorf("a file that holds no certificate: %v", err)
	}
	ends(second)
	writePair(t, a, other, key, third)
	if err := k.use(other, key); err != nil {
		t.Fatal(err)
	}
	ends(third)
	if n := strings.Count(log.String(), "certificate read again"); n != 2 {
		t.Errorf("told %d times that one was read again", n)
	}
}
