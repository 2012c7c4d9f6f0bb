package load

import (
	"maps"
	"slices"
)

// pair is one rename.
type pair struct{ old, new string }

// What a name begins with that is given for a moment only, so that two can be exchanged: names of tables and columns
// never begin with an underscore at a source, and values do not begin with a control character.
const (
	asideName  = "_aside_"
	asideValue = "\x01aside:"
)

// inOrder puts renames into an order in which each finds its new name free: chains from their end. Rings, in which every
// name is given up and taken, begin with one that goes aside. New names differ.
func inOrder(names map[string]string, aside string) (chains []pair, rings [][]pair) {
	left := maps.Clone(names)
	from := make(map[string]string, len(names))
	for old, to := range names {
		from[to] = old
	}
	for _, old := range slices.Sorted(maps.Keys(names)) {
		if _, waits := left[names[old]]; waits {
			continue
		}
		// Its name is free; then so is the one that it gives up, for the one before it in the chain.
		for at, ok := old, true; ok; at, ok = from[at] {
			if _, open := left[at]; !open {
				break
			}
			chains = append(chains, pair{at, names[at]})
			delete(left, at)
		}
	}
	for _, first := range slices.Sorted(maps.Keys(left)) {
		if _, open := left[first]; !open {
			continue
		}
		ring := []pair{{first, aside + first}}
		delete(left, first)
		for at := from[first]; at != first; at = from[at] {
			ring = append(ring, pair{at, names[at]})
			delete(left, at)
		}
		rings = append(rings, append(ring, pair{aside + first, names[first]}))
	}
	return chains, rings
}

// legs is the whole of it, one after the other.
func legs(names map[string]string, aside string) []pair {
	chains, rings := inOrder(names, aside)
	for _, ring := range rings {
		chains = append(chains, ring...)
	}
	return chains
}
