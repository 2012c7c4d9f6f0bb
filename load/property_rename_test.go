package load

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"syncd/extract"
)

// renamed is what of a model has another name than before: the table, columns, events (a key column) and records.
type renamed struct {
	name   string
	events []string
	next   int // of the next name that was never used

	before []string // columns of the dictionary before it was changed

	id   string
	list []extract.Rename
	sure map[string]string // records of the source by their names of before, which wait to be read
	was  map[[3]string]string
}

func (m *model) fresh(prefix string) string {
	m.next++
	return fmt.Sprintf("%s%d", prefix, m.next)
}

func (t modelTable) has(record string) bool {
	for key := range t {
		if key[0] == record {
			return true
		}
	}
	return false
}

// move gives the keys of a table other names.
func move[V any](t map[[3]string]V, at int, names map[string]string) {
	moved := map[[3]string]V{}
	for key, v := range t {
		if to, ok := names[key[at]]; ok {
			key[at] = to
		}
		moved[key] = v
	}
	clear(t)
	maps.Copy(t, moved)
}

// rename gives new names to what the source has.
func (m *model) rename(rt *rapid.T) {
	m.list, m.id, m.sure = nil, m.fresh("list"), map[string]string{}
	if rapid.IntRange(0, 3).Draw(rt, "table is renamed") == 0 {
		to := m.fresh("forms")
		m.list = append(m.list, extract.Rename{Kind: extract.RenameTable, Old: m.name, New: to})
		m.name = to
	}
	if rapid.IntRange(0, 2).Draw(rt, "columns are renamed") == 0 {
		m.renameColumns(rt)
	}
	if rapid.IntRange(0, 2).Draw(rt, "events are renamed") == 0 {
		m.renameEvents(rt)
	}
	for range rapid.IntRange(0, 2).Draw(rt, "renamed records") {
		m.renameRecord(rt)
	}
}

// renameColumns gives columns new names or those of others: such as the source had before, because a list begins there.
func (m *model) renameColumns(rt *rapid.T) {
	names := map[string]string{}
	stood := slices.DeleteFunc(slices.Clone(m.columns), func(c modelColumn) bool { return !slices.Contains(m.before, c.name) })
	if len(stood) == 0 {
		return
	}
	picked := rapid.Permutation(stood).Draw(rt, "columns")[:rapid.IntRange(1, len(stood)).Draw(rt, "so many")]
	for i, c := range picked {
		names[c.name] = picked[(i+1)%len(picked)].name
	}
	if last := picked[len(picked)-1].name; len(picked) == 1 || rapid.Bool().Draw(rt, "a chain") {
		names[last] = m.fresh("f")
	}
	for i := range m.columns {
		if to, ok := names[m.columns[i].name]; ok {
			m.list = append(m.list, extract.Rename{Kind: extract.RenameColumn, Table: m.name, Old: m.columns[i].name, New: to})
			m.columns[i].name = to
		}
	}
	unnamed := map[string]bool{}
	for name, is := range m.unnamed {
		if to, ok := names[name]; ok {
			name = to
		}
		unnamed[name] = is
	}
	m.unnamed = unnamed
	for _, table := range []modelTable{m.source, m.stored} {
		for key, row := range table {
			after := cells{}
			for name, value := range row {
				if to, ok := names[name]; ok {
					name = to
				}
				after[name] = value
			}
			table[key] = after
		}
	}
}

// renameEvents gives the values of a key column new names or those of others.
func (m *model) renameEvents(rt *rapid.T) {
	names := map[string]string{}
	switch rapid.SampledFrom([]string{"exchange", "one", "chain"}).Draw(rt, "events") {
	case "exchange":
		names[m.events[0]], names[m.events[1]] = m.events[1], m.events[0]
	case "one":
		names[m.events[0]] = m.fresh("event")
	case "chain":
		names[m.events[0]], names[m.events[1]] = m.events[1], m.fresh("event")
	}
	for _, old := range slices.Sorted(maps.Keys(names)) {
		m.list = append(m.list, extract.Rename{Kind: extract.RenameValue, Table: m.name, Column: "event", Old: old, New: names[old]})
	}
	for i, event := range m.events {
		if to, ok := names[event]; ok {
			m.events[i] = to
		}
	}
	move(m.source, 1, names)
	move(m.stored, 1, names)
	move(m.archive, 1, names)
	move(m.was, 1, names)
}

// renameRecord gives a record that is stored another name at the source.
func (m *model) renameRecord(rt *rapid.T) {
	var can []string
	for _, key := range slices.SortedFunc(maps.Keys(m.source), compareKeys) {
		if _, told := m.sure[key[0]]; m.stored.has(key[0]) && !told && !slices.Contains(can, key[0]) {
			can = append(can, key[0])
		}
	}
	free := slices.DeleteFunc([]string{"1", "2", "10", "a b", "Z", "ä", "\\", "new"}, func(id string) bool {
		_, told := m.sure[id]
		return told || m.source.has(id) || m.stored.has(id)
	})
	if len(can) == 0 || len(free) == 0 {
		return
	}
	old, to := rapid.SampledFrom(can).Draw(rt, "record"), rapid.SampledFrom(free).Draw(rt, "new name")
	move(m.source, 0, map[string]string{old: to})
	m.sure[old] = to
}

// moved is what a source tells of renamed records with a batch: also where it was told before.
func (m *model) moved(records map[string]bool) *extract.Moved {
	if len(m.sure) == 0 {
		return nil
	}
	b := &extract.Moved{}
	for _, old := range slices.Sorted(maps.Keys(m.sure)) {
		b.Sure = append(b.Sure, [2]string{old, m.sure[old]})
		b.From = append(b.From, old)
		if records[m.sure[old]] {
			b.To = append(b.To, m.sure[old])
		}
	}
	return b
}

// arrive applies the renames of the records of a batch to what must be stored, and says which were.
func (m *model) arrive(records map[string]bool) map[string]bool {
	moved := map[string]bool{}
	for old, to := range m.sure {
		if !records[to] || !m.stored.has(old) || m.stored.has(to) {
			continue
		}
		moved[to] = true
		for key := range maps.Clone(m.stored) {
			if key[0] == old {
				at := [3]string{to, key[1], key[2]}
				m.stored[at] = m.stored[key]
				delete(m.stored, key)
				delete(m.archive, at)
			}
		}
	}
	return moved
}

// times reads when the rows came and changed.
func (m *model) times(rt *rapid.T, t *testing.T, w *Warehouse, schema string) {
	m.was = m.readTimes(rt, t, w, schema)
}

func (m *model) readTimes(rt *rapid.T, t *testing.T, w *Warehouse, schema string) map[[3]string]string {
	out := map[[3]string]string{}
	rows, err := w.pool.Query(t.Context(), "SELECT record_id, event, instance::text, concat_ws(' ', _run_id, _inserted_at, _changed_at) FROM "+name(schema, m.name))
	if err != nil {
		rt.Fatal(err)
	}
	var key [3]string
	var at string
	if _, err := pgx.ForEachRow(rows, []any{&key[0], &key[1], &key[2], &at}, func() error { out[key] = at; return nil }); err != nil {
		rt.Fatal(err)
	}
	return out
}

// timesStand fails where the renames of a structure moved a row's times, lost a row or made one.
func (m *model) timesStand(rt *rapid.T, t *testing.T, w *Warehouse, schema string) {
	if m.was == nil {
		return
	}
	if diff := cmp.Diff(m.was, m.readTimes(rt, t, w, schema)); diff != "" {
		rt.Fatalf("times of rows after their names were changed (-before +after):\n%s", diff)
	}
}
