// Package sourcetest is the conformance suite of extract.Source: the promises of its contract that can be seen from
// outside, run by every source against its fake.
//
// In comes a Subject: how to make a fresh source over an upstream that stays as it is, and how to ask that upstream
// whether anybody wrote to it. Out come test failures. It promises to judge a source by batches and errors alone; it
// must never know which source it is looking at.
package sourcetest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"syncd/extract"
)

// Subject is a source under test. Its upstream must hold enough for several batches and must not change while the
// suite runs.
type Subject struct {
	// New makes a fresh source for one run.
	New func(t testing.TB) extract.Source
	// Wrote returns an error if the upstream saw a call that writes.
	Wrote func() error
	// Marks are the names of the marks that a finished pull leaves.
	Marks []string
}

// Run runs the suite.
func Run(t *testing.T, s Subject) {
	t.Run("structure can be made and is the same each time", s.structure)
	t.Run("batches are well formed and lie inside their scope", s.batches)
	t.Run("buffers may be taken back after yield", s.reuse)
	t.Run("an error of yield comes back as it is, at once", s.yieldError)
	t.Run("a cancelled context ends the pull", s.cancelled)
	t.Run("the last batch carries the marks", s.marks)
	t.Run("two pulls of an unchanged upstream say the same", s.repeated)
	t.Run("nothing was written", s.readOnly)
}

// Nothing is an empty warehouse.
type Nothing struct{}

// Keys implements extract.Stored.
func (Nothing) Keys(context.Context, *extract.Table, func(string) error) error { return nil }

// Same holds for no keys only.
func (Nothing) Same(_ context.Context, _ *extract.Table, keys *extract.KeySet) (bool, error) {
	return keys.Len() == 0, nil
}

// Values implements extract.Stored.
func (Nothing) Values(context.Context, *extract.Table, string, func(key, value string) error) error {
	return nil
}

// SameValues holds for no pairs only.
func (Nothing) SameValues(_ context.Context, _ *extract.Table, _ string, pairs *extract.KeySet) (bool, error) {
	return pairs.Len() == 0, nil
}

// Cells implements extract.Stored.
func (Nothing) Cells(context.Context, *extract.Table, []string, []string, func([]string) error) error {
	return nil
}

var since = extract.Since{Full: true, Stored: Nothing{}}

// pull describes a fresh source and pulls it.
func (s Subject) pull(t *testing.T, yield func(*extract.Batch) error) (*extract.Structure, *extract.Proof, error) {
	t.Helper()
	src := s.New(t)
	structure, err := src.Describe(t.Context(), extract.Since{})
	if err != nil {
		t.Fatalf("describe: %v", err)
	}
	proof, err := src.Pull(t.Context(), since, yield)
	return structure, proof, err
}

func (s Subject) structure(t *testing.T) {
	first, err := s.New(t).Describe(t.Context(), extract.Since{})
	if err != nil {
		t.Fatal(err)
	}
	if first.Identity.Server == "" || first.Identity.ID == "" {
		t.Errorf("identity has no server or no id")
	}
	names := map[string]bool{}
	for _, table := range first.Tables {
		if err := table.Check(); err != nil {
			t.Error(err)
		}
		name := string(table.Side) + "." + table.Name
		if names[name] {
			t.Errorf("table %s stands twice", name)
		}
		names[name] = true
		if extract.PostgresName(table.Name) != table.Name {
			t.Errorf("table name %q needs mapping", table.Name)
		}
		for _, c := range table.Columns {
			if extract.PostgresName(c.Name) != c.Name {
				t.Errorf("table %s: column name %q needs mapping", table.Name, c.Name)
			}
			if slices.Contains(table.Unnamed, c.Name) {
				t.Errorf("table %s: column %s is both named and unnamed", table.Name, c.Name)
			}
		}
	}
	second, err := s.New(t).Describe(t.Context(), extract.Since{})
	if err != nil {
		t.Fatal(err)
	}
	if len(second.Tables) != len(first.Tables) {
		t.Fatalf("a second look found %d tables, the first %d", len(second.Tables), len(first.Tables))
	}
	for i, table := range second.Tables {
		if table.Name != first.Tables[i].Name || !slices.Equal(table.Columns, first.Tables[i].Columns) {
			t.Errorf("table %s differs between two looks", table.Name)
		}
	}
}

func (s Subject) batches(t *testing.T) {
	declared := map[*extract.Table]bool{}
	src := s.New(t)
	structure, err := src.Describe(t.Context(), extract.Since{})
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range structure.Tables {
		declared[table] = true
	}
	proof, err := src.Pull(t.Context(), since, func(b *extract.Batch) error {
		checkBatch(t, declared, b)
		return nil
	})
	if err != nil {
		t.Fatalf("pull: %v", err)
	}
	if proof == nil || proof.Requests <= 0 || proof.Bytes <= 0 {
		t.Errorf("proof %+v does not tell what the pull cost", proof)
	}
	if proof != nil && proof.Table != nil && !declared[proof.Table] {
		t.Errorf("the proof names table %s, which was not declared", proof.Table.Name)
	}
}

// checkBatch looks at one batch by itself.
func checkBatch(t *testing.T, declared map[*extract.Table]bool, b *extract.Batch) {
	t.Helper()
	if b.Closing != nil && len(b.Rows) > 0 {
		t.Error("a closing batch has rows")
	}
	if b.Vanished && b.Scope == nil {
		t.Error("a batch of vanished keys has no scope")
	}
	if b.Scope == nil && len(b.Further) > 0 {
		t.Error("further scopes stand beside none")
	}
	in := map[*extract.Table]*scope{}
	for _, s := range append([]*extract.Scope{b.Scope}, b.Further...) {
		if s != nil {
			checkScope(t, declared, s, in)
		}
	}
	for _, rows := range b.Rows {
		if !declared[rows.Table] {
			t.Errorf("a batch has rows of table %s, which was not declared", rows.Table.Name)
		}
		if b.Scope != nil && rows.Len() > 0 && in[rows.Table] == nil && rows.Table.Side != extract.History {
			t.Errorf("rows of table %s stand outside of the tables of the scope", rows.Table.Name)
		}
		checkRows(t, in[rows.Table], rows)
	}
	for _, r := range b.Rejects {
		if r.Rule == "" || !declared[r.Table] {
			t.Errorf("a reject has no rule or a table that was not declared")
		}
	}
}

// scope is a scope with its keys.
type scope struct {
	*extract.Scope
	keys map[string]bool
}

// checkScope looks at one scope of a batch, and notes which tables are in it.
func checkScope(t *testing.T, declared map[*extract.Table]bool, s *extract.Scope, in map[*extract.Table]*scope) {
	t.Helper()
	if s.Reason == "" {
		t.Error("a scope has no reason")
	}
	if s.Versions != nil && len(s.Versions) != len(s.Keys) {
		t.Errorf("a scope has %d versions for %d keys", len(s.Versions), len(s.Keys))
	}
	known := &scope{s, map[string]bool{}}
	for _, table := range s.Tables {
		if !declared[table] {
			t.Errorf("a scope names table %s, which was not declared", table.Name)
		}
		if in[table] != nil {
			t.Errorf("table %s is in two scopes of a batch", table.Name)
		}
		in[table] = known
	}
	for _, key := range s.Keys {
		if len(key) != s.Width {
			t.Errorf("a key of the scope has %d columns, want %d", len(key), s.Width)
		}
		known.keys[extract.JoinKey(key...)] = true
	}
	if len(known.keys) != len(s.Keys) {
		t.Errorf("%d of %d keys of a scope stand twice", len(s.Keys)-len(known.keys), len(s.Keys))
	}
}

// checkRows looks at the rows of one table: cells are canonical, keys are whole, apart, and inside the scope.
func checkRows(t *testing.T, in *scope, rows *extract.Rows) {
	t.Helper()
	table := rows.Table
	seen := map[string]bool{}
	for i := range rows.Len() {
		var key []string
		for j, c := range table.Columns {
			text, ok := rows.Cell(i, j)
			if c.Key {
				if !ok {
					t.Errorf("table %s: key column %s is NULL", table.Name, c.Name)
				}
				key = append(key, string(text))
			}
			if !ok {
				continue
			}
			if again, err := extract.Append(nil, c.Type, text); err != nil || !bytes.Equal(again, text) {
				t.Errorf("table %s: a cell of column %s is not the canonical text of %s (%v)", table.Name, c.Name, c.Type, err)
			}
		}
		joined := extract.JoinKey(key...)
		if seen[joined] {
			t.Errorf("table %s: a key stands twice in a batch", table.Name)
		}
		seen[joined] = true
		if in != nil && in.Width > 0 && !in.keys[extract.JoinKey(key[:in.Width]...)] {
			t.Errorf("table %s: a row lies outside of the scope of its batch", table.Name)
		}
	}
	last := 0
	for _, n := range rows.Notes() {
		if n.Row < last || n.Row >= rows.Len() {
			t.Errorf("table %s: notes are out of order or of no row", table.Name)
		}
		last = n.Row
		at := slices.IndexFunc(table.Columns, func(c extract.Column) bool { return c.Name == n.Column })
		if n.Kind == extract.Extra {
			continue
		}
		if at < 0 {
			t.Errorf("table %s: a note names column %s, which is not there", table.Name, n.Column)
		} else if _, ok := rows.Cell(n.Row, at); ok {
			t.Errorf("table %s: column %s has both a value and a note", table.Name, n.Column)
		}
	}
}

// reuse spoils what it is handed on the way back, as a callee may not, and as a source must not mind.
func (s Subject) reuse(t *testing.T) {
	var clean, spoilt [][]byte
	if _, _, err := s.pull(t, func(b *extract.Batch) error {
		clean = append(clean, digest(b))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.pull(t, func(b *extract.Batch) error {
		spoilt = append(spoilt, digest(b))
		for _, rows := range b.Rows {
			rows.Reset()
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(sorted(clean), sorted(spoilt)) {
		t.Error("what a pull says depends on what its callee leaves of a batch")
	}
}

func (s Subject) yieldError(t *testing.T) {
	stop := errors.New("the warehouse is away")
	for fail := range 4 {
		n, after := 0, 0
		_, _, err := s.pull(t, func(*extract.Batch) error {
			if n > fail {
				after++
			}
			n++
			if n > fail {
				return stop
			}
			return nil
		})
		if n <= fail {
			return // fewer batches than that
		}
		if err != stop {
			t.Errorf("batch %d: pull returned %v, want yield's own error", fail, err)
		}
		if after > 0 {
			t.Errorf("batch %d: yield was called %d times after its error", fail, after)
		}
	}
}

func (s Subject) cancelled(t *testing.T) {
	src := s.New(t)
	if _, err := src.Describe(t.Context(), extract.Since{}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	_, err := src.Pull(ctx, since, func(*extract.Batch) error {
		calls++
		cancel()
		return nil
	})
	cancel()
	if err == nil && calls > 1 {
		t.Errorf("the pull went on for %d batches after its context was cancelled", calls)
	}
	dead, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.New(t).Describe(dead, extract.Since{}); err == nil {
		t.Error("describe succeeded under a cancelled context")
	}
}

func (s Subject) marks(t *testing.T) {
	var last []extract.Mark
	early := 0
	if _, _, err := s.pull(t, func(b *extract.Batch) error {
		early += len(last)
		last = slices.Clone(b.Marks)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if early > 0 {
		t.Error("a batch before the last carries marks")
	}
	var names []string
	for _, m := range last {
		names = append(names, m.Name)
		if m.Value == "" {
			t.Errorf("mark %s is empty", m.Name)
		}
	}
	slices.Sort(names)
	want := slices.Sorted(slices.Values(s.Marks))
	if !slices.Equal(names, want) {
		t.Errorf("the last batch carries marks %q, want %q", names, want)
	}
}

func (s Subject) repeated(t *testing.T) {
	var runs [2][][]byte
	for i := range runs {
		if _, _, err := s.pull(t, func(b *extract.Batch) error {
			runs[i] = append(runs[i], digest(b))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(sorted(runs[0]), sorted(runs[1])) {
		t.Error("two pulls of an unchanged upstream differ")
	}
}

func (s Subject) readOnly(t *testing.T) {
	if err := s.Wrote(); err != nil {
		t.Error(err)
	}
}

// digest is the text of a batch's rows, marks apart.
func digest(b *extract.Batch) []byte {
	var d []byte
	for _, rows := range b.Rows {
		for i := range rows.Len() {
			d = append(append(d, rows.Table.Name...), '\n')
			for j := range rows.Table.Columns {
				text, ok := rows.Cell(i, j)
				if !ok {
					text = []byte(`\N`)
				}
				d = append(append(d, text...), '\t')
			}
			d = append(d, '\n')
		}
		for _, n := range rows.Notes() {
			d = append(append(append(append(d, n.Column...), '='), n.Value...), '\n')
		}
	}
	return d
}

// sorted returns the lines of all batches in order, so that the cut between batches does not count.
func sorted(batches [][]byte) []string {
	var lines []string
	for _, b := range batches {
		for line := range bytes.Lines(b) {
			lines = append(lines, string(line))
		}
	}
	slices.Sort(lines)
	return lines
}
