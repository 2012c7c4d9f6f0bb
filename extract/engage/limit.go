package engage

import (
	"context"
	"net/http"
	"sync"
	"time"

	"syncd/extract/upstream"
)

const (
	// busyWait is waited after "too many requests", where the server does not say for how long, and twice that from the
	// second time on; busyWaits is the same in waits of the endpoint.
	busyWait  = busyWaits * time.Second
	busyWaits = 30
	// halvedFor is for how long half as many requests are sent after "too many requests".
	halvedFor = 10 * time.Minute
)

// limit remembers that the server found our requests too many.
type limit struct {
	mu    sync.Mutex
	until time.Time
}

// note looks at a refusal.
func (l *limit) note(r *upstream.Refusal) {
	if r.Status != http.StatusTooManyRequests {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until = time.Now().Add(halvedFor)
}

func (l *limit) halved() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Now().Before(l.until)
}

// over returns budget, of which a request takes twice its share while the rate is halved. nil stays nil.
func (l *limit) over(budget upstream.Budget) upstream.Budget {
	if budget == nil {
		return nil
	}
	return halving{budget, l}
}

type halving struct {
	upstream.Budget
	limit *limit
}

func (h halving) Wait(ctx context.Context) (done func(), err error) {
	if h.limit.halved() {
		done, err := h.Budget.Wait(ctx)
		if err != nil {
			return nil, err
		}
		done()
	}
	return h.Budget.Wait(ctx)
}
