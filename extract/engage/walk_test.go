package engage

import (
	"runtime"
	"strconv"
	"strings"
	"testing"

	"syncd/extract"
	"syncd/extract/sourcetest"
	fake "syncd/internal/fake/engage"
)

func TestWhatIsDeletedWhilePagesAreReadLosesNothingElse(t *testing.T) {
	t.Parallel()
	c := newCampus(t, small())
	c.run(false)
	first := c.first(memberships)
	c.during(memberships, 1, func() { c.must(c.Delete(memberships, first)) })
	proof := c.run(true)
	if proof.Unproven != "" || c.deleted != 1 {
		t.Errorf("%d rows went, want 1; unproven %q", c.deleted, proof.Unproven)
	}
	c.agrees(memberships)
}

func TestWhatGoesWhileAsMuchComesIsNoWholeList(t *testing.T) {
	t.Parallel()
	c := newCampus(t, small())
	c.run(false)
	first := c.first(memberships)
	last := c.last(memberships)
	c.must(c.Delete(memberships, last)) // so that it can come back at the end of the list
	c.run(false)
	c.during(memberships, 1, func() {
		c.must(c.Delete(memberships, first))
		c.must(c.Restore(memberships, last))
	})
	c.tables[memberships] = map[string]string{} // whatever is skipped is not there already
	c.marks, c.memo = map[string]string{}, nil
	if proof := c.run(true); proof.Unproven != "" {
		t.Errorf("unproven: %s", proof.Unproven)
	}
	c.agrees(memberships)
}

func TestAListThatNeverStandsStillIsReadInParts(t *testing.T) {
	t.Parallel()
	for _, list := range []string{memberships, attendees, users, events} {
		t.Run(list, func(t *testing.T) {
			t.Parallel()
			spec := small()
			spec.Events, spec.Memberships, spec.Attendees = 1200, 1300, 1300
			c := newCampus(t, spec)
			c.o.Resources = []string{organizations, list}
			c.run(false)
			n := 0
			c.during(list, 3, func() { n++; c.must(c.Delete(list, c.first(list))) })
			proof := c.run(true)
			if n != 3 || proof.Unproven != "" || c.deleted != 3 {
				t.Errorf("%d changes under way; %d rows went, want 3; unproven %q", n, c.deleted, proof.Unproven)
			}
			c.agrees(list)
		})
	}
}

func TestPagesThatDoNotAddUpDeleteNothing(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]fake.Fault{
		"items come twice":      {Kind: fake.Repeat, N: 3},
		"items are missing":     {Kind: fake.Lose, N: 5},
		"another total":         {Kind: fake.Total, N: 7},
		"another on the second": {Kind: fake.Total, N: 7, Page: 2},
		"the page before":       {Kind: fake.Earlier, Page: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCampus(t, small())
			c.o.Resources = []string{organizations, positions, memberships}
			c.run(false)
			rows := len(c.tables[memberships])
			f.Resource = memberships
			c.server.Fault(f)
			proof, err := c.try(true)
			whole := f.Page == 2 // of an organization there is one page, so that the list can be read in parts
			if err != nil || strings.Contains(proof.Unproven, memberships) == whole {
				t.Errorf("%v, %+v", err, proof)
			}
			if c.deleted > 0 || len(c.tables[memberships]) != rows {
				t.Errorf("%d rows went", c.deleted)
			}
		})
	}
}

func TestNothingIsDeletedThatIsThereWhenItIsAskedFor(t *testing.T) {
	t.Parallel()
	c := newCampus(t, fake.Spec{Organizations: 5, Users: 20, Memberships: 30, Events: 1100, Attendees: -1, Transactions: -1})
	c.o.Resources = []string{events}
	c.run(false)
	first, all := c.first(events), c.ids(events)
	last, _ := c.Find(events, all[len(all)-2])
	c.during(events, 1, func() {
		c.must(c.Delete(events, first))
		_, err := c.NewEvent(c.first(organizations), "Late", last.Get("startDateTime").Time().Add(1)) // not at the very end
		c.must(err)
	})
	if c.run(true); c.deleted != 0 {
		t.Errorf("%d rows went that are there", c.deleted)
	}
	if c.run(true); c.deleted != 1 || c.touched != 1 {
		t.Errorf("the next run touched %d rows, and %d went: want the one that was deleted", c.touched, c.deleted)
	}
	c.agrees(events)
}

func TestAnAnswerThatCountsOneItemAndHoldsNoneTellsNothing(t *testing.T) {
	t.Parallel()
	c := newCampus(t, fake.Spec{Organizations: 5, Users: 20, Memberships: 30, Events: 1100, Attendees: -1, Transactions: -1})
	c.o.Resources = []string{events}
	c.run(false)
	first, all := c.first(events), c.ids(events)
	last, _ := c.Find(events, all[len(all)-2])
	c.during(events, 1, func() { // one is skipped, and is asked for by itself
		c.must(c.Delete(events, first))
		_, err := c.NewEvent(c.first(organizations), "Late", last.Get("startDateTime").Time().Add(1))
		c.must(err)
	})
	asked := 0
	c.server.Fault(fake.Fault{Kind: fake.Lose, N: 1, Resource: events, Match: func(rq fake.Request) bool {
		id := rq.Params["eventid"]
		if id == "" || id == strconv.FormatInt(first, 10) {
			return false
		}
		asked++
		return true
	}})
	if _, err := c.try(true); err != nil {
		t.Fatal(err)
	}
	if asked == 0 {
		t.Error("nothing was asked for by itself")
	}
	c.agrees(events) // a second walk has told
}

func TestWhatGoesWhileAsMuchIsAddedAtTheEndIsNoWholeList(t *testing.T) {
	t.Parallel()
	c := newCampus(t, fake.Spec{Organizations: 5, Users: 20, Memberships: 30, Events: 20, Attendees: 1100, Transactions: -1})
	c.o.Resources = []string{attendees}
	first := c.first(attendees)
	c.during(attendees, 1, func() {
		c.must(c.Delete(attendees, first))
		_, err := c.Attend(c.first(events), c.first(users), "Attended")
		c.must(err)
	})
	if proof := c.run(false); proof.Unproven != "" {
		t.Errorf("unproven: %s", proof.Unproven)
	}
	c.agrees(attendees)
}

func (c *campus) during(list string, times int, happen func()) {
	c.server.Fault(fake.Fault{Resource: list, Page: 1, Times: times, After: happen, Match: func(r fake.Request) bool {
		for name := range r.Params {
			if strings.Contains(name, "start") || strings.Contains(name, "id") {
				return false
			}
		}
		return r.PageSize == pageItems
	}})
}

func TestAPageThatIsRefusedForAWhileIsAskedForAgain(t *testing.T) {
	t.Parallel()
	c := newCampus(t, small())
	c.o.Resources = []string{memberships}
	c.server.Fault(fake.Fault{Kind: fake.Status, N: 429, Resource: memberships, Page: 3, Times: 2})
	c.server.Fault(fake.Fault{Kind: fake.Truncate, N: 40, Resource: memberships, Page: 2, Times: 1})
	if proof := c.run(false); proof.Unproven != "" {
		t.Errorf("unproven: %s", proof.Unproven)
	}
	c.agrees(memberships)
}

func TestARunThatFailsOnTheWayLeavesNoMark(t *testing.T) {
	t.Parallel()
	c := newCampus(t, small())
	c.o.Resources = []string{organizations, memberships}
	disarm := c.server.Fault(fake.Fault{Kind: fake.NullItems, Resource: memberships, Page: 2})
	if _, err := c.try(false); extract.KindOf(err) != extract.KindGarbled || len(c.marks) > 0 || c.memo != nil {
		t.Fatalf("%v; marks %v", err, c.marks)
	}
	if len(c.tables[memberships]) == 0 {
		t.Error("what was read before is not stored")
	}
	disarm()
	if proof := c.run(false); proof.Unproven != "" || !proof.Full {
		t.Errorf("full %v, unproven %q", proof.Full, proof.Unproven)
	}
	c.agrees(organizations, memberships)
}

func TestALargeListIsReadInLittleMemoryAndFewRequests(t *testing.T) {
	const rows = 100_000
	c := newCampus(t, fake.Spec{Organizations: 200, Users: 2000, Memberships: rows, Events: 1, Attendees: -1, Transactions: -1})
	c.o.Resources = []string{memberships}
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	s := c.source(t)
	if _, err := s.Describe(t.Context(), extract.Since{}); err != nil {
		t.Fatal(err)
	}
	c.server.ResetRequests()
	var before, after int64
	largest, read := 0, 0
	_, err := s.Pull(t.Context(), extract.Since{Stored: sourcetest.Nothing{}}, func(b *extract.Batch) error {
		for _, r := range b.Rows {
			largest, read = max(largest, r.Len()), read+r.Len()
		}
		if read == 10*pageItems && before == 0 { // buffers have their size, and the fake has computed what it counts by
			before = heap()
		}
		if b.Marks != nil {
			after = heap()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if read != rows || largest > pageItems {
		t.Errorf("%d rows in batches of up to %d", read, largest)
	}
	if grown := (after - before) / rows; grown > 40 {
		t.Errorf("%d bytes for each row are held", grown)
	}
	if n, least := c.server.Count(memberships), rows/pageItems; n > least+8 {
		t.Errorf("%d requests where %d are the least", n, least)
	}
}
