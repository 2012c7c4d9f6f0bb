package pgembed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// How a server is ended, by the signal that its first process takes for it.
const (
	fast      = syscall.SIGINT
	immediate = syscall.SIGQUIT
)

// process is one life of the server's first process.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed after the end was seen
	err  error         // how it ended; valid after done
}

// launch starts the process and waits until it answers. The caller holds mu.
func (s *Server) launch(ctx context.Context) error {
	p, err := s.spawn()
	if err != nil {
		return err
	}
	s.process = p
	if err := s.ready(ctx, p); err != nil {
		return errors.Join(err, s.halt(immediate))
	}
	return nil
}

// spawn starts postgres itself, not pg_ctl: our child is the server, and its end is seen at once.
func (s *Server) spawn() (*process, error) {
	log, err := os.OpenFile(s.Log(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	defer log.Close()
	if err := s.owner.take(s.Log()); err != nil {
		return nil, err
	}
	cmd := exec.Command(filepath.Join(s.opts.BinDir, "postgres"), s.arguments()...)
	cmd.Stdout, cmd.Stderr, cmd.Dir, cmd.Env = log, log, s.opts.Dir, environment()
	cmd.SysProcAttr = s.owner.attributes()

	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel ties the "your parent died" signal to the thread that made the child, so that thread has
		// to live as long as the child does: this goroutine keeps it, waiting.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.done)
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("run postgres: %w", err)
	}
	return p, nil
}

// arguments are ours first, then those of the caller, which win.
func (s *Server) arguments() []string {
	settings := map[string]string{
		"unix_socket_directories": s.socket,
		"unix_socket_permissions": "0700",
		"listen_addresses":        "",
		"port":                    strconv.Itoa(s.port),
		"logging_collector":       "off",
		"log_destination":         "stderr",
		// The log must not hold the data: no statements, no details (they quote rows).
		"log_min_error_statement": "panic",
		"log_error_verbosity":     "terse",
		"cluster_name":            "syncd",
	}
	if s.opts.Port != 0 {
		settings["listen_addresses"] = "127.0.0.1"
	}
	for name, value := range s.opts.Settings {
		settings[name] = value
	}
	names := make([]string, 0, len(settings))
	for name := range settings {
		names = append(names, name)
	}
	sort.Strings(names)
	args := []string{"-D", s.data()}
	for _, name := range names {
		args = append(args, "-c", name+"="+settings[name])
	}
	return args
}

// environment is ours without libpq's variables and with English messages; a time zone of ours must not leak in.
func environment() []string {
	env := []string{"LC_ALL=C", "TZ=UTC"}
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, "PG") && !strings.HasPrefix(name, "LC_") && name != "LANG" && name != "TZ" {
			env = append(env, kv)
		}
	}
	return env
}

// ready waits until the server answers a query, dies, or ctx ends.
func (s *Server) ready(ctx context.Context, p *process) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.ping(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("postgres ended at once (%v); the end of %s:\n%s", p.err, s.Log(), s.logTail())
		case <-ctx.Done():
			return fmt.Errorf("wait for an answer: %w; the end of %s:\n%s", context.Cause(ctx), s.Log(), s.logTail())
		case <-tick.C:
		}
	}
}

func (s *Server) ping(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return conn.Ping(ctx)
}

// halt ends the process and waits for its end; harder after a time. The caller holds mu.
func (s *Server) halt(signal syscall.Signal) error {
	p := s.process
	if p == nil {
		return nil
	}
	s.process = nil
	steps := []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{signal, 30 * time.Second}, {immediate, 10 * time.Second}, {syscall.SIGKILL, 10 * time.Second}}
	for _, step := range steps {
		if err := p.cmd.Process.Signal(step.signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("signal process %d: %w", p.cmd.Process.Pid, err)
		}
		timer := time.NewTimer(step.wait)
		select {
		case <-p.done:
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
	return fmt.Errorf("process %d did not end", p.cmd.Process.Pid)
}

// logTail is the end of the server's log.
func (s *Server) logTail() string {
	text, err := os.ReadFile(s.Log())
	if err != nil {
		return "(no log: " + err.Error() + ")"
	}
	return tail(string(text))
}

// tail is the last lines of a text.
func tail(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}
