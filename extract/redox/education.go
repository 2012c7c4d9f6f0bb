package redox

var patientEducation = &model{name: "PatientEducation", entities: []*entity{education, patientIdentifier}, decode: decodeEducation}

var education = newEntity(tableSpec{
	name:    "education",
	comment: "What patients are taught about, by InstanceID, else by the subject's code (see id_type).",
	key:     "source_id patient_id_type patient_id id_type id",
	also:    "visit_number patient:json visit:json",
	at:      "Education[]",
	fields:  "InstanceID Subject{Code Codeset Description} Status ActionStatus ActionDateTime CreatedDateTime Assignments:json",
	indexes: "source_id visit_number",
})

func decodeEducation(m *message) {
	m.begin("Patient", "Visit", "Education")
	s := m.about()
	for _, e := range m.elements("Education") {
		id := named(identifierOf{"InstanceID", e.get("InstanceID").str()}, identifierOf{"Subject.Code", e.get("Subject", "Code").str()})
		if s.anchor.id == "" {
			m.reject(education, "no key", e)
			continue
		}
		t := thing{of: education, key: []string{m.source, s.anchor.kind, s.anchor.id, id.kind, id.id}, deleted: m.event == "Delete"}
		if !t.deleted {
			t.root, t.also = e, []also{set("visit_number", s.number), take("patient", s.patient), take("visit", s.visit)}
		}
		m.put(t)
	}
}
