package redcap

import (
	"strings"
	"testing"
	"time"
)

func TestWhatTheDateRangeCounts(t *testing.T) {
	for name, c := range map[string]struct {
		change func(p *Project) error
		seen   bool
		action string
	}{
		"api":         {func(p *Project) error { return p.Import("1", Place{}, map[string]string{"int_2": "1"}) }, true, "Update record (API) 1"},
		"import tool": {func(p *Project) error { return p.ImportFile("1", Place{}, map[string]string{"int_2": "1"}) }, true, "Update record (import) 1"},
		"calculation": {func(p *Project) error { return p.Recalculate("1", Place{}, map[string]string{"int_2": "1"}) }, true, "Update record (Auto calculation) 1"},
		"created":     {func(p *Project) error { return p.Import("new", Place{}, nil) }, true, "Create record (API) new"},
		"response":    {func(p *Project) error { return p.Respond("1", Place{}, "form_1", "", nil, true) }, true, "Update Response 1"},
		"group":       {func(p *Project) error { return p.SetGroup("1", "site_a") }, false, "Manage/Design "},
		"lock":        {func(p *Project) error { return p.Lock("1", Place{}, "form_1", true) }, false, "Lock Record 1"},
		"unlock":      {func(p *Project) error { return p.Lock("1", Place{}, "form_1", false) }, false, "Unlock Record 1"},
		"delete":      {func(p *Project) error { return p.Delete("1") }, false, "Delete record 1"},
		"delete form": {func(p *Project) error { return p.DeleteForm("1", Place{}, "form_1") }, true, "Update record 1"},
		"design":      {func(p *Project) error { return p.RemoveField("int_2") }, false, "Manage/Design "},
	} {
		p := Synthetic(Spec{Records: 2, Fields: 8, DAGs: 1, Surveys: true})
		s, _ := clocked(t, p, Options{}, "UTC")
		do(t, c.change(p))
		if got := names(t, s, p, "dateRangeBegin", "2026-01-15 16:59:00") != ""; got != c.seen {
			t.Errorf("%s: seen %v", name, got)
		}
		var actions []string
		for _, e := range p.Log() {
			actions = append(actions, e.Action)
		}
		if !strings.Contains(strings.Join(actions, "|")+"|", c.action+"|") {
			t.Errorf("%s: %q", name, actions)
		}
	}
}

func TestPartsAreDeletedInTheWordsOfTheServer(t *testing.T) {
	for rule, want := range map[DeleteRule]string{DeletesAsUpdates: "Update record r|record_edit", DeletesAsDeletes: "Delete record r|record_delete"} {
		p := Synthetic(Spec{Kind: Mixed, Records: 0, Fields: 9})
		s, now := clocked(t, p, Options{Deletes: rule}, "UTC")
		do(t, p.Set("r", "enrollment_arm_1", "", 0, "int_2", "1"))
		do(t, p.Set("r", "visit_1_arm_1", "form_2", 2, "dob_4", "2020-01-01"))
		do(t, p.Set("r", "visit_1_arm_1", "", 0, "agree_7", "1"))
		*now = now.Add(time.Hour)
		do(t, p.DeleteRow("r", Place{Event: "visit_1_arm_1", Instrument: "form_2", Instance: 2}))
		log := p.Log()
		if e := log[len(log)-1]; e.Action+"|"+e.Kind != want || e.Details != "[instance = 2] Delete all data of instrument form_2 (event: Visit 1)" {
			t.Errorf("%+v", e)
		}
		do(t, p.DeleteEvent("r", "visit_1_arm_1"))
		seen := names(t, s, p, "dateRangeBegin", "2026-01-15 17:30:00")
		if (seen == "r") != (rule == DeletesAsUpdates) || names(t, s, p) != "r" {
			t.Errorf("rule %d: the date range sees %q", rule, seen)
		}
		do(t, p.DeleteEvent("r", "enrollment_arm_1"))
		if got := names(t, s, p); got != "" || p.Count() != 0 {
			t.Errorf("a record without rows: %q", got)
		}
	}
}

func TestErasingHidesTheRowsOfRecordsSince152(t *testing.T) {
	for version, want := range map[string]string{"14.9.1": "2 1", "15.2.0": ""} {
		p := small()
		s, _ := clocked(t, p, Options{Version: version}, "UTC")
		do(t, p.Set("1", "", "", 0, "int_2", "1"))
		do(t, p.Delete("2"))
		p.EraseAll()
		if got := loggedRecords(t, s, p); got != want {
			t.Errorf("%s: %q", version, got)
		}
		if _, body := ask(t, s, p, "content", "log", "format", "csv", "logtype", "manage"); !strings.Contains(body, "Erase all data") {
			t.Errorf("%s: %s", version, body)
		}
	}
}

func TestTheLogIsFilteredByKindGroupAndRights(t *testing.T) {
	p := Synthetic(Spec{Records: 4, Fields: 8, DAGs: 2})
	s, _ := clocked(t, p, Options{}, "UTC")
	do(t, p.SetGroup("1", "site_a"))
	do(t, p.SetGroup("2", "site_b"))
	do(t, p.Set("1", "", "", 0, "int_2", "1"))
	do(t, p.Set("2", "", "", 0, "int_2", "1"))
	do(t, p.Lock("1", Place{}, "form_1", true))
	p.ViewPage("admin", "1")
	p.AddUser(&User{Name: "nurse"})
	rows := func(pairs ...string) (out []string) {
		_, body := ask(t, s, p, append([]string{"content", "log", "format", "csv"}, pairs...)...)
		for _, r := range csvRows(t, body)[1:] {
			if r[3] != "Export Logging (API)" {
				out = append(out, r[2])
			}
		}
		return out
	}
	for kind, want := range map[string]string{
		"page_view": "Page View", "lock_record": "Lock Record 1", "user": "Add user nurse", "record_edit": "Update record 2|Update record 1",
		"record": "Update record 2|Update record 1", "record_add": "", "manage": "Manage/Design |Manage/Design ",
	} {
		if got := strings.Join(rows("logtype", kind), "|"); got != want {
			t.Errorf("%s: %q", kind, got)
		}
	}
	for _, action := range rows() {
		if action == "Page View" {
			t.Error("page views are shown without being asked for")
		}
	}
	if got := strings.Join(rows("logtype", "record", "dag", text(p.dags[1].ID)), "|"); got != "Update record 2" {
		t.Errorf("by group: %s", got)
	}
	if got := rows("beginTime", "2026/01/15"); len(got) < 5 {
		t.Errorf("a time in another format must be ignored: %v", got)
	}
	p.Rights(func(u *User) { u.DAG = "site_a" })
	if got := strings.Join(rows("logtype", "record"), "|"); got != "Update record 1" {
		t.Errorf("bound to a group: %s", got)
	}
}

func TestDetailsHoldRawNewlinesAndQuotesAndTheRecordColumnIsYoung(t *testing.T) {
	p := small()
	s := serve(Options{Version: "12.4.0"}, p)
	do(t, p.Set("1", "", "", 0, "name_1", "a \"b\"\n'c', int_2 = '9'"))
	for version, columns := range map[string]int{"12.4.0": 4, "13.7.0": 5} {
		s.Upgrade(version)
		_, body := ask(t, s, p, "content", "log", "format", "csv", "logtype", "record")
		rows := csvRows(t, body)
		if len(rows[0]) != columns || rows[1][3] != "name_1 = 'a \"b\"\n'c', int_2 = '9''" {
			t.Errorf("%s: %q", version, rows)
		}
	}
	s.Upgrade("10.7.9")
	if code, _ := ask(t, s, p, "content", "log"); code != 501 {
		t.Errorf("10.7.9: %d", code)
	}
}

func TestEveryReadLeavesARow(t *testing.T) {
	p := Synthetic(Spec{Kind: Mixed, Records: 1, Surveys: true, DAGs: 1})
	id := p.AddReport(Report{Title: "one"})
	s := serve(Options{}, p)
	for _, content := range []string{
		"version", "project", "metadata", "instrument", "arm", "event", "formEventMapping", "repeatingFormsEvents", "exportFieldNames",
		"record", "log", "dag", "userDagMapping", "user", "userRole", "userRoleMapping", "project_xml", "file", "fileRepository",
		"participantList", "report", "generateNextRecordName",
	} {
		before := len(p.Log())
		code, _ := ask(t, s, p, "content", content, "action", "list", "report_id", text(id), "instrument", "form_1", "event", "enrollment_arm_1")
		if n := len(p.Log()) - before; n != 1 || (code != 200 && content != "file") {
			t.Errorf("%s: %d rows, status %d", content, n, code)
		}
	}
}
