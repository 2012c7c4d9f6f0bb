package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	fake "syncd/internal/fake/redox"
)

// stayEvent is a message about the one patient and the one visit of TestAnyOrderOfSixEvents.
func stayEvent(sender string, n int, event, canceled, visit string) []byte {
	at := time.Date(2026, 2, 3, 8, n, 0, 0, time.UTC).Format("2006-01-02T15:04:05.000Z")
	return fmt.Appendf(nil, `{"Meta":{"DataModel":"PatientAdmin","EventType":%q,"CanceledEvent":%q,"EventDateTime":%q,"Test":false,
		"Source":{"ID":"%s-source","Name":"EHR"},"Logs":[{"ID":"%s-log-%d","AttemptID":"%s-attempt"}],"FacilityCode":null},
		"Patient":{"Identifiers":[{"ID":"0000000001","IDType":"MR"},{"ID":"e167","IDType":"EHRID"}],
			"Demographics":{"FirstName":"Timothy","LastName":"Event %d","DOB":"2008-01-06","Address":{"City":"Monroe"}},
			"Contacts":[{"FirstName":"Barbara","LastName":"Bixby"}],"Allergies":[%s]},
		"Visit":{"VisitNumber":"1234","AccountNumber":"9","PatientClass":"Inpatient","VisitDateTime":"2026-02-03T08:00:00.000Z",%s}}`,
		event, canceled, at, sender, sender, n, sender, n, []string{"", `{"Code":"7982","Name":"Penicillin"}`}[n%2], visit)
}

// stay is a registration, an arrival, a transfer that is taken back, and a discharge that is taken back.
func stay(sender string) [6][]byte {
	const (
		first  = `"Location":{"Type":"Inpatient","Department":"3N","Room":"136","Bed":"B"}`
		second = `"Location":{"Type":"Inpatient","Department":"4W","Room":"201","Bed":"A"},"PreviousLocation":{"Department":"3N","Room":"136","Bed":"B"}`
		gone   = first + `,"DischargeDateTime":"2026-02-03T08:05:00.000Z","DischargeStatus":{"Code":"01","Description":"Home"}`
	)
	return [6][]byte{
		stayEvent(sender, 1, "Registration", "", `"AttendingProvider":{"ID":"4356789876","IDType":"NPI"}`),
		stayEvent(sender, 2, "Arrival", "", first),
		stayEvent(sender, 3, "Transfer", "", second),
		stayEvent(sender, 4, "Cancel", "Transfer", first),
		stayEvent(sender, 5, "Discharge", "", gone),
		stayEvent(sender, 6, "Cancel", "Discharge", gone),
	}
}

// permutations lists all orders of n things.
func permutations(n int) (all [][]int) {
	if n == 0 {
		return [][]int{nil}
	}
	for _, p := range permutations(n - 1) {
		for i := range n {
			all = append(all, slices.Insert(slices.Clone(p), i, n-1))
		}
	}
	return all
}

// TestAnyOrderOfSixEventsGivesOneState pushes all 720 orders of the messages of a stay, each from a sender of its own: message by
// message with a drain after each, and over eight connections while they are drained; make prove-redox also pushes them in one go,
// and with drains at random places.
func TestAnyOrderOfSixEventsGivesOneState(t *testing.T) {
	t.Parallel()
	w := freshWard(t)
	orders := permutations(6)
	var messages [][6][]byte
	for n := range orders {
		messages = append(messages, stay(mark(n)))
	}
	// round pushes the messages of each order from one place to another.
	round := func(span func(order int) (from, to int)) {
		w.pumpApart(8, len(orders), func(n int) [][]byte {
			from, to := span(n)
			var own [][]byte
			for _, i := range orders[n][from:to] {
				own = append(own, messages[n][i])
			}
			return own
		})
	}
	var digests []string
	done := func(how string) {
		digests = append(digests, w.oneDigest(len(orders)))
		if digests[0] != digests[len(digests)-1] {
			t.Errorf("%s: digest %s, want %s as after the first way", how, digests[len(digests)-1], digests[0])
		}
		w.empty()
	}

	for i := range 6 {
		round(func(int) (int, int) { return i, i + 1 })
		w.drain()
	}
	want := "in progress|-|-|3N|136|Event 6|Discharge|6|6"
	got := w.rowsOf(`SELECT v.status, v.discharge_date_time::text, f.discharge_date_time::text, v.location_department, v.location_room, p.demographics_last_name, v.canceled_event,
			(SELECT count(*)::text FROM ward_history.visit AS h WHERE h.source_id = v.source_id), (SELECT count(*)::text FROM ward.visit_event AS e WHERE e.source_id = v.source_id)
		FROM ward.visit AS v JOIN ward.visit_filled AS f USING (source_id) JOIN ward.patient AS p USING (source_id)`)
	if len(got) != len(orders) || slices.ContainsFunc(got, func(row string) bool { return row != want }) {
		t.Errorf("%d visits, the first is %s; want %s", len(got), got[0], want)
	}
	done("one by one")

	if os.Getenv("SYNCD_ORDERS") != "" {
		round(func(int) (int, int) { return 0, 6 })
		w.drain()
		done("in one go")

		dice, at := rand.New(rand.NewPCG(1, 2)), make([]int, len(orders))
		for behind := true; behind; {
			next := slices.Clone(at)
			behind = false
			for n := range next {
				next[n] = min(6, at[n]+dice.IntN(4))
				behind = behind || next[n] < 6
			}
			round(func(n int) (int, int) { return at[n], next[n] })
			w.drain()
			at = next
		}
		done("with drains at random places")
	}

	end := w.draining()
	w.pump(8, 6*len(orders), func(b []byte, i int) []byte {
		n := i % len(orders)
		return append(b, messages[n][orders[n][i/len(orders)]]...)
	})
	end()
	done("while they are drained")
	t.Logf("orders tried %d in %d ways, distinct final digests 1 (%s)", len(orders), len(digests), digests[0])
}

// pumpApart sends several lists of messages, each in its order, side by side.
func (w *ward) pumpApart(connections, lists int, list func(n int) [][]byte) {
	w.t.Helper()
	var all sync.WaitGroup
	for c := range connections {
		all.Go(func() {
			var own [][]byte
			for n := c; n < lists; n += connections {
				own = append(own, list(n)...)
			}
			p := &fake.Pump{Address: w.address, Path: wardPath, Token: wardToken}
			f, err := p.Run(w.t.Context(), len(own), func(b []byte, i int) []byte { return append(b, own[i]...) })
			if err != nil || f.Acknowledged() != len(own) {
				w.t.Errorf("%d of %d acknowledged, %v", f.Acknowledged(), len(own), err)
			}
		})
	}
	all.Wait()
	if w.t.Failed() {
		w.t.FailNow()
	}
}

// story is a history as any number of senders may tell it.
type story struct {
	source   string
	messages []*fake.Message
	truth    *fake.Truth
}

// newStory makes a story of so many messages, a fifth of which are told twice: half of those with the same bytes, half as another
// attempt at the same log.
func newStory(seed uint64, n int) *story {
	h := fake.NewHistory(fake.HistorySpec{Seed: seed, Patients: 12})
	s := &story{source: h.Source(), messages: h.Take(n - n/5)}
	s.truth = h.Truth()
	for i, m := range s.messages[:n/5] {
		again := *m
		if i%2 == 1 {
			again.Attempt = "aaaaaaaa" + m.Attempt[8:]
			again.Body = bytes.Replace(m.Body, []byte(m.Attempt), []byte(again.Attempt), 1)
		}
		s.messages = append(s.messages, &again)
	}
	return s
}

// tell appends a message as a sender tells it.
func (s *story) tell(b []byte, sender, message int) []byte {
	m := s.messages[message]
	body := bytes.Replace(m.Body, []byte(s.source), []byte(mark(sender)+s.source[8:]), 1)
	return append(b, bytes.Replace(body, []byte(m.LogID), []byte(mark(sender)+m.LogID[8:]), 1)...)
}

// TestAnyOrderOfTwoHundredMessagesGivesOneState pushes a history of patients in random orders, with duplicates, over eight
// connections, while it is drained. SYNCD_ORDERS says how many orders; make prove-redox tries 5,000.
func TestAnyOrderOfTwoHundredMessagesGivesOneState(t *testing.T) {
	t.Parallel()
	const length, atOnce = 200, 50
	w := freshWard(t)
	s := newStory(7, length)
	total := fromEnvironment(t, "SYNCD_ORDERS", 16)
	digest := ""
	for first := 0; first < total; first += atOnce {
		senders := min(atOnce, total-first)
		orders := make([][]int, senders)
		for i := range orders {
			orders[i] = rand.New(rand.NewPCG(uint64(first+i), 3)).Perm(length)
		}
		end := w.draining()
		w.pump(8, senders*length, func(b []byte, i int) []byte {
			return s.tell(b, first+i%senders, orders[i%senders][i/senders])
		})
		end()
		got := w.oneDigest(senders)
		if digest == "" {
			digest = got
			w.holds("ward", s.truth, mark(0)+s.source[8:])
		}
		if got != digest {
			t.Fatalf("orders %d to %d: digest %s, want %s as before", first, first+senders-1, got, digest)
		}
		w.empty()
	}
	t.Logf("orders tried %d of %d messages with %d duplicates, distinct final digests 1 (%s)", total, length, length/5, digest)
}
