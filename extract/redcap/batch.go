package redcap

import (
	"slices"
	"time"

	"github.com/zeebo/xxh3"

	"syncd/extract"
)

// filling is the batch that is being filled: the rows of whole records, in all record tables.
type filling struct {
	m      *model
	rows   map[*extract.Table]*tableRows
	list   []*extract.Rows // as Batch wants them
	record *tableRows
	keys   [][]string
	ids    []string // what keys point into
	reject []extract.Reject
	files  []seenFile
	since  time.Time // when its first record was added
	most   int       // rows of one table
	out    extract.Batch
	scope  extract.Scope
	sure   []*extract.Table // of which the batch is the whole truth
}

// tableRows are the rows of one table, with what is needed to find a second row of the same identity.
type tableRows struct {
	rows *extract.Rows
	seen map[uint64]int32 // hash of key -> row
	dead []int            // rows that a later one of the same identity replaced
	key  []byte           // scratch
}

func newFilling(m *model) *filling {
	f := &filling{m: m, sure: m.whole(), most: extract.BatchRows, rows: make(map[*extract.Table]*tableRows, len(m.live))}
	for _, t := range m.live {
		tr := &tableRows{rows: extract.NewRows(t), seen: make(map[uint64]int32)}
		f.rows[t] = tr
		f.list = append(f.list, tr.rows)
	}
	if !m.partial {
		f.record = f.rows[m.record]
	}
	return f
}

// reset empties f and keeps its buffers.
func (f *filling) reset() {
	for _, tr := range f.rows {
		tr.rows.Reset()
		clear(tr.seen)
		tr.dead = tr.dead[:0]
	}
	for i, t := range f.m.live {
		f.list[i] = f.rows[t].rows
	}
	f.keys, f.ids, f.reject, f.files = f.keys[:0], f.ids[:0], f.reject[:0], f.files[:0]
}

// empty reports whether there is nothing to hand on.
func (f *filling) empty() bool { return len(f.keys) == 0 && len(f.reject) == 0 }

// full reports whether the batch has reached one of its limits. It looks at every sixteenth record.
func (f *filling) full(now func() time.Time) bool {
	if len(f.keys)%16 != 0 {
		return false
	}
	return f.over(now())
}

func (f *filling) over(now time.Time) bool {
	if ft := f.m.files; ft != nil && ft.content != nil && len(f.files) >= filesAtOnce {
		return true
	}
	rows, bytes := len(f.files), 0 // rows of the longest table
	for _, r := range f.list {
		rows = max(rows, r.Len())
		bytes += r.Bytes()
	}
	return rows >= f.most || bytes >= extract.BatchBytes ||
		len(f.keys) > 0 && now.Sub(f.since) >= extract.BatchSeconds*time.Second
}

// whole says that the batch has all rows of a record.
func (f *filling) whole(id string) {
	n := len(f.ids)
	f.ids = append(f.ids, id)
	f.keys = append(f.keys, f.ids[n:n+1:n+1])
}

// batch makes the batch of what was filled.
func (f *filling) batch() *extract.Batch {
	f.out = extract.Batch{Rejects: f.reject}
	for i, t := range f.m.live {
		f.list[i] = f.rows[t].compact()
	}
	if len(f.keys) > 0 {
		f.out.Rows = f.list
		f.scope = extract.Scope{Tables: f.sure, Width: 1, Keys: f.keys, Reason: reasonGone}
		f.out.Scope = &f.scope
	}
	return &f.out
}

const reasonGone = "deleted at source"

// begin opens a row and writes its key. A row of the same identity that came before is given up for this one.
func (tr *tableRows) begin(id string, event, instance []byte, wide bool) {
	key := append(tr.key[:0], id...)
	if wide {
		key = append(append(key, 0), event...)
		key = append(append(key, 0), instance...)
	}
	tr.key = key
	hash, row := xxh3.Hash(key), int32(tr.rows.Len())
	if before, twice := tr.seen[hash]; twice && tr.same(int(before), id, event, instance, wide) {
		tr.dead = append(tr.dead, int(before))
	}
	tr.seen[hash] = row
	tr.rows.Begin()
	tr.rows.Close(append(tr.rows.Open(), id...))
	if wide {
		tr.rows.Close(append(tr.rows.Open(), event...))
		tr.rows.Close(append(tr.rows.Open(), instance...))
	}
}

// same compares a row's key with one whose hash is the same.
func (tr *tableRows) same(row int, id string, event, instance []byte, wide bool) bool {
	if have, _ := tr.rows.Cell(row, 0); string(have) != id {
		return false
	}
	if !wide {
		return true
	}
	e, _ := tr.rows.Cell(row, 1)
	i, _ := tr.rows.Cell(row, 2)
	return string(e) == string(event) && string(i) == string(instance)
}

// compact returns the rows without those that were replaced. It copies only where there are some.
func (tr *tableRows) compact() *extract.Rows {
	if len(tr.dead) == 0 {
		return tr.rows
	}
	slices.Sort(tr.dead)
	kept := extract.NewRows(tr.rows.Table)
	kept.Duplicates = tr.rows.Duplicates + len(tr.dead)
	notes := tr.rows.Notes()
	for row := range tr.rows.Len() {
		from := len(notes)
		for i, n := range notes {
			if n.Row > row {
				from = i
				break
			}
		}
		own := notes[:from]
		notes = notes[from:]
		if _, dead := slices.BinarySearch(tr.dead, row); dead {
			continue
		}
		kept.Begin()
		for c := range tr.rows.Table.Columns {
			if cell, ok := tr.rows.Cell(row, c); ok {
				kept.Close(append(kept.Open(), cell...))
			} else {
				kept.Null()
			}
		}
		for _, n := range own {
			kept.Note(n.Kind, n.Column, n.Value)
		}
		kept.End()
	}
	return kept
}
