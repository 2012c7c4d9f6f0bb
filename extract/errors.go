package extract

import (
	"errors"
	"fmt"
	"time"
)

// Kind says what an error means for a run; it is set once, by whoever knows.
type Kind string

// The kinds. Only KindTransient and KindTooLarge are worth another try by the same process.
const (
	KindAuth      Kind = "auth"      // who we are was refused: token, signature
	KindRights    Kind = "rights"    // we are known, and may not do this
	KindTransient Kind = "transient" // unreachable, 5xx, 408, 429, cut connection: later it may work
	KindTooLarge  Kind = "too_large" // the answer or the question was too big: ask for less
	KindGarbled   Kind = "garbled"   // success that is not: HTML, an error text, a cut body, the wrong columns
	KindTLS       Kind = "tls"       // the peer could not be verified; nothing was sent
	KindRedirect  Kind = "redirect"  // the server points elsewhere; never followed
	KindRefused   Kind = "refused"   // the request itself was refused as wrong (400, 404, 501)
	KindIdentity  Kind = "identity"  // another project, server or person than this job is bound to
	KindDrift     Kind = "drift"     // structure changed between Describe and Pull
	KindHeld      Kind = "held"      // the brake: something that looks like mass deletion waits for a person
	KindConfig    Kind = "config"    // misconfigured: a secret missing, a file unreadable
	KindPostgres  Kind = "postgres"  // the warehouse refused or is away
	KindInternal  Kind = "internal"  // a defect of syncd
)

// Error is an error with a kind, made for two readers: Kind for the machine; What, Where and Next for a person.
// None of its texts holds a value, a token, a query string or a body.
type Error struct {
	Kind  Kind
	What  string        // verb noun: "export records", "read token"
	Where string        // source, resource, counts: "redcap.main /api/ record, 25 ids"
	Cause error         // already free of secrets
	Next  string        // what to type or whom to ask next; may be empty
	After time.Duration // how long the upstream asked us to wait; 0 where it did not
}

// Error prints what, where and why in one line.
func (e *Error) Error() string {
	s := e.What
	if e.Where != "" {
		s += " (" + e.Where + ")"
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// KindOf returns the kind of the outermost *Error in err's chain, and KindInternal where there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return KindInternal
}

// Errorf makes an *Error of a kind whose cause is the formatted text (%w is honoured).
func Errorf(kind Kind, what, format string, args ...any) *Error {
	return &Error{Kind: kind, What: what, Cause: fmt.Errorf(format, args...)}
}
