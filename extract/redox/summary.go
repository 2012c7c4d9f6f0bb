package redox

import (
	"strings"

	"syncd/extract"
)

var clinicalSummary = &model{name: "ClinicalSummary", entities: []*entity{clinicalDocument, patientIdentifier}, decode: decodeSummary}

// conceptFields are a code as documents spell it.
const conceptFields = "Code CodeSystem CodeSystemName Name AltCodes:json"

// clinicalDocument is a document with its sections: up to 1,500 fields, which stay as JSON, one row for each entry of a section.
var clinicalDocument = newEntity(tableSpec{
	name:    "clinical_document",
	comment: "Clinical summaries, each a whole snapshot of a patient or a visit.",
	key:     "source_id document_id",
	also:    "patient_id_type patient_id visit_number patient:json",
	at:      "Header",
	fields: `Patient! DirectAddressFrom DirectAddressTo PCP{` + providerFields + ` Type}
		Document{ID! Title Type Locale DateTime TypeCode{` + conceptFields + `} Confidentiality{` + conceptFields + `} Author{` + providerFields + ` Type}
			Custodian{Name Identifiers:json Type{` + conceptFields + `} Telecom:json ` + addressFields + `}
			Visit{VisitNumber! StartDateTime EndDateTime Reason Type{` + conceptFields + `} DischargeDisposition{` + conceptFields + `}
				Location{` + placeFields + `}}}`,
	indexes: "source_id patient_id_type patient_id, source_id visit_number",
}, tableSpec{
	name:    "clinical_section",
	comment: "Entries of the sections of a clinical summary: body as sent, or narrative where the section is text.",
	natural: "section ordinal:integer",
	also:    "body:json narrative",
	indexes: "section",
}).with(documentCurrent)

// documentCurrent shows the newest document of each patient and visit; of what is said to be of no patient it shows all.
func documentCurrent(e *entity) extract.View {
	const whose = "source_id, patient_id_type, patient_id, visit_number"
	return extract.View{
		Name: "clinical_document_current", Comment: "The newest clinical summary of each patient and visit.",
		Query: "SELECT " + columnList(e.tables[0], "d.") + "\nFROM (SELECT *, row_number() OVER (PARTITION BY " + whose +
			" ORDER BY _version DESC, document_id) AS place FROM {clinical_document}) AS d\nWHERE d.place = 1 OR d.patient_id IS NULL",
	}
}

// sectionsEach bounds how many sections of a document have rows of their own; the rest share one.
const sectionsEach = 500

func decodeSummary(m *message) {
	if meta := m.root.get("Meta"); meta.object() != nil {
		m.meta(meta, nil)
	}
	header := m.object("Header")
	document := header.get("Document")
	id := document.get("ID").str()
	if id == "" {
		id = m.Key
	}
	s := m.patientOf(header.get("Patient").object())
	t := thing{of: clinicalDocument, key: []string{m.source, id}, root: header, also: []also{
		set("patient_id_type", s.anchor.kind), set("patient_id", s.anchor.id), take("visit_number", document.get("Visit", "VisitNumber")),
		take("patient", s.patient),
	}}
	seen, sections := ordinals{}, 0
	rest := m.root.only(func(e *node) bool {
		if e.empty() || e.name == "Meta" || e.name == "Header" {
			return false
		}
		if sections++; sections > sectionsEach {
			return true
		}
		t.rows = append(t.rows, section(seen, e.name, e)...)
		return false
	})
	if !rest.empty() {
		t.rows = append(t.rows, section(seen, "", rest)...)
	}
	m.put(t)
}

// section are the rows of a section: of every entry of a list, of every entry of the lists of an object (PlanOfCare.Orders) and of what else
// that says, of a text that a person wrote.
func section(seen ordinals, name string, n *node) []childRow {
	row := func(name string, value also) childRow {
		return childRow{table: "clinical_section", key: []string{name, seen.next(name)}, also: []also{value}}
	}
	var rows []childRow
	switch {
	case n.empty():
	case n.kind == '[':
		for _, entry := range n.items() {
			rows = append(rows, row(name, take("body", entry)))
		}
	case n.kind == '{' && name != "":
		rest := n.only(func(c *node) bool {
			if c.kind == '[' {
				rows = append(rows, section(seen, name+"."+c.name, c)...)
			}
			return c.kind != '['
		})
		if !rest.empty() {
			rows = append(rows, row(name, take("body", rest)))
		}
	case n.kind != '{' && strings.HasSuffix(name, "Text"):
		rows = append(rows, row(name, take("narrative", n)))
	default:
		rows = append(rows, row(name, take("body", n)))
	}
	return rows
}
