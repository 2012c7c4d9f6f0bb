package load

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"syncd/extract"
	"syncd/internal/pgtest"
)

func inboxAt(t *testing.T, c Config) *Inbox {
	t.Helper()
	b, err := NewInbox(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func delivery(key, body string) *extract.Delivery {
	return &extract.Delivery{
		Destination: "hospital", Key: key, SHA256: sha256.Sum256([]byte(body)), Body: []byte(body),
		ReceivedAt: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Model: "PatientAdmin", EventType: "Arrival", SourceID: "s",
	}
}

func TestDeliveriesAreKeptOnceAndExactly(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	b, w := inboxAt(t, Config{URL: url}), warehouseAt(t, Config{URL: url})
	q := b.Queue("hospital", false)
	defer q.Close()
	body := "\x00\xff not text, \\ and ' and \n"
	for i, want := range []bool{false, true} {
		known, err := b.Accept(t.Context(), delivery("log:1", body), func() {})
		if err != nil || known != want {
			t.Fatalf("%d: known %v, %v", i, known, err)
		}
	}
	if known, err := b.Accept(t.Context(), delivery("log:1", "another attempt"), func() {}); err != nil || known {
		t.Fatalf("another body: known %v, %v", known, err)
	}
	ds, err := q.Take(t.Context(), 10, 1<<20, nil)
	if err != nil || len(ds) != 2 {
		t.Fatalf("%d deliveries, %v", len(ds), err)
	}
	if string(ds[0].Body) != body || ds[0].SHA256 != sha256.Sum256([]byte(body)) || ds[0].Model != "PatientAdmin" || ds[0].Seq >= ds[1].Seq {
		t.Errorf("taken: %+v", ds[0])
	}
	if more, err := q.Take(t.Context(), 10, 1<<20, []int64{ds[0].Seq, ds[1].Seq}); err != nil || len(more) != 0 {
		t.Errorf("%d of those handed out were taken again, %v", len(more), err)
	}
	if one, err := q.Take(t.Context(), 10, 1, nil); err != nil || len(one) != 1 {
		t.Errorf("%d where the first alone is too big, %v", len(one), err)
	}
	if n := ask[int](t, w, "SELECT count(*) FROM syncd.payload"); n != 2 {
		t.Errorf("%d payloads", n)
	}
}

func TestManyAtOnceAreOneRowEach(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	b, w := inboxAt(t, Config{URL: url}), warehouseAt(t, Config{URL: url})
	other := inboxAt(t, Config{URL: url}) // another replica
	var wait sync.WaitGroup
	var mu sync.Mutex
	fresh := 0
	for i := range 200 {
		wait.Go(func() {
			inbox := b
			if i%2 == 0 {
				inbox = other
			}
			known, err := inbox.Accept(t.Context(), delivery(fmt.Sprintf("log:%d", i%20), "same"), func() {})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if !known {
				fresh++
			}
		})
	}
	wait.Wait()
	if n := ask[int](t, w, "SELECT count(*) FROM syncd.delivery"); n != 20 || fresh != 20 {
		t.Errorf("%d rows, %d were called new", n, fresh)
	}
}

func TestWhatCannotBeKeptIsAnErrorAndOneBadDeliveryIsNoOtherOnesFault(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	b, w := inboxAt(t, Config{URL: url}), warehouseAt(t, Config{URL: url})
	asOwner(t, w, "ALTER TABLE syncd.delivery ADD CONSTRAINT no CHECK (dedupe_key <> 'bad')")
	group := []*arrival{}
	for _, key := range []string{"good", "bad", "fine"} {
		group = append(group, &arrival{d: delivery(key, "x"), kept: make(chan struct{})})
	}
	b.keep(group)
	for _, a := range group {
		<-a.kept
		if bad := a.d.Key == "bad"; (a.err != nil) != bad {
			t.Errorf("%s: %v", a.d.Key, a.err)
		}
	}
	if _, err := b.Accept(t.Context(), delivery(strings.Repeat("k", extract.MaxDeliveryKey+1), "x"), func() {}); err == nil {
		t.Error("a key of any length was taken")
	}
	asOwner(t, w, "DROP TABLE syncd.payload")
	if _, err := b.Accept(t.Context(), delivery("later", "x"), func() {}); err == nil {
		t.Error("there is nowhere to keep it, and it was taken")
	}
	if n := ask[int](t, w, "SELECT count(*) FROM syncd.delivery WHERE dedupe_key = 'later'"); n != 0 {
		t.Error("the facts were kept without the bytes")
	}
}

func TestAcceptWithoutPostgresIsAnErrorAndACallerMayGiveUp(t *testing.T) {
	t.Parallel()
	b := inboxAt(t, Config{URL: "postgres://nobody@127.0.0.1:1/none"})
	if _, err := b.Accept(t.Context(), delivery("a", "x"), func() {}); extract.KindOf(err) != extract.KindPostgres {
		t.Errorf("nothing listens there: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("gone"))
	if _, err := b.Accept(ctx, delivery("a", "x"), func() {}); err == nil {
		t.Error("the caller had gone, and it was taken")
	}
}

func TestACallerWhoseTimeIsUpGoesAndItsBytesArePostgresUntilTheGroupIsWritten(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	b, w := inboxAt(t, Config{URL: url}), warehouseAt(t, Config{URL: url})
	lock, err := w.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock.Exec(t.Context(), "LOCK TABLE syncd.delivery IN EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errors.New("time is up"))
	defer cancel()
	letGo := make(chan struct{})
	if _, err := b.Accept(ctx, delivery("slow", "x"), func() { close(letGo) }); err == nil || err.Error() != "time is up" {
		t.Errorf("accepted with %v while the table was locked", err)
	}
	select {
	case <-letGo:
		t.Error("let go while Postgres had it")
	default:
	}
	if err := lock.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-letGo
	if known, err := b.Accept(t.Context(), delivery("slow", "x"), func() {}); err != nil || !known {
		t.Errorf("what the caller did not wait for is kept all the same: known %v, %v", known, err)
	}
}

func TestSettlingIsCountedAndHappensOnce(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	b, w := inboxAt(t, Config{URL: url}), warehouseAt(t, Config{URL: url})
	visit := visits()
	r := started(t, w, visit)
	q := b.Queue("hospital", false)
	defer q.Close()
	for i := range 3 {
		if _, err := b.Accept(t.Context(), delivery(fmt.Sprint(i), "x"), func() {}); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	ds, err := q.Take(t.Context(), 10, 1<<20, nil)
	if err != nil || len(ds) != 3 {
		t.Fatal(len(ds), err)
	}
	batch := &extract.Batch{Settled: []extract.Settled{{Seq: ds[0].Seq, Outcome: extract.Applied}, {Seq: ds[1].Seq, Outcome: extract.Rejected, Reason: "not JSON"}}}
	loadInto(t, r, batch)
	if _, err := r.Load(t.Context(), batch); extract.KindOf(err) != extract.KindInternal {
		t.Errorf("settled twice: %v", err)
	}
	got := ask[string](t, w, "SELECT string_agg(concat_ws(' ', state, reason, run_id IS NOT NULL), ', ' ORDER BY seq) FROM syncd.delivery")
	if got != "applied t, rejected not JSON t, pending f" {
		t.Errorf("deliveries: %s", got)
	}
	if got := ask[string](t, w, "SELECT string_agg(concat_ws(' ', model, outcome, deliveries), ', ' ORDER BY outcome) FROM syncd.traffic"); got != "PatientAdmin applied 1, PatientAdmin rejected 1" {
		t.Errorf("traffic: %s", got)
	}
	if due, err := q.Due(t.Context()); err != nil || !due {
		t.Errorf("due %v, %v", due, err)
	}
	if models, err := q.Models(t.Context()); err != nil || len(models) != 1 {
		t.Errorf("models %v, %v", models, err)
	}
	for range 3 { // only the last batch is remembered
		if _, err := b.Accept(t.Context(), delivery(fmt.Sprint(time.Now().UnixNano()), "x"), func() {}); err != nil {
			t.Fatal(err)
		}
		ds, err := q.Take(t.Context(), 1, 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		loadInto(t, r, &extract.Batch{Settled: []extract.Settled{{Seq: ds[0].Seq, Outcome: extract.Applied}}})
	}
	if got := ask[string](t, w, "SELECT count(*) || ' ' || max(seq) FROM syncd.batch"); got != "1 3" {
		t.Errorf("batches: %s", got)
	}
}

func TestDeliveriesStayPendingWhileATableOfTheirsCannotBeLoaded(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	b, w := inboxAt(t, Config{URL: url}), warehouseAt(t, Config{URL: url})
	visit := visits()
	end(t, started(t, w, visit), Ending{State: Succeeded})
	do(t, w, "ALTER TABLE asthma.visits DROP COLUMN status")
	r := started(t, w, visit)
	if _, err := b.Accept(t.Context(), delivery("1", "x"), func() {}); err != nil {
		t.Fatal(err)
	}
	seq := ask[int64](t, w, "SELECT seq FROM syncd.delivery")
	_, err := r.Load(t.Context(), &extract.Batch{
		Rows: []*extract.Rows{visitRows(visit, [2]string{"v1", "in"})}, Settled: []extract.Settled{{Seq: seq, Outcome: extract.Applied}},
		Scope: &extract.Scope{Tables: []*extract.Table{visit}, Width: 1, Keys: [][]string{{"v1"}}, Versions: []string{"1"}},
	})
	if extract.KindOf(err) != extract.KindPostgres {
		t.Errorf("a table was altered by hand: %v", err)
	}
	if got := ask[string](t, w, "SELECT state FROM syncd.delivery"); got != "pending" {
		t.Errorf("the delivery is %s", got)
	}
}

func TestADrainMayTakeItsTimeOverLargeDeliveries(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	b, w := inboxAt(t, Config{URL: url}), warehouseAt(t, Config{URL: url})
	if _, err := b.Accept(t.Context(), delivery("1", "x"), func() {}); err != nil {
		t.Fatal(err)
	}
	asOwner(t, w, "ALTER TABLE syncd.payload RENAME TO kept")
	asOwner(t, w, "CREATE VIEW syncd.payload AS SELECT * FROM syncd.kept WHERE 1 / (current_setting('statement_timeout') <> '7s')::integer = 1")
	q := b.Queue("hospital", false)
	defer q.Close()
	for range 2 {
		if ds, err := q.Take(t.Context(), 10, 1<<20, nil); err != nil || len(ds) != 1 {
			t.Fatalf("%d taken, %v; it was given no more time than a sender has", len(ds), err)
		}
	}
}
