package redox

import (
	"strconv"

	"syncd/extract"
)

var medications = &model{
	name:     "Medications",
	entities: []*entity{medicationOrder, medicationAdministration, patientIdentifier},
	decode:   decodeMedications,
}

// What both an order and an administration say of a drug.
const medicationFields = "Product{" + drugFields + "} Dose{" + doseFields + "} Rate{" + doseFields + "} Route{" + drugFields + "} Components:json"

// medicationOrder is a prescription as the last message about it says.
var medicationOrder = newEntity(tableSpec{
	name: "medication_order", comment: "Medication orders, each as the last Medications message about it says.",
	key: "source_id order_id", at: "Order", also: contextColumns,
	fields: "ID! Notes:json Priority EnteredBy{" + providerFields + "} VerifiedBy{" + providerFields + "} Provider{" + providerFields + "} " +
		"Pharmacy{" + codeFields + " PhoneNumber{Office} " + addressFields + "} Indications:json " +
		"Medication{" + medicationFields + " StartDate:time EndDate:time Frequency{Period:number Unit} IsPRN:bool FreeTextSig " +
		"Dispense{Amount:number Units} NumberOfRefillsRemaining:number}",
	indexes: contextIndexes,
})

// medicationAdministration is a dose that was given. It has no id of its own: it is known by its order (by its patient, where it has none),
// when it began, and of what it is.
var medicationAdministration = newEntity(tableSpec{
	name: "medication_administration", comment: "Medication that was given.",
	key: "source_id order_id patient_key started product_code ordinal:integer", at: "Administrations[]",
	also: subjectKey,
	fields: "Status StartDate:time EndDate:time Medication{" + medicationFields + " Order{ID!} Indications:json LotNumber} " +
		"AdministeringProvider{" + providerFields + "} OrderedBy{" + providerFields + "} VerifiedBy{" + providerFields + "}",
	indexes: contextIndexes,
})

func decodeMedications(m *message) {
	m.begin("Patient", "Visit", "Order", "Administrations")
	about := m.about()
	if m.event == "Administration" { // of whom a dose does not say more than the identifiers, unless it is something unheard of
		m.others(m.root.get("Patient"), "Patient", "Identifiers", "Demographics", "Notes")
		m.others(m.root.get("Visit"), "Visit", "VisitNumber", "AccountNumber", "VisitDateTime", "PatientClass", "AttendingProvider", "ReferringProvider", "Location")
	}
	if o := m.object("Order"); o != nil {
		m.put(thing{of: medicationOrder, key: []string{m.source, o.get("ID").str()}, root: o, also: about.columns()})
	}
	seen := map[string]int{}
	for _, a := range m.elements("Administrations") {
		order, started := a.get("Medication", "Order", "ID").str(), a.get("StartDate").str()
		product := a.get("Medication", "Product", "Code").str()
		patient := ""
		if order == "" {
			patient = about.anchor.kind + "|" + about.anchor.id
		}
		key := []string{m.source, order, patient, started, product}
		same := extract.JoinKey(key...)
		seen[same]++
		m.put(thing{of: medicationAdministration, key: append(key, strconv.Itoa(seen[same])), root: a, also: about.key()})
	}
}
