package redcap

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestUsersHaveTheColumnsOfTheirVersion(t *testing.T) {
	p := Synthetic(Spec{Records: 1, Fields: 4, DAGs: 1})
	s := serve(Options{}, p)
	for _, c := range []struct{ version, with, without string }{
		{"10.9.0", "data_export,logging,forms", "forms_export,alerts,mycap_participants,api_modules,data_access_group_label,random_setup"},
		{"12.4.0", "forms_export,alerts", "data_export,mycap_participants,api_modules,random_setup"},
		{"13.7.0", "forms_export,mycap_participants,email_logging", "data_export,api_modules,random_setup"},
		{"14.9.1", "forms_export,api_modules,data_access_group_label,random_setup", "data_export"},
		{"17.0.3", "data_quality_resolution,lock_records_customization,forms,forms_export", "data_export"},
	} {
		s.Upgrade(c.version)
		_, body := ask(t, s, p, "content", "user", "format", "csv")
		header := csvRows(t, body)[0]
		for _, name := range strings.Split(c.with, ",") {
			if !slices.Contains(header, name) {
				t.Errorf("%s: no column %s", c.version, name)
			}
		}
		for _, name := range strings.Split(c.without, ",") {
			if slices.Contains(header, name) {
				t.Errorf("%s: column %s", c.version, name)
			}
		}
	}
}

func TestUsersHaveTheRecordedColumnsInTheirOrder(t *testing.T) {
	p := small()
	want, err := readCSV(filepath.Join(fixtures(t), "redcapr-users", "users-without-dag.csv"))
	if err != nil {
		t.Fatal(err)
	}
	_, body := ask(t, serve(Options{Version: "17.0.3"}, p), p, "content", "user", "format", "csv")
	got := slices.DeleteFunc(csvRows(t, body)[0], func(h string) bool { return !slices.Contains(want[0], h) })
	if !slices.Equal(got, want[0]) {
		t.Errorf("answered %v\nrecorded %v", got, want[0])
	}
}

func TestFormRightsAreTextInCSVAndObjectsInJSON(t *testing.T) {
	p := small()
	p.Rights(func(u *User) { u.Entry = map[string]int{"form_1": EntryEdit, "long_gone": EntryRead} })
	s := serve(Options{Version: "14.9.1"}, p)
	read := func() (text string, object map[string]any) {
		_, body := ask(t, s, p, "content", "user", "format", "csv")
		rows := csvRows(t, body)
		text = rows[1][slices.Index(rows[0], "forms")]
		_, body = ask(t, s, p, "content", "user", "format", "json")
		var users []map[string]any
		do(t, json.Unmarshal([]byte(body), &users))
		return text, users[0]["forms"].(map[string]any)
	}
	if text, object := read(); text != "form_1:1,form_2:2,long_gone:2" || object["form_1"] != 1.0 {
		t.Errorf("14.9.1: %s, %v", text, object)
	}
	s.Upgrade("15.6.0")
	if text, object := read(); text != "form_1:130,form_2:129,long_gone:129" || object["form_2"] != 129.0 {
		t.Errorf("15.6.0: %s, %v", text, object)
	}
	p.Rights(func(u *User) { u.Unconverted = true })
	if text, _ := read(); text != "form_1:1,form_2:129,long_gone:2" {
		t.Errorf("old and new codes in one row: %s", text)
	}
	_, body := ask(t, s, p, "content", "user")
	if !strings.Contains(body, "<forms><form_1>1</form_1><form_2>129</form_2>") {
		t.Errorf("xml: %s", body)
	}
}

func TestARolesRightsReplaceTheUsers(t *testing.T) {
	p := Synthetic(Spec{Records: 3, Fields: 12, DAGs: 1})
	nurse := p.AddUser(FullRights("nurse"))
	role := p.AddRole(Role{Label: "Reader", As: &User{APIExport: true, Forms: map[string]int{"form_2": ExportNone}}})
	s := serve(Options{}, p)
	mapping := func() string {
		_, body := ask(t, s, p, "content", "userRoleMapping", "format", "csv")
		return body
	}
	if got := mapping(); !strings.Contains(got, "nurse,,") {
		t.Errorf("a user without a role is left out: %s", got)
	}
	do(t, p.BindUserToRole("nurse", role))
	if got := mapping(); !strings.Contains(got, "nurse,"+role) {
		t.Error(got)
	}
	if w := post(t, s, nurse, "content", "log", "format", "json"); w.Code != 400 || !strings.Contains(w.Body.String(), "'Logging' privileges") {
		t.Errorf("log: %d %s", w.Code, w.Body)
	}
	if w := post(t, s, nurse, "content", "record", "format", "csv"); strings.Contains(w.Body.String(), "form_2_complete") {
		t.Error("an instrument without access is exported")
	}
	_, roles := ask(t, s, p, "content", "userRole", "format", "csv")
	rows := csvRows(t, roles)
	if rows[1][0] != role || rows[1][slices.Index(rows[0], "forms_export")] != "form_1:1,form_2:0" {
		t.Error(rows)
	}
	if err := p.BindUserToRole("nurse", "U-NOBODY"); err == nil {
		t.Error("bound to a role that is not there")
	}
	do(t, p.BindUserToRole("nurse", ""))
	if w := post(t, s, nurse, "content", "log"); w.Code != 200 {
		t.Errorf("with the own rights again: %d", w.Code)
	}
	old := serve(Options{Version: "10.9.0"}, p)
	for _, content := range []string{"userRole", "userRoleMapping"} {
		if code, _ := ask(t, old, p, "content", content); code != 501 {
			t.Errorf("%s in 10.9: %d", content, code)
		}
	}
}

func TestATokenThatLostItsUserIsAWrongToken(t *testing.T) {
	p := small()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	s := serve(Options{Clock: func() time.Time { return now }}, p)
	for name, c := range map[string]struct{ take, back func() error }{
		"removed":   {func() error { return p.RemoveUser("syncd_service") }, nil},
		"suspended": {func() error { return p.SuspendUser("syncd_service", true) }, func() error { return p.SuspendUser("syncd_service", false) }},
		"expired":   {func() error { return p.ExpireUser("syncd_service", "2026-05-01") }, func() error { return p.ExpireUser("syncd_service", "2026-05-02") }},
		"regenerated": {func() error {
			_, err := p.RegenerateToken("syncd_service")
			return err
		}, nil},
	} {
		if name == "removed" {
			continue // last
		}
		token := p.Token()
		do(t, c.take())
		if w := post(t, s, token, "content", "version", "format", "json"); w.Code != 403 || !strings.Contains(w.Body.String(), "You do not have permissions to use the API") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if c.back != nil {
			do(t, c.back())
		}
		if code, _ := ask(t, s, p, "content", "version"); code != 200 {
			t.Errorf("%s, given back: %d", name, code)
		}
	}
	do(t, p.RemoveUser("syncd_service"))
	if code, _ := ask(t, s, p, "content", "version"); code != 403 {
		t.Errorf("removed: %d", code)
	}
	if err := p.RemoveUser("syncd_service"); err == nil {
		t.Error("removed twice")
	}
}

func TestEveryRightThatLacksIsNamedInTheRefusal(t *testing.T) {
	p := Synthetic(Spec{Records: 1, Fields: 4, DAGs: 1, Surveys: true})
	p.Rights(func(u *User) { *u = User{Name: u.Name, APIExport: true, Forms: u.Forms, token: u.token} })
	s := serve(Options{}, p)
	for content, right := range map[string]string{
		"log": "Logging", "user": "User Rights", "userRole": "User Rights", "userRoleMapping": "User Rights", "dag": "Data Access Groups",
		"userDagMapping": "Data Access Groups", "repeatingFormsEvents": "Project Design/Setup", "project_xml": "Project Design/Setup",
		"fileRepository": "File Repository", "participantList": "Survey Distribution Tools",
	} {
		code, body := ask(t, s, p, "content", content, "action", "list", "instrument", "form_1", "format", "csv")
		want := "ERROR: Insufficient user privileges: You must have 'API Export' privileges and '" + right + "' privileges in the project."
		if code != 400 || body != want {
			t.Errorf("%s: %d %s", content, code, body)
		}
	}
}

func TestParticipantsAreListedBySurveyAndEvent(t *testing.T) {
	p := Synthetic(Spec{Kind: Longitudinal, Records: 2, Fields: 6, Forms: 2, Surveys: true})
	s, now := clocked(t, p, Options{}, "UTC")
	do(t, p.AddParticipant("form_1", "enrollment_arm_1", Participant{Email: "a@example.org", Identifier: "A", Record: "1", Sent: *now}))
	do(t, p.AddParticipant("form_1", "enrollment_arm_1", Participant{Email: "a@example.org"}))
	do(t, p.AddParticipant("form_2", "visit_1_arm_1", Participant{Email: "b@example.org"}))
	list := func(instrument, event string) (int, [][]string) {
		code, body := ask(t, s, p, "content", "participantList", "format", "csv", "instrument", instrument, "event", event)
		if code != 200 {
			return code, nil
		}
		return code, csvRows(t, body)
	}
	_, rows := list("form_1", "enrollment_arm_1")
	if len(rows) != 3 || strings.Join(rows[1][:7], "|") != "a@example.org|1|A|1|1|2026-01-15 17:00:00|0" || rows[2][1] != "2" || len(rows[1][7]) != 9 {
		t.Error(rows)
	}
	do(t, p.Respond("1", Place{Event: "enrollment_arm_1"}, "form_1", "A", map[string]string{"int_2": "3"}, false))
	if _, rows = list("form_1", "enrollment_arm_1"); rows[1][6] != "1" {
		t.Errorf("begun: %v", rows[1])
	}
	do(t, p.Respond("1", Place{Event: "enrollment_arm_1"}, "form_1", "A", nil, true))
	if _, rows = list("form_1", "enrollment_arm_1"); rows[1][6] != "2" {
		t.Errorf("completed: %v", rows[1])
	}
	for _, c := range [][2]string{{"nowhere", "enrollment_arm_1"}, {"form_1", "nowhere"}, {"form_2", "enrollment_arm_1"}} {
		if code, _ := list(c[0], c[1]); code != 400 {
			t.Errorf("%v: %d", c, code)
		}
	}
	do(t, p.SetSurvey("form_2", false))
	if code, _ := list("form_2", "visit_1_arm_1"); code != 400 {
		t.Errorf("no survey any more: %d", code)
	}
}

func TestAResponseIsLoggedAndShownAsOne(t *testing.T) {
	p := Synthetic(Spec{Records: 1, Fields: 6, Forms: 2, Surveys: true})
	s, now := clocked(t, p, Options{}, "America/New_York")
	do(t, p.Respond("new", Place{}, "form_1", "who@example.org", map[string]string{"int_2": "3"}, false))
	row := func() map[string]any {
		return records(t, s, p, "records[0]", "new", "exportSurveyFields", "true")[0]
	}
	if r := row(); r["form_1_timestamp"] != "[not completed]" || r["redcap_survey_identifier"] != "who@example.org" || r["form_1_complete"] != "0" {
		t.Error(r)
	}
	*now = now.Add(time.Minute)
	do(t, p.Respond("new", Place{}, "form_1", "", map[string]string{"int_2": "4"}, true))
	if r := row(); r["form_1_timestamp"] != "2026-01-15 12:01:00" || r["form_1_complete"] != "2" {
		t.Error(r)
	}
	var log []string
	for _, e := range p.Log() {
		if e.RecordID == "new" {
			log = append(log, e.User+" "+e.Action)
		}
	}
	if want := []string{"[survey respondent] Create Response new", "[survey respondent] Update Response new"}; !slices.Equal(log, want) {
		t.Error(log)
	}
	if got := names(t, s, p, "dateRangeBegin", "2026-01-15 12:00:30"); got != "new" {
		t.Errorf("the date range sees %q", got)
	}
}
