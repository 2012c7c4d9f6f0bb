package ops

import (
	"context"
	"sync"
	"time"
)

// Cached asks a teller at most once in a while, so that scrapes cost little however many there are; in between it tells what it heard
// last. An answer that failed is not kept.
func Cached(d time.Duration, now func() time.Time, tell Tell) Tell {
	var mu sync.Mutex
	var at time.Time
	var last []Sample
	return func(ctx context.Context) ([]Sample, error) {
		mu.Lock()
		defer mu.Unlock()
		if !at.IsZero() && now().Sub(at) < d {
			return last, nil
		}
		samples, err := tell(ctx)
		if err != nil {
			at = time.Time{}
			return samples, err
		}
		at, last = now(), samples
		return last, nil
	}
}
