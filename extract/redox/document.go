package redox

var notes = &model{
	name:     "Notes",
	entities: []*entity{note, noteReplacement, patientIdentifier},
	decode: func(m *message) {
		m.begin("Patient", "Visit", "Note", "Orders")
		decodeDocument(m, note, noteReplacement, m.object("Note"))
	},
}

// note is a note as the last message about it says.
var note = newEntity(
	tableSpec{
		name: "note", comment: "Notes, each as the last Notes message about it says.",
		key: "source_id document_id", at: "Note", also: contextColumns + " orders:json",
		fields: "DocumentID! OriginalDocumentID DocumentType DocumentDescription ContentType FileName FileType FileContents Availability Status " +
			"DocumentationDateTime ServiceDateTime Provider{" + providerFields + "} Authenticator{" + providerFields + "} Notifications:json Components>note_component",
		indexes: contextIndexes,
	},
	tableSpec{name: "note_component", comment: "Parts of notes.", at: "Note.Components[]", fields: "ID Name Value Comments"},
).with(replaced("note_current", "note_replacement", "document_id", "original_document_id", "Notes without those that another replaced."))

var noteReplacement = newEntity(replacement("note_replacement", "Notes that another replaced."))

var media = &model{
	name:     "Media",
	entities: []*entity{mediaDocument, mediaReplacement, patientIdentifier},
	decode: func(m *message) {
		m.begin("Patient", "Visit", "Media", "Orders")
		decodeDocument(m, mediaDocument, mediaReplacement, m.object("Media"))
	},
}

// mediaDocument is a document as the last message about it says, with its bytes. Where it has an address in place of bytes that is kept as it is.
var mediaDocument = newEntity(tableSpec{
	name: "media_document", comment: "Documents, each as the last Media message about it says.",
	key: "source_id document_id", at: "Media", also: contextColumns + " orders:json",
	fields: "DocumentID! OriginalDocumentID DocumentType DocumentDescription FileName FileType FileContents:base64 Authenticated:truth Availability " +
		"CreationDateTime ServiceDateTime Provider{" + providerFields + "} Authenticator{" + providerFields + "} Notifications:json " +
		"DirectAddressFrom DirectAddressTo",
	indexes: contextIndexes,
}).with(replaced("media_current", "media_replacement", "document_id", "original_document_id", "Documents without those that another replaced."))

var mediaReplacement = newEntity(replacement("media_replacement", "Documents that another replaced."))

// replacement leads from the id of a document to that of the one that took its place, whether or not the former was ever seen.
func replacement(name, comment string) tableSpec {
	return tableSpec{name: name, comment: comment, key: "source_id original_document_id", also: "document_id event_id", indexes: "source_id document_id"}
}

// decodeDocument puts a document, takes one away, or says which one another replaces.
func decodeDocument(m *message, of, replaces *entity, d *node) {
	key := []string{m.source, d.get("DocumentID").str()}
	if m.event == "Delete" {
		m.put(thing{of: of, key: key, deleted: true})
		m.identify(m.object("Patient"))
		return
	}
	about := m.about()
	m.put(thing{of: of, key: key, root: d, also: append(about.columns(), take("orders", m.root.get("Orders")))})
	if old := d.get("OriginalDocumentID").str(); m.event == "Replace" && old != "" && old != key[1] && key[1] != "" {
		m.put(thing{of: replaces, key: []string{m.source, old}, also: []also{set("document_id", key[1]), set("event_id", m.Key)}})
	}
}
