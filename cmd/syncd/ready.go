package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const readyWithin = 4 * time.Second

// readiness answers /readyz: 200 where a row can be committed now, else 503. The reason is told in few words and holds no value.
type readiness struct {
	mu    sync.Mutex
	probe func(context.Context) error // nil: not ready
}

func (r *readiness) set(probe func(context.Context) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.probe = probe
}

func (r *readiness) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	probe := r.probe
	r.mu.Unlock()
	if probe == nil {
		unready(w, "starting, waiting for Postgres, or stopping")
		return
	}
	ctx, cancel := context.WithTimeout(req.Context(), readyWithin)
	defer cancel()
	if err := probe(ctx); err != nil {
		unready(w, "a row cannot be committed now")
		return
	}
	fmt.Fprintln(w, "ready")
}

func unready(w http.ResponseWriter, why string) {
	w.Header().Set("Retry-After", "3")
	http.Error(w, "not ready: "+why, http.StatusServiceUnavailable)
}

// planLate is how long the planner may take to come round. A turn of it is bounded, whatever Postgres does.
const planLate = 3 * time.Minute

// liveness answers /livez: 200 as long as the process is worth keeping, which a planner that does not come round is not. That
// Postgres is away is no reason to start the process anew.
type liveness struct {
	now func() time.Time

	mu     sync.Mutex
	turned func() time.Time // when the planner last came round; zero where it has not begun, or has ended
}

func (l *liveness) set(turned func() time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turned = turned
}

// check answers why the process should be started anew; nil is that it is alive.
func (l *liveness) check() error {
	l.mu.Lock()
	turned := l.turned
	l.mu.Unlock()
	if turned == nil {
		return nil
	}
	if at := turned(); !at.IsZero() && l.now().Sub(at) > planLate {
		return fmt.Errorf("the planner has not come round for %s", l.now().Sub(at).Round(time.Second))
	}
	return nil
}

func (l *liveness) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	if err := l.check(); err != nil {
		http.Error(w, "not alive: "+err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "alive")
}
