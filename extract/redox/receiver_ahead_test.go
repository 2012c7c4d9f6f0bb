package redox

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"
)

// countedConn counts how often it is read.
type countedConn struct {
	net.Conn
	body  io.Reader
	reads int
}

func (c *countedConn) Read(p []byte) (int, error) {
	c.reads++
	return c.body.Read(p)
}

// TestReadingAhead gives every byte once and in its order, whatever pieces it is asked for in, and asks the kernel seldom only for a
// sender that is known.
func TestReadingAhead(t *testing.T) {
	body := make([]byte, 100_000)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range body {
		body[i] = byte(r.Uint32())
	}
	reads := map[bool]int{}
	for _, known := range []bool{false, true} {
		from := &countedConn{body: bytes.NewReader(body)}
		c := &guarded{Conn: from}
		c.proven.Store(known)
		var got []byte
		for {
			p := make([]byte, 1+r.IntN(700))
			if r.IntN(50) == 0 {
				p = make([]byte, readAhead+r.IntN(3))
			}
			n, err := c.Read(p)
			got = append(got, p[:n]...)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil || n == 0 {
				t.Fatalf("read %d: %v", n, err)
			}
		}
		if !bytes.Equal(got, body) {
			t.Errorf("known %t: %d bytes came, not as they were sent", known, len(got))
		}
		if reads[known] = from.reads; !known && c.room != nil {
			t.Error("a stranger was given memory")
		}
	}
	if reads[true]*5 > reads[false] {
		t.Errorf("reads: %d of a known sender, %d of a stranger", reads[true], reads[false])
	}
}
