package redox

import "strconv"

var orders = &model{
	name:     "Order",
	entities: []*entity{clinicalOrder, patientIdentifier},
	decode:   decodeOrder,
}

// clinicalOrder is an order as the last message about it says.
var clinicalOrder = newEntity(
	tableSpec{
		name: "clinical_order", comment: "Orders, each as the last Order message about it says.",
		key: "source_id order_id", at: "Order", also: contextColumns,
		fields: "ID! ApplicationOrderID Status TransactionDateTime CollectionDateTime Priority Expiration Comments Notes:json Procedure{" + codeFields + "} " +
			"Provider{" + providerFields + "} ResultCopyProviders:json OrderingFacility{Name PhoneNumber " + addressFields + "} " +
			"Specimen>specimen{ID Source BodySite} ClinicalInfo>order_clinical_info Diagnoses>order_diagnosis",
		indexes: contextIndexes + ", source_id application_order_id",
	},
	tableSpec{name: "specimen", comment: "Specimens of orders.", at: "Order.Specimen", fields: "ID Source BodySite"},
	tableSpec{name: "order_clinical_info", comment: "What was asked and answered when ordering.", at: "Order.ClinicalInfo[]", fields: codeFields + " Value Units Abbreviation Notes:json"},
	tableSpec{name: "order_diagnosis", comment: "Diagnoses for which orders were made.", at: "Order.Diagnoses[]", fields: diagnosisFields},
)

func decodeOrder(m *message) {
	m.begin("Patient", "Visit", "Order", "Orders")
	about := m.about()
	for _, o := range m.one("Order", "Orders") {
		m.put(thing{of: clinicalOrder, key: []string{m.source, o.get("ID").str()}, root: o, also: about.columns()})
	}
}

var results = &model{
	name:     "Results",
	entities: []*entity{resultOrder, patientIdentifier},
	decode:   decodeResults,
}

// resultOrder is an order with all of its results as they were last sent: a correction sends them all again. It is known by its id or,
// where nobody ordered, by the id that the performing system gave it.
var resultOrder = newEntity(
	tableSpec{
		name: "result_order", comment: "Orders as their results name them, each with the results that were sent last.",
		key: "source_id order_id_of order_id", at: "Orders[]", also: contextColumns,
		fields: "ID! ApplicationOrderID Status ResultsStatus ResponseFlag TransactionDateTime CollectionDateTime CompletionDateTime Priority Notes:json " +
			"Procedure{" + codeFields + "} Provider{" + providerFields + "} ResultCopyProviders:json Results>result",
		indexes: contextIndexes + ", source_id application_order_id",
	},
	tableSpec{
		name: "result", comment: "Results of orders.", at: "Orders[].Results[]",
		fields: codeFields + " Value ValueType FileType Units AbnormalFlag Status RelatedGroupID CompletionDateTime ReferenceRange{Low:number High:number Text} " +
			"ObservationMethod{" + codeFields + "} Specimen{ID Source BodySite} Producer{ID IDType Name " + addressFields + "} " +
			"Performer{" + providerFields + "} PrimaryResultsInterpreter{" + providerFields + "} Notes>result_note",
		indexes: "source_id code codeset, source_id related_group_id",
	},
	tableSpec{name: "result_note", comment: "Notes to results.", under: "result", at: "Orders[].Results[].Notes[]", also: "text"},
	tableSpec{
		name: "result_document", comment: "Files that came as results.", under: "result", one: true, at: "Orders[].Results[]",
		also: "code codeset description file_type file_contents:base64",
	},
)

func decodeResults(m *message) {
	m.begin("Patient", "Visit", "Orders")
	about := m.about()
	for _, o := range m.elements("Orders") {
		key := []string{m.source, "ID", o.get("ID").str()}
		if key[2] == "" {
			key[1], key[2] = "ApplicationOrderID", o.get("ApplicationOrderID").str()
		}
		m.put(thing{of: resultOrder, key: key, root: o, also: about.columns(), rows: documents(o)})
	}
}

// documents takes files out of the results of an order; they have a table of their own.
func documents(order *node) []childRow {
	var rows []childRow
	for i, r := range order.get("Results").items() {
		if r.get("ValueType").str() != "Encapsulated Data" {
			continue
		}
		rows = append(rows, childRow{table: "result_document", key: []string{strconv.Itoa(i + 1)}, also: []also{
			take("code", r.get("Code")), take("codeset", r.get("Codeset")), take("description", r.get("Description")),
			take("file_type", r.get("FileType")), take("file_contents", r.cut("Value")),
		}})
	}
	return rows
}
