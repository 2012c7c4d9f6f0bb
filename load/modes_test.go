package load

import (
	"testing"

	"syncd/extract"
)

func TestRowsThatAreDeletedForGoodAreInNoArchive(t *testing.T) {
	t.Parallel()
	w, p := warehouse(t), people()
	r := started(t, w, p)
	loadInto(t, r, many(p, ids(1, 9)))
	wantCounts(t, loadInto(t, r, one([]string{"9"}, p)), Counts{Deleted: 1})
	end(t, r, Ending{State: Succeeded})

	o := order()
	o.Deletes = ForGood
	r = begin(t, w, o)
	agree(t, r, p)
	wantCounts(t, loadInto(t, r, one(ids(1, 4), p, person("1", "n1", "1"))), Counts{Read: 1, Unchanged: 1, Deleted: 3})
	keys := &extract.KeySet{}
	for _, id := range []string{"1", "5", "6", "7"} {
		keys.Add(id)
	}
	keys.Sort()
	wantCounts(t, loadInto(t, r, &extract.Batch{Scope: &extract.Scope{Tables: []*extract.Table{p}}, Closing: &extract.Closing{Width: 1, Keys: keys}}), Counts{Deleted: 1})
	if got := content(t, w, "asthma", "people", "record_id"); got != "1 5 6 7" {
		t.Errorf("table holds %s", got)
	}
	if got := content(t, w, "asthma_deleted", "people", "record_id"); got != "9" {
		t.Errorf("the archive holds %s", got)
	}
	wantCounts(t, loadInto(t, r, many(p, []string{"9"})), Counts{Read: 1, Inserted: 1})
	if got := content(t, w, "asthma_deleted", "people", "record_id"); got != "" {
		t.Errorf("a row that came back is in the archive: %s", got)
	}
}

func TestFirstRowDeletedForGoodMakesNoArchive(t *testing.T) {
	t.Parallel()
	w, p := warehouse(t), people()
	o := order()
	o.Deletes = ForGood
	r := begin(t, w, o)
	agree(t, r, p)
	loadInto(t, r, many(p, ids(1, 2)))
	wantCounts(t, loadInto(t, r, one(ids(1, 2), p)), Counts{Deleted: 2})
	if n := ask[int](t, w, "SELECT count(*) FROM pg_namespace WHERE nspname = 'asthma_deleted'"); n != 0 {
		t.Error("there is a schema for what is deleted")
	}
}

func TestFrozenTablesStayAsTheyAreAndTheirDataLoads(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	before := with(col("a", extract.Text), col("n", extract.Smallint), col("gone", extract.Text), col("old", extract.Text))
	r := started(t, w, before, form("f", "x"))
	loadInto(t, r, one([]string{"1"}, before, []string{"1", "", "1", "a", "1", "stays", "was old"}))
	const columns = "SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'asthma.people'::regclass AND attnum > 0"
	shape := ask[string](t, w, columns)
	end(t, r, Ending{State: Succeeded})

	after := with(col("a", extract.Text), col("n", extract.Integer), col("new", extract.Text), col("young", extract.Text))
	other := form("other", "y")
	s := renames("1", []*extract.Table{after, form("g", "x"), other},
		renamedColumn("people", "old", "young"), renamedTable("f", "g"))
	o := order()
	o.Drift = Freeze
	h, err := w.Rehearse(t.Context(), o, s)
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range h.Statements {
		if st.Table != "other" && st.Kind != kindComment || st.Table == "g" {
			t.Errorf("rehearsed: %+v", st.Change)
		}
	}
	for range 2 {
		r = begin(t, w, o)
		c := mustAgree(t, r, s)
		wantKinds(t, "pending", c.Pending, "add new", "rename", "rename young", "retire gone", "widen n")
		for _, p := range c.Pending {
			if p.Reason != `drift = "freeze"` {
				t.Errorf("%s waits because %s", p.Kind, p.Reason)
			}
		}
		if len(c.Blocked) > 0 {
			t.Errorf("blocked: %v", c.Blocked)
		}
		loadInto(t, r, one([]string{"1", "2"}, after, []string{"1", "", "1", "a2", "70000", "is new", "was old"}, []string{"2", "", "1", "b", "2", null, null}))
		loadInto(t, r, one([]string{"1"}, other, []string{"1", "", "1", "y"}))
		end(t, r, Ending{State: Succeeded})
	}
	if got := content(t, w, "asthma", "people", "a", "coalesce(n::text, '-')", "coalesce(gone, '-')", "coalesce(old, '-')", "coalesce(_extra::text, '-')", "coalesce(_nonconforming::text, '-')"); got !=
		`a2,-,stays,was old,{"new": "is new"},{"n": "70000"} b,2,-,-,-,-` {
		t.Errorf("table holds %s", got)
	}
	if got := ask[string](t, w, columns); got != shape {
		t.Errorf("the table was changed:\n%s\nwas\n%s", got, shape)
	}
	if n := ask[int](t, w, `SELECT count(*) FROM syncd.schema_change WHERE state = 'pending' AND reason = 'drift = "freeze"'`); n != 5 {
		t.Errorf("%d changes are pending", n)
	}
	r = begin(t, w, order()) // thawed
	c := mustAgree(t, r, s)
	wantKinds(t, "applied", c.Applied, "add new", "rename", "rename young", "retire gone", "widen n")
	if n := ask[int](t, w, "SELECT count(*) FROM syncd.schema_change WHERE state = 'pending'"); n != 0 {
		t.Errorf("%d changes are pending", n)
	}
}
