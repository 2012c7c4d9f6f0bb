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

func TestWhatWasApprovedDoesNotCountWithWhatWasNot(t *testing.T) {
	t.Parallel()
	w, p := warehouse(t), people()
	r := started(t, w, p)
	loadInto(t, r, many(p, ids(1, 200)))
	vanished := func(from, to int) *extract.Batch {
		return &extract.Batch{Scope: about(ids(from, to), p), Vanished: true}
	}
	var held *HeldError
	if _, err := r.Load(t.Context(), vanished(1, 60)); !errors.As(err, &held) || held.Going != 60 || held.Live != 200 {
		t.Fatalf("%v", err)
	}
	end(t, r, Ending{State: Held})
	if a, err := w.Approve(t.Context(), r.ID(), "ada"); err != nil || a.Keys != 60 {
		t.Fatal(a, err)
	}
	r = started(t, w, p)
	wantCounts(t, loadInto(t, r, vanished(1, 30)), Counts{Deleted: 30})
	wantCounts(t, loadInto(t, r, vanished(31, 65)), Counts{Deleted: 35}) // 5 of them nobody has approved
	wantCounts(t, loadInto(t, r, vanished(66, 80)), Counts{Deleted: 15}) // 20
	if _, err := r.Load(t.Context(), vanished(81, 81)); !errors.As(err, &held) || held.Going != 21 || held.Live != 200 {
		t.Errorf("one more: %v", err)
	}
	wary := vanished(200, 200)
	wary.Wary = true
	if _, err := r.Load(t.Context(), wary); !errors.As(err, &held) {
		t.Errorf("one more, wary: %v", err)
	}
}

func TestADoubtIsAboutAllThatABatchMovesOut(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	p, q := people(), people()
	q.Name = "others"
	r := started(t, w, p, q)
	load := func(ids []string) *extract.Batch {
		return &extract.Batch{Scope: about(ids, p, q), Rows: []*extract.Rows{many(p, ids).Rows[0], many(q, ids).Rows[0]}}
	}
	loadInto(t, r, load(ids(1, 9)))
	keep := &extract.KeySet{}
	for _, id := range ids(1, 8) {
		keep.Add(id)
	}
	keep.Sort()
	fewer := load(ids(1, 9))
	fewer.Rows[0] = many(p, ids(1, 8)).Rows[0]
	for what, c := range map[string]struct {
		b           *extract.Batch
		going, read int64
	}{
		"closing": {&extract.Batch{Scope: &extract.Scope{Tables: []*extract.Table{p, q}}, Closing: &extract.Closing{Width: 1, Keys: keep}}, 2, 0},
		"rows":    {fewer, 1, 17},
	} {
		c.b.Doubt = "a right was taken away"
		var held *HeldError
		_, err := r.Load(t.Context(), c.b)
		var known *extract.Error
		if !errors.As(err, &held) || held.Going != c.going || !errors.As(err, &known) || !strings.Contains(known.Next, c.b.Doubt) {
			t.Errorf("%s: %v", what, err)
		}
		end(t, r, Ending{State: Held})
		if a, err := w.Approve(t.Context(), r.ID(), "ada"); err != nil || a.Keys != c.going {
			t.Errorf("%s: approved %+v, %v", what, a, err)
		}
		r = started(t, w, p, q)
		wantCounts(t, loadInto(t, r, c.b), Counts{Read: c.read, Unchanged: c.read, Deleted: c.going})
		loadInto(t, r, load(ids(1, 9)))
	}
}

// What hangs below a row goes with it: it neither counts again nor is a table of its own of which too much would go.
func TestRowsBelowAClosedTableAreNoMassDeletionOfTheirOwn(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	p := people()
	below := &extract.Table{Name: "tags", Columns: []extract.Column{
		{Name: p.Columns[0].Name, Type: extract.Text, Key: true},
		{Name: "tag_a", Type: extract.Text, Key: true},
		{Name: "tag_b", Type: extract.Text, Key: true},
		{Name: "tag_c", Type: extract.Text, Key: true},
		{Name: "tag_d", Type: extract.Text, Key: true},
	}}
	r := started(t, w, p, below)
	tags := extract.NewRows(below)
	for _, id := range ids(1, 30) { // all who go have some, and few others have
		tags.Begin()
		tags.String(id)
		for range 4 {
			tags.String("x")
		}
		tags.End()
	}
	loadInto(t, r, &extract.Batch{Scope: about(ids(1, 400), p, below), Rows: []*extract.Rows{many(p, ids(1, 400)).Rows[0], tags}})
	keep := &extract.KeySet{}
	for _, id := range ids(26, 400) {
		keep.Add(id)
	}
	keep.Sort()
	wantCounts(t, loadInto(t, r, &extract.Batch{
		Scope: &extract.Scope{Tables: []*extract.Table{p, below}}, Closing: &extract.Closing{Width: 1, Keys: keep},
	}), Counts{Deleted: 50})
}
