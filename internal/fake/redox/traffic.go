package redox

import (
	"bytes"
	"fmt"
	"strconv"
	"time"
)

// TrafficSpec says what Traffic is to be. Everything that is not said follows from the seed.
type TrafficSpec struct {
	Seed     uint64        // also makes the log ids: feeds of different seeds have none in common
	Start    time.Time     // of the first message; default 6 January 2025
	Step     time.Duration // between messages; default one millisecond, which is the least that a message can tell
	Patients int           // how many different ones; default 10,000
	Test     bool          // of Meta
}

// Traffic makes messages fast, for benchmarks: each is a template with a few places filled in. Message i is always the same;
// different messages have different log ids, and later ones later times. It may be used from several goroutines.
type Traffic struct {
	spec      TrafficSpec
	templates [3]template // by the kind of message, as AppendMixed takes turns
}

// template is a rendered message and where in it stands what changes.
type template struct {
	text  []byte
	holes []hole
}

type hole struct {
	at   int
	what byte
}

// What stands in holes. Each has a width of its own, which its marker has too.
const (
	holeLog     = 'L' // a UUID
	holeAttempt = 'A' // a UUID
	holeTime    = 'T'
	holePatient = 'P' // ten digits
	holeVisit   = 'V' // twelve digits
	holeOrder   = 'O' // twelve digits
)

var markers = map[byte]string{
	holeLog: "aaaaaaaa-0000-4000-8000-00000000000a", holeAttempt: "bbbbbbbb-0000-4000-8000-00000000000b", holeTime: "1999-09-09T09:09:09.999Z",
	holePatient: "5550000111", holeVisit: "555000022233", holeOrder: "555000044455",
}

// NewTraffic makes traffic.
func NewTraffic(spec TrafficSpec) *Traffic {
	if spec.Start.IsZero() {
		spec.Start = firstMorning
	}
	if spec.Step == 0 {
		spec.Step = time.Millisecond
	}
	if spec.Patients == 0 {
		spec.Patients = 10_000
	}
	t := &Traffic{spec: spec}
	d := dice(spec.Seed)
	ends := newSystems(&d)
	at, _ := time.Parse(instant, markers[holeTime])
	p := newPerson(&d, markers[holePatient], "E"+markers[holePatient])
	p.allergies = allergens[:1]
	v := &visit{
		number: markers[holeVisit], account: "7001", class: "Inpatient", at: at, attending: clinicians[0], where: places[0], why: complaint[0],
	}
	o := &order{number: markers[holeOrder], status: "Resulted", priority: "Routine", at: at, by: clinicians[1], what: panels[0]}
	o.measure(&d, 0, "Final")
	a := &appointment{number: markers[holeVisit], reason: "Follow-up", at: at, minutes: 20, with: clinicians[2], where: places[4], status: "Scheduled"}
	for i, body := range []struct {
		model, event string
		rest         object
	}{
		{"PatientAdmin", "Arrival", object{"Patient", p.whole(clinicians[2]), "Visit", v.object(p)}},
		{"Results", "New", object{"Patient", p.thin(), "Orders", list{o.outcome(at)}, "Visit", v.short()}},
		{"Scheduling", "New", object{"Patient", p.whole(clinicians[2]), "AppointmentInfo", list{}, "Visit", a.object()}},
	} {
		m := &Message{LogID: markers[holeLog], Attempt: markers[holeAttempt], Model: body.model, EventType: body.event, EventAt: at}
		t.templates[i] = newTemplate(dialect{}.append(nil, append(object{"Meta", ends.meta(m, spec.Test, 0)}, body.rest...)))
	}
	return t
}

func newTemplate(text []byte) template {
	t := template{text: text}
	for what, marker := range markers {
		for from := 0; ; {
			i := bytes.Index(text[from:], []byte(marker))
			if i < 0 {
				break
			}
			t.holes = append(t.holes, hole{from + i, what})
			from += i + len(marker)
		}
	}
	return t
}

// PatientAdmin4KB is message i of a feed of arrivals, each of about 4 KB with full demographics, in a slice of its own.
func (t *Traffic) PatientAdmin4KB(i int) []byte { return t.AppendPatientAdmin4KB(nil, i) }

// AppendPatientAdmin4KB appends PatientAdmin4KB(i).
func (t *Traffic) AppendPatientAdmin4KB(b []byte, i int) []byte { return t.fill(b, &t.templates[0], i) }

// AppendMixed appends message i of a feed that takes turns: PatientAdmin, Results, Scheduling.
func (t *Traffic) AppendMixed(b []byte, i int) []byte {
	return t.fill(b, &t.templates[i%len(t.templates)], i)
}

func (t *Traffic) fill(b []byte, from *template, i int) []byte {
	start := len(b)
	b = append(b, from.text...)
	own := b[start:]
	var room [40]byte
	for _, h := range from.holes {
		value := room[:0]
		switch h.what {
		case holeLog:
			value = appendUUID(value, t.spec.Seed, uint64(i))
		case holeAttempt:
			value = appendUUID(value, ^t.spec.Seed, uint64(i))
		case holeTime:
			value = t.spec.Start.Add(time.Duration(i)*t.spec.Step).UTC().AppendFormat(value, instant)
		case holePatient:
			value = strconv.AppendInt(value, 1_000_000_000+int64(i%t.spec.Patients), 10)
		case holeVisit:
			value = strconv.AppendInt(value, 100_000_000_000+int64(i), 10)
		case holeOrder:
			value = strconv.AppendInt(value, 200_000_000_000+int64(i), 10)
		}
		copy(own[h.at:], value)
	}
	return b
}

// LogID is the log id of message i.
func (t *Traffic) LogID(i int) string {
	return string(appendUUID(make([]byte, 0, 36), t.spec.Seed, uint64(i)))
}

// appendUUID makes a UUID of two numbers. Different ones of a seed give different UUIDs.
func appendUUID(b []byte, seed, i uint64) []byte {
	d, n := dice(seed), dice(i)
	a, mixed := d.next(), n.next() // mixing is one to one
	const hex = "0123456789abcdef"
	digits := func(v uint64, n int) {
		for n--; n >= 0; n-- {
			b = append(b, hex[v>>(4*n)&15])
		}
	}
	digits(a, 8)
	b = append(b, '-')
	digits(mixed>>48, 4)
	b = append(b, "-4"...)
	digits(mixed>>36, 3)
	b = append(b, "-8"...)
	digits(a>>32, 3)
	b = append(b, '-')
	digits(mixed, 12)
	return b
}

// firstMorning is when feeds begin that are not told when.
var firstMorning = time.Date(2025, 1, 6, 6, 0, 0, 0, time.UTC)

// newSystems makes the ends of a feed.
func newSystems(d *dice) systems {
	return systems{d.uuid(), fmt.Sprintf("Lakeside EHR %d", d.below(100)), d.uuid(), "Warehouse"}
}
