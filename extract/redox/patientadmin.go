package redox

var patientAdmin = &model{
	name:     "PatientAdmin",
	entities: []*entity{patient, patientIdentifier},
	decode:   decodePatientAdmin,
}

// patient is a patient as the last message of PatientAdmin describes one, keyed by the anchor among the identifiers.
var patient = newEntity(tableSpec{
	name: "patient", comment: "Patients, as the last PatientAdmin message about each of them says.",
	key:    "source_id patient_id_type patient_id",
	at:     "Patient",
	fields: "Identifiers! Demographics{" + personFields + "}",
})

func decodePatientAdmin(m *message) {
	m.begin("Patient", "Visit")
	p := m.object("Patient")
	if p == nil {
		return
	}
	anchor := m.anchor(identifiers(p.get("Identifiers")))
	m.put(thing{of: patient, key: []string{m.source, anchor.kind, anchor.id}, root: p})
	m.identify(p)
}
