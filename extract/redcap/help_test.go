package redcap

import (
	"context"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"syncd/extract"
	"syncd/extract/upstream"
	fake "syncd/internal/fake/redcap"
)

// fixtures returns the folder of recorded projects, or skips.
func fixtures(t testing.TB) string {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "shared", "fixtures", "redcap")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("recorded fixtures are not beside the project: ../shared/fixtures")
	}
	return dir
}

// serve serves projects over HTTP on loopback.
func serve(t testing.TB, o fake.Options, projects ...*fake.Project) (*fake.Server, string) {
	t.Helper()
	server := fake.NewServer(o)
	server.Add(projects...)
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	return server, web.URL + "/api/"
}

// source makes a Source of a project that is served at url.
func source(t testing.TB, url, token string, change ...func(*Config)) *Source {
	t.Helper()
	client, err := upstream.New(upstream.Config{}, upstream.Endpoint{Name: "redcap.test", URL: url, Judge: Judge, Tries: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	cfg := Config{Job: "test", Client: client, Token: func(context.Context) (string, error) { return token, nil }}
	for _, c := range change {
		c(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func options(o Options) func(*Config) { return func(c *Config) { c.Options = o } }

// store is a warehouse in memory: what the batches of a pull leave behind.
type store struct {
	t         testing.TB
	tables    map[string]*storedTable
	batches   int
	rejects   []extract.Reject
	marks     []extract.Mark
	vanished  []string
	again     int
	duplicate int
	notes     map[extract.NoteKind]int
}

type storedTable struct {
	table *extract.Table
	rows  map[string]map[string]string // key -> column -> text; NULL is absent; notes under their kind
}

func newStore(t testing.TB) *store {
	return &store{t: t, tables: map[string]*storedTable{}, notes: map[extract.NoteKind]int{}}
}

// load makes the store agree with a batch inside its scope, as the contract says.
func (s *store) load(b *extract.Batch) error {
	s.t.Helper()
	s.batches++
	s.rejects = append(s.rejects, b.Rejects...)
	s.marks = append(s.marks, b.Marks...)
	if b.Again {
		s.again++
	}
	blocked := slices.ContainsFunc(b.Rejects, func(r extract.Reject) bool { return r.Key == nil })
	if b.Scope != nil && !blocked {
		s.remove(b)
	}
	for _, rows := range b.Rows {
		s.add(rows)
	}
	return nil
}

func (s *store) remove(b *extract.Batch) {
	keys := map[string]bool{}
	for _, k := range b.Scope.Keys {
		keys[extract.JoinKey(k...)] = true
		if b.Vanished {
			s.vanished = append(s.vanished, k...)
		}
	}
	for _, t := range b.Scope.Tables {
		for key := range s.of(t).rows {
			parts := extract.SplitKey(key)
			if keys[extract.JoinKey(parts[:b.Scope.Width]...)] || b.Scope.Width == 0 {
				delete(s.of(t).rows, key)
			}
		}
	}
}

func (s *store) of(t *extract.Table) *storedTable {
	name := string(t.Side) + "." + t.Name
	if s.tables[name] == nil {
		s.tables[name] = &storedTable{rows: map[string]map[string]string{}}
	}
	s.tables[name].table = t
	return s.tables[name]
}

func (s *store) add(rows *extract.Rows) {
	s.t.Helper()
	into := s.of(rows.Table)
	s.duplicate += rows.Duplicates
	list, seen := make([]map[string]string, rows.Len()), map[string]bool{}
	for i := range rows.Len() {
		row, key := map[string]string{}, []string{}
		for j, c := range rows.Table.Columns {
			text, ok := rows.Cell(i, j)
			if ok {
				row[c.Name] = string(text)
			}
			if c.Key {
				key = append(key, string(text))
			}
		}
		k := extract.JoinKey(key...)
		if seen[k] {
			s.t.Errorf("table %s: a key stands twice in a batch", rows.Table.Name)
		}
		seen[k] = true
		into.rows[k], list[i] = row, row
	}
	for _, n := range rows.Notes() {
		s.notes[n.Kind]++
		list[n.Row][fmt.Sprintf("%d:%s", n.Kind, n.Column)] = n.Value
	}
}

// Keys implements extract.Stored.
func (s *store) Same(ctx context.Context, t *extract.Table, keys *extract.KeySet) (bool, error) {
	stored := new(extract.KeySet)
	err := s.Keys(ctx, t, func(key string) error { stored.Add(key); return nil })
	stored.Sort()
	return slices.Equal(slices.Collect(stored.All()), slices.Collect(keys.All())), err
}

func (s *store) Values(ctx context.Context, t *extract.Table, column string, yield func(key, value string) error) error {
	return s.Keys(ctx, t, func(key string) error { return yield(key, s.of(t).rows[key][column]) })
}

func (s *store) SameValues(ctx context.Context, t *extract.Table, column string, pairs *extract.KeySet) (bool, error) {
	stored := new(extract.KeySet)
	err := s.Values(ctx, t, column, func(key, value string) error { stored.Add(extract.JoinKey(key, value)); return nil })
	stored.Sort()
	return slices.Equal(slices.Collect(stored.All()), slices.Collect(pairs.All())), err
}

func (s *store) Cells(_ context.Context, t *extract.Table, keys, columns []string, yield func([]string) error) error {
	rows := s.of(t).rows
	for _, key := range slices.Sorted(maps.Keys(rows)) {
		if keys != nil && !slices.Contains(keys, extract.SplitKey(key)[0]) {
			continue
		}
		cells := make([]string, len(columns))
		for i, c := range columns {
			cells[i] = rows[key][c]
		}
		if err := yield(cells); err != nil {
			return err
		}
	}
	return nil
}

func (s *store) Keys(_ context.Context, t *extract.Table, yield func(string) error) error {
	seen := map[string]bool{}
	for key := range s.of(t).rows {
		seen[extract.SplitKey(key)[0]] = true
	}
	all := []string{}
	for key := range seen {
		all = append(all, key)
	}
	slices.Sort(all)
	for _, key := range all {
		if err := yield(key); err != nil {
			return err
		}
	}
	return nil
}

// pullInto describes and pulls a source into a store.
func pullInto(t testing.TB, src *Source, s *store) (*extract.Structure, *extract.Proof, error) {
	t.Helper()
	structure, err := src.Describe(t.Context(), extract.Since{})
	if err != nil {
		return nil, nil, err
	}
	for _, table := range structure.Tables {
		if err := table.Check(); err != nil {
			t.Error(err)
		}
	}
	proof, err := src.Pull(t.Context(), extract.Since{Full: true, Stored: s}, s.load)
	return structure, proof, err
}

// row returns a stored row by table and key.
func (s *store) row(table string, key ...string) map[string]string {
	if s.tables[table] == nil {
		return nil
	}
	return s.tables[table].rows[extract.JoinKey(key...)]
}

// count returns the rows of a table.
func (s *store) count(table string) int {
	if s.tables[table] == nil {
		return -1
	}
	return len(s.tables[table].rows)
}

func mustPull(t testing.TB, src *Source, s *store) (*extract.Structure, *extract.Proof) {
	t.Helper()
	structure, proof, err := pullInto(t, src, s)
	if err != nil {
		t.Fatalf("pull: %v\n%s", err, strings.Repeat(" ", 4)+fmt.Sprintf("%+v", err))
	}
	return structure, proof
}
