package engage

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"syncd/extract"
	fake "syncd/internal/fake/engage"
)

// warehouse does what the loader does with batches, as far as sources can see it: scopes, closings, the brake, marks and memo.
type warehouse struct {
	t      testing.TB
	tables map[string]map[string]string // table, key -> the row's cells and notes
	marks  map[string]string
	memo   []byte

	touched  int // rows that came, changed or went
	deleted  int
	drift    int
	approved bool
}

func newWarehouse(t testing.TB) *warehouse {
	return &warehouse{t: t, tables: map[string]map[string]string{}, marks: map[string]string{}}
}

var errHeld = errors.New("held by the brake")

func (w *warehouse) load(b *extract.Batch) error {
	before := w.touched
	fresh := map[string]map[string]string{}
	for _, rows := range b.Rows {
		fresh[rows.Table.Name] = keyed(w.t, rows)
	}
	if b.Scope != nil {
		if err := w.moveOut(b, fresh); err != nil {
			return err
		}
	}
	for name, rows := range fresh {
		if w.tables[name] == nil {
			w.tables[name] = map[string]string{}
		}
		for key, row := range rows {
			if w.tables[name][key] != row {
				w.touched++
			}
			w.tables[name][key] = row
		}
	}
	for _, m := range b.Marks {
		w.marks[m.Name] = m.Value
	}
	if b.Memo != nil {
		w.memo = slices.Clone(b.Memo)
	}
	if b.Drift {
		w.drift += w.touched - before
	}
	return nil
}

// moveOut moves out the rows of the scope that the batch does not bring. Nothing goes where a key could not be read.
func (w *warehouse) moveOut(b *extract.Batch, fresh map[string]map[string]string) error {
	for _, r := range b.Rejects {
		if r.Key == nil {
			return nil
		}
	}
	in := map[string]bool{}
	for _, key := range b.Scope.Keys {
		in[extract.JoinKey(key...)] = true
	}
	going := map[string][]string{}
	parents := map[string]bool{}
	for _, t := range b.Scope.Tables {
		for key := range w.tables[t.Name] {
			first := extract.SplitKey(key)[0]
			if _, stays := fresh[t.Name][key]; stays || b.Scope.Width > 0 && !in[first] || b.Closing != nil && b.Closing.Keys.Has(first) {
				continue
			}
			going[t.Name] = append(going[t.Name], key)
			parents[first] = true
		}
	}
	if live := len(w.tables[b.Scope.Tables[0].Name]); (b.Closing != nil || b.Vanished) && len(parents) > 0 && !w.approved &&
		(b.Doubt != "" || len(parents) > 20 && len(parents)*10 > live) {
		return errHeld
	}
	for name, keys := range going {
		for _, key := range keys {
			delete(w.tables[name], key)
			w.touched++
			if name == b.Scope.Tables[0].Name {
				w.deleted++ // not what hangs below
			}
		}
	}
	return nil
}

// keyed are rows by their key.
func keyed(t testing.TB, rows *extract.Rows) map[string]string {
	out := map[string]string{}
	notes := rows.Notes()
	for i := range rows.Len() {
		var key, cells []string
		for j, c := range rows.Table.Columns {
			cell, ok := rows.Cell(i, j)
			text := string(cell)
			if c.Key {
				key = append(key, text)
			}
			if !ok {
				text = `\N`
			}
			cells = append(cells, c.Name+"="+text)
		}
		for ; len(notes) > 0 && notes[0].Row == i; notes = notes[1:] {
			cells = append(cells, "_"+string(rune('0'+notes[0].Kind))+notes[0].Column+"="+notes[0].Value)
		}
		if _, twice := out[extract.JoinKey(key...)]; twice {
			t.Errorf("a key stands twice in %s", rows.Table.Name)
		}
		out[extract.JoinKey(key...)] = strings.Join(cells, "\x1e")
	}
	return out
}

// Keys implements extract.Stored.
func (w *warehouse) Keys(_ context.Context, t *extract.Table, yield func(string) error) error {
	for _, key := range w.keys(t.Name) {
		if err := yield(key); err != nil {
			return err
		}
	}
	return nil
}

// Same implements extract.Stored.
func (w *warehouse) Same(_ context.Context, t *extract.Table, keys *extract.KeySet) (bool, error) {
	return slices.Equal(w.keys(t.Name), slices.Collect(keys.All())), nil
}

// keys are the distinct first columns of the keys of a table.
func (w *warehouse) keys(table string) (all []string) {
	for key := range w.tables[table] {
		all = append(all, extract.SplitKey(key)[0])
	}
	sort.Strings(all)
	return slices.Compact(all)
}

// Values implements extract.Stored.
func (w *warehouse) Values(context.Context, *extract.Table, string, func(key, value string) error) error {
	return errors.New("not asked for")
}

// SameValues implements extract.Stored.
func (w *warehouse) SameValues(context.Context, *extract.Table, string, *extract.KeySet) (bool, error) {
	return false, errors.New("not asked for")
}

// Cells implements extract.Stored.
func (w *warehouse) Cells(context.Context, *extract.Table, []string, []string, func([]string) error) error {
	return errors.New("not asked for")
}

// row are the cells of a row that are not NULL, and what is noted beside it.
func (w *warehouse) row(table, key string) map[string]string {
	out := map[string]string{}
	for line := range strings.SplitSeq(w.tables[table][key], "\x1e") {
		if name, text, found := strings.Cut(line, "="); found && text != `\N` {
			out[name] = text
		}
	}
	return out
}

func (w *warehouse) cell(table, key, name string) (text string, ok bool) {
	text, ok = w.row(table, key)[name]
	return text, ok
}

// campus is a fake with a warehouse beside it.
type campus struct {
	*fake.Campus
	*warehouse
	t      testing.TB
	server *fake.Server
	url    string
	o      Options
}

const (
	testKey    = "campus-07"
	testSecret = "not-a-secret"
)

func newCampus(t testing.TB, spec fake.Spec) *campus {
	t.Helper()
	c := fake.NewCampus(spec, time.Now().Add(-time.Hour))
	s := fake.NewServer(c, fake.Options{Keys: []fake.Key{{Public: testKey, Private: testSecret}}})
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	return &campus{Campus: c, warehouse: newWarehouse(t), t: t, server: s, url: web.URL + "/engage/api/", o: Options{Resources: known()}}
}

// source makes a source for one run.
func (c *campus) source(t testing.TB) *Source {
	t.Helper()
	cfg := Config{PublicKey: key(testKey), PrivateKey: key(testSecret)}
	cfg.Endpoint.Name, cfg.Endpoint.URL, cfg.Endpoint.Wait = "engage.campus", c.url, time.Millisecond
	client, err := NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	s, err := New(SourceConfig{Job: "campus", Client: client, Options: c.o, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// try runs once.
func (c *campus) try(full bool) (*extract.Proof, error) {
	c.t.Helper()
	s := c.source(c.t)
	c.touched, c.deleted, c.drift = 0, 0, 0
	since := extract.Since{Full: full, Marks: c.marks, Memo: c.memo}
	if _, err := s.Describe(c.t.Context(), since); err != nil {
		return nil, err
	}
	since.Stored = c.warehouse
	return s.Pull(c.t.Context(), since, c.load)
}

// run runs once, and what it proves has to be true.
func (c *campus) run(full bool) *extract.Proof {
	c.t.Helper()
	proof, err := c.try(full)
	if err != nil {
		c.t.Fatalf("run: %v", err)
	}
	c.holds(proof)
	return proof
}

// holds checks what a run proves against the warehouse.
func (c *campus) holds(proof *extract.Proof) {
	c.t.Helper()
	for _, l := range proof.Listed {
		l.Keys.Sort()
		for i, t := range l.Tables {
			if i == 0 && !slices.Equal(c.keys(t.Name), slices.Collect(l.Keys.All())) {
				c.t.Errorf("%s: %d keys are said to be live, and %d others are", t.Name, l.Keys.Len(), len(c.tables[t.Name]))
			}
			if got := int64(len(c.tables[t.Name])); got != l.Rows[i] {
				c.t.Errorf("%s: %d rows are said to be live, %d are", t.Name, l.Rows[i], got)
			}
		}
	}
}

// agrees checks that the warehouse holds what the campus has, cell by cell. The tables of nested lists are read in tests of
// their own.
func (c *campus) agrees(lists ...string) {
	c.t.Helper()
	hidden := sensitive()
	for _, list := range lists {
		columns := map[string]extract.Type{}
		for _, column := range c.layout(list).table.Columns {
			columns[column.Name] = column.Type
		}
		n, wrong := 0, 0
		for item := range c.Truth(list) {
			n++
			stored := c.row(list, id(item.ID))
			for name, v := range flat(item) {
				t, ok := columns[name]
				if !ok {
					if !slices.Contains(hidden, strings.TrimSuffix(name, lastModifiedSuffix)) {
						c.t.Errorf("%s: no column %s", list, name)
					}
					continue
				}
				want, known := spell(v, t)
				if got, found := stored[name]; (got != want || found != known) && wrong < 5 {
					wrong++
					c.t.Errorf("%s: %s of %d is %q (%v) where the campus has %q", list, name, item.ID, got, found, want)
				}
			}
		}
		if n != len(c.tables[list]) {
			c.t.Errorf("%s: %d rows are stored where the campus has %d", list, len(c.tables[list]), n)
		}
	}
}

// flat are the fields of an item by the name of their column.
func flat(item *fake.Item) map[string]fake.Value {
	out := map[string]fake.Value{}
	for _, f := range item.Fields {
		name := extract.ColumnName(f.Name)
		switch f.Value.Kind {
		case fake.Categories, fake.CustomFields:
			continue
		case fake.Wrapped:
			out[name+lastModifiedSuffix] = fake.Value{Kind: fake.Instant, Number: f.Value.Number}
		}
		if f.Name != gone {
			out[name] = f.Value
		}
	}
	return out
}

func (c *campus) layout(list string) *layout {
	all := layouts(c.o)
	return all[slices.IndexFunc(all, func(l *layout) bool { return l.name == list })]
}

// spell is the canonical text of a value of the campus.
func spell(v fake.Value, t extract.Type) (string, bool) {
	switch v.Kind {
	case fake.Null:
		return "", false
	case fake.Wrapped:
		return spell(*v.Inner, t)
	case fake.Integer:
		return strconv.FormatInt(v.Number, 10), true
	case fake.Flag, fake.Boolean:
		return map[extract.Type][]string{extract.Boolean: {"f", "t"}, extract.Text: {"False", "True"}}[t][v.Number], true
	case fake.Day:
		return v.Date(), true
	case fake.Instant:
		if v.Number == 0 {
			return "", false
		}
		if t == extract.Date {
			return v.Date(), true
		}
		return v.Time().Format("2006-01-02 15:04:05.999999+00"), true
	}
	return v.Text, true
}

func (c *campus) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Error(err)
	}
}

func id(n int64) string { return strconv.FormatInt(n, 10) }

// ids are those of a list in its order.
func (c *campus) ids(list string) (all []int64) {
	for item := range c.Truth(list) {
		all = append(all, item.ID)
	}
	return all
}

func (c *campus) first(list string) int64 { return c.ids(list)[0] }

func (c *campus) last(list string) int64 { all := c.ids(list); return all[len(all)-1] }

// anyOf is an item of a list, not one of others.
func (c *campus) anyOf(list string, others ...int64) int64 {
	for _, one := range c.ids(list)[3:] {
		if !slices.Contains(others, one) {
			return one
		}
	}
	return 0
}
