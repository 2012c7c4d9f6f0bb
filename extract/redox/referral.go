package redox

var referralModel = &model{
	name: "Referral", entities: []*entity{referral, referralAuthorization, patientIdentifier}, decode: decodeReferral,
}

var referral = newEntity(tableSpec{
	name:    "referral",
	comment: "Referrals as last told of, by ID, else by AlternateID (see referral_id_type). A cancelled one stays, with event_type Cancel.",
	key:     "source_id referral_id_type referral_id",
	also:    contextColumns,
	at:      "Referral",
	fields: `ID! IDType! AlternateID DateTime ExpirationDateTime ProcessDateTime Type RequestType Category Priority Reason RelatedCause Status
		StatusReason ServiceLocation DepartmentSpecialty ProviderSpecialty Notes:json Diagnoses:json Procedures:json Providers>referral_provider
		Authorization{Number DateTime ExpirationDateTime AuthorizedTreatmentCount:number RequestedTreatmentCount:number
			RequestedTreatmentUnits ReimbursementLimit Notes:json Company{ID IDType Name} Plan{ID IDType Name}}
		Visit{VisitNumber!}`,
	indexes: "source_id patient_id_type patient_id, source_id alternate_id",
}, tableSpec{
	name:    "referral_provider",
	comment: "Providers of a referral; type says in which part.",
	at:      "Referral.Providers[]",
	fields:  "Type ContactInfo " + providerFields,
	indexes: "id id_type",
})

// referralAuthorization is the table authorization of the reference: that word alone would have to be quoted in SQL.
var referralAuthorization = newEntity(tableSpec{
	name:    "referral_authorization",
	comment: "Authorizations that were asked for or decided, by Request.ID, else by Number or AlternateID (see request_id_type).",
	key:     "source_id request_id_type request_id",
	also:    "referral_id_type referral_id referral:json " + contextColumns,
	at:      "Authorization",
	fields: `Request{ID! IDType!} AlternateID Number Type Category CertificationCode Decision DecisionReason ServiceType ServiceLevel ServiceLocation
		RelatedCause AdmissionSource AdmissionType EventDate EffectiveDate ExpirationDate IssueDate Quantity{Value:number Units}
		AdditionalDates:json Diagnoses:json Notes:json Providers:json Services>referral_authorization_service`,
	indexes: "source_id patient_id_type patient_id, source_id number",
}, tableSpec{
	name:    "referral_authorization_service",
	comment: "Services that an authorization is for, with the decision on each.",
	at:      "Authorization.Services[]",
	fields: `AuthorizationNumber Code Codeset Description Decision DecisionReason Modifiers:json Notes:json Quantity{Value:number Units} RevenueCode
		ServiceDate EffectiveDate ExpirationDate IssueDate`,
	indexes: "authorization_number",
})

func decodeReferral(m *message) {
	m.begin("Patient", "Visit", "Referral", "Authorization")
	s := m.about()
	r, a := m.object("Referral"), m.object("Authorization")
	if s.number == "" {
		s.number = r.get("Visit", "VisitNumber").str()
	}
	id := named(identifierOf{r.get("IDType").str(), r.get("ID").str()}, identifierOf{"AlternateID", r.get("AlternateID").str()})
	nameless := take("referral", nil)
	if id.id == "" && a != nil {
		nameless.node = r // it has no row of its own
	} else {
		m.put(thing{of: referral, key: []string{m.source, id.kind, id.id}, root: r, also: s.columns()})
	}
	if a == nil {
		return
	}
	by := named(identifierOf{a.get("Request", "IDType").str(), a.get("Request", "ID").str()},
		identifierOf{"Number", a.get("Number").str()}, identifierOf{"AlternateID", a.get("AlternateID").str()})
	m.put(thing{
		of: referralAuthorization, key: []string{m.source, by.kind, by.id}, root: a,
		also: append(s.columns(), set("referral_id_type", id.kind), set("referral_id", id.id), nameless),
	})
}
