package redcap

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// limiter counts requests a minute by address. Who exceeds the number is banned until somebody lifts the ban.
type limiter struct {
	perMinute int

	mu     sync.Mutex
	counts map[string]int
	minute time.Time
	bans   map[string]bool
}

// banned counts a request and tells whether its sender is banned.
func (l *limiter) banned(address string, now time.Time) bool {
	if l.perMinute == 0 {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if m := now.Truncate(time.Minute); !m.Equal(l.minute) || l.counts == nil {
		l.minute, l.counts = m, map[string]int{}
	}
	l.counts[address]++
	if l.counts[address] > l.perMinute {
		if l.bans == nil {
			l.bans = map[string]bool{}
		}
		l.bans[address] = true
	}
	return l.bans[address]
}

// Banned tells whether anybody is banned; Unban lifts every ban, as an administrator would.
func (s *Server) Banned() bool {
	s.limiter.mu.Lock()
	defer s.limiter.mu.Unlock()
	return len(s.limiter.bans) > 0
}

// Unban lifts every ban.
func (s *Server) Unban() {
	s.limiter.mu.Lock()
	defer s.limiter.mu.Unlock()
	s.limiter.bans, s.limiter.counts = nil, nil
}

func clientAddress(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
