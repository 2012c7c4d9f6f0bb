package redcap

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLabelsAndDataPointsAreExportedAsRecorded(t *testing.T) {
	p, dir := recordedProject(t, "redcapr-blank-for-gray-status")
	if err := p.Delete("6"); err != nil { // what the simple project does not have
		t.Fatal(err)
	}
	s := serve(Options{}, p)
	for file, pairs := range map[string][]string{
		"records-label.csv":          {"rawOrLabel", "label"},
		"records-checkbox-label.csv": {"rawOrLabel", "label", "exportCheckboxLabel", "true"},
		"records-raw-dag.csv":        {"exportDataAccessGroups", "true"},
	} {
		want, err := readCSV(filepath.Join(dir, "..", "redcapr-simple", file))
		if err != nil {
			t.Fatal(err)
		}
		_, body := ask(t, s, p, append([]string{"content", "record", "format", "csv"}, pairs...)...)
		got := csvRows(t, body)
		squeeze(want)
		squeeze(got)
		if d := cmp.Diff(without(want, "interpreter_needed"), without(got, "interpreter_needed")); d != "" {
			t.Errorf("%s (-recorded +answered):\n%s", file, d) // the left-out field was read as a logical by the recorder
		}
	}
	want, err := readCSV(filepath.Join(dir, "..", "redcapr-simple", "records-eav.csv"))
	if err != nil {
		t.Fatal(err)
	}
	_, body := ask(t, s, p, "content", "record", "format", "csv", "type", "eav")
	got := csvRows(t, body)
	squeeze(want)
	squeeze(got)
	if d := cmp.Diff(points(want), points(got)); d != "" {
		t.Errorf("data points (-recorded +answered):\n%s", d)
	}
}

// squeeze makes runs of white space one space: the served recording was saved without line breaks.
func squeeze(rows [][]string) {
	for _, r := range rows {
		for i := range r {
			r[i] = strings.Join(strings.Fields(r[i]), " ")
		}
	}
}

func without(rows [][]string, column string) [][]string {
	at := -1
	for i, h := range rows[0] {
		if h == column {
			at = i
		}
	}
	for i, r := range rows {
		rows[i] = append(append([]string{}, r[:at]...), r[at+1:]...)
	}
	return rows
}

// points are data points without order; a file's value was recorded as its document id.
func points(rows [][]string) map[string]bool {
	out := map[string]bool{}
	for _, r := range rows {
		if r[1] != "mugshot" {
			out[strings.Join(r, "|")] = true
		}
	}
	return out
}

func TestUntickedBoxesAreZeroOnlyBesideSomethingFilled(t *testing.T) {
	p := small()
	if err := p.AddRecord("new", nil); err != nil {
		t.Fatal(err)
	}
	s := serve(Options{}, p)
	alone := []string{"records[0]", "new", "fields[0]", "record_id", "fields[1]", "race_8"}
	if got := records(t, s, p, alone...)[0]["race_8___1"]; got != "" {
		t.Errorf("nothing asked for is filled: %q", got)
	}
	if err := p.Set("new", "", "", 0, "agree_7", "1"); err != nil {
		t.Fatal(err)
	}
	if got := records(t, s, p, append(alone, "fields[2]", "agree_7")...)[0]["race_8___1"]; got != "0" {
		t.Errorf("beside a filled field: %q", got)
	}
	if got := records(t, s, p, alone...)[0]["race_8___1"]; got != "" {
		t.Errorf("the filled field is not asked for: %q", got)
	}
}

func TestFormsThatDoNotBelongToARowAreBlank(t *testing.T) {
	p := Synthetic(Spec{Kind: Mixed, Records: 40, Fields: 12, Empty: -1})
	seen := map[string]bool{}
	for _, r := range records(t, serve(Options{}, p), p) {
		event, form, instance := r["redcap_event_name"].(string), r["redcap_repeat_instrument"].(string), r["redcap_repeat_instance"]
		if _, number := instance.(float64); !number && instance != "" {
			t.Fatalf("instance %v is neither a number nor blank", instance)
		}
		seen[event+" "+form] = true
		status := func(n string) string { return r["form_"+n+"_complete"].(string) }
		switch {
		case event == "enrollment_arm_1" && (status("2") != "" || status("1") == ""),
			form == "form_2" && (status("2") == "" || status("3") != ""),
			event == "visit_1_arm_1" && form == "" && status("2") != "",
			event == "visit_2_arm_1" && (form != "" || instance == "" || status("2") == ""):
			t.Errorf("%v", r)
		}
	}
	if len(seen) != 5 {
		t.Errorf("only %v", seen)
	}
}

func TestTheRecordIDComesOnlyIfAskedFor(t *testing.T) {
	p := small()
	s := serve(Options{}, p)
	if r := records(t, s, p, "fields[0]", "int_2")[0]; r["record_id"] != nil || r["int_2"] == nil {
		t.Error(r)
	}
	if r := records(t, s, p, "forms[0]", "form_1")[0]; r["record_id"] != "1" || r["form_1_complete"] == nil || r["form_2_complete"] != nil {
		t.Error(r)
	}
}

func TestRepeatColumnsNeedSomethingRepeatingAskedFor(t *testing.T) {
	p := Synthetic(Spec{Kind: Repeating, Records: 30, Fields: 9})
	s := serve(Options{}, p)
	ids := records(t, s, p, "fields[0]", "record_id")
	if len(ids) != 30 || ids[0]["redcap_repeat_instance"] != nil {
		t.Errorf("%d rows: %v", len(ids), ids[0])
	}
	if rows := records(t, s, p, "fields[0]", "record_id", "forms[0]", "form_2"); len(rows) <= 30 || rows[0]["redcap_repeat_instance"] == nil {
		t.Errorf("%d rows: %v", len(rows), rows[0])
	}
}

func TestMissingDataCodesMakeCheckboxColumns(t *testing.T) {
	p := Synthetic(Spec{Records: 3, Fields: 8, Missing: true})
	if err := p.Set("1", "", "", 0, "race_8(UNK)", "1"); err != nil {
		t.Fatal(err)
	}
	if err := p.Set("1", "", "", 0, "dob_4", "NI"); err != nil {
		t.Fatal(err)
	}
	s := serve(Options{}, p)
	r := records(t, s, p)[0]
	if r["race_8___unk"] != "1" || r["race_8___ni"] == nil || r["race_8____99"] == nil || r["dob_4"] != "NI" || r["race_8____77"] == nil {
		t.Error(r)
	}
	if r := records(t, s, p, "rawOrLabel", "label")[0]; r["dob_4"] != "No information" {
		t.Error(r["dob_4"])
	}
	_, names := ask(t, s, p, "content", "exportFieldNames", "format", "csv", "field", "race_8")
	if !strings.Contains(names, "race_8,UNK,race_8___unk") || !strings.Contains(names, "race_8,-99,race_8____99") {
		t.Error(names)
	}
}

func TestGroupsAreExportedToThoseWhoMaySeeThem(t *testing.T) {
	p := Synthetic(Spec{Records: 60, Fields: 4, DAGs: 2})
	s := serve(Options{}, p)
	all := records(t, s, p, "exportDataAccessGroups", "true")
	count := map[any]int{}
	for _, r := range all {
		count[r["redcap_data_access_group"]]++
	}
	if len(all) != 60 || count["site_a"] == 0 || count[""] == 0 {
		t.Error(count)
	}
	p.Rights(func(u *User) { u.DAG = "site_a" })
	bound := records(t, s, p, "exportDataAccessGroups", "true")
	if len(bound) != count["site_a"] || bound[0]["redcap_data_access_group"] != nil {
		t.Errorf("bound: %d rows of %d, %v", len(bound), count["site_a"], bound[0])
	}
	p.Rights(func(u *User) { u.DAG, u.DAGs = "", false })
	if code, body := ask(t, s, p, "content", "record", "format", "json", "exportDataAccessGroups", "true"); code != 400 || !strings.Contains(body, "'Data Access Groups' privileges") {
		t.Errorf("without the right: %d %s", code, body)
	}
}

func TestMissingRightsRemoveColumnsInSilence(t *testing.T) {
	p := Synthetic(Spec{Records: 3, Fields: 12, Forms: 2})
	s := serve(Options{}, p)
	p.Rights(func(u *User) { u.Forms["form_2"] = ExportNone })
	if r := records(t, s, p)[0]; r["form_2_complete"] != nil || r["form_1_complete"] == nil || r["name_1"] == nil {
		t.Error(r)
	}
	p.Rights(func(u *User) { u.Forms["form_1"] = ExportWithoutIdentifer })
	if r := records(t, s, p)[0]; r["name_1"] != nil || r["record_id"] != "1" {
		t.Error(r)
	}
	plain := records(t, s, p)[0]["dob_4"]
	p.Rights(func(u *User) { u.Forms["form_1"] = ExportDeidentified })
	r := records(t, s, p)[0]
	if len(r["record_id"].(string)) != 32 || r["dob_4"] == plain {
		t.Error(r)
	}
	if rows := records(t, s, p, "records[0]", r["record_id"].(string)); len(rows) != 0 {
		t.Error("a hash is not a record's name")
	}
}

func TestDecimalCharacterMakesNumbersAlike(t *testing.T) {
	p, _ := recordedProject(t, "redcapr-decimal-comma-and-dot")
	s := serve(Options{}, p)
	for decimal, want := range map[string]string{"": "1.54 1,54 22.1", ".": "1.54 1.54 22.1", ",": "1,54 1,54 22,1"} {
		r := records(t, s, p, "decimalCharacter", decimal)[0]
		if got := strings.Join([]string{r["height_dot"].(string), r["height_comma"].(string), r["bmi"].(string)}, " "); got != want {
			t.Errorf("%q: %s, not %s", decimal, got, want)
		}
	}
}

func TestFilterLogicIsPerRow(t *testing.T) {
	p, _ := recordedProject(t, "redcapr-repeating-instruments")
	s := serve(Options{}, p)
	for logic, want := range map[string]int{
		`[bp_systolic] > 110`: 3, `[bp_systolic] >= 111 and [bp_diastolic] < 102`: 1, `[record_id] = '2'`: 2,
		`([sex] = "0" or [sex]='1') and not ([record_id] = 2)`: 1, `[event_1_arm_1][first_name] = 'bbb'`: 1, `[dob] <> ''`: 2,
	} {
		if got := len(records(t, s, p, "filterLogic", logic)); got != want {
			t.Errorf("%s: %d rows, not %d", logic, got, want)
		}
	}
	if code, _ := ask(t, s, p, "content", "record", "format", "json", "filterLogic", "[a = 1"); code != 400 {
		t.Errorf("bad logic: %d", code)
	}
	if rows := records(t, serve(Options{BadLogic: LogicNothing}, p), p, "filterLogic", "[a = 1"); len(rows) != 0 {
		t.Error(rows)
	}
}

func TestEventsFilterKeepsColumnsOfOtherEvents(t *testing.T) {
	p, _ := recordedProject(t, "redcapr-longitudinal")
	s := serve(Options{}, p)
	rows := records(t, s, p, "events[0]", "dose_1_arm_1")
	if len(rows) == 0 || rows[0]["first_name"] == nil || rows[0]["redcap_event_name"] != "dose_1_arm_1" {
		t.Error(rows)
	}
	if code, _ := ask(t, s, p, "content", "record", "format", "json", "events[0]", "nowhere_arm_1"); code != 400 {
		t.Errorf("unknown event: %d", code)
	}
}

func TestUnknownRecordsAreIgnored(t *testing.T) {
	p := small()
	if got := names(t, serve(Options{}, p), p, "records[0]", "3", "records[1]", "nobody", "records[2]", "03"); got != "3" {
		t.Error(got)
	}
}

func TestBrokenBytesGoOutAsTheyAre(t *testing.T) {
	p := small()
	if err := p.Set("1", "", "", 0, "name_1", "caf\xe9 \x00"); err != nil {
		t.Fatal(err)
	}
	s := serve(Options{}, p)
	for format, want := range map[string]string{"csv": "caf\xe9 \x00", "json": "caf\xe9 \\u0000"} {
		if _, body := ask(t, s, p, "content", "record", "format", format, "records[0]", "1"); !strings.Contains(body, want) {
			t.Errorf("%s: %q", format, body)
		}
	}
}
