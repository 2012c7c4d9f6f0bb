package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"sync"
)

// wire is what lies between a warehouse and its Postgres: it can end as a killed process ends, lose one connection, or lose
// the answer to a COMMIT.
type wire struct {
	mu      sync.Mutex
	plan    trouble
	seen    int // writes, or commits, since arm
	struck  bool
	dead    bool
	kill    func() // ends what is under way in the process
	open    map[*wiredConn]bool
	pending *wiredConn // its next read is lost
}

// errKilled is what a process that does not live any more is told. Nobody tries again after a cancelled context.
var errKilled = fmt.Errorf("the process was killed: %w", context.Canceled)

// arm makes the wire do what a plan says; kill is called where it is to end the process.
func (w *wire) arm(plan trouble, kill func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.plan, w.seen, w.struck, w.dead, w.kill, w.pending = plan, 0, false, false, kill, nil
}

// disarm makes it an ordinary wire again and says whether anything was done.
func (w *wire) disarm() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.plan, w.dead, w.pending = trouble{}, false, nil
	return w.struck
}

func (w *wire) dial(ctx context.Context, network, address string) (net.Conn, error) {
	w.mu.Lock()
	dead := w.dead
	w.mu.Unlock()
	if dead {
		return nil, errKilled
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c := &wiredConn{Conn: conn, wire: w}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.open == nil {
		w.open = map[*wiredConn]bool{}
	}
	w.open[c] = true
	return c, nil
}

// wiredConn is one connection.
type wiredConn struct {
	net.Conn
	wire *wire
}

// Close forgets the connection.
func (c *wiredConn) Close() error {
	c.wire.mu.Lock()
	delete(c.wire.open, c)
	c.wire.mu.Unlock()
	return c.Conn.Close()
}

func (c *wiredConn) Write(p []byte) (int, error) {
	w := c.wire
	w.mu.Lock()
	if w.dead {
		w.mu.Unlock()
		return 0, errKilled
	}
	now := !w.struck && w.counts(p)
	if now {
		w.struck = true
	}
	kind, fold := w.plan.kind, w.plan.fold
	if now && kind == replyTrouble {
		w.pending = c
	}
	w.mu.Unlock()
	switch {
	case now && kind == killTrouble:
		_, _ = c.Conn.Write(p[:len(p)*fold/2])
		w.end()
		return 0, errKilled
	case now && kind == dropTrouble:
		_ = c.Conn.Close()
		return 0, net.ErrClosed
	}
	return c.Conn.Write(p)
}

// counts says whether this write is the one that the plan is about.
func (w *wire) counts(p []byte) bool {
	switch w.plan.kind {
	case killTrouble, dropTrouble:
	case replyTrouble:
		if !bytes.Contains(bytes.ToLower(p), []byte("commit\x00")) {
			return false
		}
	default:
		return false
	}
	w.seen++
	return w.seen > w.plan.after
}

// end cuts every connection at once, as the kernel does for a process that was killed.
func (w *wire) end() {
	w.mu.Lock()
	w.dead = true
	open := make([]*wiredConn, 0, len(w.open))
	for c := range w.open {
		open = append(open, c)
	}
	kill := w.kill
	w.mu.Unlock()
	for _, c := range open {
		_ = c.Conn.Close()
	}
	if kill != nil {
		kill()
	}
}

func (c *wiredConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	w := c.wire
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.dead:
		return 0, errKilled
	case n > 0 && w.pending == c: // the server has answered, so it has committed
		w.pending = nil
		_ = c.Conn.Close()
		return 0, net.ErrClosed
	}
	return n, err
}
