package redcap

import (
	"bytes"
	"net/http"
	"slices"
	"sync"
)

// flushAt is how much is rendered before it is sent; the project's lock is not held while sending.
const flushAt = 64 << 10

// idMark stands for the record's name in cached renderings.
const idMark = "~#id#~"

// planCache keeps rendered classes of generated records by plan: an export of millions of records renders a few
// thousand of them and copies the rest.
type planCache struct {
	mu    sync.Mutex
	plans map[string]*classCache
}

// classCache holds, by arm and class, the pieces between which the record's name goes.
type classCache struct {
	mu     sync.RWMutex
	pieces map[int][][]byte
}

func (pc *planCache) get(key string) *classCache {
	pc.mu.Lock()
	defer pc.mu.Unlock()
	if pc.plans == nil || len(pc.plans) > 15 {
		pc.plans = map[string]*classCache{}
	}
	if pc.plans[key] == nil {
		pc.plans[key] = &classCache{pieces: map[int][][]byte{}}
	}
	return pc.plans[key]
}

// export is a record export under way.
type export struct {
	*plan
	c      *call
	buf    []byte
	cells  []string
	any    bool // a row was written
	nested bool // renders a class for the cache: no header belongs there
	cache  *classCache
	err    error
}

// serveRecords answers content=record.
func (c *call) serveRecords() {
	c.project.mu.RLock()
	defer c.project.mu.RUnlock()
	if w, ok := c.wished(); ok {
		c.export(w)
	}
}

// export answers rows. The project's lock is held.
func (c *call) export(w wish) {
	p := c.project
	pl, ok := c.planExport(&w)
	if !ok {
		return
	}
	if pl.format == "odm" {
		c.fail(http.StatusNotImplemented, "The requested method is not implemented.")
		return
	}
	x := &export{plan: pl, c: c}
	if pl.cacheKey != "" && p.store.gen != nil {
		x.cache = p.cache.get(pl.cacheKey)
	}
	c.w.Header().Set("Content-Type", contentType(pl.format))
	x.open()
	x.visit()
	x.close()
}

// visit goes through the records: arm by arm where there are several, else once.
func (x *export) visit() {
	var changed map[string]bool
	if x.ranged {
		changed = x.p.changedBetween(x.begin, x.end)
	}
	if x.nothing {
		return
	}
	arms := []int{0}
	if x.p.info.Longitudinal && len(x.p.arms) > 1 {
		arms = arms[:0]
		for _, a := range x.p.arms {
			arms = append(arms, a.Number)
		}
	}
	for _, arm := range arms {
		x.selected(changed, func(e entry) bool {
			x.record(e, arm)
			if len(x.buf) >= flushAt {
				x.flush()
			}
			return x.err == nil
		})
	}
}

// selected visits the records asked for; a short list is looked up instead of searched for.
func (x *export) selected(changed map[string]bool, visit func(entry) bool) {
	s := &x.p.store
	drop := x.c.droppedIDs()
	keep := func(id string) bool { return !drop(id) && (changed == nil || changed[id]) }
	names := x.names
	if names == nil && changed != nil {
		names = changed
	}
	if names != nil {
		list := make([]string, 0, len(names))
		for id := range names {
			if keep(id) {
				list = append(list, id)
			}
		}
		slices.SortFunc(list, x.compareIDs())
		for _, id := range list {
			if e, ok := s.lookup(id); ok && !visit(e) {
				return
			}
		}
		return
	}
	s.each(s.snapshot(), func(e entry) bool {
		if e.record != nil && !keep(e.record.id) || e.record == nil && !keep(s.gen.id(e.pos)) {
			return true
		}
		return visit(e)
	})
}

// compareIDs orders names as the export does: recorded projects keep their own order.
func (x *export) compareIDs() func(a, b string) int {
	if !x.p.store.recorded {
		return func(a, b string) int {
			if naturalLess(a, b) {
				return -1
			}
			return 1
		}
	}
	at := make(map[string]int, len(x.p.store.order))
	for i, r := range x.p.store.order {
		at[r.id] = i
	}
	return func(a, b string) int { return at[a] - at[b] }
}

// record writes the rows of one record.
func (x *export) record(e entry, arm int) {
	if e.record != nil || x.cache == nil {
		r := e.record
		if r == nil {
			r = x.p.store.gen.record(e.pos)
		}
		if x.bound == 0 || r.dag == x.bound {
			x.rows(r, arm)
		}
		return
	}
	g := x.p.store.gen
	class := g.class(e.pos)
	x.cache.mu.RLock()
	pieces, known := x.cache.pieces[class*64+arm]
	x.cache.mu.RUnlock()
	if !known {
		pieces = x.renderClass(e.pos, class*64+arm, arm)
	}
	if len(pieces) == 0 {
		return
	}
	x.separate()
	id := g.appendID(nil, e.pos)
	for i, piece := range pieces {
		if i > 0 {
			x.buf = append(x.buf, id...)
		}
		x.buf = append(x.buf, piece...)
	}
}

// renderClass renders one record of a class with a mark for its name and keeps the pieces.
func (x *export) renderClass(pos, key, arm int) [][]byte {
	r := x.p.store.gen.record(pos).clone()
	r.id = idMark
	sub := &export{plan: x.plan, c: x.c, nested: true}
	if x.bound == 0 || r.dag == x.bound {
		sub.rows(r, arm)
	}
	var pieces [][]byte
	if len(sub.buf) > 0 {
		pieces = bytes.Split(sub.buf, []byte(idMark))
	}
	x.cache.mu.Lock()
	x.cache.pieces[key] = pieces
	x.cache.mu.Unlock()
	return pieces
}

// rows writes a record's rows in export order.
func (x *export) rows(rec *record, arm int) {
	rec = x.p.settled(rec, x.homes)
	for _, r := range x.p.sorted(rec.rows) {
		e := x.p.shownByID(r.event)
		if !x.p.fits(e, r) || arm != 0 && e.Arm != arm || x.events != nil && !x.events[e.ID] || r.form != "" && !x.asked[r.form] {
			continue
		}
		if x.logic != nil && !x.holds(rec, e, r) {
			continue
		}
		if x.eav {
			x.points(rec, e, r)
		} else {
			x.cells = x.plan.cells(x.cells, rec, r)
			x.row(x.cells)
		}
	}
}

// sorted puts rows in the order of events, then the base row, then repeating forms in project order by instance.
func (p *Project) sorted(rows []*row) []*row {
	if len(rows) < 2 {
		return rows
	}
	events, forms := map[int]int{}, map[string]int{"": -1}
	for i, e := range p.events {
		events[e.ID] = i
	}
	for i, f := range p.forms {
		forms[f.key] = i
	}
	out := slices.Clone(rows)
	slices.SortStableFunc(out, func(a, b *row) int {
		if d := events[a.event] - events[b.event]; d != 0 {
			return d
		}
		if d := forms[a.form] - forms[b.form]; d != 0 {
			return d
		}
		return a.instance - b.instance
	})
	return out
}

// points writes the data points of one row: only what is not empty, one per ticked option.
func (x *export) points(rec *record, e *Event, r *row) {
	var head []string
	for i := range x.columns {
		switch col := &x.columns[i]; col.kind {
		case colEvent, colRepeatForm, colRepeatInstance:
			head = append(head, x.cell(col, rec, e, r, true))
		}
	}
	for i := range x.columns {
		col := &x.columns[i]
		name, value := col.name, ""
		switch col.kind {
		case colEvent, colRepeatForm, colRepeatInstance:
			continue
		case colBox:
			name = col.field.Name
			if r.values[col.key] != "" && x.belongs(e, r, col.form) {
				value = col.code
				if x.label {
					value = col.label
				}
			}
		case colStatus:
			if r.values[col.key] != "" {
				value = x.cell(col, rec, e, r, true)
			}
		default:
			value = x.cell(col, rec, e, r, true)
		}
		if value != "" {
			x.cells = append(append(append(x.cells[:0], x.recordName(rec.id)), head...), name, value)
			x.row(x.cells)
		}
	}
}
