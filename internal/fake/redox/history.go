package redox

import (
	"fmt"
	"iter"
	"time"
)

// HistorySpec says what a History is to be. Everything that is not said follows from the seed, so that equal specs are equal
// histories.
type HistorySpec struct {
	Seed     uint64
	Patients int              // most patients; default 50
	Start    time.Time        // when it begins; default 6 January 2025
	Step     time.Duration    // between messages; default one minute; not less than a millisecond
	Clock    func() time.Time // live: messages carry its time, in place of Start and Step
	Test     bool             // of Meta
	Reruns   int              // of 1,000 messages, how many are logs that are run again with another configuration
	Old      bool             // as feeds up to 2020: explicit nulls, ids as numbers, ids of message and transmission
}

// History is what goes on in a hospital, told in messages: patients are registered, admitted, moved, merged and discharged,
// tests are ordered, reported and corrected, appointments are booked and changed, notes written and replaced, drugs given.
// Each message is consistent with those before it. It must not be used from several goroutines at once.
type History struct {
	spec   HistorySpec
	dice   dice
	ends   systems
	style  dialect
	now    time.Time // of the message that is being made
	count  int       // messages
	serial int       // of numbers that the hospital gives out
	charts []*chart
	edges  map[ID]edge // by the identifier that was retired
}

// chart is all that the hospital keeps of a patient.
type chart struct {
	*person
	event         string // of the last PatientAdmin message of the patient; empty before the first
	stays         []*stay
	tests         []*test
	bookings      []*booking
	notes         []*note
	prescriptions []*prescription
}

// mr is the medical record number.
func (c *chart) mr() ID { return c.ids[0] }

// edge is a merge: into whom, and when.
type edge struct {
	into ID
	at   time.Time
}

// NewHistory makes a history that nothing has happened in.
func NewHistory(spec HistorySpec) *History {
	if spec.Patients == 0 {
		spec.Patients = 50
	}
	if spec.Start.IsZero() {
		spec.Start = firstMorning
	}
	if spec.Step == 0 {
		spec.Step = time.Minute
	}
	h := &History{spec: spec, dice: dice(spec.Seed), now: spec.Start, edges: map[ID]edge{}, style: dialect{nulls: spec.Old, numbers: spec.Old}}
	h.ends = newSystems(&h.dice)
	return h
}

// Source is the id of the sending system.
func (h *History) Source() string { return h.ends.source }

// Take returns the next n messages.
func (h *History) Take(n int) []*Message {
	all := make([]*Message, n)
	for i := range all {
		all[i] = h.Next()
	}
	return all
}

// All goes on without end.
func (h *History) All() iter.Seq[*Message] {
	return func(yield func(*Message) bool) {
		for yield(h.Next()) {
		}
	}
}

// happening is something that can happen to a patient. do returns nil where it cannot happen now.
type happening struct {
	weight int
	do     func(h *History, c *chart) *Message
}

// happenings lists what can happen, the likelier the heavier.
func happenings() []happening {
	return []happening{
		{4, (*History).updatePatient},
		{3, (*History).merge},
		{1, (*History).mergeUnknown},
		{6, (*History).admit},
		{4, (*History).arrive},
		{6, (*History).transfer},
		{4, (*History).updateVisit},
		{6, (*History).discharge},
		{2, (*History).cancelDischarge},
		{2, (*History).cancelArrival},
		{8, (*History).order},
		{3, (*History).updateOrder},
		{2, (*History).cancelOrder},
		{12, (*History).report},
		{5, (*History).book},
		{3, (*History).reschedule},
		{2, (*History).modify},
		{2, (*History).unbook},
		{5, (*History).write},
		{3, (*History).rewrite},
		{2, (*History).unwrite},
		{4, (*History).prescribe},
		{2, (*History).represcribe},
		{1, (*History).stop},
		{5, (*History).give},
	}
}

// Next lets one thing happen and returns the message that tells of it.
func (h *History) Next() *Message {
	h.tick()
	for {
		if m := h.happen(); m != nil {
			return m
		}
	}
}

// tick sets the clock forward: no two messages are of the same moment.
func (h *History) tick() {
	h.count++
	if h.spec.Clock == nil {
		h.now = h.now.Add(h.spec.Step)
		return
	}
	next := h.spec.Clock().Truncate(time.Millisecond)
	if !next.After(h.now) {
		next = h.now.Add(time.Millisecond)
	}
	h.now = next
}

func (h *History) happen() *Message {
	if len(h.charts) == 0 || len(h.charts) < h.spec.Patients && h.dice.of(150) {
		return h.newcomer()
	}
	c := pick(&h.dice, h.charts)
	if h.dice.of(h.spec.Reruns) {
		if m := h.rerun(c); m != nil {
			return m
		}
	}
	all, total := happenings(), 0
	for _, one := range all {
		total += one.weight
	}
	roll := h.dice.below(total)
	for _, one := range all {
		if roll -= one.weight; roll < 0 {
			return one.do(h, c)
		}
	}
	return nil
}

// newcomer is a patient whom nobody has heard of before, and how we come to hear of them.
func (h *History) newcomer() *Message {
	c := &chart{person: newPerson(&h.dice, fmt.Sprintf("%08d", h.number()), h.dice.uuid())}
	h.charts = append(h.charts, c)
	switch h.dice.below(10) {
	case 0, 1:
		return h.admit(c)
	case 2:
		return h.order(c)
	default:
		return h.admin(c, "NewPatient", object{"Patient", c.whole(clinicians[2])})
	}
}

// number is one that the hospital has not given out before.
func (h *History) number() int {
	h.serial++
	return 41_000_000 + h.serial
}

// emit makes the message. members are what stands beside Meta.
func (h *History) emit(c *chart, model, event string, members object, meta ...any) *Message {
	m := &Message{
		LogID: h.dice.uuid(), Attempt: h.dice.uuid(), Source: h.ends.source, Model: model, EventType: event, EventAt: h.now, Patient: c.mr().Value,
	}
	h.render(m, members, meta)
	return m
}

func (h *History) render(m *Message, members object, meta []any) {
	sequence := 0
	if h.spec.Old {
		sequence = h.count
	}
	m.Body = h.style.append(nil, append(object{"Meta", h.ends.meta(m, h.spec.Test, sequence, meta...)}, members...))
}

// admin makes a message of PatientAdmin: it is the newest that is known of the patient.
func (h *History) admin(c *chart, event string, members object, meta ...any) *Message {
	c.event = event
	return h.emit(c, "PatientAdmin", event, members, meta...)
}

// updatePatient changes what is known of a patient.
func (h *History) updatePatient(c *chart) *Message {
	switch h.dice.below(4) {
	case 0:
		c.home = newAddress(&h.dice)
	case 1:
		c.marital = pick(&h.dice, maritals)
	case 2:
		c.last = pick(&h.dice, lasts)
	default:
		c.phone = telephone(&h.dice)
	}
	return h.admin(c, "PatientUpdate", object{"Patient", c.whole(clinicians[2])})
}

// merge joins two charts: all that is known of the other by its identifiers now belongs to c. Merges back and forth, chains, and
// merges of what was merged before happen, as they do.
func (h *History) merge(c *chart) *Message {
	loser := pick(&h.dice, h.charts)
	if loser == c {
		return nil
	}
	retired := loser.ids
	if h.dice.of(500) {
		retired = retired[:1] // some systems name the medical record number only
	}
	return h.mergeInto(c, retired)
}

// mergeUnknown joins a chart of which no message was ever sent.
func (h *History) mergeUnknown(c *chart) *Message {
	return h.mergeInto(c, []ID{{"MR", fmt.Sprintf("%08d", h.number())}})
}

func (h *History) mergeInto(c *chart, retired []ID) *Message {
	for _, id := range retired {
		h.edges[id] = edge{c.mr(), h.now}
	}
	return h.admin(c, "PatientMerge", object{"Patient", object{
		"Identifiers", identifiers(c.ids), "PreviousIdentifiers", identifiers(retired), "Demographics", c.demographics(), "Notes", []string{},
	}})
}
