package redcap

import (
	"slices"
	"sort"
	"strings"
)

// row is what is stored for (record, event, repeating form, instance). Only non-empty values are kept; a checkbox
// option is kept under field(code) while it is ticked, a form's status under form_complete once it was saved.
type row struct {
	event    int
	form     string // key of the repeating form; "" in rows that do not repeat by form
	instance int    // 0: does not repeat
	values   map[string]string
}

type record struct {
	id   string
	dag  int
	rows []*row
}

func (r *record) clone() *record {
	out := &record{id: r.id, dag: r.dag}
	for _, old := range r.rows {
		n := *old
		n.values = make(map[string]string, len(old.values))
		for k, v := range old.values {
			n.values[k] = v
		}
		out.rows = append(out.rows, &n)
	}
	return out
}

// find returns the row of a place, making it if asked to.
func (r *record) find(event int, form string, instance int, make_ bool) *row {
	for _, x := range r.rows {
		if x.event == event && x.form == form && x.instance == instance {
			return x
		}
	}
	if !make_ {
		return nil
	}
	x := &row{event: event, form: form, instance: instance, values: map[string]string{}}
	r.rows = append(r.rows, x)
	return x
}

// store keeps records. Generated ones are computed when they are asked for, and kept only once they were changed.
// Records handed out are never changed afterwards: a change replaces them.
type store struct {
	gen   *generator
	over  map[int]*record // by generated position; nil: deleted
	extra map[string]*record
	order []*record // extra in natural order
	// recorded: keep the order in which records came
	recorded bool
}

func (s *store) init() {
	s.over = map[int]*record{}
	s.extra = map[string]*record{}
}

func (s *store) get(id string) *record {
	if s.gen != nil {
		if i, ok := s.gen.index(id); ok {
			if r, changed := s.over[i]; changed {
				return r
			}
			return s.gen.record(i)
		}
	}
	return s.extra[id]
}

// lookup finds a record without computing it.
func (s *store) lookup(id string) (entry, bool) {
	if s.gen != nil {
		if i, ok := s.gen.index(id); ok {
			r, changed := s.over[i]
			return entry{record: r, pos: i}, !changed || r != nil
		}
	}
	r := s.extra[id]
	return entry{record: r}, r != nil
}

// put stores a record that was changed or is new.
func (s *store) put(r *record) {
	if s.gen != nil {
		if i, ok := s.gen.index(r.id); ok {
			s.over[i] = r
			return
		}
	}
	if _, known := s.extra[r.id]; known {
		order := slices.Clone(s.order)
		for i := range order {
			if order[i].id == r.id {
				order[i] = r
			}
		}
		s.order = order
	} else {
		at := len(s.order)
		if !s.recorded {
			at = sort.Search(len(s.order), func(i int) bool { return naturalLess(r.id, s.order[i].id) })
		}
		s.order = slices.Insert(slices.Clone(s.order), at, r)
	}
	s.extra[r.id] = r
}

// load fills the store at once, in the order given.
func (s *store) load(records []*record) {
	s.order = records
	for _, r := range records {
		s.extra[r.id] = r
	}
}

func (s *store) remove(id string) {
	if s.gen != nil {
		if i, ok := s.gen.index(id); ok {
			s.over[i] = nil
			return
		}
	}
	delete(s.extra, id)
	s.order = slices.DeleteFunc(slices.Clone(s.order), func(r *record) bool { return r.id == id })
}

func (s *store) clear() {
	*s = store{}
	s.init()
}

func (s *store) count() int {
	n := len(s.order)
	if s.gen != nil {
		n += s.gen.spec.Records
		for _, r := range s.over {
			if r == nil {
				n--
			}
		}
	}
	return n
}

// entry is one record of a listing: pristine generated records are named by position only.
type entry struct {
	record *record // nil: pristine, at position
	pos    int
}

// whole is the record of an entry, computed if it has to be.
func (s *store) whole(e entry) *record {
	if e.record == nil {
		return s.gen.record(e.pos)
	}
	return e.record
}

// snapshot is a listing that stays valid while records change: what is deleted later is left out when it is met.
type snapshot struct {
	base   int
	extra  []*record
	before []int // extra[i] comes before generated position before[i]
}

func (s *store) snapshot() snapshot {
	out := snapshot{extra: s.order}
	if s.gen == nil {
		return out
	}
	out.base = s.gen.spec.Records
	for _, r := range out.extra {
		out.before = append(out.before, sort.Search(out.base, func(i int) bool { return naturalLess(r.id, s.gen.id(i)) }))
	}
	return out
}

// each visits a snapshot in export order until visit returns false.
func (s *store) each(snap snapshot, visit func(entry) bool) {
	if s.gen == nil {
		for _, r := range snap.extra {
			if !visit(entry{record: r}) {
				return
			}
		}
		return
	}
	next := 0
	for i := 0; i <= snap.base; i++ {
		for ; next < len(snap.extra) && snap.before[next] <= i; next++ {
			if !visit(entry{record: snap.extra[next]}) {
				return
			}
		}
		if i == snap.base {
			return
		}
		r, changed := s.over[i]
		if changed && r == nil {
			continue
		}
		if !visit(entry{record: r, pos: i}) {
			return
		}
	}
}

// naturalLess orders names as the server's natural sort does: runs of digits by value, without regard to case.
func naturalLess(a, b string) bool {
	x, y := a, b
	for x != "" && y != "" {
		if dx, dy := digits(x), digits(y); dx > 0 && dy > 0 {
			nx, ny := strings.TrimLeft(x[:dx], "0"), strings.TrimLeft(y[:dy], "0")
			if len(nx) != len(ny) {
				return len(nx) < len(ny)
			}
			if nx != ny {
				return nx < ny
			}
			x, y = x[dx:], y[dy:]
			continue
		}
		if l, r := lower(x[0]), lower(y[0]); l != r {
			return l < r
		}
		x, y = x[1:], y[1:]
	}
	if len(x) != len(y) {
		return len(x) < len(y)
	}
	return a < b
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

func digits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}
