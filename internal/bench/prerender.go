package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
)

// prerendered answers questions for records from memory once it has heard them, as the yardstick's data is in memory too: what is
// measured is syncd and Postgres, on a machine of few cores, and not how fast a fake makes CSV.
type prerendered struct {
	inner   http.Handler
	mu      sync.Mutex
	answers map[string]*answer
}

type answer struct {
	header http.Header
	body   []byte
}

func prerender(inner http.Handler) *prerendered {
	return &prerendered{inner: inner, answers: map[string]*answer{}}
}

func (p *prerendered) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	question, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "cut", http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(question))
	if !bytes.Contains(question, []byte("content=record&")) {
		p.inner.ServeHTTP(w, r)
		return
	}
	p.mu.Lock()
	a := p.answers[string(question)]
	p.mu.Unlock()
	if a == nil {
		a = p.ask(r)
		p.mu.Lock()
		p.answers[string(question)] = a
		p.mu.Unlock()
	}
	for name, values := range a.header {
		w.Header()[name] = values
	}
	_, _ = w.Write(a.body)
}

func (p *prerendered) ask(r *http.Request) *answer {
	rec := httptest.NewRecorder()
	p.inner.ServeHTTP(rec, r)
	return &answer{header: rec.Header(), body: rec.Body.Bytes()}
}

// forget frees the answers.
func (p *prerendered) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.answers)
}
