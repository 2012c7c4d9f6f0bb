package engage

import "strings"

// orgRow is what makes the chance of one resource's row another's.
const (
	orgRow = iota + 1
	positionRow
	userRow
	membershipRow
	eventRow
	attendeeRow
	transactionRow
)

// makeOrganizations makes the table of organizations. They lie in one group: a campus has thousands of them at most.
func (c *Campus) makeOrganizations() {
	t := c.addTable(&table{name: "organizations", key: "organizationId", first: 90_001, generated: c.spec.Organizations})
	c.organizations = t
	one := []int{0}
	t.groups = func() []int { return one }
	t.span = func(int) (int, int) { return 0, t.generated }
	t.place, t.home = func(*record) int { return 0 }, func(int) int { return 0 }
	t.base = func(i int) record {
		d := c.diceOf(orgRow, i)
		r := record{id: t.first + int64(i), dice: d, name: c.odd(&d, orgName(i)), status: "Active"}
		if n := d.below(20); n < 3 {
			r.status = []string{"Inactive", "Frozen", "Locked"}[n]
		}
		r.created = c.before(&d, 3650)
		r.modified = r.created + int64(d.below(int(c.born.UnixMilli()-r.created)/1000+1))*1000
		return r
	}
	t.rank = func(r *record) string { return t.textOf(r.id, "name", r.name) }
	t.fill = c.organization
}

// orgName is a name that no other organization has.
func orgName(i int) string {
	name := topics[i%len(topics)] + " " + sorts[i/len(topics)%len(sorts)]
	if n := i / (len(topics) * len(sorts)); n > 0 {
		name += " " + digits(int64(n+1))
	}
	return name
}

// organization fills in the fields of section 4.1 of the reference.
func (c *Campus) organization(r *record, f []Field) []Field {
	d := r.dice
	kind, parent := pick(&d, orgTypes), d.below(3)
	site := strings.ToLower(strings.ReplaceAll(r.name, " ", ""))
	f = append(f, Field{"organizationId", number(r.id)}, Field{"name", text(r.name)}, Field{"status", text(r.status)}, Field{"shortName", text(shortName(r))},
		Field{"summary", text(c.odd(&d, pick(&d, sentences)))}, Field{"description", text(paragraphs(&d, 12))},
		Field{"addressStreet1", some(&d, 200, digits(int64(1+d.below(900)))+" College Ave")}, Field{"addressStreet2", text("")},
		Field{"addressCity", some(&d, 200, "Springfield")}, Field{"addressStateProvince", some(&d, 200, "NY")}, Field{"addressZipPostal", some(&d, 200, "01234")},
		Field{"phoneNumber", some(&d, 100, "555-0100")}, Field{"extension", text("")}, Field{"faxNumber", text("")},
		Field{"email", text(digits(r.id) + "@example.edu")}, Field{"externalWebsite", some(&d, 300, "http://"+digits(r.id)+".example.org")},
		Field{"facebookUrl", some(&d, 300, "https://www.facebook.com/"+digits(r.id))}, Field{"twitterUrl", text("")}, Field{"flickrFeedUrl", text("")},
		Field{"youtubeChannelUrl", text("")}, Field{"googleCalendarUrl", text("")},
		Field{"profileImageUrl", some(&d, 500, c.spec.Host+"/images/W170xL170/0/noshadow/Profile/"+digits(r.id)+".jpg")},
		Field{"profileUrl", text(c.spec.Host + "/engage/organization/" + site)})
	visibility := "Visible"
	if d.chance(80) {
		visibility = "Hidden"
	}
	f = append(f, Field{"directoryVisibility", text(visibility)}, Field{"membershipType", text([]string{"Open", "Closed"}[d.below(2)])},
		Field{"typeId", number(kind.ID)}, Field{"typeName", text(kind.Name)},
		Field{"parentId", number(int64(45_851 + parent))}, Field{"parentName", text([]string{"Student Activities", "Athletics", "Graduate School"}[parent])})
	if d.chance(600) {
		user, _, _ := c.users.find(c.users.first + int64(d.below(c.users.generated)))
		who := c.personOf(&user)
		f = append(f, Field{"primaryContactId", number(user.id)}, Field{"primaryContactName", text(who.first + " " + who.last)}, Field{"primaryContactCampusEmail", text(who.email)})
	} else {
		f = append(f, Field{"primaryContactId", Value{}}, Field{"primaryContactName", text("")}, Field{"primaryContactCampusEmail", text("")})
	}
	in := Value{Kind: Categories}
	for n, at := d.below(3), d.below(len(categories)); n > 0; n-- {
		in.Categories = append(in.Categories, categories[(at+n)%len(categories)])
	}
	custom := Value{Kind: CustomFields}
	if d.chance(300) {
		custom.Custom = append(custom.Custom, CustomField{"Meeting day", []string{pick(&d, []string{"Monday", "Tuesday", "Friday"})}})
	}
	if d.chance(100) {
		custom.Custom = append(custom.Custom, CustomField{"Languages", []string{"English", "Español"}}, CustomField{"Advisor's office", nil})
	}
	return append(f, Field{"categories", in}, Field{"customFields", custom})
}

// shortName is the first letters of an organization's name, for most of them.
func shortName(r *record) string {
	if r.dice%3 == 0 {
		return ""
	}
	short := make([]byte, 0, 4)
	for word := range strings.FieldsSeq(r.name) {
		if word[0] < 0x80 {
			short = append(short, word[0])
		}
	}
	return string(short)
}
