package load

import (
	"bytes"
	"fmt"
	"unsafe"

	"syncd/extract"
)

// keyBytes is the longest key that is stored; a b-tree holds a little more.
const keyBytes = 2000

// fate is what becomes of a row of a batch.
type fate uint8

const (
	fresh fate = iota // not stored yet
	duplicate
	rejected
	unchanged
	changed
	reencoded
	superseded // a newer state of its scope is stored
)

// intake is what one batch brings for one table, and what the comparison finds about it.
type intake struct {
	sh      *shape
	rows    *extract.Rows // as they are stored; nil where the scope names the table and no row came
	blocked int64         // rows of a table that cannot be loaded
	inScope bool
	closing *extract.Closing
	scope   *scope // of the batch, where inScope
	whole   bool   // nothing of the scope may be moved out, because a rejected key could not be read

	index   keyIndex // row keys, by row
	fps     [][16]byte
	notesAt []uint32 // by row: the first of its notes; nil without notes
	fates   []fate
	hashed  bool
	rejects []extract.Reject
	present map[string]bool // keys of rejects, which count as present, by their first columns
	widths  [8]bool         // how many columns such keys have

	asked   int     // queries sent for it
	later   bool    // fingerprints are taken while the rows are sent: there is nothing to compare them with
	missing keyList // stored keys of the scope that the batch does not have
	counts  Counts
}

// reset makes an intake ready for another batch and keeps its buffers.
func (in *intake) reset() {
	*in = intake{index: in.index, fps: in.fps[:0], notesAt: in.notesAt[:0], fates: in.fates[:0], missing: in.missing}
	in.index.reset(0) // with its slots: a batch may ask about a table of which it brings no rows
	in.missing.reset()
}

// again forgets what a comparison found, before another try.
func (in *intake) again() {
	in.missing.reset()
	in.counts = Counts{}
	for i, f := range in.fates {
		if f != duplicate && f != rejected {
			in.fates[i] = fresh
		}
	}
}

// waits reports whether a table that cannot be loaded stays behind what the batch says of it.
func (in *intake) waits() bool {
	return in.blocked > 0 || in.inScope && in.sh.t.blocked != "" && in.sh.t.exists
}

// notes returns the notes of row i.
func (in *intake) notes(i int) []extract.Note {
	if len(in.notesAt) == 0 {
		return nil
	}
	return in.rows.Notes()[in.notesAt[i]:in.notesAt[i+1]]
}

// hash takes the key and the fingerprint of every row, and finds rows whose key comes again later: the last one wins.
func (in *intake) hash(h *hasher) error {
	if in.hashed || in.rows == nil || in.sh.t.blocked != "" {
		return nil
	}
	n := in.rows.Len()
	in.index.reset(n)
	in.spread(n)
	for i := range n {
		why := in.key(i)
		in.fps = append(in.fps, [16]byte{})
		if !in.later {
			in.fps[i] = in.sh.fingerprint(h, in, i)
		}
		in.fates = append(in.fates, fresh)
		if why != "" {
			in.refuse(i, why)
			continue
		}
		if in.inScope && !in.scope.has(in.index.keys.at(i)) {
			return extract.Errorf(extract.KindInternal, "load batch", "a row of %s is outside of the batch's scope", in.sh.t.name)
		}
	}
	for i := n - 1; i >= 0; i-- {
		if in.fates[i] == rejected {
			continue
		}
		if _, taken := in.index.put(i); taken {
			in.fates[i] = duplicate
		}
	}
	in.hashed = true
	return nil
}

// print takes the fingerprints that were put off, now that they are asked for.
func (in *intake) print(h *hasher) {
	if !in.later {
		return
	}
	in.later = false
	if in.hashed {
		for i := range in.fps {
			in.fps[i] = in.sh.fingerprint(h, in, i)
		}
	}
}

func (s *shape) fingerprint(h *hasher, in *intake, i int) [16]byte {
	return h.row(s, in.rows, i, in.notes(i))
}

// key appends the key of row i to the index and says why it cannot be one.
func (in *intake) key(i int) (why string) {
	l := &in.index.keys
	from := len(l.text)
	for j := range in.sh.keys {
		cell, ok := in.rows.Cell(i, j)
		switch {
		case !ok:
			why = "key is empty"
		case bytes.IndexByte(cell, 0) >= 0:
			why = "key holds a NUL character"
		}
		if j > 0 {
			l.text = append(l.text, 0)
		}
		l.text = append(l.text, cell...)
	}
	if len(l.text)-from > keyBytes+in.sh.keys {
		why = fmt.Sprintf("key is longer than %d bytes", keyBytes)
	}
	l.end()
	return why
}

// refuse makes a reject of a row whose key cannot be stored.
func (in *intake) refuse(i int, why string) {
	in.fates[i] = rejected
	in.whole = true
	in.rejects = append(in.rejects, extract.Reject{Table: in.sh.src, Rule: why, Raw: appendRow(nil, in.rows, i)})
}

// reject makes a reject of a row that Postgres refused; what is stored under its key stays.
func (in *intake) reject(i int, sqlstate string) {
	in.fates[i] = rejected
	in.rejects = append(in.rejects, extract.Reject{
		Table: in.sh.src, Key: keyOf(in.rows, i, in.sh.keys), Rule: "refused by Postgres", SQLState: sqlstate, Raw: appendRow(nil, in.rows, i),
	})
}

// spread finds where the notes of each row begin.
func (in *intake) spread(n int) {
	notes := in.rows.Notes()
	if len(notes) == 0 {
		return
	}
	at := 0
	for i := range n {
		in.notesAt = append(in.notesAt, uint32(at))
		for at < len(notes) && notes[at].Row == i {
			at++
		}
	}
	in.notesAt = append(in.notesAt, uint32(at))
}

// know remembers the key of a reject, or that it cannot be read.
func (in *intake) know(r extract.Reject) {
	in.rejects = append(in.rejects, r)
	if len(r.Key) == 0 {
		in.whole = true
		return
	}
	if in.present == nil {
		in.present = map[string]bool{}
	}
	in.present[extract.JoinKey(r.Key...)] = true
	in.widths[min(len(r.Key), len(in.widths)-1)] = true
}

// counted reports whether a stored key is that of a reject.
func (in *intake) counted(key []byte) bool {
	if len(in.present) == 0 {
		return false
	}
	for width, used := range in.widths {
		if used && in.present[string(prefix(key, width))] {
			return true
		}
	}
	return false
}

// take hands an intake the rows of its table. Where a batch brings the same table several times, later rows win.
func (in *intake) take(rows *extract.Rows) {
	if in.sh.t.blocked != "" {
		in.blocked += int64(rows.Len() + rows.Duplicates)
		return
	}
	rows, rejects := in.sh.convert(rows)
	for _, r := range rejects {
		in.know(r)
	}
	if in.rows != nil {
		rows = join(in.rows, rows)
	}
	in.rows = rows
}

// join makes one set of rows of two.
func join(a, b *extract.Rows) *extract.Rows {
	out := extract.NewRows(a.Table)
	out.Duplicates = a.Duplicates + b.Duplicates
	for _, rows := range []*extract.Rows{a, b} {
		notes := rows.Notes()
		for i := range rows.Len() {
			out.Begin()
			for j := range rows.Table.Columns {
				if cell, ok := rows.Cell(i, j); ok {
					out.Close(append(out.Open(), cell...))
				} else {
					out.Null()
				}
			}
			for len(notes) > 0 && notes[0].Row == i {
				out.Note(notes[0].Kind, notes[0].Column, notes[0].Value)
				notes = notes[1:]
			}
			out.End()
		}
	}
	return out
}

// compare takes one stored row into account.
func (in *intake) compare(key []byte, fp []byte) {
	in.counts.Stored++
	if in.closing != nil {
		if p := prefix(key, in.closing.Width); !in.closing.Keys.Has(unsafe.String(unsafe.SliceData(p), len(p))) && !in.counted(key) {
			in.missing.text = append(in.missing.text, key...)
			in.missing.end()
		}
		return
	}
	i, ok := in.index.find(key)
	switch {
	case in.inScope && in.scope.superseded(key):
	case !ok && in.inScope && !in.counted(key):
		in.missing.text = append(in.missing.text, key...)
		in.missing.end()
	case !ok:
	case bytes.Equal(in.fps[i][:], fp):
		in.fates[i] = unchanged
	default:
		in.fates[i] = changed
	}
}

// pick returns the rows of a fate, in the order of the batch.
func (in *intake) pick(f fate) []int {
	var rows []int
	for i, is := range in.fates {
		if is == f {
			rows = append(rows, i)
		}
	}
	return rows
}

// tally makes the counts of what became of the rows; inserted and updated are those that the statements reported.
func (in *intake) tally() {
	c := &in.counts
	c.Rejected = int64(len(in.rejects))
	c.Read = c.Rejected + in.blocked
	c.Blocked = in.blocked
	if in.rows == nil || in.blocked > 0 {
		return
	}
	for _, f := range in.fates {
		switch f {
		case duplicate:
			c.Duplicate++
		case unchanged:
			c.Unchanged++
		case reencoded:
			c.Reencoded++
		case superseded:
			c.Superseded++
		}
		if f != rejected { // those are counted with their rejects
			c.Read++
		}
	}
	c.Read += int64(in.rows.Duplicates)
	c.Duplicate += int64(in.rows.Duplicates)
	c.Keys = c.Inserted + c.Updated + c.Unchanged + c.Reencoded
	for _, n := range in.rows.Notes() {
		switch f := in.fates[n.Row]; {
		case f == duplicate || f == rejected || f == superseded:
		case n.Kind == extract.NonConforming:
			c.NonConforming++
		case n.Kind == extract.MissingCode:
			c.Missing++
		}
	}
}

// scope is the scope of a batch, its keys indexed and sorted.
type scope struct {
	width  int
	index  keyIndex
	sorted []int
	// Of versioned scopes, by key: the version that the batch brings, and whether a newer one is stored.
	versions []string
	older    []bool
	parent   *intake         // whose rows carry the versions
	renamed  map[string]bool // records whose rows were stored under another name, by the new one
}

func newScope(s *extract.Scope) *scope {
	out := &scope{width: s.Width, versions: s.Versions, older: make([]bool, len(s.Versions))}
	out.index.reset(len(s.Keys))
	for _, key := range s.Keys {
		for i, p := range key {
			if i > 0 {
				out.index.keys.text = append(out.index.keys.text, 0)
			}
			out.index.keys.text = append(out.index.keys.text, p...)
		}
		out.index.keys.end()
		n := out.index.keys.len() - 1
		if _, taken := out.index.put(n); !taken {
			out.sorted = append(out.sorted, n)
		}
	}
	out.index.keys.sorted(out.sorted)
	return out
}

// has reports whether the row of a key is in the scope.
func (s *scope) has(key []byte) bool {
	if s.width == 0 {
		return true
	}
	_, ok := s.index.find(prefix(key, s.width))
	return ok
}
