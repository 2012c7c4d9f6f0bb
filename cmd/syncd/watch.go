package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"syncd/extract/redox"
)

const (
	watchBuffer = 256              // events that wait for a slow watcher; more are dropped, and told of
	watchBeat   = 15 * time.Second // how often an idle stream shows that it is alive
	watchWrite  = 5 * time.Second  // how long a watcher may take for a line
)

// watchLine is a request as watchers see it. It holds no value, no id and no token.
type watchLine struct {
	At      time.Time `json:"at"`
	Peer    string    `json:"peer"`
	Method  string    `json:"method"`
	Kind    string    `json:"kind"`
	Status  int       `json:"status"`
	Reason  string    `json:"reason,omitempty"`
	Model   string    `json:"model,omitempty"`
	Event   string    `json:"event,omitempty"`
	Test    bool      `json:"test,omitempty"`
	Bytes   int       `json:"bytes"`
	TookMS  float64   `json:"took_ms"`
	Dropped int       `json:"dropped,omitempty"` // events before this one that came too fast to be shown
}

// watchers hands the requests of receivers to whoever watches.
type watchers struct {
	mu     sync.Mutex
	closed bool
	of     map[*watcher]bool
}

type watcher struct {
	receiver string
	events   chan watchLine
	dropped  int // guarded by watchers.mu
}

// observe tells of a request. It never waits.
func (ws *watchers) observe(e redox.Event) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for w := range ws.of {
		if w.receiver != e.Receiver {
			continue
		}
		line := watchLine{
			At: e.At, Peer: e.Peer.String(), Method: e.Method, Kind: string(e.Kind), Status: e.Status, Reason: e.Reason, Model: e.Model,
			Event: e.EventType, Test: e.Test, Bytes: e.Bytes, TookMS: float64(e.Took.Microseconds()) / 1000, Dropped: w.dropped,
		}
		select {
		case w.events <- line:
			w.dropped = 0
		default:
			w.dropped++
		}
	}
}

func (ws *watchers) join(receiver string) (*watcher, bool) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.closed {
		return nil, false
	}
	if ws.of == nil {
		ws.of = map[*watcher]bool{}
	}
	w := &watcher{receiver: receiver, events: make(chan watchLine, watchBuffer)}
	ws.of[w] = true
	return w, true
}

func (ws *watchers) leave(w *watcher) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	delete(ws.of, w)
}

// close ends all streams: the daemon stops.
func (ws *watchers) close() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.closed = true
	for w := range ws.of {
		close(w.events)
	}
	ws.of = nil
}

// ServeHTTP answers GET /watch/{name} with a line of JSON for each request of that receiver, as it ends, until either side stops.
// An empty line says that nothing came for a while.
func (ws *watchers) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w, ok := ws.join(r.PathValue("name"))
	if !ok {
		http.Error(rw, "stopping", http.StatusServiceUnavailable)
		return
	}
	defer ws.leave(w)
	control := http.NewResponseController(rw)
	rw.Header().Set("Content-Type", "application/x-ndjson")
	rw.Header().Set("Cache-Control", "no-store")
	beat := time.NewTicker(watchBeat)
	defer beat.Stop()
	for line := []byte("\n"); ; {
		if control.SetWriteDeadline(time.Now().Add(watchWrite)) != nil {
			return
		}
		if _, err := rw.Write(line); err != nil || control.Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-beat.C:
			line = []byte("\n")
		case e, open := <-w.events:
			if !open {
				return
			}
			line, _ = json.Marshal(e) // of texts and numbers: it cannot fail
			line = append(line, '\n')
		}
	}
}

// watchCommand prints one line per request as it comes.
func (c *cli) watchCommand() *cobra.Command {
	most := 0
	cmd := c.reading(&cobra.Command{
		Use:               "watch RECEIVER",
		Short:             "one line for each request that a receiver gets, as it comes: what, verdict, why; no values",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: c.completeReceivers,
		RunE: func(_ *cobra.Command, args []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			if _, err := cfg.Receiver(args[0]); err != nil {
				return &exitError{exitUsage, err}
			}
			s := c.stopping(c.ctx, 1)
			defer s.end()
			err = c.watch(s.ctx, cfg.Serve.Admin, args[0], most)
			if s.interrupted() {
				return nil
			}
			return err
		},
	})
	cmd.Flags().IntVarP(&most, "limit", "n", 0, "end after so many requests; 0: never")
	return cmd
}

func (c *cli) watch(ctx context.Context, admin, receiver string, most int) error {
	reply, err := askDaemon(ctx, admin, "/watch/"+receiver)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		return fmt.Errorf("what answers on %s is no syncd that can be watched: status %d", admin, reply.StatusCode)
	}
	lines := bufio.NewScanner(reply.Body)
	for seen := 0; lines.Scan(); {
		if len(lines.Bytes()) == 0 {
			if seen == 0 {
				fmt.Fprintf(c.Stderr, "watching %s; Ctrl-C ends it\n", receiver)
			}
			continue
		}
		if err := c.printWatched(lines.Bytes()); err != nil {
			return err
		}
		if seen++; seen == most {
			return nil
		}
	}
	return errors.Join(errors.New("the daemon has stopped"), lines.Err())
}

// printWatched prints one request. What a sender can put into it was bounded; what is not printable is escaped all the same.
func (c *cli) printWatched(line []byte) error {
	var e watchLine
	if err := json.Unmarshal(line, &e); err != nil {
		return fmt.Errorf("read what the daemon tells: %w", err)
	}
	if c.output == "json" {
		_, err := fmt.Fprintf(c.Stdout, "%s\n", line)
		return err
	}
	if e.Dropped > 0 {
		fmt.Fprintf(c.Stdout, "... %s more, too fast to be shown\n", count(int64(e.Dropped)))
	}
	what := ""
	if e.Model != "" || e.Event != "" {
		what = printable(e.Model + "/" + e.Event)
	}
	if e.Test {
		what = strings.TrimSpace(what + " (test)")
	}
	cells := []string{e.At.Local().Format("15:04:05.000"), fmt.Sprint(e.Status), e.Kind, e.Method, what, count(int64(e.Bytes)) + " B", fmt.Sprintf("%.1f ms", e.TookMS), e.Peer, e.Reason}
	if c.output == "csv" {
		return (&grid{head: cells}).print(c.Stdout, "csv")
	}
	_, err := fmt.Fprintf(c.Stdout, "%s  %s  %-11s %-4s %-32s %12s %10s  %s  %s\n", toAny(cells)...)
	return err
}

func toAny(cells []string) []any {
	all := make([]any, len(cells))
	for i, s := range cells {
		all[i] = s
	}
	return all
}

// printable escapes what a terminal would act on.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f {
			return '?'
		}
		return r
	}, s)
}
