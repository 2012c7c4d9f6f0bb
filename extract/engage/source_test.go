package engage

import (
	"errors"
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
	c.server.SetKey(testKey, func(k *fake.Key) { k.Scope = []string{memberships} })
	if proof := c.run(false); !strings.Contains(proof.Unproven, "organizations, by which an old server would tell it, could not be read") || len(proof.Listed) > 0 {
		t.Errorf("without a right to organizations: unproven %q, and %d lists are said to be whole", proof.Unproven, len(proof.Listed))
	}
	c.server.SetKey(testKey, func(k *fake.Key) { k.Scope = nil })
	if proof := c.run(false); proof.Unproven != "" {
		t.Errorf("unproven: %s", proof.Unproven)
	}
	c.agrees(memberships)
}

// E1 of RELIABILITY.
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
// during lets something happen between the first and the second page of so many walks of a whole list.
// Scenario 5: a page is stored or the run has failed.
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
