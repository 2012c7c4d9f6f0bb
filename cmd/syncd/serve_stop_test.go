package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"syncd/internal/config"
	"syncd/internal/pgtest"
)

// here is a `syncd serve` inside the process of its test, whose stop is in a hurry.
type here struct {
	*serving
	signals chan os.Signal
}

func (w *watch) serveHere(t *testing.T, hurry int, more ...string) *here {
	t.Helper()
	text, err := os.ReadFile(w.file(t, "127.0.0.1:0", more...))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "jobs.toml")
	secrets := strings.NewReplacer("env:DATABASE_URL", writeSecret(t, dir, "url", w.database), "env:TOKEN", writeSecret(t, dir, "token", w.project.Token()))
	if err := os.WriteFile(file, []byte(secrets.Replace(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
	read, write := io.Pipe()
	h := &here{serving: &serving{lines: make(chan line, 10_000), done: make(chan struct{})}, signals: make(chan os.Signal, 2)}
	m := &Main{
		Args: []string{"-c", file, "--log-format", "json", "serve"}, Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: write, Now: time.Now,
		Signals: h.signals, hurry: hurry, options: []config.Option{config.LeastEvery(time.Second)},
	}
	go func() {
		h.code = m.Run(context.WithoutCancel(t.Context()))
		_ = write.Close()
	}()
	go h.follow(read)
	h.admin = h.hears(t, "listening").Admin
	return h
}

// relay stands between a daemon and Postgres and can stop passing anything on, as a machine that is frozen does.
type relay struct {
	url  string
	mu   sync.Mutex
	gate chan struct{} // closed: it passes
}

func newRelay(t *testing.T, database string) *relay {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(u.Query().Get("host"), ".s.PGSQL."+u.Query().Get("port"))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{gate: make(chan struct{})}
	close(r.gate)
	u.Host, u.RawQuery = l.Addr().String(), "sslmode=disable"
	r.url = u.String()
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s, err := net.Dial("unix", socket)
			if err != nil {
				_ = c.Close()
				continue
			}
			all.Go(func() { r.pass(s, c) })
			all.Go(func() { r.pass(c, s) })
		}
	})
	t.Cleanup(func() {
		r.thaw()
		_ = l.Close()
		all.Wait()
	})
	return r
}

func (r *relay) pass(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	for buf := make([]byte, 32<<10); ; {
		n, err := from.Read(buf)
		r.mu.Lock()
		gate := r.gate
		r.mu.Unlock()
		<-gate
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (r *relay) freeze() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gate = make(chan struct{})
}

func (r *relay) thaw() {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.gate:
	default:
		close(r.gate)
	}
}

func TestServeEndsWithZeroAlthoughPostgresDoesNotAnswer(t *testing.T) {
	t.Parallel()
	database := pgtest.New(t)
	r := newRelay(t, database)
	w := newWatch(t, r.url)
	asked, release := w.holdPull()
	defer release()
	h := w.serveHere(t, 28, wardBlock(t))
	<-asked
	r.freeze()
	release() // what it brings cannot be loaded
	h.signals <- syscall.SIGTERM
	h.hears(t, "stopping took too long, what is left is cut: runs under way are found silent and made again")
	h.exits(t, exitDone)
	r.thaw()
	if n := scalar(t, database, "SELECT count(*) FROM syncd.slot WHERE state IN ('failed', 'skipped')"); n != "0" {
		t.Errorf("%s slots were given up", n)
	}
}

func TestServeEndsWithZeroAlthoughASourceDoesNotAnswer(t *testing.T) {
	t.Parallel()
	w := newWatch(t, pgtest.New(t))
	asked, release := w.holdPull()
	defer release() // not before the daemon has ended
	h := w.serveHere(t, 14)
	<-asked
	h.signals <- syscall.SIGTERM
	h.exits(t, exitDone)
}

func TestServeEndsWithZeroAlthoughASenderDoesNotComeToAnEnd(t *testing.T) {
	t.Parallel()
	w := newWatch(t, pgtest.New(t))
	h := w.serveHere(t, 14, wardBlock(t))
	address := h.hears(t, "listening").Receivers
	h.becomes(t, http.StatusOK)
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	raw := rawRequest(noteOf(1))
	if _, err := c.Write(raw[:len(raw)-10]); err != nil {
		t.Fatal(err)
	}
	h.signals <- syscall.SIGTERM
	h.exits(t, exitDone)
}

// wardBlock is a receiver for a jobs.toml.
func wardBlock(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("[redox.ward]\npath = %q\nverification_tokens = %q\npatient_id_types = [\"MR\"]", wardPath, writeSecret(t, t.TempDir(), "ward", wardToken))
}

func TestNoAcknowledgedPushIsLostByAStopAndTheRunGoesOnAfterIt(t *testing.T) {
	t.Parallel()
	const pushes = 100
	w := newWatch(t, pgtest.New(t))
	asked, release := w.holdPull()
	defer release()
	block := "catch_up = \"all\"\noverlap = \"queue\"\n" + wardBlock(t) // no slot gives way to another
	s := w.serve(t, block)
	address := s.hears(t, "listening").Receivers
	s.becomes(t, http.StatusOK)
	<-asked

	// Some are through before the stop, some are on their way in, some are in hand, and some come after it.
	var mu sync.Mutex
	var kept []int
	var before, inHand, senders sync.WaitGroup
	before.Add(pushes / 4)
	inHand.Add(pushes / 4)
	signalled, stopping := make(chan struct{}), make(chan struct{})
	for i := range pushes {
		senders.Go(func() {
			begun, pause := func() {}, (<-chan struct{})(nil)
			switch i % 4 {
			case 1:
				<-signalled
			case 2:
				begun, pause = inHand.Done, stopping
			case 3:
				<-stopping
			}
			status := pushInParts(address, noteOf(i), begun, pause)
			if i%4 == 0 {
				before.Done()
			}
			if status == http.StatusOK {
				mu.Lock()
				defer mu.Unlock()
				kept = append(kept, i)
			}
		})
	}
	before.Wait()
	inHand.Wait()
	close(signalled)
	s.signal(t, syscall.SIGTERM)
	s.hears(t, "stopping: no work is taken, batches in hand finish")
	close(stopping)
	release()
	senders.Wait()
	s.exits(t, exitDone)
	slices.Sort(kept)
	for i := 0; i < pushes; i += 2 {
		if !slices.Contains(kept, i) {
			t.Errorf("note %d came before the stop and was not acknowledged", i)
		}
	}
	for _, i := range kept {
		if n := scalar(t, w.database, fmt.Sprintf("SELECT count(*) FROM syncd.delivery JOIN syncd.payload USING (seq) WHERE dedupe_key = 'log:note-%d'", i)); n != "1" {
			t.Errorf("note %d was acknowledged and is there %s times", i, n)
		}
	}
	if n := scalar(t, w.database, "SELECT count(*) FROM syncd.batch"); n == "0" {
		t.Error("the batch in hand was not committed")
	}
	t.Logf("%d of %d pushes were acknowledged, all of them are kept", len(kept), pushes)

	const stopped = "SELECT slot_at FROM syncd.run WHERE job = 'crash' ORDER BY run_id LIMIT 1"
	if got := scalar(t, w.database, "SELECT state FROM syncd.slot WHERE job = 'crash' AND slot_at = ("+stopped+")"); got != "due" {
		t.Errorf("the slot of the run that was stopped is %s", got)
	}
	again := w.serve(t, block)
	for scalar(t, w.database, "SELECT count(*) FROM syncd.run WHERE job = 'crash' AND state = 'succeeded' AND slot_at = ("+stopped+")") == "0" {
		again.ended(t, "crash")
	}
	for scalar(t, w.database, "SELECT count(*) FROM syncd.delivery WHERE state = 'pending'") != "0" {
		again.becomes(t, http.StatusOK)
	}
	again.signal(t, syscall.SIGTERM)
	again.exits(t, exitDone)
	if enough := scalar(t, w.database, fmt.Sprintf("SELECT count(*) >= %d FROM ward.note", len(kept))); enough != "true" {
		t.Errorf("fewer than %d notes are in the table", len(kept))
	}
}

// pushInParts posts a note on a connection of its own: all but its end, then, after the pause, the rest. Status 0 is no answer.
func pushInParts(address string, body []byte, begun func(), pause <-chan struct{}) (status int) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return 0
	}
	defer c.Close()
	raw := rawRequest(body)
	last := len(raw) - 10
	_, err = c.Write(raw[:last])
	begun()
	if pause != nil {
		<-pause
	}
	if err == nil {
		_, err = c.Write(raw[last:])
	}
	if err != nil {
		return 0
	}
	reply, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	_ = reply.Body.Close()
	return reply.StatusCode
}
