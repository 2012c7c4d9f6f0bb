// Package pgembed finds the PostgreSQL programs of this machine and runs a private server with them: for the demo, for
// the tests, and where jobs.toml says private = true.
//
// In comes a folder (empty, or one of ours from an earlier start) and settings; out comes a running server and its
// URLs. It promises: the server is reached through a unix socket in a folder that only its owner may enter; nothing is
// left running when the process that started it dies, however it dies; a folder is used by one process at a time; and
// when the server does not start, the error carries the end of its log. As root the server runs as the owner of the
// data, or as the user postgres, because PostgreSQL refuses root.
//
// It never touches a server that it did not start, and never downloads anything.
package pgembed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// superuser is the role that owns everything in a private server.
const superuser = "postgres"

// startWithin bounds a start whose context has no deadline; recovery after a crash is part of it.
const startWithin = 2 * time.Minute

// Options say where a server lives and how it runs.
type Options struct {
	Dir      string            // holds data, log and socket; made where missing; one process at a time
	Port     int               // TCP port on 127.0.0.1 beside the socket; 0: none; -1: a free one
	Settings map[string]string // postgresql.conf names and values; they win over ours
	BinDir   string            // where postgres and initdb are; empty: Find
}

// Server is a running (or stopped) private PostgreSQL. Its methods may be called from several goroutines.
type Server struct {
	opts   Options
	owner  owner    // as whom the programs run
	socket string   // folder of the unix socket
	port   int      // in the socket's name, and on 127.0.0.1 where asked for
	secret string   // password of the superuser over TCP
	lock   *os.File // held as long as this process uses Dir

	mu      sync.Mutex
	process *process // nil while stopped
}

// Start makes the data folder where there is none, starts the server and returns once it answers. ctx bounds the start
// only; the server lives until Stop, Kill, or the death of this process.
func Start(ctx context.Context, opts Options) (*Server, error) {
	s, err := prepare(opts)
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	if err := s.open(ctx); err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", errors.Join(err, s.release()))
	}
	return s, nil
}

// prepare resolves what needs no process: programs, owner, folder, lock.
func prepare(opts Options) (*Server, error) {
	var err error
	if opts.BinDir == "" {
		if opts.BinDir, err = Find(); err != nil {
			return nil, err
		}
	}
	if opts.Dir == "" {
		return nil, errors.New("no folder given")
	}
	if opts.Dir, err = filepath.Abs(opts.Dir); err != nil {
		return nil, fmt.Errorf("find folder: %w", err)
	}
	s := &Server{opts: opts}
	if s.owner, err = chooseOwner(s.data()); err != nil {
		return nil, err
	}
	if err := s.owner.makeDir(opts.Dir); err != nil {
		return nil, err
	}
	if s.lock, err = lockDir(opts.Dir); err != nil {
		return nil, err
	}
	return s, nil
}

// open brings the prepared folder to a server that answers.
func (s *Server) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startWithin,
		fmt.Errorf("no answer within %s", startWithin))
	defer cancel()
	if err := s.takeOver(ctx); err != nil {
		return err
	}
	if err := s.initialise(ctx); err != nil {
		return err
	}
	if err := s.chooseSocket(); err != nil {
		return err
	}
	if err := s.choosePort(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.launch(ctx)
}

// URL is the address of a database through the unix socket. It holds no password.
func (s *Server) URL(database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.User(superuser), Path: "/" + database,
		RawQuery: url.Values{"host": {s.socket}, "port": {strconv.Itoa(s.port)}}.Encode(),
	}
	return u.String()
}

// TCP is the address of a database through 127.0.0.1; it holds the password of this server, so it must not be logged.
// It is empty where no port was asked for.
func (s *Server) TCP(database string) string {
	if s.opts.Port == 0 {
		return ""
	}
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(superuser, s.secret), Path: "/" + database,
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)), RawQuery: "sslmode=disable",
	}
	return u.String()
}

// Dir is the folder of the server, and Log the file that PostgreSQL writes its messages to.
func (s *Server) Dir() string { return s.opts.Dir }

// Bin is the folder of the server's programs.
func (s *Server) Bin() string { return s.opts.BinDir }

// Log is the file of the server's own messages.
func (s *Server) Log() string { return filepath.Join(s.opts.Dir, "postgres.log") }

func (s *Server) data() string { return filepath.Join(s.opts.Dir, "data") }

// Stop ends the server as an administrator would (fast shutdown: sessions are ended, what was committed is flushed),
// and gives the folder free. Stopping twice is stopping once.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.halt(fast)
	if err = errors.Join(err, s.release()); err != nil {
		return fmt.Errorf("stop PostgreSQL: %w", err)
	}
	return nil
}

// Kill ends the server at once, as a crash would: the next start recovers from the log. The folder stays claimed, so
// that Restart can follow; Stop gives it free.
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.halt(immediate); err != nil {
		return fmt.Errorf("kill PostgreSQL: %w", err)
	}
	return nil
}

// Restart starts a server again that was killed, or stops a running one first. Its URLs stay as they were.
func (s *Server) Restart(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lock == nil {
		return errors.New("restart PostgreSQL: it was stopped and its folder given free: use Start")
	}
	if err := s.halt(fast); err != nil {
		return fmt.Errorf("restart PostgreSQL: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, startWithin, fmt.Errorf("no answer within %s", startWithin))
	defer cancel()
	if err := s.launch(ctx); err != nil {
		return fmt.Errorf("restart PostgreSQL: %w", err)
	}
	return nil
}

// release gives the folder free and removes what lies outside of it.
func (s *Server) release() error {
	if s.lock == nil {
		return nil
	}
	var err error
	if s.socket != "" && s.socket != s.opts.Dir {
		err = os.RemoveAll(s.socket)
	}
	err = errors.Join(err, s.lock.Close())
	s.lock = nil
	return err
}
