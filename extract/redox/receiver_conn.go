package redox

import (
	"container/list"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// guard is a listener that bounds how many connections are open, in all and of one peer, and closes one of a sender that is not
// known yet where a new one would be too many.
type guard struct {
	net.Listener
	perPeer, overall int
	exempt           func() []netip.Prefix // who is exempt from perPeer now

	mu    sync.Mutex
	open  *list.List // of *guarded, the oldest first
	peers map[netip.Addr]int
}

// guarded is a connection that a guard let in.
type guarded struct {
	net.Conn
	guard  *guard
	peer   netip.Addr
	at     *list.Element // in guard.open; nil once it is closed
	proven atomic.Bool   // somebody whom a Gate let in sends over it
	room   []byte        // what is read ahead lies in it; used by one reader at a time
	ahead  []byte        // the part of room that nobody has had yet
}

// readAhead is how much is read at once from a sender that is known: a push of the common size with its head, so that it costs one
// call of the kernel. Others cost no memory.
const readAhead = 8 << 10

// Read returns what was read ahead, and reads ahead for a sender that is known.
func (c *guarded) Read(p []byte) (int, error) {
	if len(c.ahead) == 0 {
		if len(p) == 0 || len(p) >= readAhead || !c.proven.Load() {
			return c.Conn.Read(p)
		}
		if c.room == nil {
			c.room = make([]byte, readAhead)
		}
		n, err := c.Conn.Read(c.room)
		if n == 0 {
			return 0, err
		}
		c.ahead = c.room[:n] // an error beside bytes comes again
	}
	n := copy(p, c.ahead)
	c.ahead = c.ahead[n:]
	return n, nil
}

func newGuard(l net.Listener, perPeer, overall int, exempt func() []netip.Prefix) *guard {
	return &guard{Listener: l, perPeer: perPeer, overall: overall, exempt: exempt, open: list.New(), peers: map[netip.Addr]int{}}
}

// Accept returns the next connection that is let in.
func (g *guard) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if in := g.admit(c); in != nil {
			return in, nil
		}
		_ = c.Close() // everybody else here is known
	}
}

func (g *guard) admit(c net.Conn) *guarded {
	in := &guarded{Conn: c, guard: g, peer: addrOf(c.RemoteAddr().String())}
	g.mu.Lock()
	defer g.mu.Unlock()
	bounded := !within(g.exempt(), in.peer)
	if bounded && g.peers[in.peer] >= g.perPeer && !g.evict(func(c *guarded) bool { return c.peer == in.peer }) {
		return nil
	}
	if g.open.Len() >= g.overall && !g.evict(func(*guarded) bool { return true }) {
		return nil
	}
	in.at = g.open.PushBack(in)
	g.peers[in.peer]++
	return in
}

// evict closes the oldest connection of those that nobody has proven himself on.
func (g *guard) evict(one func(*guarded) bool) bool {
	for at := g.open.Front(); at != nil; at = at.Next() {
		if c, ok := at.Value.(*guarded); ok && !c.proven.Load() && one(c) {
			g.forget(c)
			_ = c.Conn.Close() // whoever reads from it sees that it is closed
			return true
		}
	}
	return false
}

func (g *guard) forget(c *guarded) {
	if c.at == nil {
		return
	}
	g.open.Remove(c.at)
	c.at = nil
	if g.peers[c.peer]--; g.peers[c.peer] == 0 {
		delete(g.peers, c.peer)
	}
}

// Close closes the connection and makes room for another.
func (c *guarded) Close() error {
	c.guard.mu.Lock()
	c.guard.forget(c)
	c.guard.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite lets the server say that it has no more to say before it stops listening, so that an answer is not lost.
func (c *guarded) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

type connKey struct{}

// guardedOf finds the connection that a guard let in below TLS.
func guardedOf(c net.Conn) *guarded {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	in, _ := c.(*guarded)
	return in
}

// markProven keeps the connection of a request from being closed for another.
func markProven(ctx context.Context) {
	if c, _ := ctx.Value(connKey{}).(*guarded); c != nil {
		c.proven.Store(true)
	}
}

// addrOf reads the address of "address:port" or of an address alone; invalid where it is none.
func addrOf(text string) netip.Addr {
	if p, err := netip.ParseAddrPort(text); err == nil {
		return p.Addr().Unmap().WithZone("")
	}
	a, _ := netip.ParseAddr(text)
	return a.Unmap().WithZone("")
}

func within(prefixes []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
}

// peerOf is who sent a request: whoever the trusted proxies say, the last of those whom none of them is.
func peerOf(r *http.Request, trusted []netip.Prefix) netip.Addr {
	peer := addrOf(r.RemoteAddr)
	if !within(trusted, peer) {
		return peer
	}
	said := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, text := range slices.Backward(said) {
		if !within(trusted, peer) {
			break
		}
		before := addrOf(strings.TrimSpace(text))
		if !before.IsValid() {
			break
		}
		peer = before
	}
	return peer
}
