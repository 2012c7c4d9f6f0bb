package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// replica is a `syncd serve` in a process of its own, which a test may kill and start again.
type replica struct {
	file string // jobs.toml

	mu      sync.Mutex
	cmd     *exec.Cmd
	address string // of its receivers; "" while it is down
	said    []string
	done    chan struct{}
}

// start starts the process and returns once it listens, which it does before Postgres is there.
func (r *replica) start(t *testing.T) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-c", r.file, "--log-format", "json", "serve")
	cmd.Args[0] = "syncd"
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	listens, done := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(done)
		r.follow(stderr, listens)
		close(listens)
		_ = cmd.Wait() // how it ended is asked of cmd.ProcessState
	}()
	address, ok := <-listens
	if !ok {
		t.Fatalf("the daemon ended before it listened:\n%s", strings.Join(r.said, "\n"))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cmd, r.done, r.address = cmd, done, address
}

func (r *replica) follow(stderr io.Reader, listens chan<- string) {
	for scan := bufio.NewScanner(stderr); scan.Scan(); {
		var line struct{ Receivers string }
		_ = json.Unmarshal(scan.Bytes(), &line) // what is not a log line says nothing of it
		r.mu.Lock()
		r.said = append(r.said, scan.Text())
		r.mu.Unlock()
		if line.Receivers != "" {
			listens <- line.Receivers
		}
	}
}

// signal sends a signal and waits for the end of the process.
func (r *replica) signal(sig syscall.Signal) int {
	r.mu.Lock()
	cmd, done := r.cmd, r.done
	r.cmd, r.address = nil, ""
	r.mu.Unlock()
	if cmd == nil {
		return 0
	}
	_ = cmd.Process.Signal(sig)
	<-done
	return cmd.ProcessState.ExitCode()
}

func (r *replica) at() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.address
}

// mentions counts lines of its log that hold a word.
func (r *replica) mentions(word string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, line := range r.said {
		n += strings.Count(line, word)
	}
	return n
}

// front is the one address that the sender knows: it hands connections to replicas in turn, and may break them.
type front struct {
	listener net.Listener
	replicas []*replica
	running  sync.WaitGroup

	mu    sync.Mutex
	next  int
	pairs map[*pair]bool
}

// pair is a connection through the front.
type pair struct{ client, server net.Conn }

func newFront(t *testing.T, replicas ...*replica) *front {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &front{listener: l, replicas: replicas, pairs: map[*pair]bool{}}
	f.running.Go(f.accept)
	t.Cleanup(func() {
		l.Close()
		f.reset(func() bool { return true })
		f.running.Wait()
	})
	return f
}

func (f *front) accept() {
	for {
		c, err := f.listener.Accept()
		if err != nil {
			return
		}
		f.running.Go(func() { f.carry(c) })
	}
}

// carry carries a connection to the next replica that is up.
func (f *front) carry(c net.Conn) {
	defer c.Close()
	f.mu.Lock()
	f.next++
	turn := f.next
	f.mu.Unlock()
	for i := range f.replicas {
		address := f.replicas[(turn+i)%len(f.replicas)].at()
		if address == "" {
			continue
		}
		s, err := net.Dial("tcp", address)
		if err != nil {
			continue
		}
		defer s.Close()
		p := &pair{c, s}
		f.mu.Lock()
		f.pairs[p] = true
		f.mu.Unlock()
		var both sync.WaitGroup
		both.Go(func() { _, _ = io.Copy(s, c); s.Close(); c.Close() })
		both.Go(func() { _, _ = io.Copy(c, s); s.Close(); c.Close() })
		both.Wait()
		f.mu.Lock()
		delete(f.pairs, p)
		f.mu.Unlock()
		return
	}
}

// reset resets the connections that are chosen, on both sides, whatever is under way on them.
func (f *front) reset(chosen func() bool) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for p := range f.pairs {
		if !chosen() {
			continue
		}
		n++
		for _, c := range []net.Conn{p.client, p.server} {
			_ = c.(*net.TCPConn).SetLinger(0)
			c.Close()
		}
	}
	return n
}

// storm breaks things while deliveries come in: a fault after every so many that were acknowledged.
type storm struct {
	t        *testing.T
	w        *wardOfReplicas
	dice     *rand.Rand
	injected struct{ kills, stops, resets int }
}

// strike is one fault: every fourth kills a replica, every fourth stops Postgres at once, the others reset connections.
func (s *storm) strike(n int) error {
	switch n % 4 {
	case 1:
		r := s.w.replicas[s.dice.IntN(len(s.w.replicas))]
		r.signal(syscall.SIGKILL)
		s.injected.kills++
		r.start(s.t)
		s.w.letClaimsAge(s.t) // so that whoever is there goes on draining
	case 3:
		s.injected.stops++
		return errors.Join(s.w.postgres.Kill(), s.w.postgres.Restart(s.t.Context()))
	default:
		s.injected.resets += s.w.front.reset(func() bool { return s.dice.IntN(2) == 0 })
	}
	return nil
}

// letClaimsAge makes claims look as old as those of a dead process do by the time that another takes them.
func (w *wardOfReplicas) letClaimsAge(t *testing.T) {
	statement(t, w.url, "UPDATE syncd.claim SET beat_at = beat_at - interval '1 hour'")
}

// eventually asks the database, over and over, until it says yes. A database that is away is asked again.
func eventually(t *testing.T, url, sql string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if yes, err := ask(t, url, sql); err == nil && yes {
			return
		}
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatalf("it never came to be: %s", sql)
		}
	}
}
