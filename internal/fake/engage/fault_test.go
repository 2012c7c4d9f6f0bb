package engage

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// over asks through a real connection, which faults may break.
func over(t *testing.T, s *Server, f Fault) (status int, header http.Header, body []byte, err error) {
	t.Helper()
	s.ClearFaults()
	s.Fault(f)
	server := httptest.NewServer(s)
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/engage/api/memberships?pageSize=10&page=2", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Engage-Api-Key", plain.Header)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	w, err := transport.RoundTrip(r)
	if err != nil {
		return 0, nil, nil, err
	}
	defer w.Body.Close()
	body, err = io.ReadAll(w.Body)
	return w.StatusCode, w.Header, body, err
}

func TestAnswersGoWrongAsTold(t *testing.T) {
	s := serve(Spec{}, Knobs{})
	_, _, whole, err := over(t, s, Fault{Kind: Nothing})
	if err != nil || !json.Valid(whole) {
		t.Fatal(err)
	}
	for _, c := range []struct {
		fault  Fault
		status int
		broken bool // while it is read, or before
		valid  bool // the body is JSON
	}{
		{Fault{Kind: Status, N: 503, RetryAfter: "7"}, 503, false, true},
		{Fault{Kind: Status, N: 204}, 204, false, false},
		{Fault{Kind: Relabel, N: 206}, 206, false, true},
		{Fault{Kind: Page}, 200, false, false},
		{Fault{Kind: Redirect}, 302, false, false},
		{Fault{Kind: Reset}, 0, true, false},
		{Fault{Kind: Reset, N: 100}, 200, true, false},
		{Fault{Kind: Truncate, N: 5}, 200, false, false},
		{Fault{Kind: Garbage}, 200, false, false},
		{Fault{Kind: Trailing, Text: "{}"}, 200, false, false},
		{Fault{Kind: NoItems}, 200, false, true},
		{Fault{Kind: NullItems}, 200, false, true},
		{Fault{Kind: ObjectItems}, 200, false, true},
		{Fault{Kind: BadGzip}, 200, true, true},
		{Fault{Kind: Drip, N: 4096}, 200, false, true},
		{Fault{Kind: Stall, Delay: time.Nanosecond}, 200, false, true},
		{Fault{Kind: Rewritten, Rewrite: func(b []byte) []byte { return bytes.ReplaceAll(b, []byte(`"True"`), []byte(`"yes"`)) }}, 200, false, true},
	} {
		status, header, body, err := over(t, s, c.fault)
		if status != c.status || (err != nil) != c.broken || json.Valid(body) != c.valid {
			t.Errorf("%s: %d, %v, valid JSON %v", c.fault.Kind, status, err, json.Valid(body))
		}
		if c.fault.RetryAfter != "" && header.Get("Retry-After") != c.fault.RetryAfter {
			t.Errorf("%s: Retry-After %q", c.fault.Kind, header.Get("Retry-After"))
		}
		if same := bytes.Equal(body, whole); same != (c.fault.Kind == Drip || c.fault.Kind == Stall || c.fault.Kind == Relabel || c.fault.Kind == BadGzip) {
			t.Errorf("%s: the true body came: %v", c.fault.Kind, same)
		}
	}
}

func TestPagesLieAsTold(t *testing.T) {
	s := serve(Spec{}, Knobs{})
	whole, first := list(t, s, "memberships", "page", "2"), list(t, s, "memberships")
	for kind, want := range map[FaultKind]struct{ items, total int }{Repeat: {103, 900}, Lose: {97, 900}, Total: {100, 903}, Earlier: {100, 900}} {
		s.ClearFaults()
		s.Fault(Fault{Kind: kind, N: 3, Page: 2, Times: 1, Resource: "memberships"})
		got := list(t, s, "memberships", "page", "2")
		if len(got.Items) != want.items || got.TotalItems != want.total || got.PageNumber != 2 {
			t.Errorf("%s: %d items of %d", kind, len(got.Items), got.TotalItems)
		}
		if kind == Earlier && got.Items[0]["membershipId"] != first.Items[0]["membershipId"] {
			t.Error("not the page before")
		}
		if again := list(t, s, "memberships", "page", "2"); len(again.Items) != len(whole.Items) {
			t.Errorf("%s struck twice", kind)
		}
	}
}

func TestFaultsStrikeWhatTheyAreAbout(t *testing.T) {
	s := serve(Spec{}, Knobs{})
	done := 0
	disarm := s.Fault(Fault{Kind: Status, N: 500, Resource: "users", Skip: 1, Times: 1, Match: func(rq Request) bool { return rq.Params["status"] == "Active" }, Do: func() { done++ }})
	for i, c := range []struct {
		resource, status string
		want             int
	}{{"users", "Active", 200}, {"events", "Active", 200}, {"users", "Archived", 200}, {"users", "Active", 500}, {"users", "Active", 200}} {
		if w := get(t, s, c.resource, "status", c.status); w.Code != c.want {
			t.Errorf("request %d: %d, want %d", i, w.Code, c.want)
		}
	}
	disarm()
	if done != 1 {
		t.Errorf("done %d times", done)
	}
	if n := s.Count("users"); n != 4 || s.Requests()[3].Fault != Status {
		t.Errorf("%d requests", n)
	}
}

func TestLimitsCountByTheClock(t *testing.T) {
	now := noon
	s := NewServer(NewCampus(Spec{}, noon), Options{Clock: func() time.Time { return now }, Keys: []Key{plain}, Knobs: Knobs{PerSecond: 2, PerMinute: 4, RetryAfter: "30"}})
	for i, c := range []struct {
		later time.Duration
		want  int
	}{{0, 200}, {0, 200}, {0, 429}, {time.Second, 200}, {time.Second, 429}, {time.Minute, 200}} {
		now = now.Add(c.later)
		if w := get(t, s, "users"); w.Code != c.want || (w.Header().Get("Retry-After") == "30") != (c.want == 429) {
			t.Errorf("request %d: %d, want %d", i, w.Code, c.want)
		}
	}
	if s.MaxPerSecond() != 3 || s.MaxPerMinute() != 5 || s.MaxConcurrent() != 1 {
		t.Errorf("%d a second, %d a minute, %d at once", s.MaxPerSecond(), s.MaxPerMinute(), s.MaxConcurrent())
	}
}

func TestKnobsChangeTheShape(t *testing.T) {
	s := serve(Spec{Odd: -1}, Knobs{})
	for name, c := range map[string]struct {
		resource string
		knobs    Knobs
		has, not string
	}{
		"extra":      {"users", Knobs{Extra: map[string][]RawField{"users": {{"pronouns", `["they"]`}}}}, `"pronouns":["they"]`, "¬"},
		"omit":       {"users", Knobs{Omit: map[string][]string{"users": {"cardId"}}}, `"userId"`, `"cardId"`},
		"null":       {"memberships", Knobs{Null: map[string][]string{"memberships": {"userId"}}}, `"userId":null`, `"userId":8`},
		"spelled":    {"events", Knobs{Spelled: map[string]map[string]string{"events": {"startDateTime": "startDate"}}}, `"startDate":1`, "startDateTime"},
		"digits":     {"memberships", Knobs{Dates: Digits}, `"positionRecordedStartDate":"1`, `"positionRecordedStartDate":1`},
		"zoned":      {"memberships", Knobs{Dates: Zoned}, `T04:00:00Z"`, `"positionRecordedStartDate":1`},
		"naive":      {"memberships", Knobs{Dates: Naive}, `T04:00:00"`, `T04:00:00Z"`},
		"microsoft":  {"memberships", Knobs{Dates: Microsoft}, `"positionRecordedStartDate":"/Date(1`, `"positionRecordedStartDate":1`},
		"booleans":   {"memberships", Knobs{BareFlags: true, QuotedBooleans: true}, `"deleted":"False"`, `"userShownOnCampusRoster":"True"`},
		"numbers":    {"financetransactions", Knobs{QuotedNumbers: true}, `"amount":"-`, `"amount":-`},
		"sis id":     {"users", Knobs{BareSISID: true}, `"sisId":"S8`, `"sisId":{`},
		"no deletes": {"memberships", Knobs{NoDeletes: true}, `"membershipId"`, `"deleted"`},
	} {
		without := get(t, s, c.resource).Body.String()
		s.Set(func(k *Knobs) { *k = c.knobs })
		with := get(t, s, c.resource).Body.String()
		s.Set(func(k *Knobs) { *k = Knobs{} })
		if !json.Valid([]byte(with)) || !strings.Contains(with, c.has) || strings.Contains(with, c.not) {
			t.Errorf("%s: %.400s", name, with)
		}
		if strings.Contains(without, c.has) && !strings.Contains(without, c.not) {
			t.Errorf("%s: the knob makes no difference", name)
		}
	}
}

func TestTextIsEscaped(t *testing.T) {
	s := serve(Spec{}, Knobs{})
	const all = "nul \x00 bell \a tab \t quote \" back \\ slash / del \x7f emoji 🎲 rtl \u202e sep \u2028"
	if err := s.campus.Set("users", 800001, "lastName", Value{Kind: Text, Text: all}); err != nil {
		t.Fatal(err)
	}
	if got := list(t, s, "users", "userId", "800001").Items[0]["lastName"]; got != all {
		t.Errorf("%q", got)
	}
}
