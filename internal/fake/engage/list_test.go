package engage

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestPagesAreAsAskedFor(t *testing.T) {
	s := serve(Spec{Memberships: 1234}, Knobs{})
	for _, c := range []struct {
		knobs        Knobs
		page, size   string
		want         int // items; -1: refused
		total, pages int
		shownSize    int
	}{
		{Knobs{}, "", "", 100, 1234, 13, 100},
		{Knobs{}, "3", "500", 234, 1234, 3, 500},
		{Knobs{}, "4", "500", 0, 1234, 3, 500},
		{Knobs{PastEndRepeats: true}, "9", "500", 234, 1234, 3, 500},
		{Knobs{}, "1", "5000", 500, 1234, 3, 500},
		{Knobs{RefuseLarge: true}, "1", "501", -1, 0, 0, 0},
		{Knobs{MaxPageSize: 200}, "1", "500", 200, 1234, 7, 200},
		{Knobs{ForcePageSize: 50}, "2", "500", 50, 1234, 25, 50},
		{Knobs{}, "0", "", -1, 0, 0, 0},
		{Knobs{}, "x", "", -1, 0, 0, 0},
	} {
		s.Set(func(k *Knobs) { *k = c.knobs })
		if c.want < 0 {
			if w := get(t, s, "memberships", "page", c.page, "pageSize", c.size); w.Code != http.StatusBadRequest {
				t.Errorf("%+v: %d", c, w.Code)
			}
			continue
		}
		e := list(t, s, "Memberships", "PAGE", c.page, "pagesize", c.size)
		if len(e.Items) != c.want || e.TotalItems != c.total || e.TotalPages != c.pages || e.PageSize != c.shownSize {
			t.Errorf("%+v: %d items of %d, %d pages of %d", c, len(e.Items), e.TotalItems, e.TotalPages, e.PageSize)
		}
	}
	s.Set(func(k *Knobs) { k.EmptyPages = 1 })
	if e := list(t, s, "users", "username", "nobody"); e.TotalItems != 0 || e.TotalPages != 1 {
		t.Errorf("nothing found: %+v", e)
	}
}

// fixture reads a recorded answer's items, or skips.
func fixture(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "shared", "fixtures", "engage", name))
	if err != nil {
		t.Skip("recorded fixtures are not beside the project: ../shared/fixtures")
	}
	return b
}

func TestShapesAreThoseOfTheRecordings(t *testing.T) {
	s := serve(Spec{}, Knobs{NoDeletes: true}) // recorded before memberships had a field deleted
	var memberships envelope
	if err := json.Unmarshal(fixture(t, "v2_memberships_82.json"), &memberships); err != nil {
		t.Fatal(err)
	}
	var organizations []envelope
	if err := json.Unmarshal(fixture(t, "v2_organizations_by_id_01-20.json"), &organizations); err != nil {
		t.Fatal(err)
	}
	for resource, recorded := range map[string]map[string]any{"memberships": memberships.Items[0], "organizations": organizations[0].Items[0]} {
		kinds := map[string]map[string]bool{}
		for _, it := range walk(t, s, resource) {
			if got, want := sortedKeys(it), sortedKeys(recorded); !slices.Equal(got, want) {
				t.Fatalf("%s has fields\n%v, recorded were\n%v", resource, got, want)
			}
			for name, v := range it {
				if kinds[name] == nil {
					kinds[name] = map[string]bool{}
				}
				kinds[name][fmt.Sprintf("%T", v)] = true
			}
		}
		for name, v := range recorded {
			if k := fmt.Sprintf("%T", v); !kinds[name][k] {
				t.Errorf("%s.%s is never a %s", resource, name, k)
			}
		}
	}
	w := get(t, s, "memberships")
	var h struct{ Headers map[string]string }
	if err := json.Unmarshal(fixture(t, "v2_response_headers_2013-09.json"), &h); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"content-type", "cache-control", "pragma", "expires", "access-control-allow-origin", "x-aspnet-version"} {
		if got := w.Header().Get(name); got != h.Headers[name] {
			t.Errorf("%s: %q, recorded was %q", name, got, h.Headers[name])
		}
	}
	if !strings.HasPrefix(w.Body.String(), `{"pageNumber":1,"pageSize":100,"totalItems":900,"totalPages":9,"items":[{"membershipId":`) {
		t.Errorf("envelope: %.120s", w.Body)
	}
}

func TestDaysAreMidnightInNewYork(t *testing.T) {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Skip("no time zones here: ", err)
	}
	for d := 6300; d < 25000; d++ {
		at := time.UnixMilli(easternDay(d)).In(zone)
		if at.Hour() != 0 || at.Minute() != 0 || at.Format(time.DateOnly) != time.Unix(int64(d)*86400, 0).UTC().Format(time.DateOnly) || day(easternDay(d)).Date() != at.Format(time.DateOnly) {
			t.Fatalf("day %d is %v", d, at)
		}
	}
}

func TestListsAreInTheirOrder(t *testing.T) {
	s := serve(Spec{Odd: -1}, Knobs{})
	if err := s.campus.RenameOrganization(90001, "Żebra fans"); err != nil {
		t.Fatal(err)
	}
	for resource, rank := range map[string]func(it map[string]any) string{
		"organizations": func(it map[string]any) string { return strings.ToLower(it["name"].(string)) },
		"memberships": func(it map[string]any) string {
			return strings.ToLower(it["organizationName"].(string)) + "\x00" + strings.ToLower(it["positionName"].(string))
		},
		"attendees": func(it map[string]any) string { return sortable(int64(it["attendanceId"].(float64))) },
		"events":    func(it map[string]any) string { return sortable(int64(it["startDateTime"].(float64))) },
	} {
		items := walk(t, s, resource)
		if !slices.IsSortedFunc(items, func(a, b map[string]any) int { return strings.Compare(rank(a), rank(b)) }) {
			t.Errorf("%s are not in order", resource)
		}
	}
	items := walk(t, s, "memberships")
	if last := items[len(items)-1]; last["organizationName"] != "Żebra fans" {
		t.Errorf("the renamed organization's memberships are not the last: %v", last["organizationName"])
	}
}

// ms writes a time as filters want it.
func ms(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

func TestFiltersSelect(t *testing.T) {
	s := serve(Spec{}, Knobs{})
	user := walk(t, s, "users")[7]
	name := user["username"].(string)
	for _, c := range []struct {
		resource string
		params   []string
		test     func(it map[string]any) bool
	}{
		{"organizations", []string{"status", "active"}, func(it map[string]any) bool { return it["status"] == "Active" }},
		{"organizations", []string{"ExcludeHiddenOrganizations", "true"}, func(it map[string]any) bool { return it["directoryVisibility"] == "Visible" }},
		{"organizations", []string{"type", "Sport Clubs"}, func(it map[string]any) bool { return it["typeName"] == "Sport Clubs" }},
		{"organizations", []string{"organizationid", "90003"}, func(it map[string]any) bool { return it["organizationId"] == 90003.0 }},
		{"memberships", []string{"organizationId", "90003"}, func(it map[string]any) bool { return it["organizationId"] == 90003.0 }},
		{"memberships", []string{"username", name}, func(it map[string]any) bool { return it["username"] == name }},
		{"memberships", []string{"publicPrivacyFilter", "True"}, func(it map[string]any) bool { return it["userShownOnPublicRoster"] == "True" }},
		{"memberships", []string{"currentMembershipsOnly", "true"}, func(it map[string]any) bool {
			end := it["positionRecordedEndDate"]
			return end == nil || end.(float64) > float64(noon.UnixMilli())
		}},
		{"memberships", []string{"membershipId", "3000005"}, func(it map[string]any) bool { return it["membershipId"] == 3000005.0 }},
		{"users", []string{"sisId", "S800005"}, func(it map[string]any) bool {
			return it["sisId"].(map[string]any)["value"] == "S800005"
		}},
		{"events", []string{"startDate", ms(noon), "endDate", ms(noon.AddDate(0, 1, 0))}, func(it map[string]any) bool {
			at := it["startDateTime"].(float64)
			return at >= float64(noon.UnixMilli()) && at <= float64(noon.AddDate(0, 1, 0).UnixMilli())
		}},
		{"attendees", []string{"eventId", "590"}, func(it map[string]any) bool { return it["eventId"] == 590.0 }},
		{"attendees", []string{"attendanceStatus", "absent"}, func(it map[string]any) bool { return it["attendanceStatus"] == "Absent" }},
		{"positions", []string{"organizationId", "90002"}, func(it map[string]any) bool { return it["organizationId"] == 90002.0 }},
		{"positions", []string{"activeStatusOnly", "true"}, func(it map[string]any) bool { return it["isActive"] == true }},
		{"financetransactions", []string{"startdate", ms(noon.AddDate(-1, 0, 0))}, func(it map[string]any) bool {
			n, err := strconv.ParseInt(it["transactionDate"].(string), 10, 64)
			return err == nil && n >= noon.AddDate(-1, 0, 0).UnixMilli()
		}},
		{"users", []string{"nosuchparameter", "1"}, func(map[string]any) bool { return true }},
	} {
		want := 0
		for _, it := range walk(t, s, c.resource) {
			want += int(truth(c.test(it)))
		}
		got := walk(t, s, c.resource, c.params...)
		if want == 0 || len(got) != want || slices.ContainsFunc(got, func(it map[string]any) bool { return !c.test(it) }) {
			t.Errorf("%s %v: %d items, want %d", c.resource, c.params, len(got), want)
		}
	}
	for _, bad := range [][]string{{"memberships", "userId", "x"}, {"memberships", "modifiedOnStart", "2025-01-01"}, {"events", "currentEventsOnly", "maybe"}} {
		if w := get(t, s, bad[0], bad[1:]...); w.Code != http.StatusBadRequest {
			t.Errorf("%v: %d", bad, w.Code)
		}
	}
}

func TestModifiedFiltersSeeWhatWasChangedAndDeleted(t *testing.T) {
	now := noon
	s := NewServer(NewCampus(Spec{}, noon), Options{Clock: func() time.Time { return now }, Keys: []Key{plain}})
	total := list(t, s, "memberships").TotalItems
	now = now.Add(time.Hour)
	joined, err := s.campus.Join(800001, 686001)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.campus.Leave(3000001); err != nil {
		t.Fatal(err)
	}
	if err := s.campus.Delete("memberships", 3000002); err != nil {
		t.Fatal(err)
	}
	if err := s.campus.SetUnseen("memberships", 3000003, "username", text("unseen")); err != nil {
		t.Fatal(err)
	}
	since := func(at time.Time, more ...string) []string {
		var ids []string
		for _, it := range walk(t, s, "memberships", append(more, "ModifiedOnStart", ms(at))...) {
			ids = append(ids, fmt.Sprintf("%.0f %v", it["membershipId"], it["deleted"]))
		}
		slices.Sort(ids)
		return ids
	}
	if got, want := since(now), []string{"3000001 false", fmt.Sprint(joined, " false")}; !slices.Equal(got, want) {
		t.Errorf("modified: %v, want %v", got, want)
	}
	if got, want := since(now, "includeDeletes", "true"), []string{"3000001 false", "3000002 true", fmt.Sprint(joined, " false")}; !slices.Equal(got, want) {
		t.Errorf("with deleted ones: %v, want %v", got, want)
	}
	for want, at := range map[int]time.Time{0: now.Add(24 * time.Hour), total: time.UnixMilli(0)} {
		if n := list(t, s, "memberships", "modifiedonstart", ms(at), "pageSize", "1").TotalItems; n != want {
			t.Errorf("modified since %v: %d, want %d", at, n, want)
		}
	}
	if got := s.campus.Deleted("memberships"); !slices.Equal(got, []int64{3000002}) {
		t.Errorf("deleted: %v", got)
	}
	if err := s.campus.Restore("memberships", 3000002); err != nil {
		t.Fatal(err)
	}
	if n := list(t, s, "memberships").TotalItems; n != total+1 {
		t.Errorf("restored: %d, want %d", n, total+1)
	}
}

func TestKnobsOfFiltersLoseOrIgnore(t *testing.T) {
	s := serve(Spec{}, Knobs{})
	if err := s.campus.Delete("memberships", 3000002); err != nil {
		t.Fatal(err)
	}
	ask := func(k Knobs, pairs ...string) int {
		s.Set(func(to *Knobs) { *to = k })
		return list(t, s, "memberships", pairs...).TotalItems
	}
	tomorrow := ms(noon.Add(24 * time.Hour))
	for name, c := range map[string]struct{ got, want int }{
		"ignored":          {ask(Knobs{IgnoreFilters: true}, "modifiedOnStart", tomorrow), 899},
		"one ignored":      {ask(Knobs{Ignored: []string{"modifiedonstart"}}, "modifiedOnStart", tomorrow), 899},
		"no deletes":       {ask(Knobs{NoDeletes: true}, "includeDeletes", "true"), 899},
		"deletes":          {ask(Knobs{}, "includeDeletes", "true"), 900},
		"undated":          {ask(Knobs{UndatedBefore: noon.AddDate(50, 0, 0)}, "modifiedOnStart", "0"), 0},
		"seconds":          {ask(Knobs{FilterSeconds: true}, "modifiedOnStart", ms(noon.AddDate(-30, 0, 0))), 0},
		"needs a user":     {ask(Knobs{NeedUser: true}), 0},
		"has a user":       {ask(Knobs{NeedUser: true}, "organizationId", "90001"), ask(Knobs{}, "organizationId", "90001")},
		"unknown username": {ask(Knobs{}, "username", "nobody"), 0},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", name, c.got, c.want)
		}
	}
	all, known := 0, 0
	s.Set(func(k *Knobs) { *k = Knobs{} })
	all = list(t, s, "attendees", "includeUnrecognizedUsers", "true").TotalItems
	known = list(t, s, "attendees").TotalItems
	if all != 1500 || known >= all {
		t.Errorf("attendees: %d with, %d without unrecognized users", all, known)
	}
}

func TestOneItemHasNoEnvelope(t *testing.T) {
	s := serve(Spec{}, Knobs{})
	var it map[string]any
	if w := get(t, s, "Users/800004"); w.Code != http.StatusOK || json.Unmarshal(w.Body.Bytes(), &it) != nil || it["userId"] != 800004.0 {
		t.Errorf("%d %.100s", w.Code, w.Body)
	}
	for _, path := range []string{"users/1", "nosuch", "nosuch/1"} {
		if w := get(t, s, path); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	w := httptest.NewRecorder()
	if s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/ip", nil)); strings.TrimSpace(w.Body.String()) != "192.0.2.1" {
		t.Errorf("address page: %s", w.Body)
	}
}
