package upstream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v4"

	"syncd/extract"
)

const (
	firstWait = time.Second
	longWait  = time.Minute
	// askedWait is the longest that a server's Retry-After is followed; the error tells what was asked.
	askedWait = 5 * time.Minute
	// lateTries bounds attempts that ended by time: what took too long once seldom takes less, and the caller
	// does better to ask for less.
	lateTries = 2
)

// Retry marks an error of read as worth another attempt, whatever its kind. Do takes the mark off again.
func Retry(err error) error { return &again{err} }

type again struct{ error }

func (a *again) Unwrap() error { return a.error }

// retry calls once until it succeeds, fails for good, or has been called often enough.
// complete fills in what and where.
func (c *Client) retry(ctx context.Context, r Request, once func() error, complete func(error) error) error {
	waits := &patience{tries: r.Tries, first: c.endpoint.Wait, busy: c.endpoint.Busy}
	if waits.tries <= 0 {
		waits.tries = c.endpoint.Tries
	}
	var last error
	started := time.Now()
	operation := func() error {
		waits.made++
		worth := false
		last, worth = unmark(once())
		if last = complete(last); last == nil {
			return nil
		}
		if !worth || ctx.Err() != nil {
			return backoff.Permanent(last)
		}
		waits.heed(last)
		return last
	}
	notify := func(err error, wait time.Duration) {
		c.log.WarnContext(ctx, "request is tried again", "attempt", waits.made, "wait", wait,
			"took", time.Since(started), "kind", extract.KindOf(err))
		started = time.Now().Add(wait)
	}
	// WithContext stands outermost: a wrapper around it would hide the context.
	if backoff.RetryNotify(operation, backoff.WithContext(waits, ctx), notify) == nil {
		return nil
	}
	if ctx.Err() != nil && !errors.Is(last, ctx.Err()) {
		return complete(stopped(ctx))
	}
	return last
}

// unmark takes the mark of Retry off and reports whether err is worth another attempt.
func unmark(err error) (error, bool) {
	if a, ok := err.(*again); ok { // a mark is outermost or it is not ours
		return a.error, true
	}
	return err, err != nil && extract.KindOf(err) == extract.KindTransient
}

// patience says how long to wait before the next attempt: longer each time, and at least as long as the server
// asked for.
type patience struct {
	tries, made int
	first       time.Duration
	busy        time.Duration // after a 429 that does not say how long
	refused     int           // how many there were of these, at most 2
	asked       time.Duration
	growing     *backoff.ExponentialBackOff
}

// Reset starts the waits anew; the attempts stay counted.
func (p *patience) Reset() {
	p.growing = backoff.NewExponentialBackOff(backoff.WithInitialInterval(p.first),
		backoff.WithMaxInterval(longWait), backoff.WithMultiplier(2), backoff.WithMaxElapsedTime(0))
}

// NextBackOff returns the next wait, or backoff.Stop.
func (p *patience) NextBackOff() time.Duration {
	if p.made >= p.tries {
		return backoff.Stop
	}
	return max(p.growing.NextBackOff(), min(p.asked, askedWait))
}

// heed takes from the error of an attempt what it says about the next.
func (p *patience) heed(err error) {
	p.asked = 0
	var e *extract.Error
	if errors.As(err, &e) {
		p.asked = e.After
	}
	var refusal *Refusal
	if errors.As(err, &refusal) && refusal.Status == http.StatusTooManyRequests && p.asked == 0 && p.busy > 0 {
		p.refused = min(p.refused+1, 2)
		p.asked = time.Duration(p.refused)*p.busy + rand.N(p.busy/5+1)
	}
	late := errors.Is(err, ErrTimeout) || errors.As(err, &refusal) && refusal.Status == http.StatusGatewayTimeout
	if late {
		p.tries = min(p.tries, lateTries)
	}
}

// stopped is the error of a request that its caller's context ended.
func stopped(ctx context.Context) *extract.Error {
	cause := context.Cause(ctx)
	if errors.Is(cause, ctx.Err()) {
		return &extract.Error{Kind: extract.KindTransient, Cause: fmt.Errorf("stopped: %w", cause)}
	}
	return &extract.Error{Kind: extract.KindTransient, Cause: fmt.Errorf("stopped: %w (%w)", cause, ctx.Err())}
}
