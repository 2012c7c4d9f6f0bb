//go:build faultinject

package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
)

// This file is compiled into the program that the crash tests kill, and into no other. SYNCD_FAULT says what happens:
//
//	write:N:before|half|after   SIGKILL at the Nth write to any connection
//	read:N:drop                 the Nth read closes its connection instead
//	commit:N:drop               the reply to the Nth COMMIT never arrives; the connection is closed
//	count:FILE                  nothing; the numbers of writes, reads and commits are kept in FILE

// faults counts what goes over all connections to Postgres.
type faults struct {
	mu                     sync.Mutex
	what, how              string
	at                     int
	writes, reads, commits int
}

// injected is made once, from the environment.
var injected = sync.OnceValue(func() *faults {
	parts := strings.SplitN(os.Getenv("SYNCD_FAULT"), ":", 3)
	f := &faults{what: parts[0]}
	if f.what == "count" && len(parts) > 1 {
		f.how = strings.Join(parts[1:], ":")
	} else if len(parts) == 3 {
		f.at, _ = strconv.Atoi(parts[1])
		f.how = parts[2]
	}
	return f
})

func dialer() pgconn.DialFunc {
	f := injected()
	var d net.Dialer
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := d.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &faultyConn{Conn: conn, faults: f}, nil
	}
}

type faultyConn struct {
	net.Conn
	faults    *faults
	mu        sync.Mutex
	dropReply bool
}

var errDropped = errors.New("connection dropped by fault injection")

func (c *faultyConn) Write(p []byte) (int, error) {
	f := c.faults
	f.mu.Lock()
	f.writes++
	now := f.what == "write" && f.writes == f.at
	if isCommit(p) {
		f.commits++
		if f.what == "commit" && f.commits == f.at {
			c.mu.Lock()
			c.dropReply = true
			c.mu.Unlock()
		}
	}
	f.keep()
	f.mu.Unlock()
	if now && f.how == "before" {
		die()
	}
	if now && f.how == "half" {
		_, _ = c.Conn.Write(p[:len(p)/2])
		die()
	}
	n, err := c.Conn.Write(p)
	if now {
		die()
	}
	return n, err
}

func (c *faultyConn) Read(p []byte) (int, error) {
	f := c.faults
	f.mu.Lock()
	f.reads++
	drop := f.what == "read" && f.reads == f.at
	f.mu.Unlock()
	if drop {
		_ = c.Conn.Close()
		return 0, errDropped
	}
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if n > 0 && c.dropReply { // the server has answered, so it has committed
		_ = c.Conn.Close()
		return 0, errDropped
	}
	return n, err
}

// isCommit finds COMMIT as a simple query or inside an extended one.
func isCommit(p []byte) bool {
	return bytes.Contains(bytes.ToLower(p), []byte("commit\x00"))
}

// keep writes the counts down at each write, since the process may end in any way.
func (f *faults) keep() {
	if f.what != "count" {
		return
	}
	text := strconv.Itoa(f.writes) + " " + strconv.Itoa(f.reads) + " " + strconv.Itoa(f.commits)
	_ = os.WriteFile(f.how, []byte(text), 0o600)
}

// die is kill -9 by one's own hand.
func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}
