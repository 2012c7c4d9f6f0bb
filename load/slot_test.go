package load

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"syncd/extract"
)

func TestSlotEndsAsItsRunDid(t *testing.T) {
	t.Parallel()
	w := ledger(t)
	for i, c := range []struct {
		ending Ending
		want   string
	}{
		{Ending{State: Succeeded, Verdict: Proven}, "succeeded"},
		{Ending{State: Failed, ErrorKind: extract.KindAuth, Error: "read token: refused"}, "failed read token: refused"},
		{Ending{State: Failed, Verdict: Mismatch, Reason: "visit holds 3 rows of 4"}, "failed visit holds 3 rows of 4"},
		{Ending{State: Held, ErrorKind: extract.KindHeld, Error: "brake"}, "failed held"},
		{Ending{State: Cancelled, Reason: "cancelled by ann@etl", By: "ann@etl"}, "skipped cancelled by ann@etl"},
		{Ending{State: Cancelled, Reason: "stopped by a signal"}, "due run 6 was stopped with its process: stopped by a signal"},
		{Ending{State: LostState, Reason: "gone"}, "due gone"},
	} {
		o := order()
		o.Slot = slotTime(i)
		record(t, w, o.Slot)
		r := begin(t, w, o)
		end(t, r, c.ending)
		end(t, r, c.ending)
		got := ask[string](t, w, "SELECT state || coalesce(' ' || reason, '') FROM syncd.slot WHERE slot_at = $1", o.Slot)
		if got != c.want {
			t.Errorf("%s: slot is %q, not %q", c.ending.State, got, c.want)
		}
	}
}

func TestSlotIsGivenToOneRun(t *testing.T) {
	t.Parallel()
	w := ledger(t)
	var all sync.WaitGroup
	o := order()
	o.Slot = slotTime(0)
	record(t, w, o.Slot)
	results := make(chan error, 6)
	for range 6 {
		all.Go(func() {
			r, err := w.Begin(t.Context(), o)
			if err == nil {
				err = r.End(t.Context(), Ending{State: Succeeded})
			}
			results <- err
		})
	}
	all.Wait()
	close(results)
	ended := 0
	for err := range results {
		switch {
		case err == nil:
			ended++
		case !errors.As(err, new(*BusyError)) && !errors.As(err, new(*SettledError)):
			t.Error(err)
		}
	}
	if n := ask[int](t, w, "SELECT count(*) FROM syncd.run"); ended != 1 || n != 1 {
		t.Fatalf("%d ended, %d runs", ended, n)
	}
	if _, err := w.Begin(t.Context(), o); !errors.As(err, new(*SettledError)) {
		t.Fatalf("a settled slot was run again: %v", err)
	}
	o.Slot = slotTime(1)
	if _, err := w.Begin(t.Context(), o); !errors.As(err, new(*SettledError)) {
		t.Fatalf("a slot that nobody recorded was run: %v", err)
	}
}

func TestSlotOfALostRunIsDueAgainAndSettledOnce(t *testing.T) {
	t.Parallel()
	w := ledger(t)
	o := order()
	o.Slot = slotTime(0)
	record(t, w, o.Slot)
	zombie := begin(t, w, o)
	silence(t, w)
	if lost, err := w.Reap(t.Context()); err != nil || len(lost) != 1 {
		t.Fatalf("%v, %v", lost, err)
	}
	open, err := w.Waiting(t.Context(), time.Minute)
	if err != nil || len(open) != 1 || !open[0].At.Equal(o.Slot) || open[0].Job != "asthma" {
		t.Fatalf("open %v, %v", open, err)
	}
	heir := begin(t, w, o)
	if err := zombie.End(t.Context(), Ending{State: Failed, Error: "late"}); !errors.As(err, new(*StaleError)) {
		t.Fatalf("the zombie settled the slot: %v", err)
	}
	end(t, heir, Ending{State: Succeeded})
	if got := ask[string](t, w, "SELECT state FROM syncd.slot"); got != "succeeded" {
		t.Fatalf("slot is %s", got)
	}
}

func TestSlotsAreRecordedOnceAndMissedOnesAreSkippedWithAReason(t *testing.T) {
	t.Parallel()
	w := ledger(t)
	o := order()
	now := slotTime(0)
	for range 2 {
		if err := w.Seen(t.Context(), o, "* * * * *", now); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Seen(t.Context(), o, "* * * * *", now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	times := []time.Time{slotTime(1), slotTime(2), slotTime(3)}
	for _, want := range []int{3, 0} {
		n, err := w.Record(t.Context(), Recording{Job: "asthma", Kind: "sync", Times: times, Missed: 2, Reason: "missed"})
		if err != nil || n != want {
			t.Fatalf("%d recorded, %v", n, err)
		}
	}
	planned, err := w.Planned(t.Context(), []string{"sync", "full"})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Planned{"asthma": {Since: now, Last: map[string]time.Time{"sync": slotTime(3)}, Open: map[string]bool{"sync": true}}}
	if diff := cmp.Diff(want, planned, cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })); diff != "" {
		t.Fatal(diff)
	}
	got := ask[string](t, w, "SELECT string_agg(state || coalesce(' ' || reason, ''), ',' ORDER BY slot_at) FROM syncd.slot")
	if got != "skipped missed,skipped missed,due" {
		t.Fatalf("slots: %s", got)
	}
	// A later slot makes the one that still waits superfluous.
	if _, err := w.Record(t.Context(), Recording{Job: "asthma", Kind: "sync", Times: []time.Time{slotTime(4)}, Reason: "late"}); err != nil {
		t.Fatal(err)
	}
	got = ask[string](t, w, "SELECT string_agg(state || coalesce(' ' || reason, ''), ',' ORDER BY slot_at) FROM syncd.slot WHERE slot_at > $1", slotTime(2))
	if got != "skipped late,due" {
		t.Fatalf("slots: %s", got)
	}
}

func TestSlotThatLostItsRunIsNeverSkipped(t *testing.T) {
	t.Parallel()
	w := ledger(t)
	o := order()
	o.Slot = slotTime(0)
	record(t, w, o.Slot)
	begin(t, w, o)
	silence(t, w)
	if _, err := w.Reap(t.Context()); err != nil {
		t.Fatal(err)
	}
	if done, err := w.Skip(t.Context(), Slot{"asthma", "sync", o.Slot}, "busy"); err != nil || done {
		t.Fatalf("skipped %v, %v", done, err)
	}
	record(t, w, slotTime(1))
	if got := ask[string](t, w, "SELECT string_agg(state, ',' ORDER BY slot_at) FROM syncd.slot"); got != "due,due" {
		t.Fatalf("slots: %s", got)
	}
	if done, err := w.Skip(t.Context(), Slot{"asthma", "sync", slotTime(1)}, "busy"); err != nil || !done {
		t.Fatalf("skipped %v, %v", done, err)
	}
}

func record(t *testing.T, w *Warehouse, at time.Time) {
	t.Helper()
	if _, err := w.Record(t.Context(), Recording{Job: "asthma", Kind: "sync", Times: []time.Time{at}, Reason: "later"}); err != nil {
		t.Fatal(err)
	}
}

func slotTime(i int) time.Time {
	return time.Date(2026, 3, 4, 2, 15, 0, 0, time.UTC).Add(time.Duration(i) * time.Hour)
}
