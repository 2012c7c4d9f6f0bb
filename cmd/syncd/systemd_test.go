package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"syncd/internal/pgtest"
)

// manager is a systemd as far as a service can tell: the socket that it is told things at.
type manager struct {
	conn *net.UnixConn
	path string
}

func newManager(t *testing.T) *manager {
	t.Helper()
	dir, err := os.MkdirTemp("", "sd") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	m := &manager{path: filepath.Join(dir, "notify")}
	if m.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path, Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.conn.Close() })
	return m
}

// hears reads what it is told up to the first that holds all of these, and answers with it.
func (m *manager) hears(t *testing.T, all ...string) string {
	t.Helper()
	var before []string
	if last, ok := t.Deadline(); ok {
		_ = m.conn.SetReadDeadline(last.Add(-dumpWithin))
	}
	for buf := make([]byte, 4096); ; {
		n, err := m.conn.Read(buf)
		if err != nil {
			t.Fatalf("not told %q, but %q: %v", all, before, err)
		}
		text := string(buf[:n])
		missing := 0
		for _, one := range all {
			if !strings.Contains("\n"+text+"\n", "\n"+one) {
				missing++
			}
		}
		if missing == 0 {
			return text
		}
		before = append(before, text)
	}
}

func TestSystemdIsToldHowTheDaemonIs(t *testing.T) {
	t.Parallel()
	w := newWatch(t, pgtest.New(t))
	m := newManager(t)
	w.env = []string{"NOTIFY_SOCKET=" + m.path, "WATCHDOG_USEC=200000"}
	s := w.serve(t)
	m.hears(t, "READY=1", "STATUS=waiting for Postgres")
	m.hears(t, "STATUS=serving 1 job and 0 receivers")
	m.hears(t, "WATCHDOG=1")
	m.hears(t, "WATCHDOG=1")
	s.signal(t, syscall.SIGHUP)
	reloading := m.hears(t, "RELOADING=1", "MONOTONIC_USEC=")
	if strings.Contains(reloading, "MONOTONIC_USEC=0") {
		t.Errorf("told %q", reloading)
	}
	m.hears(t, "READY=1", "STATUS=serving 1 job and 0 receivers")
	w.write(t, "[job.crash\n")
	s.signal(t, syscall.SIGHUP)
	m.hears(t, "RELOADING=1")
	m.hears(t, "READY=1", "STATUS=the configuration has problems and was not reloaded; serving 1 job")
	s.signal(t, syscall.SIGTERM)
	m.hears(t, "STOPPING=1", "STATUS=stopping:")
	s.exits(t, exitDone)
}

func TestTheWatchdogIsFedOnlyWhileThePlannerComesRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var mu sync.Mutex
		told := 0
		n := &notifier{log: slog.New(slog.NewTextHandler(&log, nil)), notify: func(state string) error {
			mu.Lock()
			defer mu.Unlock()
			if state == "WATCHDOG=1" {
				told++
			}
			return nil
		}}
		since := func() int {
			mu.Lock()
			defer mu.Unlock()
			defer func() { told = 0 }()
			return told
		}
		turned := time.Now()
		alive := &liveness{now: time.Now}
		alive.set(func() time.Time { mu.Lock(); defer mu.Unlock(); return turned })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); n.watchdog(ctx, 2*time.Minute, alive.check) }()
		for minute, want := range []int{1, 1, 1, 1, 0, 0, 1} { // the first at once; the planner stands still until the sixth minute
			if minute == 6 {
				mu.Lock()
				turned = time.Now()
				mu.Unlock()
				time.Sleep(time.Minute)
			} else if minute > 0 {
				time.Sleep(time.Minute)
			}
			synctest.Wait()
			if got := since(); got != want {
				t.Errorf("minute %d: told %d times, want %d", minute, got, want)
			}
		}
		cancel()
		<-done
		if n := strings.Count(log.String(), "not come round"); n != 1 {
			t.Errorf("that it is not fed is logged %d times", n)
		}
	})
}

func TestLivenessIsAboutTheProcessAndNotAboutPostgres(t *testing.T) {
	t.Parallel()
	now := time.Now()
	l := &liveness{now: func() time.Time { return now }}
	ask := func() int {
		w := httptest.NewRecorder()
		l.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/livez", nil))
		return w.Code
	}
	if got := ask(); got != http.StatusOK {
		t.Errorf("while it waits for Postgres: %d", got)
	}
	for age, want := range map[time.Duration]int{0: 200, planLate: 200, planLate + time.Second: 503} {
		l.set(func() time.Time { return now.Add(-age) })
		if got := ask(); got != want {
			t.Errorf("%s after the planner came round: %d", age, got)
		}
	}
	l.set(func() time.Time { return time.Time{} })
	if got := ask(); got != http.StatusOK {
		t.Errorf("while it stops: %d", got)
	}
}

func TestWithoutSystemdNobodyIsToldAndOnceIsComplained(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	n := &notifier{log: slog.New(slog.NewTextHandler(&log, nil)), notify: func(string) error { return errors.New("no such socket") }}
	n.ready("serving")
	n.stopping()
	if got := strings.Count(log.String(), "systemd cannot be told"); got != 1 {
		t.Errorf("complained %d times", got)
	}
}
