package engage

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"syncd/extract"
	"syncd/extract/sourcetest"
	fake "syncd/internal/fake/engage"
)

func small() fake.Spec {
	return fake.Spec{Organizations: 30, Users: 620, Memberships: 1300, Events: 120, Attendees: 700, Transactions: 40}
}

func TestSourceConforms(t *testing.T) {
	t.Parallel()
	c := newCampus(t, small())
	c.o.Resource = map[string]Generic{"people_again": {Path: "users", Key: "userId"}}
	sourcetest.Run(t, sourcetest.Subject{
		New:   func(t testing.TB) extract.Source { return c.source(t) },
		Wrote: c.server.ReadOnly,
		Marks: append(known(), "people_again"),
	})
}

func TestAWarehouseHoldsWhatTheCampusHas(t *testing.T) {
	t.Parallel()
	c := newCampus(t, small())
	proof := c.run(false)
	if !proof.Full || proof.Unproven != "" || len(proof.Listed) != len(known()) || len(proof.Warnings) > 0 {
		t.Fatalf("first run: full %v, unproven %q, %d lists, warnings %q", proof.Full, proof.Unproven, len(proof.Listed), proof.Warnings)
	}
	c.agrees(known()...)
	if len(c.tables["organization_categories"]) == 0 || len(c.tables["user_custom_fields"])+len(c.tables["organization_custom_fields"]) == 0 {
		t.Error("nothing stands in the tables of nested lists")
	}

	proof = c.run(true)
	if c.touched > 0 || c.drift > 0 || !proof.Full || proof.Unproven != "" {
		t.Errorf("a second full run touched %d rows; drift %d, full %v, unproven %q", c.touched, c.drift, proof.Full, proof.Unproven)
	}
}

func TestARunByChangesReadsOnlyWhatChanged(t *testing.T) {
	t.Parallel()
	c := newCampus(t, small())
	c.run(false)
	member := c.anyOf(memberships)
	c.must(c.Leave(member))
	gone := c.anyOf(memberships, member)
	c.must(c.Delete(memberships, gone))
	joined, err := c.Join(c.anyOf(users), c.anyOf(positions))
	c.must(err)
	c.server.ResetRequests()
	proof := c.run(false)
	if proof.Full || proof.Unproven != "" || len(proof.Changed) == 0 {
		t.Fatalf("full %v, unproven %q, %d lists of changes", proof.Full, proof.Unproven, len(proof.Changed))
	}
	for _, l := range proof.Changed {
		if l.Tables[0].Name == memberships && l.Keys.Len() != 3 {
			t.Errorf("%d memberships are named as changed, want 3", l.Keys.Len())
		}
	}
	if c.touched != 3 || c.deleted != 1 {
		t.Errorf("%d rows were touched, %d of them went: want 3 and 1", c.touched, c.deleted)
	}
	if n := c.server.Count(memberships); n != 1 {
		t.Errorf("%d requests for memberships, want 1", n)
	}
	if _, ok := c.tables[memberships][id(joined)]; !ok {
		t.Error("who joined is not there")
	}
	c.agrees(memberships, organizations, positions)
}

// Scenario 7 of the reference.
func TestWhatIsDeletedWhilePagesAreReadLosesNothingElse(t *testing.T) {
	t.Parallel()
	c := newCampus(t, small())
	c.run(false)
	first := c.first(memberships)
	c.during(memberships, 1, func() { c.must(c.Delete(memberships, first)) })
	proof := c.run(true)
	if proof.Unproven != "" || c.deleted != 1 {
		t.Errorf("%d rows went, want 1; unproven %q", c.deleted, proof.Unproven)
	}
	c.agrees(memberships)
}

func TestWhatGoesWhileAsMuchComesIsNoWholeList(t *testing.T) {
	t.Parallel()
	c := newCampus(t, small())
	c.run(false)
	first := c.first(memberships)
	last := c.last(memberships)
	c.must(c.Delete(memberships, last)) // so that it can come back at the end of the list
	c.run(false)
	c.during(memberships, 1, func() {
		c.must(c.Delete(memberships, first))
		c.must(c.Restore(memberships, last))
	})
	c.tables[memberships] = map[string]string{} // whatever is skipped is not there already
	c.marks, c.memo = map[string]string{}, nil
	if proof := c.run(true); proof.Unproven != "" {
		t.Errorf("unproven: %s", proof.Unproven)
	}
	c.agrees(memberships)
}

func TestAListThatNeverStandsStillIsReadInParts(t *testing.T) {
	t.Parallel()
	for _, list := range []string{memberships, attendees, users, events} {
		t.Run(list, func(t *testing.T) {
			t.Parallel()
			spec := small()
			spec.Events, spec.Memberships, spec.Attendees = 1200, 1300, 1300
			c := newCampus(t, spec)
			c.o.Resources = []string{organizations, list}
			c.run(false)
			n := 0
			c.during(list, 3, func() { n++; c.must(c.Delete(list, c.first(list))) })
			proof := c.run(true)
			if n != 3 || proof.Unproven != "" || c.deleted != 3 {
				t.Errorf("%d changes under way; %d rows went, want 3; unproven %q", n, c.deleted, proof.Unproven)
			}
			c.agrees(list)
		})
	}
}

// Scenario 8.
func TestAFilterThatIsIgnoredIsFoundOut(t *testing.T) {
	t.Parallel()
	for name, turn := range map[string]func(*fake.Knobs){
		"ignored": func(k *fake.Knobs) { k.IgnoreFilters = true },
		"seconds": func(k *fake.Knobs) { k.FilterSeconds = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCampus(t, small())
			c.o.Resources = []string{memberships}
			c.server.Set(turn)
			proof := c.run(false)
			if !strings.Contains(strings.Join(proof.Warnings, "\n"), "memberships: ") {
				t.Errorf("warnings %q say nothing of it", proof.Warnings)
			}
			c.must(c.SetUnseen(memberships, c.first(memberships), "positionName", fake.Value{Kind: fake.Text, Text: "Renamed"}))
			proof = c.run(false)
			if !proof.Full || proof.Unproven != "" || c.touched != 1 {
				t.Errorf("the next run: full %v, %d rows touched, unproven %q", proof.Full, c.touched, proof.Unproven)
			}
		})
	}
}

// Scenario 9.
func TestAKeyThatSeesNothingAnyMoreDeletesNothing(t *testing.T) {
	t.Parallel()
	for name, blind := range map[string]func(*campus){
		"no right": func(c *campus) { c.server.SetKey(testKey, func(k *fake.Key) { k.Scope = []string{organizations} }) },
		"no right, 401": func(c *campus) {
			c.server.SetKey(testKey, func(k *fake.Key) { k.Scope = []string{organizations, "test"} })
			c.server.Set(func(k *fake.Knobs) { k.ScopeStatus = 401 })
		},
		"no rows": func(c *campus) {
			c.server.SetKey(testKey, func(k *fake.Key) { k.Blind = []string{memberships, users} })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCampus(t, small())
			c.o.Resources = []string{organizations, memberships, users}
			c.run(false)
			blind(c)
			rows := len(c.tables[memberships]) + len(c.tables[users])
			proof, err := c.try(true)
			if held := errors.Is(err, errHeld); held != (name == "no rows") || !held && (err != nil || len(proof.Warnings) != 2) {
				t.Errorf("run ended with %v, %+v", err, proof)
			}
			if got := len(c.tables[memberships]) + len(c.tables[users]); got != rows || c.deleted != 0 {
				t.Errorf("%d of %d rows are left", got, rows)
			}
		})
	}
}

func TestAnEmptyListIsDoubtedHoweverShortItWas(t *testing.T) {
	t.Parallel()
	c := newCampus(t, fake.Spec{Organizations: 3, Users: 5, Memberships: 5, Events: 1, Attendees: -1, Transactions: -1})
	c.o.Resources = []string{users}
	c.run(false)
	c.server.SetKey(testKey, func(k *fake.Key) { k.Blind = []string{users} })
	if _, err := c.try(true); !errors.Is(err, errHeld) || len(c.tables[users]) != 5 {
		t.Errorf("run ended with %v, %d users are left", err, len(c.tables[users]))
	}
}

// Scenario 12.
func TestFieldsThatNobodyKnowsAreKept(t *testing.T) {
	t.Parallel()
	c := newCampus(t, small())
	c.o.Resources = []string{memberships}
	c.server.Set(func(k *fake.Knobs) {
		k.Extra = map[string][]fake.RawField{memberships: {{Name: "preferredemail", JSON: `"a@b.example"`}, {Name: "Nested", JSON: `{"a":[1,null]}`}, {Name: "none", JSON: "null"}}}
		k.Omit = map[string][]string{memberships: {"reflection"}}
	})
	c.run(false)
	first := id(c.first(memberships))
	for name, want := range map[string]string{"_2preferredemail": "a@b.example", "_2Nested": `{"a":[1,null]}`} {
		if got, _ := c.cell(memberships, first, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if _, ok := c.cell(memberships, first, "_2none"); ok {
		t.Error("a null was kept")
	}
	if _, ok := c.cell(memberships, first, "reflection"); ok {
		t.Error("what was not sent is not NULL")
	}
}

func TestOtherShapesHoldTheSameRows(t *testing.T) {
	t.Parallel()
	for name, turn := range map[string]func(*fake.Knobs){
		"quoted numbers": func(k *fake.Knobs) { k.QuotedNumbers = true },
		"bare flags":     func(k *fake.Knobs) { k.BareFlags, k.QuotedBooleans = true, true },
		"bare sisId":     func(k *fake.Knobs) { k.BareSISID = true },
		"other spellings": func(k *fake.Knobs) {
			k.Spelled = map[string]map[string]string{
				events:    {"startDateTime": "startDate", "endDateTime": "endDate"},
				attendees: {"startDate": "startDateTime", "endDate": "endDateTime", "cardId": "CardID"},
				finance:   {"originatingOrganizationId": "originiatingOrganizationId", "originatingOrganizationName": "originiatingOrganizationName"},
			}
		},
		"smaller pages": func(k *fake.Knobs) { k.ForcePageSize = 77 },
		"clamped":       func(k *fake.Knobs) { k.MaxPageSize = 100 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCampus(t, small())
			c.server.Set(turn)
			if proof := c.run(false); proof.Unproven != "" {
				t.Errorf("unproven: %s", proof.Unproven)
			}
			if name != "bare sisId" && name != "bare flags" { // values lose their times, and "True" its capital
				c.agrees(known()...)
			}
			c.server.Set(func(k *fake.Knobs) { *k = fake.Knobs{} })
			c.run(true)
			if name != "bare sisId" && name != "bare flags" && c.touched > 0 {
				t.Errorf("in the usual shape %d rows are others", c.touched)
			}
		})
	}
}

func TestMembershipsThatComeForOneOrganizationOnly(t *testing.T) {
	t.Parallel()
	c := newCampus(t, small())
	c.o.Resources = []string{memberships}
	c.server.Set(func(k *fake.Knobs) { k.NeedUser = true })
	if proof := c.run(false); proof.Unproven != "" {
		t.Errorf("unproven: %s", proof.Unproven)
	}
	c.agrees(memberships)
}

// E1 of RELIABILITY.
func TestPagesThatDoNotAddUpDeleteNothing(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]fake.Fault{
		"items come twice":      {Kind: fake.Repeat, N: 3},
		"items are missing":     {Kind: fake.Lose, N: 5},
		"another total":         {Kind: fake.Total, N: 7},
		"another on the second": {Kind: fake.Total, N: 7, Page: 2},
		"the page before":       {Kind: fake.Earlier, Page: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCampus(t, small())
			c.o.Resources = []string{organizations, positions, memberships}
			c.run(false)
			rows := len(c.tables[memberships])
			f.Resource = memberships
			c.server.Fault(f)
			proof, err := c.try(true)
			whole := f.Page == 2 // of an organization there is one page, so that the list can be read in parts
			if err != nil || strings.Contains(proof.Unproven, memberships) == whole {
				t.Errorf("%v, %+v", err, proof)
			}
			if c.deleted > 0 || len(c.tables[memberships]) != rows {
				t.Errorf("%d rows went", c.deleted)
			}
		})
	}
}

func TestOtherFiltersMakeDeletionsDoubtful(t *testing.T) {
	t.Parallel()
	c := newCampus(t, small())
	c.o.Resources = []string{organizations}
	c.run(false)
	c.o.Hidden = true
	rows := len(c.tables[organizations])
	if _, err := c.try(false); !errors.Is(err, errHeld) || len(c.tables[organizations]) != rows {
		t.Fatalf("run ended with %v, %d of %d organizations are left", err, len(c.tables[organizations]), rows)
	}
	c.approved = true
	c.run(false)
	c.approved = false
	if left := len(c.tables[organizations]); left == rows {
		t.Error("nothing went once it was approved")
	}
	if c.run(false); c.touched > 0 {
		t.Errorf("the run after touched %d rows", c.touched)
	}
}

func TestSensitiveColumnsAreKeptByNameOnly(t *testing.T) {
	t.Parallel()
	c := newCampus(t, small())
	c.o.Resources = []string{users}
	c.o.Sensitive = []string{"date_of_birth", "current_*"}
	c.run(false)
	seen := map[string]bool{}
	for _, row := range c.tables[users] {
		for line := range strings.SplitSeq(row, "\x1e") {
			name, text, _ := strings.Cut(line, "=")
			seen[name] = seen[name] || text != `\N`
		}
	}
	for _, name := range []string{"date_of_birth", "date_of_birth_last_modified", "current_term_gpa"} {
		if !seen[name] {
			t.Errorf("%s was asked for and is not there", name)
		}
	}
	for name := range seen {
		low := strings.ToLower(strings.ReplaceAll(name, "_", ""))
		for _, word := range []string{"race", "ethnicity", "legal", "street", "previoustermgpa", "homecity"} {
			if strings.Contains(low, word) {
				t.Errorf("%s is kept although nobody named it", name)
			}
		}
	}
}

func TestAChangeThatNothingToldOfIsDrift(t *testing.T) {
	t.Parallel()
	c := newCampus(t, small())
	c.o.Resources = []string{organizations, memberships}
	c.run(false)
	c.must(c.SetUnseen(memberships, c.first(memberships), "positionName", fake.Value{Kind: fake.Text, Text: "Renamed"}))
	c.must(c.Leave(c.last(memberships)))
	if c.run(false); c.touched != 1 || c.drift != 0 {
		t.Errorf("by changes: %d rows touched, drift %d", c.touched, c.drift)
	}
	c.must(c.Delete(memberships, c.last(memberships)))
	if c.run(true); c.touched != 2 || c.drift != 1 || c.deleted != 1 {
		t.Errorf("in full: %d rows touched, drift %d", c.touched, c.drift)
	}
	c.agrees(memberships)
}

func TestAGenericListIsATable(t *testing.T) {
	t.Parallel()
	c := newCampus(t, small())
	c.o = Options{Resources: []string{organizations}, Resource: map[string]Generic{
		"clubs": {Path: "organizations", Key: "organizationId", KeyType: "text", Params: map[string]string{"status": "Active"}, Columns: map[string]string{"name": "text", "typeId": "bigint"}},
	}}
	if proof := c.run(false); proof.Unproven != "" || len(proof.Listed) != 2 {
		t.Fatalf("%+v", proof)
	}
	n := 0
	for item := range c.Truth(organizations) {
		if item.Get("status").Text != "Active" {
			continue
		}
		n++
		key := id(item.ID)
		if name, _ := c.cell("clubs", key, "name"); name != item.Get("name").Text {
			t.Errorf("name %q, want %q", name, item.Get("name").Text)
		}
		if short, _ := c.cell("clubs", key, "_2shortName"); short != item.Get("shortName").Text {
			t.Errorf("short name %q in _extra, want %q", short, item.Get("shortName").Text)
		}
	}
	if n == 0 || n != len(c.tables["clubs"]) {
		t.Errorf("%d rows where the campus has %d", len(c.tables["clubs"]), n)
	}
}

// What a walk skips although its counts add up is asked for by its id before it is taken for gone.
func TestNothingIsDeletedThatIsThereWhenItIsAskedFor(t *testing.T) {
	t.Parallel()
	c := newCampus(t, fake.Spec{Organizations: 5, Users: 20, Memberships: 30, Events: 1100, Attendees: -1, Transactions: -1})
	c.o.Resources = []string{events}
	c.run(false)
	first, all := c.first(events), c.ids(events)
	last, _ := c.Find(events, all[len(all)-2])
	c.during(events, 1, func() {
		c.must(c.Delete(events, first))
		_, err := c.NewEvent(c.first(organizations), "Late", last.Get("startDateTime").Time().Add(1)) // not at the very end
		c.must(err)
	})
	if c.run(true); c.deleted != 0 {
		t.Errorf("%d rows went that are there", c.deleted)
	}
	if c.run(true); c.deleted != 1 || c.touched != 1 {
		t.Errorf("the next run touched %d rows, and %d went: want the one that was deleted", c.touched, c.deleted)
	}
	c.agrees(events)
}

func TestWhatGoesWhileAsMuchIsAddedAtTheEndIsNoWholeList(t *testing.T) {
	t.Parallel()
	c := newCampus(t, fake.Spec{Organizations: 5, Users: 20, Memberships: 30, Events: 20, Attendees: 1100, Transactions: -1})
	c.o.Resources = []string{attendees}
	first := c.first(attendees)
	c.during(attendees, 1, func() {
		c.must(c.Delete(attendees, first))
		_, err := c.Attend(c.first(events), c.first(users), "Attended")
		c.must(err)
	})
	if proof := c.run(false); proof.Unproven != "" {
		t.Errorf("unproven: %s", proof.Unproven)
	}
	c.agrees(attendees)
}

// during lets something happen between the first and the second page of so many walks of a whole list.
func (c *campus) during(list string, times int, happen func()) {
	c.server.Fault(fake.Fault{Resource: list, Page: 1, Times: times, After: happen, Match: func(r fake.Request) bool {
		for name := range r.Params {
			if strings.Contains(name, "start") || strings.Contains(name, "id") {
				return false
			}
		}
		return r.PageSize == pageItems
	}})
}

// Scenario 5: a page is stored or the run has failed.
func TestAPageThatIsRefusedForAWhileIsAskedForAgain(t *testing.T) {
	t.Parallel()
	c := newCampus(t, small())
	c.o.Resources = []string{memberships}
	c.server.Fault(fake.Fault{Kind: fake.Status, N: 429, Resource: memberships, Page: 3, Times: 2})
	c.server.Fault(fake.Fault{Kind: fake.Truncate, N: 40, Resource: memberships, Page: 2, Times: 1})
	if proof := c.run(false); proof.Unproven != "" {
		t.Errorf("unproven: %s", proof.Unproven)
	}
	c.agrees(memberships)
}

func TestARunThatFailsOnTheWayLeavesNoMark(t *testing.T) {
	t.Parallel()
	c := newCampus(t, small())
	c.o.Resources = []string{organizations, memberships}
	disarm := c.server.Fault(fake.Fault{Kind: fake.NullItems, Resource: memberships, Page: 2})
	if _, err := c.try(false); extract.KindOf(err) != extract.KindGarbled || len(c.marks) > 0 || c.memo != nil {
		t.Fatalf("%v; marks %v", err, c.marks)
	}
	if len(c.tables[memberships]) == 0 {
		t.Error("what was read before is not stored")
	}
	disarm()
	if proof := c.run(false); proof.Unproven != "" || !proof.Full {
		t.Errorf("full %v, unproven %q", proof.Full, proof.Unproven)
	}
	c.agrees(organizations, memberships)
}

func TestNewColumnsAreFilledByReadingAllOnce(t *testing.T) {
	t.Parallel()
	c := newCampus(t, small())
	c.o.Resources = []string{organizations, users}
	c.run(false)
	c.o.Sensitive = []string{"sex"}
	if proof := c.run(false); len(proof.Listed) != 1 || c.touched == 0 {
		t.Errorf("%d lists were read as a whole, %d rows touched: want users alone", len(proof.Listed), c.touched)
	}
	if c.run(false); c.touched > 0 {
		t.Errorf("the run after touched %d rows", c.touched)
	}
}

// What a run holds of a list are its keys: about twenty bytes for each, however much there is in a row.
func TestALargeListIsReadInLittleMemoryAndFewRequests(t *testing.T) {
	const rows = 100_000
	c := newCampus(t, fake.Spec{Organizations: 200, Users: 2000, Memberships: rows, Events: 1, Attendees: -1, Transactions: -1})
	c.o.Resources = []string{memberships}
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	s := c.source(t)
	if _, err := s.Describe(t.Context(), extract.Since{}); err != nil {
		t.Fatal(err)
	}
	c.server.ResetRequests()
	var before, after int64
	largest, read := 0, 0
	_, err := s.Pull(t.Context(), extract.Since{Stored: sourcetest.Nothing{}}, func(b *extract.Batch) error {
		for _, r := range b.Rows {
			largest, read = max(largest, r.Len()), read+r.Len()
		}
		if read == 10*pageItems && before == 0 { // buffers have their size, and the fake has computed what it counts by
			before = heap()
		}
		if b.Marks != nil {
			after = heap()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if read != rows || largest > pageItems {
		t.Errorf("%d rows in batches of up to %d", read, largest)
	}
	if grown := (after - before) / rows; grown > 40 {
		t.Errorf("%d bytes for each row are held", grown)
	}
	if n, least := c.server.Count(memberships), rows/pageItems; n > least+8 {
		t.Errorf("%d requests where %d are the least", n, least)
	}
}
