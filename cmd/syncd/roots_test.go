package main

import (
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// leastRoots is fewer than the public authorities that any bundle of the last years lists.
const leastRoots = 100

func TestHostWithoutTrustRootsTrustsThePublicAuthorities(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Args[0] = "syncd-roots"
	cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+filepath.Join(t.TempDir(), "missing"), "SSL_CERT_DIR="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var trusted, listed int
	if _, err := fmt.Sscan(string(out), &trusted, &listed); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if trusted < leastRoots || trusted != listed {
		t.Errorf("%d of %d public authorities are trusted", trusted, listed)
	}
}

// tellRoots says how many of the embedded public authorities this process trusts when it asks for no roots of its own, as
// a connection without ca_file does, and how many there are.
func tellRoots() {
	trusted, listed := 0, 0
	for root := range bundle.Roots() {
		listed++
		c, err := x509.ParseCertificate(root.Certificate)
		if err != nil {
			continue
		}
		if _, err := c.Verify(x509.VerifyOptions{CurrentTime: c.NotBefore.Add(time.Hour), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err == nil {
			trusted++
		}
	}
	fmt.Println(trusted, listed)
}
