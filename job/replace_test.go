package job

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"syncd/load"
)

func TestAReplacedSetIsPlannedAtOnceAndWhatIsGoneIsNotAnyMore(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "a", "b")
	second := d.jobs["b"]
	delete(d.jobs, "b")
	r := d.start(t, "one")
	d.known(t)
	d.clock.add(time.Minute)
	r.poke()
	if o := receive(t, d.done); o.rep.Job != "a" {
		t.Fatalf("%s ran", o.rep.Job)
	}
	r.Replace([]Planned{second}, nil)
	d.jobs["b"] = second
	d.known(t)
	for range 2 {
		d.clock.add(time.Minute)
		r.poke()
		if o := receive(t, d.done); o.rep.Job != "b" || o.err != nil {
			t.Errorf("after it: %s, %v", o.rep.Job, o.err)
		}
	}
	r.end(t)
	if n := ask[int](t, d.w.Pool(), "SELECT count(*) FROM syncd.slot WHERE job = 'a'"); n != 1 {
		t.Errorf("%d slots of the job that is gone", n)
	}
}

func TestARunUnderWayGoesOnAsItBeganAndTheNextIsOfTheNewSet(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "a")
	entered, leave := d.clinics["a"].holdAt(0)
	r := d.start(t, "one")
	d.known(t)
	d.clock.add(time.Minute)
	r.poke()
	receive(t, entered)
	next := d.jobs["a"]
	other := newClinic(9)
	other.id = "a"
	next.Open = other.open
	r.Replace([]Planned{next}, nil)
	close(leave)
	first := receive(t, d.done)
	if first.err != nil || first.rep.Verdict != load.Proven {
		t.Errorf("the run that was under way: %+v, %v", first.rep, first.err)
	}
	d.clock.add(time.Minute)
	r.poke()
	if o := receive(t, d.done); o.err != nil || o.rep.Read <= first.rep.Read {
		t.Errorf("the next run read %d rows, the one before %d, %v", o.rep.Read, first.rep.Read, o.err)
	}
	r.end(t)
}

func TestDrainsAreReplacedOneByOneAndWhatIsTheSameGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var log []string
		say := func(what string, d Drained) {
			mu.Lock()
			defer mu.Unlock()
			log = append(log, what+" "+d.Name+d.Version)
		}
		said := func() string {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			slices.Sort(log)
			all := strings.Join(log, ", ")
			log = nil
			return all
		}
		finish := make(chan struct{}, 10)
		of := func(name, version string) Drained {
			d := Drained{Name: name, Version: version}
			d.Close = func() { say("closed", d) }
			return d
		}
		ds := &drains{run: func(d Drained, stop <-chan struct{}) {
			say("began", d)
			<-stop
			<-finish // the batch in hand
		}}
		ds.replace([]Drained{of("a", "1"), of("b", "1")})
		if got := said(); got != "" {
			t.Errorf("before the engine runs: %s", got)
		}
		ds.begin()
		if got := said(); got != "began a1, began b1" {
			t.Errorf("at first: %s", got)
		}
		ds.replace([]Drained{of("a", "1"), of("b", "2"), of("c", "1")})
		if got := said(); got != "began c1" {
			t.Errorf("while b's batch is in hand: %s", got)
		}
		finish <- struct{}{}
		if got := said(); got != "began b2, closed b1" {
			t.Errorf("after b's batch: %s", got)
		}
		ds.replace([]Drained{of("a", "1")})
		ds.replace([]Drained{of("a", "1"), of("c", "1")}) // back before its batch is done
		finish <- struct{}{}
		finish <- struct{}{}
		if got := said(); got != "began c1, closed b2, closed c1" {
			t.Errorf("after two at once: %s", got)
		}
		for range 2 {
			finish <- struct{}{}
		}
		ds.stop()
		ds.all.Wait()
		ds.replace([]Drained{of("d", "1")})
		if got := said(); got != "closed a1, closed c1" {
			t.Errorf("at the end: %s", got)
		}
	})
}

func TestAPlannerComesRoundAlthoughPostgresDoesNotAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := NewEngine(Config{Warehouse: &load.Warehouse{}, Log: quietLog(), Now: func(ctx context.Context) (time.Time, error) {
			<-ctx.Done() // a server that is stopped, not gone
			return time.Time{}, load.Fault("ask for the time", context.Cause(ctx))
		}})
		if at := e.Turned(); !at.IsZero() {
			t.Errorf("before it began it came round at %s", at)
		}
		e.up.Store(true)
		began := time.Now()
		e.turn(t.Context(), nil)
		if took := e.Turned().Sub(began); took != turnWithin {
			t.Errorf("it came round after %s", took)
		}
	})
}

func TestADrainEndsWithTheFirstSignalWhileARunStillHasABatchInHand(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "a")
	entered, leave := d.clinics["a"].holdAt(0)
	closed := make(chan struct{})
	d.drains = []Drained{{
		Name: "ward", Due: func(context.Context) (bool, error) { return false, nil }, Close: func() { close(closed) },
		Wait: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
	}}
	r := d.start(t, "one")
	d.known(t)
	d.clock.add(time.Minute)
	r.poke()
	receive(t, entered)
	close(r.stop)
	receive(t, closed)
	if r.cut.Err() != nil {
		t.Error("it ended only when it was cut")
	}
	close(leave)
	if err := receive(t, r.ended); err != nil {
		t.Errorf("serve ended with %v", err)
	}
	r.cancel(nil)
}
