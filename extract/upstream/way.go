package upstream

import (
	"crypto/tls"
	"net"
	"sync"
	"time"
)

// Way is how a server was reached.
type Way struct {
	Proxy    string    // host and port; empty where the way was direct
	Remote   string    // address of the other end of the connection: the server's, or its proxy's
	TLS      string    // "TLS 1.3"; empty for plain http
	Peer     string    // name in the server's certificate
	Issuer   string    // name of the authority that signed it
	NotAfter time.Time // when the certificate ends
	At       time.Time // when the connection was got
}

// DaysLeft returns how many whole days the server's certificate is valid for.
func (w Way) DaysLeft(now time.Time) int { return int(w.NotAfter.Sub(now).Hours() / 24) }

type way struct {
	mu  sync.Mutex
	way Way
	ok  bool
}

func (w *way) get() (Way, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.way, w.ok
}

func (w *way) seen(conn net.Conn, proxy string) {
	now := Way{Proxy: proxy, Remote: conn.RemoteAddr().String(), At: time.Now()}
	if secure, ok := conn.(*tls.Conn); ok {
		state := secure.ConnectionState()
		now.TLS = tls.VersionName(state.Version)
		if len(state.PeerCertificates) > 0 {
			leaf := state.PeerCertificates[0]
			now.Peer, now.Issuer, now.NotAfter = leaf.Subject.CommonName, leaf.Issuer.CommonName, leaf.NotAfter
			if len(leaf.DNSNames) > 0 {
				now.Peer = leaf.DNSNames[0]
			}
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.way, w.ok = now, true
}
