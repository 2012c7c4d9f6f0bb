package extract

import (
	"context"
	"errors"
	"testing"
)

func TestOverlapFillsOneBatchAheadAndNoMore(t *testing.T) {
	var made, loaded int64
	yield := func(b *Batch) error {
		if b.Done != loaded+1 {
			t.Errorf("batch %d came after %d", b.Done, loaded)
		}
		loaded = b.Done
		return nil
	}
	result, err := Overlap(t.Context(), yield, func(_ context.Context, h *Handoff) (int64, error) {
		for made < 100 {
			made++
			if err := h.Give(&Batch{Done: made}); err != nil {
				return 0, err
			}
		}
		if err := h.Settled(); err != nil {
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
	_, err := Overlap(t.Context(), func(*Batch) error { return stop }, func(ctx context.Context, h *Handoff) (int, error) {
		for {
			if err := h.Give(&Batch{}); err != nil {
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
	_, err := Overlap(t.Context(), func(*Batch) error { loaded++; return nil }, func(_ context.Context, h *Handoff) (int, error) {
		if err := h.Give(&Batch{}); err != nil {
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
			_, _ = Overlap(t.Context(), func(*Batch) error { panic("yield") }, func(_ context.Context, h *Handoff) (int, error) {
				return 0, errors.Join(h.Give(&Batch{}), h.Settled())
			})
		},
		"make": func() {
			_, _ = Overlap(t.Context(), func(*Batch) error { return nil }, func(context.Context, *Handoff) (int, error) { panic("make") })
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
