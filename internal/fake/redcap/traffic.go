package redcap

import (
	"slices"
	"sync"
	"time"
)

// traffic is when requests came and how many were under way at once. Everything that reaches the server counts:
// also what was refused, banned, redirected or hit by a fault.
type traffic struct {
	mu        sync.Mutex
	now, most int
	at        []time.Time
}

// enter counts a request in; the returned function counts it out.
func (t *traffic) enter(at time.Time) (leave func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now++
	t.most = max(t.most, t.now)
	t.at = append(t.at, at)
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.now--
	}
}

// MaxConcurrent returns the highest number of requests that were under way at once since the last ResetRequests.
func (s *Server) MaxConcurrent() int {
	s.traffic.mu.Lock()
	defer s.traffic.mu.Unlock()
	return s.traffic.most
}

// MaxPerMinute returns the highest number of requests in any 60 seconds by the server's clock since the last
// ResetRequests: of the windows [t, t+60s), t being when a request came.
func (s *Server) MaxPerMinute() int {
	s.traffic.mu.Lock()
	at := slices.Clone(s.traffic.at)
	s.traffic.mu.Unlock()
	slices.SortFunc(at, time.Time.Compare)
	most, first := 0, 0
	for i, t := range at {
		for !at[first].After(t.Add(-time.Minute)) {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// reset forgets all but the requests under way.
func (t *traffic) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.most, t.at = t.now, nil
}
