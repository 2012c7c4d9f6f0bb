package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// errInterrupted is the cause of a context that a signal ended.
var errInterrupted = errors.New("interrupted by a signal")

func notify() (<-chan os.Signal, func()) {
	ch := make(chan os.Signal, 4)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM)
	return ch, func() { signal.Stop(ch) }
}

// hangups delivers SIGHUP, which asks a daemon to read its configuration anew, until the func is called. All other verbs end by it.
func hangups() (<-chan os.Signal, func()) {
	ch := make(chan os.Signal, 1) // one that comes during a reload is not lost, many are one
	signal.Notify(ch, syscall.SIGHUP)
	return ch, func() { signal.Stop(ch) }
}

func (m *Main) hangups() (<-chan os.Signal, func()) {
	if m.Hangups == nil {
		return nil, func() {}
	}
	return m.Hangups()
}

// within shortens what a part of a stop may take, for tests that have no time for it.
func (m *Main) within(d time.Duration) time.Duration {
	return d / time.Duration(max(1, m.hurry))
}

// stopping turns signals into two stages: the first closes stop (take no more work, let the batch finish), the second
// cancels the context. A verb that has no work worth finishing asks for one stage: then the first cancels.
type stopping struct {
	ctx    context.Context
	stop   chan struct{}
	cancel context.CancelCauseFunc
	once   sync.Once
	done   chan struct{}
}

func (m *Main) stopping(parent context.Context, stages int) *stopping {
	ctx, cancel := context.WithCancelCause(parent)
	s := &stopping{ctx: ctx, stop: make(chan struct{}), cancel: cancel, done: make(chan struct{})}
	go s.watch(m.Signals, stages)
	return s
}

func (s *stopping) watch(signals <-chan os.Signal, stages int) {
	defer close(s.done)
	for seen := 0; ; {
		select {
		case <-s.ctx.Done():
			return
		case <-signals:
			seen++
			s.once.Do(func() { close(s.stop) })
			if seen >= stages {
				s.cancel(errInterrupted)
				return
			}
		}
	}
}

func (s *stopping) interrupted() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false
	}
}

// untilStop returns a context that the first signal ends, for what is not worth finishing.
func (s *stopping) untilStop() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(s.ctx)
	go func() {
		select {
		case <-s.stop:
			cancel(errInterrupted)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

func (s *stopping) end() {
	s.cancel(nil)
	<-s.done
}
