package redox

import (
	"strconv"
	"strings"

	"syncd/extract"
)

// subject is whom a message is about: a patient, and the visit that is named beside.
type subject struct {
	anchor identifierOf
	number string // Visit.VisitNumber
	// patient and visit are what else is said of them. Rows of which a message has many do not carry it: who a patient is should not
	// stand beside each of their measurements. It is in the delivery's bytes, and where PatientAdmin is received in its tables.
	patient, visit *node
}

// subjectKey are the columns that name a subject. Things that a message tells of once have the contextColumns.
const subjectKey = "patient_id_type patient_id visit_number"

// about reads the Patient and the Visit of a message, and puts the identifiers of the patient.
func (m *message) about() subject {
	visit := m.object("Visit")
	s := m.patientOf(m.object("Patient"))
	s.number, s.visit = visit.get("VisitNumber").str(), visit.without("VisitNumber")
	return s
}

// aboutMany is about for models whose rows do not carry what is said of patient and visit; what nobody declared is kept beside the first row.
func (m *message) aboutMany() subject {
	m.others(m.root.get("Patient"), "Patient", "Identifiers", "Demographics", "Notes", "Contacts", "Consent")
	m.others(m.root.get("Visit"), "Visit", "VisitNumber", "AccountNumber", "VisitDateTime", "Location")
	return m.about()
}

// patientOf is a subject of which nothing but the patient is known.
func (m *message) patientOf(patient *node) subject {
	return subject{anchor: m.identify(patient), patient: patient.without("Identifiers")}
}

// key are the columns of subjectKey.
func (s *subject) key() []also {
	return []also{set("patient_id_type", s.anchor.kind), set("patient_id", s.anchor.id), set("visit_number", s.number)}
}

// columns are the contextColumns.
func (s *subject) columns() []also {
	return append(s.key(), take("patient", s.patient), take("visit", s.visit))
}

// elements returns the elements of a member of the message that should be an array; one that is something else is not lost.
func (m *message) elements(name string) []*node {
	n := m.root.get(name)
	items := n.items()
	if len(items) == 0 && !n.empty() {
		m.loose = append(m.loose, extra{name, n})
	}
	return items
}

// only is an object with those of its members that are to be kept.
func (n *node) only(keep func(*node) bool) *node {
	all := *n
	all.first, all.void = nil, true
	at := &all.first
	for e := n.first; e != nil; e = e.next {
		if !keep(e) {
			continue
		}
		one := *e
		one.next = nil
		all.void = all.void && one.void
		*at, at = &one, &one.next
	}
	return &all
}

// ordinals number the rows of a message that have nothing but their order to tell them apart, from 1.
type ordinals map[string]int

func (o ordinals) next(key ...string) string {
	all := extract.JoinKey(key...)
	o[all]++
	return strconv.Itoa(o[all])
}

// moment is a date-time as a part of a key: the same for one moment in whatever zone it is written.
func moment(n *node) string {
	text := n.str()
	if at, ok := appendInstant(nil, []byte(text)); ok {
		return string(at)
	}
	return text
}

// removes reports whether the action that stands beside an entry takes it away. Which words there are is not published.
func removes(action *node) bool {
	switch strings.ToLower(action.str()) {
	case "delete", "deleted", "remove", "removed", "d":
		return true
	}
	return false
}

// named is the identifier by which something is known: the first that has an id.
func named(all ...identifierOf) identifierOf {
	for _, i := range all {
		if i.id != "" {
			return i
		}
	}
	return identifierOf{}
}

// smallestIdentifier chooses among identifiers: one of a trusted type, else the smallest by type and id.
func smallestIdentifier(all []identifierOf, trusted ...string) identifierOf {
	return (&message{types: trusted}).anchor(all)
}

// partyID is the identifier of a person or an organisation that has one, or a list of them.
func partyID(n *node) identifierOf {
	return named(identifierOf{n.get("IDType").str(), n.get("ID").str()}, smallestIdentifier(identifiers(n.get("Identifiers")), "NPI"))
}

// spelled are the values of columns that an object spells in another way than their names, as "Quantity.Value unit_count": those that it has.
func spelled(n *node, pairs ...string) []also {
	var all []also
	for _, pair := range pairs {
		path, column, _ := strings.Cut(pair, " ")
		if v := n.get(strings.Split(path, ".")...); !v.empty() {
			all = append(all, take(column, v))
		}
	}
	return all
}
