package redox

import (
	"cmp"
	"slices"
)

// identifierOf is an identifier of a patient.
type identifierOf struct{ kind, id string }

// patientIdentifier is every identifier under which a patient was ever named, by any model. Identifiers that a message does not name stay.
var patientIdentifier = newEntity(tableSpec{
	name:    "patient_identifier",
	comment: "Identifiers of patients, each with the one that stands for the patient (the anchor).",
	key:     "source_id patient_id_type patient_id id_type id", facts: true,
	at: "Patient.Identifiers[]", fields: "ID! IDType!",
	indexes: "source_id id_type id",
})

// longestAnchor bounds an identifier that may stand for a patient, with its type: it becomes a part of many keys.
const longestAnchor = 400

// identifiers reads those of a list of identifiers that can stand for a patient.
func identifiers(list *node) []identifierOf {
	var all []identifierOf
	for _, n := range list.items() {
		i := identifierOf{n.get("IDType").str(), n.get("ID").str()}
		if i.id != "" && len(i.kind)+len(i.id) <= longestAnchor && usable([]string{i.kind, i.id}) == "" {
			all = append(all, i)
		}
	}
	return all
}

// anchor chooses of a patient's identifiers the one that stands for the patient: the first of the trusted types that is
// present, else the smallest by type and id.
func (m *message) anchor(all []identifierOf) identifierOf {
	rank := func(i identifierOf) int {
		if at := slices.Index(m.types, i.kind); at >= 0 {
			return at
		}
		return len(m.types)
	}
	if len(all) == 0 {
		return identifierOf{}
	}
	return slices.MinFunc(all, func(a, b identifierOf) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.kind, b.kind), cmp.Compare(a.id, b.id))
	})
}

// identify puts the identifiers of a patient and returns the anchor; both of its texts are empty where there is none.
func (m *message) identify(patient *node) identifierOf {
	list := patient.get("Identifiers")
	anchor := m.anchor(identifiers(list))
	if anchor.id == "" {
		return anchor
	}
	for _, n := range list.items() {
		if n.get("ID").empty() {
			continue // a type of which there is none
		}
		m.put(thing{of: patientIdentifier, key: []string{m.source, anchor.kind, anchor.id, n.get("IDType").str(), n.get("ID").str()}, root: n})
	}
	return anchor
}
