package redcap

import (
	"fmt"
	"strings"
	"testing"
)

// shows is where a field's values of record r are seen: event/instrument/instance=value, in export order.
func shows(t *testing.T, s *Server, p *Project, field string) string {
	t.Helper()
	var out []string
	for _, r := range records(t, s, p, "records[0]", "r") {
		cell := func(name string) string {
			if r[name] == nil {
				return ""
			}
			return fmt.Sprint(r[name])
		}
		if v := cell(field); v != "" {
			out = append(out, cell("redcap_event_name")+"/"+cell("redcap_repeat_instrument")+"/"+cell("redcap_repeat_instance")+"="+v)
		}
	}
	return strings.Join(out, " ")
}

func TestWhatWasSavedBecomesInstance1AndInstance1Remains(t *testing.T) {
	p := Synthetic(Spec{Records: 0, Fields: 12, Forms: 2})
	s := serve(Options{}, p)
	do(t, p.AddRecord("r", map[string]string{"agree_7": "1"}))
	want := func(step, places string) {
		t.Helper()
		if got := shows(t, s, p, "agree_7"); got != places {
			t.Errorf("%s: %q, not %q", step, got, places)
		}
	}
	want("saved", "//=1")
	do(t, p.RepeatForm("", "form_2", ""))
	want("the form repeats", "/form_2/1=1")
	do(t, p.Set("r", "", "form_2", 2, "agree_7", "0"))
	want("a second instance", "/form_2/1=1 /form_2/2=0")
	do(t, p.UnrepeatForm("", "form_2"))
	want("the form repeats no more", "//=1")
	do(t, p.RepeatForm("", "form_2", ""))
	want("it repeats again", "/form_2/1=1 /form_2/2=0")
	do(t, p.RepeatEvent(""))
	want("the event repeats in its place", "//1=1 //2=0")
	do(t, p.UnrepeatEvent(""))
	want("nothing repeats", "//=1")
	if err := p.Set("r", "", "form_2", 2, "agree_7", "0"); err == nil {
		t.Error("an instance of a form that does not repeat was saved")
	}
}

func TestAFieldThatMovesToARepeatingFormTakesItsValuesAlong(t *testing.T) {
	p := Synthetic(Spec{Kind: Repeating, Records: 0, Fields: 12, Forms: 4})
	s := serve(Options{}, p)
	do(t, p.AddRecord("r", map[string]string{"int_2": "5"}))
	do(t, p.MoveField("int_2", "dob_4"))
	if got := shows(t, s, p, "int_2"); got != "/form_2/1=5" {
		t.Error(got)
	}
}

func TestDataOfDeletedFieldsStayUnseenAndComeBackWithTheName(t *testing.T) {
	p := small()
	s := serve(Options{}, p)
	do(t, p.AddRecord("r", map[string]string{"int_2": "5"}))
	do(t, p.RenameField("int_2", "renamed"))
	do(t, p.AddField(Field{Name: "int_2", Form: "form_1", Type: "text"}))
	if got := shows(t, s, p, "renamed") + " " + shows(t, s, p, "int_2"); got != "//=5 " {
		t.Errorf("renamed, and a new one of the old name: %q", got)
	}
	do(t, p.Set("r", "", "", 0, "int_2", "6"))
	do(t, p.RemoveField("renamed"))
	do(t, p.RemoveField("int_2"))
	do(t, p.AddField(Field{Name: "int_2", Form: "form_1", Type: "text"}))
	if got := shows(t, s, p, "int_2"); got != "//=6" {
		t.Errorf("brought back: %q", got)
	}
	fields := p.Fields()
	for i := range fields {
		if fields[i].Name == "int_2" {
			fields[i].Name = "uploaded"
		}
	}
	do(t, p.UploadDictionary(fields...))
	if got := shows(t, s, p, "uploaded"); got != "" {
		t.Errorf("renamed in the dictionary's file: %q", got)
	}
	for name, err := range map[string]error{
		"remove the record id": p.RemoveField(p.RecordField()), "remove its form": p.RemoveForm("form_1"),
		"move it": p.MoveField(p.RecordField(), "agree_7"),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestTypesAndChoicesChangeWhatIsSeenNotWhatIsStored(t *testing.T) {
	p := small()
	s := serve(Options{}, p)
	do(t, p.AddRecord("r", map[string]string{"race_8(2)": "1", "int_2": "5"}))
	was := p.field("race_8").Choices
	change := func(kind, choices string) {
		do(t, p.ChangeField("race_8", func(f *Field) { f.Type, f.Choices = kind, choices }))
	}
	change("checkbox", "1, One")
	if got := shows(t, s, p, "race_8___2"); got != "" {
		t.Errorf("an option that is gone: %s", got)
	}
	change("text", "")
	if got := shows(t, s, p, "race_8"); got != "" {
		t.Errorf("ticks as text: %s", got)
	}
	change("checkbox", was)
	if got := shows(t, s, p, "race_8___2"); got != "//=1" {
		t.Errorf("options back: %s", got)
	}
	do(t, p.ChangeField("int_2", func(f *Field) { f.Validation = "date_ymd" }))
	if got := shows(t, s, p, "int_2"); got != "//=5" {
		t.Errorf("a value from before the validation: %s", got)
	}
	do(t, p.RenameField(p.RecordField(), "subject"))
	if r := records(t, s, p, "records[0]", "r")[0]; r["subject"] != "r" || r["record_id"] != nil {
		t.Errorf("record id renamed: %v", r)
	}
}

func TestAClassicProjectShowsTheFirstEventOfItsLongitudinalLife(t *testing.T) {
	p := Synthetic(Spec{Kind: Longitudinal, Records: 0, Fields: 9, Forms: 3})
	s := serve(Options{}, p)
	do(t, p.AddRecord("r", map[string]string{"int_2": "5"}))
	do(t, p.Set("r", "visit_1_arm_1", "", 0, "agree_7", "1"))
	do(t, p.Set("other", "visit_1_arm_1", "", 0, "agree_7", "1"))
	p.MakeClassic()
	if got := shows(t, s, p, "int_2") + shows(t, s, p, "agree_7"); got != "//=5" {
		t.Error(got)
	}
	if got := strings.Join(p.Records(), " "); got != "r" || p.Count() != 1 {
		t.Errorf("records %s", got)
	}
	if code, _ := ask(t, s, p, "content", "event"); code != 400 {
		t.Errorf("events of a classic project: %d", code)
	}
	p.MakeLongitudinal()
	if got := shows(t, s, p, "agree_7"); got != "visit_1_arm_1//=1" || p.Count() != 2 {
		t.Errorf("longitudinal again: %s", got)
	}
}

func TestEventsSwapNamesAndKeepTheirIDs(t *testing.T) {
	p := Synthetic(Spec{Kind: Longitudinal, Records: 0, Fields: 9, Forms: 3})
	s := serve(Options{}, p)
	do(t, p.Set("r", "visit_1_arm_1", "", 0, "agree_7", "1"))
	id := p.event("visit_1_arm_1").ID
	do(t, p.SwapEventNames("visit_1_arm_1", "visit_2_arm_1"))
	if got := shows(t, s, p, "agree_7"); got != "visit_2_arm_1//=1" || p.event("visit_2_arm_1").ID != id {
		t.Error(got)
	}
}

func TestARecordStandsInTheEventsAndArmsItWasSavedIn(t *testing.T) {
	p := Synthetic(Spec{Kind: Longitudinal, Records: 0, Fields: 9, Forms: 3})
	s := serve(Options{}, p)
	do(t, p.AddArm(2, "Control"))
	unique, err := p.AddEvent("Start", 2, "form_1")
	do(t, err)
	do(t, p.Set("r", unique, "", 0, "int_2", "5"))
	do(t, p.Set("s", "enrollment_arm_1", "", 0, "int_2", "6"))
	if rows := records(t, s, p, "records[0]", "r"); len(rows) != 1 || rows[0]["redcap_event_name"] != "start_arm_2" {
		t.Error(rows)
	}
	do(t, p.RenameArm(2, "Placebo"))
	if _, body := ask(t, s, p, "content", "arm", "format", "csv"); !strings.Contains(body, "2,Placebo") {
		t.Error(body)
	}
	do(t, p.RemoveArm(2))
	if got := names(t, s, p); got != "s" || strings.Join(p.Records(), " ") != "s" {
		t.Errorf("after the arm: %s", got)
	}
	if err := p.RemoveArm(1); err == nil {
		t.Error("the last arm was removed")
	}
}

func TestAGroupThatIsDeletedLeavesRecordsAndUsersWithoutOne(t *testing.T) {
	p := Synthetic(Spec{Records: 0, Fields: 4, DAGs: 2})
	s := serve(Options{}, p)
	do(t, p.AddRecord("r", nil))
	do(t, p.SetGroup("r", "site_b"))
	p.AddUser(&User{Name: "nurse", APIExport: true, DAG: "site_b"})
	do(t, p.RemoveDAG("site_b"))
	if r := records(t, s, p, "exportDataAccessGroups", "true")[0]; r["redcap_data_access_group"] != "" {
		t.Error(r)
	}
	if _, body := ask(t, s, p, "content", "userDagMapping", "format", "csv"); !strings.Contains(body, "nurse,\n") {
		t.Error(body)
	}
	before := p.dags[0].ID
	p.AddDAG("Site C")
	if p.dags[1].ID == before || p.dags[1].ID == before+1 {
		t.Errorf("an id came back: %d", p.dags[1].ID)
	}
}

func TestAFormThatIsRenamedKeepsItsRightsAndOneDeletedStaysListed(t *testing.T) {
	p := small()
	s := serve(Options{}, p)
	p.Rights(func(u *User) { u.Forms["form_2"] = ExportDeidentified })
	do(t, p.RenameForm("form_2", "second"))
	if _, body := ask(t, s, p, "content", "user", "format", "csv"); !strings.Contains(body, "form_1:1,second:2") {
		t.Error(body)
	}
	do(t, p.RemoveForm("second"))
	if _, body := ask(t, s, p, "content", "user", "format", "csv"); !strings.Contains(body, "form_1:1,second:2") {
		t.Error(body)
	}
	if got := names(t, s, p); !strings.HasPrefix(got, "1 ") {
		t.Errorf("hashed for an instrument that is not there: %s", got)
	}
}
