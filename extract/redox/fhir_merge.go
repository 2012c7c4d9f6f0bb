package redox

// merges tells of patients that became one: by the links between them, and, where the event is a merge, by identifiers marked as old.
// The system of an identifier stands as its type.
func (b *fhirBundle) merges() {
	for _, e := range b.entries {
		if e.kind != "Patient" || e.resource == nil || e.again {
			continue
		}
		own, old := e.patientIDs()
		if b.ending == "merged" {
			b.m.retire(old, own)
		}
		seen := map[string]bool{}
		for _, l := range e.resource.get("link").items() {
			link := b.m.text(l)
			if seen[link] {
				continue
			}
			seen[link] = true
			theirs := b.linked(e, l.get("other"))
			switch l.get("type").str() {
			case "replaced-by":
				b.m.retire(append(own, old...), theirs)
			case "replaces":
				b.m.retire(theirs, own)
			}
		}
	}
}

// patientIDs are the identifiers of a patient: those in use, and those marked as old. Where all are old, they are in use.
func (e *fhirEntry) patientIDs() (own, old []identifierOf) {
	for _, id := range businessIdentifiers(e.resource) {
		if i := (identifierOf{id.system, id.value}); id.old {
			old = append(old, i)
		} else {
			own = append(own, i)
		}
	}
	if own == nil {
		return old, nil
	}
	return own, old
}

// linked are the identifiers in use of the patient that a link names: those in the message, else the one in the reference.
func (b *fhirBundle) linked(from *fhirEntry, other *node) []identifierOf {
	if e, _ := b.find(from, other.get("reference").str()); e != nil && e.resource != nil {
		own, _ := e.patientIDs()
		return own
	}
	r := b.reference(from, other)
	if r.value == "" {
		return nil
	}
	return []identifierOf{{r.system, r.value}}
}
