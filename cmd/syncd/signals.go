package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"slices"
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

// attention hands each signal to the part of a verb that asked for them last and still does.
type attention struct {
	mu   sync.Mutex
	led  bool // somebody reads the signals and hands them on
	here []chan os.Signal
}

// attend ends the context at a signal that no part of the verb asks for: then nothing is worth finishing.
func (m *Main) attend(parent context.Context) (context.Context, func()) {
	if m.Signals == nil {
		return parent, func() {}
	}
	ctx, cancel := context.WithCancelCause(parent)
	done := make(chan struct{})
	m.attention.lead(true)
	go func() {
		defer close(done)
		for {
			select {
			case <-ctx.Done():
				return
			case sig := <-m.Signals:
				if !m.attention.hand(sig) {
					cancel(errInterrupted)
				}
			}
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-done
		m.attention.lead(false)
	}
}

func (a *attention) lead(on bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.led = on
}

// hand reports whether somebody took the signal.
func (a *attention) hand(sig os.Signal) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.here) == 0 {
		return false
	}
	select {
	case a.here[len(a.here)-1] <- sig:
	default: // it has not looked at the last ones yet, which say the same
	}
	return true
}

// join asks for signals until the func is called; where nobody hands them on they are those of the process.
func (a *attention) join(all <-chan os.Signal) (<-chan os.Signal, func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.led {
		return all, func() {}
	}
	mine := make(chan os.Signal, 4)
	a.here = append(a.here, mine)
	return mine, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.here = slices.DeleteFunc(a.here, func(c chan os.Signal) bool { return c == mine })
	}
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
	leave  func() // asks for no more signals
}

func (m *Main) stopping(parent context.Context, stages int) *stopping {
	ctx, cancel := context.WithCancelCause(parent)
	s := &stopping{ctx: ctx, stop: make(chan struct{}), cancel: cancel, done: make(chan struct{})}
	signals, leave := m.attention.join(m.Signals)
	s.leave = leave
	go s.watch(signals, stages)
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
	s.leave()
}
