package redox

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"math/bits"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// body is the body as it is kept: what was compressed for the way is unpacked.
func (x *exchange) body() ([]byte, error) {
	coded := codings(x.r.Header)
	zipped := len(coded) == 1 && (coded[0] == "gzip" || coded[0] == "x-gzip")
	if len(coded) > 0 && !zipped {
		return nil, &failure{http.StatusUnsupportedMediaType, "a content-encoding other than gzip"}
	}
	raw, err := x.bytes()
	if err != nil || !zipped {
		return raw, err
	}
	return x.unzip(raw)
}

// codings lists what was done to a body, identity left out.
func codings(h http.Header) []string {
	var all []string
	for _, line := range h.Values("Content-Encoding") {
		for c := range strings.SplitSeq(line, ",") {
			if c = strings.ToLower(strings.TrimSpace(c)); c != "" && c != "identity" {
				all = append(all, c)
			}
		}
	}
	return all
}

// bytes is the whole body as it came. It is read once.
func (x *exchange) bytes() ([]byte, error) {
	if !x.read {
		x.fetch(x.config.MaxBody)
	}
	return x.raw, x.failure
}

func (x *exchange) fetch(most int) {
	x.read = true
	began, waited := time.Now(), x.waited
	x.raw, x.failure = x.receive(most)
	x.coming += time.Since(began) - (x.waited - waited)
}

// receive reads a body of at most so many bytes, at the pace that is asked of it.
func (x *exchange) receive(most int) ([]byte, error) {
	if x.r.ContentLength > int64(most) {
		return nil, errTooLarge
	}
	src := &paced{src: x.r.Body, control: x.control, allowed: x.allowed, began: time.Now()}
	body, err := x.gather(src, int(x.r.ContentLength), most, cut)
	if err == nil {
		_ = x.control.SetReadDeadline(time.Time{}) // the server's own holds for the next request
	}
	return body, err
}

var errTooLarge = &failure{http.StatusRequestEntityTooLarge, "the body is larger than max_body"}

// cut says why a body ended before its end.
func cut(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &failure{http.StatusRequestTimeout, "the body came too slowly"}
	}
	return &failure{http.StatusBadRequest, "the body ended early or was not framed as HTTP asks"}
}

func (x *exchange) unzip(raw []byte) ([]byte, error) {
	garbled := func(error) error {
		return &failure{http.StatusUnsupportedMediaType, "the body is not gzip, as content-encoding says"}
	}
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, garbled(err)
	}
	return x.gather(z, -1, x.config.MaxBody, garbled)
}

// gather reads to the end of src, whose length may be known; where it is not, it is -1. Room is taken for what has come and not
// for what was announced, so that those who send nothing hold nothing; but once a sender is known and his body does come, it is
// taken for all of it. word says what an error of src means.
func (x *exchange) gather(src io.Reader, length, most int, word func(error) error) ([]byte, error) {
	whole := most + 1 // one byte more than may come shows that too many do
	if length >= 0 {
		whole = length
	}
	b, err := x.setAside(min(x.allowed.first, whole))
	if err != nil {
		return nil, err
	}
	defer func() { x.room = append(x.room, b.back) }()
	for n := 0; n != length; {
		m, err := src.Read(b.buf[n:])
		n += m
		switch {
		case n > most:
			return nil, errTooLarge
		case err == io.EOF && length < 0:
			return b.buf[:n], nil
		case err != nil && n != length:
			return nil, word(err)
		}
		if n < len(b.buf) || n == length {
			continue
		}
		next := min(2*n, whole)
		if length >= 0 && x.proven {
			next = whole
		}
		larger, err := x.setAside(next)
		if err != nil {
			return nil, err
		}
		copy(larger.buf, b.buf)
		b.back()
		b = larger
	}
	return b.buf, nil
}

// setAside takes room for so many bytes, and waits for it as long as the request may.
func (x *exchange) setAside(n int) (block, error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(x.r.Context(), x.allowed.memory-x.waited)
	defer cancel()
	b, err := x.memory.take(ctx, n)
	x.waited += time.Since(began)
	if err != nil {
		return block{}, &failure{http.StatusServiceUnavailable, "no room for its body now"}
	}
	return b, nil
}

// paced is a body that has to keep a pace.
type paced struct {
	src     io.Reader
	control *http.ResponseController
	allowed allowance
	began   time.Time
	n       int
	until   time.Time
}

func (p *paced) Read(b []byte) (int, error) {
	until := p.began.Add(p.allowed.body + time.Duration(p.n/p.allowed.slowest)*time.Second)
	if until.After(p.until) {
		p.until = until
		_ = p.control.SetReadDeadline(until) // what cannot have one is no connection
		_ = p.control.SetWriteDeadline(until.Add(writeWithin))
	}
	n, err := p.src.Read(b)
	p.n += n
	return n, err
}

// What the bodies of all requests may hold at once. Small ones have a budget of their own: they do not queue behind files.
const (
	smallBody   = 1 << 20
	smallBodies = 64 << 20
	largeBodies = 256 << 20
	smallest    = 12 // binary logarithm of the smallest block
	sizes       = 21 - smallest
)

// memory bounds the bytes of bodies that are held at once. Blocks for small ones are used again.
type memory struct {
	small, large *semaphore.Weighted
	most         int64            // of large
	blocks       [sizes]sync.Pool // of *[]byte, by binary logarithm
}

// block is room for a body; back gives it back.
type block struct {
	buf  []byte
	back func()
}

func newMemory(small, large int64) *memory {
	return &memory{small: semaphore.NewWeighted(small), large: semaphore.NewWeighted(large), most: large}
}

// take waits until there is room for n bytes, or ctx ends.
func (m *memory) take(ctx context.Context, n int) (block, error) {
	if n > smallBody {
		weight := min(int64(n), m.most)
		if err := acquire(ctx, m.large, weight); err != nil {
			return block{}, err
		}
		return block{make([]byte, n), func() { m.large.Release(weight) }}, nil
	}
	size := max(smallest, bits.Len(uint(max(n, 1)-1)))
	if err := acquire(ctx, m.small, 1<<size); err != nil {
		return block{}, err
	}
	pool := &m.blocks[size-smallest]
	buf, ok := pool.Get().(*[]byte)
	if !ok {
		fresh := make([]byte, 1<<size)
		buf = &fresh
	}
	return block{(*buf)[:n], func() {
		pool.Put(buf)
		m.small.Release(1 << size)
	}}, nil
}

// acquire asks whether there is room before it asks how long to wait for it.
func acquire(ctx context.Context, s *semaphore.Weighted, n int64) error {
	if s.TryAcquire(n) {
		return nil
	}
	return s.Acquire(ctx, n)
}
