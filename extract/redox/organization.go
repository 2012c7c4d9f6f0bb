package redox

var organizationModel = &model{name: "Organization", entities: []*entity{organization}, decode: decodeOrganization}

var organization = newEntity(tableSpec{
	name:    "organization",
	comment: "Organisations of a directory as last described, by the smallest of their identifiers, else by name (id_type Name).",
	key:     "directory id_type id",
	also:    "source_id action",
	at:      "Organizations[]",
	fields: `Identifiers:json Active:bool Name Aliases:json Type{System Value} PartOf{Identifier{System Type Value}} ` + addressFields + `
		Contacts:json Endpoints:json DestinationID`,
	indexes: "destination_id",
})

func decodeOrganization(m *message) {
	m.begin("Directory", "Organizations", "Action")
	directory, action := m.root.get("Directory").str(), m.root.get("Action")
	for _, o := range m.elements("Organizations") {
		id := named(smallestIdentifier(identifiers(o.get("Identifiers"))), identifierOf{"Name", o.get("Name").str()})
		t := thing{of: organization, key: []string{directory, id.kind, id.id}, deleted: removes(action)}
		if !t.deleted {
			t.root, t.also = o, []also{set("source_id", m.source), take("action", action)}
		}
		m.put(t)
	}
}
