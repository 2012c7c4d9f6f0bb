package redox

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"syncd/extract"
)

// visitEvents are a visit from pre-admission to a discharge that is taken back, in the order in which they happened.
func visitEvents() []*extract.Delivery {
	say := func(seq int64, event, meta, visit string) *extract.Delivery {
		return delivery(seq, fmt.Sprintf(`{"Meta":{"DataModel":"PatientAdmin","EventType":%q,"EventDateTime":%q,"Source":{"ID":"s"}%s},
			"Patient":{"Identifiers":[{"ID":"1","IDType":"MR"},{"ID":"e%d","IDType":"EPI"}],"Contacts":[{"FirstName":"c%d"}]},
			"Visit":{"VisitNumber":"v"%s}}`, event, noon.Add(time.Duration(seq)*time.Minute).Format(time.RFC3339), meta, seq%2, seq, visit))
	}
	return []*extract.Delivery{
		say(1, "PreAdmit", "", ""),
		say(2, "Arrival", "", `,"Location":{"Room":"1"},"AttendingProvider":{"ID":"a"}`),
		say(3, "Transfer", "", `,"Location":{"Room":"2"},"PreviousLocation":{"Room":"1"},"Insurances":[{"Priority":"1"},{"Priority":"2"}]`),
		say(4, "Discharge", "", `,"DischargeDateTime":"2026-03-01T12:04:00Z","DischargeLocation":{"Facility":"home"}`),
		say(5, "Cancel", `,"CanceledEvent":"Discharge"`, `,"DischargeDateTime":"2026-03-01T12:04:00Z","Location":{"Room":"2"}`),
		say(6, "VisitUpdate", "", `,"Insurances":[{"Priority":"3"}]`),
	}
}

// loaded is the warehouse after batches of deliveries in this order, cut at these places.
func loaded(t *testing.T, order []*extract.Delivery, cut func(i int) bool) *warehouse {
	w, g := newWarehouse(), everything("MR")
	for i, d := range order {
		if i > 0 && cut(i) {
			w.load(g.batch())
			g = everything("MR")
		}
		g.add(d)
	}
	b := g.batch()
	check(t, b)
	w.load(b)
	return w
}

func TestAnyOrderAndAnyGroupsGiveOneResult(t *testing.T) {
	events := visitEvents()
	want := loaded(t, events, func(int) bool { return true }).digest()
	if want == "" {
		t.Fatal("nothing was loaded")
	}
	n := 0
	permute(events, func(order []*extract.Delivery) {
		for mask := range 4 {
			n++
			cut := func(i int) bool { return mask == 3 || mask != 0 && i%(mask+1) == 0 }
			if got := loaded(t, order, cut).digest(); got != want {
				t.Fatalf("another order gives another result:\n%s\nwant\n%s", got, want)
			}
		}
	})
	if n != 720*4 {
		t.Errorf("%d orders", n)
	}
}

// permute calls f with every order of list.
func permute(list []*extract.Delivery, f func([]*extract.Delivery)) {
	var at func(k int)
	at = func(k int) {
		if k == len(list) {
			f(list)
			return
		}
		for i := k; i < len(list); i++ {
			list[k], list[i] = list[i], list[k]
			at(k + 1)
			list[k], list[i] = list[i], list[k]
		}
	}
	at(0)
}

func TestARandomOrderOfAllRecordedMessagesGivesOneResult(t *testing.T) {
	var all []*extract.Delivery
	seq := int64(0)
	for _, body := range payloads(t, "datamodel") {
		for range 2 {
			seq++
			d := delivery(seq, body)
			d.EventAt = noon.Add(-time.Duration(seq%17) * time.Minute)
			all = append(all, d)
		}
	}
	cut := func(n int) func(int) bool { return func(i int) bool { return i%n == 0 } }
	want := loaded(t, all, cut(1)).digest()
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 20 {
		random.Shuffle(len(all), func(a, b int) { all[a], all[b] = all[b], all[a] })
		if got := loaded(t, all, cut(i+1)).digest(); got != want {
			t.Fatal("another order gives another result")
		}
	}
}

func TestTheStatusOfAVisitFollowsItsEvents(t *testing.T) {
	events := visitEvents()
	for n, want := range []string{"planned", "in progress", "in progress", "finished", "in progress", "in progress"} {
		w := loaded(t, events[:n+1], func(int) bool { return false })
		if got := w.value(visit, "visit", "status", ""); got != want {
			t.Errorf("after %s: %s, want %s", events[n].EventType, got, want)
		}
	}
	for canceled, want := range map[string]string{"Arrival": "cancelled", "PreAdmit": "cancelled", "Registration": "cancelled", "": "cancelled", "Transfer": "in progress", "Discharge": "in progress"} {
		if got := visitStatus("Cancel", canceled); got != want {
			t.Errorf("cancel of %q: %s, want %s", canceled, got, want)
		}
	}
}

func TestACancelledDischargeTakesBackWhatWasSaidOfIt(t *testing.T) {
	w := loaded(t, visitEvents()[:5], func(int) bool { return false })
	if got := w.value(visit, "visit", "discharge_date_time", ""); got != "NULL" {
		t.Errorf("discharge_date_time is %s", got)
	}
	if got := w.value(visit, "visit_location", "facility", "discharge\x001"); got != "no row" {
		t.Errorf("the location of the discharge is %s", got)
	}
	taken, kept := false, false
	for _, n := range w.notes[visit.tables[0].live]["s\x00v"] {
		taken = taken || n.Kind == extract.MissingCode && n.Column == "discharge_date_time" && n.Value == "taken back"
		kept = kept || n.Kind == extract.Extra && n.Column == "Visit.DischargeDateTime" && n.Value == "2026-03-01T12:04:00Z"
	}
	if !taken || !kept {
		t.Errorf("taken back: %v, what the cancellation itself says of the discharge kept: %v", taken, kept)
	}
}

func TestADeletedNoteIsGoneWhateverComesLate(t *testing.T) {
	say := func(seq int64, event, doc, original string) *extract.Delivery {
		return delivery(seq, fmt.Sprintf(`{"Meta":{"DataModel":"Notes","EventType":%q},"Note":{"DocumentID":%q,"OriginalDocumentID":%q,"Components":[{"Value":"x"}]}}`, event, doc, original))
	}
	events := []*extract.Delivery{say(1, "New", "a", ""), say(2, "Replace", "b", "a"), say(3, "Delete", "b", "")}
	permute(events, func(order []*extract.Delivery) {
		w := loaded(t, order, func(int) bool { return true })
		if len(w.rows[note.tables[0].live]) != 1 || w.value(note, "note", "event_type", "a") != "New" || w.value(note, "note_component", "value", "b\x001") != "no row" {
			t.Errorf("live: %v", w.rows[note.tables[0].live])
		}
		if got := w.value(noteReplacement, "note_replacement", "document_id", "a"); got != "b" {
			t.Errorf("a is replaced by %s", got)
		}
		if n := len(w.rows[note.tables[0].past]); n != 3 {
			t.Errorf("%d states in the history", n)
		}
	})
}

func TestACorrectionReplacesTheResultsOfItsOrderAsAWhole(t *testing.T) {
	say := func(seq int64, results string) *extract.Delivery {
		return delivery(seq, `{"Meta":{"DataModel":"Results","EventType":"New"},"Orders":[{"ID":"o","Results":[`+results+`]}]}`)
	}
	w := loaded(t, []*extract.Delivery{
		say(1, `{"Code":"a","Value":"1","Notes":["n1","n2"]},{"Code":"b","Value":"2"},{"Code":"c","ValueType":"Encapsulated Data","FileType":"PDF","Value":"AAE="}`),
		say(2, `{"Code":"a","Value":"3"}`),
	}, func(int) bool { return true })
	if n := len(w.rows[resultOrder.table("result").live]); n != 1 || w.value(resultOrder, "result", "value", "") != "3" {
		t.Errorf("%d results", n)
	}
	if n := len(w.rows[resultOrder.table("result_note").live]); n != 0 {
		t.Errorf("%d notes", n)
	}
	past := w.cells[resultOrder.table("result_document").past]
	for _, cells := range past {
		if got := show(cells); len(past) != 1 || got == "" {
			t.Error(got)
		}
	}
}

func TestOrdersThatNobodyOrderedAreKnownByTheirApplicationsID(t *testing.T) {
	w := loaded(t, []*extract.Delivery{
		delivery(1, `{"Meta":{"DataModel":"Results","EventType":"NewUnsolicited"},"Orders":[{"ApplicationOrderID":"x","Results":[{"Code":"a"}]}]}`),
	}, func(int) bool { return true })
	if w.value(resultOrder, "result", "code", "ApplicationOrderID\x00x\x001") != "a" {
		t.Error(w.digest())
	}
}

func TestTheAnchorIsOfATrustedTypeOrElseTheSmallest(t *testing.T) {
	all := []identifierOf{{"EPI", "9"}, {"MR", "2"}, {"MR", "10"}, {"", "0"}}
	for _, c := range []struct {
		types []string
		want  identifierOf
	}{
		{nil, identifierOf{"", "0"}},
		{[]string{"MR"}, identifierOf{"MR", "10"}},
		{[]string{"SSN", "EPI", "MR"}, identifierOf{"EPI", "9"}},
		{[]string{"SSN"}, identifierOf{"", "0"}},
	} {
		m := &message{types: c.types}
		if got := m.anchor(all); got != c.want {
			t.Errorf("trusted %v: %v, want %v", c.types, got, c.want)
		}
	}
}
