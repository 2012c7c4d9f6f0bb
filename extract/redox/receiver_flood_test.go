package redox

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"syncd/extract"
)

// H12: senders of headers that never end hold connections, and nobody up.
func TestSendersOfEndlessHeadersHoldNobodyUp(t *testing.T) {
	const slow = 500
	w := newWorld(t, setting{})
	for range slow {
		c := w.dial()
		defer c.Close()
		if _, err := io.WriteString(c, "POST "+hospitalPath+" HTTP/1.1\r\nHost: x\r\nX-Slow: "); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	if r := w.one(request(arrivalOf("good", ""))); r.status != http.StatusOK {
		t.Errorf("a good sender gets %d", r.status)
	}
	t.Logf("%d connections whose headers never end; a good sender waits %s", slow, time.Since(began))
}

func TestHeadersThatDoNotEndAreCut(t *testing.T) {
	w := newWorld(t, setting{limits: func(s *Server) { s.http.ReadHeaderTimeout = 20 * time.Millisecond }})
	c := w.dial()
	defer c.Close()
	if _, err := io.WriteString(c, "POST "+hospitalPath+" HTTP/1.1\r\nHost: x\r\nX-Slow: "); err != nil {
		t.Fatal(err)
	}
	for _, r := range answers(c) { // ends when the server closes
		if r.status != http.StatusRequestTimeout && r.status != http.StatusBadRequest {
			t.Errorf("status %d", r.status)
		}
	}
}

// H13: bodies that hardly come take no room for what they announce.
func TestSlowBodiesHoldNobodyUp(t *testing.T) {
	const slow = 200
	w := newWorld(t, setting{})
	for range slow {
		c := w.dial()
		defer c.Close()
		if _, err := io.WriteString(c, request("", "-Content-Length", "Content-Length: 1000000", "Expect: 100-continue")); err != nil {
			t.Fatal(err)
		}
		if r, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || r.StatusCode != http.StatusContinue {
			t.Fatalf("not asked for its body: %v", err) // from here on it has the room that it gets
		}
		if _, err := io.WriteString(c, `{"Meta":`); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	if r := w.one(request(arrivalOf("good", ""))); r.status != http.StatusOK {
		t.Errorf("a good sender gets %d", r.status)
	}
	t.Logf("%d bodies of 1 MB that do not come; a good sender waits %s", slow, time.Since(began))
}

func TestConnectionsOfUnknownSendersGiveWay(t *testing.T) {
	w := newWorld(t, setting{limits: func(s *Server) { s.perPeer = 3 }})
	known := w.dial()
	defer known.Close()
	keep := bufio.NewReader(known)
	good := func() {
		t.Helper()
		if _, err := io.WriteString(known, request("{}", "-Connection")); err != nil {
			t.Fatal(err)
		}
		r, err := http.ReadResponse(keep, nil)
		if err != nil || r.StatusCode != http.StatusOK {
			t.Fatalf("a known sender loses his connection: %v", err)
		}
		_, _ = io.Copy(io.Discard, r.Body)
	}
	good()
	unknown := []net.Conn{w.dial(), w.dial(), w.dial(), w.dial()} // the first two give way to the last two
	for i, c := range unknown {
		defer c.Close()
		if i < 2 {
			if _, err := c.Read(make([]byte, 1)); err == nil {
				t.Error("an unknown sender is answered without asking")
			}
		}
	}
	good()
	for _, c := range unknown[2:] { // these become known, too
		if _, err := io.WriteString(c, request("{}", "-Connection")); err != nil {
			t.Fatal(err)
		}
		if r, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || r.StatusCode != http.StatusOK {
			t.Fatal("an unknown sender who proves himself is not let in")
		}
	}
	late := w.dial()
	defer late.Close()
	if _, err := late.Read(make([]byte, 1)); err == nil {
		t.Error("one too many is let in although all are known")
	}
	good()
}

func TestProxyMayHaveAnyNumberOfConnections(t *testing.T) {
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	w := newWorld(t, setting{limits: func(s *Server) { s.perPeer = 1 }, config: func(c *ServerConfig) { c.TrustedProxies = loopback }})
	first := w.dial()
	defer first.Close()
	w.one(request("{}"))
	if _, err := io.WriteString(first, request("{}")); err != nil {
		t.Fatal(err)
	}
	if all := answers(first); !slices.Equal(statuses(all), []int{200}) {
		t.Errorf("the first connection of a proxy gave way: %v", statuses(all))
	}
}

// H38
func TestForwardedAddressIsBelievedOfTrustedProxiesAlone(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	for _, c := range []struct {
		remote, said, want string
		trusted            []netip.Prefix
	}{
		{"127.0.0.1:5", "203.0.113.9", "127.0.0.1", nil},
		{"198.51.100.7:5", "203.0.113.9", "198.51.100.7", trusted},
		{"127.0.0.1:5", "203.0.113.9", "203.0.113.9", trusted},
		{"127.0.0.1:5", "1.2.3.4, 203.0.113.9, 10.1.1.1", "203.0.113.9", trusted},
		{"127.0.0.1:5", "10.9.9.9,10.1.1.1", "10.9.9.9", trusted},
		{"127.0.0.1:5", "garbage, 10.1.1.1", "10.1.1.1", trusted},
		{"127.0.0.1:5", "", "127.0.0.1", trusted},
		{"[::1]:5", "2001:db8::1", "2001:db8::1", trusted},
		{"[::ffff:127.0.0.1]:5", "[2001:db8::1]:99", "2001:db8::1", trusted},
	} {
		r := &http.Request{RemoteAddr: c.remote, Header: http.Header{"X-Forwarded-For": {c.said}}}
		if got := peerOf(r, c.trusted).String(); got != c.want {
			t.Errorf("%s, forwarded for %q: %s, want %s", c.remote, c.said, got, c.want)
		}
	}
}

// certificate makes one for etl.example.org.
func certificate(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "etl.example.org"}, DNSNames: []string{"etl.example.org"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// client is what trusts a server's certificate.
func client(t testing.TB, server *tls.Config) *tls.Config {
	t.Helper()
	leaf, err := x509.ParseCertificate(server.Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return &tls.Config{RootCAs: roots, ServerName: "etl.example.org"}
}

// dialTLS connects, and speaks the first of these protocols that is taken.
func (w *world) dialTLS(server *tls.Config, protocols ...string) *tls.Conn {
	w.t.Helper()
	c := client(w.t, server)
	c.NextProtos = protocols
	conn, err := tls.Dial("tcp", w.addr, c)
	if err != nil {
		w.t.Fatal(err)
	}
	return conn
}

// H37: with TLS of our own, another name is not ours.
func TestRequestForAnotherHostIsNotOurs(t *testing.T) {
	own := certificate(t)
	w := newWorld(t, setting{config: func(c *ServerConfig) { c.TLS, c.Host = own, "etl.example.org" }})
	for host, want := range map[string]int{
		"etl.example.org": 200, "ETL.example.org:443": 200, "etl.example.org.": 200, "evil.example": 404, "etl.example.org.evil.example": 404, "": 404,
	} {
		c := w.dialTLS(own)
		if _, err := io.WriteString(c, request("{}", "-Host", "Host: "+host)); err != nil {
			t.Fatal(err)
		}
		if all := answers(c); !slices.Equal(statuses(all), []int{want}) {
			t.Errorf("host %q: %v, want %d", host, statuses(all), want)
		}
		c.Close()
	}
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		old := client(t, own)
		old.MinVersion, old.MaxVersion = version, version
		if c, err := tls.Dial("tcp", w.addr, old); err == nil {
			c.Close()
			t.Errorf("%s is spoken", tls.VersionName(version))
		}
	}
}

const (
	frameHeaders, frameReset, frameSettings, frameGoAway, frameContinuation = 1, 3, 4, 7, 9
	endStream, endHeaders                                                   = 1, 4
)

func frame(kind, flags byte, stream uint32, payload []byte) []byte {
	n := len(payload)
	b := []byte{byte(n >> 16), byte(n >> 8), byte(n), kind, flags}
	return append(binary.BigEndian.AppendUint32(b, stream), payload...)
}

// fields are headers as HPACK literals.
func fields(pairs ...string) []byte {
	var b []byte
	for i := 0; i < len(pairs); i += 2 {
		b = append(b, 0, byte(len(pairs[i])))
		b = append(append(b, pairs[i]...), byte(len(pairs[i+1])))
		b = append(b, pairs[i+1]...)
	}
	return b
}

// calm reads frames until the connection ends, and returns the code of the last GOAWAY.
func calm(c io.Reader) uint32 {
	code, head := uint32(0), make([]byte, 9)
	for {
		if _, err := io.ReadFull(c, head); err != nil {
			return code
		}
		payload := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(c, payload); err != nil {
			return code
		}
		if head[3] == frameGoAway {
			code = binary.BigEndian.Uint32(payload[4:])
		}
	}
}

// H36: streams that are opened and reset, and headers that never end, end with their connection.
func TestFloodsOfHTTP2FramesEndWithTheirConnection(t *testing.T) {
	own := certificate(t)
	w := newWorld(t, setting{config: func(c *ServerConfig) { c.TLS = own }})
	var running, most atomic.Int64
	goOn := make(chan struct{})
	w.inbox.accept = func(context.Context, *extract.Delivery) error {
		n := running.Add(1)
		defer running.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		<-goOn
		return nil
	}
	push := fields(":method", "POST", ":scheme", "https", ":authority", "etl.example.org", ":path", hospitalPath, "verification-token", goodToken)
	for name, next := range map[string]func(stream uint32) []byte{
		"rapid reset": func(stream uint32) []byte {
			return append(frame(frameHeaders, endStream|endHeaders, stream, push), frame(frameReset, 0, stream, []byte{0, 0, 0, 8})...)
		},
		"100,000 streams": func(stream uint32) []byte { return frame(frameHeaders, endHeaders, stream, push) },
		"endless headers": func(stream uint32) []byte {
			if stream == 1 {
				return frame(frameHeaders, 0, 1, push)
			}
			return frame(frameContinuation, 0, 1, fields("x", strings.Repeat("y", 100)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := w.dialTLS(own, "h2")
			defer c.Close()
			if got := c.ConnectionState().NegotiatedProtocol; got != "h2" {
				t.Fatalf("speaks %q", got)
			}
			ended := make(chan uint32, 1)
			go func() { ended <- calm(c) }()
			out := bufio.NewWriter(c)
			_, err := out.WriteString("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + string(frame(frameSettings, 0, 0, nil)))
			sent := 0
			for stream := uint32(1); stream < 200_000 && err == nil; stream += 2 {
				_, err = out.Write(next(stream))
				sent++
			}
			_ = out.Flush()
			if name == "100,000 streams" { // each beyond the limit is refused, or the connection ends
				c.Close()
			}
			t.Logf("%d frames taken, then GOAWAY with code %d", sent, <-ended)
		})
	}
	close(goOn)
	if n := most.Load(); n > streams*2 {
		t.Errorf("%d deliveries at once in the inbox, of connections that may have %d", n, streams)
	}
	w.inbox.accept = nil
	c := w.dialTLS(own, "http/1.1")
	defer c.Close()
	if _, err := io.WriteString(c, request(arrivalOf("good", ""))); err != nil {
		t.Fatal(err)
	}
	if all := answers(c); !slices.Equal(statuses(all), []int{200}) {
		t.Errorf("a good sender gets %v", statuses(all))
	}
}

func TestHTTP2IsNotSpokenWithoutTLS(t *testing.T) {
	w := newWorld(t, setting{})
	preface := "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + string(frame(frameSettings, 0, 0, nil))
	for _, r := range w.send(preface) {
		if r.status < 400 {
			t.Errorf("the preface is answered with %d", r.status)
		}
	}
	if r := w.one(request("{}", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")); r.status != http.StatusOK {
		t.Errorf("an upgrade is answered with %d", r.status)
	}
}

func TestTallyCountsByOutcomeWithoutLabelsThatASenderMakes(t *testing.T) {
	var tally Tally
	for i := range 1000 {
		tally.Observe(Event{At: noon, Receiver: "hospital", Kind: KindPush, Status: 200, Model: fmt.Sprint("Model", i)})
	}
	tally.Observe(Event{At: noon.Add(time.Hour), Receiver: "hospital", Kind: KindPush, Status: 200, Model: "PatientAdmin", EventType: "Arrival"})
	tally.Observe(Event{At: noon, Receiver: "hospital", Kind: KindDuplicate, Status: 200, Model: "PatientAdmin", EventType: "Arrival"})
	tally.Observe(Event{At: noon, Receiver: "hospital", Kind: KindPush, Status: 200, Model: "Order", EventType: "New", Test: true})
	tally.Observe(Event{At: noon, Receiver: "hospital", Kind: KindPush, Status: 200, Model: fhirModel, EventType: "PatientAdminCreated"})
	tally.Observe(Event{At: noon, Kind: KindStray, Status: 404})
	got := tally.Snapshot()
	wantOutcomes := []OutcomeCount{{"", KindStray, 404, 1}, {"hospital", KindDuplicate, 200, 1}, {"hospital", KindPush, 200, 1003}}
	wantLast := []LastReceived{{"hospital", fhirModel, noon}, {"hospital", "PatientAdmin", noon.Add(time.Hour)}, {"hospital", "other", noon}}
	if !slices.Equal(got.Outcomes, wantOutcomes) || !slices.Equal(got.Last, wantLast) {
		t.Errorf("snapshot %+v", got)
	}
}
