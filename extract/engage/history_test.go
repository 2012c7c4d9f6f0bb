package engage

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	fake "syncd/internal/fake/engage"
)

// People come and go between runs and while pages are read: nothing that is there is ever deleted, what a run proves is so, and
// once they rest a full run holds what the campus has, cell by cell.
func TestNoHistoryDeletesWhatIsThere(t *testing.T) {
	t.Parallel()
	seeds := 4
	if testing.Short() {
		seeds = 2
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			dice := rand.New(rand.NewPCG(seed, 5))
			c := newCampus(t, fake.Spec{Seed: seed + 1, Organizations: 12, Users: 600, Memberships: 1200, Events: 520, Attendees: 1100, Transactions: 20})
			c.run(false)
			for range 5 {
				c.Happen(dice.IntN(30))
				back := map[string]bool{} // what was away during a part of the run
				disarm := func() {}
				if dice.IntN(3) > 0 {
					disarm = c.server.Fault(fake.Fault{After: func() {
						if dice.IntN(3) == 0 {
							for _, h := range c.Happen(1 + dice.IntN(3)) {
								back[id(h.ID)] = back[id(h.ID)] || h.What == "restore membership"
							}
						}
					}})
				}
				had, there := map[string][]string{}, map[string][]int64{}
				for _, list := range known() {
					had[list], there[list] = c.keys(list), c.ids(list)
				}
				proof, err := c.try(dice.IntN(2) == 0)
				disarm()
				if err != nil && !errors.Is(err, errHeld) {
					t.Fatal(err)
				}
				for _, list := range known() {
					c.keeps(list, had[list], back)
				}
				if err == nil {
					c.holds(proof)
					for _, l := range proof.Listed {
						c.misses(l.Tables[0].Name, there[l.Tables[0].Name], back)
					}
				}
			}
			c.approved = true
			if proof := c.run(true); proof.Unproven != "" {
				t.Errorf("unproven at rest: %s", proof.Unproven)
			}
			c.agrees(known()...)
		})
	}
}

// keeps checks that of rows that were stored those are stored that the campus has and had all the time.
func (c *campus) keeps(list string, had []string, back map[string]bool) {
	c.t.Helper()
	live := map[string]bool{}
	for _, one := range c.ids(list) {
		live[id(one)] = true
	}
	lost := 0
	for _, key := range had {
		if _, stored := c.tables[list][key]; live[key] && !stored && !back[key] {
			lost++
		}
	}
	if lost > 0 {
		c.t.Errorf("%s: %d rows were deleted that are there", list, lost)
	}
}

// misses checks that of a list that is proven to be whole everything is stored that was there all
// the time.
func (c *campus) misses(list string, there []int64, back map[string]bool) {
	c.t.Helper()
	live := map[int64]bool{}
	for _, one := range c.ids(list) {
		live[one] = true
	}
	lost := 0
	for _, one := range there {
		if _, stored := c.tables[list][id(one)]; live[one] && !stored && !back[id(one)] {
			lost++
		}
	}
	if lost > 0 {
		c.t.Errorf("%s is said to be whole, and %d of it were not read", list, lost)
	}
}
