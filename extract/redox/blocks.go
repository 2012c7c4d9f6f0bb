package redox

import "slices"

// Blocks of fields that recur in most models, as tableSpec.fields spells them.
const (
	addressFields = "Address{StreetAddress City State ZIP County Country}"
	codeFields    = "Code Codeset Description"
	// drugFields are a code of the models that tell of medication and immunisation.
	drugFields = "Code CodeSystem CodeSystemName Name AltCodes:json"
	doseFields = "Quantity:number Units"

	placeFields = "Type Facility FacilityIdentifiers:json Department DepartmentIdentifiers:json Room Bed " + addressFields

	providerFields = "ID IDType NPI FirstName LastName Credentials:json " + addressFields + " EmailAddresses:json PhoneNumber{Office} " +
		"Location{Type Facility FacilityIdentifiers:json Department DepartmentIdentifiers:json Room}"
	// providerBrief are the fields of a provider that stand in the row of a visit; the others are in a table of providers.
	providerBrief = "ID IDType NPI FirstName LastName"
	// placeBrief are those of a location.
	placeBrief = "Type Facility Department Room Bed"
	roleFields = "Role{" + codeFields + "}"

	demographicsFields = "Demographics{FirstName MiddleName LastName Nickname DOB SSN Sex Race IsHispanic:bool Religion MaritalStatus " +
		"Language Citizenship:json IsDeceased:bool DeathDateTime PhoneNumber{Home Mobile Office} EmailAddresses:json " + addressFields + "}"

	contactFields = "FirstName MiddleName LastName RelationToPatient Roles:json PhoneNumber{Home Mobile Office} EmailAddresses:json " + addressFields

	guarantorFields = "Guarantor{Number FirstName MiddleName LastName RelationToPatient SSN DOB Sex Type Spouse{FirstName LastName} " +
		"PhoneNumber{Home Mobile Business} EmailAddresses:json " + addressFields + " Employer{Name PhoneNumber " + addressFields + "}}"

	insuranceFields = "Plan{ID IDType Name Type} Company{ID IDType Name PhoneNumber " + addressFields + "} GroupNumber GroupName " +
		"EffectiveDate ExpirationDate PolicyNumber MemberNumber Priority AgreementType CoverageType " +
		"Insured{FirstName MiddleName LastName Identifiers:json SSN Relationship DOB Sex " + addressFields + "}"

	diagnosisFields = "Code Codeset Name Type DocumentedDateTime"

	// contextColumns say of which patient and visit a thing is that is neither; the blocks themselves are kept as they came.
	contextColumns = "patient_id_type patient_id visit_number patient:json visit:json"
	contextIndexes = "source_id patient_id_type patient_id, source_id visit_number"
)

// without is an object without some of its members.
func (n *node) without(names ...string) *node {
	if n == nil {
		return nil
	}
	return n.only(func(c *node) bool { return !slices.Contains(names, c.name) })
}

// aside takes members out of an object of the message, and keeps them beside the row of the next thing.
func (m *message) aside(n *node, path string, names ...string) {
	if n == nil {
		return
	}
	for at := &n.first; *at != nil; {
		e := *at
		if !slices.Contains(names, e.name) {
			at = &e.next
			continue
		}
		*at = e.next
		if !e.empty() {
			m.loose = append(m.loose, extra{path + "." + e.name, e})
		}
	}
}

// others keeps the members of an object that are not among those that its model reads.
func (m *message) others(n *node, path string, read ...string) {
	if n.object() != nil {
		m.loose = append(m.loose, strays(n, path, func(name string) bool { return slices.Contains(read, name) })...)
	}
}

// cut takes a member out of an object.
func (n *node) cut(name string) *node {
	for at := &n.first; *at != nil; at = &(*at).next {
		if e := *at; e.name == name {
			*at = e.next
			return e
		}
	}
	return nil
}

// rowsOf makes rows of the elements of a member of the message, in their order.
func (m *message) rowsOf(table, name string) []childRow {
	var rows []childRow
	for _, n := range m.elements(name) {
		rows = append(rows, childRow{table: table, root: n})
	}
	return rows
}

// one are the things that a message is about, whether it holds one of them or a list.
func (m *message) one(name, list string) []*node {
	all := m.elements(list)
	if o := m.object(name); o != nil {
		all = append(all, o)
	}
	return all
}
