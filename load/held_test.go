package load

import (
	"errors"
	"strings"
	"testing"

	"syncd/extract"
)

func TestClosingBatchMovesOutWhatIsNotAmongItsKeys(t *testing.T) {
	t.Parallel()
	w, p := warehouse(t), people()
	r := started(t, w, p)
	loadInto(t, r, many(p, ids(1, 30)))
	keys := &extract.KeySet{}
	for _, id := range ids(4, 40) {
		keys.Add(id)
	}
	keys.Sort()
	closing := &extract.Batch{Scope: &extract.Scope{Tables: []*extract.Table{p}}, Closing: &extract.Closing{Width: 1, Keys: keys}}
	wantCounts(t, loadInto(t, r, closing), Counts{Deleted: 3})
	wantCounts(t, loadInto(t, r, closing), Counts{})
	if n := ask[int](t, w, "SELECT count(*) FROM asthma.people"); n != 27 {
		t.Errorf("%d rows are left", n)
	}
}

func TestBrakeHoldsMassDeletionUntilItIsApproved(t *testing.T) {
	t.Parallel()
	w, p := warehouse(t), people()
	r := started(t, w, p)
	loadInto(t, r, many(p, ids(1, 200)))
	vanished := func(from, to int) *extract.Batch {
		return &extract.Batch{Scope: about(ids(from, to), p), Vanished: true}
	}
	wantCounts(t, loadInto(t, r, vanished(1, 20)), Counts{Deleted: 20}) // 10 %, and not over 20 records

	for name, b := range map[string]*extract.Batch{
		"one more in the same run": vanished(21, 21),
		"nothing is left":          {Scope: &extract.Scope{Tables: []*extract.Table{p}}, Closing: &extract.Closing{Width: 1, Keys: &extract.KeySet{}}},
	} {
		var held *HeldError
		_, err := r.Load(t.Context(), b)
		if !errors.As(err, &held) || extract.KindOf(err) != extract.KindHeld || held.Live == 0 || held.Going <= 20 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := ask[int](t, w, "SELECT count(*) FROM asthma.people"); n != 180 {
		t.Fatalf("%d rows are left", n)
	}

	end(t, r, Ending{State: Held})
	if a, err := w.Approve(t.Context(), r.ID(), "ada"); err != nil || a.Keys != 181 {
		t.Fatal(a, err)
	}
	r = started(t, w, p)
	wantCounts(t, loadInto(t, r, vanished(21, 21)), Counts{Deleted: 1})
	var held *HeldError
	if _, err := r.Load(t.Context(), vanished(22, 80)); !errors.As(err, &held) {
		t.Error("another form of the same loss was let pass")
	}
	keep := &extract.KeySet{}
	wantCounts(t, loadInto(t, r, &extract.Batch{Scope: &extract.Scope{Tables: []*extract.Table{p}}, Closing: &extract.Closing{Width: 1, Keys: keep}}), Counts{Deleted: 179})

	// Approvals are used up.
	loadInto(t, r, many(p, ids(1, 200)))
	r = next(t, w, r, p)
	if _, err := r.Load(t.Context(), &extract.Batch{Scope: &extract.Scope{Tables: []*extract.Table{p}}, Closing: &extract.Closing{Width: 1, Keys: keep}}); !errors.As(err, &held) {
		t.Errorf("an approval of before was taken for one of now: %v", err)
	}
}

// A doubt of the source holds every deletion, and half the limits hold in a wary batch.
func TestADoubtHoldsEveryDeletionUntilItIsApproved(t *testing.T) {
	t.Parallel()
	w, p := warehouse(t), people()
	r := started(t, w, p)
	loadInto(t, r, many(p, ids(1, 100)))
	end(t, r, Ending{State: Succeeded})

	vanished := func(from, to int) *extract.Batch {
		return &extract.Batch{Scope: about(ids(from, to), p), Vanished: true}
	}
	r = started(t, w, p)
	one := vanished(7, 7)
	one.Doubt = "another user's token reads"
	var held *HeldError
	if _, err := r.Load(t.Context(), one); !errors.As(err, &held) || held.Going != 1 || !strings.Contains(err.Error(), one.Doubt) {
		t.Fatalf("a doubted deletion: %v", err)
	}
	end(t, r, Ending{State: Held})
	if _, err := w.Approve(t.Context(), r.ID(), "ada"); err != nil {
		t.Fatal(err)
	}
	r = started(t, w, p)
	wantCounts(t, loadInto(t, r, one), Counts{Deleted: 1})
	end(t, r, Ending{State: Succeeded})

	r = started(t, w, p)
	few := vanished(11, 22)
	few.Wary = true
	if _, err := r.Load(t.Context(), few); !errors.As(err, &held) || held.Going != 12 {
		t.Fatalf("12 of 99 records in a wary batch: %v", err)
	}
	few.Wary = false
	wantCounts(t, loadInto(t, r, few), Counts{Deleted: 12})
}
