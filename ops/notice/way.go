package notice

import (
	"context"
	"crypto/tls"
	"net"

	"syncd/extract"
)

// way is the connection to a mail server. It is closed whatever becomes of what is said on it.
type way struct {
	trust *tls.Config // speak TLS from the first byte
	own   bool        // it is to end on this machine, whatever the name resolves to: nothing is said in the clear to another
	conn  net.Conn
}

func (w *way) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	w.conn = conn
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); w.own && ok && !tcp.IP.IsLoopback() {
		return nil, extract.Errorf(extract.KindConfig, "", "localhost leads to another machine")
	}
	if w.trust == nil {
		return conn, nil
	}
	secure := tls.Client(conn, w.trust)
	return secure, secure.HandshakeContext(ctx)
}

func (w *way) close() {
	if w.conn != nil {
		_ = w.conn.Close() // closed already where all went well
	}
}
