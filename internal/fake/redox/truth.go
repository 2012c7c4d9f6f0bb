package redox

import "fmt"

// Row is a few values of a thing by name. A name is the field's path in the messages without the root of its model
// ("Demographics.LastName" of a patient, "Location.Room" of a visit), or one of those below. A value is text as Redox
// writes it; what is not known, or was taken back, has no entry.
type Row map[string]string

// Names in a Row that are no paths.
const (
	EventType = "(event type)" // of the newest message that tells of the thing
	Status    = "(status)"     // of a visit: planned, in progress, finished or cancelled
)

// Truth is what a warehouse must hold after the messages of a history have arrived, in whatever order: of each thing its
// newest state. Keys leave out the sending system, which is Source for all.
type Truth struct {
	Source string

	Patients  map[ID]Row // of whom PatientAdmin has told, by medical record number; also those merged into others
	Aliases   map[ID]ID  // identifiers that were retired, and the medical record number they were last merged into
	Survivors map[ID]ID  // every medical record number that was sent or retired, and the one that stands for it at the end

	Visits           map[string]Row    // by VisitNumber
	Orders           map[string]Row    // of which Order has told, by ID
	ResultOrders     map[string]Row    // of which Results has told, by ID
	Results          map[Nth]Row       // by the order's ID and the place among its results
	Appointments     map[string]Row    // by VisitNumber
	Rebooked         map[string]string // the VisitNumber that an appointment had, and the one that it got in its place
	Notes            map[string]Row    // by DocumentID, also those replaced; without those deleted
	NoteReplacements map[string]string // the document replaced, and the one that replaced it
	Medications      map[string]Row    // by the order's ID
	Administrations  map[Given]Row
}

// Nth is a place in a list of a thing, from 1.
type Nth struct {
	Of      string
	Ordinal int
}

// Given is the key of an administration.
type Given struct{ Order, StartDate, Product string }

// row makes a Row of names and values, leaving out what is empty.
func row(pairs ...string) Row {
	r := Row{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			r[pairs[i]] = pairs[i+1]
		}
	}
	return r
}

// Truth returns what must be in the warehouse when all messages so far have arrived.
func (h *History) Truth() *Truth {
	t := &Truth{
		Source: h.ends.source, Patients: map[ID]Row{}, Aliases: map[ID]ID{}, Survivors: map[ID]ID{}, Visits: map[string]Row{}, Orders: map[string]Row{},
		ResultOrders: map[string]Row{}, Results: map[Nth]Row{}, Appointments: map[string]Row{}, Rebooked: map[string]string{}, Notes: map[string]Row{},
		NoteReplacements: map[string]string{}, Medications: map[string]Row{}, Administrations: map[Given]Row{},
	}
	for retired, e := range h.edges {
		t.Aliases[retired] = e.into
		if retired.Type == "MR" {
			t.Survivors[retired] = h.survivor(retired)
		}
	}
	for _, c := range h.charts {
		t.Survivors[c.mr()] = h.survivor(c.mr())
		if c.event != "" {
			t.Patients[c.mr()] = row(EventType, c.event, "Demographics.FirstName", c.first, "Demographics.LastName", c.last, "Demographics.DOB", c.dob,
				"Demographics.MaritalStatus", c.marital, "Demographics.PhoneNumber.Home", c.phone, "Demographics.Address.City", c.home.city, "Demographics.Address.ZIP", c.home.zip)
		}
		t.visits(c)
		t.orders(c)
		t.appointments(c)
		t.notes(c)
		t.medications(c)
	}
	return t
}

// survivor is who stands for a patient. Where merges go round in a circle, the newest of them wins: the one whose own
// retirement is the oldest of the circle was taken back and stands.
func (h *History) survivor(id ID) ID {
	var path []ID
	seen := map[ID]int{}
	for {
		e, merged := h.edges[id]
		if !merged {
			return id
		}
		if from, circle := seen[id]; circle {
			oldest := path[from]
			for _, other := range path[from:] {
				if h.edges[other].at.Before(h.edges[oldest].at) {
					oldest = other
				}
			}
			return oldest
		}
		seen[id] = len(path)
		path = append(path, id)
		id = e.into
	}
}

func (t *Truth) visits(c *chart) {
	for _, s := range c.stays {
		left := ""
		if s.status == finished {
			left = stamp(s.left)
		}
		t.Visits[s.number] = row(EventType, s.event, Status, s.status, "AccountNumber", s.account, "PatientClass", s.class, "VisitDateTime", stamp(s.at),
			"AttendingProvider.ID", s.attending.npi, "Location.Department", s.where.department, "Location.Room", s.where.room, "Location.Bed", s.where.bed, "DischargeDateTime", left)
	}
}

func (t *Truth) orders(c *chart) {
	for _, o := range c.tests {
		if o.event != "" {
			t.Orders[o.number] = row(EventType, o.event, "Status", o.status, "Priority", o.priority, "Procedure.Code", o.what.code, "TransactionDateTime", stamp(o.at))
		}
		if o.told == "" {
			continue
		}
		t.ResultOrders[o.number] = row(EventType, o.told, "ResultsStatus", o.resultsStatus, "ApplicationOrderID", o.application, "CompletionDateTime", stamp(o.reportedAt))
		for i, f := range o.results {
			t.Results[Nth{o.number, i + 1}] = row("Code", f.code, "Codeset", f.codeset, "Value", f.value, "Units", f.unit, "Status", f.status)
		}
	}
}

func (t *Truth) appointments(c *chart) {
	for _, b := range c.bookings {
		t.Appointments[b.number] = row(EventType, b.event, "VisitDateTime", stamp(b.at), "Duration", fmt.Sprint(b.minutes), "Status", b.status, "Reason", b.reason,
			"CancelReason", b.cancelled)
		if b.next != "" {
			t.Rebooked[b.number] = b.next
		}
	}
}

func (t *Truth) notes(c *chart) {
	for _, n := range c.notes {
		if !n.deleted {
			t.Notes[n.number] = row(EventType, n.event(), "FileContents", n.text, "OriginalDocumentID", n.original, "ServiceDateTime", stamp(n.at))
		}
		if n.original != "" {
			t.NoteReplacements[n.original] = n.number
		}
	}
}

func (n *note) event() string {
	if n.original != "" {
		return "Replace"
	}
	return "New"
}

func (t *Truth) medications(c *chart) {
	for _, p := range c.prescriptions {
		t.Medications[p.number] = row(EventType, p.event, "Medication.Dose.Quantity", fmt.Sprint(p.quantity), "Medication.Product.Code", p.drug.code,
			"Medication.StartDate", stamp(p.start))
		for _, at := range p.given {
			t.Administrations[Given{p.number, stamp(at), p.drug.code}] = row("Status", "Complete")
		}
	}
}
