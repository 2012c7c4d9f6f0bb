package load

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"syncd/extract"
)

// cells are the values of a row by column; a column that is absent is NULL.
type cells map[string]string

// held rows of a table by key.
type modelTable map[[3]string]cells

// modelColumn is a data column of the source's dictionary.
type modelColumn struct {
	name string
	typ  extract.Type
}

// model is what a source holds and what the warehouse must hold after it was read.
type model struct {
	columns []modelColumn // of the dictionary, in its order
	gone    []modelColumn // no longer in the dictionary
	unnamed map[string]bool
	source  modelTable
	stored  modelTable // what the table must hold: also values of columns that are no longer read
	archive map[[3]string]bool
	renamed
}

func (m *model) table() *extract.Table {
	t := &extract.Table{Name: m.name, Source: m.name, Columns: []extract.Column{
		{Name: "record_id", Source: "record_id", Type: extract.Text, Key: true},
		{Name: "event", Source: "event", Type: extract.Text, Key: true},
		{Name: "instance", Source: "instance", Type: extract.Integer, Key: true},
	}}
	for _, c := range m.columns {
		if m.unnamed[c.name] {
			t.Unnamed = append(t.Unnamed, c.name)
			continue
		}
		t.Columns = append(t.Columns, extract.Column{Name: c.name, Source: c.name, Type: c.typ})
	}
	return t
}

// value draws a value that fits every type of the chain from smallint to text.
func value(rt *rapid.T, typ extract.Type) string {
	if typ == extract.Text && rapid.Bool().Draw(rt, "is text") {
		return rapid.SampledFrom([]string{"", "a", "b\tc", "d\\N", "e\nf\r", "\\.", "ü€😀", "\x01\x1f\"'", strings.Repeat("x", 300)}).Draw(rt, "text")
	}
	return strconv.Itoa(rapid.IntRange(-3, 3).Draw(rt, "number"))
}

// change changes the source: rows come, change and go; the dictionary grows, shrinks, is reordered and widened.
func (m *model) change(rt *rapid.T) {
	m.before = nil
	for _, c := range m.columns {
		m.before = append(m.before, c.name)
	}
	for range rapid.IntRange(0, 8).Draw(rt, "row changes") {
		key := [3]string{
			rapid.SampledFrom([]string{"1", "2", "10", "a b", "Z", "ä", "\\"}).Draw(rt, "record"),
			rapid.SampledFrom(m.events).Draw(rt, "event"),
			rapid.SampledFrom([]string{"1", "2"}).Draw(rt, "instance"),
		}
		if rapid.IntRange(0, 3).Draw(rt, "delete") == 0 {
			delete(m.source, key)
			continue
		}
		row := cells{}
		for _, c := range m.columns {
			if rapid.Bool().Draw(rt, "filled") {
				row[c.name] = value(rt, c.typ)
			}
		}
		m.source[key] = row
	}
	switch rapid.IntRange(0, 7).Draw(rt, "dictionary") {
	case 0:
		m.columns = append(m.columns, modelColumn{m.fresh("f"), rapid.SampledFrom([]extract.Type{extract.Smallint, extract.Integer, extract.Text}).Draw(rt, "type")})
	case 1:
		if len(m.columns) > 1 {
			i := rapid.IntRange(0, len(m.columns)-1).Draw(rt, "column")
			m.gone = append(m.gone, m.columns[i])
			delete(m.unnamed, m.columns[i].name)
			m.columns = slices.Delete(m.columns, i, i+1)
		}
	case 2:
		if len(m.gone) > 0 {
			m.columns = append(m.columns, m.gone[0])
			m.gone = m.gone[1:]
		}
	case 3:
		slices.Reverse(m.columns)
	case 4:
		c := m.columns[rapid.IntRange(0, len(m.columns)-1).Draw(rt, "column")].name
		m.unnamed[c] = !m.unnamed[c]
	case 5:
		c := &m.columns[rapid.IntRange(0, len(m.columns)-1).Draw(rt, "column")]
		wider := map[extract.Type]extract.Type{extract.Smallint: extract.Integer, extract.Integer: extract.Bigint, extract.Bigint: extract.Numeric, extract.Numeric: extract.Text}
		if to, ok := wider[c.typ]; ok {
			c.typ = to
		}
	}
	for _, row := range m.source { // a field that is gone has no values
		for name := range row {
			if !slices.ContainsFunc(m.columns, func(c modelColumn) bool { return c.name == name }) {
				delete(row, name)
			}
		}
	}
	m.rename(rt)
}

// expect applies one batch about some records to what must be stored, and says what it must count. Rows in rejects were not read.
func (m *model) expect(records, rejects map[string]bool) Counts {
	var want Counts
	moved := m.arrive(records)
	for _, key := range slices.SortedFunc(maps.Keys(m.source), compareKeys) {
		if !records[key[0]] {
			continue
		}
		want.Read++
		if rejects[fmt.Sprint(key)] {
			want.Rejected++
			continue
		}
		row, stored := m.source[key], m.stored[key]
		if stored == nil {
			stored = cells{}
			want.Inserted++
		} else if m.same(row, stored) && !moved[key[0]] {
			want.Unchanged++ // or reencoded
			continue
		} else {
			want.Updated++
		}
		for _, c := range m.columns {
			if m.unnamed[c.name] {
				continue
			}
			delete(stored, c.name)
			if v, ok := row[c.name]; ok {
				stored[c.name] = v
			}
		}
		m.stored[key] = stored
		delete(m.archive, key)
	}
	for key := range m.stored {
		if _, there := m.source[key]; records[key[0]] && !there && !rejects[fmt.Sprint(key)] {
			delete(m.stored, key)
			m.archive[key] = true
			want.Deleted++
		}
	}
	return want
}

func (m *model) same(row, stored cells) bool {
	for _, c := range m.columns {
		v, ok := row[c.name]
		w, there := stored[c.name]
		if !m.unnamed[c.name] && (ok != there || v != w) {
			return false
		}
	}
	return true
}

func compareKeys(a, b [3]string) int { return slices.Compare(a[:], b[:]) }

// batch builds the batch about some records from the source, in any order, with stale rows before those that count.
func (m *model) batch(rt *rapid.T, t *extract.Table, records, rejects map[string]bool) *extract.Batch {
	rows := extract.NewRows(t)
	b := &extract.Batch{Scope: about(slices.Sorted(maps.Keys(records)), t), Rows: []*extract.Rows{rows}, Moved: m.moved(records)}
	keys := slices.SortedFunc(maps.Keys(m.source), compareKeys)
	if rapid.Bool().Draw(rt, "reversed") {
		slices.Reverse(keys)
	}
	for _, key := range keys {
		switch {
		case !records[key[0]]:
		case rejects[fmt.Sprint(key)]:
			b.Rejects = append(b.Rejects, extract.Reject{Table: t, Key: key[:], Rule: "ragged row", Raw: []byte("x")})
		default:
			if rapid.IntRange(0, 9).Draw(rt, "stale") == 0 {
				m.add(rows, key, cells{})
			}
			m.add(rows, key, m.source[key])
		}
	}
	return b
}

func (m *model) add(rows *extract.Rows, key [3]string, row cells) {
	rows.Begin()
	for _, k := range key {
		rows.String(k)
	}
	for _, c := range rows.Table.Columns[3:] {
		if v, ok := row[c.Name]; ok {
			rows.String(v)
		} else {
			rows.Null()
		}
	}
	rows.End()
}

// read reads the table back, cell by cell as text, and where each row stands.
func (m *model) read(rt *rapid.T, t *testing.T, w *Warehouse, schema string) (modelTable, map[[3]string]string) {
	got, where := modelTable{}, map[[3]string]string{}
	var names, columns []string
	for _, c := range m.columns {
		names, columns = append(names, c.name), append(columns, "to_jsonb(f) ->> "+literal(c.name))
	}
	for _, c := range m.gone {
		names, columns = append(names, c.name), append(columns, "to_jsonb(f) ->> "+literal(retiredName(c.name)))
	}
	rows, err := w.pool.Query(t.Context(), fmt.Sprintf("SELECT record_id, event, instance::text, _changed_at::text, ctid::text || xmin::text, ARRAY[%s] FROM %s AS f",
		strings.Join(columns, ", "), name(schema, m.name)))
	if err != nil {
		rt.Fatal(err)
	}
	var key [3]string
	var changed, at string
	var values []*string
	if _, err := pgx.ForEachRow(rows, []any{&key[0], &key[1], &key[2], &changed, &at, &values}, func() error {
		got[key], where[key] = cells{}, changed+" "+at
		for i, v := range values {
			if v != nil {
				got[key][names[i]] = *v
			}
		}
		return nil
	}); err != nil {
		rt.Fatal(err)
	}
	return got, where
}

// Any repetition, any split into batches, rows deleted and put back, rows rejected, rows sent twice, dictionaries that grow,
// shrink, widen and are reordered: the table equals the model, every row is accounted for, unchanged rows are not touched.
func TestAnyHistoryOfBatchesLeavesWhatTheSourceHolds(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	var schemas atomic.Int64
	rapid.Check(t, func(rt *rapid.T) {
		o := order()
		o.Job = fmt.Sprintf("job%d", schemas.Add(1))
		o.Schema = o.Job
		m := &model{
			columns: []modelColumn{{"f0", extract.Integer}, {"f1", extract.Text}}, unnamed: map[string]bool{},
			source: modelTable{}, stored: modelTable{}, archive: map[[3]string]bool{},
			renamed: renamed{name: "forms", next: 2, events: []string{"", "visit"}},
		}
		for i := range rapid.IntRange(2, 5).Draw(rt, "runs") {
			if i > 0 {
				m.times(rt, t, w, o.Schema)
			}
			m.change(rt)
			m.run(rt, t, w, o)
		}
	})
}

func (m *model) run(rt *rapid.T, t *testing.T, w *Warehouse, o Order) {
	r, err := w.Begin(t.Context(), o)
	if err != nil {
		rt.Fatal(err)
	}
	table := m.table()
	s := renames(m.id, []*extract.Table{table}, m.list...)
	for range rapid.IntRange(0, 3).Draw(rt, "killed") {
		agreeOneStep(rt, t.Context(), r, s)
	}
	if c, err := r.Agree(t.Context(), s); err != nil || len(c.Pending)+len(c.Blocked) > 0 {
		rt.Fatal(err, c)
	}
	m.timesStand(rt, t, w, r.schema)
	records := map[string]bool{}
	for _, rows := range []modelTable{m.source, m.stored} {
		for key := range rows {
			if _, left := m.sure[key[0]]; !left || m.source.has(key[0]) {
				records[key[0]] = true
			}
		}
	}
	left := rapid.Permutation(slices.Sorted(maps.Keys(records))).Draw(rt, "order of records")
	var batches []map[string]bool
	for len(left) > 0 {
		n := rapid.IntRange(1, len(left)).Draw(rt, "split")
		batch := map[string]bool{}
		for _, id := range left[:n] {
			batch[id] = true
		}
		batches, left = append(batches, batch), left[n:]
		if rapid.IntRange(0, 3).Draw(rt, "repeat") == 0 {
			batches = append(batches, batch)
		}
	}
	for _, batch := range batches {
		m.loadOne(rt, t, w, r, table, batch)
	}
	if err := r.End(t.Context(), Ending{State: Succeeded, Verdict: Proven}); err != nil {
		rt.Fatal(err)
	}
}

func (m *model) loadOne(rt *rapid.T, t *testing.T, w *Warehouse, r *Run, table *extract.Table, records map[string]bool) {
	rejects := map[string]bool{}
	for _, key := range slices.SortedFunc(maps.Keys(m.source), compareKeys) {
		if records[key[0]] && len(m.sure) == 0 && rapid.IntRange(0, 9).Draw(rt, "rejected") == 0 {
			rejects[fmt.Sprint(key)] = true
		}
	}
	b := m.batch(rt, table, records, rejects)
	before, whereBefore := m.read(rt, t, w, r.schema)
	want := m.expect(records, rejects)
	res, err := r.Load(t.Context(), b)
	if err != nil {
		rt.Fatal(err)
	}
	got := res.Total()
	if err := got.Balance(); err != nil {
		rt.Fatal(err)
	}
	renewed := got.Reencoded
	want.Read += got.Duplicate
	want.Duplicate = got.Duplicate
	got.Unchanged += got.Reencoded
	got.Reencoded, got.Keys, got.Stored = 0, 0, 0
	if diff := cmp.Diff(want, got); diff != "" {
		rt.Fatalf("counts (-want +got):\n%s", diff)
	}
	after, whereAfter := m.read(rt, t, w, r.schema)
	if diff := cmp.Diff(m.stored, after); diff != "" {
		rt.Fatalf("table (-model +table):\n%s", diff)
	}
	for key, row := range after {
		if old, ok := before[key]; !ok || !cmp.Equal(old, row) {
			continue
		}
		was, is := whereBefore[key], whereAfter[key]
		if renewed > 0 { // a fingerprint that is renewed moves the row, never its time
			was, is = was[:22], is[:22]
		}
		if was != is {
			rt.Fatalf("unchanged row %v was touched: %s, was %s", key, is, was)
		}
	}
	archived := map[[3]string]bool{}
	if r.tables[placeOf(table)].t.archive != nil {
		rows, err := w.pool.Query(t.Context(), "SELECT record_id, event, instance::text FROM "+name(r.schema+"_deleted", m.name))
		if err != nil {
			rt.Fatal(err)
		}
		var key [3]string
		if _, err := pgx.ForEachRow(rows, []any{&key[0], &key[1], &key[2]}, func() error { archived[key] = true; return nil }); err != nil {
			rt.Fatal(err)
		}
	}
	if diff := cmp.Diff(m.archive, archived); diff != "" {
		rt.Fatalf("archive (-model +table):\n%s", diff)
	}
}
