package load

import (
	"fmt"
	"testing"
	"time"

	"syncd/extract"
	"syncd/internal/pgtest"
)

func TestWhatIsOlderThanItIsKeptGoesOnceADay(t *testing.T) {
	t.Parallel()
	w := warehouseAt(t, Config{URL: pgtest.New(t)})
	visit := visits()
	r := started(t, w, visit)
	loadInto(t, r, &extract.Batch{
		Rows:    []*extract.Rows{visitRows(visit, [2]string{"v1", "in"}, [2]string{"v2", "in"})},
		Scope:   &extract.Scope{Tables: []*extract.Table{visit}, Width: 1, Keys: [][]string{{"v1"}, {"v2"}}, Versions: []string{"1", "1"}},
		Rejects: []extract.Reject{{Table: visit, Key: []string{"r1"}, Rule: "old"}, {Table: visit, Key: []string{"r2"}, Rule: "young"}},
	})
	loadInto(t, r, &extract.Batch{Scope: &extract.Scope{Tables: []*extract.Table{visit}, Width: 1, Keys: [][]string{{"v1"}, {"v2"}}, Versions: []string{"2", "2"}}})
	end(t, r, Ending{State: Succeeded, Verdict: Proven})
	do(t, w, "UPDATE syncd.reject SET last_at = now() - interval '200 days' WHERE rule = 'old'")
	do(t, w, "UPDATE asthma_deleted.visits SET _deleted_at = now() - interval '100 days' WHERE record_id = 'v1'")
	for range 14 {
		end(t, started(t, w, visit), Ending{State: Succeeded, Verdict: Proven})
	}
	failed := started(t, w, visit)
	end(t, failed, Ending{State: Failed})
	do(t, w, "UPDATE syncd.run SET started_at = now() - interval '5 years', ended_at = now() - interval '5 years'")
	kept := []Kept{{Job: "asthma", Schemas: []string{"asthma"}, Rejects: 180 * 24 * time.Hour, Deleted: 90 * 24 * time.Hour}}
	day := time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)

	kept[0].Held = true
	removed, did, err := w.Tend(t.Context(), nil, day.AddDate(0, 0, -1), "one", kept, 3*365*24*time.Hour)
	if err != nil || !did || len(removed) != 2 || removed["runs"]+removed["slots"] != 0 {
		t.Errorf("under a legal hold: %v %v %v", removed, did, err)
	}
	kept[0].Held = false
	removed, did, err = w.Tend(t.Context(), nil, day, "one", kept, 3*365*24*time.Hour)
	if err != nil || !did {
		t.Fatal(did, err)
	}
	// Of sixteen runs ten good ones stay, and the first, to which an open reject refers.
	if removed["rejects"] != 1 || removed["deleted"] != 1 || removed["runs"] != 5 {
		t.Errorf("removed %v", removed)
	}
	if got := ask[string](t, w, "SELECT string_agg(concat_ws(' ', record_id, status, _version), ', ' ORDER BY record_id) FROM asthma_deleted.visits"); got != "v1 2, v2 in 2" {
		t.Errorf("archive: %s", got)
	}
	if got := ask[string](t, w, "SELECT string_agg(rule, ', ') FROM syncd.reject"); got != "young" {
		t.Errorf("rejects: %s", got)
	}
	if n := ask[int](t, w, "SELECT count(*) FROM syncd.run WHERE run_id = $1", r.ID()); n != 1 {
		t.Error("the run of an open reject went")
	}
	if n := ask[int](t, w, "SELECT count(*) FROM syncd.audit WHERE action = 'retention' AND detail->'removed'->>'rejects' = '1'"); n != 1 {
		t.Errorf("%d audit rows", n)
	}
	if l, err := w.LastCare(t.Context()); err != nil || l == nil || l.Day != "2026-03-01" || l.Removed["runs"] != 5 {
		t.Errorf("last: %+v, %v", l, err)
	}
	if _, did, err := w.Tend(t.Context(), nil, day, "two", kept, 0); did || err != nil {
		t.Errorf("a day twice: %v, %v", did, err)
	}
	// An older state that comes late does not bring back what is gone.
	r = started(t, w, visit)
	res := loadInto(t, r, &extract.Batch{
		Rows:  []*extract.Rows{visitRows(visit, [2]string{"v1", "in"})},
		Scope: &extract.Scope{Tables: []*extract.Table{visit}, Width: 1, Keys: [][]string{{"v1"}}, Versions: []string{"1"}},
	})
	if res.Total().Superseded != 1 {
		t.Errorf("%+v", res.Total())
	}
}

func TestADayThatOneReplicaLeftIsTakenByAnother(t *testing.T) {
	t.Parallel()
	w := warehouseAt(t, Config{URL: pgtest.New(t)})
	day := time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)
	do(t, w, "INSERT INTO syncd.care (task, day, holder) VALUES ('retention', '2026-03-01', 'dead')")
	if _, did, err := w.Tend(t.Context(), nil, day, "two", nil, 0); did || err != nil {
		t.Errorf("taken while its holder is alive: %v, %v", did, err)
	}
	do(t, w, "UPDATE syncd.care SET beat_at = now() - interval '11 minutes'")
	if _, did, err := w.Tend(t.Context(), nil, day, "two", nil, 0); !did || err != nil {
		t.Errorf("left: %v, %v", did, err)
	}
}

func TestAPurgeWaitsForARunAndKeepsOutWhatItHadInHand(t *testing.T) {
	t.Parallel()
	w := warehouseAt(t, Config{URL: pgtest.New(t)})
	visit := visits()
	r := started(t, w, visit)
	batch := func(id string) *extract.Batch {
		return &extract.Batch{
			Rows:  []*extract.Rows{visitRows(visit, [2]string{id, "in"})},
			Scope: &extract.Scope{Tables: []*extract.Table{visit}, Width: 1, Keys: [][]string{{id}}, Versions: []string{"1"}},
		}
	}
	loadInto(t, r, batch("v1"))
	loadInto(t, r, batch("v2"))
	people := func(tables []*extract.Table) extract.Persons {
		return extract.Persons{Columns: []extract.PersonColumn{{Table: tables[0], Column: "record_id", First: true, Roll: true}}}
	}
	p := Purge{Job: "asthma", Schema: "asthma", Actor: "test", Key: []byte("key")}
	if _, err := w.PurgeRecord(t.Context(), p, []string{"v1"}, people); err == nil {
		t.Error("purged under a run")
	}
	p.DryRun = true
	if d, err := w.PurgeRecord(t.Context(), p, []string{"v1"}, people); err != nil || d.Rows != 1 {
		t.Errorf("dry run: %+v, %v", d, err)
	}
	do(t, w, "UPDATE syncd.claim SET beat_at = now() - interval '1 minute'") // frozen
	p.DryRun = false
	d, err := w.PurgeRecord(t.Context(), p, []string{"v1"}, people)
	if err != nil || d.Rows != 1 || len(d.Hashes) != 1 {
		t.Errorf("purge: %+v, %v", d, err)
	}
	if _, err := r.Load(t.Context(), batch("v1")); err == nil {
		t.Error("a run from before loaded the person again")
	}
	if got := ask[string](t, w, "SELECT string_agg(record_id, ', ') FROM asthma.visits"); got != "v2" {
		t.Errorf("visits: %s", got)
	}
	p.Keep = func(PurgeEntry) error { return errNothing }
	if _, err := w.PurgeRecord(t.Context(), p, []string{"v2"}, people); err == nil || ask[int](t, w, "SELECT count(*) FROM asthma.visits") != 1 {
		t.Errorf("purged without a journal: %v", err)
	}
}

func TestMonthsOfWhichNothingIsKeptGoWhole(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	w, b := warehouseAt(t, Config{URL: url}), inboxAt(t, Config{URL: url})
	now, err := w.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	old := monthOf(now).AddDate(0, -12, 0)
	for i := range 4 {
		if err := b.MakeMonths(t.Context(), old.AddDate(0, 3*i, 0)); err != nil {
			t.Fatal(err)
		}
	}
	for key, months := range map[string]int{"whole": 0, "whole too": 0, "waits": 1, "rejected": 2, "held": 3, "young": 11} {
		d := delivery(key, key)
		if d.ReceivedAt = old.AddDate(0, months, 1); key == "held" {
			d.Destination = "clinic"
		}
		if _, err := b.Accept(t.Context(), d, func() {}); err != nil {
			t.Fatal(err)
		}
	}
	do(t, w, "UPDATE syncd.delivery SET state = CASE dedupe_key WHEN 'waits' THEN 'pending' WHEN 'rejected' THEN 'rejected' ELSE 'applied' END")
	const day = 24 * time.Hour
	removed, did, err := w.Tend(t.Context(), b, now, "one", []Kept{
		{Job: "hospital", Receiver: true, Payloads: 90 * day, Rejects: 300 * day}, {Job: "clinic", Receiver: true, Payloads: 90 * day, Rejects: 90 * day, Held: true},
	}, 0)
	if err != nil || !did || removed["payloads"] != 3 {
		t.Errorf("removed %v, %v, %v", removed, did, err)
	}
	if n := ask[int](t, w, "SELECT count(*) FROM syncd.payload AS p JOIN syncd.delivery AS d USING (seq) WHERE dedupe_key IN ('waits', 'held', 'young')"); n != 3 {
		t.Errorf("%d of three are left", n)
	}
	if n := ask[int](t, w, "SELECT count(*) FROM pg_class WHERE relname = $1", monthTable(old)); n != 0 {
		t.Error("the month is still there")
	}
	if n := ask[int](t, w, "SELECT count(*) FROM syncd.delivery"); n != 6 {
		t.Errorf("%d facts", n)
	}
}

func TestNamesThatOthersHaveNowAreNotThePersons(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ subject, gone, left string }{
		{"c", "2 names", "a, x"}, // was a, then b, then c; a is another record now
		{"b", "2 names", "a, x"}, // by the name in between
		{"a", "1 names", "c, x"}, // who has the name now, not who had it
		{"x", "1 names", "a, c"}, // nobody else's
		{"C", "2 names", "a, x"}, // one record at the source
	} {
		w := warehouseAt(t, Config{URL: pgtest.New(t)})
		visit := visits()
		r := started(t, w, visit)
		loadInto(t, r, &extract.Batch{
			Rows:  []*extract.Rows{visitRows(visit, [2]string{"a", "in"}, [2]string{"c", "in"}, [2]string{"x", "in"})},
			Scope: &extract.Scope{Tables: []*extract.Table{visit}, Width: 1, Keys: [][]string{{"a"}, {"c"}, {"x"}}, Versions: []string{"1", "1", "1"}},
		})
		end(t, r, Ending{State: Succeeded})
		do(t, w, "INSERT INTO syncd.record_rename (schema_name, old, new, run_id) VALUES ('asthma', 'a', 'b', 1), ('asthma', 'b', 'c', 1)")
		people := func(tables []*extract.Table) extract.Persons {
			return extract.Persons{Columns: []extract.PersonColumn{{Table: tables[0], Column: "record_id", First: true, Roll: true}}}
		}
		d, err := w.PurgeRecord(t.Context(), Purge{Job: "asthma", Schema: "asthma", Actor: "test", Key: []byte("key")}, []string{c.subject}, people)
		if err != nil {
			t.Fatal(err)
		}
		names := map[string]bool{}
		for _, h := range d.Hashes {
			names[h] = true
		}
		if got := ask[string](t, w, "SELECT string_agg(record_id, ', ' ORDER BY record_id) FROM asthma.visits"); got != c.left || fmt.Sprint(len(names), " names") != c.gone {
			t.Errorf("%s: left %s, want %s; %d names, want %s", c.subject, got, c.left, len(names), c.gone)
		}
	}
}
