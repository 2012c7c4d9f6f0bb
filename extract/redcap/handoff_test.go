package redcap

import (
	"context"
	"errors"
	"testing"

	"syncd/extract"
)

// handTo is a handoff whose batches go to load, for tests of what stands before it.
func handTo(t testing.TB, load func(*extract.Batch) error) *handoff {
	h := &handoff{ctx: t.Context(), out: make(chan *extract.Batch), back: make(chan error, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for b := range h.out {
			h.back <- load(b)
		}
	}()
	t.Cleanup(func() {
		close(h.out)
		<-done
	})
	return h
}

func TestOverlapFillsOneBatchAheadAndNoMore(t *testing.T) {
	var made, loaded int64
	yield := func(b *extract.Batch) error {
		if b.Done != loaded+1 {
			t.Errorf("batch %d came after %d", b.Done, loaded)
		}
		loaded = b.Done
		return nil
	}
	result, err := overlap(t.Context(), yield, func(_ context.Context, h *handoff) (int64, error) {
		for made < 100 {
			made++
			if err := h.give(&extract.Batch{Done: made}); err != nil {
				return 0, err
			}
		}
		if err := h.settled(); err != nil {
			return 0, err
		}
		if loaded != made {
			t.Errorf("settled with %d of %d batches loaded", loaded, made)
		}
		return made, nil
	})
	if err != nil || result != 100 {
		t.Errorf("result %d, error %v", result, err)
	}
}

func TestOverlapReturnsTheErrorOfYieldAsItIsAndAtOnce(t *testing.T) {
	stop := errors.New("stop")
	given := 0
	_, err := overlap(t.Context(), func(*extract.Batch) error { return stop }, func(ctx context.Context, h *handoff) (int, error) {
		for {
			if err := h.give(&extract.Batch{}); err != nil {
				return 0, err
			}
			given++
		}
	})
	if err != stop || given > 1 {
		t.Errorf("error %v after %d batches", err, given)
	}
}

func TestOverlapLoadsWhatWasHandedOnBeforeAFailure(t *testing.T) {
	broken, loaded := errors.New("broken"), 0
	_, err := overlap(t.Context(), func(*extract.Batch) error { loaded++; return nil }, func(_ context.Context, h *handoff) (int, error) {
		if err := h.give(&extract.Batch{}); err != nil {
			return 0, err
		}
		return 0, broken
	})
	if err != broken || loaded != 1 {
		t.Errorf("error %v, loaded %d", err, loaded)
	}
}

func TestOverlapLeavesNoGoroutineWhereEitherSidePanics(t *testing.T) {
	for name, run := range map[string]func(){
		"yield": func() {
			_, _ = overlap(t.Context(), func(*extract.Batch) error { panic("yield") }, func(_ context.Context, h *handoff) (int, error) {
				return 0, errors.Join(h.give(&extract.Batch{}), h.settled())
			})
		},
		"make": func() {
			_, _ = overlap(t.Context(), func(*extract.Batch) error { return nil }, func(context.Context, *handoff) (int, error) { panic("make") })
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			run()
		})
	}
}
