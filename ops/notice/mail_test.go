package notice

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"syncd/extract"
)

const mailPassword = "hunter2CANARY"

// mailServer is a mail server with one account, as far as RFC 5321, 3207 and 4954 matter here.
type mailServer struct {
	addr     string
	cert     tls.Certificate
	caFile   string
	implicit bool // TLS from the first byte
	plain    bool // no STARTTLS
	noAuth   bool // no AUTH
	refuse   int  // answer to RCPT; 0: taken

	mu    sync.Mutex
	mails []string
	said  []string // in the clear
	done  sync.WaitGroup
}

func startMail(t *testing.T, change func(*mailServer)) *mailServer {
	t.Helper()
	s := &mailServer{}
	s.cert, s.caFile = selfSigned(t)
	change(s)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	s.done.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.done.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); s.done.Wait() })
	return s
}

func (s *mailServer) serve(conn net.Conn) {
	defer conn.Close()
	secure := false
	if s.implicit {
		conn, secure = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{s.cert}}), true
	}
	in := bufio.NewReader(conn)
	say := func(format string, args ...any) { fmt.Fprintf(conn, format+"\r\n", args...) }
	say("220 mail.example.edu")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		if !secure {
			s.mu.Lock()
			s.said = append(s.said, strings.TrimSpace(line))
			s.mu.Unlock()
		}
		switch verb, rest, _ := strings.Cut(strings.TrimSpace(line), " "); strings.ToUpper(verb) {
		case "EHLO":
			say("250-mail.example.edu")
			if !s.plain && !secure {
				say("250-STARTTLS")
			}
			if s.noAuth {
				say("250 HELP")
			} else {
				say("250 AUTH PLAIN LOGIN")
			}
		case "STARTTLS":
			say("220 go ahead")
			conn, secure = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{s.cert}}), true
			in = bufio.NewReader(conn)
		case "AUTH":
			text, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(rest, "PLAIN "))
			if string(text) == "\x00syncd\x00"+mailPassword {
				say("235 welcome")
			} else {
				say("535 no such user CANARY")
			}
		case "RCPT":
			if s.refuse > 0 {
				say("%d CANARY %s", s.refuse, rest)
			} else {
				say("250 ok")
			}
		case "DATA":
			say("354 go on")
			var text strings.Builder
			for line, err = in.ReadString('\n'); err == nil && line != ".\r\n"; line, err = in.ReadString('\n') {
				text.WriteString(line)
			}
			s.mu.Lock()
			s.mails = append(s.mails, text.String())
			s.mu.Unlock()
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

// selfSigned makes a certificate for this machine and a file that trusts it.
func selfSigned(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

func (s *mailServer) mailer(url, caFile string) *Mail {
	return &Mail{
		Name: "mail", From: "syncd <syncd@example.edu>", To: []string{"data-team@example.edu", "pager@example.edu"}, CAFile: caFile,
		URL: func(context.Context) (string, error) { return strings.ReplaceAll(url, "ADDR", s.addr), nil },
	}
}

func TestMailArrivesByEachWay(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*mailServer)
		url    string
		ca     bool
	}{
		"TLS from the first byte":       {func(s *mailServer) { s.implicit = true }, "smtps://syncd:" + mailPassword + "@ADDR", true},
		"STARTTLS":                      {func(*mailServer) {}, "smtp://syncd:" + mailPassword + "@ADDR", true},
		"in the clear, on this machine": {func(s *mailServer) { s.plain = true }, "smtp://ADDR", false},
	} {
		s := startMail(t, c.change)
		ca := ""
		if c.ca {
			ca = s.caFile
		}
		for range 2 {
			if err := s.mailer(c.url, ca).Send(t.Context(), sample()); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if len(s.mails) != 2 {
			t.Fatalf("%s: %d mails", name, len(s.mails))
		}
		for _, want := range []string{
			"Subject: [syncd] 2 jobs failed\r\n", "To: <data-team@example.edu>, <pager@example.edu>\r\n", "Auto-Submitted: auto-generated\r\n", "asthma: failed, kind auth",
			"Message-ID: <syncd.run_failed.began.1772349300000000@example.edu>\r\n", "syncd run 41",
		} {
			if !strings.Contains(s.mails[1], want) {
				t.Errorf("%s: no %q in\n%s", name, want, s.mails[1])
			}
		}
		if c.ca && strings.Contains(strings.Join(s.said, "\n"), "AUTH") {
			t.Errorf("%s: the password was sent in the clear", name)
		}
	}
}

func TestMailThatIsRefusedSaysWhyWithoutTheServersWords(t *testing.T) {
	t.Parallel()
	good := "smtp://syncd:" + mailPassword + "@ADDR"
	for name, c := range map[string]struct {
		change func(*mailServer)
		url    string
		ca     bool
		kind   extract.Kind
		want   string
	}{
		"untrusted from the first byte": {func(s *mailServer) { s.implicit = true }, "smtps://syncd:" + mailPassword + "@ADDR", false, extract.KindTLS, "not trusted"},
		"no STARTTLS":                   {func(s *mailServer) { s.plain = true }, good, true, extract.KindTLS, "does not offer STARTTLS"},
		"wrong password":                {func(*mailServer) {}, "smtp://syncd:otherCANARY@ADDR", true, extract.KindAuth, "535"},
		"no way to log in":              {func(s *mailServer) { s.noAuth = true }, good, true, extract.KindAuth, "takes no user and password"},
		"unknown recipient":             {func(s *mailServer) { s.refuse = 550 }, good, true, extract.KindRefused, "550"},
		"busy":                          {func(s *mailServer) { s.refuse = 451 }, good, true, extract.KindTransient, "451"},
		"another scheme":                {func(*mailServer) {}, "https://user:" + mailPassword + "@ADDR", true, extract.KindConfig, "smtps://USER:PASSWORD@HOST"},
	} {
		s := startMail(t, c.change)
		ca := ""
		if c.ca {
			ca = s.caFile
		}
		err := s.mailer(c.url, ca).Send(t.Context(), sample())
		if err == nil || extract.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: kind %s: %v", name, extract.KindOf(err), err)
			continue
		}
		for e := err; e != nil; e = errors.Unwrap(e) {
			if strings.Contains(e.Error(), "CANARY") {
				t.Errorf("%s: %v", name, e)
			}
		}
		if len(s.mails) > 0 {
			t.Errorf("%s: a mail was taken", name)
		}
		if c.kind == extract.KindTLS && strings.Contains(strings.Join(s.said, "\n"), "AUTH") {
			t.Errorf("%s: the password was sent", name)
		}
	}
}
