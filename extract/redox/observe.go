package redox

import (
	"cmp"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// RequestKind says what a request turned out to be.
type RequestKind string

// The kinds of requests.
const (
	KindPush        RequestKind = "push"        // kept
	KindDuplicate   RequestKind = "duplicate"   // kept before
	KindQuery       RequestKind = "query"       // kept; it waits for an answer that we do not have
	KindHandshake   RequestKind = "handshake"   // verified the destination
	KindToken       RequestKind = "token"       // asked our token endpoint, or what it offers
	KindRefused     RequestKind = "refused"     // not let in
	KindMalformed   RequestKind = "malformed"   // let in, and no body came that can be kept
	KindUnavailable RequestKind = "unavailable" // we could not judge or keep it now
	KindStray       RequestKind = "stray"       // wrong path or method
)

// Event is one request as it ended. It holds no value of a body, no id, no token and no query string.
type Event struct {
	At        time.Time // when it came
	Receiver  string    // empty where the path is that of none
	Peer      netip.Addr
	Method    string // "other" where it is none that HTTP names
	Kind      RequestKind
	Status    int
	Reason    string // why it is not 200: stable words
	Cause     error  // of status 503, for the log; nil where there is none
	Model     string // as the body says; empty where it does not
	EventType string
	Test      bool
	Bytes     int // of the body, decompressed
	Took      time.Duration
}

var methods = []string{
	http.MethodGet, http.MethodPost, http.MethodHead, http.MethodPut, http.MethodPatch, http.MethodDelete,
	http.MethodConnect, http.MethodOptions, http.MethodTrace,
}

// methodOf bounds the words that a sender can put into a log or a label.
func methodOf(r *http.Request) string {
	if slices.Contains(methods, r.Method) {
		return r.Method
	}
	return "other"
}

// Tally counts requests by outcome, from the start of the process. It may be used from many goroutines.
type Tally struct {
	mu     sync.Mutex
	counts map[outcomeKey]int64
	last   map[modelKey]time.Time
}

type outcomeKey struct {
	receiver string
	kind     RequestKind
	status   int
}

type modelKey struct{ receiver, model string }

// OutcomeCount is how many requests of a receiver ended in one way.
type OutcomeCount struct {
	Receiver string
	Kind     RequestKind
	Status   int
	Requests int64
}

// LastReceived is when a receiver last kept a delivery of a model that is no test; the models that we do not know are one, "other".
type LastReceived struct {
	Receiver, Model string
	At              time.Time
}

// Snapshot is a Tally at one moment, sorted.
type Snapshot struct {
	Outcomes []OutcomeCount
	Last     []LastReceived
}

// Observe counts an event.
func (t *Tally) Observe(e Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil {
		t.counts, t.last = map[outcomeKey]int64{}, map[modelKey]time.Time{}
	}
	t.counts[outcomeKey{e.Receiver, e.Kind, e.Status}]++
	if e.Test || e.Kind != KindPush && e.Kind != KindDuplicate && e.Kind != KindQuery {
		return
	}
	key := modelKey{e.Receiver, KnownModel(e.Model)}
	if e.At.After(t.last[key]) {
		t.last[key] = e.At
	}
}

// KnownModel returns the name of a model that there is, and "other" for what a sender made up: labels need a bound.
func KnownModel(model string) string {
	if _, known := redoxEvents[model]; known || model == fhirModel {
		return model
	}
	return "other"
}

// Snapshot returns what was counted so far.
func (t *Tally) Snapshot() Snapshot {
	t.mu.Lock()
	defer t.mu.Unlock()
	var s Snapshot
	for k, n := range t.counts {
		s.Outcomes = append(s.Outcomes, OutcomeCount{k.receiver, k.kind, k.status, n})
	}
	for k, at := range t.last {
		s.Last = append(s.Last, LastReceived{k.receiver, k.model, at})
	}
	slices.SortFunc(s.Outcomes, func(a, b OutcomeCount) int {
		return cmp.Or(cmp.Compare(a.Receiver, b.Receiver), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Status, b.Status))
	})
	slices.SortFunc(s.Last, func(a, b LastReceived) int {
		return cmp.Or(cmp.Compare(a.Receiver, b.Receiver), cmp.Compare(a.Model, b.Model))
	})
	return s
}
