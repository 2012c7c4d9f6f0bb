package extract

import "context"

// Handoff lets one batch be filled while the one before it is loaded: batches are made on a goroutine of their own and
// yielded on that of Pull. So at most two batches are in memory, and the last one is known to be committed when
// Settled returns.
type Handoff struct {
	ctx   context.Context
	out   chan *Batch
	back  chan error // what yield said, once per batch
	under bool       // a batch is being loaded
	err   error      // of yield; nothing is handed on after it
}

// Give hands a batch on once the one before it is loaded. When it returns, that one's buffers are free; those of b are
// free after the next call of Give or Settled.
func (h *Handoff) Give(b *Batch) error {
	if err := h.Settled(); err != nil {
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

// Settled waits until everything that was handed on is loaded.
func (h *Handoff) Settled() error {
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

// Context ends with the pull.
func (h *Handoff) Context() context.Context { return h.ctx }

// Overlap runs produce on a goroutine and yields on this one what it hands on. An error of yield ends produce and is
// returned as it is. It returns when produce has ended, also where yield panics; a panic of produce is one of the caller.
func Overlap[T any](ctx context.Context, yield func(*Batch) error, produce func(context.Context, *Handoff) (T, error)) (result T, err error) {
	work, cancel := context.WithCancelCause(ctx)
	h := &Handoff{ctx: work, out: make(chan *Batch), back: make(chan error, 1)}
	var panicked any
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(h.out)
		defer func() { panicked = recover() }()
		result, err = produce(work, h)
		if last := h.Settled(); err == nil {
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
