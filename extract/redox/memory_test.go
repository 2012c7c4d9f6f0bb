package redox

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"syncd/extract"
)

// warehouse is what a loader makes of batches, in memory: of each thing the newest state, and every row of the histories.
type warehouse struct {
	rows     map[*extract.Table]map[string]string // by key: cells and notes
	versions map[string]string                    // of things, by table and key
	cells    map[*extract.Table]map[string][]*string
	notes    map[*extract.Table]map[string][]extract.Note
	settled  []extract.Settled
}

func newWarehouse() *warehouse {
	return &warehouse{
		map[*extract.Table]map[string]string{}, map[string]string{}, map[*extract.Table]map[string][]*string{}, map[*extract.Table]map[string][]extract.Note{}, nil,
	}
}

// load does to a warehouse what a batch says.
func (w *warehouse) load(b *extract.Batch) {
	w.settled = append(w.settled, b.Settled...)
	older := map[*extract.Table]map[string]bool{}
	width := map[*extract.Table]int{}
	for _, s := range append([]*extract.Scope{b.Scope}, b.Further...) {
		if s == nil {
			continue
		}
		skip := map[string]bool{}
		for i, key := range s.Keys {
			thing := extract.JoinKey(key...)
			if at := s.Tables[0].Name + "\x00" + thing; w.versions[at] > s.Versions[i] {
				skip[thing] = true
			} else {
				w.versions[at] = s.Versions[i]
				for _, t := range s.Tables {
					maps.DeleteFunc(w.rows[t], func(k, _ string) bool { return k == thing || strings.HasPrefix(k, thing+"\x00") })
				}
			}
		}
		for _, t := range s.Tables {
			older[t], width[t] = skip, s.Width
		}
	}
	for _, rows := range b.Rows {
		t := rows.Table
		if w.rows[t] == nil {
			w.rows[t], w.cells[t], w.notes[t] = map[string]string{}, map[string][]*string{}, map[string][]extract.Note{}
		}
		for i := range rows.Len() {
			var cells []*string
			var key []string
			for j, c := range t.Columns {
				text, ok := rows.Cell(i, j)
				cell := string(text)
				if c.Key {
					key = append(key, cell)
				}
				if cells = append(cells, nil); ok {
					cells[j] = &cell
				}
			}
			if older[t] != nil && older[t][extract.JoinKey(key[:width[t]]...)] {
				continue
			}
			joined := extract.JoinKey(key...)
			var notes []extract.Note
			for _, n := range rows.Notes() {
				if n.Row == i {
					n.Row = 0
					notes = append(notes, n)
				}
			}
			w.cells[t][joined], w.notes[t][joined] = cells, notes
			w.rows[t][joined] = show(cells) + fmt.Sprint(notes)
		}
	}
}

func show(cells []*string) string {
	var s strings.Builder
	for _, c := range cells {
		if c == nil {
			s.WriteString("-;")
		} else {
			fmt.Fprintf(&s, "%q;", *c)
		}
	}
	return s.String()
}

// digest is all that a warehouse holds.
func (w *warehouse) digest() string {
	var lines []string
	for t, rows := range w.rows {
		for key, row := range rows {
			lines = append(lines, fmt.Sprintf("%s%s %q %s", t.Side, t.Name, key, row))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// value is a cell of the only row of a table, or of the one whose key ends so.
func (w *warehouse) value(e *entity, table, column, keyEnd string) string {
	t := e.table(table)
	for key := range w.rows[t.live] {
		if !strings.HasSuffix(key, keyEnd) {
			continue
		}
		for j, c := range t.live.Columns {
			if c.Name == column {
				if cell := w.cells[t.live][key][j]; cell != nil {
					return *cell
				}
				return "NULL"
			}
		}
	}
	return "no row"
}

// inbox is a Queue in memory.
type inbox struct {
	sync.Mutex
	pending []*extract.Delivery
	models  []string
	more    chan struct{}
	takes   int
	fault   error
}

func (q *inbox) Models(ctx context.Context) ([]string, error) {
	q.Lock()
	defer q.Unlock()
	names := slices.Clone(q.models)
	for _, d := range q.pending {
		names = append(names, d.Model)
	}
	return names, ctx.Err()
}

func (q *inbox) Take(ctx context.Context, most, bytes int, handed []int64) ([]*extract.Delivery, error) {
	q.Lock()
	defer q.Unlock()
	q.takes++
	var all []*extract.Delivery
	size := 0
	for _, d := range q.pending {
		if slices.Contains(handed, d.Seq) {
			continue
		}
		if size += len(d.Body); len(all) == most || len(all) > 0 && size > bytes {
			break
		}
		all = append(all, d)
	}
	if q.fault != nil {
		return nil, q.fault
	}
	return all, ctx.Err()
}

func (q *inbox) Wait(ctx context.Context) error {
	select {
	case <-q.more:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// add keeps deliveries, and settle forgets them.
func (q *inbox) add(all ...*extract.Delivery) {
	q.Lock()
	defer q.Unlock()
	q.pending = append(q.pending, all...)
	for _, d := range all {
		q.models = append(q.models, d.Model)
	}
}

func (q *inbox) settle(all []extract.Settled) {
	q.Lock()
	defer q.Unlock()
	q.pending = slices.DeleteFunc(q.pending, func(d *extract.Delivery) bool {
		return slices.ContainsFunc(all, func(s extract.Settled) bool { return s.Seq == d.Seq })
	})
}
