package redox

import (
	"strconv"
	"strings"

	"syncd/extract"
)

var scheduling = &model{
	name:     "Scheduling",
	entities: []*entity{appointment, appointmentReplacement, slot, slotPart, patientIdentifier},
	decode:   decodeScheduling,
}

// appointment is an appointment as the last message about it says. Holds and blocks have no patient.
var appointment = newEntity(
	tableSpec{
		name: "appointment", comment: "Appointments, each as the last Scheduling message about it says.",
		key: "source_id visit_number", at: "Visit", also: "patient_id_type patient_id patient:json",
		fields: "VisitNumber! AccountNumber VisitDateTime Duration:number Status Type Reason PatientClass CancelReason NoShowReason " +
			"OldVisitNumber OldDateTime Instructions:json Location{" + placeFields + "} " +
			"VisitProvider>appointment_provider=visit{" + providerBrief + "} AttendingProvider>appointment_provider=attending{" + providerBrief + "} " +
			"ConsultingProvider>appointment_provider=consulting{" + providerBrief + "} ReferringProvider>appointment_provider=referring{" + providerBrief + "} " +
			"AdditionalStaff>appointment_provider=staff Diagnoses>appointment_diagnosis Equipment>appointment_equipment",
		indexes: "source_id patient_id_type patient_id, source_id old_visit_number",
	},
	tableSpec{
		name: "appointment_provider", comment: "Who an appointment is with, by role: visit, attending, consulting, referring, staff.", roles: true,
		at: "Visit", fields: providerFields + " " + roleFields + " StartDateTime Duration:number",
	},
	tableSpec{name: "appointment_info", comment: "Further questions and answers about an appointment.", at: "AppointmentInfo[]", fields: codeFields + " Value"},
	tableSpec{name: "appointment_diagnosis", comment: "Diagnoses for which an appointment is made.", at: "Visit.Diagnoses[]", fields: diagnosisFields},
	tableSpec{name: "appointment_equipment", comment: "Equipment that an appointment needs.", at: "Visit.Equipment[]", fields: codeFields + " StartDateTime Duration:number"},
).with(replaced("appointment_current", "appointment_replacement", "visit_number", "old_visit_number",
	"Appointments without those that were rescheduled under another number."))

// appointmentReplacement leads from the number that an appointment had to the one that it has.
var appointmentReplacement = newEntity(tableSpec{
	name: "appointment_replacement", comment: "Numbers of appointments that were rescheduled under another number.",
	key: "source_id old_visit_number", also: "visit_number old_date_time:time event_id",
	indexes: "source_id visit_number",
})

// slot is an open slot of a schedule that was pushed as a whole, in parts.
var slot = newEntity(tableSpec{
	name: "slot", comment: "Open slots of pushed schedules, by push.",
	key: "source_id batch_id slot_id", also: "part", at: "Slots[]",
	fields: "ID! DateTime Duration:number Reason Location{" + placeFields + "} Provider{" + providerFields + "}",
}).with(slotCurrent)

// slotPart is a part of a pushed schedule.
var slotPart = newEntity(tableSpec{
	name: "slot_part", comment: "Parts of pushed schedules that came, and of how many.",
	key: "source_id batch_id part", also: "parts:integer slots:integer",
})

func decodeScheduling(m *message) {
	if m.event == "PushSlots" {
		decodeSlots(m)
		return
	}
	m.begin("Patient", "Visit", "AppointmentInfo")
	p, v := m.object("Patient"), m.object("Visit")
	anchor := m.anchor(identifiers(p.get("Identifiers")))
	t := thing{of: appointment, key: []string{m.source, v.get("VisitNumber").str()}, root: v, also: []also{
		set("patient_id_type", anchor.kind), set("patient_id", anchor.id), take("patient", p.without("Identifiers")),
	}}
	t.rows = m.rowsOf("appointment_info", "AppointmentInfo")
	m.put(t)
	m.identify(p)
	old, number := v.get("OldVisitNumber").str(), v.get("VisitNumber").str()
	if m.event == "Reschedule" && old != "" && number != "" && old != number {
		m.put(thing{of: appointmentReplacement, key: []string{m.source, old}, also: []also{
			set("visit_number", number), take("old_date_time", v.get("OldDateTime")), set("event_id", m.Key),
		}})
	}
}

// decodeSlots reads a part of a schedule. Where nothing says of which push it is a part it is one by itself.
func decodeSlots(m *message) {
	m.begin("Meta.BatchID", "Meta.CurrentBatch", "Meta.TotalBatches", "Slots")
	meta := m.root.get("Meta")
	batch, part, parts := meta.get("BatchID").str(), meta.get("CurrentBatch").str(), meta.get("TotalBatches")
	if batch == "" {
		batch, part, parts = m.Key, "1", nil
	}
	slots := m.elements("Slots")
	values := []also{take("parts", parts), set("slots", strconv.Itoa(len(slots)))}
	if parts.empty() {
		values = append(values, set("parts", "1"))
	}
	m.put(thing{of: slotPart, key: []string{m.source, batch, part}, also: values})
	for _, s := range slots {
		m.put(thing{of: slot, key: []string{m.source, batch, slotID(s)}, root: s, also: []also{set("part", part)}})
	}
}

// slotID knows a slot by its id, or else by whose, where and when it is.
func slotID(s *node) string {
	if id := s.get("ID").str(); id != "" {
		return id
	}
	parts := []string{
		s.get("Provider", "IDType").str(), s.get("Provider", "ID").str(),
		s.get("Location", "Facility").str(), s.get("Location", "Department").str(), s.get("DateTime").str(),
	}
	if strings.Join(parts, "") == "" {
		return ""
	}
	return strings.Join(parts, "|")
}

// slotCurrent shows, of every sender, the slots of the newest push of which all parts came.
func slotCurrent(e *entity) extract.View {
	return extract.View{
		Name: "slot_current", Comment: "Slots of the newest push of each sender of which all parts came.",
		Query: `SELECT ` + columnList(e.tables[0], "s.") + `
FROM {slot} AS s
JOIN (SELECT DISTINCT ON (source_id) source_id, batch_id
    FROM (SELECT source_id, batch_id, max(_version) AS version FROM {slot_part} GROUP BY source_id, batch_id HAVING count(*) >= max(parts)) AS whole
    ORDER BY source_id, version DESC) AS newest ON newest.source_id = s.source_id AND newest.batch_id = s.batch_id`,
	}
}

// replaced makes a view of the things of an entity without those that another took the place of. Where two took each other's place the later counts.
func replaced(name, by, id, oldID, comment string) func(*entity) extract.View {
	return func(e *entity) extract.View {
		t := e.tables[0]
		return extract.View{Name: name, Comment: comment, Query: `SELECT ` + columnList(t, "t.") + `
FROM {` + t.live.Name + `} AS t
WHERE NOT EXISTS (SELECT FROM {` + by + `} AS r
    WHERE r.source_id = t.source_id AND r.` + oldID + ` = t.` + id + `
      AND NOT EXISTS (SELECT FROM {` + by + `} AS back WHERE back.source_id = r.source_id AND back.` + id + ` = r.` + oldID + ` AND back._version > r._version))`}
	}
}

// columnList are the columns of a table, as a SELECT lists them.
func columnList(t *table, prefix string) string {
	var list []string
	for _, c := range t.live.Columns {
		list = append(list, prefix+quoted(c.Name))
	}
	return strings.Join(list, ", ")
}
