package main

import (
	"context"
	"errors"
	"os"
	"testing"
)

func TestASignalThatNoPartOfAVerbAsksForEndsIt(t *testing.T) {
	t.Parallel()
	signals := make(chan os.Signal)
	m := &Main{Signals: signals}
	ctx, quiet := m.attend(t.Context())
	defer quiet()
	outer, inner := m.stopping(ctx, 1), m.stopping(ctx, 2)
	signals <- os.Interrupt
	<-inner.stop
	if inner.ctx.Err() != nil || outer.interrupted() {
		t.Error("the first signal is more than a wish to stop, or is not the innermost part's alone")
	}
	inner.end()
	signals <- os.Interrupt
	<-outer.ctx.Done()
	outer.end()
	if ctx.Err() != nil {
		t.Error("what a part took ended the verb as well")
	}
	signals <- os.Interrupt
	<-ctx.Done()
	if !errors.Is(context.Cause(ctx), errInterrupted) {
		t.Error(context.Cause(ctx))
	}
}
