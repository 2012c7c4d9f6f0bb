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
