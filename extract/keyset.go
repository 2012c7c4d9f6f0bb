package extract

import (
	"iter"
	"slices"
	"sort"
	"strings"
	"unsafe"
)

// KeySet is a set of keys held in one buffer: 12 bytes beside the text of each key, so that three million ids
// fit where a map would not. Add all keys, then Sort, then ask.
type KeySet struct {
	text []byte
	at   []keySpan
}

type keySpan struct{ from, n uint32 }

// Add appends a key. The set must be sorted again before it is asked.
func (s *KeySet) Add(key string) {
	s.at = append(s.at, keySpan{uint32(len(s.text)), uint32(len(key))})
	s.text = append(s.text, key...)
}

// Sort orders the keys bytewise and drops duplicates; it returns how many it dropped.
func (s *KeySet) Sort() int {
	slices.SortFunc(s.at, func(a, b keySpan) int { return strings.Compare(s.key(a), s.key(b)) })
	before := len(s.at)
	s.at = slices.CompactFunc(s.at, func(a, b keySpan) bool { return s.key(a) == s.key(b) })
	return before - len(s.at)
}

// Len returns the number of keys.
func (s *KeySet) Len() int {
	if s == nil {
		return 0
	}
	return len(s.at)
}

// At returns key i of a sorted set.
func (s *KeySet) At(i int) string { return s.key(s.at[i]) }

// Has reports whether a sorted set holds key.
func (s *KeySet) Has(key string) bool {
	if s == nil {
		return false
	}
	i := sort.Search(len(s.at), func(i int) bool { return s.key(s.at[i]) >= key })
	return i < len(s.at) && s.key(s.at[i]) == key
}

// Place returns where key is in a sorted set, and whether it is there. The place of the key that was asked for before and the
// one after it are looked at first: keys that are asked for in order are found at once.
func (s *KeySet) Place(key []byte, before int) (int, bool) {
	for i := max(before, 0); i < min(before+2, s.Len()); i++ {
		if s.At(i) == string(key) {
			return i, true
		}
	}
	i := sort.Search(s.Len(), func(i int) bool { return s.At(i) >= string(key) })
	return i, i < s.Len() && s.At(i) == string(key)
}

// All yields the keys in order.
func (s *KeySet) All() iter.Seq[string] {
	return func(yield func(string) bool) {
		if s == nil {
			return
		}
		for _, k := range s.at {
			if !yield(s.key(k)) {
				return
			}
		}
	}
}

func (s *KeySet) key(k keySpan) string {
	b := s.text[k.from : k.from+k.n]
	return unsafe.String(unsafe.SliceData(b), len(b)) // text is only ever appended to
}

// keySep joins the columns of a composite key; Postgres text cannot hold it, so it is in no part.
const keySep = "\x00"

// JoinKey makes one string of the columns of a key. SplitKey undoes it.
func JoinKey(parts ...string) string { return strings.Join(parts, keySep) }

// SplitKey undoes JoinKey.
func SplitKey(key string) []string { return strings.Split(key, keySep) }
