package redox

import "fmt"

// dice is a small deterministic source of numbers (splitmix64).
type dice uint64

func (d *dice) next() uint64 {
	*d += 0x9e3779b97f4a7c15
	z := uint64(*d)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (d *dice) below(n int) int { return int(d.next() % uint64(n)) }

// of reports true in so many of a thousand cases.
func (d *dice) of(perMille int) bool { return d.below(1000) < perMille }

func pick[T any](d *dice, from []T) T { return from[d.below(len(from))] }

// uuid is a version 4 UUID.
func (d *dice) uuid() string {
	a, b := d.next(), d.next()
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>48&0x3fff|0x8000, b&0xffffffffffff)
}

// ID is an identifier of a patient.
type ID struct{ Type, Value string }

func (i ID) object() object { return object{"ID", id(i.Value), "IDType", i.Type} }

type address struct{ street, city, state, zip, county string }

func (a address) object() object {
	country := ""
	if a.city != "" {
		country = "US"
	}
	return object{"StreetAddress", a.street, "City", a.city, "State", a.state, "ZIP", id(a.zip), "County", a.county, "Country", country}
}

// provider is a clinician.
type provider struct {
	npi, first, last, credential, phone string
	address                             address
}

func (p provider) object() object {
	idType, credentials := "", []string{}
	if p.npi != "" {
		idType, credentials = "NPI", []string{p.credential}
	}
	return object{
		"ID", id(p.npi), "IDType", idType, "FirstName", p.first, "LastName", p.last, "Credentials", credentials,
		"Address", p.address.object(), "EmailAddresses",
		[]string{},
		"PhoneNumber",
		object{"Office", p.phone},
		"Location",
		object{"Type", "", "Facility", "", "FacilityIdentifiers", list{}, "Department", "", "DepartmentIdentifiers", list{}, "Room", ""},
	}
}

// place is where in the hospital a patient is.
type place struct{ kind, department, room, bed string }

func (p place) object() object {
	facility := ""
	if p.department != "" {
		facility = "Lakeside Medical Center"
	}
	return object{
		"Type", p.kind, "Facility", facility, "FacilityIdentifiers",
		list{},
		"Department", p.department, "DepartmentIdentifiers",
		list{},
		"Room", id(p.room), "Bed", p.bed,
	}
}

// person is a patient as the hospital knows them at a moment.
type person struct {
	ids                                     []ID // the first is the medical record number
	first, middle, last, dob, sex, race     string
	ssn, marital, language, phone, relation string
	home                                    address
	next                                    string // first name of the next of kin
	guarantor, policy, group                string
	allergies                               []coded
}

// coded is a value with its code.
type coded struct{ code, codeset, name string }

func (c coded) object() object {
	return object{"Code", id(c.code), "Codeset", c.codeset, "Name", c.name}
}

func newPerson(d *dice, mr, ehr string) *person {
	p := &person{
		ids: []ID{{"MR", mr}, {"EHRID", ehr}}, sex: pick(d, []string{"Female", "Male"}), race: pick(d, races), marital: pick(d, maritals),
		middle: pick(d, middles), last: pick(d, lasts), language: pick(d, []string{"en", "en", "en", "es", "hmn"}), relation: pick(d, relations),
		dob:   fmt.Sprintf("%04d-%02d-%02d", 1931+d.below(90), 1+d.below(12), 1+d.below(28)),
		ssn:   fmt.Sprintf("9%02d-%02d-%04d", d.below(100), 1+d.below(99), 1+d.below(9999)),
		phone: telephone(d), home: newAddress(d), next: pick(d, firsts),
		guarantor: fmt.Sprint(40_000_000 + d.below(9_000_000)), policy: fmt.Sprintf("P%09d", d.below(1_000_000_000)), group: fmt.Sprintf("G-%05d", d.below(100_000)),
	}
	p.first = pick(d, firsts)
	for range d.below(3) {
		p.allergies = append(p.allergies, pick(d, allergens))
	}
	return p
}

func telephone(d *dice) string { return fmt.Sprintf("+1608555%04d", d.below(10_000)) }

func newAddress(d *dice) address {
	a := pick(d, towns)
	a.street = fmt.Sprintf("%d %s", 1+d.below(9800), pick(d, streets))
	return a
}

// identifiers are a patient's, as messages list them.
func identifiers(ids []ID) list {
	out := list{}
	for _, i := range ids {
		out = append(out, i.object())
	}
	return out
}

func (p *person) demographics() object {
	return object{
		"FirstName", p.first, "MiddleName", p.middle, "LastName", p.last, "DOB", p.dob, "SSN", p.ssn, "Sex", p.sex, "Race", p.race,
		"IsHispanic", nil, "MaritalStatus", p.marital, "IsDeceased", nil, "DeathDateTime", nil,
		"PhoneNumber",
		object{"Home", p.phone, "Office", "", "Mobile", ""},
		"EmailAddresses",
		[]string{},
		"Language", p.language,
		"Citizenship",
		[]string{},
		"Address", p.home.object(),
	}
}

// thin is the patient as models beside PatientAdmin carry them.
func (p *person) thin() object {
	return object{"Identifiers", identifiers(p.ids), "Demographics", p.demographics(), "Notes", []string{}}
}

// whole is the patient as PatientAdmin carries them.
func (p *person) whole(pcp provider) object {
	allergies := list{}
	for _, a := range p.allergies {
		allergies = append(allergies, append(a.object(), "Type", object{}, "Reaction", list{reaction.object()}, "Severity", object{}))
	}
	contact := object{
		"FirstName", p.next, "MiddleName", "", "LastName", p.last, "Address", p.home.object(),
		"PhoneNumber",
		object{"Home", p.phone, "Office", "", "Mobile", ""},
		"RelationToPatient", p.relation,
		"EmailAddresses",
		[]string{},
		"Roles",
		[]string{"Emergency Contact"},
	}
	return append(p.thin(), "Contacts", list{contact}, "Diagnoses", list{}, "Allergies", allergies, "PCP", pcp.object())
}

// payers are who pays for a visit, as members of a Visit.
func (p *person) payers() object {
	guarantor := object{
		"Number", id(p.guarantor), "FirstName", p.next, "MiddleName", "", "LastName", p.last, "SSN", "", "DOB", "", "Sex", "",
		"Spouse",
		object{"FirstName", p.first, "LastName", p.last},
		"Address", p.home.object(), "PhoneNumber",
		object{"Home", p.phone, "Business", "", "Mobile", ""},
		"EmailAddresses",
		[]string{},
		"Type", "", "RelationToPatient", p.relation,
		"Employer",
		object{"Name", employer.name, "Address", employer.address.object(), "PhoneNumber", employer.phone},
	}
	insurance := object{
		"Plan",
		object{"ID", id("88210"), "IDType", "Payor ID", "Name", "Badger Preferred", "Type", ""},
		"MemberNumber", "",
		"Company",
		object{"ID", id("70123"), "IDType", "", "Name", insurer.name, "Address", insurer.address.object(), "PhoneNumber", insurer.phone},
		"GroupNumber", p.group, "GroupName", employer.name, "EffectiveDate", "2021-01-01", "ExpirationDate", "2029-12-31", "PolicyNumber", p.policy,
		"Priority", "", "AgreementType", "", "CoverageType", "",
		"Insured",
		object{"Identifiers", list{}, "LastName", "", "FirstName", "", "SSN", "", "Relationship", "", "DOB", "", "Sex", "", "Address", object{}},
	}
	return object{"Guarantor", guarantor, "Insurances", list{insurance}}
}
