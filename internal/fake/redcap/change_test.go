package redcap

import (
	"strings"
	"testing"
	"time"
)

// clocked serves a project at a settable time, in a zone.
func clocked(t *testing.T, p *Project, o Options, zone string) (*Server, *time.Time) {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Skip("no time zone data")
	}
	now := time.Date(2026, 1, 15, 17, 0, 0, 0, time.UTC)
	o.Clock, o.Zone = func() time.Time { return now }, loc
	return serve(o, p), &now
}

func do(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestDateRangeSelectsWholeRecordsByTheLogInServerTime(t *testing.T) {
	p := small()
	s, now := clocked(t, p, Options{}, "America/New_York") // 17:00 UTC is 12:00 there
	do(t, p.Set("2", "", "", 0, "int_2", "5"))
	*now = now.Add(10 * time.Minute)
	do(t, p.AddRecord("9", map[string]string{"int_2": "1"}))
	do(t, p.Delete("3"))
	p.Silently(func() { do(t, p.Set("4", "", "", 0, "int_2", "7")) })
	for _, c := range []struct{ begin, end, want string }{
		{"2026-01-15 11:59:00", "", "2 9"},
		{"2026-01-15 12:05:00", "", "9"},
		{"2026-01-15 11:00:00", "2026-01-15 12:05:00", "2"},
		{"2026-01-15 17:00:00", "", ""}, // what a client thinks who takes its own zone
		{"2026-01-15 12:00:00", "", "9"},
	} {
		pairs := []string{"dateRangeBegin", c.begin}
		if c.end != "" {
			pairs = append(pairs, "dateRangeEnd", c.end)
		}
		if got := names(t, s, p, pairs...); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
	if code, _ := ask(t, s, p, "content", "record", "format", "json", "dateRangeBegin", "NULL"); code != 400 {
		t.Errorf("a broken value: %d", code)
	}
	if r := records(t, s, p, "dateRangeBegin", "2026-01-15 11:59:00")[0]; r["name_1"] == nil || r["dob_4"] == nil {
		t.Error("not the whole record")
	}
}

func TestRecordsWithADateRangeDoAsTheSwitchSays(t *testing.T) {
	for rule, want := range map[DateRangeRule]string{DateRangeIgnored: "1 2", DateRangeEverything: "1 2 3 4 5", DateRangeBoth: "2"} {
		p := small()
		s, _ := clocked(t, p, Options{DateRange: rule}, "UTC")
		do(t, p.Set("2", "", "", 0, "int_2", "5"))
		if got := names(t, s, p, "records[0]", "1", "records[1]", "2", "dateRangeBegin", "2026-01-15 16:00:00"); got != want {
			t.Errorf("rule %d: %s", rule, got)
		}
	}
}

func TestTheLogShowsCallsAndChangesNewestFirstInMinutes(t *testing.T) {
	p := small()
	s, now := clocked(t, p, Options{}, "America/New_York")
	*now = now.Add(42 * time.Second)
	do(t, p.Set("2", "", "", 0, "race_8(1)", "1"))
	do(t, p.Rename("2", "two"))
	do(t, p.Delete("3"))
	do(t, p.AddField(Field{Name: "extra", Form: "form_1", Type: "text"}))
	ask(t, s, p, "content", "version")
	ask(t, s, p, "content", "record", "format", "csv")
	*now = now.Add(time.Minute)
	_, body := ask(t, s, p, "content", "log", "format", "csv")
	rows := csvRows(t, body)
	want := []string{
		"2026-01-15 12:01|syncd_service|Manage/Design |Export Logging (API)|",
		"2026-01-15 12:00|syncd_service|Data export (API) |Export format: CSV|",
		"2026-01-15 12:00|syncd_service|Manage/Design |Export REDCap version (API)|",
		"2026-01-15 12:00|admin|Manage/Design |Create project field|",
		"2026-01-15 12:00|admin|Delete record 3|record_id = '3'|3",
		"2026-01-15 12:00|admin|Update record two|record_id = 'two'|two",
		"2026-01-15 12:00|admin|Update record 2|race_8(1) = checked|2",
	}
	for i, w := range want {
		if got := strings.Join(rows[i+1], "|"); got != w {
			t.Errorf("row %d: %s", i, got)
		}
	}
	for kind, n := range map[string]int{"record": 3, "record_delete": 1, "record_edit": 2, "manage": 4, "export": 1} {
		_, body := ask(t, s, p, "content", "log", "format", "csv", "logtype", kind, "endTime", "2026-01-15 12:01")
		if got := len(csvRows(t, body)) - 1; got != n && kind != "manage" {
			t.Errorf("logtype %s: %d rows, not %d", kind, got, n)
		}
	}
	_, body = ask(t, s, p, "content", "log", "format", "csv", "beginTime", "nonsense")
	if n := len(csvRows(t, body)); n < 8 {
		t.Errorf("a time that cannot be read must be ignored: %d rows", n)
	}
	p.Rights(func(u *User) { u.Logging = false })
	if code, _ := ask(t, s, p, "content", "log"); code != 400 {
		t.Errorf("without the right: %d", code)
	}
}

func TestWhatTheDateRangeDoesNotSee(t *testing.T) {
	p := Synthetic(Spec{Records: 6, Fields: 8, DAGs: 1})
	s, now := clocked(t, p, Options{}, "UTC")
	*now = now.Add(time.Minute)
	do(t, p.Delete("1"))
	do(t, p.Rename("2", "20"))
	do(t, p.SetGroup("3", "site_a"))
	do(t, p.RenameField("int_2", "renamed"))
	do(t, p.Set("5", "", "", 0, "agree_7", "1"))
	do(t, p.DeleteTraceless("5"))
	if got := names(t, s, p, "dateRangeBegin", "2026-01-15 17:00:00"); got != "20" {
		t.Errorf("seen: %s", got)
	}
	if got := names(t, s, p); got != "3 4 6 20" {
		t.Errorf("all: %s", got)
	}
	if r := records(t, s, p)[0]; r["renamed"] == nil || r["int_2"] != nil {
		t.Error("a renamed field keeps its data under the new name")
	}
	p.EraseAll()
	if got := names(t, s, p); got != "" || p.Count() != 0 {
		t.Errorf("after erasing: %s", got)
	}
}

func TestGeneratedRecordsStayWhatTheyWereWhenTheStructureChanges(t *testing.T) {
	p := Synthetic(Spec{Kind: Longitudinal, Records: 20, Fields: 9, Forms: 3})
	s := serve(Options{}, p)
	before := records(t, s, p)
	do(t, p.Designate("enrollment_arm_1", "form_2", true))
	do(t, p.AddForm(Form{Name: "late"}, Field{Name: "late_1", Type: "text"}))
	p.AddDAG("North")
	unique, err := p.RenameEvent("visit_1_arm_1", "Week 1")
	do(t, err)
	do(t, p.RenameForm("form_3", "third"))
	after := records(t, s, p)
	if len(before) != len(after) {
		t.Fatalf("%d rows became %d", len(before), len(after))
	}
	for i, b := range before {
		for column, v := range b {
			if column == "form_2_complete" || column == "race_8___1" || strings.HasPrefix(column, "race") || column == "redcap_event_name" {
				continue
			}
			if got := after[i][strings.Replace(column, "form_3", "third", 1)]; got != v {
				t.Errorf("row %d, %s: %v became %v", i, column, v, got)
			}
		}
		if b["redcap_event_name"] == "visit_1_arm_1" && after[i]["redcap_event_name"] != unique {
			t.Errorf("event %v", after[i]["redcap_event_name"])
		}
	}
}

func TestInstancesComeAndGo(t *testing.T) {
	p := Synthetic(Spec{Kind: Repeating, Records: 1, Fields: 9})
	s := serve(Options{}, p)
	do(t, p.AddRecord("r", nil))
	for i := 1; i <= 3; i++ {
		do(t, p.Set("r", "", "form_2", i, "num_3", "1.5"))
	}
	do(t, p.DeleteRow("r", Place{Instrument: "form_2", Instance: 2}))
	var got []any
	for _, r := range records(t, s, p, "records[0]", "r") {
		got = append(got, r["redcap_repeat_instance"])
	}
	if len(got) != 3 || got[0] != "" || got[1] != 1.0 || got[2] != 3.0 {
		t.Error(got)
	}
	if v, ok := p.Value("r", Place{Instrument: "form_2", Instance: 3}, "num_3"); v != "1.5" || !ok {
		t.Error(v)
	}
	if err := p.Set("r", "", "nowhere", 1, "num_3", "1"); err == nil {
		t.Error("an unknown instrument was accepted")
	}
}

func TestAnImportLeavesTheStatusAlone(t *testing.T) {
	p := small()
	s := serve(Options{}, p)
	do(t, p.Import("x", Place{}, map[string]string{"int_2": "4"}))
	do(t, p.Set("y", "", "", 0, "int_2", "4"))
	gray := func(id string) any {
		return records(t, s, p, "records[0]", id, "exportBlankForGrayFormStatus", "true")[0]["form_1_complete"]
	}
	if gray("x") != "" || gray("y") != "0" {
		t.Errorf("imported %q, saved %q", gray("x"), gray("y"))
	}
}

func TestTheRepeatedHourIsComparedAsText(t *testing.T) {
	p := small()
	s, now := clocked(t, p, Options{LogBounds: LogSeconds}, "America/New_York")
	at := func(utc string) {
		when, err := time.Parse(time.RFC3339, utc)
		do(t, err)
		*now = when
	}
	at("2026-11-01T05:50:00Z") // 01:50, still daylight saving
	do(t, p.Set("1", "", "", 0, "int_2", "1"))
	at("2026-11-01T06:10:00Z") // 01:10 again, twenty minutes later
	do(t, p.Set("2", "", "", 0, "int_2", "2"))
	at("2026-11-01T07:05:00Z") // 02:05
	do(t, p.Set("3", "", "", 0, "int_2", "3"))
	for _, c := range []struct{ begin, end, want string }{
		{"2026-11-01 01:40:00", "2026-11-01 03:00:00", "1 3"}, // the later change has the smaller text
		{"2026-11-01 01:00:00", "2026-11-01 01:40:00", "2"},
		{"2026-11-01 01:10:00", "2026-11-01 01:50:00", ""}, // exclusive
		{"2026-11-01 00:59:59", "2026-11-01 02:00:00", "1 2"},
	} {
		if got := names(t, s, p, "dateRangeBegin", c.begin, "dateRangeEnd", c.end); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
	if got := loggedRecords(t, s, p, "beginTime", "2026-11-01 01:30"); got != "3 1" {
		t.Errorf("log from 01:30: %s", got)
	}
}

func TestTheSkippedHourIsJustText(t *testing.T) {
	p := small()
	s, now := clocked(t, p, Options{}, "America/New_York")
	*now = time.Date(2026, 3, 8, 6, 59, 0, 0, time.UTC) // 01:59
	do(t, p.Set("1", "", "", 0, "int_2", "1"))
	*now = now.Add(time.Minute) // 03:00
	do(t, p.Set("2", "", "", 0, "int_2", "2"))
	for begin, want := range map[string]string{"2026-03-08 02:30:00": "2", "2026-03-08 03:00:00": "", "2026-03-08 01:58:00": "1 2"} {
		if got := names(t, s, p, "dateRangeBegin", begin); got != want {
			t.Errorf("%s: %q", begin, got)
		}
	}
	if got := loggedRecords(t, s, p, "beginTime", "2026-03-08 02:30", "endTime", "2026-03-08 03:01"); got != "2" {
		t.Errorf("log: %s", got)
	}
}

func TestTheLogsBoundsLeaveTheirMinutesOutOrTakeThemInPart(t *testing.T) {
	for rule, want := range map[LogBoundsRule]string{LogMinutes: "2", LogSeconds: "2 1"} {
		p := small()
		s, now := clocked(t, p, Options{LogBounds: rule}, "UTC")
		*now = now.Add(30 * time.Second) // 17:00:30
		do(t, p.Set("1", "", "", 0, "int_2", "1"))
		*now = now.Add(time.Minute)
		do(t, p.Set("2", "", "", 0, "int_2", "2"))
		*now = now.Add(time.Minute)
		do(t, p.Set("3", "", "", 0, "int_2", "3"))
		if got := loggedRecords(t, s, p, "beginTime", "2026-01-15 17:00", "endTime", "2026-01-15 17:02"); got != want {
			t.Errorf("rule %d: %s", rule, got)
		}
	}
}

// loggedRecords lists the record column of the log's record rows, newest first.
func loggedRecords(t *testing.T, s *Server, p *Project, pairs ...string) string {
	t.Helper()
	_, body := ask(t, s, p, append([]string{"content", "log", "format", "csv", "logtype", "record"}, pairs...)...)
	var out []string
	for _, r := range csvRows(t, body)[1:] {
		out = append(out, r[4])
	}
	return strings.Join(out, " ")
}
