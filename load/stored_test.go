package load

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"syncd/extract"
)

func TestStoredValuesComeByKeyAndAreComparedWithPairs(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	record, visits := clinicTables()
	record.Columns = append(record.Columns, col("n", extract.Integer))
	r := started(t, w, record, visits)
	stored := r.Stored()
	empty, some := new(extract.KeySet), new(extract.KeySet)
	some.Add(extract.JoinKey("1", "g"))
	for pairs, want := range map[*extract.KeySet]bool{empty: true, some: false} {
		if same, err := stored.SameValues(t.Context(), record, "grp", pairs); err != nil || same != want {
			t.Errorf("an empty table holds %d pairs: %v, %v", pairs.Len(), same, err)
		}
	}

	groups := map[string]string{"10": "north", "9": "", "a": "ü€😀", "Z": "a:b\tc", "a b": "north"}
	rows := extract.NewRows(record)
	for id, group := range groups {
		cell := group
		if id == "9" {
			cell = null // NULL is the empty text
		}
		noted(rows, []string{id, cell, "1"})
	}
	loadInto(t, r, &extract.Batch{Scope: &extract.Scope{Tables: []*extract.Table{record}}, Rows: []*extract.Rows{rows}})
	var keys []string
	got := map[string]string{}
	if err := stored.Values(t.Context(), record, "grp", func(key, value string) error {
		keys, got[key] = append(keys, key), value
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(groups, got); diff != "" || !slices.IsSorted(keys) {
		t.Errorf("values of %v (-want +got):\n%s", keys, diff)
	}
	pairs := func(change map[string]string) *extract.KeySet {
		set := new(extract.KeySet)
		for id, group := range groups {
			if to, ok := change[id]; ok {
				group = to
			}
			set.Add(extract.JoinKey(id, group))
		}
		set.Sort()
		return set
	}
	for want, change := range map[bool]map[string]string{true: nil, false: {"10": "south"}} {
		if same, err := stored.SameValues(t.Context(), record, "grp", pairs(change)); err != nil || same != want {
			t.Errorf("with %v: %v, %v", change, same, err)
		}
	}
	moved := pairs(map[string]string{"9": "north", "10": ""}) // the same values, of others
	if same, err := stored.SameValues(t.Context(), record, "grp", moved); err != nil || same {
		t.Errorf("values of other keys: %v, %v", same, err)
	}

	nothing := func(string, string) error { return fmt.Errorf("a value came") }
	if err := stored.Values(t.Context(), record, "unknown", nothing); err != nil {
		t.Errorf("a column that is not stored yet: %v", err)
	}
	for _, wrong := range []struct {
		table  *extract.Table
		column string
	}{{visits, "note"}, {record, "n"}} {
		if err := stored.Values(t.Context(), wrong.table, wrong.column, nothing); extract.KindOf(err) != extract.KindInternal {
			t.Errorf("%s of %s: %v", wrong.column, wrong.table.Name, err)
		}
	}
}

func TestStoredValuesAreReadPageByPage(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	record, _ := clinicTables()
	r := started(t, w, record)
	do(t, w, "INSERT INTO asthma.record SELECT i::text, 'g' || i, 1, gen_random_uuid() FROM generate_series(1, $1::integer) AS i", 2*keyPage+1)
	n, last := 0, ""
	if err := r.Stored().Values(t.Context(), record, "grp", func(key, value string) error {
		if value != "g"+key || key <= last {
			return fmt.Errorf("%q after %q holds %q", key, last, value)
		}
		n, last = n+1, key
		return nil
	}); err != nil || n != 2*keyPage+1 {
		t.Errorf("%d values, %v", n, err)
	}
	stop := fmt.Errorf("enough")
	if err := r.Stored().Values(t.Context(), record, "grp", func(string, string) error { return stop }); err != stop {
		t.Errorf("the reader's own error came back as %v", err)
	}
}

func TestMemoIsKeptBesideMarksAndForgottenWithThem(t *testing.T) {
	t.Parallel()
	w := ledger(t)
	r := begin(t, w, order())
	memo := func(r *Run, full bool) string {
		t.Helper()
		since, err := r.Since(t.Context(), full)
		if err != nil {
			t.Fatal(err)
		}
		if since.Memo == nil {
			return "none"
		}
		return string(since.Memo)
	}
	marks := []extract.Mark{{Name: "changes", Value: "1"}}
	for _, step := range []struct {
		what string
		b    *extract.Batch
		want string
	}{
		{"without marks", &extract.Batch{Memo: []byte("early")}, "none"},
		{"with a position", &extract.Batch{Memo: []byte("early"), Position: "5"}, "none"},
		{"with marks", &extract.Batch{Memo: []byte("one"), Marks: marks}, "one"},
		{"marks without one", &extract.Batch{Marks: marks}, "one"},
		{"another, without marks", &extract.Batch{Memo: []byte("two")}, "one"},
		{"an empty one", &extract.Batch{Memo: []byte{}, Marks: marks}, ""},
		{"another", &extract.Batch{Memo: []byte("three\x00\xff"), Marks: marks}, "three\x00\xff"},
	} {
		keep(t, r, step.b)
		if got := memo(r, false); got != step.want {
			t.Errorf("%s: %q, want %q", step.what, got, step.want)
		}
	}
	if got := memo(r, true); got != "three\x00\xff" {
		t.Errorf("a full run is given %q", got)
	}
	rehearsed, err := w.Marks(t.Context(), order(), false)
	if err != nil || string(rehearsed.Memo) != "three\x00\xff" || rehearsed.Stored != nil || rehearsed.Marks["changes"] != "1" {
		t.Errorf("a rehearsal is given %+v, %v", rehearsed, err)
	}
	end(t, r, Ending{State: Succeeded})

	other := order()
	other.Job, other.Schema = "other", "other"
	if got := memo(begin(t, w, other), false); got != "none" {
		t.Errorf("another job is given %q", got)
	}
	moved := order()
	moved.Schema = "lungs"
	if got := memo(begin(t, w, moved), false); got != "none" {
		t.Errorf("in a new schema the job is given %q", got)
	}
}

func TestMemoOfABatchThatFailedIsNotKept(t *testing.T) {
	t.Parallel()
	w, p := warehouse(t), people()
	r := started(t, w, p)
	asOwner(t, w, "ALTER TABLE syncd.batch ADD CONSTRAINT no CHECK (seq < 0) NOT VALID")
	b := many(p, ids(1, 2))
	b.Marks, b.Memo = []extract.Mark{{Name: "changes", Value: "1"}}, []byte("memo")
	if _, err := r.Load(t.Context(), b); err == nil {
		t.Fatal("nothing failed")
	}
	if n := ask[int](t, w, "SELECT count(*) FROM syncd.memo"); n != 0 {
		t.Error("the memo of a batch that failed was kept")
	}
}

func TestKeysThatAreNumbersComeAsTextAndStopWhenTold(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	list := &extract.Table{Name: "list", Columns: []extract.Column{{Name: "id", Type: extract.Bigint, Key: true}, col("name", extract.Text)}}
	r := started(t, w, list)
	rows := extract.NewRows(list)
	want := new(extract.KeySet)
	for i := range 50 {
		id := fmt.Sprint(i * 7)
		want.Add(id)
		noted(rows, []string{id, "x"})
	}
	want.Sort()
	loadInto(t, r, &extract.Batch{Rows: []*extract.Rows{rows}})
	var got []string
	if err := r.Stored().Keys(t.Context(), list, func(key string) error { got = append(got, key); return nil }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(slices.Collect(want.All()), got); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	if same, err := r.Stored().Same(t.Context(), list, want); !same || err != nil {
		t.Errorf("the same keys are others: %v", err)
	}
	stop, n := errors.New("enough"), 0
	if err := r.Stored().Keys(t.Context(), list, func(string) error { n++; return stop }); err != stop || n != 1 {
		t.Errorf("stopped with %v after %d keys", err, n)
	}
}
