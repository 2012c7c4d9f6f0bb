package redox

import "strings"

// fhirReference is a reference, as far as this message tells what it points to.
type fhirReference struct {
	node          *node  // the reference as sent
	kind          string // type of the resource
	system, value string // the identifier that it is known by
	display       *node
}

// reference reads a reference of a resource in the entry from: what it points to in the message, else the identifier that it
// names, else nothing but a type.
func (b *fhirBundle) reference(from *fhirEntry, n *node) fhirReference {
	n = n.object()
	text := n.get("reference").str()
	r := fhirReference{node: n.get("reference"), kind: n.get("type").str(), display: n.get("display")}
	r.system, r.value = n.get("identifier", "system").str(), n.get("identifier", "value").str()
	if id, local := strings.CutPrefix(text, "#"); local && from != nil {
		for _, c := range from.resource.get("contained").items() {
			if c.get("id").str() == id {
				r.kind = c.get("resourceType").str()
				if ids := businessIdentifiers(c); len(ids) > 0 {
					r.system, r.value = ids[0].system, ids[0].value
				}
			}
		}
		return r
	}
	e, kind := b.find(from, text)
	if e != nil {
		r.kind, r.system, r.value = e.kind, e.system, e.value
	} else if r.kind == "" {
		r.kind = kind
	}
	return r
}

// find looks for the entry that a reference points to, and for the type of resource that it names. A relative one counts from the
// server of the entry that it stands in. Of several versions of a resource it is the one named, else the last.
func (b *fhirBundle) find(from *fhirEntry, reference string) (*fhirEntry, string) {
	address, version, _ := strings.Cut(reference, "/_history/")
	kind, _, relative := strings.Cut(address, "/")
	if !isTypeName(kind) {
		relative = false
		kind = ""
		if parts := strings.Split(address, "/"); len(parts) > 2 && isTypeName(parts[len(parts)-2]) {
			kind = parts[len(parts)-2]
		}
	}
	found := b.byURL[address]
	if relative && from != nil && base(from) != "" {
		found = b.byURL[base(from)+address]
	}
	if len(found) == 0 {
		return nil, kind
	}
	for _, e := range found {
		if version != "" && e.resource.get("meta", "versionId").str() == version {
			return e, e.kind
		}
	}
	last := found[len(found)-1]
	return last, last.kind
}

// isTypeName reports whether a word may be the name of a type of resource.
func isTypeName(word string) bool {
	return word != "" && word[0] >= 'A' && word[0] <= 'Z' && !strings.ContainsFunc(word, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}
