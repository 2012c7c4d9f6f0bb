package engage

import (
	"errors"
	"fmt"
	"sort"
	"time"
)

// Happening is one thing that people did.
type Happening struct {
	What     string // "join", "leave", "delete membership" ...
	Resource string // of the row it was done to
	ID       int64
}

// String says what was done to which row.
func (h Happening) String() string { return fmt.Sprintf("%s (%s %d)", h.What, h.Resource, h.ID) }

// happening is a kind of thing that people do, and how often of 100.
type happening struct {
	often    int
	what     string
	resource string
	do       func(c *Campus, d *dice) (int64, error)
}

// onOne is something done to one row.
func onOne(resource string, do func(c *Campus, d *dice, id int64) error) func(*Campus, *dice) (int64, error) {
	return func(c *Campus, d *dice) (int64, error) {
		id := c.any(resource, d)
		return id, do(c, d, id)
	}
}

func happenings() []happening {
	return []happening{
		{22, "join", "memberships", func(c *Campus, d *dice) (int64, error) { return c.Join(c.any("users", d), c.any("positions", d)) }},
		{14, "leave", "memberships", onOne("memberships", func(c *Campus, _ *dice, id int64) error { return c.Leave(id) })},
		{8, "delete membership", "memberships", onOne("memberships", func(c *Campus, _ *dice, id int64) error { return c.Delete("memberships", id) })},
		{2, "restore membership", "memberships", func(c *Campus, d *dice) (int64, error) {
			gone := c.Deleted("memberships")
			if len(gone) == 0 {
				return 0, errNobody
			}
			id := pick(d, gone)
			return id, c.Restore("memberships", id)
		}},
		{4, "rename organization", "organizations", onOne("organizations", func(c *Campus, d *dice, id int64) error {
			return c.RenameOrganization(id, pick(d, topics)+" "+pick(d, sorts)+" "+digits(int64(d.below(1000))))
		})},
		{3, "set status of organization", "organizations", onOne("organizations", func(c *Campus, d *dice, id int64) error {
			return c.SetStatus("organizations", id, pick(d, []string{"Active", "Inactive", "Frozen", "Locked"}))
		})},
		{2, "found organization", "organizations", func(c *Campus, d *dice) (int64, error) {
			return c.NewOrganization(pick(d, topics) + " Group " + digits(int64(d.below(1000)))), nil
		}},
		{3, "new position", "positions", func(c *Campus, d *dice) (int64, error) {
			return c.NewPosition(c.any("organizations", d), "Chair "+digits(int64(d.below(1000))))
		}},
		{2, "rename position", "positions", onOne("positions", func(c *Campus, d *dice, id int64) error {
			return c.RenamePosition(id, "Delegate "+digits(int64(d.below(1000))))
		})},
		{5, "new user", "users", func(c *Campus, _ *dice) (int64, error) { return c.NewUser(), nil }},
		{4, "rename user", "users", onOne("users", func(c *Campus, d *dice, id int64) error {
			return c.Set("users", id, "lastName", text(pick(d, familyName)))
		})},
		{2, "archive user", "users", onOne("users", func(c *Campus, _ *dice, id int64) error { return c.SetStatus("users", id, "Archived") })},
		{6, "new event", "events", func(c *Campus, d *dice) (int64, error) {
			return c.NewEvent(c.any("organizations", d), pick(d, occasions), c.soon(d))
		}},
		{3, "move event", "events", onOne("events", func(c *Campus, d *dice, id int64) error { return c.MoveEvent(id, c.soon(d)) })},
		{2, "cancel event", "events", onOne("events", func(c *Campus, _ *dice, id int64) error { return c.SetStatus("events", id, "Cancelled") })},
		{1, "delete event", "events", onOne("events", func(c *Campus, _ *dice, id int64) error { return c.Delete("events", id) })},
		{10, "attend", "attendees", func(c *Campus, d *dice) (int64, error) {
			return c.Attend(c.lately(d), c.any("users", d), "Attended")
		}},
		{3, "set attendance", "attendees", onOne("attendees", func(c *Campus, d *dice, id int64) error {
			return c.SetAttendance(id, pick(d, []string{"Absent", "Excused", "Na"}))
		})},
		{2, "delete attendance", "attendees", onOne("attendees", func(c *Campus, _ *dice, id int64) error { return c.Delete("attendees", id) })},
		{2, "spend", "financetransactions", func(c *Campus, d *dice) (int64, error) { return c.Spend(c.any("organizations", d)) }},
	}
}

var errNobody = errors.New("nothing there to do it to")

// Happen lets n things happen, chosen by chance as often as people do them, each at the server's time. The same seed and calls
// let the same things happen. What finds no row to be done to does not happen: the result may be shorter than n.
func (c *Campus) Happen(n int) []Happening {
	var out []Happening
	all := happenings()
	for range n {
		c.mu.Lock()
		chance := dice(c.live.next())
		c.mu.Unlock()
		d := &chance
		roll := d.below(100)
		for _, h := range all {
			if roll -= h.often; roll >= 0 {
				continue
			}
			if id, err := h.do(c, d); err == nil {
				out = append(out, Happening{h.what, h.resource, id})
			}
			break
		}
	}
	return out
}

// any is a live row of a resource, chosen by chance; 0 where none was found.
func (c *Campus) any(resource string, d *dice) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.table(resource)
	for range 20 {
		if n := int(t.next - t.first); n > 0 {
			id := t.first + int64(d.below(n))
			if _, err := t.live(id); err == nil {
				return id
			}
		}
	}
	return 0
}

// lately is a generated event of the last two weeks before the campus was made, or the one before those.
func (c *Campus) lately(d *dice) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	after := func(ms int64) int {
		return sort.Search(c.events.generated, func(i int) bool { return c.eventStart(i) > ms })
	}
	to := after(c.born.UnixMilli())
	from := min(after(c.born.UnixMilli()-14*dayMS), to-1)
	return c.events.first + int64(max(0, from+d.below(to-from)))
}

// soon is an instant of the next two months.
func (c *Campus) soon(d *dice) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.clock().Truncate(15 * time.Minute).Add(time.Duration(d.below(60*96)) * 15 * time.Minute)
}
