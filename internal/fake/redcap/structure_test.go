package redcap

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// recordedProject reads a fixture folder.
func recordedProject(t *testing.T, name string) (*Project, string) {
	t.Helper()
	dir := filepath.Join(fixtures(t), name)
	p, err := ReadFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	return p, dir
}

func TestStructureIsAnsweredAsRecorded(t *testing.T) {
	for _, c := range []struct{ folder, content, file string }{
		{"redcapr-longitudinal", "arm", "arm.csv"},
		{"redcapr-longitudinal", "event", "event.csv"},
		{"redcapr-longitudinal", "formEventMapping", "form-event-mapping.csv"},
		{"redcapr-arm-multiple-delete", "arm", "arm.csv"},
		{"redcapr-arm-multiple-delete", "event", "event.csv"},
		{"redcapr-blank-for-gray-status", "exportFieldNames", "../redcapr-simple/export-field-names.csv"},
	} {
		p, dir := recordedProject(t, c.folder)
		want, err := readCSV(filepath.Join(dir, c.file))
		if err != nil {
			t.Fatal(err)
		}
		_, body := ask(t, serve(Options{}, p), p, "content", c.content, "format", "csv")
		if d := cmp.Diff(want, csvRows(t, body)); d != "" {
			t.Errorf("%s %s (-recorded +answered):\n%s", c.folder, c.content, d)
		}
	}
}

func TestProjectInformationHasTheRecordedColumns(t *testing.T) {
	p, dir := recordedProject(t, "redcapr-longitudinal")
	want, err := readCSV(filepath.Join(dir, "..", "redcapr-projectinfo", "all-projects.csv"))
	if err != nil {
		t.Fatal(err)
	}
	_, body := ask(t, serve(Options{}, p), p, "content", "project", "format", "csv")
	if d := cmp.Diff(want[0], csvRows(t, body)[0]); d != "" {
		t.Error(d)
	}
	_, body = ask(t, serve(Options{}, p), p, "content", "project", "format", "json")
	if !strings.HasPrefix(body, `{"project_id":`) || !strings.Contains(body, `"is_longitudinal":1`) {
		t.Error(body)
	}
}

func TestTheDictionaryHas18ColumnsAndTheRecordIDFirst(t *testing.T) {
	p, _ := recordedProject(t, "redcapr-survey")
	_, body := ask(t, serve(Options{}, p), p, "content", "metadata", "format", "csv")
	rows := csvRows(t, body)
	if len(rows[0]) != 18 || rows[1][0] != "participant_id" {
		t.Error(rows[0], rows[1])
	}
	for _, r := range rows {
		if strings.HasSuffix(r[0], "_complete") || strings.HasSuffix(r[0], "_timestamp") {
			t.Errorf("%s is not a dictionary field", r[0])
		}
	}
	_, filtered := ask(t, serve(Options{}, p), p, "content", "metadata", "format", "csv", "fields[0]", "dob")
	if n := len(csvRows(t, filtered)); n != 2 {
		t.Errorf("%d rows for one field", n)
	}
}

func TestClassicProjectsHaveNoArmsEventsMappings(t *testing.T) {
	p := small()
	s := serve(Options{}, p)
	for content, what := range map[string]string{"arm": "arms", "event": "events", "formEventMapping": `form\/event mappings`} {
		code, body := ask(t, s, p, "content", content, "format", "json")
		if code != 400 || body != `{"error":"You cannot export `+what+` for classic projects"}` {
			t.Errorf("%s: %d %s", content, code, body)
		}
	}
	if code, body := ask(t, s, p, "content", "repeatingFormsEvents", "format", "json"); code != 400 || !strings.Contains(body, "does not contain any repeating") {
		t.Errorf("%d %s", code, body)
	}
}

func TestRepeatingSetUpNamesEventsOnlyWhereThereAreEvents(t *testing.T) {
	mixed := Synthetic(Spec{Kind: Mixed, Records: 1})
	_, body := ask(t, serve(Options{}, mixed), mixed, "content", "repeatingFormsEvents", "format", "csv")
	want := [][]string{{"event_name", "form_name", "custom_form_label"}, {"visit_1_arm_1", "form_2", "[redcap_repeat_instance]"}, {"visit_2_arm_1", "", ""}}
	if d := cmp.Diff(want, csvRows(t, body)); d != "" {
		t.Error(d)
	}
	classic := Synthetic(Spec{Kind: Repeating, Records: 1})
	_, body = ask(t, serve(Options{}, classic), classic, "content", "repeatingFormsEvents", "format", "csv")
	if rows := csvRows(t, body); !slices.Equal(rows[0], []string{"form_name", "custom_form_label"}) || rows[1][0] != "form_2" {
		t.Error(rows)
	}
	classic.Rights(func(u *User) { u.Design = false })
	if code, body := ask(t, serve(Options{}, classic), classic, "content", "repeatingFormsEvents", "format", "json"); code != 400 || !strings.Contains(body, "Project Design") {
		t.Errorf("without the right: %d %s", code, body)
	}
}

func TestEventNamesAreCutAt18AndGetALetterOnCollision(t *testing.T) {
	p := Synthetic(Spec{Kind: Longitudinal, Records: 1})
	for _, c := range []struct{ name, want string }{
		{"Deadline to opt out of study", "deadline_to_opt_ou_arm_2"},
		{"Testing long name first", "testing_long_name_arm_2"},
		{"Testing long name fine", "testing_long_name_arm_2b"},
	} {
		got, err := p.AddEvent(c.name, 2)
		if err != nil || !strings.HasPrefix(got, c.want[:15]) {
			t.Errorf("%s: %s, %v", c.name, got, err)
		}
		t.Log(got)
	}
}

func TestPeopleAreListedByRight(t *testing.T) {
	p := Synthetic(Spec{Records: 1, DAGs: 2})
	p.AddUser(&User{Name: "nurse", DAG: "site_a", Forms: map[string]int{"form_1": ExportDeidentified}})
	s := serve(Options{}, p)
	_, body := ask(t, s, p, "content", "userDagMapping", "format", "csv")
	if !strings.Contains(body, "nurse,site_a") {
		t.Error(body)
	}
	_, body = ask(t, s, p, "content", "user", "format", "csv")
	if !strings.Contains(body, "form_1:2") {
		t.Error(body)
	}
	p.Rights(func(u *User) { u.UserRights, u.DAGs = false, false })
	for _, content := range []string{"user", "userRole", "dag"} {
		if code, _ := ask(t, s, p, "content", content); code != 400 {
			t.Errorf("%s without the right: %d", content, code)
		}
	}
	p.Rights(func(u *User) { u.DAGs, u.DAG = true, "site_a" })
	if code, body := ask(t, s, p, "content", "dag"); code != 400 || !strings.Contains(body, "because you have been assigned") {
		t.Errorf("bound to a group: %d %s", code, body)
	}
}
