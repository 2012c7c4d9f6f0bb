package engage

import (
	"slices"
	"sync"
	"time"
)

// traffic is when requests came and how many were under way at once. Everything counts, also what was refused.
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

// reset forgets all but the requests under way.
func (t *traffic) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.most, t.at = t.now, nil
}

// MaxConcurrent returns the highest number of requests that were under way at once since the last ResetRequests.
func (s *Server) MaxConcurrent() int {
	s.traffic.mu.Lock()
	defer s.traffic.mu.Unlock()
	return s.traffic.most
}

// MaxPerSecond returns the highest number of requests in any second by the server's clock since the last ResetRequests.
func (s *Server) MaxPerSecond() int { return s.traffic.within(time.Second) }

// MaxPerMinute returns the same for any 60 seconds.
func (s *Server) MaxPerMinute() int { return s.traffic.within(time.Minute) }

func (t *traffic) within(d time.Duration) int {
	t.mu.Lock()
	at := slices.Clone(t.at)
	t.mu.Unlock()
	slices.SortFunc(at, time.Time.Compare)
	most, first := 0, 0
	for i, now := range at {
		for !at[first].After(now.Add(-d)) {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// overLimit counts a request, and tells whether it comes too soon after others.
func (s *Server) overLimit() bool {
	if s.knobs.PerSecond == 0 && s.knobs.PerMinute == 0 {
		return false
	}
	now := s.o.Clock()
	s.passed = slices.DeleteFunc(s.passed, func(t time.Time) bool { return !t.After(now.Add(-time.Minute)) })
	s.passed = append(s.passed, now)
	second := 0
	for _, t := range s.passed {
		if t.After(now.Add(-time.Second)) {
			second++
		}
	}
	return s.knobs.PerSecond > 0 && second > s.knobs.PerSecond || s.knobs.PerMinute > 0 && len(s.passed) > s.knobs.PerMinute
}
