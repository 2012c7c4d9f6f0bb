package load

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"syncd/extract"
)

// Totals are kept by triggers; added up anew from the rows they must be the same, whichever way runs and slots ended.
func TestTotalsAreWhatAddingUpGives(t *testing.T) {
	t.Parallel()
	w := ledger(t)
	endings := []Ending{
		{State: Succeeded, Verdict: Proven, Requests: 5, Bytes: 100},
		{State: Succeeded, Verdict: Proven, Requests: 2},
		{State: Succeeded, Verdict: Mismatch},
		{State: Failed, ErrorKind: extract.KindAuth, Requests: 1},
		{State: Held, ErrorKind: extract.KindHeld},
		{State: Cancelled},
		{State: Failed, Again: true},
	}
	o := order()
	for i, e := range endings {
		o.Slot = slotTime(i)
		record(t, w, o.Slot)
		r := begin(t, w, o)
		do(t, w, `INSERT INTO syncd.run_table (run_id, schema_name, table_name, read, inserted, rejected, deleted) VALUES ($1, 'asthma', 'visit', 5, 4, 1, $2)`, r.ID(), i)
		end(t, r, e)
		end(t, r, e) // a lost reply counts nothing twice
	}
	o.Slot = slotTime(20)
	record(t, w, o.Slot)
	begin(t, w, o)
	silence(t, w)
	if _, err := w.Reap(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Record(t.Context(), Recording{Job: "asthma", Kind: "sync", Times: []time.Time{slotTime(30), slotTime(31), slotTime(32)}, Missed: 2, Reason: "missed"}); err != nil {
		t.Fatal(err)
	}
	if ok, err := w.Fail(t.Context(), Slot{Job: "asthma", Kind: "sync", At: slotTime(32)}, "misconfigured"); err != nil || !ok {
		t.Fatalf("%v, %v", ok, err)
	}
	do(t, w, "UPDATE syncd.run SET warnings = '{looked at}'") // what has ended and is written to again is not counted again
	do(t, w, "UPDATE syncd.slot SET reason = coalesce(reason, 'looked at')")
	for _, c := range []struct{ kept, added string }{
		{
			`SELECT job, kind, state, verdict, runs, requests, bytes, round(seconds::numeric, 3), last_run_id FROM syncd.run_total`,
			`SELECT job, kind, state, coalesce(verdict, ''), count(*), sum(requests), sum(bytes), round(sum(extract(epoch FROM ended_at - started_at)), 3), max(run_id)
				FROM syncd.run WHERE state <> 'running' GROUP BY 1, 2, 3, 4`,
		},
		{
			`SELECT job, outcome, rows FROM syncd.row_total`,
			`SELECT job, o, sum(n) FROM syncd.run JOIN syncd.run_table USING (run_id) CROSS JOIN LATERAL (VALUES ('inserted', inserted), ('rejected', rejected), ('deleted', deleted)) AS v (o, n)
				WHERE state <> 'running' AND n > 0 GROUP BY 1, 2`,
		},
		{
			`SELECT job, kind, state, slots FROM syncd.slot_total`,
			`SELECT job, kind, state, count(*) FROM syncd.slot WHERE state IN ('succeeded', 'failed', 'skipped') GROUP BY 1, 2, 3`,
		},
	} {
		all := func(query string) string {
			return ask[string](t, w, fmt.Sprintf("SELECT coalesce(string_agg(x::text, E'\\n' ORDER BY x::text), '') FROM (%s) AS x", query))
		}
		if diff := cmp.Diff(all(c.added), all(c.kept)); diff != "" || all(c.kept) == "" {
			t.Errorf("%s:\n%s", c.kept, diff)
		}
	}
	totals, err := w.Totals(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	due := int64(0)
	for _, s := range totals.Slots {
		if s.State == "due" && !s.Ended {
			due += s.Slots
		}
	}
	if due != 1 { // of the run that was lost; the one whose source is down was passed by later ones
		t.Errorf("%d slots are due", due)
	}
}

func TestASightingHoldsUntilANewerOne(t *testing.T) {
	t.Parallel()
	w := ledger(t)
	now := ask[time.Time](t, w, "SELECT clock_timestamp()")
	in := func(days int) *time.Time { at := now.AddDate(0, 0, days); return &at }
	see := func(replica string, ago time.Duration, ends *time.Time) {
		t.Helper()
		if err := w.See(t.Context(), replica, time.Hour, []Sighting{{Cause: "certificate", Subject: "redcap.main", SeenAt: now.Add(-ago), ExpiresAt: ends}}); err != nil {
			t.Fatal(err)
		}
	}
	holds := func() string {
		t.Helper()
		s, err := w.Standing(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		text := ""
		for _, seen := range s.Sightings {
			text += fmt.Sprintf("%s %.0f;", seen.Subject, seen.ExpiresAt.Sub(now).Hours()/24)
		}
		return text
	}
	see("", 10*time.Minute, in(60)) // renewed
	see("", 20*time.Minute, in(3))  // another process remembers the old one
	if got := holds(); got != "redcap.main 60;" {
		t.Error(got)
	}
	see("b", 0, in(9))
	see("c", 2*time.Hour, in(1)) // it does not speak of itself any more
	if got := holds(); got != "redcap.main 9;" {
		t.Error(got)
	}
}
