package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	fake "syncd/internal/fake/redox"
	"syncd/internal/pgembed"
	"syncd/internal/pgtest"
	"syncd/load"
)

// What was broken on purpose, in a copy and one thing at a time, and which of the tests of what is pushed failed:
//
//	the key of a delivery is that of its bytes            ledger, arrival cell by cell
//	deliveries are settled in a transaction of their own  settled with its rows or not at all
//	the inbox commits with synchronous_commit off         ledger: 7 of 659 missing
//	the answer is given before the commit                 ledger, Postgres down, Postgres refuses
//	200 where nothing could be kept                       ledger: 419 missing; Postgres down, Postgres refuses, busy inbox
//	a duplicate is an error                               lost COMMIT, sender that goes away
//	connections are cut at the signal                     TERM signal
//	bytes are trimmed                                     recorded payloads
//	the guard of versions lets everything pass            both kinds of orders
//	the oldest state of a batch wins                      both kinds of orders
//	only the newest state of a batch gets into history    both kinds of orders
//	a version without the order of arrival                ledger
//	what was handed out is taken again                    both kinds of orders
//	a cancelled discharge stays; is not taken back        orders of six events
//	circles of merges are not cut                         merges
//	tokens are compared with ==                           extract/redox/auth

// wardOfReplicas is a receiver as a hospital has it: two replicas behind one address, on a Postgres of their own.
type wardOfReplicas struct {
	postgres *pgembed.Server
	url      string
	replicas []*replica
	front    *front
}

// newWardOfReplicas starts it all. Postgres itself would answer before a commit is on disk; the inbox must not.
func newWardOfReplicas(t *testing.T) *wardOfReplicas {
	t.Helper()
	w := &wardOfReplicas{postgres: pgtest.Private(t, pgembed.Options{Settings: map[string]string{"synchronous_commit": "off", "wal_writer_delay": "10s"}})}
	w.url = pgtest.Ready(t, w.postgres)
	for range 2 {
		r := &replica{file: wardFile(t, w.url)}
		w.replicas = append(w.replicas, r)
		t.Cleanup(func() { r.signal(syscall.SIGKILL) })
		r.start(t)
	}
	w.front = newFront(t, w.replicas...)
	return w
}

// ask asks the database a question that is answered by yes or no.
func ask(t *testing.T, url, sql string) (yes bool, err error) {
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return false, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	err = conn.QueryRow(ctx, sql).Scan(&yes)
	return yes, err
}

// TestWhatWasAcknowledgedIsAppliedOnce sends a history through a storm and compares what its ledger says was acknowledged with what is
// in the warehouse. SYNCD_DELIVERIES says how many; make prove-redox sends 10,000.
func TestWhatWasAcknowledgedIsAppliedOnce(t *testing.T) {
	t.Parallel()
	n := fromEnvironment(t, "SYNCD_DELIVERIES", 600)
	seed := uint64(fromEnvironment(t, "SYNCD_SEED", 11))
	faults := max(8, n/100)
	w := newWardOfReplicas(t)
	path := filepath.Join(t.TempDir(), "ledger")
	ledger, err := fake.OpenLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	defer ledger.Close()

	h := fake.NewHistory(fake.HistorySpec{Seed: seed, Patients: max(20, n/50), Reruns: 20})
	messages := fake.Disorder(h.Take(n), 100, seed)
	var acknowledged atomic.Int64
	due := make(chan int, faults+1)
	sender := fake.New(fake.Config{
		URL: "http://" + w.front.listener.Addr().String() + wardPath, Token: wardToken, Children: 8, Workers: 8, Seed: seed,
		LoseReplies: 100, Resend: 100, Ledger: ledger, Backoff: func(int) time.Duration { return 10 * time.Millisecond },
		Observe: func(a fake.Attempt) {
			if a.Acknowledged() {
				if got := int(acknowledged.Add(1)); got*(faults+1)/n > (got-1)*(faults+1)/n && got < n {
					due <- got * (faults + 1) / n
				}
			}
		},
	})
	s := &storm{t: t, w: w, dice: rand.New(rand.NewPCG(seed, 1))}
	var blowing sync.WaitGroup
	blowing.Go(func() {
		for i := range due {
			if err := s.strike(i); err != nil {
				t.Error(err)
			}
		}
	})
	err = sender.Send(t.Context(), slices.Values(messages))
	close(due)
	blowing.Wait()
	if err != nil || t.Failed() {
		t.Fatal(err)
	}

	w.letClaimsAge(t)
	eventually(t, w.url, "SELECT NOT EXISTS (SELECT FROM syncd.delivery WHERE state = 'pending')")
	for _, r := range w.replicas {
		if code := r.signal(syscall.SIGTERM); code != exitDone {
			t.Errorf("a replica ended with %d", code)
		}
	}
	f := w.figures(t, path)
	t.Logf("acked %d, missing %d, applied twice %d, unacked but present %d, deadlocks surfaced %d; requests %d, of them retried or sent again %d; faults injected: kill -9 %d, immediate stops of Postgres %d, connections reset %d, requests without an answer of 200 %d; runs of the drain %s",
		f.acked, f.missing, f.twice, f.unacked, f.deadlocks, sender.Counts().Sent, sender.Counts().Retried+sender.Counts().Resent,
		s.injected.kills, s.injected.stops, s.injected.resets, sender.Counts().Failed,
		scalar(t, w.url, "SELECT string_agg(state || ' ' || n, ', ' ORDER BY state) FROM (SELECT state, count(*) AS n FROM syncd.run GROUP BY state) AS s"))
	if f.missing+f.twice+f.deadlocks > 0 || f.acked < n {
		t.Errorf("%+v", f)
	}
	reader := &ward{t: t}
	if reader.w, err = load.Open(t.Context(), load.Config{URL: w.url}); err != nil {
		t.Fatal(err)
	}
	defer reader.w.Close()
	reader.holds("ward", h.Truth(), h.Source())
}

// figures are what the comparison of a ledger with a warehouse finds.
type figures struct{ acked, missing, twice, unacked, deadlocks int }

func (w *wardOfReplicas) figures(t *testing.T, path string) (f figures) {
	t.Helper()
	lines, err := fake.ReadLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	acked := map[string]bool{}
	for _, a := range lines {
		acked["log:"+strings.ToLower(a.LogID)+" "+hex.EncodeToString(a.SHA256[:])] = true
	}
	f.acked = len(acked)
	reader := &ward{t: t}
	if reader.w, err = load.Open(t.Context(), load.Config{URL: w.url}); err != nil {
		t.Fatal(err)
	}
	defer reader.w.Close()
	stored := map[string]int{}
	for _, line := range reader.rowsOf(`SELECT d.dedupe_key, encode(sha256(p.body), 'hex'), d.state, (d.body_sha256 = sha256(p.body))::text
		FROM syncd.delivery AS d JOIN syncd.payload AS p USING (seq, received_at)`) {
		cells := strings.Split(line, "|")
		stored[cells[0]+" "+cells[1]]++
		if cells[2] != "applied" || cells[3] != "true" {
			t.Errorf("a delivery is %s, its bytes are those that were judged: %s", cells[2], cells[3])
		}
	}
	for key := range acked {
		if stored[key] == 0 {
			f.missing++
		}
		f.twice += max(0, stored[key]-1)
	}
	for key := range stored {
		if !acked[key] {
			f.unacked++
		}
	}
	// Every delivery is counted when it is applied, every log of PatientAdmin is one event, and every delivery of it one state of a patient.
	for what, sql := range map[string]string{
		"count of what was applied": "SELECT abs((SELECT sum(deliveries) FROM syncd.traffic WHERE outcome = 'applied') - (SELECT count(*) FROM syncd.delivery))::integer",
		"events":                    "SELECT abs((SELECT count(*) FROM ward.visit_event) - (SELECT count(DISTINCT dedupe_key) FROM syncd.delivery WHERE model = 'PatientAdmin'))::integer",
		"states of patients":        "SELECT abs((SELECT count(*) FROM ward_history.patient) - (SELECT count(*) FROM syncd.delivery WHERE model = 'PatientAdmin'))::integer",
		"deliveries without their one state": `SELECT count(*)::integer FROM syncd.delivery AS d
			WHERE model = 'PatientAdmin' AND 1 <> (SELECT count(*) FROM ward_history.patient AS p WHERE right(p.version, 16)::bigint = d.seq)`,
	} {
		if n := askWard[int](reader, sql); n != 0 {
			t.Errorf("%s: %d too many or too few", what, n)
			f.twice += n
		}
	}
	log, err := os.ReadFile(w.postgres.Log())
	if err != nil {
		t.Fatal(err)
	}
	f.deadlocks = strings.Count(string(log), "deadlock detected")
	for _, r := range w.replicas {
		f.deadlocks += r.mentions("40P01") + r.mentions("deadlock")
		if n := r.mentions("panic"); n > 0 {
			t.Errorf("a replica panicked: %s", fmt.Sprint(n))
		}
	}
	return f
}
