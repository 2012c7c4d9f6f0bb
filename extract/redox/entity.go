package redox

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"syncd/extract"
)

// entity is a kind of thing that messages tell of: a patient, a visit, an order. What one message says of one of them is its state:
// a row of the first table, which is keyed by the thing itself, and rows of further tables whose keys begin with that key.
type entity struct {
	name   string
	tables []*table
	width  int // key columns of the thing
	views  []extract.View
}

// table is one table of an entity, and the table of its history, which facts do not have.
type table struct {
	live, past *extract.Table
	keys       int
	columns    []column
	byName     map[string]int // of columns
	fields     *field         // what is read of the object that a row stands for
	above      *table         // the table whose rows it stands below; nil for the first
	roles      bool           // its key has a role beside the ordinal
	at         string         // path of the object that a row stands for
}

// column is one column of a table as values are put into it. It takes two cells where its form does.
type column struct {
	name string
	form form
	key  bool
}

// field is what is known of a member of an object.
type field struct {
	column  int // in table.columns; -1 where the member is no column of its own
	members map[string]*field
	table   string // rows of which the member, or each of its elements, is one
	role    string // of those rows
	taken   bool   // code takes it: it is a key, or stands elsewhere
}

// tableSpec describes a table in a few words.
type tableSpec struct {
	name    string
	comment string
	// key lists the key columns of the first table of an entity. Others have the key of the table that they are under, and ordinal.
	key string
	// natural, of a further table, lists key columns in place of ordinal; code gives their values.
	natural string
	roles   bool
	// one says that a row of the table above has at most one of this one, which has the same key.
	one bool
	// facts, of an entity's only table, says that its rows are never told of in another way than the first time: they have no history, and
	// of the columns that the first table of every entity has only those that are listed.
	facts bool
	// also lists columns whose values code gives, as "status patient:json".
	also string
	// at is the path of the object in a message that a row stands for: it begins the names of fields in comments and notes.
	at string
	// fields lists the members of that object: "VisitNumber! VisitDateTime Reason Balance:number Location{Facility Room} Insurances>coverage
	// AttendingProvider>visit_provider=attending{ID IDType}". A form follows ':'; without one a name that ends in DateTime is an instant, one
	// that ends in Date, or DOB, a date, any other text. Braces hold the members of an object. '>' names the table of which the object, or each
	// element of the array, is a row, and '=' the role of that row; '!' says that code takes the member.
	fields  string
	indexes string // "visit_number, patient_id_type patient_id"
	under   string // name of the table that it is under; the first one where empty
}

// newEntity makes an entity of its tables, the first of which carries the versions. It panics where the description makes no sense.
func newEntity(first tableSpec, others ...tableSpec) *entity {
	e := &entity{name: first.name}
	made := map[string]*table{}
	for i, spec := range append([]tableSpec{first}, others...) {
		var above *table
		if i > 0 {
			if above = e.tables[0]; spec.under != "" {
				above = made[spec.under]
			}
		}
		t := newTable(spec, above)
		t.live.Versioned = i == 0
		e.tables, made[spec.name] = append(e.tables, t), t
	}
	for _, t := range e.tables {
		t.fields.check(made)
	}
	e.width = e.tables[0].keys
	if !first.facts && len(e.tables[0].fields.members) > 0 {
		e.views = append(e.views, filled(e.tables[0]))
		for _, t := range e.tables[1:] {
			e.views = append(e.views, filledRows(e.tables[0], t))
		}
	}
	return e
}

// with adds views that are made of the entity's tables.
func (e *entity) with(views ...func(*entity) extract.View) *entity {
	for _, view := range views {
		e.views = append(e.views, view(e))
	}
	return e
}

// table finds a table of the entity. It panics where there is none: that is a defect of the code.
func (e *entity) table(name string) *table {
	for _, t := range e.tables {
		if t.live.Name == name {
			return t
		}
	}
	panic("redox: no table " + name + " in " + e.name)
}

// check panics where a field names a table that the entity does not have.
func (f *field) check(made map[string]*table) {
	if f.table != "" && made[f.table] == nil {
		panic("redox: a field names the unknown table " + f.table)
	}
	for _, m := range f.members {
		m.check(made)
	}
}

func newTable(spec tableSpec, above *table) *table {
	b := &builder{table: &table{byName: map[string]int{}, above: above, roles: spec.roles}}
	b.live = &extract.Table{Name: spec.name, Source: spec.at, Comment: spec.comment}
	for _, name := range keyColumns(spec, above) {
		b.word(name, true)
	}
	b.keys = len(b.columns)
	if above == nil && !spec.facts {
		b.add("event_type", "Meta.EventType", asText, false)
		b.add("facility_code", "Meta.FacilityCode", asText, false)
	}
	for _, word := range strings.Fields(spec.also) {
		b.word(word, false)
	}
	b.at = strings.ReplaceAll(spec.at, "[]", "")
	b.rest = spec.fields
	b.fields = &field{column: -1, members: b.members("")}
	if b.rest != "" {
		panic("redox: cannot read the fields of " + spec.name + " at " + b.rest)
	}
	for _, list := range strings.Split(spec.indexes, ",") {
		if names := strings.Fields(list); len(names) > 0 {
			b.live.Indexes = append(b.live.Indexes, names)
		}
	}
	err := b.live.Check()
	if !spec.facts {
		b.past = history(b.table, above == nil)
		err = errors.Join(err, b.past.Check())
	}
	if err != nil {
		panic("redox: " + err.Error())
	}
	return b.table
}

// keyColumns are the key of a table, as words.
func keyColumns(spec tableSpec, above *table) []string {
	if above == nil {
		return strings.Fields(spec.key)
	}
	var names []string
	for _, c := range above.columns[:above.keys] {
		switch {
		case c.name == "ordinal":
			names = append(names, above.live.Name+"_ordinal:integer")
		case c.form == asInteger:
			names = append(names, c.name+":integer")
		default:
			names = append(names, c.name)
		}
	}
	if spec.roles {
		names = append(names, "role")
	}
	if spec.natural != "" || spec.one {
		return append(names, strings.Fields(spec.natural)...)
	}
	return append(names, "ordinal:integer")
}

// history makes the table that holds every state: the same columns, and as the last of the key the version of the delivery.
func history(t *table, first bool) *extract.Table {
	past := &extract.Table{Side: extract.History, Name: t.live.Name, Source: t.live.Source, Comment: "Every state that was told of: " + t.live.Comment}
	past.Columns = append(past.Columns, t.live.Columns[:t.keys]...)
	past.Columns = append(past.Columns,
		extract.Column{Name: "version", Type: extract.Text, Key: true, Comment: "Orders states: the sender's time, then arrival."},
		extract.Column{Name: "version_at", Type: extract.Timestamptz, Comment: "When the sender says it sent this; when it arrived, where that cannot be."})
	if first {
		past.Columns = append(past.Columns, extract.Column{Name: "deleted", Type: extract.Boolean, Comment: "This message took the thing away."})
	}
	past.Columns = append(past.Columns, t.live.Columns[t.keys:]...)
	return past
}

// builder reads the description of a table.
type builder struct {
	*table
	rest string // of spec.fields
}

// add appends a column, with the one beside it where its form takes two.
func (b *builder) add(name, source string, f form, key bool) int {
	if _, taken := b.byName[name]; taken {
		panic(fmt.Sprintf("redox: column %s of %s stands twice", name, b.live.Name))
	}
	b.byName[name] = len(b.columns)
	b.columns = append(b.columns, column{name, f, key})
	column := extract.Column{Name: name, Source: source, Field: source, Type: formTypes[f], Key: key, Label: source, Identifier: identifying(source)}
	if source == "" || strings.HasPrefix(source, "Meta.") {
		column.Comment, column.Identifier = comments[name], who[name]
	}
	b.live.Columns = append(b.live.Columns, column)
	if f.double() {
		b.live.Columns = append(b.live.Columns, extract.Column{
			Name: extract.PostgresName(name + "_text"), Source: source, Field: source, Type: extract.Text, Label: source + " as sent", Identifier: identifying(source),
		})
	}
	return len(b.columns) - 1
}

// word reads a column that code gives: its name, and its form behind ':'.
func (b *builder) word(word string, key bool) {
	name, form, _ := strings.Cut(word, ":")
	if form == "" {
		form = "text"
	}
	b.add(name, "", formOf(form), key)
}

func formOf(name string) form {
	f, ok := forms[name]
	if !ok {
		panic("redox: no form " + name)
	}
	return f
}

// members reads the members of an object, up to the brace that ends it.
func (b *builder) members(path string) map[string]*field {
	all := map[string]*field{}
	for {
		b.rest = strings.TrimLeft(b.rest, " \t\n")
		if b.rest == "" || b.rest[0] == '}' {
			return all
		}
		name := b.until(" \t\n{}:>!")
		if name == "" || all[name] != nil {
			panic(fmt.Sprintf("redox: field %q of %s has no name, or stands twice", path+name, b.live.Name))
		}
		all[name] = b.member(path + name)
	}
}

// member reads what follows the name of a member.
func (b *builder) member(path string) *field {
	f := &field{column: -1}
	var form string
	switch {
	case b.skip('!'):
		f.taken = true
		return f
	case b.skip('>'):
		f.table = b.until(" \t\n{}=")
		if b.skip('=') {
			f.role = b.until(" \t\n{}")
		}
	case b.skip(':'):
		form = b.until(" \t\n{}")
	}
	switch {
	case b.skip('{'):
		f.members = b.members(path + ".")
		if !b.skip('}') {
			panic("redox: a brace is not closed in " + b.live.Name)
		}
	case f.table == "":
		f.column = b.add(extract.ColumnName(path), strings.TrimPrefix(b.at+"."+path, "."), usual(path, form), false)
	}
	return f
}

// usual is the form of a field for which none is given.
func usual(path, given string) form {
	switch {
	case given != "":
		return formOf(given)
	case strings.HasSuffix(path, "DateTime"):
		return asInstant
	case strings.HasSuffix(path, "Date"), strings.HasSuffix(path, "DOB"):
		return asDate
	}
	return asText
}

func (b *builder) until(stop string) string {
	i := strings.IndexAny(b.rest, stop)
	if i < 0 {
		i = len(b.rest)
	}
	word := b.rest[:i]
	b.rest = b.rest[i:]
	return word
}

func (b *builder) skip(c byte) bool {
	if b.rest == "" || b.rest[0] != c {
		return false
	}
	b.rest = b.rest[1:]
	return true
}

// identifying reports whether a field tells who a person is.
func identifying(path string) bool {
	return slices.ContainsFunc(strings.Split(path, "."), func(word string) bool { return who[word] })
}

// who are names of fields, and of columns that code gives, that tell who a person is.
var who = map[string]bool{
	"FirstName": true, "MiddleName": true, "LastName": true, "Nickname": true, "SSN": true, "DOB": true, "StreetAddress": true, "ZIP": true,
	"PhoneNumber": true, "EmailAddresses": true, "MemberNumber": true, "PolicyNumber": true, "Identifiers": true,
	"patient_id": true, "patient": true, "id": true, "into_id": true, "previous_id": true, "subscriber": true, "subscriber_id": true, "member_number": true, "policy_number": true, "body": true, "identifiers": true, "previous_identifiers": true,
}

// comments explain columns that code gives.
var comments = map[string]string{
	"source_id":         "Meta.Source.ID: the sending system. Ids of different systems have nothing to do with one another.",
	"event_type":        "Meta.EventType of the message that this row comes from.",
	"facility_code":     "Meta.FacilityCode, where the site says it.",
	"patient_id_type":   "Type of the identifier that stands for the patient.",
	"patient_id":        "The identifier that stands for the patient. After merges patient_current says whom it means.",
	"patient":           "The patient as this message describes one, without the identifiers.",
	"visit":             "The visit as this message describes it, without its number.",
	"ordinal":           "Place in the message, from 1.",
	"event_id":          "Key of the delivery (syncd.delivery.dedupe_key).",
	"status":            "Where the thing stands after the last event.",
	"into_id_type":      "Type of the identifier that stands for the survivor.",
	"into_id":           "The identifier that stands for the survivor.",
	"previous_id_type":  "Type of the identifier that stood for the patient who was merged.",
	"previous_id":       "The identifier that stood for the patient who was merged.",
	"overlap":           "Some identifiers stand on both sides of the merge.",
	"id_type":           "Type of the identifier that it is known by, or the name of the field that stands in for one.",
	"visit_number":      "Visit.VisitNumber.",
	"date_time_key":     "DateTime, the same for one moment in whatever zone it is written.",
	"section":           "Name of the section as sent; behind a point the list inside it.",
	"narrative":         "The section as text, with the markup that was sent.",
	"transaction_id":    "Transaction.ID, else the key of the delivery and the place in it.",
	"claim_id":          "ID, else SubmissionNumber, else the place in the message.",
	"subscriber":        "The subscriber as sent, without the patients.",
	"referral":          "The Referral that came with it, where that names no referral.",
	"message_key":       "Key of the delivery (syncd.delivery.dedupe_key), by which fhir_message is known.",
	"resource_id":       "id of the resource, which Redox makes anew for every message.",
	"ended":             "What an event did to it: deleted, cancelled or merged.",
	"body":              "As sent, but for the contents of FHIR documents: those are in fhir_attachment.",
	"resource":          "The resource, where it has no row in fhir_resource: it has no type, or another one of the message has its key.",
	"identifier_system": "System of the business identifier that stands for the resource; empty where there is none.",
	"identifier_value":  "The business identifier that stands for the resource; where there is none, the message and the place in it.",
}

// columnsOf are the data columns of an entity's first table whose names begin so.
func columnsOf(e *entity, prefix string) []string {
	var names []string
	for _, c := range e.tables[0].live.Columns {
		if !c.Key && strings.HasPrefix(c.Name, prefix) {
			names = append(names, c.Name)
		}
	}
	return names
}
