package upstream

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"syncd/extract"
)

// tunnel is a proxy that leads every CONNECT to one address, or refuses with a status.
type tunnel struct {
	*httptest.Server
	to     string
	status int
	asked  atomic.Int64
	header atomic.Pointer[http.Header]
}

func newTunnel(t *testing.T, to string, status int) *tunnel {
	t.Helper()
	p := &tunnel{to: to, status: status}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *tunnel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.asked.Add(1)
	p.header.Store(&r.Header)
	if p.status != 0 || r.Method != http.MethodConnect {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(p.status)
		return
	}
	there, err := net.Dial("tcp", p.to)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer there.Close()
	here, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	defer here.Close()
	_, _ = io.WriteString(here, "HTTP/1.1 200 Connection established\r\n\r\n")
	var both sync.WaitGroup
	both.Go(func() { _, _ = io.Copy(there, here); _ = there.(*net.TCPConn).CloseWrite() })
	both.Go(func() { _, _ = io.Copy(here, there) })
	both.Wait()
}

// through is a client that reaches host by way of proxy.
func through(t *testing.T, proxy, caFile string) *Client {
	t.Helper()
	client, err := New(Config{CAFile: caFile, CAOnly: true, Proxy: proxy}, Endpoint{
		Name: "redcap.main", URL: "https://" + host + "/", Budget: PerMinute(60_000), Tries: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func TestProxyIsATunnelAndThePeerBehindItIsVerified(t *testing.T) {
	t.Parallel()
	root := authority(t, nil, "root", nil)
	caFile, _ := root.files(t, t.TempDir(), "root")

	good := newCage(t, showing(issue(t, root, ecKey(t), nil)), "")
	p := newTunnel(t, good.listener.Addr().String(), 0)
	address := strings.TrimPrefix(p.URL, "http://")
	client := through(t, "http://syncd:pass-"+canary+"@"+address, caFile)
	if err := client.Do(t.Context(), ask(), into(new([]byte))); err != nil {
		t.Fatal(err)
	}
	way, ok := client.Way()
	if !ok || way.Proxy != address || way.TLS != "TLS 1.3" || way.Peer != host || way.Issuer != "root" || way.DaysLeft(time.Now()) != 40 {
		t.Errorf("way %+v", way)
	}
	if header := *p.header.Load(); header.Get("Proxy-Authorization") == "" || header.Get("X-Api-Key") != "" || header.Get("User-Agent") != "syncd/dev" {
		t.Errorf("the proxy saw %v", header)
	}
	client.Close()

	wrong := newCage(t, showing(issue(t, root, ecKey(t), func(c *x509.Certificate) { c.DNSNames = []string{"other.example.edu"} })), "")
	client = through(t, newTunnel(t, wrong.listener.Addr().String(), 0).URL, caFile)
	fails(t, client.Do(t.Context(), ask(), nil), extract.KindTLS, "another name than")
	client.Close()
	wrong.close()
	if wrong.bytes.Load() != 0 {
		t.Error("a request went to a peer that was not verified")
	}
}

func TestRefusalOfAProxyIsNotTheServers(t *testing.T) {
	t.Parallel()
	root := authority(t, nil, "root", nil)
	caFile, _ := root.files(t, t.TempDir(), "root")
	for status, want := range map[int]extract.Kind{
		407: extract.KindAuth, 403: extract.KindRights, 404: extract.KindRights, 302: extract.KindTransient,
		502: extract.KindTransient, 503: extract.KindTransient, 429: extract.KindTransient,
	} {
		p := newTunnel(t, "", status)
		address := strings.TrimPrefix(p.URL, "http://")
		client := through(t, "http://syncd:pass-"+canary+"@"+address, caFile)
		fails(t, client.Do(t.Context(), ask(), nil), want, fmt.Sprintf("connect through proxy %s (redcap.main https://redcap.example.edu/ record, 2 ids): status %d", address, status))
		if p.asked.Load() != 1 {
			t.Errorf("status %d: the proxy was asked %d times", status, p.asked.Load())
		}
	}
}

func TestPlainHTTPTakesNoProxy(t *testing.T) {
	var log bytes.Buffer
	server := httptest.NewServer(text("ok"))
	defer server.Close()
	t.Setenv("HTTP_PROXY", "http://proxy.example.edu:3128")
	client, err := New(Config{}, Endpoint{Name: "x", URL: server.URL, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.Do(t.Context(), ask(), into(new([]byte))); err != nil {
		t.Error(err)
	}
	if way, ok := client.Way(); !ok || way.Proxy != "" || way.TLS != "" || way.Remote != strings.TrimPrefix(server.URL, "http://") {
		t.Errorf("way %+v", way)
	}
}

func TestPlainHTTPEndsOnTheOwnMachineWhateverItsNameResolvesTo(t *testing.T) {
	count := &closed{remote: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80}}
	client, err := New(Config{}, Endpoint{Name: "x", URL: "http://localhost/", Dial: func(context.Context, string, string) (net.Conn, error) {
		return count, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	fails(t, client.Do(t.Context(), ask(), nil), extract.KindConfig, "loopback only")
	if !count.closed {
		t.Error("the connection is still open")
	}
}

// closed is a connection that must not be used.
type closed struct {
	net.Conn
	remote net.Addr
	closed bool
}

func (c *closed) RemoteAddr() net.Addr { return c.remote }
func (c *closed) Close() error         { c.closed = true; return nil }

func TestProxyOfTheEnvironmentThatIsNoURLIsNotPassedOver(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://syncd:pass-"+canary+"@%zz")
	_, err := New(Config{}, Endpoint{Name: "x", URL: "https://" + host + "/", Budget: PerMinute(60)})
	fails(t, err, extract.KindConfig, "read proxy (x): HTTPS_PROXY of the environment is not a URL")
}

// TestEnvironmentNamesTheProxy runs itself in a process of its own, as net/http reads the environment once.
func TestEnvironmentNamesTheProxy(t *testing.T) {
	if os.Getenv("SYNCD_TEST_PROXY") != "" {
		direct := func(ctx context.Context, network, address string) (net.Conn, error) {
			if strings.HasPrefix(address, host) {
				return nil, &net.DNSError{Name: host, IsNotFound: true}
			}
			return new(net.Dialer).DialContext(ctx, network, address)
		}
		client, err := New(Config{}, Endpoint{Name: "x", URL: "https://" + host + "/", Budget: PerMinute(60), Tries: 1, Dial: direct})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("proxy=%q error=%v\n", client.proxyName(), client.Do(t.Context(), ask(), nil))
		return
	}
	proxy := newTunnel(t, "", http.StatusForbidden)
	address := strings.TrimPrefix(proxy.URL, "http://")
	for _, c := range []struct{ name, proxy, no, want string }{
		{"named", "http://syncd:pass-" + canary + "@" + address, "", `proxy="` + address + `" error=connect through proxy ` + address},
		{"not for this host", "http://syncd:pass-" + canary + "@" + address, "example.edu", `proxy="" error=send request`},
	} {
		t.Run(c.name, func(t *testing.T) {
			child := exec.Command(os.Args[0], "-test.run=^TestEnvironmentNamesTheProxy$")
			child.Env = append(os.Environ(), "SYNCD_TEST_PROXY=1", "HTTPS_PROXY="+c.proxy, "https_proxy="+c.proxy, "NO_PROXY="+c.no, "no_proxy="+c.no)
			out, err := child.CombinedOutput()
			if err != nil || !strings.Contains(string(out), c.want) || leaks(string(out)) {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}
