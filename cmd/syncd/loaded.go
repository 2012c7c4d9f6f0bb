package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"syncd/internal/config"
	"syncd/ops"
)

// loaded is which configuration a daemon has, for whoever compares it with the files. It answers GET /loaded on the admin listener.
type loaded struct {
	path string // of the file given to serve, from the root
	now  func() time.Time

	mu sync.Mutex
	is loadedState
}

// loadedState is what is told of it.
type loadedState struct {
	File     string     `json:"file"`
	Sum      string     `json:"sum"` // of the files as they were loaded
	LoadedAt time.Time  `json:"loaded_at"`
	Refused  *time.Time `json:"refused_at,omitempty"` // when a later state of them had problems
	Restart  []string   `json:"restart,omitempty"`    // settings that a restart would apply
	PID      int        `json:"pid"`
}

func newLoaded(c *cli, cfg *config.Config) *loaded {
	l := &loaded{path: fromRoot(c.config), now: c.Now}
	l.take(cfg, nil)
	return l
}

// fromRoot makes a path one from the root, as far as that can be found out.
func fromRoot(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path
}

func (l *loaded) take(cfg *config.Config, restart []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.is = loadedState{File: l.path, Sum: cfg.Sum, LoadedAt: l.now().UTC(), Restart: restart, PID: os.Getpid()}
}

// refuse notes that the files have problems now, and answers when those in use were loaded.
func (l *loaded) refuse() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.now().UTC()
	l.is.Refused = &at
	return l.is.LoadedAt
}

func (l *loaded) state() loadedState {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.is
}

// ServeHTTP answers with the state as JSON.
func (l *loaded) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(l.state()) // whoever asked may have gone
}

var (
	configSuccess = &ops.Family{Name: "config_reload_success", Help: "1 where the configuration that was last read is the one in use, 0 where it had problems."}
	configLoaded  = &ops.Family{Name: "config_loaded_timestamp_seconds", Help: "When the configuration in use was read."}
)

// metrics tells how old the configuration in use is.
func (l *loaded) metrics(context.Context) ([]ops.Sample, error) {
	s, success := l.state(), 1.0
	if s.Refused != nil {
		success = 0
	}
	return []ops.Sample{{Of: configSuccess, Value: success}, {Of: configLoaded, Value: float64(s.LoadedAt.Unix())}}, nil
}

// loadedWithin is how long a daemon that is asked for its configuration may take.
const loadedWithin = time.Second

// behind says where the daemon of this file, on this machine, has another configuration than the files have now, and what to do about
// it; empty where it has not, or where none answers.
func (c *cli) behind(cfg *config.Config) (what, next string) {
	ctx, cancel := context.WithTimeout(c.ctx, loadedWithin)
	defer cancel()
	reply, err := askDaemon(ctx, cfg.Serve.Admin, "/loaded")
	if err != nil {
		return "", ""
	}
	defer reply.Body.Close()
	var is loadedState
	err = json.NewDecoder(io.LimitReader(reply.Body, 64<<10)).Decode(&is)
	if err != nil || reply.StatusCode != http.StatusOK || is.File != fromRoot(c.config) {
		return "", "" // somebody else's
	}
	since := stamp(is.LoadedAt)
	switch {
	case is.Sum != cfg.Sum && is.Refused != nil && is.Refused.After(is.LoadedAt):
		what = fmt.Sprintf("the daemon runs with the configuration of %s: what it found at %s had problems", since, stamp(*is.Refused))
	case is.Sum != cfg.Sum:
		what = fmt.Sprintf("the daemon runs with the configuration of %s: the files have changed since", since)
	case len(is.Restart) > 0:
		return "the daemon keeps to the former values of: " + printable(strings.Join(is.Restart, ", ")), "restart it"
	default:
		return "", ""
	}
	return what, fmt.Sprintf("systemctl reload syncd, or kill -HUP %d", is.PID)
}

// tellBehind tells a reader of the daemon's work that the daemon does not work as the files say.
func (c *cli) tellBehind(cfg *config.Config) {
	if what, next := c.behind(cfg); what != "" {
		fmt.Fprintf(c.Stderr, "syncd: %s\n  next: %s\n", what, next)
	}
}
