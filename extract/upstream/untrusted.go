package upstream

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Untrusted says that a server's certificate is signed by an authority that is not trusted, and what was presented. It is in
// the chain of Do's error; nothing was sent.
type Untrusted struct {
	Presented []Presented // the server's own first
}

// Presented is a certificate as a server showed it: nothing of it was verified.
type Presented struct {
	Subject, Issuer string
	SHA256          string // of the whole certificate, in hexadecimal digits
	NotAfter        time.Time
}

const nextAuthority = "if the authority is your institution's, put its certificate into ca_file"

// Error says so without the names, which are the server's words.
func (*Untrusted) Error() string { return "certificate is signed by an authority that is not trusted" }

// untrusted finds an unknown authority in an error of crypto/tls.
func untrusted(err error) *Untrusted {
	if !errors.As(err, new(x509.UnknownAuthorityError)) {
		return nil
	}
	u := &Untrusted{}
	var refused *tls.CertificateVerificationError
	if errors.As(err, &refused) {
		for _, cert := range refused.UnverifiedCertificates {
			u.Presented = append(u.Presented, Presented{
				Subject: printable(cert.Subject.String()), Issuer: printable(cert.Issuer.String()),
				SHA256: fmt.Sprintf("%x", sha256.Sum256(cert.Raw)), NotAfter: cert.NotAfter,
			})
		}
	}
	return u
}

// printable keeps a foreign name to one line of a terminal.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r > '~' {
			return '?'
		}
		return r
	}, shorten(name, 200))
}
