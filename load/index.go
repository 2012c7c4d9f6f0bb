package load

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/zeebo/xxh3"
)

// keyList holds keys one after the other in one buffer. The columns of a key are separated by NUL, which Postgres
// text cannot hold, so that a prefix of columns is a prefix of bytes.
type keyList struct {
	text []byte
	ends []uint32
}

func (l *keyList) reset()   { l.text, l.ends = l.text[:0], l.ends[:0] }
func (l *keyList) len() int { return len(l.ends) }

func (l *keyList) at(i int) []byte {
	var from uint32
	if i > 0 {
		from = l.ends[i-1]
	}
	return l.text[from:l.ends[i]]
}

// end closes the key whose bytes were appended to text.
func (l *keyList) end() { l.ends = append(l.ends, uint32(len(l.text))) }

// prefix returns the first n columns of a key.
func prefix(key []byte, n int) []byte {
	at := 0
	for ; n > 0; n-- {
		i := bytes.IndexByte(key[at:], 0)
		if i < 0 {
			return key
		}
		at += i + 1
	}
	return key[:max(0, at-1)]
}

// part returns column n of a key.
func part(key []byte, n int) []byte {
	for ; n > 0; n-- {
		key = key[bytes.IndexByte(key, 0)+1:]
	}
	if i := bytes.IndexByte(key, 0); i >= 0 {
		return key[:i]
	}
	return key
}

// keyIndex finds keys of a list: open addressing over indexes, compared byte by byte, so that a collision of hashes is
// slow at worst. Its seed differs from run to run, so that nobody can prepare collisions.
type keyIndex struct {
	keys  keyList
	slots []uint32 // index into keys plus one
	seed  uint64
}

func (x *keyIndex) reset(expect int) {
	x.keys.reset()
	size := 16
	for size < expect*2 {
		size *= 2
	}
	if size > len(x.slots) {
		x.slots = make([]uint32, size)
		return
	}
	clear(x.slots)
}

// find returns the index of a key in the list.
func (x *keyIndex) find(key []byte) (int, bool) {
	if x.keys.len() == 0 { // then the slots may be those of another list
		return 0, false
	}
	i, ok := x.slot(key)
	if !ok {
		return 0, false
	}
	return int(x.slots[i]) - 1, true
}

// slot returns the slot that holds a key, or the free one where it belongs.
func (x *keyIndex) slot(key []byte) (int, bool) {
	mask := len(x.slots) - 1
	for i := int(xxh3.HashSeed(key, x.seed)) & mask; ; i = (i + 1) & mask {
		switch at := x.slots[i]; {
		case at == 0:
			return i, false
		case bytes.Equal(x.keys.at(int(at)-1), key):
			return i, true
		}
	}
}

// put indexes key i of the list, which must have room, and reports whether an equal one was there before.
func (x *keyIndex) put(i int) (before int, taken bool) {
	slot, ok := x.slot(x.keys.at(i))
	if ok {
		return int(x.slots[slot]) - 1, true
	}
	x.slots[slot] = uint32(i) + 1
	return 0, false
}

// textArrays makes one binary text[] parameter per column of keys: the n first columns of the keys picked.
func textArrays(l *keyList, pick []int, n int) [][]byte {
	arrays := make([][]byte, n)
	size := 20
	for _, k := range pick {
		size += len(l.at(k)) + 4
	}
	for c := range arrays {
		b := make([]byte, 0, size)
		b = binary.BigEndian.AppendUint32(b, 1)  // dimensions
		b = binary.BigEndian.AppendUint32(b, 0)  // no NULLs
		b = binary.BigEndian.AppendUint32(b, 25) // text
		b = binary.BigEndian.AppendUint32(b, uint32(len(pick)))
		b = binary.BigEndian.AppendUint32(b, 1) // first index
		for _, k := range pick {
			p := part(l.at(k), c)
			b = binary.BigEndian.AppendUint32(b, uint32(len(p)))
			b = append(b, p...)
		}
		arrays[c] = b
	}
	return arrays
}

// sorted returns the indexes of keys in bytewise order, which is the order of their index in Postgres.
func (l *keyList) sorted(pick []int) []int {
	slices.SortFunc(pick, func(a, b int) int { return bytes.Compare(l.at(a), l.at(b)) })
	return pick
}

// uuidArray makes one binary uuid[] parameter.
func uuidArray(ids [][16]byte) []byte {
	b := make([]byte, 0, 20+20*len(ids))
	b = binary.BigEndian.AppendUint32(b, 1)
	b = binary.BigEndian.AppendUint32(b, 0)
	b = binary.BigEndian.AppendUint32(b, 2950) // uuid
	b = binary.BigEndian.AppendUint32(b, uint32(len(ids)))
	b = binary.BigEndian.AppendUint32(b, 1)
	for _, id := range ids {
		b = binary.BigEndian.AppendUint32(b, 16)
		b = append(b, id[:]...)
	}
	return b
}
