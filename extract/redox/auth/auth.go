// Package auth decides who may push: the verification tokens of a receiver, and the six strategies by which Redox can
// authenticate itself.
//
// In go a request and, where a strategy signs them, its bytes; out comes nothing, or a Refusal that says which status to answer
// and, for people, why. Comparing is done in constant time over all that is valid. What cannot be judged now, because keys or a
// verdict have to be asked for and nobody answers, is refused with 503 and never with 401: the sender keeps what it has and
// tries again. Nothing that it says or keeps holds a token, a secret, or a claim's value.
package auth

import (
	"context"
	"net/http"
	"time"
)

// Refusal is why a request is not let in.
type Refusal struct {
	Status    int    // 401, or 503 where it could not be judged
	Reason    string // stable, in words, without values: "wrong verification token", "token expired"
	Challenge string // for WWW-Authenticate; empty where there is none
	Cause     error  // for the log: what failed, of a 503; nil where nothing did
}

func (r *Refusal) Error() string { return r.Reason }

// Unwrap returns Cause.
func (r *Refusal) Unwrap() error { return r.Cause }

// refused is a caller that is not let in.
func refused(reason string) *Refusal {
	return &Refusal{Status: http.StatusUnauthorized, Reason: reason}
}

// bearerRefused is a bearer token that is not let in (RFC 6750 section 3).
func bearerRefused(reason string) *Refusal {
	return &Refusal{Status: http.StatusUnauthorized, Reason: reason, Challenge: `Bearer error="invalid_token"`}
}

// unjudged is a caller of whom nothing can be said now.
func unjudged(reason string, cause error) *Refusal {
	return &Refusal{Status: http.StatusServiceUnavailable, Reason: reason, Cause: cause}
}

// Store keeps what replicas have to agree on. The warehouse's loader implements it.
type Store interface {
	// KeepToken keeps the hash of an access token that was given out.
	KeepToken(ctx context.Context, destination string, sha256 [32]byte, client, scope string, expires time.Time) error
	// Token says whether a token was given out and is valid at this moment, and until when it is.
	Token(ctx context.Context, destination string, sha256 [32]byte) (scope string, expires time.Time, ok bool, err error)
	// UseJTI reports whether an assertion is used for the first time.
	UseJTI(ctx context.Context, destination, issuer string, jtiSHA256 [32]byte, expires time.Time) (first bool, err error)
	// UsedTokens adds to the uses of verification tokens, by fingerprint.
	UsedTokens(ctx context.Context, destination string, uses map[string]int64) error
}

// Request is what a Gate judges.
type Request struct {
	*http.Request
	// Bytes reads the whole body, at most once; later calls return the same. A Gate calls it only where the body is signed, and
	// returns its error as it is.
	Bytes func() ([]byte, error)
}
