package engage

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
)

// selection is which rows of a resource a request asks for.
type selection struct {
	key     string // tells selections apart
	deleted bool   // deleted rows too
	group   int    // the only group to look into; -1: all
	since   int64  // nothing modified earlier is asked for, in ms
	dated   bool   // asks by time of modification
	none    bool   // nothing can be found
	tests   []func(*Item) bool
}

func (s *selection) where(test func(*Item) bool) { s.tests = append(s.tests, test) }

func (s *selection) finds(it *Item) bool {
	for _, test := range s.tests {
		if !test(it) {
			return false
		}
	}
	return true
}

// filter applies one parameter.
type filter func(c *Campus, s *selection, value string) error

var errParameter = errors.New("bad parameter")

// filters are the parameters of each resource by their names in lower case: sections 4.1 to 4.7 of the reference. Parameters
// that are not here are ignored, as by the real server.
func filters(resource string) map[string]filter {
	switch resource {
	case "organizations":
		return map[string]filter{
			"organizationid": byID("organizationId"), "status": byText("status"), "excludehiddenorganizations": ifTrue(func(it *Item) bool { return it.Get("directoryVisibility").Text != "Hidden" }),
			"category": byCategory, "type": byText("typeName"), "name": byText("name"), "modifiedonstart": modifiedFrom, "modifiedonend": modifiedTo,
		}
	case "memberships":
		return map[string]filter{
			"membershipid": byID("membershipId"), "userid": byNumber("userId"), "username": byText("username"), "organizationid": byOrganization, "currentmembershipsonly": currentOnly,
			"publicprivacyfilter": ifTrue(flagged("userShownOnPublicRoster")), "campusprivacyfilter": ifTrue(flagged("userShownOnCampusRoster")),
			"positiontemplateid": byNumber("positionTemplateId"), "positiontemplatename": byText("positionTemplateName"), "startdate": from("positionRecordedStartDate"), "enddate": to("positionRecordedEndDate"),
			"modifiedonstart": modifiedFrom, "modifiedonend": modifiedTo, "includedeletes": withDeleted,
		}
	case "users":
		return map[string]filter{
			"userid": byID("userId"), "username": byText("username"), "cardid": byText("cardId"), "sisid": byText("sisId"), "affiliation": byText("affiliation"),
			"enrollmentstatus": byText("enrollmentStatus"), "schoolofenrollment": byText("primarySchoolOfEnrollment"), "primaryschoolofenrollment": byText("primarySchoolOfEnrollment"),
			"status": byText("status"), "createdonstart": createdFrom, "createdonend": createdTo,
		}
	case "events":
		return map[string]filter{
			"eventid": byID("eventId"), "organizationid": byNumber("organizationId"), "locationid": byNumber("locationId"), "externallocationid": byText("externalLocationId"),
			"currenteventsonly": futureOnly, "status": byText("status"), "category": byCategory, "type": byText("typeName"), "name": byText("eventName"), "startdate": from("startDateTime"), "enddate": to("startDateTime"),
		}
	case "attendees":
		return map[string]filter{
			"eventid": byNumber("eventId"), "organizationid": byNumber("organizationId"), "attendanceid": byID("attendanceId"), "userid": byNumber("userId"), "username": byText("username"),
			"attendancestatus": byAttendance, "eventattendancestatus": byAttendance, "status": byAccount, "startdate": from("startDate"), "enddate": to("startDate"),
		}
	case "positions":
		return map[string]filter{"positionid": byID("positionId"), "organizationid": byOrganization, "template": byText("positionTemplateName"), "type": byText("positionTypeName"), "activestatusonly": ifTrue(flagged("isActive"))}
	case "financetransactions":
		return map[string]filter{"startdate": from("transactionDate"), "enddate": to("transactionDate")}
	}
	return nil
}

// selectRows reads a request's parameters, by their names in lower case. Those whose value is empty count as absent.
func (c *Campus) selectRows(t *table, params map[string]string, k *Knobs) (*selection, error) {
	s := &selection{group: -1, since: -1, key: t.name}
	known := filters(t.name)
	if _, asked := params["includeunrecognizedusers"]; t.name == "attendees" && (!asked || strings.EqualFold(params["includeunrecognizedusers"], "false")) {
		s.where(func(it *Item) bool { return it.Get("userId").Kind != Null })
		s.key += " recognized"
	}
	for _, name := range sortedKeys(params) {
		value := params[name]
		f := known[name]
		if f == nil || value == "" || k.ignores(name) {
			continue
		}
		if k.FilterSeconds && strings.HasPrefix(name, "modifiedon") {
			value += "000"
		}
		if err := f(c, s, value); err != nil {
			return nil, err
		}
		s.key += " " + strconv.Quote(name) + "=" + strconv.Quote(value)
	}
	if s.dated && !k.UndatedBefore.IsZero() {
		s.where(func(it *Item) bool { return !it.Modified.Before(k.UndatedBefore) })
		s.key += " undated " + k.UndatedBefore.String()
	}
	if _, user := params["userid"]; k.NeedUser && t.name == "memberships" && !user && params["username"] == "" && params["organizationid"] == "" {
		s.none = true
	}
	return s, nil
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func whole(value string) (int64, error) {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return 0, errParameter
	}
	return n, nil
}

func byNumber(field string) filter {
	return func(_ *Campus, s *selection, value string) error {
		n, err := whole(value)
		s.where(func(it *Item) bool { v := it.Get(field); return v.Kind == Integer && v.Number == n })
		return err
	}
}

// byID looks only where the row is.
func byID(field string) filter {
	return func(c *Campus, s *selection, value string) error {
		n, err := whole(value)
		if err != nil {
			return err
		}
		t := c.table(strings.Fields(s.key)[0])
		r, _, ok := t.find(n)
		if !ok {
			s.none = true
			return nil
		}
		s.group = t.place(&r)
		if i := n - t.first; t.changed[n] == nil {
			s.group = t.home(int(i))
		}
		s.where(func(it *Item) bool { return it.ID == n })
		return nil
	}
}

func byOrganization(c *Campus, s *selection, value string) error {
	n, err := whole(value)
	if err != nil {
		return err
	}
	if _, _, ok := c.organizations.find(n); !ok {
		s.none = true
	}
	s.group = int(n - c.organizations.first)
	return byNumber("organizationId")(c, s, value)
}

func byText(field string) filter {
	return func(_ *Campus, s *selection, value string) error {
		s.where(func(it *Item) bool { return strings.EqualFold(bare(it.Get(field)).Text, value) })
		return nil
	}
}

func bare(v Value) Value {
	if v.Kind == Wrapped {
		return *v.Inner
	}
	return v
}

func byCategory(_ *Campus, s *selection, value string) error {
	s.where(func(it *Item) bool {
		return slices.ContainsFunc(it.Get("categories").Categories, func(c Category) bool { return strings.EqualFold(c.Name, value) })
	})
	return nil
}

func byAttendance(c *Campus, s *selection, value string) error {
	if strings.EqualFold(value, "any") {
		return nil
	}
	return byText("attendanceStatus")(c, s, value)
}

// byAccount selects attendance by the status of the person's account.
func byAccount(c *Campus, s *selection, value string) error {
	s.where(func(it *Item) bool {
		r, ch, ok := c.users.find(it.Get("userId").Number)
		return ok && (ch == nil || !ch.deleted) && strings.EqualFold(r.status, value)
	})
	return nil
}

// ifTrue applies a test where the parameter says true.
func ifTrue(test func(*Item) bool) filter {
	return func(_ *Campus, s *selection, value string) error {
		on, err := strconv.ParseBool(strings.ToLower(value))
		if err != nil {
			return errParameter
		}
		if on {
			s.where(test)
		}
		return nil
	}
}

func flagged(field string) func(*Item) bool {
	return func(it *Item) bool { return it.Get(field).Number == 1 }
}

// currentOnly keeps memberships that have begun and not ended, by the reported dates where there are some.
func currentOnly(c *Campus, s *selection, value string) error {
	now := c.clock().UnixMilli() / dayMS * dayMS
	s.key += " at " + digits(now)
	return ifTrue(func(it *Item) bool {
		begin, end := it.Get("positionReportedStartDate"), it.Get("positionReportedEndDate")
		if begin.Kind == Null {
			begin = it.Get("positionRecordedStartDate")
		}
		if end.Kind == Null {
			end = it.Get("positionRecordedEndDate")
		}
		return begin.Number < now+dayMS && (end.Kind == Null || end.Number > now)
	})(c, s, value)
}

func futureOnly(c *Campus, s *selection, value string) error {
	const hour = 60 * 60 * 1000
	now := c.clock().UnixMilli() / hour * hour
	s.key += " at " + digits(now)
	return ifTrue(func(it *Item) bool { return it.Get("endDateTime").Number >= now })(c, s, value)
}

func from(field string) filter {
	return func(_ *Campus, s *selection, value string) error {
		n, err := whole(value)
		s.where(func(it *Item) bool { v := it.Get(field); return v.Kind != Null && v.Number >= n })
		return err
	}
}

func to(field string) filter {
	return func(_ *Campus, s *selection, value string) error {
		n, err := whole(value)
		s.where(func(it *Item) bool { v := it.Get(field); return v.Kind != Null && v.Number <= n })
		return err
	}
}

// between selects by a time that is no field, both ends included.
func between(at func(*Item) time.Time, above bool) filter {
	return func(_ *Campus, s *selection, value string) error {
		n, err := whole(value)
		s.where(func(it *Item) bool {
			ms := at(it).UnixMilli()
			return ms == n || ms > n == above
		})
		return err
	}
}

func modifiedAt(it *Item) time.Time { return it.Modified }
func createdAt(it *Item) time.Time  { return it.Created }

func modifiedFrom(c *Campus, s *selection, value string) error {
	s.dated = true
	n, err := whole(value)
	s.since = max(s.since, n)
	if err != nil {
		return err
	}
	return between(modifiedAt, true)(c, s, value)
}

func modifiedTo(c *Campus, s *selection, value string) error {
	s.dated = true
	return between(modifiedAt, false)(c, s, value)
}

func createdFrom(c *Campus, s *selection, value string) error {
	return between(createdAt, true)(c, s, value)
}

func createdTo(c *Campus, s *selection, value string) error {
	return between(createdAt, false)(c, s, value)
}

func withDeleted(_ *Campus, s *selection, value string) error {
	on, err := strconv.ParseBool(strings.ToLower(value))
	s.deleted = on
	if err != nil {
		return errParameter
	}
	return nil
}

// shares are the numbers of rows that a selection finds in each group, in the order of the list, and all of them.
func (c *Campus) shares(t *table, s *selection) (groups []int, counts []int32, total int) {
	groups = t.groups()
	if s.none {
		return groups, make([]int32, len(groups)), 0
	}
	counts, cached := c.counts[s.key]
	if !cached {
		counts = make([]int32, len(groups))
		for i, g := range groups {
			if s.group >= 0 && s.group != g {
				continue
			}
			if len(s.tests) == 0 && !s.deleted {
				counts[i] = int32(t.count(g))
				continue
			}
			for _, r := range t.rows(g, s.deleted, s.since > c.born.UnixMilli()) {
				if it := t.item(&r); s.finds(&it) {
					counts[i]++
				}
			}
		}
		if c.counts == nil || len(c.counts) > 20 {
			c.counts = map[string][]int32{}
		}
		c.counts[s.key] = counts
	}
	for _, n := range counts {
		total += int(n)
	}
	return groups, counts, total
}

// list visits rows of a selection in the order of the list, from one on, and returns how many there are in all.
func (c *Campus) list(t *table, s *selection, skip, most int, visit func(*Item)) (total int) {
	groups, counts, total := c.shares(t, s)
	for i, g := range groups {
		switch n := int(counts[i]); {
		case most <= 0:
			return total
		case n <= skip:
			skip -= n
			continue
		}
		for _, r := range t.rows(g, s.deleted, s.since > c.born.UnixMilli()) {
			it := t.item(&r)
			if !s.finds(&it) {
				continue
			}
			if skip > 0 {
				skip--
				continue
			}
			visit(&it)
			if most--; most == 0 {
				break
			}
		}
	}
	return total
}
