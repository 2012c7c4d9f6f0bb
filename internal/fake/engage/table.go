package engage

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// record is the core of a row, from which its fields follow. Each resource uses what it needs.
type record struct {
	id                         int64
	dice                       dice  // what is left to chance
	org, position, user, event int64 // ids of what the row is about; 0 for none
	start, end, told           int64 // ms; told is what a person reported as the start
	created, modified          int64 // ms
	name, status               string
	role                       int
	fresh                      bool // made by a mutator
}

// change is what mutators did to a row.
type change struct {
	record
	generated bool // stands for a generated row
	deleted   bool
	set       map[string]Value
}

// table is one resource. Its rows lie in groups that follow one another, so that a page is found by counting: a group is an
// organization or a block of ids, and only the groups of which rows are shown are ever computed.
type table struct {
	name, key string
	first     int64 // id of the first generated row; the others follow
	generated int   // rows
	next      int64 // id of the next new row

	groups func() []int                       // in the order of the list
	span   func(group int) (from, to int)     // the generated rows of a group
	place  func(r *record) int                // the group of a row
	home   func(i int) int                    // the group of a generated row, as span has it
	base   func(i int) record                 // a generated row
	fill   func(r *record, f []Field) []Field // its fields
	rank   func(r *record) string             // order within a group; ids decide between equals

	changed map[int64]*change
	index   *index
	scratch []Field
}

// index says where the changed rows are.
type index struct {
	gone  map[int]int     // generated rows of a group that were changed
	there map[int][]int64 // changed rows that are in a group now
}

func (t *table) look() *index {
	if t.index != nil {
		return t.index
	}
	x := &index{gone: map[int]int{}, there: map[int][]int64{}}
	for id, ch := range t.changed {
		if ch.generated {
			x.gone[t.home(int(id-t.first))]++
		}
		g := t.place(&ch.record)
		x.there[g] = append(x.there[g], id)
	}
	t.index = x
	return x
}

// count is the number of live rows of a group.
func (t *table) count(group int) int {
	x := t.look()
	from, to := t.span(group)
	n := to - from - x.gone[group]
	for _, id := range x.there[group] {
		if !t.changed[id].deleted {
			n++
		}
	}
	return n
}

// rows are the rows of a group, in order; only the changed ones, where that is asked.
func (t *table) rows(group int, deleted, onlyChanged bool) []record {
	x := t.look()
	from, to := t.span(group)
	if onlyChanged {
		to = from
	}
	out := make([]record, 0, to-from+len(x.there[group]))
	for i := from; i < to; i++ {
		if t.changed[t.first+int64(i)] == nil {
			out = append(out, t.base(i))
		}
	}
	for _, id := range x.there[group] {
		if ch := t.changed[id]; deleted || !ch.deleted {
			out = append(out, ch.record)
		}
	}
	t.sort(out)
	return out
}

func (t *table) sort(rows []record) {
	if t.rank == nil {
		slices.SortFunc(rows, func(a, b record) int { return cmp.Compare(a.id, b.id) })
		return
	}
	type ranked struct {
		rank string
		record
	}
	all := make([]ranked, len(rows))
	for i := range rows {
		all[i] = ranked{strings.ToLower(t.rank(&rows[i])), rows[i]}
	}
	slices.SortFunc(all, func(a, b ranked) int {
		return cmp.Or(strings.Compare(a.rank, b.rank), cmp.Compare(a.id, b.id))
	})
	for i := range all {
		rows[i] = all[i].record
	}
}

// find returns a row by its id: nil where there never was one.
func (t *table) find(id int64) (r record, ch *change, ok bool) {
	if ch := t.changed[id]; ch != nil {
		return ch.record, ch, true
	}
	if i := id - t.first; i >= 0 && i < int64(t.generated) {
		return t.base(int(i)), nil, true
	}
	return record{}, nil, false
}

// item makes a row's item. Its fields are good until the next call.
func (t *table) item(r *record) Item {
	it := Item{ID: r.id, Created: time.UnixMilli(r.created).UTC(), Modified: time.UnixMilli(r.modified).UTC()}
	var set map[string]Value
	if ch := t.changed[r.id]; ch != nil {
		it.Deleted, set = ch.deleted, ch.set
	}
	t.scratch = t.fill(r, t.scratch[:0])
	if len(set) > 0 {
		for i := range t.scratch {
			if v, ok := set[t.scratch[i].Name]; ok {
				t.scratch[i].Value = v
			}
		}
	}
	it.Fields = t.scratch
	return it
}

// textOf is the text of a field as mutators left it, else what was generated.
func (t *table) textOf(id int64, field, generated string) string {
	if len(t.changed) > 0 {
		if ch := t.changed[id]; ch != nil {
			if v, ok := ch.set[field]; ok {
				return v.Text
			}
		}
	}
	return generated
}

// edit returns a row's change, to be filled in by a mutator: nil where there is no such row, or it is deleted.
func (t *table) edit(id int64, at time.Time) *change {
	r, ch, ok := t.find(id)
	if !ok || ch != nil && ch.deleted {
		return nil
	}
	if ch == nil {
		ch = &change{record: r, generated: true}
		t.changed[id] = ch
	}
	if ch.set == nil {
		ch.set = map[string]Value{}
	}
	ch.modified = at.UnixMilli()
	t.index = nil
	return ch
}

// add takes in a new row and gives it its id.
func (t *table) add(r record, at time.Time) *change {
	r.id, r.fresh = t.next, true
	r.created, r.modified = at.UnixMilli(), at.UnixMilli()
	t.next++
	ch := &change{record: r, set: map[string]Value{}}
	t.changed[r.id] = ch
	t.index = nil
	return ch
}

// blocks lets the rows of a table lie in blocks by id; what is new comes in the last one.
func (t *table) blocks(size int) {
	n := (t.generated + size - 1) / size
	all := make([]int, n+1)
	for i := range all {
		all[i] = i
	}
	t.groups = func() []int { return all }
	t.span = func(g int) (int, int) { return min(g*size, t.generated), min((g+1)*size, t.generated) }
	t.home = func(i int) int { return i / size }
	t.place = func(r *record) int { return min(t.home(int(r.id-t.first)), n) }
}
