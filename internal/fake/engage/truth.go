package engage

import (
	"iter"
	"slices"
)

// Truth visits what a resource holds now, without what was deleted, in the order of its list. It is taken from the campus and
// not from an answer, so that a test can compare what arrived with what there was to arrive: names are as the API spells
// them, values apart from how knobs have them written. A key that is blind or out of scope changes nothing here, and attendance
// that no account was found for is in it (userId is Null).
//
// An item is good until the next one. The campus is locked meanwhile: no mutator and no answer may be waited for.
func (c *Campus) Truth(resource string) iter.Seq[*Item] {
	return func(yield func(*Item) bool) {
		c.mu.Lock()
		defer c.mu.Unlock()
		t := c.table(resource)
		for _, g := range t.groups() {
			for _, r := range t.rows(g, false, false) {
				if it := t.item(&r); !yield(&it) {
					return
				}
			}
		}
	}
}

// Find returns a row as it is now, also a deleted one; false where there never was one.
func (c *Campus) Find(resource string, id int64) (Item, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.table(resource)
	r, _, ok := t.find(id)
	if !ok {
		return Item{}, false
	}
	it := t.item(&r)
	it.Fields = append([]Field(nil), it.Fields...)
	return it, true
}

// Deleted returns the ids of the rows of a resource that were deleted, in rising order.
func (c *Campus) Deleted(resource string) []int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []int64
	for id, ch := range c.table(resource).changed {
		if ch.deleted {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// Live returns the number of rows that a resource holds now.
func (c *Campus) Live(resource string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, n := c.table(resource), 0
	for _, g := range t.groups() {
		n += t.count(g)
	}
	return n
}
