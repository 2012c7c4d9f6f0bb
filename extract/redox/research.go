package redox

var research = &model{name: "Research", entities: []*entity{study, studySubject, patientIdentifier}, decode: decodeResearch}

var study = newEntity(tableSpec{
	name:    "study",
	comment: "Studies as last described, by their NCT number, else by the smallest of their identifiers.",
	key:     "source_id id_type id",
	also:    "protocols:json",
	at:      "Study",
	fields: `Identifiers:json Title Type Description Status StartDateTime Sponsor{ID Name} Design{Phase Purpose}
		Eligibility{Gender MinimumAge:number MaximumAge:number} PrincipalInvestigator{` + providerFields + `} Coordinators:json Conditions:json
		Location{` + placeFields + `}`,
})

var studySubject = newEntity(tableSpec{
	name:    "study_subject",
	comment: "Who takes part in a study, as last told.",
	key:     "source_id study_id_type study_id patient_id_type patient_id",
	also:    "study_title study_type study_identifiers:json patient:json",
	at:      "Enrollment",
	fields:  "SubjectStatus StartDateTime EndDateTime Coordinators:json",
	indexes: "source_id patient_id_type patient_id",
})

func decodeResearch(m *message) {
	m.begin("Study", "Protocols", "Patient", "Enrollment")
	s := m.object("Study")
	id := smallestIdentifier(identifiers(s.get("Identifiers")), "NCT")
	if m.event == "Study" {
		m.put(thing{of: study, key: []string{m.source, id.kind, id.id}, root: s, also: []also{take("protocols", m.root.get("Protocols"))}})
		return
	}
	m.others(s, "Study", "Identifiers", "Title", "Type")
	p := m.patientOf(m.object("Patient"))
	if id.id == "" {
		m.reject(studySubject, "no key", m.root)
		return
	}
	m.put(thing{
		of: studySubject, key: []string{m.source, id.kind, id.id, p.anchor.kind, p.anchor.id}, root: m.object("Enrollment"), also: []also{
			take("study_title", s.get("Title")), take("study_type", s.get("Type")), take("study_identifiers", s.get("Identifiers")),
			take("patient", p.patient),
		},
	})
}
