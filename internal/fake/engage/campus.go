package engage

import (
	"sort"
	"sync"
	"time"
)

// Spec says how large a campus is. Equal specs at equal times make equal campuses.
type Spec struct {
	Seed          uint64 // default 1
	Host          string // default "example-u.campuslabs.com"; stands in profile URLs
	Organizations int    // default 40; each has eight positions
	Users         int    // default 300
	Memberships   int    // default 900
	Events        int    // default 200, over eight years until half a year from now
	Attendees     int    // default 1500
	Transactions  int    // default 60
	Unknown       int    // of 1,000 attendees, how many are swipes that no account was found for; default 5, -1: none
	Odd           int    // of 1,000 names and texts, how many hold what trips programs up: emoji, right-to-left marks, markup; default 5, -1: none
}

func (s *Spec) defaults() {
	set := func(v *int, d int) {
		switch {
		case *v == 0:
			*v = d
		case *v < 0:
			*v = 0
		}
	}
	set(&s.Organizations, 40)
	set(&s.Users, 300)
	set(&s.Memberships, 900)
	set(&s.Events, 200)
	set(&s.Attendees, 1500)
	set(&s.Transactions, 60)
	set(&s.Unknown, 5)
	set(&s.Odd, 5)
	s.Organizations, s.Users, s.Events = max(s.Organizations, 1), max(s.Users, 1), max(s.Events, 1)
	if s.Seed == 0 {
		s.Seed = 1
	}
	if s.Host == "" {
		s.Host = "example-u.campuslabs.com"
	}
}

// blockSize is how many rows are computed at least to show one.
const blockSize = 256

// Campus is what an Engage server holds of a campus. It is safe for concurrent use.
type Campus struct {
	spec  Spec
	clock func() time.Time // of the server, once it is served
	born  time.Time        // nothing generated was modified later

	mu            sync.Mutex
	tables        []*table
	organizations *table
	memberships   *table
	positions     *table
	users         *table
	events        *table
	attendees     *table
	transactions  *table
	cumulated     []int              // memberships of the organizations before each
	orgOrder      []int              // organizations by name; nil: not known
	version       int                // of the contents
	counts        map[string][]int32 // rows per group that a selection finds, of this version
	live          dice               // for Happen
}

// NewCampus makes a campus whose generated rows were last modified before a time.
func NewCampus(spec Spec, now time.Time) *Campus {
	spec.defaults()
	c := &Campus{spec: spec, clock: time.Now, born: now.UTC().Truncate(time.Hour), live: dice(spec.Seed)}
	c.makeOrganizations()
	c.makePositions()
	c.makeUsers()
	c.makeMemberships()
	c.makeEvents()
	c.makeAttendees()
	c.makeTransactions()
	for _, t := range c.tables {
		t.changed, t.next = map[int64]*change{}, t.first+int64(t.generated)
	}
	return c
}

// Resources are the names of what a campus has.
func Resources() []string {
	return []string{"organizations", "positions", "users", "memberships", "events", "attendees", "financetransactions"}
}

func (c *Campus) table(name string) *table {
	for _, t := range c.tables {
		if t.name == name {
			return t
		}
	}
	return nil
}

func (c *Campus) addTable(t *table) *table {
	c.tables = append(c.tables, t)
	return t
}

// diceOf is the chance that belongs to a generated row.
func (c *Campus) diceOf(table uint64, i int) dice {
	d := dice(c.spec.Seed*0x9e3779b97f4a7c15 ^ table<<56 ^ uint64(i)*0xff51afd7ed558ccd)
	d.next()
	return d
}

// byOrganization lets the rows of a table lie by the organization they belong to, in the order of the organizations' names.
func (c *Campus) byOrganization(t *table, span func(org int) (from, to int), home func(i int) int) {
	t.groups = c.orderedOrganizations
	t.span = func(g int) (int, int) {
		if g >= c.organizations.generated {
			return 0, 0
		}
		return span(g)
	}
	t.home = home
	t.place = func(r *record) int { return int(r.org - c.organizations.first) }
}

// orderedOrganizations are the numbers of the organizations by name, without regard to case.
func (c *Campus) orderedOrganizations() []int {
	if c.orgOrder == nil {
		for _, r := range c.organizations.rows(0, true, false) {
			c.orgOrder = append(c.orgOrder, int(r.id-c.organizations.first))
		}
	}
	return c.orgOrder
}

// today is midnight US Eastern of a time's day, in milliseconds.
func today(t time.Time) int64 { return easternDay(int(t.UnixMilli() / dayMS)) }

// before is a time in milliseconds: up to so many days before the campus was made.
func (c *Campus) before(d *dice, days int) int64 {
	return c.born.UnixMilli() - int64(d.below(days*24*60*60))*1000
}

// weights shares n out over parts by weight: part i gets those from out[i] to out[i+1].
func weights(n, parts int, weight func(i int) int) []int {
	total := 0
	for i := range parts {
		total += weight(i)
	}
	out, sum := make([]int, parts+1), 0
	for i := range parts {
		sum += weight(i)
		out[i+1] = int(int64(n) * int64(sum) / int64(total))
	}
	return out
}

// partOf is the part that something shared out belongs to.
func partOf(shares []int, i int) int { return sort.SearchInts(shares, i+1) - 1 }
