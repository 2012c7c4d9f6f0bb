package redox

import (
	"slices"
	"strings"

	"syncd/extract"
)

// watches reports whether anybody asks whom messages are about. Otherwise nobody looks: it costs time.
func (g *group) watches() bool { return g.asked || g.blocked.Any() }

// concerns notes that the message is about somebody who has these identifiers.
func (m *message) concerns(person []identifierOf) {
	if len(person) > 0 {
		m.people = append(m.people, slices.Clone(person))
	}
}

// concerns notes whom a resource is about: a patient, or those to whom it refers by an identifier.
func (b *fhirBundle) concerns(e *fhirEntry) {
	if e.kind == "Patient" {
		own, old := e.patientIDs()
		b.m.concerns(append(own, old...))
		return
	}
	for _, member := range []string{"subject", "patient", "individual"} {
		id := e.resource.get(member, "identifier")
		if value := id.get("value").str(); value != "" {
			b.m.concerns([]identifierOf{{id.get("system").str(), value}})
		}
	}
}

// named finds people in a tree, whatever model it is of: whoever a member says is a patient.
func (m *message) named(n *node, member string) {
	if n == nil {
		return
	}
	if n.kind == '{' && (member == "Patient" || member == "Patients") {
		m.concerns(append(identifiers(n.get("Identifiers")), identifiers(n.get("PreviousIdentifiers"))...))
	}
	for c := n.first; c != nil; c = c.next {
		name := c.name
		if n.kind == '[' {
			name = member
		}
		m.named(c, name)
	}
}

// concernsBlocked reports whether the last message is about somebody who was purged.
func (g *group) concernsBlocked() bool {
	return g.blocked.Any() && slices.ContainsFunc(g.people, g.isBlocked)
}

// concernsOthers reports whether it is about somebody who was not.
func (g *group) concernsOthers() bool {
	return slices.ContainsFunc(g.people, func(person []identifierOf) bool { return !g.isBlocked(person) })
}

// isBlocked reports whether somebody who has these identifiers was purged.
func (g *group) isBlocked(person []identifierOf) bool {
	return slices.ContainsFunc(person, func(i identifierOf) bool {
		return g.blocked.Has(extract.PatientID{Source: g.source, Type: i.kind, ID: i.id}.Name()...)
	})
}

// leaveOut takes out of the states from a place on what is about people who were purged: things that are theirs and, of things that tell
// of several people, their rows and what is below those. It reports whether anything is left.
func (g *group) leaveOut(from int) bool {
	kept := g.states[:from]
	for _, s := range g.states[from:] {
		if len(s.rows) > 0 && s.rows[0].table == s.of.tables[0] && g.namesBlocked(s.rows[0]) {
			g.bar([]state{s})
			continue
		}
		var theirs []string
		s.rows = slices.DeleteFunc(slices.Clone(s.rows), func(r rowAt) bool {
			key := g.keyOf(r)
			below := slices.ContainsFunc(theirs, func(above string) bool { return strings.HasPrefix(key, above) })
			if !below && !g.namesBlocked(r) {
				return false
			}
			theirs = append(theirs, key)
			g.bar([]state{{rows: []rowAt{r}}})
			return true
		})
		kept = append(kept, s)
	}
	g.states = kept
	return len(kept) > from
}

// namesBlocked reports whether a row names somebody who was purged.
func (g *group) namesBlocked(r rowAt) bool {
	cell := func(column string) string {
		at := slices.IndexFunc(r.table.live.Columns, func(c extract.Column) bool { return c.Name == column })
		text, _ := g.made[r.table].Cell(r.row, at)
		return string(text)
	}
	return slices.ContainsFunc(peopleOf(r.table), func(columns [3]string) bool {
		return g.isBlocked([]identifierOf{{cell(columns[1]), cell(columns[2])}})
	})
}

// keyOf is the key of a row, ended so that no other key that is longer begins with it by chance.
func (g *group) keyOf(r rowAt) string {
	parts := make([]string, r.table.keys)
	for i := range parts {
		text, _ := g.made[r.table].Cell(r.row, i)
		parts[i] = string(text)
	}
	return extract.JoinKey(append(parts, "")...)
}

// bar counts the rows of states that are left out.
func (g *group) bar(states []state) {
	if g.barred == nil {
		g.barred = map[*extract.Table]int64{}
	}
	for i := range states {
		for _, r := range states[i].rows {
			g.barred[r.table.live]++
		}
	}
}

// People says whom deliveries are about. It is used by one goroutine.
type People struct{ group *group }

// NewPeople makes a reader of deliveries of a receiver.
func NewPeople() *People {
	known := map[*entity]bool{}
	for _, m := range models() {
		for _, e := range m.entities {
			known[e] = true
		}
	}
	p := &People{newGroup(known, nil)}
	p.group.asked = true
	return p
}

// Of returns the people whom a delivery is about, each by all identifiers that it gives them. It answers false where the delivery
// cannot be read.
func (p *People) Of(d *extract.Delivery) (people [][]extract.PatientID, readable bool) {
	p.group.reset()
	p.group.add(d)
	for _, person := range p.group.people {
		one := make([]extract.PatientID, len(person))
		for i, id := range person {
			one[i] = extract.PatientID{Source: p.group.source, Type: id.kind, ID: id.id}
		}
		people = append(people, one)
	}
	return people, p.group.settled[len(p.group.settled)-1].Outcome != extract.Rejected || len(people) > 0
}

// PersonThings lists the kinds of things that are about patients.
func PersonThings() []extract.PersonThing {
	var all []extract.PersonThing
	seen := map[*entity]bool{}
	for _, m := range models() {
		for _, e := range m.entities {
			if seen[e] || slices.Contains(impersonal, e.name) {
				continue
			}
			seen[e] = true
			all = append(all, e.personThing())
		}
	}
	return all
}

// impersonal are things that are about nobody's health: who works where, what is in stock, when there is time.
var impersonal = []string{"provider", "provider_active", "organization", "slot", "slot_part", "study", "inventory_item"}

// impersonalResources are types of FHIR resources of which the same holds, where a business identifier makes them more than a part of
// one message.
var impersonalResources = []string{
	"Organization", "OrganizationAffiliation", "Practitioner", "PractitionerRole", "Location", "HealthcareService", "Endpoint", "Device",
	"Medication", "Substance", "Schedule", "Slot", "InsurancePlan", "ValueSet", "CodeSystem",
}

func (e *entity) personThing() extract.PersonThing {
	var thing extract.PersonThing
	for i, t := range e.tables {
		p := extract.PersonTable{Name: t.live.Name, People: peopleOf(t)}
		for _, c := range t.columns[:t.keys] {
			p.Keys = append(p.Keys, c.name)
		}
		switch t.live.Name {
		case "fhir_resource":
			p.Kind, p.Patient, p.NotAbout, p.Business = "resource_type", "Patient", impersonalResources, "identifier_system"
		case "fhir_identifier":
			p.Kind, p.Patient = "resource_type", "Patient"
		case "fhir_message":
			p.Kind, p.Patient = "focus_resource_type", "Patient"
		}
		thing.Shared = thing.Shared || i > 0 && len(p.People) > 0 && len(thing.Tables[0].People) == 0
		thing.Tables = append(thing.Tables, p)
	}
	return thing
}

// peopleOf finds the columns of a table that name a person.
func peopleOf(t *table) [][3]string {
	var all [][3]string
	for _, pair := range [][2]string{
		{"patient_id_type", "patient_id"},
		{"into_id_type", "into_id"},
		{"previous_id_type", "previous_id"},
		{"subject_system", "subject_value"},
		{"patient_system", "patient_value"},
	} {
		_, kind := t.byName[pair[0]]
		if _, id := t.byName[pair[1]]; kind && id {
			all = append(all, [3]string{"source_id", pair[0], pair[1]})
		}
	}
	switch t.live.Name {
	case "patient_identifier", "patient_alias":
		all = append(all, [3]string{"source_id", "id_type", "id"})
	case "fhir_patient", "fhir_resource":
		all = append(all, [3]string{"source_id", "identifier_system", "identifier_value"})
	case "fhir_identifier":
		all = append(all, [3]string{"source_id", "identifier_system", "identifier_value"}, [3]string{"source_id", "system", "value"})
	case "fhir_message":
		all = append(all, [3]string{"source_id", "focus_identifier_system", "focus_identifier_value"})
	}
	return all
}
