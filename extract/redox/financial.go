package redox

var financial = &model{name: "Financial", entities: []*entity{charge, account, patientIdentifier}, decode: decodeFinancial}

// charge is a financial transaction. What takes one back is another transaction.
var charge = newEntity(tableSpec{
	name:    "charge",
	comment: "Financial transactions: charges, and the credits that take them back.",
	key:     "source_id id",
	also:    subjectKey + " account_number visit:json",
	at:      "Transactions[]",
	fields: `ID! Type DateTimeOfService:time EndDateTime OrderID Chargeable{Code Codeset Description Quantity:number Amount:number}
		Department{Code Codeset Name} Diagnoses>charge_diagnosis Performers:json OrderingProviders:json
		Procedure{Code Codeset Description Modifiers:json} NDC{Code Description}`,
	indexes: "source_id patient_id_type patient_id, source_id visit_number, source_id order_id",
}, tableSpec{
	name:    "charge_diagnosis",
	comment: "Diagnoses of a charge.",
	at:      "Transactions[].Diagnoses[]",
	fields:  "Code Codeset Name Type DocumentedDateTime",
	indexes: "code codeset",
})

// account is what is owed for a visit, and for what.
var account = newEntity(tableSpec{
	name:    "account",
	comment: "Accounts as last updated, by AccountNumber, else by VisitNumber (see id_type).",
	key:     "source_id id_type id",
	also:    "patient_id_type patient_id patient:json",
	at:      "Visit",
	fields: `VisitNumber AccountNumber VisitDateTime DischargeDateTime PatientClass Balance:number DiagnosisRelatedGroup DiagnosisRelatedGroupType
		Location{` + placeFields + `} AttendingProvider{` + providerFields + `} ReferringProvider{` + providerFields + `}
		ConsultingProvider{` + providerFields + `} Guarantor:json Insurances:json Diagnoses:json Procedures:json`,
	indexes: "source_id patient_id_type patient_id, source_id visit_number",
})

func decodeFinancial(m *message) {
	m.begin("Patient", "Visit", "Transactions")
	s := m.about()
	number := s.visit.get("AccountNumber")
	if m.event != "AccountUpdate" {
		m.others(m.root.get("Patient"), "Patient", "Identifiers", "Demographics", "Notes")
	}
	if m.event == "AccountUpdate" {
		id := named(identifierOf{"AccountNumber", number.str()}, identifierOf{"VisitNumber", s.number})
		m.put(thing{
			of: account, key: []string{m.source, id.kind, id.id}, root: m.root.get("Visit").object(),
			also: []also{set("patient_id_type", s.anchor.kind), set("patient_id", s.anchor.id), take("patient", s.patient)},
		})
	}
	for _, t := range m.elements("Transactions") {
		m.put(thing{
			of: charge, key: []string{m.source, t.get("ID").str()}, root: t,
			also: append(s.key(), take("account_number", number), take("visit", s.visit.without("AccountNumber"))),
		})
	}
}
