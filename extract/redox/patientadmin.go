package redox

import (
	"slices"

	"syncd/extract"
)

var patientAdmin = &model{
	name:     "PatientAdmin",
	entities: []*entity{patient, patientIdentifier, patientAlias, visit, visitEvent, visitMerge},
	decode:   decodePatientAdmin,
}

// patient is a patient as the last message of PatientAdmin describes one, keyed by the anchor among the identifiers.
var patient = newEntity(
	tableSpec{
		name: "patient", comment: "Patients, each as the last PatientAdmin message about them says.",
		key: "source_id patient_id_type patient_id", at: "Patient",
		fields: "Identifiers! " + demographicsFields + " Notes:json PCP{" + providerFields + "} " + guarantorFields +
			" Contacts>contact Allergies>allergy Diagnoses>diagnosis Insurances>patient_coverage PreviousIdentifiers:json",
	},
	tableSpec{name: "contact", comment: "Whom to call about a patient.", at: "Patient.Contacts[]", fields: contactFields},
	tableSpec{
		name: "allergy", comment: "Allergies of patients.", at: "Patient.Allergies[]",
		fields: "Code Codeset Name Type{Code Codeset Name} OnsetDateTime Reaction:json Severity{Code Codeset Name} Status",
	},
	tableSpec{name: "diagnosis", comment: "Diagnoses of patients.", at: "Patient.Diagnoses[]", fields: diagnosisFields},
	tableSpec{name: "patient_coverage", comment: "Insurances that stand with the patient; those of a visit are in coverage.", at: "Patient.Insurances[]", fields: insuranceFields},
).with(patientCurrent)

// visit is a visit as the last message about it says.
var visit = newEntity(
	tableSpec{
		name: "visit", comment: "Visits, each as the last PatientAdmin message about it says.",
		key: "source_id visit_number", at: "Visit", also: "patient_id_type patient_id status canceled_event",
		fields: "VisitNumber! AccountNumber VisitDateTime PatientClass Reason Instructions:json Duration:number Balance:number " +
			"DiagnosisRelatedGroup:number DiagnosisRelatedGroupType:number " +
			"Location>visit_location=current{" + placeBrief + "} PreviousLocation>visit_location=previous{" + placeBrief + "} " +
			"DischargeDateTime DischargeStatus{" + codeFields + "} DischargeLocation>visit_location=discharge{" + placeBrief + "} " +
			"AttendingProvider>visit_provider=attending{" + providerBrief + "} AdmittingProvider>visit_provider=admitting{" + providerBrief + "} " +
			"ConsultingProvider>visit_provider=consulting{" + providerBrief + "} ReferringProvider>visit_provider=referring{" + providerBrief + "} " +
			"AdditionalStaff>visit_provider=staff Insurances>coverage " + guarantorFields,
		indexes: "source_id patient_id_type patient_id, source_id account_number",
	},
	tableSpec{name: "coverage", comment: "Insurances of visits.", at: "Visit.Insurances[]", fields: insuranceFields},
	tableSpec{name: "visit_provider", comment: "Who looks after a visit, by role: attending, admitting, consulting, referring, staff.", roles: true, at: "Visit", fields: providerFields + " " + roleFields},
	tableSpec{name: "visit_location", comment: "Where a visit is, was before, and was discharged to: current, previous, discharge.", roles: true, at: "Visit", fields: placeFields},
)

// dischargeFields are what a cancelled discharge takes back, and dischargeColumns the columns in which they stand.
var (
	dischargeFields  = []string{"DischargeDateTime", "DischargeStatus", "DischargeLocation"}
	dischargeColumns = columnsOf(visit, "discharge_")
)

// visitEvent is every PatientAdmin message, in a line.
var visitEvent = newEntity(tableSpec{
	name: "visit_event", comment: "What happened, one row for each PatientAdmin message.",
	key: "source_id event_id", facts: true,
	also: "event_type facility_code event_at:time canceled_event patient_id_type patient_id visit_number account_number patient_class visit_date_time:time discharge_date_time:time " +
		"location_facility location_department location_room location_bed",
	indexes: "source_id visit_number, source_id patient_id_type patient_id",
}).with(visitOrphan)

// visitOrphan shows cancellations of visits of which nothing else ever came.
func visitOrphan(e *entity) extract.View {
	return extract.View{
		Name: "visit_orphan", Comment: "Cancellations of visits of which nothing else came.",
		Query: `SELECT ` + columnList(e.tables[0], "c.") + `
FROM {visit_event} AS c
WHERE c.event_type = 'Cancel'
  AND NOT EXISTS (SELECT FROM {visit_event} AS o WHERE o.source_id = c.source_id AND o.visit_number = c.visit_number AND o.event_type <> 'Cancel')`,
	}
}

// visitMerge is a merge of visits. The messages do not say of which: a person has to look.
var visitMerge = newEntity(tableSpec{
	name: "visit_merge", comment: "Merges of visits, to be looked at: the messages do not name the visit that is gone.",
	key: "source_id visit_number event_id", also: "patient_id_type patient_id identifiers:json previous_identifiers:json event_at:time",
}).with(mergeReview)

func decodePatientAdmin(m *message) {
	withVisit := !slices.Contains([]string{"NewPatient", "PatientUpdate", "PatientMerge"}, m.event)
	canceled := m.root.get("Meta", "CanceledEvent")
	p, v := m.object("Patient"), (*node)(nil)
	if withVisit {
		v = m.object("Visit")
		m.begin("Meta.CanceledEvent", "Patient", "Visit")
	} else {
		m.begin("Meta.CanceledEvent", "Patient") // a visit that comes all the same is kept beside the patient
	}
	anchor := m.anchor(identifiers(p.get("Identifiers")))
	who := []also{set("patient_id_type", anchor.kind), set("patient_id", anchor.id)}
	m.put(thing{of: visitEvent, key: []string{m.source, m.Key}, also: append(slices.Clip(who), eventColumns(m, v, canceled)...)})
	if m.event == "VisitMerge" {
		m.put(thing{of: visitMerge, key: []string{m.source, v.get("VisitNumber").str(), m.Key}, also: append(slices.Clip(who),
			take("identifiers", p.get("Identifiers")), take("previous_identifiers", p.get("PreviousIdentifiers")), eventAt(m))})
		v = nil
	}
	if p != nil {
		m.put(thing{of: patient, key: []string{m.source, anchor.kind, anchor.id}, root: p})
		m.identify(p)
	}
	if m.event == "PatientMerge" {
		m.retire(identifiers(p.get("PreviousIdentifiers")), identifiers(p.get("Identifiers")))
	}
	if v != nil {
		m.putVisit(v, canceled, who)
	}
}

func eventAt(m *message) also { return take("event_at", m.root.get("Meta", "EventDateTime")) }

func eventColumns(m *message, v, canceled *node) []also {
	return []also{
		eventAt(m), take("canceled_event", canceled), take("visit_number", v.get("VisitNumber")), take("account_number", v.get("AccountNumber")),
		take("patient_class", v.get("PatientClass")), take("visit_date_time", v.get("VisitDateTime")), take("discharge_date_time", v.get("DischargeDateTime")),
		take("location_facility", v.get("Location", "Facility")), take("location_department", v.get("Location", "Department")),
		take("location_room", v.get("Location", "Room")), take("location_bed", v.get("Location", "Bed")),
	}
}

// putVisit puts the state of a visit. A cancelled discharge opens it again: what was said of the discharge is taken back.
func (m *message) putVisit(v, canceled *node, who []also) {
	t := thing{of: visit, key: []string{m.source, v.get("VisitNumber").str()}, root: v}
	status := visitStatus(m.event, canceled.str())
	if m.event == "Cancel" && canceled.str() == "Discharge" {
		m.aside(v, "Visit", dischargeFields...)
		t.taken = dischargeColumns
	}
	if status == "in progress" && !v.get("DischargeDateTime").empty() {
		status = "finished"
	}
	t.also = append(slices.Clip(who), set("status", status), take("canceled_event", canceled))
	m.put(t)
}

// visitStatus is where a visit stands after an event. A cancelled event is undone: of an arrival, a registration and a
// pre-admission nothing is left, the others leave the visit where it was.
func visitStatus(event, canceled string) string {
	switch event {
	case "PreAdmit":
		return "planned"
	case "Discharge":
		return "finished"
	case "Cancel":
		switch canceled {
		case "Discharge", "Transfer", "VisitUpdate", "PatientUpdate":
			return "in progress"
		}
		return "cancelled"
	}
	return "in progress"
}
