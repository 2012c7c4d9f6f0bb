package migrations

import (
	"context"
	"net"
	"sync"

	"github.com/jackc/pgx/v5/pgconn"
)

// holder keeps hold of the network connections that a dialer made. golang-migrate runs its statements without a
// context: to cut its connections is the only way to end it.
type holder struct {
	dial pgconn.DialFunc

	mu    sync.Mutex
	conns []net.Conn
	ended bool
}

// Dial is the dialer to give to pgx.
func (h *holder) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := h.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	h.conns = append(h.conns, conn)
	return conn, nil
}

// cut closes all connections and refuses new ones.
func (h *holder) cut() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
	for _, conn := range h.conns {
		_ = conn.Close()
	}
}
