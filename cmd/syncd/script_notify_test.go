package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// webhook is the other end of a notifier.
type webhook struct {
	mu     sync.Mutex
	status int
	bodies []string
}

func (h *webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bodies = append(h.bodies, string(body))
	w.WriteHeader(h.status)
}

func (h *webhook) got() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.bodies, "\n")
}

// useWebhook is the other end of notifiers in a script: `webhook start` sets WEBHOOK_URL, whose path is a secret; `webhook answer
// STATUS` says what it answers; `webhook got TEXT` checks what came.
func useWebhook(ts *testscript.TestScript, neg bool, args []string) {
	w := of(ts)
	switch {
	case len(args) == 1 && args[0] == "start":
		w.webhook = &webhook{status: http.StatusOK}
		s := httptest.NewServer(w.webhook)
		ts.Defer(s.Close)
		ts.Setenv("WEBHOOK_URL", s.URL+"/services/T0CANARY?sig=CANARY")
	case len(args) == 2 && args[0] == "answer":
		status, err := strconv.Atoi(args[1])
		ts.Check(err)
		w.webhook.mu.Lock()
		w.webhook.status = status
		w.webhook.mu.Unlock()
	case len(args) == 2 && args[0] == "got":
		if strings.Contains(w.webhook.got(), args[1]) == neg {
			ts.Fatalf("the webhook got:\n%s", w.webhook.got())
		}
	default:
		ts.Fatalf("usage: webhook start | answer STATUS | got TEXT")
	}
}
