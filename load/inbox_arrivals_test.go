package load

import (
	"testing"
)

func arrive(t *testing.T, q *arrivals, n int) []*arrival {
	t.Helper()
	var all []*arrival
	for range n {
		a := &arrival{size: 1, kept: make(chan struct{})}
		if !q.add(a) {
			t.Fatal("it was not let in")
		}
		all = append(all, a)
	}
	return all
}

func TestWhoComesAloneDoesNotWaitAndAFewWaitForTheGroupBeforeThem(t *testing.T) {
	t.Parallel()
	q := newArrivals()
	arrive(t, q, 1)
	first := q.take()
	arrive(t, q, groupWorth-1)
	if len(first) != 1 || q.due() {
		t.Fatalf("a group of %d; a few more are due: %v", len(first), q.due())
	}
	q.written(first)
	if few := q.take(); len(few) != groupWorth-1 {
		t.Errorf("nothing is written, and %d of those that wait are", len(few))
	}
	arrive(t, q, groupWorth)
	if second := q.take(); len(second) != groupWorth {
		t.Errorf("%d are written beside the others", len(second))
	}
}

func TestTheMoreSendersThereAreTheLargerIsASecondGroup(t *testing.T) {
	t.Parallel()
	const senders = 10 * groupWorth
	q := newArrivals()
	arrive(t, q, senders)
	all := q.take()
	q.written(all)
	arrive(t, q, 1)
	one := q.take()
	arrive(t, q, senders/groupShare-1)
	if q.due() {
		t.Error("a small part of the senders is a group")
	}
	arrive(t, q, 1)
	if !q.due() {
		t.Error("a fair part of the senders waits for the others")
	}
	q.written(one)
	for range sendersStay * senders { // until most of them are forgotten
		q.written(q.take())
		arrive(t, q, 1)
	}
	last := q.take()
	arrive(t, q, groupWorth)
	if len(last) != 1 || !q.due() {
		t.Errorf("%d senders are remembered", q.senders)
	}
}

func TestAGroupIsBoundedByCountAndByBytes(t *testing.T) {
	t.Parallel()
	q := newArrivals()
	for _, a := range arrive(t, q, groupDeliveries+3) {
		a.size = 1
	}
	if n := len(q.take()); n != groupDeliveries {
		t.Errorf("%d at once", n)
	}
	for _, a := range arrive(t, q, 2) {
		a.size = groupBytes
	}
	q.closed = true
	if n := len(q.take()); n != 4 {
		t.Errorf("%d, of which the last is as large as a group may be", n)
	}
}

func TestWhoGoesIsNotWrittenAndAfterTheEndNobodyComesIn(t *testing.T) {
	t.Parallel()
	q := newArrivals()
	all := arrive(t, q, 3)
	if !q.remove(all[1]) || q.remove(all[1]) {
		t.Error("who waits goes once")
	}
	group := q.take()
	if len(group) != 2 || group[0] != all[0] || group[1] != all[2] || q.remove(all[0]) {
		t.Error("who is written goes no more")
	}
	arrive(t, q, 1)
	q.close()
	if q.add(&arrival{}) {
		t.Error("it was let in after the end")
	}
	if n := len(q.take()); n != 1 {
		t.Errorf("%d were left, and one waited", n)
	}
	if q.take() != nil {
		t.Error("a group of nobody")
	}
}
