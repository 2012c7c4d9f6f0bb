package engage

import "sort"

// The generated events begin so many days before the campus was made, and lie over so many days.
const (
	eventsBefore = 8 * 365
	eventsOver   = eventsBefore + 180
)

// makeEvents makes the table of events, listed by when they begin: their real order is not known, and this one makes pages
// shift when an event is added or moved.
func (c *Campus) makeEvents() {
	t := c.addTable(&table{name: "events", key: "eventId", first: 501, generated: c.spec.Events})
	c.events = t
	t.blocks(blockSize)
	t.base = func(i int) record {
		d := c.diceOf(eventRow, i)
		r := record{id: t.first + int64(i), dice: d, org: c.organizations.first + int64(d.below(c.spec.Organizations)), status: "Approved"}
		if n := d.below(20); n < 2 {
			r.status = []string{"Cancelled", "Denied"}[n]
		}
		r.start = c.eventStart(i)
		r.end = r.start + int64(1+d.below(8))*30*60*1000
		r.created, r.modified = min(r.start, c.born.UnixMilli())-dayMS, min(r.start, c.born.UnixMilli())-dayMS
		return r
	}
	blocks := len(t.groups())
	t.place = func(r *record) int {
		after := sort.Search(blocks, func(g int) bool { return g*blockSize >= t.generated || c.eventStart(g*blockSize) > r.start })
		return max(0, after-1)
	}
	t.rank = func(r *record) string { return sortable(r.start) }
	t.fill = c.event
}

// eventStart is when a generated event begins, a quarter of an hour exactly. Later events begin later, or at the same time.
func (c *Campus) eventStart(i int) int64 {
	const quarter = 15 * 60 * 1000
	at := c.born.UnixMilli() - eventsBefore*dayMS + int64(i)*eventsOver*dayMS/int64(c.spec.Events)
	return at / quarter * quarter
}

// sortable writes a time so that later ones are greater as text.
func sortable(ms int64) string {
	s := digits(ms)
	return "00000000000000000000"[:20-len(s)] + s
}

// event fills in the fields of section 4.4 of the reference, and the categories and custom fields that are likely there.
func (c *Campus) event(r *record, f []Field) []Field {
	d, kind := r.dice^0x51ed270b, categoryOf(eventTypes, r.dice)
	in := Value{Kind: Categories}
	for n, at := d.below(3), d.below(len(categories)); n > 0; n-- {
		in.Categories = append(in.Categories, categories[(at+n)%len(categories)])
	}
	custom := Value{Kind: CustomFields}
	if d.chance(100) {
		custom.Custom = append(custom.Custom, CustomField{"Expected guests", []string{digits(int64(10 + d.below(200)))}})
	}
	location := Value{}
	if d.chance(500) {
		location = number(int64(70 + d.below(20)))
	}
	return append(f, Field{"eventId", number(r.id)}, Field{"eventName", text(c.eventName(r))}, Field{"organizationId", number(r.org)}, Field{"organizationName", text(c.orgName(r.org))},
		Field{"startDateTime", instant(r.start)}, Field{"endDateTime", instant(r.end)}, Field{"locationId", location}, Field{"externalLocationId", text("")},
		Field{"otherLocation", text(pick(&d, places))}, Field{"description", text(paragraphs(&d, 4))}, Field{"flyerUrl", text("")}, Field{"thumbnailUrl", text("")},
		Field{"typeId", number(kind.ID)}, Field{"typeName", text(kind.Name)}, Field{"status", text(r.status)}, Field{"categories", in}, Field{"customFields", custom})
}

// categoryOf is one of several for good.
func categoryOf(all []Category, d dice) Category { return pick(&d, all) }

// eventName is the name of an event now.
func (c *Campus) eventName(r *record) string {
	name := r.name
	if name == "" {
		d := r.dice
		name = c.odd(&d, pick(&d, occasions))
	}
	return c.events.textOf(r.id, "eventName", name)
}

// makeAttendees makes the table of attendance, listed by id.
func (c *Campus) makeAttendees() {
	t := c.addTable(&table{name: "attendees", key: "attendanceId", first: 7_700_001, generated: c.spec.Attendees})
	c.attendees = t
	t.blocks(blockSize)
	t.base = func(i int) record {
		d := c.diceOf(attendeeRow, i)
		r := record{id: t.first + int64(i), dice: d, event: c.events.first + int64(i)*int64(c.spec.Events)/int64(t.generated)}
		if !d.chance(c.spec.Unknown) {
			r.user = c.users.first + int64(d.below(c.users.generated))
		}
		r.status = pick(&d, []string{"Attended", "Attended", "Attended", "Attended", "Absent", "Excused", "Na"})
		r.created = min(c.eventStart(int(r.event-c.events.first)), c.born.UnixMilli()) - 1000
		r.modified = r.created
		return r
	}
	t.fill = c.attendee
}

// attendee fills in the fields of section 4.5 of the reference.
func (c *Campus) attendee(r *record, f []Field) []Field {
	e, change, _ := c.events.find(r.event)
	org, start, end := e.org, instant(e.start), instant(e.end)
	if change != nil {
		start, end = valueOr(change.set, "startDateTime", start), valueOr(change.set, "endDateTime", end)
	}
	user, _, _ := c.users.find(r.user)
	who, id, d := c.personOf(&user), Value{}, r.dice
	card := text(who.card)
	if r.user != 0 {
		id = number(r.user)
	} else {
		card = text("9" + digits(int64(10_000+d.below(90_000))))
	}
	return append(f, Field{"attendanceId", number(r.id)}, Field{"eventId", number(r.event)}, Field{"eventName", text(c.eventName(&e))}, Field{"organizationId", number(org)},
		Field{"organizationName", text(c.orgName(org))}, Field{"startDate", start}, Field{"endDate", end}, Field{"userId", id}, Field{"username", text(who.username)},
		Field{"userFirstName", text(who.first)}, Field{"userLastName", text(who.last)}, Field{"userCampusEmail", text(who.email)}, Field{"cardId", card},
		Field{"attendanceStatus", text(r.status)}, Field{"comments", some(&d, 20, "left early")}, Field{"reflection", text("")})
}

func valueOr(set map[string]Value, name string, v Value) Value {
	if w, ok := set[name]; ok {
		return w
	}
	return v
}

// makeTransactions makes the table of finance transactions, listed by id.
func (c *Campus) makeTransactions() {
	t := c.addTable(&table{name: "financetransactions", key: "transactionId", first: 40_001, generated: c.spec.Transactions})
	c.transactions = t
	t.blocks(blockSize)
	t.base = func(i int) record {
		d := c.diceOf(transactionRow, i)
		r := record{id: t.first + int64(i), dice: d, org: c.organizations.first + int64(d.below(c.spec.Organizations)), status: "False"}
		r.start = c.before(&d, 1200)
		r.created, r.modified = r.start, r.start
		return r
	}
	t.fill = c.transaction
}

// transaction fills in the fields of section 4.7 of the reference. The date comes as a string of digits, as a client saw it.
func (c *Campus) transaction(r *record, f []Field) []Field {
	d := r.dice
	amount := func(most int) Value {
		n := d.below(most)
		return Value{Kind: Decimal, Text: digits(int64(n/100)) + "." + digits(int64(n/10%10)) + digits(int64(n%10))}
	}
	spent := amount(900_000)
	spent.Text = "-" + spent.Text
	return append(f, Field{"transactionId", number(r.id)}, Field{"transactionNumber", text("T-" + digits(r.id))}, Field{"requestId", number(r.id + 5000)}, Field{"requestNumber", text("R-" + digits(r.id))},
		Field{"transactionType", text(pick(&d, []string{"Purchase", "Deposit", "Transfer"}))}, Field{"financeTypeId", number(11)}, Field{"financeTypeName", text("Purchase Request")},
		Field{"financeCategoryId", number(int64(20 + d.below(4)))}, Field{"financeCategoryName", text(pick(&d, []string{"Food", "Travel", "Supplies"}))},
		Field{"accountId", number(r.org + 100)}, Field{"accountName", text("Account " + digits(r.org))}, Field{"originatingAccountId", number(r.org + 100)},
		Field{"originatingAccountName", text("Account " + digits(r.org))}, Field{"originatingOrganizationId", number(r.org)}, Field{"originatingOrganizationName", text(c.orgName(r.org))},
		Field{"requestPayeeFirstName", text(pick(&d, givenNames))}, Field{"requestPayeeLastName", text(pick(&d, familyName))}, Field{"payeeSourceFirstName", text("")}, Field{"payeeSourceLastName", text("")},
		Field{"transactionDate", Value{Kind: Instant, Number: r.start, Quoted: true}}, Field{"amount", spent}, Field{"endingAllocationAfter", amount(5_000_000)},
		Field{"endingAvailableAfter", amount(5_000_000)}, Field{"memo", some(&d, 300, pick(&d, sentences))}, Field{"reconciledStatus", text(pick(&d, []string{"Reconciled", "Unreconciled"}))},
		Field{"cancelledStatus", flag(r.status == "True")})
}
