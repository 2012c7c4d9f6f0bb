package redox

import (
	"encoding/json"
	"testing"
	"time"
)

// parsed is what tests read of a message.
type parsed struct {
	Meta struct {
		DataModel, EventType string
		EventDateTime        time.Time
		CanceledEvent        string
		Test                 bool
		Logs                 []struct{ ID, AttemptID string }
	}
	Patient struct {
		Identifiers, PreviousIdentifiers []struct{ ID, IDType string }
		Demographics                     map[string]any
	}
	Visit  map[string]any
	Order  map[string]any
	Orders []map[string]any
	Note   map[string]any

	Administrations []map[string]any
}

func parse(t testing.TB, body []byte) *parsed {
	t.Helper()
	var p parsed
	if err := json.Unmarshal(body, &p); err != nil {
		t.Fatalf("message is not JSON: %v\n%s", err, body)
	}
	return &p
}

func TestTrafficIsUniqueAndAdvances(t *testing.T) {
	traffic, other := NewTraffic(TrafficSpec{Seed: 1}), NewTraffic(TrafficSpec{Seed: 2})
	logs, last := map[string]bool{}, time.Time{}
	for i := range 1500 {
		body := traffic.AppendMixed(nil, i)
		p := parse(t, body)
		if want := []string{"PatientAdmin", "Results", "Scheduling"}[i%3]; p.Meta.DataModel != want {
			t.Fatalf("message %d is %s, want %s", i, p.Meta.DataModel, want)
		}
		if p.Meta.Logs[0].ID != traffic.LogID(i) || p.Meta.Logs[0].AttemptID == traffic.LogID(i) {
			t.Fatalf("message %d: log %s, attempt %s, want log %s", i, p.Meta.Logs[0].ID, p.Meta.Logs[0].AttemptID, traffic.LogID(i))
		}
		for _, id := range []string{p.Meta.Logs[0].ID, other.LogID(i)} {
			if logs[id] {
				t.Fatalf("message %d has the log id %s of another", i, id)
			}
			logs[id] = true
		}
		if !p.Meta.EventDateTime.After(last) {
			t.Fatalf("message %d: time %s does not advance", i, p.Meta.EventDateTime)
		}
		last = p.Meta.EventDateTime
	}
}

func TestPatientAdmin4KBIsThatLargeAndRepeatable(t *testing.T) {
	traffic := NewTraffic(TrafficSpec{Patients: 50})
	patients := map[string]bool{}
	for i := range 200 {
		body := traffic.PatientAdmin4KB(i)
		if len(body) < 3900 || len(body) > 4300 {
			t.Fatalf("message %d has %d bytes, want about 4 KB", i, len(body))
		}
		if again := NewTraffic(TrafficSpec{Patients: 50}).PatientAdmin4KB(i); string(again) != string(body) {
			t.Fatalf("message %d is not the same when it is made again", i)
		}
		p := parse(t, body)
		patients[p.Patient.Identifiers[0].ID] = true
		if p.Visit["VisitNumber"] == markers[holeVisit] || p.Patient.Identifiers[0].ID == markers[holePatient] {
			t.Fatalf("message %d has a place that was not filled in", i)
		}
	}
	if len(patients) != 50 {
		t.Errorf("%d patients, want 50", len(patients))
	}
}
