package redox

var surgicalScheduling = &model{
	name:     "SurgicalScheduling",
	entities: []*entity{surgicalCase, patientIdentifier},
	decode:   decodeSurgicalScheduling,
}

// surgicalCase is a planned operation as the last message about it says. Where it has no number of its own its visit's stands for it.
var surgicalCase = newEntity(
	tableSpec{
		name: "surgical_case", comment: "Planned operations, each as the last SurgicalScheduling message about it says.",
		key: "source_id case_number_of case_number", at: "Visit", also: "case_status patient_id_type patient_id patient:json",
		fields: "VisitNumber AccountNumber VisitDateTime Duration:number Status CancelReason NoShowReason PatientClass Notes:json " +
			"Location{" + placeFields + "} AttendingProvider{" + providerFields + "} Diagnoses>surgical_diagnosis Equipment>surgical_equipment",
		indexes: "source_id visit_number, source_id patient_id_type patient_id",
	},
	tableSpec{
		name: "surgical_procedure", comment: "Procedures of planned operations.", at: "Procedures[]",
		fields: codeFields + " DateTime Duration:number ProcedureInfo:json",
	},
	tableSpec{
		name: "surgical_staff", comment: "Who takes part in planned operations.", at: "SurgeryStaff[]",
		fields: providerFields + " " + roleFields + " StartDateTime Duration:number",
	},
	tableSpec{name: "surgical_info", comment: "Further questions and answers about planned operations.", at: "SurgicalInfo[]", fields: codeFields + " Value"},
	tableSpec{name: "surgical_diagnosis", comment: "Diagnoses for which operations are planned.", at: "Visit.Diagnoses[]", fields: diagnosisFields},
	tableSpec{name: "surgical_equipment", comment: "Equipment that planned operations need.", at: "Visit.Equipment[]", fields: codeFields + " StartDateTime Duration:number"},
)

func decodeSurgicalScheduling(m *message) {
	m.begin("Patient", "Visit", "SurgicalCase", "Procedures", "SurgeryStaff", "SurgicalInfo")
	p, v, c := m.object("Patient"), m.object("Visit"), m.object("SurgicalCase")
	m.others(c, "SurgicalCase", "Number", "Status")
	key := []string{m.source, "case", c.get("Number").str()}
	if key[2] == "" {
		key[1], key[2] = "visit", v.get("VisitNumber").str()
	}
	anchor := m.anchor(identifiers(p.get("Identifiers")))
	t := thing{of: surgicalCase, key: key, root: v, also: []also{
		take("case_status", c.get("Status")), set("patient_id_type", anchor.kind), set("patient_id", anchor.id), take("patient", p.without("Identifiers")),
	}}
	t.rows = append(t.rows, m.rowsOf("surgical_procedure", "Procedures")...)
	t.rows = append(t.rows, m.rowsOf("surgical_staff", "SurgeryStaff")...)
	t.rows = append(t.rows, m.rowsOf("surgical_info", "SurgicalInfo")...)
	m.put(t)
	m.identify(p)
}
