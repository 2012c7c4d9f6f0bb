package upstream

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
)

var (
	errTooLong  = errors.New("answer is longer than the limit")
	errEncoding = errors.New("answer has a content encoding that was not asked for")
)

// decoded asks for gzip, undoes it, and counts and bounds the decoded bytes. The transport of net/http would
// expand any number of them.
type decoded struct {
	next  http.RoundTripper
	limit int64
	count *atomic.Int64
}

func (d decoded) RoundTrip(req *http.Request) (*http.Response, error) {
	req.Header.Set("Accept-Encoding", "gzip")
	resp, err := d.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body := io.Reader(resp.Body)
	switch encoding := strings.ToLower(strings.Join(resp.Header.Values("Content-Encoding"), ",")); encoding {
	case "", "identity":
	case "gzip", "x-gzip":
		body = &gunzip{from: bufio.NewReader(resp.Body)}
		resp.Uncompressed = true
	default: // twice compressed among them
		body = failing{errEncoding}
	}
	resp.Body = &counted{from: body, left: d.limit, limit: d.limit, total: d.count, Closer: resp.Body}
	return resp, nil
}

// gunzip opens the stream at its first read, so that a fault in it is a fault of the body. No bytes at all are an
// empty body.
type gunzip struct {
	from *bufio.Reader
	zr   *gzip.Reader
}

func (g *gunzip) Read(p []byte) (int, error) {
	if g.zr == nil {
		zr, err := gzip.NewReader(g.from)
		if err != nil {
			return 0, err
		}
		g.zr = zr
	}
	return g.zr.Read(p)
}

// counted lets at most limit bytes through.
type counted struct {
	from        io.Reader
	left, limit int64
	total       *atomic.Int64
	io.Closer
}

func (c *counted) Read(p []byte) (int, error) {
	if int64(len(p)) > c.left+1 {
		p = p[:c.left+1]
	}
	n, err := c.from.Read(p)
	c.total.Add(int64(n))
	if c.left -= int64(n); c.left < 0 {
		return n - 1, fmt.Errorf("%w of %d MiB", errTooLong, c.limit>>20)
	}
	return n, err
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
