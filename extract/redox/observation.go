package redox

var flowsheet = &model{name: "Flowsheet", entities: []*entity{observation, patientIdentifier}, decode: decodeFlowsheet}

// observation is one value of a flowsheet. Two of the same code and time in one message are two values.
var observation = newEntity(tableSpec{
	name:    "observation",
	comment: "Values of flowsheets, by patient, visit, code and time.",
	key:     "source_id patient_id_type patient_id visit_number code codeset date_time_key ordinal:integer",
	also:    "account_number",
	at:      "Observations[]",
	fields: `Code! Codeset! DateTime Description Value ValueType Units Status AbnormalFlag Notes:json Observer{ID IDType FirstName LastName}
		ReferenceRange{Low:number High:number Text}`,
	indexes: "source_id visit_number, code date_time",
})

func decodeFlowsheet(m *message) {
	m.begin("Patient", "Visit", "Observations")
	s, seen := m.aboutMany(), ordinals{}
	for _, o := range m.elements("Observations") {
		if s.anchor.id == "" && s.number == "" {
			m.reject(observation, "no key", o)
			continue
		}
		key := []string{m.source, s.anchor.kind, s.anchor.id, s.number, o.get("Code").str(), o.get("Codeset").str(), moment(o.get("DateTime"))}
		m.put(thing{
			of: observation, key: append(key, seen.next(key...)), root: o,
			also: []also{take("account_number", s.visit.get("AccountNumber"))},
		})
	}
}

var device = &model{name: "Device", entities: []*entity{deviceObservation, patientIdentifier}, decode: decodeDevice}

// deviceObservation is one value that a device measured.
var deviceObservation = newEntity(tableSpec{
	name:    "device_observation",
	comment: "Values that devices measured, by device, code and time; the patient may not be known.",
	key:     "source_id device_id code date_time_key ordinal:integer",
	also:    subjectKey,
	at:      "Observations[]",
	fields:  "Code! DateTime Value ValueType Units",
	indexes: "source_id patient_id_type patient_id, code date_time",
})

func decodeDevice(m *message) {
	m.begin("Patient", "Visit", "Device", "Observations")
	s, seen := m.aboutMany(), ordinals{}
	id := m.object("Device").get("ID").str()
	for _, o := range m.elements("Observations") {
		if id == "" {
			m.reject(deviceObservation, "no key", o)
			continue
		}
		key := []string{m.source, id, o.get("Code").str(), moment(o.get("DateTime"))}
		m.put(thing{of: deviceObservation, key: append(key, seen.next(key...)), root: o, also: s.key()})
	}
}
