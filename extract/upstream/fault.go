package upstream

import (
	"compress/flate"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"

	"syncd/extract"
)

// fault makes an *extract.Error of whatever ended an attempt, in words of our own: the texts of net/http and
// crypto/x509 quote URLs, answers and a thousand names.
func (c *Client) fault(ctx context.Context, t *trace, err error) error {
	var known *extract.Error
	switch {
	case ctx.Err() != nil:
		return stopped(ctx)
	case errors.As(err, &known):
		return known
	case errors.Is(err, ErrTimeout):
		return &extract.Error{Kind: extract.KindTransient, Cause: err}
	case errors.Is(err, errTooLong):
		return &extract.Error{Kind: extract.KindTooLarge, Cause: err, Next: "ask for less in one request"}
	case errors.Is(err, errEncoding):
		return &extract.Error{Kind: extract.KindGarbled, Cause: errEncoding}
	}
	if unknown := untrusted(err); unknown != nil {
		return &extract.Error{Kind: extract.KindTLS, Cause: unknown, Next: nextAuthority}
	}
	if words, next := c.distrust(t, err); words != "" {
		return &extract.Error{Kind: extract.KindTLS, Cause: errors.New(words), Next: next}
	}
	e := &extract.Error{Kind: extract.KindTransient, Cause: network(err)}
	if cut(err) && c.asked.Load() && t.unanswered() {
		// Its alert may have been lost, or it asks everybody and has just gone down: only a person can tell.
		e.Next = "the server asks for a client certificate: if it goes on like this, set client_cert and client_key"
	}
	return e
}

// distrust says why the peer was not believed; no words where that is not what happened.
func (c *Client) distrust(t *trace, err error) (words, next string) {
	if words, next = certificate(err); words != "" {
		return words, next
	}
	var remote *net.OpError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return "the server does not speak TLS on this port", "check host and port of url"
	case errors.As(err, &remote) && remote.Op == "remote error" && c.asked.Load() && t.unanswered():
		return "the server asked for a client certificate, and there is none", "set client_cert and client_key"
	case errors.As(err, &remote) && (remote.Op == "remote error" || remote.Op == "local error"):
		return "TLS handshake failed: " + brief(remote.Err), ""
	}
	if failed := t.failedHandshake(); failed != nil && !cut(failed) && !timedOut(failed) {
		return "TLS handshake failed: " + brief(failed), ""
	}
	return "", ""
}

// certificate says what is wrong with the peer's certificate.
func certificate(err error) (words, next string) {
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var other *tls.CertificateVerificationError
	switch {
	case errors.As(err, &host):
		return "certificate is for another name than " + quoted(host.Host), "check the host in url"
	case errors.As(err, &invalid):
		return invalidity(invalid)
	case errors.As(err, &other):
		return "certificate cannot be verified: " + brief(other.Err), ""
	}
	return "", ""
}

func invalidity(e x509.CertificateInvalidError) (words, next string) {
	switch e.Reason {
	case x509.Expired:
		if e.Cert != nil && time.Now().Before(e.Cert.NotBefore) {
			return "certificate is not valid before " + e.Cert.NotBefore.UTC().Format(time.DateTime) + " UTC",
				"check the clock of this machine"
		}
		if e.Cert != nil {
			return "certificate ended at " + e.Cert.NotAfter.UTC().Format(time.DateTime) + " UTC",
				"ask the server's administrator to renew it"
		}
		return "certificate has ended", "ask the server's administrator to renew it"
	case x509.IncompatibleUsage:
		return "certificate is not one for servers", ""
	case x509.NotAuthorizedToSign:
		return "certificate is signed by one that is no authority", ""
	case x509.CANotAuthorizedForThisName, x509.NameConstraintsWithoutSANs, x509.UnconstrainedName:
		return "certificate is for a name that its authority may not speak for", ""
	}
	return "certificate is not valid: " + brief(e), ""
}

// network says what went wrong on the way.
func network(err error) error {
	var dns *net.DNSError
	var errno syscall.Errno
	var corrupt flate.CorruptInputError
	switch {
	case errors.As(err, &dns):
		return fmt.Errorf("find host %s: %s", quoted(dns.Name), dnsWords(dns))
	case errors.As(err, &errno):
		return errors.New(errno.Error())
	case timedOut(err):
		return fmt.Errorf("%w: no connection within its time", ErrTimeout)
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader), errors.As(err, &corrupt):
		return errors.New("compressed answer is damaged")
	case cut(err):
		return errors.New("connection was cut")
	}
	return fmt.Errorf("connection failed, or the answer is not HTTP (%T)", err)
}

func dnsWords(e *net.DNSError) string {
	switch {
	case e.IsNotFound:
		return "no such host"
	case e.IsTimeout:
		return "no answer from the name server"
	}
	return "the name server failed"
}

// cut reports whether the connection ended early.
func cut(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe)
}

func timedOut(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// brief shortens a text of crypto/tls or crypto/x509.
func brief(err error) string { return shorten(err.Error(), 200) }

// quoted prints a name that may come from afar.
func quoted(name string) string { return fmt.Sprintf("%q", shorten(name, 100)) }

func shorten(s string, limit int) string {
	if len(s) > limit {
		return s[:limit] + "..."
	}
	return s
}
