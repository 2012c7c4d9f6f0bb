package redox

var vaccinationModel = &model{name: "Vaccination", entities: []*entity{vaccination, patientIdentifier}, decode: decodeVaccination}

// vaccination is one dose. It has no id of its own: it is known by that of its order, else by what was given and when.
var vaccination = newEntity(tableSpec{
	name:    "vaccination",
	comment: "Vaccinations, by the order that they are of (id_type order, or ehr for its EHRID), else by product and time (id_type product).",
	key:     "source_id patient_id_type patient_id id_type id ordinal:integer",
	also:    "visit_number",
	at:      "Vaccinations[]",
	fields: `Action DateTime RefusalReason Notes:json ClinicalInfo:json
		Product{Code Codeset Description LotNumber ExpirationDate Manufacturer{Code Codeset Name}}
		Route{Code Codeset Name} Site{Code Codeset Name} Dose{Quantity:number Units}
		Order{ID EHRID Provider{` + providerFields + `}} Provider{` + providerFields + `} Location{` + placeFields + `}`,
	indexes: "source_id visit_number",
})

func decodeVaccination(m *message) {
	m.begin("Patient", "Visit", "Vaccinations")
	s, seen := m.aboutMany(), ordinals{}
	for _, v := range m.elements("Vaccinations") {
		product := v.get("Product", "Code").str() + " " + moment(v.get("DateTime"))
		if product == " " {
			product = ""
		}
		id := named(identifierOf{"order", v.get("Order", "ID").str()}, identifierOf{"ehr", v.get("Order", "EHRID").str()}, identifierOf{"product", product})
		if s.anchor.id == "" || id.id == "" {
			m.reject(vaccination, "no key", v)
			continue
		}
		key := []string{m.source, s.anchor.kind, s.anchor.id, id.kind, id.id}
		t := thing{of: vaccination, key: append(key, seen.next(key...)), deleted: removes(v.get("Action"))}
		if !t.deleted {
			t.root, t.also = v, []also{set("visit_number", s.number)}
		}
		m.put(t)
	}
}
