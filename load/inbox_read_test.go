package load

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"syncd/extract"
	"syncd/internal/pgtest"
)

// settleAs keeps a delivery and settles it as a run would.
func settleAs(t *testing.T, b *Inbox, w *Warehouse, d *extract.Delivery, state, reason string) {
	t.Helper()
	if _, err := b.Accept(t.Context(), d, func() {}); err != nil {
		t.Fatal(err)
	}
	if state == "pending" {
		return
	}
	seq := ask[int64](t, w, "SELECT seq FROM syncd.delivery WHERE destination = $1 AND dedupe_key = $2", d.Destination, d.Key)
	if n := ask[int](t, w, deliverySettleSQL, []int64{seq}, state, orNull(reason), 7, d.ReceivedAt); n != 1 {
		t.Fatalf("%d settled", n)
	}
}

func TestAReceiverIsKnownByWhatCameAndWhatBecameOfIt(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	b, w := inboxAt(t, Config{URL: url}), warehouseAt(t, Config{URL: url})
	noon := delivery("", "").ReceivedAt
	for i, of := range []struct {
		key, state, reason string
		test               bool
	}{
		{"log:1", "applied", "", false},
		{"log:2", "rejected", "not JSON", false},
		{"log:3", "unhandled", "no tables", true},
		{"log:4", "pending", "", true},
		{"log:5", "rejected", "not JSON", false},
	} {
		d := delivery(of.key, of.key)
		d.Test, d.ReceivedAt = of.test, noon.Add(time.Duration(i)*time.Minute)
		settleAs(t, b, w, d, of.state, of.reason)
	}
	if err := b.Verified(t.Context(), "hospital", "POST"); err != nil {
		t.Fatal(err)
	}
	receivers, err := w.Receivers(t.Context())
	if err != nil || len(receivers) != 1 {
		t.Fatalf("%d receivers, %v", len(receivers), err)
	}
	r := receivers[0]
	if r.VerifiedAt == nil || r.VerifiedForm != "POST" || r.Pending != 1 || !r.OldestPending.Equal(noon.Add(3*time.Minute)) || !r.LastProduction.Equal(noon.Add(4*time.Minute)) {
		t.Errorf("receiver: %+v", r)
	}
	traffic, err := w.Traffic(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, x := range traffic {
		if x.Receiver != "hospital" || x.SourceID != "s" || x.Model != "PatientAdmin" || x.EventType != "Arrival" {
			t.Errorf("traffic: %+v", x)
		}
		got[x.Outcome] += x.Deliveries
	}
	if diff := cmp.Diff(map[string]int64{"applied": 1, "rejected": 2, "unhandled": 1, "pending": 1}, got); diff != "" {
		t.Errorf("traffic (-want +got):\n%s", diff)
	}
	refused, err := w.RefusedDeliveries(t.Context(), "hospital")
	if err != nil {
		t.Fatal(err)
	}
	want := []RefusedCount{
		{"hospital", false, "PatientAdmin", "Arrival", "rejected", "not JSON", 2, noon.Add(time.Minute), noon.Add(4 * time.Minute)},
		{"hospital", true, "PatientAdmin", "Arrival", "unhandled", "no tables", 1, noon.Add(2 * time.Minute), noon.Add(2 * time.Minute)},
	}
	if diff := cmp.Diff(want, refused, cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })); diff != "" {
		t.Errorf("refused (-want +got):\n%s", diff)
	}
	if none, err := w.RefusedDeliveries(t.Context(), "clinic"); err != nil || len(none) != 0 {
		t.Errorf("another receiver's: %v, %v", none, err)
	}
	if err := b.UsedTokens(t.Context(), "hospital", map[string]int64{"aa": 2}); err != nil {
		t.Fatal(err)
	}
	if uses, err := w.TokenUses(t.Context()); err != nil || len(uses) != 1 || uses[0].Fingerprint != "aa" || uses[0].Uses != 2 {
		t.Errorf("uses: %+v, %v", uses, err)
	}
}

func TestOnlyDeliveriesOfTheRangeBecomePendingAgain(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	b, w := inboxAt(t, Config{URL: url}), warehouseAt(t, Config{URL: url})
	first := delivery("", "").ReceivedAt
	for i, of := range []struct{ key, state, model string }{
		{"log:before", "applied", "Order"},
		{"log:first", "applied", "Order"},
		{"log:model", "applied", "Results"},
		{"log:refused", "rejected", "Order"},
		{"log:gone", "applied", "Order"},
		{"log:waits", "pending", "Order"},
		{"log:after", "applied", "Order"},
	} {
		d := delivery(of.key, of.key)
		d.Model, d.ReceivedAt = of.model, first.Add(time.Duration(i)*time.Minute)
		settleAs(t, b, w, d, of.state, "")
	}
	do(t, w, "DELETE FROM syncd.payload WHERE seq = (SELECT seq FROM syncd.delivery WHERE dedupe_key = 'log:gone')")
	pending := func() string {
		return ask[string](t, w, "SELECT coalesce(string_agg(dedupe_key, ' ' ORDER BY seq), '') FROM syncd.delivery WHERE state = 'pending'")
	}
	counts := func() string {
		return ask[string](t, w, "SELECT string_agg(model || ' ' || outcome || ' ' || deliveries, ', ' ORDER BY model, outcome) FROM syncd.traffic")
	}
	of := Again{From: first.Add(time.Minute), To: first.Add(6 * time.Minute), Model: "Order", States: []extract.Outcome{extract.Applied}}
	if n, gone, err := w.CountAgain(t.Context(), "hospital", of); err != nil || n != 1 || gone != 1 {
		t.Errorf("counted %d and %d gone, %v", n, gone, err)
	}
	for i, want := range []int64{1, 0} { // a second time there is nothing to do
		if n, err := w.Repend(t.Context(), "hospital", of, "me"); err != nil || n != want {
			t.Errorf("%d: %d are pending again, %v", i, n, err)
		}
	}
	if got := pending(); got != "log:first log:waits" {
		t.Errorf("pending: %s", got)
	}
	if got := counts(); got != "Order applied 3, Order rejected 1, Results applied 1" {
		t.Errorf("counts: %s", got)
	}
	if n, err := w.Repend(t.Context(), "clinic", Again{}, "me"); err != nil || n != 0 {
		t.Errorf("of another receiver: %d, %v", n, err)
	}
	if n, err := w.Repend(t.Context(), "hospital", Again{}, "me"); err != nil || n != 4 {
		t.Errorf("all: %d, %v", n, err)
	}
	if got := ask[int](t, w, "SELECT count(*) FROM syncd.delivery WHERE state = 'pending' AND (reason, run_id, settled_at) IS NOT DISTINCT FROM (NULL, NULL, NULL)"); got != 6 {
		t.Errorf("%d are as if they had just come in", got)
	}
}

func TestRowsThatCouldNotBeStoredAreCountedByReason(t *testing.T) {
	t.Parallel()
	w := warehouseAt(t, Config{URL: pgtest.New(t)})
	do(t, w, `INSERT INTO syncd.reject (job, table_name, key_hash, column_name, rule, first_run_id, last_run_id, resolved_at)
		SELECT job, 'person', gen_random_uuid(), 'id', 'key too long', 1, 1, CASE WHEN n = 3 THEN now() END FROM unnest(ARRAY['asthma', 'copd']) AS j (job), generate_series(1, 3) AS g (n)`)
	for job, want := range map[string]int{"": 2, "asthma": 1, "ward": 0} {
		all, err := w.Rejects(t.Context(), job)
		if err != nil || len(all) != want {
			t.Fatalf("%q: %d, %v", job, len(all), err)
		}
		for _, r := range all {
			if r.Count != 2 || r.Table != "person" || r.Column != "id" || r.Rule != "key too long" || r.LastAt.IsZero() {
				t.Errorf("%q: %+v", job, r)
			}
		}
	}
}
