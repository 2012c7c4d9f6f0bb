package redox

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// fhirBundle is a FHIR body as it is decoded: a message Bundle, as Redox pushes them, a Bundle of another type, or one resource alone
// (reference 7). Nothing is asked of it but a resourceType; what it asks for in entry.request is kept and never done.
type fhirBundle struct {
	m       *message
	bundle  *node // nil where one resource came alone
	header  *node // the MessageHeader; nil where there is none
	entries []*fhirEntry
	gone    []*fhirEntry            // what the event ends, where it is not in the message
	byURL   map[string][]*fhirEntry // by fullUrl, and by "Type/id"
	ending  string                  // what the event says has become of its focus: "deleted", "cancelled", "merged"; or ""
}

// fhirEntry is an entry of a Bundle. Ids of resources are made anew for every message: what knows a resource again is an identifier.
type fhirEntry struct {
	ordinal  int
	entry    *node // nil where the resource came alone
	resource *node // nil where there is none, or nothing says of which type it is
	kind     string
	id       string
	url      string // fullUrl
	system   string // of the identifier that stands for the resource; "" where it has none
	value    string
	focus    bool
	again    bool // a later entry has the same key
}

var fhir = &model{name: fhirModel, entities: fhirEntities(), decode: decodeFHIR}

// decodeFHIR takes what a FHIR body tells of.
func decodeFHIR(m *message) {
	b := &fhirBundle{m: m, byURL: map[string][]*fhirEntry{}}
	b.read()
	b.put()
}

// read finds the resources, what stands for each of them, and the header.
func (b *fhirBundle) read() {
	if b.m.root.get("resourceType").str() != "Bundle" {
		b.entry(nil, b.m.root)
	} else {
		b.bundle = b.m.root
		for _, e := range b.bundle.get("entry").items() {
			b.entry(e, e.get("resource"))
		}
	}
	for _, e := range b.entries {
		if e.kind == "MessageHeader" {
			b.header, e.resource = e.resource, nil
			break
		}
	}
	if source := b.header.get("source", "endpoint").str(); source != "" {
		b.m.source = strings.TrimPrefix(source, "urn:uuid:")
	}
	b.m.event = b.event()
	b.ending = endingOf(b.m.event)
	b.focus()
	last := map[[3]string]*fhirEntry{}
	for _, e := range b.entries {
		if e.resource == nil {
			continue
		}
		b.anchor(e)
		if b.m.group.watches() {
			b.concerns(e)
		}
		key := [3]string{e.kind, e.system, e.value}
		if before := last[key]; before != nil {
			before.again = true
		}
		last[key] = e
	}
}

// focus finds what the event is about. A notification may name no more of a resource that is gone than an identifier.
func (b *fhirBundle) focus() {
	for _, f := range b.header.get("focus").items() {
		e, kind := b.find(nil, f.get("reference").str())
		if e != nil {
			e.focus = true
			continue
		}
		gone := &fhirEntry{kind: cmp.Or(f.get("type").str(), kind), focus: true}
		gone.system, gone.value = f.get("identifier", "system").str(), f.get("identifier", "value").str()
		if gone.kind == "Patient" {
			b.m.concerns([]identifierOf{{gone.system, gone.value}})
		}
		if b.ending != "" && gone.kind != "" && gone.value != "" {
			b.gone = append(b.gone, gone)
		}
	}
}

// entry takes an entry, and makes it known by the addresses that references may have.
func (b *fhirBundle) entry(entry, resource *node) {
	e := &fhirEntry{ordinal: len(b.entries) + 1, entry: entry, url: entry.get("fullUrl").str()}
	if kind := resource.get("resourceType").str(); kind != "" {
		e.resource, e.kind, e.id = resource, kind, resource.get("id").str()
	}
	b.entries = append(b.entries, e)
	if e.url != "" {
		b.byURL[e.url] = append(b.byURL[e.url], e)
	}
	if e.kind != "" && e.id != "" {
		local := e.kind + "/" + e.id
		b.byURL[local] = append(b.byURL[local], e)
	}
}

// base is the address of the server that an entry's fullUrl names; empty where it is none: a urn, a search.
func base(e *fhirEntry) string {
	at, found := strings.CutSuffix(e.url, e.kind+"/"+e.id)
	if !found || !strings.HasPrefix(at, "http") {
		return ""
	}
	return at
}

// fhirIdentifier is a business identifier.
type fhirIdentifier struct {
	system, value string
	old           bool
	node          *node
}

// businessIdentifiers are those of a resource that have a value, each once, in their order.
func businessIdentifiers(resource *node) []fhirIdentifier {
	var all []fhirIdentifier
	seen := map[[2]string]bool{}
	for _, n := range append(resource.get("identifier").items(), resource.get("masterIdentifier").items()...) {
		id := fhirIdentifier{n.get("system").str(), n.get("value").str(), n.get("use").str() == "old", n}
		if key := [2]string{id.system, id.value}; id.value != "" && !seen[key] {
			seen[key] = true
			all = append(all, id)
		}
	}
	return all
}

// anchor chooses the identifier that stands for a resource: the smallest that is not an old one; of a patient the first of the
// receiver's types, if it has one. What has none that can be a key stands for itself in this one message.
func (b *fhirBundle) anchor(e *fhirEntry) {
	ids := slices.DeleteFunc(businessIdentifiers(e.resource), func(id fhirIdentifier) bool {
		return usable([]string{b.m.source, e.kind, id.system, id.value}) != ""
	})
	if len(ids) == 0 {
		e.value = b.m.Key + "#" + strconv.Itoa(e.ordinal)
		return
	}
	trust := func(id fhirIdentifier) int {
		rank := len(b.m.types)
		if i := slices.Index(b.m.types, id.system); i >= 0 && e.kind == "Patient" {
			rank = i
		}
		if id.old {
			rank += len(b.m.types) + 1
		}
		return rank
	}
	best := slices.MinFunc(ids, func(a, b fhirIdentifier) int {
		return cmp.Or(cmp.Compare(trust(a), trust(b)), cmp.Compare(a.system, b.system), cmp.Compare(a.value, b.value))
	})
	e.system, e.value = best.system, best.value
}

// event is the name of the message's event; of what is no message, the type of the resource.
func (b *fhirBundle) event() string {
	if uri := b.header.get("eventUri").str(); uri != "" {
		return uri[strings.LastIndexByte(uri, '/')+1:]
	}
	if code := b.header.get("eventCoding", "code").str(); code != "" {
		return code
	}
	if b.m.event != "" {
		return b.m.event
	}
	return b.m.root.get("resourceType").str()
}

// endingOf tells of an event what becomes of the resource that it is about.
func endingOf(event string) string {
	event = strings.ToLower(event)
	switch {
	case strings.HasSuffix(event, "deleted"):
		return "deleted"
	case strings.HasSuffix(event, "cancelled"), strings.HasSuffix(event, "canceled"):
		return "cancelled"
	case strings.HasSuffix(event, "merged"):
		return "merged"
	}
	return ""
}

// put tells of the message, of every resource in it, and of what is merged.
func (b *fhirBundle) put() {
	b.message()
	for _, e := range b.entries {
		if e.resource != nil && !e.again {
			b.resource(e)
		}
	}
	for _, e := range b.gone {
		b.resource(e)
	}
	b.merges()
}

// message tells of the message itself, with one row for each of its entries.
func (b *fhirBundle) message() {
	t := thing{of: fhirMessage, key: []string{b.m.source, b.m.Key}, root: b.bundle}
	resources := 0
	for _, e := range b.entries {
		if e.resource != nil {
			resources++
		}
		if b.bundle != nil {
			t.rows = append(t.rows, b.entryRow(e))
		}
	}
	h := b.header
	focus := b.reference(nil, firstOf(h.get("focus")))
	event := h.get("eventCoding")
	t.also = []also{
		take("bundle_id", b.bundle.get("id")), take("bundle_type", b.bundle.get("type")), take("bundle_timestamp", b.bundle.get("timestamp")),
		take("bundle_identifier_system", b.bundle.get("identifier", "system")), take("bundle_identifier_value", b.bundle.get("identifier", "value")),
		take("header_id", h.get("id")), take("event_uri", h.get("eventUri")), take("event_system", event.get("system")),
		take("event_code", event.get("code")), take("event_display", event.get("display")), take("definition", h.get("definition")),
		take("source_name", h.get("source", "name")), take("source_endpoint", h.get("source", "endpoint")),
		take("source_software", h.get("source", "software")), take("source_version", h.get("source", "version")),
		take("focus_reference", focus.node), set("focus_resource_type", focus.kind), set("focus_identifier_system", focus.system),
		set("focus_identifier_value", focus.value), take("response_identifier", h.get("response", "identifier")),
		take("response_code", h.get("response", "code")), take("header", h),
		set("entries", strconv.Itoa(len(b.entries))), set("resources", strconv.Itoa(resources)),
	}
	b.m.put(t)
}

// entryRow is what an entry says beside its resource; and the resource, where that has no row of its own.
func (b *fhirBundle) entryRow(e *fhirEntry) childRow {
	row := childRow{table: "fhir_entry", root: e.entry, also: []also{
		set("resource_type", e.kind), set("resource_id", e.id), set("identifier_system", e.system), set("identifier_value", e.value),
		take("focus", truth(e.focus)), take("request_method", e.entry.get("request", "method")), take("request_url", e.entry.get("request", "url")),
		take("request", e.entry.get("request")), take("response", e.entry.get("response")), take("search", e.entry.get("search")),
	}}
	switch resource := e.entry.get("resource"); {
	case e.entry.kind != '{':
		row.also = append(row.also, take("resource", e.entry))
	case e.again, e.resource == nil && resource != b.header:
		row.also = append(row.also, take("resource", resource))
	}
	return row
}

// resource tells of a resource, and of what people ask of those of its type.
func (b *fhirBundle) resource(e *fhirEntry) {
	known := []also{
		set("message_key", b.m.Key), set("resource_id", e.id), set("ended", b.ended(e)),
	}
	t := thing{of: fhirResource, key: []string{b.m.source, e.kind, e.system, e.value}, also: append(slices.Clone(known),
		set("full_url", e.url), take("version_id", e.resource.get("meta", "versionId")), take("last_updated", e.resource.get("meta", "lastUpdated")),
		take("body", bodyOf(e)))}
	for _, id := range businessIdentifiers(e.resource) {
		t.rows = append(t.rows, childRow{table: "fhir_identifier", key: []string{id.system, id.value}, root: id.node, also: []also{
			take("type_code", firstOf(id.node.get("type", "coding")).get("code")),
		}})
	}
	b.m.put(t)
	p := projections[e.kind]
	if p == nil {
		return
	}
	t = thing{of: p.entity, key: []string{b.m.source, e.system, e.value}, also: p.cells(b, e, known)}
	if e.kind == "DocumentReference" {
		for _, c := range e.resource.get("content").items() {
			t.rows = append(t.rows, childRow{table: "fhir_attachment", root: c})
		}
	}
	b.m.put(t)
}

// ended says what has become of a resource: only the focus of an event is deleted or cancelled by it; the patient that was merged away is
// the one that names the other.
func (b *fhirBundle) ended(e *fhirEntry) string {
	if e.kind == "Patient" {
		for _, l := range e.resource.get("link").items() {
			if l.get("type").str() == "replaced-by" {
				return "merged"
			}
		}
	}
	if !e.focus || b.ending == "merged" {
		return ""
	}
	return b.ending
}

// bodyOf is a resource as it is kept: whole, but for the contents of a document, which have a table of their own.
func bodyOf(e *fhirEntry) *node {
	if e.kind == "DocumentReference" {
		return pruned(e.resource, "content", "attachment", "data")
	}
	return e.resource
}

// pruned copies a tree as far as it has to, leaving out what is at the end of a path, in every element of the arrays on it.
func pruned(n *node, path ...string) *node {
	if n == nil {
		return nil
	}
	one := *n
	one.first, one.void = nil, n.void || n.kind == '{'
	at := &one.first
	for c := n.first; c != nil; c = c.next {
		child := *c
		switch {
		case n.kind == '[':
			child = *pruned(c, path...)
		case n.kind != '{' || c.name != path[0]:
		case len(path) == 1:
			continue
		default:
			child = *pruned(c, path[1:]...)
		}
		child.next, one.void = nil, one.void && child.void
		*at, at = &child, &child.next
	}
	return &one
}

// truth is a truth value as a message would have it.
func truth(b bool) *node {
	if b {
		return &node{kind: 't', text: "true"}
	}
	return &node{kind: 'f', text: "false"}
}

func firstOf(n *node) *node {
	if items := n.items(); len(items) > 0 {
		return items[0]
	}
	return nil
}
