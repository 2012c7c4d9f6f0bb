package load

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"syncd/extract"
)

// orders is a versioned table and one that belongs to it.
func orders() (parent, child *extract.Table) {
	key := extract.Column{Name: "record_id", Source: "id", Type: extract.Text, Key: true}
	item := extract.Column{Name: "item", Source: "item", Type: extract.Integer, Key: true}
	return &extract.Table{Name: "orders", Source: "Order", Versioned: true, Columns: []extract.Column{key, col("status", extract.Text)}},
		&extract.Table{Name: "results", Source: "Result", Columns: []extract.Column{key, item, col("value", extract.Text)}}
}

// orderState is one state of one order; Items < 0 is its deletion.
type orderState struct {
	ID, Version, Status string
	Items               int
}

func stateBatch(parent, child *extract.Table, states ...orderState) *extract.Batch {
	p, c := extract.NewRows(parent), extract.NewRows(child)
	b := &extract.Batch{Rows: []*extract.Rows{p, c}, Scope: &extract.Scope{Tables: []*extract.Table{parent, child}, Width: 1, Reason: "deleted"}}
	for _, s := range states {
		b.Scope.Keys, b.Scope.Versions = append(b.Scope.Keys, []string{s.ID}), append(b.Scope.Versions, s.Version)
		if s.Items < 0 {
			continue
		}
		p.Begin()
		p.String(s.ID)
		p.String(s.Status)
		p.End()
		for i := range s.Items {
			c.Begin()
			c.String(s.ID)
			c.String(fmt.Sprint(i))
			c.String(s.Status)
			c.End()
		}
	}
	return b
}

func TestOlderStateOfAScopeChangesNothing(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	parent, child := orders()
	r := started(t, w, parent, child)
	load := func(states ...orderState) *Result { return loadInto(t, r, stateBatch(parent, child, states...)) }
	wantCounts(t, load(orderState{"a", "2", "final", 2}, orderState{"b", "2", "final", 0}), Counts{Read: 4, Inserted: 4})
	wantCounts(t, load(orderState{"a", "1", "early", 3}, orderState{"b", "3", "final", 0}), Counts{Read: 5, Superseded: 4, Unchanged: 1})
	changed := content(t, w, "asthma", "orders", "record_id", "_version", "_changed_at = _inserted_at")
	if changed != "a,2,t b,3,t" {
		t.Errorf("orders: %s", changed)
	}
	wantCounts(t, load(orderState{ID: "a", Version: "5", Items: -1}), Counts{Deleted: 3})
	wantCounts(t, load(orderState{"a", "4", "late", 1}), Counts{Read: 2, Superseded: 2})
	wantCounts(t, load(orderState{ID: "never", Version: "2", Items: -1}), Counts{})
	wantCounts(t, load(orderState{"never", "1", "early", 1}), Counts{Read: 2, Superseded: 2})
	wantCounts(t, load(orderState{"never", "3", "back", 1}), Counts{Read: 2, Inserted: 2})
	if got := content(t, w, "asthma_deleted", "orders", "record_id", "_version"); got != "a,5" {
		t.Errorf("archive: %s", got)
	}
}

// Any order and any repetition of states, in any batches, leaves the newest state of every order.
func TestStatesInAnyOrderLeaveTheNewest(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	var schemas atomic.Int64
	rapid.Check(t, func(rt *rapid.T) {
		var all []orderState
		newest := map[string]orderState{}
		for i := range rapid.IntRange(1, 10).Draw(rt, "states") {
			s := orderState{
				ID: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "id"), Version: fmt.Sprintf("%03d", i),
				Status: rapid.SampledFrom([]string{"x", "y"}).Draw(rt, "status"), Items: rapid.IntRange(-1, 2).Draw(rt, "items"),
			}
			all = append(all, s)
			newest[s.ID] = s
		}
		all = append(all, rapid.SliceOfN(rapid.SampledFrom(all), 0, 5).Draw(rt, "again")...)
		all = rapid.Permutation(all).Draw(rt, "order")

		o := order()
		o.Job = fmt.Sprintf("job%d", schemas.Add(1))
		o.Schema = o.Job
		r, err := w.Begin(t.Context(), o)
		if err != nil {
			rt.Fatal(err)
		}
		parent, child := orders()
		if _, err := r.Agree(t.Context(), &extract.Structure{Tables: []*extract.Table{parent, child}}); err != nil {
			rt.Fatal(err)
		}
		for len(all) > 0 {
			taken := map[string]bool{}
			var batch []orderState
			for len(all) > 0 && !taken[all[0].ID] && (len(batch) == 0 || rapid.Bool().Draw(rt, "same batch")) {
				taken[all[0].ID] = true
				batch, all = append(batch, all[0]), all[1:]
			}
			res, err := r.Load(t.Context(), stateBatch(parent, child, batch...))
			if err != nil {
				rt.Fatal(err)
			}
			if err := res.Total().Balance(); err != nil {
				rt.Fatal(err)
			}
		}
		want := ""
		for _, id := range []string{"a", "b", "c"} {
			if s, ok := newest[id]; ok && s.Items >= 0 {
				want += fmt.Sprintf("%s:%s:%s:%d ", id, s.Version, s.Status, s.Items)
			}
		}
		got := ask[string](t, w, fmt.Sprintf(`SELECT coalesce(string_agg(concat_ws(':', record_id, _version, status,
			(SELECT count(*) FROM %[1]s.results AS r WHERE r.record_id = o.record_id AND r.value = o.status)) || ' ', '' ORDER BY record_id), '') FROM %[1]s.orders AS o`, o.Schema))
		orphans := ask[int](t, w, fmt.Sprintf("SELECT count(*) FROM %[1]s.results AS r WHERE NOT EXISTS (SELECT FROM %[1]s.orders AS o WHERE o.record_id = r.record_id AND o.status = r.value)", o.Schema))
		if diff := cmp.Diff(want, got); diff != "" || orphans > 0 {
			rt.Fatalf("orders (-want +got), %d orphans:\n%s", orphans, diff)
		}
	})
}
