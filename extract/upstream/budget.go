package upstream

import (
	"context"
	"net/http"

	"golang.org/x/time/rate"

	"syncd/extract"
)

// Budget bounds how often a host is asked. One is shared by all clients of a host.
type Budget interface {
	// Wait returns when the next request may be sent, or with the error of ctx.
	Wait(ctx context.Context) error
}

// PerMinute returns a Budget of n requests in any minute, of which a tenth may come at once. For 0 it returns
// nil: no limit.
func PerMinute(n int) Budget {
	if n <= 0 {
		return nil
	}
	burst := max(1, n/10)
	return rate.NewLimiter(rate.Limit(n-burst+1)/60, burst)
}

// paced waits for the budget before it sends.
type paced struct {
	budget Budget
	next   http.RoundTripper
}

func (p paced) RoundTrip(req *http.Request) (*http.Response, error) {
	if p.budget == nil {
		return p.next.RoundTrip(req)
	}
	if err := p.budget.Wait(req.Context()); err != nil {
		if ctx := req.Context(); ctx.Err() != nil {
			return nil, stopped(ctx)
		}
		return nil, extract.Errorf(extract.KindTransient, "wait for request budget", "there is no room before the deadline")
	}
	return p.next.RoundTrip(req)
}
