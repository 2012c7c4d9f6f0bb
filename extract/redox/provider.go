package redox

import (
	"strings"

	"syncd/extract"
)

var providerModel = &model{name: "Provider", entities: []*entity{provider, providerActive}, decode: decodeProvider}

var provider = newEntity(tableSpec{
	name:    "provider",
	comment: "Providers as last described, by their NPI, else by the smallest of their identifiers.",
	key:     "source_id id_type id",
	at:      "Providers[]",
	fields: `Identifiers:json IsActive:bool Demographics{FirstName MiddleName LastName Credentials:json Sex DOB Languages:json Addresses:json
		EmailAddresses:json PhoneNumber{Home Mobile Office}} Qualifications>provider_qualification Roles>provider_role`,
}, tableSpec{
	name:    "provider_qualification",
	comment: "Degrees and licences of a provider.",
	at:      "Providers[].Qualifications[]",
	fields:  "Code Codeset Description Identifiers:json StartDate EndDate",
}, tableSpec{
	name:    "provider_role",
	comment: "What a provider does for whom and where.",
	at:      "Providers[].Roles[]",
	fields: `Identifiers:json Organization{Name Type IsActive:truth Identifiers:json ` + addressFields + `} Specialties:json Locations:json
		Services:json Availability:json`,
}).with(providerCurrent)

// providerCurrent shows providers as last described, with whether they are active as last told, also by a message that said nothing else.
func providerCurrent(e *entity) extract.View {
	return extract.View{
		Name: "provider_current", Comment: "Providers as last described; active as last told, by whatever message.",
		Query: "SELECT " + columnList(e.tables[0], "p.") + ", COALESCE(a.is_active, p.is_active) AS active" +
			"\nFROM {provider} AS p\nLEFT JOIN {provider_active} AS a ON a.source_id = p.source_id AND a.id_type = p.id_type AND a.id = p.id",
	}
}

// providerActive is a thing of its own beside the provider: Deactivate may come with nothing but identifiers.
var providerActive = newEntity(tableSpec{
	name:    "provider_active",
	comment: "Whether a provider is active, as last told by any message.",
	key:     "source_id id_type id",
	also:    "is_active:bool",
})

func decodeProvider(m *message) {
	m.begin("Providers")
	for _, p := range m.elements("Providers") {
		id := smallestIdentifier(identifiers(p.get("Identifiers")), "NPI")
		key := []string{m.source, id.kind, id.id}
		active := p.get("IsActive")
		switch m.event {
		case "Activate":
			active = truth(true)
		case "Deactivate":
			active = truth(false)
		}
		if !p.without("Identifiers", "IsActive").empty() || !strings.HasSuffix(m.event, "ctivate") || id.id == "" {
			m.put(thing{of: provider, key: key, root: p})
		}
		if !active.empty() && id.id != "" {
			m.put(thing{of: providerActive, key: key, also: []also{take("is_active", active)}})
		}
	}
}
