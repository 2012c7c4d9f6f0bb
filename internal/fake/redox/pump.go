package redox

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Pump pushes as fast as a receiver takes it, or at a rate, over a fixed number of connections, each with one request under
// way. It neither queues nor tries again: it is for measuring, costs little itself, and speaks plain HTTP/1.1 only.
type Pump struct {
	Address     string // host:port
	Path        string
	Token       string  // the verification token
	Connections int     // default 1
	Rate        float64 // requests a second over all connections; 0: no limit
}

// Figures is what a Pump has seen.
type Figures struct {
	Statuses map[int]int // answers by status
	Took     time.Duration
	waits    []time.Duration
}

// Acknowledged counts the answers with 200.
func (f *Figures) Acknowledged() int { return f.Statuses[http.StatusOK] }

// PerSecond is how many were acknowledged in a second.
func (f *Figures) PerSecond() float64 { return float64(f.Acknowledged()) / f.Took.Seconds() }

// Quantile is the time that a share q of the requests took at most, from their first byte to their answer.
func (f *Figures) Quantile(q float64) time.Duration {
	if len(f.waits) == 0 {
		return 0
	}
	return f.waits[min(int(q*float64(len(f.waits))), len(f.waits)-1)]
}

// Run pushes n messages, of which message appends the one with a number to a buffer. It ends early with the first
// connection that breaks.
func (p *Pump) Run(ctx context.Context, n int, message func(b []byte, i int) []byte) (*Figures, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var next atomic.Int64
	hoses := make([]*hose, max(p.Connections, 1))
	var all sync.WaitGroup
	start := time.Now()
	for i := range hoses {
		h := &hose{pump: p, statuses: map[int]int{}}
		hoses[i] = h
		all.Go(func() {
			if h.err = h.run(ctx, start, n, &next, message); h.err != nil {
				cancel()
			}
		})
	}
	all.Wait()
	f := &Figures{Statuses: map[int]int{}, Took: time.Since(start)}
	var errs []error
	for _, h := range hoses {
		f.waits = append(f.waits, h.waits...)
		for status, times := range h.statuses {
			f.Statuses[status] += times
		}
		if h.err != nil && !errors.Is(h.err, context.Canceled) {
			errs = append(errs, h.err)
		}
	}
	slices.Sort(f.waits)
	if errs == nil && ctx.Err() != nil {
		errs = append(errs, ctx.Err())
	}
	return f, errors.Join(errs...)
}

// hose is one connection of a Pump.
type hose struct {
	pump     *Pump
	statuses map[int]int
	waits    []time.Duration
	err      error
}

func (h *hose) run(ctx context.Context, start time.Time, n int, next *atomic.Int64, message func([]byte, int) []byte) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", h.pump.Address)
	if err != nil {
		return fmt.Errorf("connect to receiver: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	in := bufio.NewReader(conn)
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nApplication-Name: RedoxEngine\r\nContent-Type: application/json\r\nAuthorization: Bearer %s\r\nVerification-Token: %s\r\nContent-Length: ",
		h.pump.Path, h.pump.Address, h.pump.Token, h.pump.Token)
	var body, request []byte
	for {
		i := int(next.Add(1)) - 1
		if i >= n {
			return nil
		}
		if err := h.pace(ctx, start, i); err != nil {
			return err
		}
		body = message(body[:0], i)
		request = strconv.AppendInt(append(request[:0], head...), int64(len(body)), 10)
		request = append(append(request, "\r\n\r\n"...), body...)
		if err := h.push(conn, in, request); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("push message %d: %w", i, err)
		}
	}
}

func (h *hose) push(conn io.Writer, in *bufio.Reader, request []byte) error {
	began := time.Now()
	if _, err := conn.Write(request); err != nil {
		return err
	}
	status, closes, err := readAnswer(in)
	if err != nil {
		return err
	}
	h.waits = append(h.waits, time.Since(began))
	h.statuses[status]++
	if closes {
		return fmt.Errorf("the receiver closes the connection after an answer of %d", status)
	}
	return nil
}

// readAnswer reads an answer to its end and keeps nothing of it: what is measured on the same machine is not to pay for headers that
// nobody looks at. Its framing has to be a Content-Length.
func readAnswer(in *bufio.Reader) (status int, closes bool, err error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return 0, false, err
	}
	version, rest, _ := bytes.Cut(line, []byte(" "))
	digits, _, _ := bytes.Cut(bytes.TrimSpace(rest), []byte(" "))
	if status, err = strconv.Atoi(string(digits)); err != nil || string(version) != "HTTP/1.1" {
		return 0, false, errors.New("what came is no answer of HTTP/1.1")
	}
	length := -1
	for {
		if line, err = in.ReadSlice('\n'); err != nil {
			return 0, false, err
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case len(bytes.TrimSpace(line)) == 0:
			if length < 0 {
				return 0, false, errors.New("an answer without Content-Length")
			}
			_, err = in.Discard(length)
			return status, closes, err
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil || length < 0 {
				return 0, false, errors.New("an answer whose Content-Length is no number")
			}
		case bytes.EqualFold(name, []byte("Connection")):
			closes = bytes.EqualFold(value, []byte("close"))
		}
	}
}

// pace waits until message i is due.
func (h *hose) pace(ctx context.Context, start time.Time, i int) error {
	if h.pump.Rate <= 0 {
		return ctx.Err()
	}
	due := start.Add(time.Duration(float64(i) / h.pump.Rate * float64(time.Second)))
	return pause(ctx, time.Until(due))
}

// pause waits, or returns early with the cause of the context's end.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
