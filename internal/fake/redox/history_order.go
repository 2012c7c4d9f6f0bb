package redox

import (
	"fmt"
	"time"
)

// test is an order with what was last told of it.
type test struct {
	order
	event      string // of the last Order message
	told       string // event of the last Results message; empty before the first
	reportedAt time.Time
}

// where is the Visit of a message that only names it: the newest one.
func (c *chart) where() object {
	if len(c.stays) == 0 {
		return (&visit{}).short()
	}
	return c.stays[len(c.stays)-1].short()
}

func (h *History) order(c *chart) *Message {
	o := &test{order: order{
		number: fmt.Sprint(h.number()), status: "New", priority: pick(&h.dice, []string{"Routine", "Stat"}), at: h.now, by: pick(&h.dice, clinicians), what: pick(&h.dice, panels),
	}}
	c.tests = append(c.tests, o)
	return h.tellOrder(c, o, "New")
}

func (h *History) tellOrder(c *chart, o *test, event string) *Message {
	o.event, o.at = event, h.now
	return h.emit(c, "Order", event, object{"Patient", c.thin(), "Visit", c.where(), "Order", o.object(complaint[0])})
}

// open picks an order of which nothing was reported and that stands.
func (h *History) open(c *chart) *test {
	return one(&h.dice, c.tests, func(o *test) bool { return o.told == "" && o.status != "Canceled" })
}

func (h *History) updateOrder(c *chart) *Message {
	o := h.open(c)
	if o == nil {
		return nil
	}
	o.status, o.priority = "Changed", "Stat"
	return h.tellOrder(c, o, "Update")
}

func (h *History) cancelOrder(c *chart) *Message {
	o := h.open(c)
	if o == nil {
		return nil
	}
	o.status = "Canceled"
	return h.tellOrder(c, o, "Cancel")
}

// report sends results: preliminary ones, which are part of the set; then all, final; then corrected ones, of which some may be gone.
// A laboratory may report tests that nobody ordered here, and several orders at once.
func (h *History) report(c *chart) *Message {
	if h.dice.of(100) {
		o := &test{order: order{number: fmt.Sprint(h.number()), status: "Resulted", priority: "Routine", at: h.now, by: pick(&h.dice, clinicians), what: pick(&h.dice, panels)}}
		o.application = "LAB" + o.number
		c.tests = append(c.tests, o)
		return h.tellResults(c, "NewUnsolicited", o)
	}
	first := one(&h.dice, c.tests, func(o *test) bool { return o.status != "Canceled" })
	if first == nil {
		return nil
	}
	all := []*test{first}
	if second := h.open(c); second != nil && second != first {
		all = append(all, second)
	}
	return h.tellResults(c, "New", all...)
}

func (h *History) tellResults(c *chart, event string, all ...*test) *Message {
	orders := list{}
	for _, o := range all {
		switch {
		case o.told == "" && h.dice.of(300):
			o.measure(&h.dice, 1+h.dice.below(2), "Preliminary")
		case o.resultsStatus == "Final" || o.resultsStatus == "Corrected":
			o.measure(&h.dice, h.dice.below(len(o.what.analytes)), "Corrected")
		default:
			o.measure(&h.dice, 0, "Final")
		}
		o.told, o.reportedAt = event, h.now
		orders = append(orders, o.outcome(h.now))
	}
	return h.emit(c, "Results", event, object{"Patient", c.thin(), "Orders", orders, "Visit", c.where()})
}
