package upstream

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"

	"golang.org/x/time/rate"

	"syncd/extract"
)

// Budget bounds how often a host is asked. One is shared by all clients of a host.
type Budget interface {
	// Wait returns when the next request may be sent, or with the error of ctx. done is to be called once the answer was
	// read or given up; it may be called again.
	Wait(ctx context.Context) (done func(), err error)
}

// PerMinute returns a Budget of n requests in any minute, of which a tenth may come at once, for one process. For 0 it
// returns nil: no limit.
func PerMinute(n int) Budget {
	if n <= 0 {
		return nil
	}
	burst := max(1, n/10)
	return alone{rate.NewLimiter(rate.Limit(n-burst+1)/60, burst)}
}

// PerSecond returns a Budget of n requests a second, of which burst may come at once, for one process. For 0 it returns
// nil: no limit.
func PerSecond(n, burst int) Budget {
	if n <= 0 {
		return nil
	}
	return alone{rate.NewLimiter(rate.Limit(n), burst)}
}

// alone is the budget of one process.
type alone struct{ limiter *rate.Limiter }

func (a alone) Wait(ctx context.Context) (done func(), err error) {
	if err := a.limiter.Wait(ctx); err != nil {
		return nil, errors.New("there is no room before the deadline")
	}
	return func() {}, nil
}

// HostOf returns scheme, host and port of a server's URL: what a budget is for. It is empty where raw is no URL.
func HostOf(raw string) string {
	u, err := parseBase(raw)
	if err != nil {
		return ""
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// errUnpaced is in the chain of an error of Do where the budget could not be asked: that says nothing of the server.
var errUnpaced = errors.New("the request budget gave no room")

// paced waits for the budget before it sends, and tells it when the answer has come.
type paced struct {
	budget Budget
	next   http.RoundTripper
}

func (p paced) RoundTrip(req *http.Request) (*http.Response, error) {
	if p.budget == nil {
		return p.next.RoundTrip(req)
	}
	done, err := p.budget.Wait(req.Context())
	if err != nil {
		if ctx := req.Context(); ctx.Err() != nil {
			return nil, stopped(ctx)
		}
		return nil, extract.Errorf(extract.KindTransient, "wait for request budget", "%w: %w", errUnpaced, err)
	}
	resp, err := p.next.RoundTrip(req)
	if err != nil {
		done()
		return nil, err
	}
	resp.Body = &pacedBody{ReadCloser: resp.Body, done: sync.OnceFunc(done)}
	return resp, nil
}

// pacedBody tells the budget of its end.
type pacedBody struct {
	io.ReadCloser
	done func()
}

func (b *pacedBody) Close() error {
	defer b.done()
	return b.ReadCloser.Close()
}
