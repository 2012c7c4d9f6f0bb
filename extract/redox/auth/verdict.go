package auth

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"
)

const (
	mostVerdicts  = 4096        // kept at once; the ones that end first go first
	refusedFor    = time.Minute // how long a token that somebody refused is not asked about again
	longestTrust  = time.Hour   // how long a token is let in without asking again, at most
	revocableFor  = time.Minute // the same of an issuer that says when a token was revoked (RFC 7662 section 4)
	issuedTrust   = 5 * time.Second
	reasonVerdict = "nobody can be asked about the token now"
)

// verdict is what was found about an opaque token: nil, or why it is refused.
type verdict struct {
	refusal *Refusal
	until   time.Time
}

// verdicts remembers what others said of opaque tokens, by hash, and asks about each at most once at a time.
type verdicts struct {
	now func() time.Time
	// ask finds a verdict; its error is a Refusal of 503, which is not remembered.
	ask func(ctx context.Context, token string) (verdict, error)

	mu      sync.Mutex
	known   map[[32]byte]verdict
	pending map[[32]byte]*question
}

// question is one that is under way.
type question struct {
	done    chan struct{}
	verdict verdict
	err     error
}

// check judges a token. The error is a Refusal.
func (v *verdicts) check(ctx context.Context, token string) error {
	sum := sha256.Sum256([]byte(token))
	v.mu.Lock()
	if known, ok := v.known[sum]; ok && v.now().Before(known.until) {
		v.mu.Unlock()
		return known.err()
	}
	q, asked := v.pending[sum]
	if !asked {
		q = &question{done: make(chan struct{})}
		if v.pending == nil {
			v.pending = map[[32]byte]*question{}
		}
		v.pending[sum] = q
	}
	v.mu.Unlock()
	if asked {
		select {
		case <-q.done:
		case <-ctx.Done():
			return unjudged(reasonVerdict, context.Cause(ctx))
		}
	} else {
		v.answer(ctx, sum, token, q)
	}
	if q.err != nil {
		return q.err
	}
	return q.verdict.err()
}

// answer asks, for whoever waits as well: a caller that goes away does not end it.
func (v *verdicts) answer(ctx context.Context, sum [32]byte, token string, q *question) {
	q.err = unjudged(reasonVerdict, nil) // what those who wait get where ask panics
	defer func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		delete(v.pending, sum)
		if q.err == nil {
			v.keep(sum, q.verdict)
		}
		close(q.done)
	}()
	q.verdict, q.err = v.ask(context.WithoutCancel(ctx), token)
}

// keep remembers a verdict; v.mu is held.
func (v *verdicts) keep(sum [32]byte, found verdict) {
	if v.known == nil {
		v.known = map[[32]byte]verdict{}
	}
	if len(v.known) >= mostVerdicts {
		v.makeRoom()
	}
	v.known[sum] = found
}

// makeRoom forgets what has ended, and where that is not enough, refusals; failing that, everything: it can be asked again.
func (v *verdicts) makeRoom() {
	now := v.now()
	for sum, known := range v.known {
		if !now.Before(known.until) {
			delete(v.known, sum)
		}
	}
	if len(v.known) < mostVerdicts {
		return
	}
	for sum, known := range v.known {
		if known.refusal != nil {
			delete(v.known, sum)
		}
	}
	if len(v.known) >= mostVerdicts {
		clear(v.known)
	}
}

func (v verdict) err() error {
	if v.refusal != nil {
		return v.refusal
	}
	return nil
}
