package redox

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"syncd/extract"
)

// keyBytes bounds a key, all columns together: the loader takes 2,000 bytes, and the version and ordinals come to it.
const keyBytes = 1_800

// extrasEach bounds how many members of one object that nobody declared have notes of their own; the rest share one.
const extrasEach = 50

// message is one delivery as it is decoded: its tree, and what every state of it has in common.
type message struct {
	*extract.Delivery
	group    *group
	root     *node
	source   string // Meta.Source.ID
	event    string
	facility *node
	version  string
	at       string // Clock, as the text of a timestamptz
	types    []string
	rejected int              // rows of it that have no usable key
	loose    []extra          // of the message, until the first thing that is told of takes them
	people   [][]identifierOf // whom it is about, each by all identifiers that it gives them
}

// extra is a member that nobody declared.
type extra struct {
	path  string
	value *node
}

// thing is what a message says of one thing.
type thing struct {
	of   *entity
	key  []string // its whole key
	root *node    // the object that its row stands for; nil says nothing but the key
	also []also
	// rows are further rows of its tables, beside those that the object has itself.
	rows    []childRow
	deleted bool
	// taken are columns that this message takes back.
	taken []string
}

// childRow is a row that code gives to a table of an entity.
type childRow struct {
	table string
	key   []string // behind the thing's own key; nil counts ordinals
	role  string
	root  *node
	also  []also
}

// also is the value of a column that is not read of the object: a node of the message, or a text; "" is NULL.
type also struct {
	column string
	node   *node
	text   string
}

// set is a column's value as text.
func set(column, text string) also { return also{column: column, text: text} }

// take is a column's value as a node of the message.
func take(column string, n *node) also { return also{column: column, node: n} }

// begin reads what all messages have in common. claimed are the members of the message that its model reads, and "Meta.X" for those of
// its Meta; what else there is goes beside the row of the first thing.
func (m *message) begin(claimed ...string) {
	meta := m.root.get("Meta").object()
	m.loose = append(m.loose, strays(m.root, "", func(name string) bool {
		return name == "Meta" && meta != nil || slices.Contains(claimed, name)
	})...)
	m.meta(meta, claimed)
}

// meta looks at what the envelope says beyond what is stored of every delivery.
func (m *message) meta(meta *node, claimed []string) {
	if meta == nil {
		return
	}
	m.loose = append(m.loose, strays(meta, "Meta", func(name string) bool {
		return slices.Contains(metaFields, name) || slices.Contains(claimed, "Meta."+name)
	})...)
	m.others(meta.get("Source"), "Meta.Source", "ID", "Name")
}

// metaFields are what the envelope says of every delivery; it is stored with the delivery.
var metaFields = []string{"DataModel", "EventType", "EventDateTime", "Test", "Source", "Destinations", "Logs", "Message", "Transmission", "FacilityCode"}

// object finds a member of the message that should be an object; one that is something else is not lost.
func (m *message) object(name string) *node {
	n := m.root.get(name)
	if !n.empty() && n.kind != '{' {
		m.loose = append(m.loose, extra{name, n})
	}
	return n.object()
}

// reject keeps a row that has no key that can be stored, with all of the message where that row would have had what nobody declared. The
// delivery's own key stands for it.
func (m *message) reject(of *entity, rule string, root *node) {
	var raw []byte
	switch {
	case len(m.loose) > 0 && of != patientIdentifier:
		raw, m.loose = slices.Clone(m.Body), nil
	case root != nil:
		raw = slices.Clone(m.Body[root.from:root.to])
	}
	m.rejected++
	m.group.rejects = append(m.group.rejects, extract.Reject{
		Table: of.tables[0].live, Key: []string{m.Key, strconv.Itoa(m.rejected)}, Rule: rule, Raw: raw,
	})
}

// usable says why a key cannot be one; "" where it can.
func usable(key []string) string {
	size := 0
	for _, part := range key {
		size += len(part)
		if strings.IndexByte(part, 0) >= 0 {
			return "key holds a character that cannot be stored"
		}
	}
	if size > keyBytes {
		return fmt.Sprintf("key is longer than %d bytes", keyBytes)
	}
	return ""
}

// put takes what a message says of a thing. The last column of its key must not be empty.
func (m *message) put(t thing) {
	why := usable(t.key)
	if t.key[len(t.key)-1] == "" {
		why = "no key"
	}
	if len(t.key) != t.of.width {
		panic("redox: a key of " + t.of.name + " has another number of columns")
	}
	if why != "" {
		m.reject(t.of, why, t.root)
		return
	}
	s := state{of: t.of, key: t.key, version: m.version, at: m.at, deleted: t.deleted}
	e := &encoder{m: m, s: &s, counts: map[string]int{}}
	first := t.of.tables[0]
	values := slices.Clip(t.also)
	if _, ok := first.byName["event_type"]; ok {
		values = append(values, set("event_type", m.event))
	}
	if _, ok := first.byName["facility_code"]; ok {
		values = append(values, take("facility_code", m.facility))
	}
	loose := m.loose
	if t.of == patientIdentifier {
		loose = nil // it says nothing of the message
	} else {
		m.loose = nil
	}
	e.row(first, t.key, t.root, values, t.taken, loose)
	for _, r := range t.rows {
		child := t.of.table(r.table)
		e.child(child, t.key, r.key, r.role, r.root, r.also)
	}
	m.group.states = append(m.group.states, s)
}
