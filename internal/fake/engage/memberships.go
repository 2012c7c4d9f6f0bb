package engage

// rolesPer is the number of positions that a generated organization has.
const rolesPer = 8

// makePositions makes the table of positions.
func (c *Campus) makePositions() {
	t := c.addTable(&table{name: "positions", key: "positionId", first: 686_001, generated: c.spec.Organizations * rolesPer})
	c.positions = t
	c.byOrganization(t, func(org int) (int, int) { return org * rolesPer, (org + 1) * rolesPer }, func(i int) int { return i / rolesPer })
	t.base = func(i int) record {
		d := c.diceOf(positionRow, i)
		r := record{id: t.first + int64(i), dice: d, org: c.organizations.first + int64(i/rolesPer), name: roles[i%rolesPer].templateName, role: i % rolesPer}
		if i%rolesPer > 1 && d.chance(100) {
			r.name = "Vice " + r.name
		}
		r.created, r.modified = c.born.UnixMilli()-dayMS, c.born.UnixMilli()-dayMS
		return r
	}
	t.rank = func(r *record) string { return t.textOf(r.id, "positionName", r.name) }
	t.fill = func(r *record, f []Field) []Field {
		d, as := r.dice, roles[r.role]
		return append(f, Field{"positionId", number(r.id)}, Field{"positionName", text(r.name)}, Field{"positionNameLocked", Value{Kind: Boolean, Number: truth(r.role == 1)}},
			Field{"organizationId", number(r.org)}, Field{"organizationName", text(c.orgName(r.org))},
			Field{"positionTemplateId", number(as.template)}, Field{"positionTemplateName", text(as.templateName)},
			Field{"positionTypeId", number(as.kind)}, Field{"positionTypeName", text(as.kindName)},
			Field{"isActive", Value{Kind: Boolean, Number: truth(!d.chance(50))}}, Field{"showOnRoster", flag(!d.chance(50))}, Field{"adminAssignOnly", flag(r.role == 4)})
	}
}

// orgName is the name of an organization now.
func (c *Campus) orgName(id int64) string {
	r, _, _ := c.organizations.find(id)
	return c.organizations.textOf(id, "name", r.name)
}

// makeMemberships makes the table of memberships, listed by the names of organization and position.
func (c *Campus) makeMemberships() {
	t := c.addTable(&table{name: "memberships", key: "membershipId", first: 3_000_001, generated: c.spec.Memberships})
	c.memberships = t
	c.cumulated = weights(t.generated, c.spec.Organizations, func(i int) int {
		d := c.diceOf(membershipRow, -1-i)
		return 1 + d.below(8)
	})
	c.byOrganization(t, func(org int) (int, int) { return c.cumulated[org], c.cumulated[org+1] }, func(i int) int { return partOf(c.cumulated, i) })
	t.base = c.membershipRecord
	t.rank = func(r *record) string {
		p, _, _ := c.positions.find(r.position)
		return c.positions.textOf(p.id, "positionName", p.name)
	}
	t.fill = c.membership
}

// membershipRecord is a generated membership. One in 97 is held by the same person in the same position as the one before.
func (c *Campus) membershipRecord(i int) record {
	org := partOf(c.cumulated, i)
	d := c.diceOf(membershipRow, i)
	r := record{id: c.memberships.first + int64(i), dice: d, org: c.organizations.first + int64(org)}
	who := d
	if i%97 == 1 && i > c.cumulated[org] {
		who = c.diceOf(membershipRow, i-1)
	}
	role := 0
	if who.chance(300) {
		role = who.below(rolesPer)
	}
	r.position = c.positions.first + int64(org*rolesPer+role)
	r.user = c.users.first + int64(who.below(c.users.generated))
	now := int(c.born.UnixMilli() / dayMS)
	first := now - 1 - d.below(3650)
	r.start = easternDay(first)
	switch n := d.below(100); {
	case n < 5:
		r.end = r.start
	case n < 60:
		r.end = easternDay(first + d.below(700))
	}
	if d.chance(100) {
		r.told = easternDay(first - 30)
	}
	r.created = r.start
	r.modified = min(r.start+int64(d.below(400))*dayMS, c.born.UnixMilli()-1000)
	return r
}

// membership fills in the fields of section 4.2 of the reference.
func (c *Campus) membership(r *record, f []Field) []Field {
	d := r.dice
	p, _, _ := c.positions.find(r.position)
	org, _, _ := c.organizations.find(r.org)
	user, _, _ := c.users.find(r.user)
	as, who := roles[p.role], c.personOf(&user)
	return append(f, Field{"membershipId", number(r.id)}, Field{"organizationId", number(r.org)}, Field{"organizationName", text(c.organizations.textOf(org.id, "name", org.name))},
		Field{"organizationShortName", text(c.organizations.textOf(org.id, "shortName", shortName(&org)))},
		Field{"positionTemplateId", number(as.template)}, Field{"positionTemplateName", text(as.templateName)}, Field{"positionTypeId", number(as.kind)}, Field{"positionTypeName", text(as.kindName)},
		Field{"positionId", number(p.id)}, Field{"positionName", text(c.positions.textOf(p.id, "positionName", p.name))},
		Field{"userId", number(r.user)}, Field{"username", text(who.username)}, Field{"userFirstName", text(who.first)}, Field{"userLastName", text(who.last)}, Field{"userCampusEmail", text(who.email)},
		Field{"positionRecordedStartDate", day(r.start)}, Field{"positionRecordedEndDate", day(r.end)}, Field{"positionReportedStartDate", day(r.told)}, Field{"positionReportedEndDate", Value{}},
		Field{"reflection", text("")}, Field{"userShownOnCampusRoster", flag(!d.chance(50))}, Field{"userShownOnPublicRoster", flag(d.chance(300))})
}
