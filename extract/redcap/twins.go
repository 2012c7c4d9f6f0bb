package redcap

import (
	"slices"
	"strings"

	"github.com/zeebo/xxh3"

	"syncd/extract"
)

// dropTwins leaves of ids that differ in case only the one that was listed last: to the server they are one record.
// It must be called before the set is sorted, while ids still stand in the order of the list.
func (l *idList) dropTwins() {
	if !mixedCase(l.ids) {
		return
	}
	type folded struct {
		hash uint64
		at   int32
	}
	all := make([]folded, l.ids.Len())
	for i := range all {
		all[i] = folded{xxh3.HashString(strings.ToLower(l.ids.At(i))), int32(i)}
	}
	slices.SortFunc(all, func(a, b folded) int {
		if a.hash != b.hash {
			if a.hash < b.hash {
				return -1
			}
			return 1
		}
		return int(a.at - b.at)
	})
	losers := map[int32]bool{}
	for i := 1; i < len(all); i++ {
		if all[i-1].hash == all[i].hash && l.ids.At(int(all[i-1].at)) != l.ids.At(int(all[i].at)) {
			losers[all[i-1].at] = true
		}
	}
	if len(losers) == 0 {
		return
	}
	kept, out := new(extract.KeySet), new(extract.KeySet)
	for i := range l.ids.Len() {
		if losers[int32(i)] {
			out.Add(l.ids.At(i))
		} else {
			kept.Add(l.ids.At(i))
		}
	}
	kept.Sort()
	out.Sort()
	for id := range out.All() { // one that is listed again further down may have won there
		if !kept.Has(id) {
			l.refused[refusedTwin]++
			l.out.Add(id)
		}
	}
	l.ids = kept
}

// mixedCase reports whether the ids have letters of both cases, without which there are no twins.
func mixedCase(ids *extract.KeySet) bool {
	lower, upper := false, false
	for id := range ids.All() {
		for i := range len(id) {
			c := id[i]
			lower = lower || c >= 'a' && c <= 'z' || c >= 0x80
			upper = upper || c >= 'A' && c <= 'Z' || c >= 0x80
		}
		if lower && upper {
			return true
		}
	}
	return false
}
