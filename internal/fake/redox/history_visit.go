package redox

import (
	"fmt"
	"slices"
)

// What becomes of a visit, in the words that a warehouse uses for it.
const (
	planned    = "planned"
	inProgress = "in progress"
	finished   = "finished"
	cancelled  = "cancelled"
)

// stay is a visit with what was last told of it.
type stay struct {
	visit
	event, status string
	message       *Message // the last one
	more, meta    []any    // of it
}

// one picks something that fits, or returns nil.
func one[T any](d *dice, from []*T, fits func(*T) bool) *T {
	var some []*T
	for _, x := range from {
		if fits(x) {
			some = append(some, x)
		}
	}
	if len(some) == 0 {
		return nil
	}
	return pick(d, some)
}

// is picks a stay with a status.
func (c *chart) is(d *dice, status string) *stay {
	return one(d, c.stays, func(s *stay) bool { return s.status == status })
}

// tell makes the message that says what a visit has become. more are further members of it.
func (h *History) tell(c *chart, s *stay, event, status string, more []any, meta ...any) *Message {
	s.event, s.status, s.more, s.meta = event, status, more, meta
	s.message = h.admin(c, event, object{"Patient", c.whole(clinicians[2]), "Visit", s.object(c.person, more...)}, meta...)
	return s.message
}

// rerun sends the last message of a visit again after the configuration has changed: the same log, a new attempt, and an
// account number that is mapped otherwise.
func (h *History) rerun(c *chart) *Message {
	s := one(&h.dice, c.stays, func(s *stay) bool { return s.message != nil })
	if s == nil {
		return nil
	}
	s.account += "-R"
	m := *s.message
	m.Attempt, m.Rerun = h.dice.uuid(), true
	h.render(&m, object{"Patient", c.whole(clinicians[2]), "Visit", s.object(c.person, s.more...)}, s.meta)
	return &m
}

// admit begins a visit, or plans one.
func (h *History) admit(c *chart) *Message {
	if len(c.stays) > 0 && slices.ContainsFunc(c.stays, func(s *stay) bool { return s.status == planned || s.status == inProgress }) {
		return nil
	}
	s := &stay{visit: visit{
		number: fmt.Sprint(h.number()), account: fmt.Sprint(h.number()), class: pick(&h.dice, []string{"Inpatient", "Outpatient", "Emergency"}), at: h.now,
		attending: pick(&h.dice, clinicians), where: pick(&h.dice, places), why: pick(&h.dice, complaint),
	}}
	c.stays = append(c.stays, s)
	switch h.dice.below(4) {
	case 0:
		return h.tell(c, s, "PreAdmit", planned, nil)
	case 1:
		return h.tell(c, s, "Registration", inProgress, nil)
	default:
		return h.tell(c, s, "Arrival", inProgress, nil)
	}
}

// arrive lets a patient arrive who was expected.
func (h *History) arrive(c *chart) *Message {
	s := c.is(&h.dice, planned)
	if s == nil {
		return nil
	}
	s.at = h.now
	return h.tell(c, s, "Arrival", inProgress, nil)
}

func (h *History) transfer(c *chart) *Message {
	s := c.is(&h.dice, inProgress)
	if s == nil {
		return nil
	}
	s.before, s.where = s.where, pick(&h.dice, places)
	return h.tell(c, s, "Transfer", inProgress, []any{"PreviousLocation", s.before.object()})
}

// updateVisit changes who attends, during the visit or afterwards.
func (h *History) updateVisit(c *chart) *Message {
	s := one(&h.dice, c.stays, func(s *stay) bool { return s.status == inProgress || s.status == finished })
	if s == nil {
		return nil
	}
	s.attending = pick(&h.dice, clinicians)
	var more []any
	if s.status == finished {
		more = []any{"DischargeDateTime", stamp(s.left)}
	}
	return h.tell(c, s, "VisitUpdate", s.status, more)
}

func (h *History) discharge(c *chart) *Message {
	s := c.is(&h.dice, inProgress)
	if s == nil {
		return nil
	}
	s.left = h.now
	return h.tell(c, s, "Discharge", finished, []any{
		"DischargeDateTime", stamp(s.left), "DischargeStatus",
		object{"Code", "01", "Codeset", "", "Description", "Home"},
		"DischargeLocation", place{"Home", "", "", ""}.object(),
	})
}

// cancelDischarge takes a discharge back. Some systems still send the time that is no longer true.
func (h *History) cancelDischarge(c *chart) *Message {
	s := c.is(&h.dice, finished)
	if s == nil {
		return nil
	}
	var more []any
	if h.dice.of(500) {
		more = []any{"DischargeDateTime", stamp(s.left)}
	}
	return h.tell(c, s, "Cancel", inProgress, more, "CanceledEvent", "Discharge")
}

// cancelArrival takes back that a patient arrived, or was to arrive.
func (h *History) cancelArrival(c *chart) *Message {
	s := one(&h.dice, c.stays, func(s *stay) bool { return s.event == "PreAdmit" || s.event == "Arrival" })
	if s == nil {
		return nil
	}
	return h.tell(c, s, "Cancel", cancelled, nil, "CanceledEvent", s.event)
}
