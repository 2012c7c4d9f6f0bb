package upstream

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"syncd/extract"
)

// cage is a TLS server on loopback that counts connections and the bytes of requests, and answers 200.
type cage struct {
	listener net.Listener
	config   *tls.Config
	plain    string // answered without any TLS, where not empty
	conns    atomic.Int64
	bytes    atomic.Int64
	serving  sync.WaitGroup
}

func newCage(t *testing.T, config *tls.Config, plain string) *cage {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cage{listener: l, config: config, plain: plain}
	c.serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c.conns.Add(1)
			c.serving.Go(func() { c.serve(conn) })
		}
	})
	t.Cleanup(c.close)
	return c
}

func (c *cage) close() {
	_ = c.listener.Close()
	c.serving.Wait()
}

// serve answers requests until the client hangs up; it does not hang up first, so that no alert is lost.
func (c *cage) serve(conn net.Conn) {
	defer conn.Close()
	if c.plain != "" {
		_, _ = io.WriteString(conn, c.plain)
		_, _ = io.Copy(io.Discard, conn)
		return
	}
	secure := tls.Server(conn, c.config)
	if secure.Handshake() != nil {
		_, _ = io.Copy(io.Discard, conn)
		return
	}
	in := bufio.NewReader(countingReader{secure, &c.bytes})
	for {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
		_, _ = io.WriteString(secure, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	}
}

type countingReader struct {
	io.Reader
	n *atomic.Int64
}

func (r countingReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.n.Add(int64(n))
	return n, err
}

// visitor is a client of the cage under the name of url, with its log.
func (c *cage) visitor(t *testing.T, cfg Config, url string) (*Client, *bytes.Buffer) {
	t.Helper()
	if cfg.Proxy == "" {
		cfg.Proxy = "none" // whatever the environment says
	}
	var log bytes.Buffer
	client, err := New(cfg, Endpoint{
		Name: "redcap.main", URL: url, Budget: PerMinute(60_000), Log: slog.New(slog.NewTextHandler(&log, nil)),
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, c.listener.Addr().String())
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client, &log
}

type animal struct {
	name   string
	server func(t *testing.T, root *cert) *tls.Config
	url    string
	words  string // of the error; empty: it is let in
}

func with(change func(*x509.Certificate)) func(*testing.T, *cert) *tls.Config {
	return func(t *testing.T, root *cert) *tls.Config {
		return showing(issue(t, root, ecKey(t), change))
	}
}

func showing(c *cert) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{c.tls()}} }

func zoo() []animal {
	return []animal{
		{name: "good", server: with(nil)},
		{name: "good wildcard", server: with(func(c *x509.Certificate) { c.DNSNames = []string{"*.example.edu"} })},
		{name: "good through an intermediate", server: func(t *testing.T, root *cert) *tls.Config {
			return showing(issue(t, authority(t, root, "intermediate", nil), ecKey(t), nil))
		}},
		{name: "good, its chain the wrong way round", server: func(t *testing.T, root *cert) *tls.Config {
			leaf := issue(t, authority(t, authority(t, root, "upper", nil), "lower", nil), ecKey(t), nil)
			slices.Reverse(leaf.chain)
			return showing(leaf)
		}},
		{name: "good among 1000 names", server: with(func(c *x509.Certificate) { c.DNSNames = append(names(1000), host) })},
		{name: "good RSA of 2048 bits", server: func(t *testing.T, root *cert) *tls.Config {
			return showing(issue(t, root, rsaKey(t, 2048), nil))
		}},
		{name: "expired", words: "certificate ended at ", server: with(func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour)
		})},
		{name: "not yet valid", words: "certificate is not valid before ", server: with(func(c *x509.Certificate) {
			c.NotBefore = time.Now().Add(24 * time.Hour)
		})},
		{name: "self-signed", words: "authority that is not trusted", server: func(t *testing.T, _ *cert) *tls.Config {
			return showing(issue(t, nil, ecKey(t), nil))
		}},
		{name: "untrusted root", words: "authority that is not trusted", server: func(t *testing.T, _ *cert) *tls.Config {
			return showing(issue(t, authority(t, nil, "stranger", nil), ecKey(t), nil))
		}},
		{name: "untrusted root of the same name", words: "authority that is not trusted", server: func(t *testing.T, root *cert) *tls.Config {
			return showing(issue(t, authority(t, nil, root.Subject.CommonName, nil), ecKey(t), nil))
		}},
		{name: "wrong host", words: `another name than "redcap.example.edu"`, server: with(func(c *x509.Certificate) { c.DNSNames = []string{"other.example.edu"} })},
		{name: "1000 names, not ours", words: "another name than", server: with(func(c *x509.Certificate) { c.DNSNames = names(1000) })},
		{name: "10000 names", words: "TLS handshake failed", server: with(func(c *x509.Certificate) { c.DNSNames = append(names(10_000), host) })},
		{name: "no names but the common one", words: "another name than", server: with(func(c *x509.Certificate) { c.DNSNames = nil })},
		{name: "address instead of name", words: "another name than", url: "https://127.0.0.1/api/", server: with(nil)},
		{name: "wildcard one level too deep", words: "another name than", server: with(func(c *x509.Certificate) { c.DNSNames = []string{"*.edu"} })},
		{name: "null byte in the name", words: "certificate", server: with(func(c *x509.Certificate) { c.DNSNames = []string{host + "\x00.evil.example"} })},
		{name: "certificate for clients", words: "not one for servers", server: with(func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		})},
		{name: "incomplete chain", words: "authority that is not trusted", server: func(t *testing.T, root *cert) *tls.Config {
			leaf := issue(t, authority(t, root, "intermediate", nil), ecKey(t), nil)
			leaf.chain = nil
			return showing(leaf)
		}},
		{name: "leaf as authority", words: "certificate", server: func(t *testing.T, root *cert) *tls.Config {
			return showing(issue(t, issue(t, root, ecKey(t), func(c *x509.Certificate) { c.Subject.CommonName = "leaf" }), ecKey(t), nil))
		}},
		{name: "expired intermediate", words: "certificate ended at ", server: func(t *testing.T, root *cert) *tls.Config {
			return showing(issue(t, authority(t, root, "intermediate", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), ecKey(t), nil))
		}},
		{name: "name constraint", words: "its authority may not speak for", server: func(t *testing.T, root *cert) *tls.Config {
			return showing(issue(t, authority(t, root, "constrained", func(c *x509.Certificate) {
				c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{"other.example"}
			}), ecKey(t), nil))
		}},
		{name: "SHA-1 signature", words: "certificate", server: with(func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA1 })},
		{name: "RSA of 1024 bits", words: "less than 2048 bits", server: func(t *testing.T, root *cert) *tls.Config {
			return showing(issue(t, root, rsaKey(t, 1024), nil))
		}},
		{name: "TLS 1.0", words: "protocol version", server: old(tls.VersionTLS10)},
		{name: "TLS 1.1", words: "protocol version", server: old(tls.VersionTLS11)},
		{name: "3DES only", words: "handshake failure", server: func(t *testing.T, root *cert) *tls.Config {
			c := showing(issue(t, root, rsaKey(t, 2048), nil))
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA}
			return c
		}},
		{name: "asks for a client certificate", words: "client certificate", server: asking(tls.VersionTLS13)},
		{name: "asks for a client certificate, TLS 1.2", words: "client certificate", server: asking(tls.VersionTLS12)},
		{name: "plain HTTP", words: "does not speak TLS"},
	}
}

func old(version uint16) func(*testing.T, *cert) *tls.Config {
	return func(t *testing.T, root *cert) *tls.Config {
		c := showing(issue(t, root, ecKey(t), nil))
		c.MinVersion, c.MaxVersion = tls.VersionTLS10, version
		return c
	}
}

func asking(version uint16) func(*testing.T, *cert) *tls.Config {
	return func(t *testing.T, root *cert) *tls.Config {
		c := showing(issue(t, root, ecKey(t), nil))
		c.MaxVersion, c.ClientAuth = version, tls.RequireAnyClientCert
		return c
	}
}

func names(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("host-%05d.clinic.example.edu", i)
	}
	return list
}

// TestUnverifiedPeerReceivesNothing is the TLS zoo: one connection, no byte of a request, no second try.
func TestUnverifiedPeerReceivesNothing(t *testing.T) {
	t.Parallel()
	root := authority(t, nil, "Example University Root", nil)
	caFile, _ := root.files(t, t.TempDir(), "root")
	for _, a := range zoo() {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			var config *tls.Config
			plain := "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
			if a.server != nil {
				config, plain = a.server(t, root), ""
			}
			url := a.url
			if url == "" {
				url = "https://" + host + "/redcap/api/"
			}
			c := newCage(t, config, plain)
			client, log := c.visitor(t, Config{CAFile: caFile, CAOnly: true}, url)
			err := client.Do(t.Context(), ask(), into(new([]byte)))
			client.Close()
			c.close()
			if a.words == "" {
				if err != nil || c.bytes.Load() == 0 {
					t.Errorf("%d bytes, %v", c.bytes.Load(), err)
				}
				return
			}
			fails(t, err, extract.KindTLS, a.words)
			if c.conns.Load() != 1 || c.bytes.Load() != 0 || log.Len() != 0 {
				t.Errorf("%d connections, %d bytes of a request, log %q", c.conns.Load(), c.bytes.Load(), log)
			}
			if len(err.Error()) > 400 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
		})
	}
}

func TestOwnAuthorityIsTrustedOnlyWhereItIsNamed(t *testing.T) {
	t.Parallel()
	root := authority(t, nil, "Example University Root", nil)
	selfSigned := issue(t, nil, ecKey(t), nil)
	dir := t.TempDir()
	caFile, _ := root.files(t, dir, "root")
	ownFile, _ := selfSigned.files(t, dir, "self")
	for _, c := range []struct {
		name string
		cfg  Config
		show *cert
		ok   bool
	}{
		{"beside the system's", Config{CAFile: caFile}, issue(t, root, ecKey(t), nil), true},
		{"alone", Config{CAFile: caFile, CAOnly: true}, issue(t, root, ecKey(t), nil), true},
		{"not named", Config{}, issue(t, root, ecKey(t), nil), false},
		{"self-signed and named", Config{CAFile: ownFile}, selfSigned, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			cage := newCage(t, showing(c.show), "")
			client, _ := cage.visitor(t, c.cfg, "https://"+host+"/")
			err := client.Do(t.Context(), ask(), into(new([]byte)))
			if c.ok != (err == nil) {
				t.Error(err)
			}
			client.Close()
		})
	}
}

func TestClientCertificateIsShownAndRenewedWithoutARestart(t *testing.T) {
	t.Parallel()
	root, stranger := authority(t, nil, "root", nil), authority(t, nil, "stranger", nil)
	pool := x509.NewCertPool()
	pool.AddCert(root.Certificate)
	dir := t.TempDir()
	caFile, _ := root.files(t, dir, "root")
	forClients := func(c *x509.Certificate) {
		c.Subject.CommonName, c.ExtKeyUsage = "syncd", []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	server := showing(issue(t, root, ecKey(t), nil))
	server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, pool
	cage := newCage(t, server, "")

	certFile, keyFile := issue(t, stranger, ecKey(t), forClients).files(t, dir, "client")
	client, _ := cage.visitor(t, Config{CAFile: caFile, CAOnly: true, ClientCert: certFile, ClientKey: keyFile}, "https://"+host+"/")
	fails(t, client.Do(t.Context(), ask(), into(new([]byte))), extract.KindTLS, "handshake failed: ")

	issue(t, root, ecKey(t), func(c *x509.Certificate) { forClients(c); c.NotAfter = time.Now().Add(-time.Minute) }).files(t, dir, "client")
	fails(t, client.Do(t.Context(), ask(), into(new([]byte))), extract.KindTLS, "handshake failed: ")
	if n := cage.bytes.Load(); n != 0 || cage.conns.Load() != 2 {
		t.Errorf("%d bytes of a request in %d connections", n, cage.conns.Load())
	}

	issue(t, root, ecKey(t), forClients).files(t, dir, "client")
	if err := client.Do(t.Context(), ask(), into(new([]byte))); err != nil {
		t.Error(err)
	}
	client.Close()
}

func TestConnectionCutAfterAskingForACertificateTellsWhatMayBeMissing(t *testing.T) {
	t.Parallel()
	root := authority(t, nil, "root", nil)
	caFile, _ := root.files(t, t.TempDir(), "root")
	config := asking(tls.VersionTLS13)(t, root)
	config.ClientAuth = tls.RequestClientCert
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = http.ReadRequest(bufio.NewReader(conn))
		_ = conn.Close()
	})
	cut := &cage{listener: l}
	client, _ := cut.visitor(t, Config{CAFile: caFile, CAOnly: true}, "https://"+host+"/")
	r := ask()
	r.Tries = 1
	err = client.Do(t.Context(), r, nil)
	fails(t, err, extract.KindTransient, "connection was cut")
	var e *extract.Error
	if errors.As(err, &e); !strings.Contains(e.Next, "client_cert") {
		t.Errorf("next is %q", e.Next)
	}
	_ = l.Close()
	serving.Wait()
}

func TestConnectionThatCannotBeMadeIsTransient(t *testing.T) {
	t.Parallel()
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = dead.Close()
	for _, c := range []struct {
		name  string
		dial  func(context.Context, string, string) (net.Conn, error)
		words string
	}{
		{"refused", func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, dead.Addr().String())
		}, "connection refused"},
		{"no such host", func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Name: host, Err: canary, IsNotFound: true}}
		}, `find host "redcap.example.edu": no such host`},
		{"name server away", func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.DNSError{Name: host, Err: canary, IsTimeout: true}
		}, "no answer from the name server"},
		{"something else", func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("dial with " + canary)
		}, "connection failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, err := New(Config{Proxy: "none"}, Endpoint{Name: "x", URL: "https://" + host + "/", Budget: PerMinute(6000), Tries: 1, Dial: c.dial})
			if err != nil {
				t.Fatal(err)
			}
			fails(t, client.Do(t.Context(), ask(), nil), extract.KindTransient, c.words)
		})
	}
}
