package redcap

import (
	"slices"
	"sort"

	"github.com/zeebo/xxh3"
)

// rowCounts remembers how many rows the list of ids showed of each record, those of repeating instruments apart. An
// export of whole records has at least as many; one that has fewer was cut between two rows. Only counts over one
// are kept, so that a classic project of millions costs nothing.
type rowCounts struct {
	all  bool // keep counts of one, too: a record may come back further down, in another arm
	list []rowCount
	hash uint64
	n    uint32
}

type rowCount struct {
	hash uint64
	n    uint32
}

// add counts a row of the record whose id is raw.
func (c *rowCounts) add(raw []byte) {
	if hash := xxh3.Hash(raw); hash != c.hash || c.n == 0 {
		c.keep()
		c.hash = hash
	}
	c.n++
}

func (c *rowCounts) keep() {
	if c.n > 1 || c.n == 1 && c.all {
		c.list = append(c.list, rowCount{c.hash, c.n})
	}
	c.n = 0
}

// done sums up what was added; then least may be asked.
func (c *rowCounts) done() {
	c.keep()
	slices.SortFunc(c.list, func(a, b rowCount) int {
		switch {
		case a.hash < b.hash:
			return -1
		case a.hash > b.hash:
			return 1
		}
		return 0
	})
	out := c.list[:0]
	for _, r := range c.list {
		if n := len(out); n > 0 && out[n-1].hash == r.hash {
			out[n-1].n += r.n
		} else {
			out = append(out, r)
		}
	}
	c.list = out
}

// least returns how many rows of a record an export must have.
func (c *rowCounts) least(id string) int {
	if c == nil || len(c.list) == 0 {
		return 1
	}
	hash := xxh3.HashString(id)
	i := sort.Search(len(c.list), func(i int) bool { return c.list[i].hash >= hash })
	if i < len(c.list) && c.list[i].hash == hash {
		return int(c.list[i].n)
	}
	return 1
}
