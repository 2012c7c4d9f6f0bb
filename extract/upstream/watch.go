package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// ErrTimeout is in the chain of an error of Do where the server was too slow. Asking for less may help.
var ErrTimeout = errors.New("too slow")

// watched ends an attempt that takes longer than whole, and one whose body stands still for idle.
type watched struct {
	whole, idle time.Duration
	next        http.RoundTripper
}

func (w watched) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	whole := time.AfterFunc(w.whole, func() {
		cancel(fmt.Errorf("%w: no complete answer within %s (timeout)", ErrTimeout, w.whole))
	})
	resp, err := w.next.RoundTrip(req.WithContext(ctx))
	if err != nil {
		err = timeoutOr(ctx, err)
		whole.Stop()
		cancel(nil)
		return nil, err
	}
	idle := time.AfterFunc(w.idle, func() {
		cancel(fmt.Errorf("%w: nothing came for %s", ErrTimeout, w.idle))
	})
	idle.Stop() // until somebody reads
	resp.Body = &watchedBody{ReadCloser: resp.Body, ctx: ctx, cancel: cancel, whole: whole, idle: idle, pause: w.idle}
	return resp, nil
}

// watchedBody restarts the idle timer with each read, and names the timer that ended it.
type watchedBody struct {
	io.ReadCloser
	ctx         context.Context
	cancel      context.CancelCauseFunc
	whole, idle *time.Timer
	pause       time.Duration
}

func (b *watchedBody) Read(p []byte) (int, error) {
	b.idle.Reset(b.pause)
	n, err := b.ReadCloser.Read(p)
	b.idle.Stop() // the caller may take its time
	if err != nil && err != io.EOF {
		err = timeoutOr(b.ctx, err)
	}
	return n, err
}

func (b *watchedBody) Close() error {
	b.whole.Stop()
	b.idle.Stop()
	b.cancel(nil)
	return b.ReadCloser.Close()
}

// timeoutOr returns the timeout that cancelled ctx, and err where none did.
func timeoutOr(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); errors.Is(cause, ErrTimeout) {
		return cause
	}
	return err
}
