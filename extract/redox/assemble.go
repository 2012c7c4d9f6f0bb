package redox

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"syncd/extract"
)

// Reasons that stand for good beside a delivery.
const (
	reasonDefect  = "a defect of syncd"
	reasonModel   = "its model was not known on arrival"
	reasonNothing = "it says nothing of what its model is about"
	reasonNoModel = "neither Meta.DataModel nor resourceType"
)

// group decodes deliveries and makes one batch of them.
type group struct {
	known   map[*entity]bool // of the structure
	types   []string         // patient id types, most trusted first
	find    func(name string) *model
	parser  parser
	made    map[*table]*extract.Rows
	open    *extract.Rows // while a row is being written
	states  []state
	rejects []extract.Reject
	settled []extract.Settled
	lent    []cell
	spare   map[*extract.Table][]*extract.Rows // that a batch before had
	absent  bool                               // the structure has no tables for a model that came meanwhile
	blocked *extract.Blocked                   // people who were purged
	barred  map[*extract.Table]int64           // rows that would be about them
	people  [][]identifierOf                   // whom the last message is about
	source  string                             // who sent it
	asked   bool                               // whom messages are about is asked
}

func newGroup(known map[*entity]bool, types []string) *group {
	return &group{known: known, types: types, find: findModel, made: map[*table]*extract.Rows{}, spare: map[*extract.Table][]*extract.Rows{}}
}

// rows are where rows of a table are collected.
func (g *group) rows(t *table) *extract.Rows {
	r := g.made[t]
	if r == nil {
		r = extract.NewRows(t.live)
		g.made[t] = r
	}
	return r
}

// cells lends out the cells of a row, until the next row is begun.
func (g *group) cells(n int) []cell {
	if n > cap(g.lent) {
		g.lent = make([]cell, n)
	}
	cells := g.lent[:n]
	clear(cells)
	return cells
}

// keepRows bounds the bytes of rows whose buffers are used again.
const keepRows = 4 << 20

// reset forgets what was decoded, and keeps buffers. Nothing of the batch that was made is touched.
func (g *group) reset() {
	g.states, g.rejects, g.settled, g.absent, g.barred = g.states[:0], nil, nil, false, nil
	for t, rows := range g.made {
		if rows.Bytes() > keepRows {
			delete(g.made, t)
		}
		rows.Reset()
	}
}

// recycle takes back the rows of a batch that is loaded.
func (g *group) recycle(b *extract.Batch) {
	for _, rows := range b.Rows {
		if rows.Bytes() <= keepRows {
			rows.Reset()
			g.spare[rows.Table] = append(g.spare[rows.Table], rows)
		}
	}
}

// fresh are rows for a batch.
func (g *group) fresh(t *extract.Table) *extract.Rows {
	if spare := g.spare[t]; len(spare) > 0 {
		g.spare[t] = spare[:len(spare)-1]
		return spare[len(spare)-1]
	}
	return extract.NewRows(t)
}

// full reports whether the batch that these rows make is as large as a batch should be. Every row goes into two tables.
func (g *group) full() bool {
	size := 0
	for _, r := range g.made {
		if r.Len() >= extract.BatchRows {
			return true
		}
		size += 2 * r.Bytes()
	}
	return size >= extract.BatchBytes
}

// add decodes one delivery. Whatever is in it, it is settled: a panic is a defect of ours that must not hold up the others.
func (g *group) add(d *extract.Delivery) {
	states, rejects := len(g.states), len(g.rejects)
	outcome, reason := extract.Rejected, reasonDefect
	erase := false
	defer func() {
		if recover() != nil {
			outcome, reason = extract.Rejected, reasonDefect
			if erase = g.concernsBlocked(); erase {
				outcome, reason = extract.Unhandled, extract.ReasonBlocked
			}
			if g.open != nil {
				g.open.Abort()
				g.open = nil
			}
		}
		if outcome != extract.Applied {
			g.states, g.rejects = g.states[:states], g.rejects[:rejects]
		}
		g.settled = append(g.settled, extract.Settled{Seq: d.Seq, Outcome: outcome, Reason: reason, Erase: erase})
	}()
	outcome, reason = g.decode(d)
	if erase = g.concernsBlocked(); erase {
		g.rejects = g.rejects[:rejects] // they hold parts of it as it came
		if outcome == extract.Applied && d.Model != fhirModel && g.concernsOthers() && g.leaveOut(states) {
			return
		}
		g.bar(g.states[states:])
		outcome, reason = extract.Unhandled, extract.ReasonBlocked
		return
	}
	if outcome == extract.Applied && len(g.states) == states && len(g.rejects) == rejects {
		outcome, reason = extract.Rejected, reasonNothing
	}
}

// decode finds the model of a delivery and lets it tell what there is.
func (g *group) decode(d *extract.Delivery) (extract.Outcome, string) {
	g.people, g.source = nil, ""
	root, err := g.parser.parse(d.Body)
	if err != nil {
		return extract.Rejected, err.Error()
	}
	m := &message{Delivery: d, group: g, root: root, types: g.types, version: d.Version(), at: string(extract.AppendInstant(nil, d.Clock()))}
	if meta := root.get("Meta"); meta != nil {
		m.source, m.event, m.facility = meta.get("Source", "ID").str(), meta.get("EventType").str(), meta.get("FacilityCode")
	}
	defer func() { g.people, g.source = m.people, m.source }()
	if g.watches() { // also of what there are no tables for
		m.named(root, "")
	}
	name := modelName(root)
	if name == "" {
		return extract.Rejected, reasonNoModel
	}
	known := g.find(name)
	if name != fhirModel {
		switch eventOf(name, m.event) {
		case unknownModel:
			return extract.Unhandled, "unknown model"
		case unknownEvent:
			return extract.Unhandled, "unknown event type"
		case queryEvent:
			return extract.Unhandled, "a query, for which there are no tables"
		}
	}
	if known == nil {
		return extract.Unhandled, "a model without tables"
	}
	for _, e := range known.entities {
		if g.known[e] {
			continue
		}
		if d.Model != name { // describing the source again would not bring its tables
			return extract.Rejected, reasonModel
		}
		g.absent = true
		return extract.Rejected, reasonModel
	}
	known.decode(m)
	if len(m.loose) > 0 { // there is no row beside which they could stand
		return extract.Rejected, reasonNothing
	}
	return extract.Applied, ""
}

// modelName is the name of a document's model, without blanks; empty where it has none. Whatever has a resourceType is FHIR, and so is
// what says that it is.
func modelName(root *node) string {
	name := strings.ReplaceAll(root.get("Meta", "DataModel").str(), " ", "")
	if strings.HasPrefix(name, fhirModel+".") || name == "" && root.get("resourceType").str() != "" {
		return fhirModel
	}
	return name
}

// batch makes the batch of what was added: of every thing the newest state as its scope, and every state for the history.
func (g *group) batch() *extract.Batch {
	b := &extract.Batch{Rejects: g.rejects, Settled: g.settled}
	byEntity := map[*entity]map[string]*telling{}
	for i := range g.states {
		s := &g.states[i]
		things := byEntity[s.of]
		if things == nil {
			things = map[string]*telling{}
			byEntity[s.of] = things
		}
		key := extract.JoinKey(s.key...)
		if things[key] == nil {
			things[key] = &telling{}
		}
		things[key].add(s)
	}
	entities := slices.SortedFunc(maps.Keys(byEntity), func(a, b *entity) int { return cmp.Compare(a.name, b.name) })
	for _, e := range entities {
		scope := g.scope(b, e, byEntity[e])
		if b.Scope == nil {
			b.Scope = scope
		} else {
			b.Further = append(b.Further, scope)
		}
	}
	for _, t := range slices.SortedFunc(maps.Keys(g.barred), func(a, b *extract.Table) int { return cmp.Compare(a.Name, b.Name) }) {
		b.Blocked = append(b.Blocked, extract.BlockedRows{Table: t, Rows: g.barred[t]})
	}
	return b
}

// telling is what a batch says of one thing: its states, one for each version.
type telling struct{ states []*state }

// add puts a state where it belongs. Of two of one delivery the later counts.
func (t *telling) add(s *state) {
	i, found := slices.BinarySearchFunc(t.states, s.version, func(have *state, version string) int { return strings.Compare(have.version, version) })
	if found {
		t.states[i] = s
		return
	}
	t.states = slices.Insert(t.states, i, s)
}

// scope puts the rows of an entity into the batch and says of which things they are the whole truth.
func (g *group) scope(b *extract.Batch, e *entity, things map[string]*telling) *extract.Scope {
	scope := &extract.Scope{Width: e.width, Reason: "deleted at source"}
	live, past := map[*table]*extract.Rows{}, map[*table]*extract.Rows{}
	for _, t := range e.tables {
		scope.Tables = append(scope.Tables, t.live)
		live[t] = g.fresh(t.live)
		if t.past != nil {
			past[t] = g.fresh(t.past)
		}
	}
	from := map[*table]*origin{}
	for _, key := range slices.Sorted(maps.Keys(things)) {
		states := things[key].states
		newest := states[len(states)-1]
		scope.Keys, scope.Versions = append(scope.Keys, newest.key), append(scope.Versions, newest.version)
		for _, s := range states {
			for _, r := range s.rows {
				src := from[r.table]
				if src == nil {
					src = &origin{g.made[r.table], g.made[r.table].Notes()}
					from[r.table] = src
				}
				if s == newest && !s.deleted {
					src.live(live[r.table], r.row)
				}
				if r.table.past != nil {
					src.past(past[r.table], r, s)
				}
			}
		}
	}
	for _, t := range e.tables {
		for _, rows := range []*extract.Rows{live[t], past[t]} {
			switch {
			case rows == nil:
			case rows.Len() > 0:
				b.Rows = append(b.Rows, rows)
			default:
				g.spare[rows.Table] = append(g.spare[rows.Table], rows)
			}
		}
	}
	return scope
}
