package redox

var inventory = &model{name: "Inventory", entities: []*entity{inventoryItem, inventoryDepletion, patientIdentifier}, decode: decodeInventory}

const itemFields = `Identifiers:json Description Type Units Quantity:number Procedure{Code Codeset Modifier} Vendor{ID Name CatalogNumber} Notes `

var inventoryItem = newEntity(tableSpec{
	name:    "inventory_item",
	comment: "Items in stock at a place, as last updated.",
	key:     "source_id location_id location_bin id_type id",
	at:      "Items[]",
	fields:  itemFields + "Status Price:number IsChargeable:bool ContainsLatex:bool Location{ID! Bin! Facility Department}",
	indexes: "source_id id_type id",
})

// inventoryDepletion is what was taken out of stock in one message, item by item.
var inventoryDepletion = newEntity(tableSpec{
	name:    "inventory_depletion",
	comment: "Items that were used or wasted; event_id is the message that said so.",
	key:     "source_id event_id ordinal:integer", facts: true,
	also: "facility_code id_type id " + subjectKey,
	at:   "Items[]",
	fields: itemFields + "UsedQuantity:number WastedQuantity:number LotNumber SerialNumber Location{ID Bin Facility Department} OrderingProvider{" +
		providerFields + "}",
	indexes: "source_id id_type id, source_id patient_id_type patient_id",
})

func decodeInventory(m *message) {
	m.begin("Patient", "Visit", "Items")
	s, seen := m.aboutMany(), ordinals{}
	for _, i := range m.elements("Items") {
		id := smallestIdentifier(identifiers(i.get("Identifiers")))
		if m.event == "Deplete" {
			m.put(thing{
				of: inventoryDepletion, key: []string{m.source, m.Key, seen.next()}, root: i,
				also: append(s.key(), set("id_type", id.kind), set("id", id.id)),
			})
			continue
		}
		place := i.get("Location")
		m.put(thing{of: inventoryItem, key: []string{m.source, place.get("ID").str(), place.get("Bin").str(), id.kind, id.id}, root: i})
	}
}
