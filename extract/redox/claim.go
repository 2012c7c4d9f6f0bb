package redox

import "strconv"

var claimModel = &model{
	name: "Claim", entities: []*entity{claim, remittance, patientIdentifier}, decode: decodeClaim,
}

// Claims come one transaction at a time or in batches, whose fields are spelled and nested in other ways. Both make the same
// tables: of columns that say the same the name of the single form is kept.

// partyFields are who sent a transaction, or for whom.
const partyFields = "ID IDType Identifiers:json Name EmailAddress PhoneNumber{Office Fax} " + addressFields

var claim = newEntity(tableSpec{
	name:    "claim",
	comment: "Claims as submitted, by transaction and id; one that replaces another is a claim of its own, with reference numbers.",
	key:     "source_id transaction_id claim_id",
	also: `transaction_id_type transaction_type submitter:json receiver:json billing_provider:json billing_provider_id billing_provider_id_type
		subscriber:json subscriber_id subscriber_id_type payer_id payer_id_type payer_name plan_id plan_id_type plan_name group_number
		policy_number member_number patient_id_type patient_id visit_number patient:json`,
	at: "Claims[]",
	fields: `ID! SubmissionNumber Type TotalAmount:number CopayAmount:number DiagnosisRelatedGroup IsProviderSignatureOnFile:bool
		IsReleaseOfInformationOnFile:bool BenefitsAssignmentCode:bool ProviderAcceptanceCode AdditionalDates:json Diagnoses:json
		Procedures:json Providers:json ReferenceNumbers:json Lines! Services!
		Visit{VisitNumber! DateTime DischargeDateTime Type Location{` + placeFields + `} PreviousLocation{` + placeFields + `}}`,
	indexes: "source_id patient_id_type patient_id, source_id visit_number, source_id submission_number",
}, tableSpec{
	name:    "claim_line",
	comment: "Lines of a claim: the services that are billed.",
	at:      "Claims[].Lines[]",
	fields: `ID Amount:number Procedure{Code CodeSet Name Modifiers:json} Code! Codeset! Description! Modifiers! RevenueCode ServiceDateTime
		ServiceEndDateTime StartDateTime! EndDateTime! UnitCount:number Units Quantity{Value! Units!} IsEmergency:bool Notes
		Drug{NDC PrescriptionID Quantity{Value:number Units}} Diagnoses:json ReferenceNumbers:json`,
})

var remittance = newEntity(tableSpec{
	name:    "remittance",
	comment: "Payments of claims as a payer advises of them, by transaction.",
	key:     "source_id transaction_id",
	also:    "payer:json payer_id payer_id_type payer_name payee:json payee_id payee_id_type payee_name",
	at:      "Transaction",
	fields: `ID! IDType Type TotalPaymentAmount:number CreditOrDebit PaymentMethod PaymentDateTime TrackingNumber
		Submitter{` + partyFields + `} Receiver{` + partyFields + `} Payments!`,
	indexes: "source_id tracking_number",
}, tableSpec{
	name:    "remittance_claim",
	comment: "What was paid of a claim.",
	at:      "Payments[].Claim",
	also:    "payment_date_time:time patient_id_type patient_id patient:json",
	fields: `Number ControlNumber! SubmissionNumber Status ReceivedDate ServiceDateTime ServiceEndDateTime StartDateTime! EndDateTime!
		ChargedAmount:number PaymentAmount:number PatientResponsibilityAmount:number ReferenceNumbers:json Services! Adjustments!`,
	indexes: "number, submission_number, patient_id_type patient_id",
}, tableSpec{
	name:    "remittance_service",
	comment: "What was paid of a service of a claim.",
	natural: "remittance_claim_ordinal:integer ordinal:integer",
	at:      "Payments[].Claim.Services[]",
	fields: `ServiceDateTime ServiceEndDateTime StartDateTime! EndDateTime! ChargedAmount:number ChargedUnits:number AllowedAmount:number
		DeductibleAmount:number PaymentAmount:number PaymentUnits:number ReferenceNumbers:json Adjustments!
		SubmittedProcedure{Code CodeSet Name Modifiers:json} AdjudicatedProcedure{Code CodeSet Name Modifiers:json}
		SubmittedService{Code! Codeset! Description! Modifiers!} AdjudicatedService{Code! Codeset! Description! Modifiers!}`,
}, tableSpec{
	name:    "adjustment",
	comment: "Why less was paid than charged: of a service, or of a claim as a whole, whose remittance_service_ordinal is 0.",
	natural: "remittance_claim_ordinal:integer remittance_service_ordinal:integer ordinal:integer",
	at:      "Payments[].Claim.Adjustments[]",
	fields:  "Amount:number Quantity:number Reason ReasonGroup Type!",
})

func decodeClaim(m *message) {
	m.begin("Transaction", "Transactions", "BillingProvider", "Subscriber", "Patient", "Claims", "Payer", "Payee", "Payments")
	switch m.event {
	case "Submission":
		t := submission{m: m, transaction: m.object("Transaction"), seen: ordinals{}}
		m.others(t.transaction, "Transaction", submissionMembers...)
		t.provider, t.subscriber = m.object("BillingProvider"), m.object("Subscriber")
		about := m.patientOf(m.object("Patient"))
		for _, c := range m.elements("Claims") {
			t.put(c, about)
		}
	case "SubmissionBatch":
		for i, n := range m.elements("Transactions") {
			m.submissions(n, i)
		}
	case "Payment":
		m.remittance(m.object("Transaction"), 0, m.elements("Payments"))
	case "PaymentBatch":
		for i, n := range m.elements("Transactions") {
			m.remittance(n, i, n.get("Payments").items())
		}
	}
}

// submission is what the claims of a transaction have in common.
type submission struct {
	m                                 *message
	transaction, provider, subscriber *node
	place                             int // of the transaction in the message
	seen                              ordinals
}

// submissionMembers are those of a transaction that the columns of its claims are made of.
var submissionMembers = []string{"ID", "IDType", "Type", "Submitter", "Receiver", "Submissions"}

// submissions reads a transaction of a batch: billing providers, subscribers of theirs, patients of theirs, and their claims.
func (m *message) submissions(transaction *node, place int) {
	t := submission{m: m, transaction: transaction, place: place, seen: ordinals{}}
	m.others(transaction, "Transactions", submissionMembers...)
	for _, s := range transaction.get("Submissions").items() {
		m.others(s, "Transactions.Submissions", "BillingProvider", "Subscribers")
		t.provider = s.get("BillingProvider").object()
		for _, t.subscriber = range s.get("Subscribers").items() {
			for _, p := range t.subscriber.get("Patients").items() {
				about := m.patientOf(p.without("Claims"))
				for _, c := range p.get("Claims").items() {
					t.put(c, about)
				}
			}
		}
	}
}

// transactionID is by what a transaction is known: by the message, where it has no id.
func (m *message) transactionID(transaction *node, place int) string {
	if id := transaction.get("ID").str(); id != "" {
		return id
	}
	return m.Key + "#" + strconv.Itoa(place+1)
}

// put tells of one claim. What has neither an id nor a number is known by its place.
func (t *submission) put(c *node, about subject) {
	m := t.m
	id := named(identifierOf{id: c.get("ID").str()}, identifierOf{id: c.get("SubmissionNumber").str()}).id
	if id == "" {
		id = "#" + t.seen.next()
	}
	insurance := t.subscriber.get("Insurance")
	company, plan := insurance.get("Company"), insurance.get("Plan")
	provider, subscriber := partyID(t.provider), partyID(t.subscriber)
	claimed := thing{of: claim, key: []string{m.source, m.transactionID(t.transaction, t.place), id}, root: c, also: []also{
		take("transaction_id_type", t.transaction.get("IDType")), take("transaction_type", t.transaction.get("Type")),
		take("submitter", t.transaction.get("Submitter")), take("receiver", t.transaction.get("Receiver")),
		take("billing_provider", t.provider), set("billing_provider_id", provider.id), set("billing_provider_id_type", provider.kind),
		take("subscriber", t.subscriber.without("Patients")), set("subscriber_id", subscriber.id), set("subscriber_id_type", subscriber.kind),
		take("payer_id", company.get("ID")), take("payer_id_type", company.get("IDType")), take("payer_name", company.get("Name")),
		take("plan_id", plan.get("ID")), take("plan_id_type", plan.get("IDType")), take("plan_name", plan.get("Name")),
		take("group_number", insurance.get("GroupNumber")), take("policy_number", insurance.get("PolicyNumber")),
		take("member_number", insurance.get("MemberNumber")), take("visit_number", c.get("Visit", "VisitNumber")),
		set("patient_id_type", about.anchor.kind), set("patient_id", about.anchor.id), take("patient", about.patient),
	}}
	for _, line := range append(c.get("Lines").items(), c.get("Services").items()...) {
		claimed.rows = append(claimed.rows, childRow{table: "claim_line", root: line, also: spelled(line,
			"Code procedure_code", "Codeset procedure_code_set", "Description procedure_name", "Modifiers procedure_modifiers",
			"StartDateTime service_date_time", "EndDateTime service_end_date_time", "Quantity.Value unit_count", "Quantity.Units units")})
	}
	m.put(claimed)
}

// remittance tells of one transaction of payments.
func (m *message) remittance(transaction *node, place int, payments []*node) {
	payer, payee := m.object("Payer"), m.object("Payee")
	t := thing{of: remittance, key: []string{m.source, m.transactionID(transaction, place)}, root: transaction, also: []also{
		take("payer", payer), take("payer_id", payer.get("ID")), take("payer_id_type", payer.get("IDType")), take("payer_name", payer.get("Name")),
		take("payee", payee), take("payee_id", payee.get("ID")), take("payee_id_type", payee.get("IDType")), take("payee_name", payee.get("Name")),
	}}
	claims := 0
	for _, p := range payments {
		m.others(p, "Payments", "DateTime", "Patient", "Claim", "Claims")
		patient := p.get("Patient").object()
		s := m.patientOf(patient)
		for _, c := range append(p.get("Claim").items(), p.get("Claims").items()...) {
			claims++
			t.rows = append(t.rows, childRow{table: "remittance_claim", key: []string{strconv.Itoa(claims)}, root: c, also: append(
				spelled(c, "ControlNumber number", "StartDateTime service_date_time", "EndDateTime service_end_date_time"),
				take("payment_date_time", p.get("DateTime")), take("patient", patient),
				set("patient_id_type", s.anchor.kind), set("patient_id", s.anchor.id))})
			t.rows = append(t.rows, paid(c, strconv.Itoa(claims))...)
		}
	}
	m.put(t)
}

// paid are the rows below a claim that was paid: its services, and the adjustments of it and of them.
func paid(c *node, claim string) []childRow {
	rows := adjustments(c, claim, "0")
	for i, s := range c.get("Services").items() {
		service := strconv.Itoa(i + 1)
		rows = append(rows, childRow{table: "remittance_service", key: []string{claim, service}, root: s, also: spelled(s,
			"StartDateTime service_date_time", "EndDateTime service_end_date_time",
			"SubmittedService.Code submitted_procedure_code", "SubmittedService.Codeset submitted_procedure_code_set",
			"SubmittedService.Description submitted_procedure_name", "SubmittedService.Modifiers submitted_procedure_modifiers",
			"AdjudicatedService.Code adjudicated_procedure_code", "AdjudicatedService.Codeset adjudicated_procedure_code_set",
			"AdjudicatedService.Description adjudicated_procedure_name", "AdjudicatedService.Modifiers adjudicated_procedure_modifiers")})
		rows = append(rows, adjustments(s, claim, service)...)
	}
	return rows
}

func adjustments(of *node, claim, service string) []childRow {
	var rows []childRow
	for i, a := range of.get("Adjustments").items() {
		rows = append(rows, childRow{
			table: "adjustment", key: []string{claim, service, strconv.Itoa(i + 1)}, root: a, also: spelled(a, "Type reason_group"),
		})
	}
	return rows
}
