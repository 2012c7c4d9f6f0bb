package engage

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// moving serves a campus whose clock goes on with each look at it.
func moving(spec Spec) *Server {
	now := noon
	return NewServer(NewCampus(spec, noon), Options{Clock: func() time.Time { now = now.Add(time.Millisecond); return now }, Keys: []Key{plain}})
}

// written is what a true answer says of an item.
func written(t *testing.T, resource string, it *Item) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal((&Knobs{}).appendItem(nil, resource, it), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAnswersAreTheTruthWhateverHappened(t *testing.T) {
	s := moving(Spec{Seed: 3})
	happened := map[string]int{}
	for round := range 4 {
		for _, h := range s.campus.Happen(400) {
			happened[h.What]++
		}
		for _, resource := range Resources() {
			want := map[string]map[string]any{}
			for it := range s.campus.Truth(resource) {
				want[digits(it.ID)] = written(t, resource, it)
			}
			got := map[string]map[string]any{}
			for _, it := range walk(t, s, resource, "includeUnrecognizedUsers", "true") {
				got[fmt.Sprintf("%.0f", it[s.campus.table(resource).key])] = it
			}
			if !reflect.DeepEqual(want, got) {
				t.Fatalf("round %d, %s: %.2000s", round, resource, cmp.Diff(want, got))
			}
			if n := s.campus.Live(resource); n != len(want) {
				t.Fatalf("%s: %d live, %d in the truth", resource, n, len(want))
			}
			for _, id := range s.campus.Deleted(resource) {
				if want[digits(id)] != nil {
					t.Fatalf("%s %d is deleted and there", resource, id)
				}
			}
		}
	}
	for _, h := range happenings() {
		if happened[h.what] == 0 {
			t.Errorf("%s never happened", h.what)
		}
	}
}

func TestListsDriftWhileTheyAreWalked(t *testing.T) {
	first := func(c *Campus, resource string) int64 {
		for it := range c.Truth(resource) {
			return it.ID
		}
		return 0
	}
	for name, change := range map[string]func(c *Campus) error{
		"delete": func(c *Campus) error { return c.Delete("memberships", first(c, "memberships")) },
		"rename": func(c *Campus) error { return c.RenameOrganization(first(c, "organizations"), "zzz") },
	} {
		s := moving(Spec{Odd: -1})
		s.AfterPage("memberships", 1, func() {
			if err := change(s.campus); err != nil {
				t.Error(err)
			}
		})
		seen := map[any]bool{}
		items := 0
		for page := 1; page <= 9; page++ {
			for _, it := range list(t, s, "memberships", "page", strconv.Itoa(page)).Items {
				seen[it["membershipId"]] = true
				items++
			}
		}
		if len(seen) == 900 {
			t.Errorf("%s: the walk saw every row, so nothing drifted (%d items)", name, items)
		}
	}
}

func TestAMillionRowsCostLittleMemory(t *testing.T) {
	s := serve(Spec{Organizations: 2500, Users: 100_000, Memberships: 500_000, Events: 50_000, Attendees: 500_000}, Knobs{})
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for _, c := range []struct {
		resource string
		pages    int
	}{{"memberships", 1000}, {"attendees", 1000}} {
		for _, page := range []int{1, c.pages / 2, c.pages} {
			e := list(t, s, c.resource, "page", strconv.Itoa(page), "pageSize", "500", "includeUnrecognizedUsers", "true")
			if e.TotalItems != 500_000 || len(e.Items) != 500 {
				t.Fatalf("%s page %d: %d of %d", c.resource, page, len(e.Items), e.TotalItems)
			}
		}
	}
	if after := heap(); after > before+8<<20 {
		t.Errorf("%d MB more than before", (after-before)>>20)
	}
	if err := s.campus.Delete("memberships", 3_400_000); err != nil {
		t.Fatal(err)
	}
	if e := list(t, s, "memberships", "modifiedOnStart", ms(noon), "includeDeletes", "true"); e.TotalItems != 1 {
		t.Errorf("changed: %d", e.TotalItems)
	}
}

func TestMutatorsRefuseWhatIsNotThere(t *testing.T) {
	c := NewCampus(Spec{}, noon)
	if err := c.Delete("memberships", 3000001); err != nil {
		t.Fatal(err)
	}
	_, join := c.Join(1, 686001)
	_, attend := c.Attend(501, 1, "Attended")
	for name, err := range map[string]error{
		"delete twice": c.Delete("memberships", 3000001), "leave": c.Leave(3000001), "join": join, "attend": attend, "restore": c.Restore("users", 800001), "move": c.MoveEvent(1, noon),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func BenchmarkPage(b *testing.B) {
	s := serve(Spec{Organizations: 2500, Users: 100_000, Memberships: 500_000, Events: 50_000, Attendees: 500_000}, Knobs{})
	for _, resource := range []string{"memberships", "attendees", "users"} {
		b.Run(resource, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				r := httptest.NewRequest(http.MethodGet, fmt.Sprintf("/engage/api/%s?page=%d&pageSize=500", resource, 1+i%190), nil)
				r.Header.Set("X-Engage-Api-Key", plain.Header)
				w := httptest.NewRecorder()
				s.ServeHTTP(w, r)
				b.SetBytes(int64(w.Body.Len()))
			}
		})
	}
}
