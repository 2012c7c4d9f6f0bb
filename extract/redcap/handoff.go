package redcap

import (
	"context"

	"syncd/extract"
)

// handoff lets one batch be filled while the one before it is loaded: batches are made on a goroutine of their own and
// yielded on that of Pull. So at most two batches are in memory, and the last one is known to be committed when
// settled returns.
type handoff struct {
	ctx   context.Context
	out   chan *extract.Batch
	back  chan error // what yield said, once per batch
	under bool       // a batch is being loaded
	err   error      // of yield; nothing is handed on after it
}

// give hands a batch on once the one before it is loaded. When it returns, that one's buffers are free; those of b are
// free after the next call of give or settled.
func (h *handoff) give(b *extract.Batch) error {
	if err := h.settled(); err != nil {
		return err
	}
	select {
	case h.out <- b:
		h.under = true
		return nil
	case <-h.ctx.Done():
		return context.Cause(h.ctx)
	}
}

// settled waits until everything that was handed on is loaded.
func (h *handoff) settled() error {
	if !h.under {
		return h.err
	}
	select {
	case h.err = <-h.back:
		h.under = false
		return h.err
	case <-h.ctx.Done():
		return context.Cause(h.ctx)
	}
}

// overlap runs make on a goroutine and yields on this one what it hands on. An error of yield ends make and is
// returned as it is. It returns when make has ended, also where yield panics; a panic of make is one of the caller.
func overlap[T any](ctx context.Context, yield func(*extract.Batch) error, produce func(context.Context, *handoff) (T, error)) (result T, err error) {
	work, cancel := context.WithCancelCause(ctx)
	h := &handoff{ctx: work, out: make(chan *extract.Batch), back: make(chan error, 1)}
	var panicked any
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(h.out)
		defer func() { panicked = recover() }()
		result, err = produce(work, h)
		if last := h.settled(); err == nil {
			err = last
		}
	}()
	defer func() {
		cancel(nil)
		<-done
	}()
	for b := range h.out {
		if refused := yield(b); refused != nil {
			cancel(refused)
			<-done
			return result, refused
		}
		h.back <- nil
	}
	<-done
	if panicked != nil {
		panic(panicked)
	}
	return result, err
}
