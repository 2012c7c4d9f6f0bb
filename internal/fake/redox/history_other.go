package redox

import (
	"fmt"
	"time"
)

// booking is an appointment with what was last told of it.
type booking struct {
	appointment
	event string
	over  bool // nothing more is heard of it: it has another number now, or was cancelled
	next  string
}

func (h *History) book(c *chart) *Message {
	b := &booking{appointment: appointment{
		number: fmt.Sprint(h.number()), reason: pick(&h.dice, []string{"Follow-up", "Vaccination", "Annual physical"}), at: h.soon(), minutes: 10 + 5*h.dice.below(6),
		with: pick(&h.dice, clinicians), where: pick(&h.dice, places), status: "Scheduled",
	}}
	c.bookings = append(c.bookings, b)
	return h.tellBooking(c, b, "New")
}

// soon is a time at which something can be booked.
func (h *History) soon() time.Time {
	return h.now.Truncate(time.Hour).Add(time.Duration(24+h.dice.below(400)) * time.Hour)
}

func (h *History) tellBooking(c *chart, b *booking, event string, more ...any) *Message {
	b.event = event
	info := list{object{"Code", "INT", "Codeset", "", "Description", "Interpreter", "Value", "None"}}
	return h.emit(c, "Scheduling", event, object{"Patient", c.whole(clinicians[2]), "AppointmentInfo", info, "Visit", b.object(more...)})
}

func (h *History) standing(c *chart) *booking {
	return one(&h.dice, c.bookings, func(b *booking) bool { return !b.over })
}

// reschedule moves an appointment, which in some systems gives it another number.
func (h *History) reschedule(c *chart) *Message {
	b := h.standing(c)
	if b == nil {
		return nil
	}
	old := stamp(b.at)
	if h.dice.of(300) {
		moved := *b
		moved.number, moved.at = fmt.Sprint(h.number()), h.soon()
		b.over, b.next = true, moved.number
		c.bookings = append(c.bookings, &moved)
		return h.tellBooking(c, &moved, "Reschedule", "OldVisitNumber", id(b.number), "OldDateTime", old)
	}
	b.at = h.soon()
	return h.tellBooking(c, b, "Reschedule", "OldDateTime", old)
}

func (h *History) modify(c *chart) *Message {
	b := h.standing(c)
	if b == nil {
		return nil
	}
	b.minutes += 5
	return h.tellBooking(c, b, "Modification")
}

// unbook ends an appointment: it is cancelled, or nobody came.
func (h *History) unbook(c *chart) *Message {
	b := h.standing(c)
	if b == nil {
		return nil
	}
	b.over = true
	if h.dice.of(300) {
		b.status = "No Show"
		return h.tellBooking(c, b, "NoShow")
	}
	b.status, b.cancelled = "Canceled", "Patient request"
	return h.tellBooking(c, b, "Cancel")
}

// note is a document with what was last told of it.
type note struct {
	number, original, text string
	at                     time.Time
	replaced, deleted      bool
	by                     string // the document that replaced it
}

func (h *History) write(c *chart) *Message {
	n := &note{number: h.dice.uuid(), text: fmt.Sprintf("Seen on rounds, %s.\nNo complaints (%d).", c.last, h.dice.below(1000))}
	c.notes = append(c.notes, n)
	return h.tellNote(c, n, "New")
}

func (h *History) tellNote(c *chart, n *note, event string) *Message {
	if event != "Delete" {
		n.at = h.now
	}
	original := ""
	if event == "Replace" {
		original = n.original
	}
	author := pick(&h.dice, clinicians)
	body := object{
		"ContentType", "Plain Text", "FileName", "", "FileType", "", "FileContents", n.text, "DocumentType", "Progress Note", "DocumentID", n.number, "DocumentDescription", "",
		"OriginalDocumentID", original, "ServiceDateTime", stamp(n.at), "DocumentationDateTime", stamp(h.now), "Availability", "Available", "Status", "",
		"Provider", author.object(), "Authenticator", provider{}.object(), "Notifications",
		list{},
		"Components",
		list{},
	}
	return h.emit(c, "Notes", event, object{"Patient", c.thin(), "Visit", c.where(), "Note", body, "Orders", list{}})
}

// rewrite replaces a document by another, which may be one that was never sent.
func (h *History) rewrite(c *chart) *Message {
	n := &note{number: h.dice.uuid(), original: h.dice.uuid(), text: fmt.Sprintf("Amended: %s is well (%d).", c.first, h.dice.below(1000))}
	if old := one(&h.dice, c.notes, func(n *note) bool { return !n.deleted && !n.replaced }); old != nil {
		old.replaced, old.by, n.original = true, n.number, old.number
	} else if !h.dice.of(200) {
		return nil
	}
	c.notes = append(c.notes, n)
	return h.tellNote(c, n, "Replace")
}

func (h *History) unwrite(c *chart) *Message {
	n := one(&h.dice, c.notes, func(n *note) bool { return !n.deleted && !n.replaced })
	if n == nil {
		return nil
	}
	n.deleted, n.text = true, ""
	return h.tellNote(c, n, "Delete")
}

// prescription is a medication order with what was last told of it.
type prescription struct {
	number, event string
	drug          coded
	quantity      int
	start         time.Time
	given         []time.Time
}

func (p *prescription) medication() object {
	return object{
		"Dose",
		object{"Quantity", p.quantity, "Units", "mg"},
		"Rate",
		object{"Quantity", "", "Units", ""},
		"Route",
		object{"Code", "C38288", "CodeSystem", "2.16.840.1.113883.3.26.1.1", "CodeSystemName", "NCI Thesaurus", "Name", "Oral"},
		"Components",
		list{},
		"Product",
		object{"Code", id(p.drug.code), "CodeSystem", "2.16.840.1.113883.6.88", "CodeSystemName", p.drug.codeset, "Name", p.drug.name, "AltCodes", list{}},
	}
}

func (h *History) prescribe(c *chart) *Message {
	p := &prescription{number: h.dice.uuid(), drug: pick(&h.dice, drugs), quantity: 5 * (1 + h.dice.below(20)), start: h.now}
	c.prescriptions = append(c.prescriptions, p)
	return h.tellPrescription(c, p, "New")
}

func (h *History) tellPrescription(c *chart, p *prescription, event string) *Message {
	p.event = event
	medication := append(p.medication(), "StartDate", stamp(p.start), "EndDate", "", "Frequency", object{"Period", number("8"), "Unit", "h"}, "Dispense", object{})
	by := pick(&h.dice, clinicians)
	return h.emit(c, "Medications", event, object{"Patient", c.thin(), "Visit", c.where(), "Order", object{
		"ID", p.number, "Notes",
		[]string{},
		"Medication", medication, "Indications",
		list{},
		"Provider", by.object(), "EnteredBy", by.object(),
		"VerifiedBy", provider{}.object(), "Pharmacy",
		object{},
		"Priority", "",
	}})
}

func (h *History) active(c *chart) *prescription {
	return one(&h.dice, c.prescriptions, func(p *prescription) bool { return p.event != "Cancel" })
}

func (h *History) represcribe(c *chart) *Message {
	p := h.active(c)
	if p == nil {
		return nil
	}
	p.quantity += 5
	return h.tellPrescription(c, p, "Update")
}

func (h *History) stop(c *chart) *Message {
	p := h.active(c)
	if p == nil {
		return nil
	}
	return h.tellPrescription(c, p, "Cancel")
}

// give administers a drug.
func (h *History) give(c *chart) *Message {
	p := h.active(c)
	if p == nil {
		return nil
	}
	p.given = append(p.given, h.now)
	nurse := pick(&h.dice, clinicians)
	one := object{
		"Status", "Complete", "Medication", append(object{"Order", object{"ID", p.number}, "LotNumber", ""}, p.medication()...), "StartDate", stamp(h.now), "EndDate", "",
		"AdministeringProvider", nurse.object(), "OrderedBy", provider{}.object(), "VerifiedBy", provider{}.object(),
	}
	return h.emit(c, "Medications", "Administration", object{"Patient", c.thin(), "Visit", c.where(), "Administrations", list{one}})
}
