package load

import (
	"testing"

	"syncd/extract"
)

// visits is a second thing with versions, beside orders.
func visits() *extract.Table {
	return &extract.Table{Name: "visits", Source: "Visit", Versioned: true, Columns: []extract.Column{
		{Name: "record_id", Source: "id", Type: extract.Text, Key: true}, col("status", extract.Text),
	}}
}

func visitRows(t *extract.Table, rows ...[2]string) *extract.Rows {
	out := extract.NewRows(t)
	for _, r := range rows {
		out.Begin()
		out.String(r[0])
		out.String(r[1])
		out.End()
	}
	return out
}

func TestEveryScopeOfABatchIsJudgedForItself(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	parent, child := orders()
	visit := visits()
	r := started(t, w, parent, child, visit)
	both := func(orders *extract.Batch, version string, rows *extract.Rows, keys ...[]string) *extract.Batch {
		s := &extract.Scope{Tables: []*extract.Table{visit}, Width: 1, Keys: keys}
		for range keys {
			s.Versions = append(s.Versions, version)
		}
		orders.Rows, orders.Further = append(orders.Rows, rows), []*extract.Scope{s}
		return orders
	}
	loadInto(t, r, both(stateBatch(parent, child, orderState{"a", "2", "x", 2}), "5", visitRows(visit, [2]string{"v1", "in"}, [2]string{"v2", "in"}), []string{"v1"}, []string{"v2"}))
	// The order is older, the visit newer; the second visit is gone.
	wantCounts(t, loadInto(t, r, both(stateBatch(parent, child, orderState{"a", "1", "old", 1}), "6", visitRows(visit, [2]string{"v1", "out"}), []string{"v1"}, []string{"v2"})),
		Counts{Read: 3, Superseded: 2, Updated: 1, Deleted: 1})
	if got := content(t, w, "asthma", "orders", "record_id", "status", "_version"); got != "a,x,2" {
		t.Errorf("orders: %s", got)
	}
	if got := content(t, w, "asthma", "visits", "record_id", "status", "_version"); got != "v1,out,6" {
		t.Errorf("visits: %s", got)
	}
	if got := content(t, w, "asthma_deleted", "visits", "record_id", "_version"); got != "v2,6" {
		t.Errorf("archive: %s", got)
	}
}

func TestATableIsInOneScopeOfABatchOnly(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	visit := visits()
	r := started(t, w, visit)
	s := &extract.Scope{Tables: []*extract.Table{visit}, Width: 1, Keys: [][]string{{"v1"}}, Versions: []string{"1"}}
	if _, err := r.Load(t.Context(), &extract.Batch{Scope: s, Further: []*extract.Scope{s}}); extract.KindOf(err) != extract.KindInternal {
		t.Errorf("two scopes with one table: %v", err)
	}
}

func TestHistoryIsAddedToAndHasNoArchive(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	visit := visits()
	past := visits()
	past.Side, past.Versioned = extract.History, false
	past.Columns = []extract.Column{past.Columns[0], {Name: "version", Source: "version", Type: extract.Text, Key: true}, past.Columns[1]}
	r := started(t, w, visit, past)
	states := extract.NewRows(past)
	for _, v := range []string{"1", "2"} {
		states.Begin()
		states.String("v1")
		states.String(v)
		states.String("s" + v)
		states.End()
	}
	scope := &extract.Scope{Tables: []*extract.Table{visit}, Width: 1, Keys: [][]string{{"v1"}}, Versions: []string{"2"}}
	loadInto(t, r, &extract.Batch{Scope: scope, Rows: []*extract.Rows{visitRows(visit, [2]string{"v1", "s2"}), states}})
	scope.Versions = []string{"3"}
	loadInto(t, r, &extract.Batch{Scope: scope, Rows: []*extract.Rows{states}}) // gone, and the states once more
	if got := content(t, w, "asthma_history", "visits", "record_id", "version", "status"); got != "v1,1,s1 v1,2,s2" {
		t.Errorf("history: %s", got)
	}
	if got := content(t, w, "asthma_deleted", "visits", "record_id", "_version"); got != "v1,3" {
		t.Errorf("archive: %s", got)
	}
}

func TestViewsFollowTheirWordsAndWaitForTheirTables(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	visit := visits()
	s := &extract.Structure{Partial: true, Tables: []*extract.Table{visit}, Views: []extract.View{
		{Name: "visits_open", Comment: "Open ones", Query: "SELECT record_id FROM {visits} WHERE status = 'in'"},
		{Name: "waits", Query: "SELECT 1 AS one FROM {_history.visits}"},
	}}
	agree := func() *Changes {
		r, err := w.Begin(t.Context(), order())
		if err != nil {
			t.Fatal(err)
		}
		c, err := r.Agree(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.End(t.Context(), Ending{State: Succeeded}); err != nil {
			t.Fatal(err)
		}
		return c
	}
	agree()
	do(t, w, "INSERT INTO asthma.visits (record_id, status, _run_id, _fingerprint) VALUES ('v1', 'in', 1, gen_random_uuid()), ('v2', 'out', 1, gen_random_uuid())")
	if got := ask[string](t, w, "SELECT string_agg(record_id, ',') FROM asthma.visits_open"); got != "v1" {
		t.Errorf("view: %s", got)
	}
	if n := len(agree().Applied); n != 0 {
		t.Errorf("%d changes where nothing changed", n)
	}
	s.Views[0].Query = "SELECT record_id, status FROM {visits}"
	agree()
	if got := ask[string](t, w, "SELECT string_agg(record_id || status, ',' ORDER BY record_id) FROM asthma.visits_open"); got != "v1in,v2out" {
		t.Errorf("view: %s", got)
	}
	s.Views[0].Query = "SELECT status FROM {visits}"
	if c := agree(); len(c.Pending) != 1 || c.Pending[0].Kind != kindView {
		t.Errorf("a column was taken from a view, and pending is %v", c.Pending)
	}
	s.Tables = nil // nothing is needed now, and nothing is news
	agree()
	if got := ask[int](t, w, "SELECT count(*) FROM syncd.table_def WHERE retired_at IS NOT NULL"); got != 0 {
		t.Errorf("%d tables are retired", got)
	}
}
