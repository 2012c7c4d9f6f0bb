package engage

import (
	"fmt"
	"time"
)

// The mutators change a campus as people do, at the server's time. Those that return an id make a row; the others return an
// error where there is no such row, or it was deleted.

// Join lets a user hold a position from today on, also one that is held already.
func (c *Campus) Join(user, position int64) (membership int64, err error) {
	err = c.change(func(now time.Time) error {
		p, err := c.positions.live(position)
		if err != nil {
			return err
		}
		if _, err := c.users.live(user); err != nil {
			return err
		}
		r := record{org: p.org, position: p.id, user: user, start: today(now), dice: c.diceOf(membershipRow, int(c.memberships.next))}
		membership = c.memberships.add(r, now).id
		return nil
	})
	return membership, err
}

// Leave ends a membership today; it stays listed.
func (c *Campus) Leave(membership int64) error {
	return c.alter(c.memberships, membership, func(ch *change, now time.Time) { ch.end = max(ch.start, today(now)) })
}

// Delete deletes a row of a resource. A membership stays visible to who asks for deleted ones; everything else vanishes.
func (c *Campus) Delete(resource string, id int64) error {
	return c.alter(c.table(resource), id, func(ch *change, _ time.Time) { ch.deleted = true })
}

// Restore takes a deletion back.
func (c *Campus) Restore(resource string, id int64) error {
	return c.change(func(now time.Time) error {
		t := c.table(resource)
		ch := t.changed[id]
		if ch == nil || !ch.deleted {
			return fmt.Errorf("%s %d is not deleted", resource, id)
		}
		ch.deleted, ch.modified, t.index = false, now.UnixMilli(), nil
		return nil
	})
}

// Set sets any field of a row, such as one that a mutator of its own would not set. Filters see it; where other resources copy a name
// or a time they do so too.
func (c *Campus) Set(resource string, id int64, field string, v Value) error {
	return c.alter(c.table(resource), id, func(ch *change, _ time.Time) { ch.set[field] = v })
}

// SetUnseen sets a field as Set does, but the row's time of modification stays: what no incremental run can see.
func (c *Campus) SetUnseen(resource string, id int64, field string, v Value) error {
	return c.change(func(now time.Time) error {
		t := c.table(resource)
		r, err := t.live(id)
		if err != nil {
			return err
		}
		ch := t.edit(id, now)
		ch.set[field], ch.modified = v, r.modified
		return nil
	})
}

// NewOrganization founds one that has the positions Member and President.
func (c *Campus) NewOrganization(name string) (organization int64) {
	c.change(func(now time.Time) error {
		organization = c.organizations.add(record{name: name, status: "Active", dice: c.diceOf(orgRow, int(c.organizations.next))}, now).id
		for role := range 2 {
			c.positions.add(record{org: organization, role: role, name: roles[role].templateName, dice: dice(organization)}, now)
		}
		return nil
	})
	return organization
}

// RenameOrganization gives an organization another name, which every resource that copies it shows at once. The lists by name
// are in another order then. Only the organization counts as modified.
func (c *Campus) RenameOrganization(organization int64, name string) error {
	return c.Set("organizations", organization, "name", text(name))
}

// SetStatus sets the status of an organization (Active, Inactive, Frozen, Locked), user (Active, Archived) or event (Approved, Cancelled ...).
func (c *Campus) SetStatus(resource string, id int64, status string) error {
	return c.alter(c.table(resource), id, func(ch *change, _ time.Time) { ch.status = status })
}

// NewPosition gives an organization another position.
func (c *Campus) NewPosition(organization int64, name string) (position int64, err error) {
	err = c.change(func(now time.Time) error {
		if _, err := c.organizations.live(organization); err != nil {
			return err
		}
		position = c.positions.add(record{org: organization, name: name, dice: dice(organization)}, now).id
		return nil
	})
	return position, err
}

// RenamePosition gives a position another name, as RenameOrganization does.
func (c *Campus) RenamePosition(position int64, name string) error {
	return c.Set("positions", position, "positionName", text(name))
}

// NewUser makes an account.
func (c *Campus) NewUser() (user int64) {
	c.change(func(now time.Time) error {
		user = c.users.add(record{status: "Active", dice: c.diceOf(userRow, int(c.users.next))}, now).id
		return nil
	})
	return user
}

// NewEvent plans an event of two hours.
func (c *Campus) NewEvent(organization int64, name string, start time.Time) (event int64, err error) {
	err = c.change(func(now time.Time) error {
		if _, err := c.organizations.live(organization); err != nil {
			return err
		}
		at := start.UnixMilli()
		r := record{org: organization, name: name, status: "Approved", start: at, end: at + 2*60*60*1000, dice: c.diceOf(eventRow, int(c.events.next))}
		event = c.events.add(r, now).id
		return nil
	})
	return event, err
}

// MoveEvent lets an event begin at another time; it lasts as long as before.
func (c *Campus) MoveEvent(event int64, start time.Time) error {
	return c.alter(c.events, event, func(ch *change, _ time.Time) {
		ch.start, ch.end = start.UnixMilli(), start.UnixMilli()+ch.end-ch.start
	})
}

// Attend notes that somebody came to an event; user 0 is a swipe that no account was found for.
func (c *Campus) Attend(event, user int64, status string) (attendance int64, err error) {
	err = c.change(func(now time.Time) error {
		if _, err := c.events.live(event); err != nil {
			return err
		}
		if user != 0 {
			if _, err := c.users.live(user); err != nil {
				return err
			}
		}
		r := record{event: event, user: user, status: status, dice: c.diceOf(attendeeRow, int(c.attendees.next))}
		attendance = c.attendees.add(r, now).id
		return nil
	})
	return attendance, err
}

// SetAttendance sets Attended, Absent, Excused or Na.
func (c *Campus) SetAttendance(attendance int64, status string) error {
	return c.alter(c.attendees, attendance, func(ch *change, _ time.Time) { ch.status = status })
}

// Spend enters a finance transaction of an organization.
func (c *Campus) Spend(organization int64) (transaction int64, err error) {
	err = c.change(func(now time.Time) error {
		if _, err := c.organizations.live(organization); err != nil {
			return err
		}
		r := record{org: organization, status: "False", start: now.UnixMilli(), dice: c.diceOf(transactionRow, int(c.transactions.next))}
		transaction = c.transactions.add(r, now).id
		return nil
	})
	return transaction, err
}

// CancelTransaction cancels one; it stays listed.
func (c *Campus) CancelTransaction(transaction int64) error {
	return c.alter(c.transactions, transaction, func(ch *change, _ time.Time) { ch.status = "True" })
}

// change runs a mutator.
func (c *Campus) change(f func(now time.Time) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := f(c.clock().UTC()); err != nil {
		return err
	}
	c.version++
	c.counts, c.orgOrder = nil, nil
	return nil
}

// alter changes one row.
func (c *Campus) alter(t *table, id int64, f func(ch *change, now time.Time)) error {
	return c.change(func(now time.Time) error {
		if _, err := t.live(id); err != nil {
			return err
		}
		f(t.edit(id, now), now)
		return nil
	})
}

// live returns a row that is there.
func (t *table) live(id int64) (record, error) {
	r, ch, ok := t.find(id)
	if !ok || ch != nil && ch.deleted {
		return record{}, fmt.Errorf("%s %d is not there", t.name, id)
	}
	return r, nil
}
