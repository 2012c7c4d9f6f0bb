package pgembed

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// longestSocket is what fits sun_path on Linux, less its closing zero byte.
const longestSocket = 107

// lockDir claims the folder for this process. The kernel gives the claim free however the process ends, which is what
// tells a server in use from one that was left behind.
func lockDir(dir string) (*os.File, error) {
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("claim folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("folder %s is in use by another process of syncd: stop that one or choose another folder", dir)
		}
		return nil, fmt.Errorf("claim folder %s: %w", dir, err)
	}
	return f, nil
}

// Free says whether a folder is claimed by no process.
func Free(dir string) bool {
	f, err := lockDir(dir)
	if err != nil {
		return false
	}
	return f.Close() == nil
}

// takeOver ends a server that an earlier, dead owner of the folder left behind. We hold the lock, so nobody uses it.
func (s *Server) takeOver(ctx context.Context) error {
	file := filepath.Join(s.data(), "postmaster.pid")
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read postmaster.pid: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || pid <= 1 || !serves(pid, s.data()) {
		// No server of ours has this number any more: another program may have it by now, and PostgreSQL
		// would take that one for a server and refuse to start.
		return removeStale(file)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	sent, asked := time.Now(), syscall.SIGINT
	for serves(pid, s.data()) {
		if time.Since(sent) > 10*time.Second {
			asked = syscall.SIGQUIT
		}
		if err := syscall.Kill(pid, asked); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("end the server that was left behind (process %d): %w", pid, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("end the server that was left behind (process %d): %w", pid, context.Cause(ctx))
		case <-tick.C:
		}
	}
	return removeStale(file)
}

func removeStale(file string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove stale postmaster.pid: %w", err)
	}
	return nil
}

// initialise runs initdb where there is no data yet. It works beside the place and renames, so that a folder that was
// interrupted in the middle is never taken for data.
func (s *Server) initialise(ctx context.Context) error {
	secret := filepath.Join(s.opts.Dir, "password")
	if _, err := os.Stat(filepath.Join(s.data(), "PG_VERSION")); err == nil {
		text, err := os.ReadFile(secret)
		if err != nil {
			return fmt.Errorf("read password of the private server: %w", err)
		}
		s.secret = strings.TrimSpace(string(text))
		return s.sameVersion()
	}
	if err := emptyOrMissing(s.data()); err != nil {
		return err
	}
	random := make([]byte, 16)
	_, _ = rand.Read(random) // never fails, by its documentation
	s.secret = hex.EncodeToString(random)
	if err := os.WriteFile(secret, []byte(s.secret+"\n"), 0o600); err != nil {
		return fmt.Errorf("keep password: %w", err)
	}
	if err := s.owner.take(secret); err != nil {
		return err
	}
	fresh := s.data() + ".new"
	// C.UTF-8 sorts by code point and knows letters beyond ASCII; a few systems lack it.
	err := s.initdb(ctx, fresh, secret, "C.UTF-8")
	if err != nil && ctx.Err() == nil {
		err = s.initdb(ctx, fresh, secret, "C")
	}
	if err != nil {
		return err
	}
	if err := os.Rename(fresh, s.data()); err != nil {
		return fmt.Errorf("move data into place: %w", err)
	}
	return nil
}

// initdb makes a data folder. Over the socket everybody who may enter the folder is trusted; over TCP a password.
func (s *Server) initdb(ctx context.Context, dir, secret, locale string) error {
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("clear half-made data: %w", err)
	}
	args := []string{
		"--pgdata", dir, "--username", superuser, "--pwfile", secret, "--auth-local", "trust",
		"--auth-host", "scram-sha-256", "--encoding", "UTF8", "--locale", locale, "--no-instructions",
	}
	if s.opts.Settings["fsync"] == "off" {
		args = append(args, "--no-sync")
	}
	cmd := exec.CommandContext(ctx, filepath.Join(s.opts.BinDir, "initdb"), args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Dir, cmd.Env = &out, &out, s.opts.Dir, environment()
	cmd.SysProcAttr = s.owner.attributes()
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // its children too
	runtime.LockOSThread()                                                               // see spawn
	defer runtime.UnlockOSThread()
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run initdb: %w: %s", err, tail(out.String()))
	}
	return nil
}

// sameVersion refuses data of another major version before PostgreSQL does it in its log.
func (s *Server) sameVersion() error {
	text, err := os.ReadFile(filepath.Join(s.data(), "PG_VERSION"))
	if err != nil {
		return fmt.Errorf("read version of data: %w", err)
	}
	have, err := Version(s.opts.BinDir)
	if err != nil {
		return err
	}
	if was := strings.TrimSpace(string(text)); was != strconv.Itoa(have) {
		return fmt.Errorf("%s was made by PostgreSQL %s and the programs found are %d: set SYNCD_PG_BIN to the folder of version %s, or choose another folder",
			s.data(), was, have, was)
	}
	return nil
}

func emptyOrMissing(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("look into data folder: %w", err)
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty and is not PostgreSQL data: choose another folder", dir)
	}
	return nil
}

// chooseSocket puts the socket into the folder itself where its path is short enough, else into a temporary folder.
func (s *Server) chooseSocket() error {
	if len(s.opts.Dir)+len("/.s.PGSQL.65535.lock") <= longestSocket {
		s.socket = s.opts.Dir
		return nil
	}
	parent := os.TempDir()
	if len(parent) > 60 {
		parent = "/tmp"
	}
	dir, err := os.MkdirTemp(parent, "syncd-pg-")
	if err != nil {
		return fmt.Errorf("make folder for the socket: %w", err)
	}
	s.socket = dir
	return s.owner.take(dir)
}

// choosePort takes the port asked for. A free one is found by the kernel; somebody else may take it before PostgreSQL
// does, and then the start fails with PostgreSQL's own words.
func (s *Server) choosePort() error {
	switch {
	case s.opts.Port > 0:
		s.port = s.opts.Port
	case s.opts.Port == 0:
		s.port = 5432 // a part of the socket's name, no TCP port
	default:
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return fmt.Errorf("find a free port: %w", err)
		}
		s.port = l.Addr().(*net.TCPAddr).Port
		return l.Close()
	}
	return nil
}
