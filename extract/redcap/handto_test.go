package redcap

import (
	"context"
	"testing"

	"syncd/extract"
)

// handTo is a handoff whose batches go to load, for tests of what stands before it.
func handTo(t testing.TB, load func(*extract.Batch) error) *extract.Handoff {
	ready, end, done := make(chan *extract.Handoff), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		_, _ = extract.Overlap(t.Context(), load, func(_ context.Context, h *extract.Handoff) (struct{}, error) {
			ready <- h
			<-end
			return struct{}{}, nil
		})
	}()
	t.Cleanup(func() {
		close(end)
		<-done
	})
	return <-ready
}
