package redox

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTruthIsWhatAReplayOfTheMessagesGives(t *testing.T) {
	for seed := range uint64(10) {
		spec := HistorySpec{Seed: seed, Patients: 4 + int(seed), Old: seed%3 == 0, Reruns: int(seed%4) * 20}
		h := NewHistory(spec)
		var all []*Message
		for range 3 { // the truth may be asked for at any time
			all = append(all, h.Take(200)...)
			arrived := Disorder(all, 300, seed)
			if diff := cmp.Diff(h.Truth(), replay(t, arrived)); diff != "" {
				t.Fatalf("seed %d, after %d messages (-truth +replay):\n%s", seed, len(all), diff)
			}
		}
	}
}

func TestEqualSpecsAreEqualHistories(t *testing.T) {
	for _, old := range []bool{false, true} {
		a, b := NewHistory(HistorySpec{Seed: 3, Old: old, Reruns: 50}), NewHistory(HistorySpec{Seed: 3, Old: old, Reruns: 50})
		for i, m := range a.Take(800) {
			if n := b.Next(); string(m.Body) != string(n.Body) || m.LogID != n.LogID {
				t.Fatalf("message %d differs", i)
			}
		}
		if other := NewHistory(HistorySpec{Seed: 4, Old: old}).Next(); other.Source == a.Source() {
			t.Error("another seed is the same system")
		}
	}
}

func TestEverythingHappensThatAHistoryKnows(t *testing.T) {
	h, seen, merges := NewHistory(HistorySpec{Patients: 20, Reruns: 10}), map[string]int{}, 0
	var reruns int
	logs, last := map[string]*Message{}, time.Time{}
	for i, m := range h.Take(3500) {
		p := parse(t, m.Body)
		if p.Meta.DataModel != m.Model || p.Meta.EventType != m.EventType || !p.Meta.EventDateTime.Equal(m.EventAt) || p.Meta.Logs[0].ID != m.LogID ||
			p.Meta.Logs[0].AttemptID != m.Attempt || p.Patient.Identifiers[0].ID != m.Patient {
			t.Fatalf("message %d does not say what it is", i)
		}
		event := m.Model + "." + m.EventType
		if m.EventType == "Cancel" {
			event += p.Meta.CanceledEvent
		}
		seen[event]++
		if m.EventType == "PatientMerge" {
			merges += len(p.Patient.PreviousIdentifiers)
		}
		before := logs[m.LogID]
		switch {
		case m.Rerun:
			reruns++
			if before == nil || !before.EventAt.Equal(m.EventAt) || before.Attempt == m.Attempt || string(before.Body) == string(m.Body) || before.Subscription() != m.Subscription() {
				t.Fatalf("message %d is no second run of its log", i)
			}
		case before != nil:
			t.Fatalf("message %d has the log id of another", i)
		case !m.EventAt.After(last):
			t.Fatalf("message %d is not later than the one before", i)
		default:
			last = m.EventAt
		}
		logs[m.LogID] = m
	}
	want := []string{
		"Medications.Administration", "Medications.Cancel", "Medications.New", "Medications.Update", "Notes.Delete", "Notes.New", "Notes.Replace", "Order.Cancel", "Order.New",
		"Order.Update", "PatientAdmin.Arrival", "PatientAdmin.CancelArrival", "PatientAdmin.CancelDischarge", "PatientAdmin.CancelPreAdmit", "PatientAdmin.Discharge",
		"PatientAdmin.NewPatient", "PatientAdmin.PatientMerge", "PatientAdmin.PatientUpdate", "PatientAdmin.PreAdmit", "PatientAdmin.Registration", "PatientAdmin.Transfer",
		"PatientAdmin.VisitUpdate", "Results.New", "Results.NewUnsolicited", "Scheduling.Cancel", "Scheduling.Modification", "Scheduling.New", "Scheduling.NoShow", "Scheduling.Reschedule",
	}
	if got := slices.Sorted(maps.Keys(seen)); !slices.Equal(got, want) {
		t.Errorf("happened: %v", got)
	}
	truth, circles := h.Truth(), 0
	for id := range truth.Survivors {
		if next, retired := truth.Aliases[id]; retired && truth.Survivors[id] != next {
			circles++ // in a chain or a circle
		}
	}
	if reruns < 20 || merges < 100 || circles == 0 || len(truth.Rebooked) == 0 {
		t.Errorf("%d logs run again, %d identifiers merged, %d in chains, %d rebooked", reruns, merges, circles, len(truth.Rebooked))
	}
}

func TestALiveHistoryCarriesTheTimesOfItsClock(t *testing.T) {
	now := firstMorning
	h := NewHistory(HistorySpec{Clock: func() time.Time { return now }})
	first := h.Next()
	second := h.Next() // the clock stands still
	now = now.Add(time.Hour)
	third := h.Next()
	if !second.EventAt.Equal(first.EventAt.Add(time.Millisecond)) || !third.EventAt.Equal(now) {
		t.Errorf("times %s, %s, %s", first.EventAt, second.EventAt, third.EventAt)
	}
}

func TestDisorderKeepsAttemptsAtALogInOrder(t *testing.T) {
	all := NewHistory(HistorySpec{Reruns: 100}).Take(3000)
	out := Disorder(all, 100, 1)
	moved, place := 0, map[*Message]int{}
	for i, m := range out {
		place[m] = i
		if all[i] != m {
			moved++
		}
	}
	if len(place) != len(all) || moved < 300 || moved > 1200 {
		t.Errorf("%d of %d messages, %d out of turn", len(place), len(all), moved)
	}
	last := map[string]*Message{}
	for _, m := range all {
		if before := last[m.LogID]; before != nil && place[before] > place[m] {
			t.Fatal("a log overtakes itself")
		}
		last[m.LogID] = m
	}
}

func TestASendersDuplicatesDoNotChangeTheTruth(t *testing.T) {
	h := NewHistory(HistorySpec{Reruns: 60, Patients: 30})
	all := h.Take(800)
	r := newReceiver(t, nil)
	s := New(Config{URL: r.URL, Wait: atOnce, LoseReplies: 100, Resend: 200, Children: 3, FreshAttempts: true, Workers: 6})
	if err := s.Send(t.Context(), slices.Values(all)); err != nil {
		t.Fatal(err)
	}
	var arrived []*Message
	for _, body := range r.bodies {
		p := parse(t, []byte(body))
		arrived = append(arrived, &Message{
			LogID: p.Meta.Logs[0].ID, Source: h.Source(), Model: p.Meta.DataModel, EventType: p.Meta.EventType, EventAt: p.Meta.EventDateTime, Body: []byte(body),
		})
	}
	if c := s.Counts(); c.Resent < 100 || c.Retried < 50 {
		t.Fatalf("too few duplicates: %+v", c)
	}
	if diff := cmp.Diff(h.Truth(), replay(t, arrived)); diff != "" {
		t.Errorf("(-truth +what arrived):\n%s", diff)
	}
}
