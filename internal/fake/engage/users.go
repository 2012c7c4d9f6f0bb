package engage

import "strings"

// makeUsers makes the table of users, listed by id: their order is not known.
func (c *Campus) makeUsers() {
	t := c.addTable(&table{name: "users", key: "userId", first: 800_001, generated: c.spec.Users})
	c.users = t
	t.blocks(blockSize)
	t.base = func(i int) record {
		d := c.diceOf(userRow, i)
		r := record{id: t.first + int64(i), dice: d, status: "Active"}
		if d.chance(150) {
			r.status = "Archived"
		}
		r.created = c.before(&d, 3650)
		r.modified = r.created
		return r
	}
	t.fill = c.user
}

// person is what other resources say of a user.
type person struct{ username, first, last, email, card string }

// personOf is a user's person now; a user that never was is nobody.
func (c *Campus) personOf(r *record) person {
	if r.id == 0 {
		return person{}
	}
	d := r.dice
	first, last := c.odd(&d, pick(&d, givenNames)), pick(&d, familyName)
	name := strings.ToLower(last[:1]) + digits(r.id)
	p := person{username: name, first: first, last: last, email: name + "@example.edu", card: "900" + digits(r.id)}
	if ch := c.users.changed[r.id]; ch != nil && len(ch.set) > 0 {
		for to, field := range map[*string]string{&p.username: "username", &p.first: "firstName", &p.last: "lastName", &p.email: "campusEmail", &p.card: "cardId"} {
			*to = c.users.textOf(r.id, field, *to)
		}
	}
	return p
}

// user fills in the fields of section 4.3 of the reference.
func (c *Campus) user(r *record, f []Field) []Field {
	who, d := c.personOf(r), r.dice^0x5bd1e995
	last := instant(c.before(&d, 900))
	if d.chance(200) {
		last = Value{}
	}
	archived := Value{}
	if r.status == "Archived" {
		archived = text("old-" + who.username)
	}
	f = append(f, Field{"userId", number(r.id)}, Field{"username", text(who.username)}, Field{"archivedUsername", archived}, Field{"status", text(r.status)}, Field{"lastLogin", last},
		Field{"profilePictureUrl", text("")}, Field{"firstName", text(who.first)}, Field{"lastName", text(who.last)}, Field{"campusEmail", text(who.email)},
		Field{"preferredEmail", some(&d, 200, who.username+"@mail.example.org")}, Field{"cardId", text(who.card)}, Field{"mobilePhone", some(&d, 200, "555-0123")},
		Field{"preferredLastName", text("")}, Field{"institutionProvidedFirstName", text(who.first)}, Field{"institutionProvidedMiddleName", some(&d, 300, "Q.")},
		Field{"institutionProvidedLastName", text(who.last)}, Field{"legalFirstName", text(who.first)}, Field{"legalLastName", text(who.last)})
	for _, at := range []string{"local", "home", "abroad"} {
		has := 0
		if at != "abroad" && d.chance(300) {
			has = 1000
		}
		for _, part := range [][2]string{
			{"PhoneCountryCode", "1"},
			{"Phone", "555-0199"},
			{"PhoneExtension", ""},
			{"Street1", digits(int64(1+d.below(99))) + " Elm St"},
			{"Street2", ""},
			{"Street3", ""},
			{"City", "Springfield"},
			{"StateProvince", "NY"},
			{"PostalCode", "01234"},
			{"Country", "United States"},
		} {
			f = append(f, Field{at + part[0], some(&d, has, part[1])})
		}
	}
	return c.wrapped(r, &d, f)
}

// wrapped fills in a user's fields that carry a time of modification.
func (c *Campus) wrapped(r *record, d *dice, f []Field) []Field {
	add := func(name string, known int, v Value) {
		w, when := Value{Kind: Wrapped, Inner: &Value{}}, c.before(d, 1500)
		if d.chance(known) {
			w.Inner = &v
			if d.chance(700) {
				w.Number = when
			}
		}
		f = append(f, Field{name, w})
	}
	gpa := func() Value {
		return Value{Kind: Decimal, Text: pick(d, []string{"4.0", "3.75", "2.125", "3.10", "0"})}
	}
	birth, leaves := 6300+d.below(7000), int(c.born.UnixMilli()/dayMS)+d.below(1200)
	add("preferredFirstName", 200, text(pick(d, givenNames)))
	add("middleName", 200, text("Q."))
	add("suffix", 20, text("Jr."))
	add("hometown", 200, text("Springfield"))
	add("affiliation", 950, text(pick(d, []string{"Student", "Staff", "Faculty", "Alumni"})))
	add("sisId", 950, text("S"+digits(r.id)))
	add("dateOfBirth", 700, day(easternDay(birth)))
	for _, x := range [][]string{{"sex", "F", "M", "X"}, {"race", "A", "B", "C"}, {"ethnicity", "N", "H"}, {"enrollmentStatus", "Full-time", "Part-time"}} {
		add(x[0], 600, text(pick(d, x[1:])))
	}
	add("currentTermEnrolled", 600, flag(d.chance(800)))
	add("currentTermGpa", 500, gpa())
	add("previousTermEnrolled", 600, flag(d.chance(800)))
	add("previousTermGpa", 500, gpa())
	add("creditHoursEarned", 500, number(int64(d.below(140))))
	add("anticipatedDateOfGraduation", 500, day(easternDay(leaves)))
	for _, x := range [][]string{
		{"careerLevel", "UGRD", "GRAD"},
		{"classStanding", "Freshman", "Sophomore", "Junior", "Senior"},
		{"primarySchoolOfEnrollment", "Engineering", "Arts & Sciences"},
		{"degreeSought", "BA", "BS", "PhD"},
		{"major", "History", "Physics"},
		{"minor", "Music"},
		{"majorAdvisor", "A. Advisor"},
		{"otherAdvisor", "B. Advisor"},
		{"localResidencyStatus", "Resident", "Commuter"},
		{"housingFacility", "North Hall"},
	} {
		add(x[0], 500, text(pick(d, x[1:])))
	}
	for _, name := range []string{"international", "transfer", "athlete"} {
		add(name, 600, flag(d.chance(200)))
	}
	add("athleticParticipation", 50, text("Rowing"))
	custom := Value{Kind: CustomFields}
	if d.chance(200) {
		custom.Custom = append(custom.Custom, CustomField{"Shirt size", []string{pick(d, []string{"S", "M", "L"})}})
	}
	return append(f, Field{"customFields", custom})
}
