package main

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFakeOverTLS is reached under its name by those who trust the authority that it wrote down, and by nobody else.
func TestFakeOverTLS(t *testing.T) {
	at := &fakeListener{address: "127.0.0.1:0", name: "fake-redcap", caFile: filepath.Join(t.TempDir(), "ca.pem")}
	fake, err := serveFake(at, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := fake.close(); err != nil {
			t.Error(err)
		}
	}()
	if !strings.HasPrefix(fake.url, "https://fake-redcap:") || !strings.HasSuffix(fake.url, "/api/") {
		t.Errorf("url: %s", fake.url)
	}
	pem, err := os.ReadFile(at.caFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatal("--ca-out holds no certificate")
	}
	_, port, _ := net.SplitHostPort(strings.TrimSuffix(strings.TrimPrefix(fake.url, "https://"), "/api/"))
	ask := func(name string, roots *x509.CertPool) error {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: name}}}
		defer client.CloseIdleConnections()
		r, err := client.Get("https://127.0.0.1:" + port + "/api/")
		if err == nil {
			r.Body.Close()
		}
		return err
	}
	if err := ask("fake-redcap", roots); err != nil {
		t.Errorf("by its name and authority: %v", err)
	}
	if ask("fake-redcap", x509.NewCertPool()) == nil || ask("another", roots) == nil {
		t.Error("reached without its authority, or under another name")
	}
	for _, l := range []fakeListener{{address: "0.0.0.0:0"}, {address: "127.0.0.1:0", name: "x"}, {address: "127.0.0.1:0", caFile: "x"}, {address: "nowhere"}} {
		if l.check() == nil {
			t.Errorf("%+v was let pass", l)
		}
	}
}
