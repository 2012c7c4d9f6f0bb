package redcap

import (
	"crypto/sha256"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// withFile is a project with a file field that repeats, one that identifies, and one that does neither.
func withFile(t *testing.T) *Project {
	t.Helper()
	p := Synthetic(Spec{Kind: Mixed, Records: 3, Fields: 9, Empty: -1})
	do(t, p.AddField(Field{Name: "scan", Form: "form_2", Type: "file"}))
	do(t, p.AddField(Field{Name: "passport", Form: "form_3", Type: "file", Identifier: "y"}))
	return p
}

func TestFilesComeWithTheirNameInTheHeader(t *testing.T) {
	p := withFile(t)
	at := Place{Event: "visit_1_arm_1", Instrument: "form_2", Instance: 2}
	do(t, p.AddFile("1", at, "scan", "böse; name.jpg", []byte("bytes")))
	for rule, want := range map[FileNameRule]string{
		NameQuoted: `image/jpeg; name="böse; name.jpg"`, NameWithCharset: `image/jpeg; name="böse; name.jpg";charset=UTF-8`,
		NameSingle: `image/jpeg; name='böse; name.jpg'`, NameBare: `image/jpeg; name=böse; name.jpg`, NameAbsent: "image/jpeg",
	} {
		s := serve(Options{FileNames: rule}, p)
		w := post(t, s, p.Token(), "content", "file", "action", "export", "record", "1", "field", "scan", "event", "visit_1_arm_1", "repeat_instance", "2")
		if got := w.Header().Get("Content-Type"); w.Code != 200 || got != want || w.Body.String() != "bytes" {
			t.Errorf("rule %d: %d %q %q", rule, w.Code, got, w.Body)
		}
	}
	if sum, ok := p.Digest("1", at, "scan"); !ok || sum != sha256.Sum256([]byte("bytes")) {
		t.Error("not the digest of the bytes")
	}
	if v, _ := p.Value("1", at, "scan"); v != "böse; name.jpg" {
		t.Error(v)
	}
}

func TestFilesThatAreNotThereAreRefusedInWords(t *testing.T) {
	p := withFile(t)
	do(t, p.AddFile("1", Place{Event: "final_visit_arm_1"}, "passport", "p.pdf", nil))
	s := serve(Options{}, p)
	get := func(pairs ...string) (int, string) {
		return ask(t, s, p, append([]string{"content", "file", "action", "export", "returnFormat", "csv"}, pairs...)...)
	}
	for want, pairs := range map[string][]string{
		"ERROR: The field 'name_1' does not exist or is not a 'file' field":           {"record", "1", "field", "name_1"},
		`ERROR: The record "-1" does not exist`:                                       {"record", "-1", "field", "scan", "event", "visit_1_arm_1"},
		"ERROR: There is no file to download for this record":                         {"record", "1", "field", "scan", "event", "visit_1_arm_1", "repeat_instance", "99"},
		`ERROR: The following values in the parameter "event" are not valid: ''`:      {"record", "1", "field", "scan"},
		`ERROR: The following values in the parameter "action" are not valid: 'list'`: {"action", "list"},
	} {
		if code, body := get(pairs...); code != 400 || body != want {
			t.Errorf("%v: %d %s", pairs, code, body)
		}
	}
	passport := []string{"record", "1", "field", "passport", "event", "final_visit_arm_1"}
	if code, _ := get(passport...); code != 200 {
		t.Errorf("with all rights: %d", code)
	}
	for _, right := range []int{ExportNone, ExportDeidentified, ExportWithoutIdentifer} {
		p.Rights(func(u *User) { u.Forms["form_3"] = right })
		if code, _ := get(passport...); code != 400 {
			t.Errorf("export right %d: %d", right, code)
		}
	}
}

func TestTheLogTellsUploadsAndOnlySavedOnesToTheDateRange(t *testing.T) {
	p := withFile(t)
	s, now := clocked(t, p, Options{}, "UTC")
	at := Place{Event: "visit_1_arm_1", Instrument: "form_2", Instance: 1}
	seen := func() string {
		return names(t, s, p, "dateRangeBegin", now.Add(-1).Format("2006-01-02 15:04:05"))
	}
	do(t, p.AddFile("1", at, "scan", "a.jpg", []byte("1")))
	if got := seen(); got != "1" {
		t.Errorf("saved: %q", got)
	}
	*now = now.Add(3600e9)
	do(t, p.ReplaceFile("1", at, "scan", "a.jpg", []byte("2")))
	if got := seen(); got != "" {
		t.Errorf("replaced under the same name: %q", got)
	}
	*now = now.Add(3600e9)
	do(t, p.RemoveFile("1", at, "scan"))
	var actions []string
	for _, e := range p.Log() {
		if e.RecordID == "1" {
			actions = append(actions, e.Action)
		}
	}
	want := []string{"Uploaded Document 1", "Update record 1", "Uploaded Document 1", "Deleted Document 1", "Update record 1"}
	if d := cmp.Diff(want, actions); d != "" {
		t.Error(d)
	}
	if _, ok := p.Digest("1", at, "scan"); ok {
		t.Error("the file is still there")
	}
}

func TestOlderServersShowDocumentInPlaceOfTheName(t *testing.T) {
	p := small()
	do(t, p.AddField(Field{Name: "scan", Form: "form_1", Type: "file"}))
	do(t, p.AddFile("1", Place{}, "scan", "a.jpg", nil))
	for on, want := range map[bool]string{true: "[document]", false: "a.jpg"} {
		if got := records(t, serve(Options{Documents: on}, p), p, "records[0]", "1")[0]["scan"]; got != want {
			t.Errorf("%v: %v", on, got)
		}
	}
}

func TestTheFileRepositoryIsListedFolderByFolder(t *testing.T) {
	p := Synthetic(Spec{Records: 1, Fields: 4, DAGs: 2})
	s := serve(Options{Version: "17.0.3"}, p)
	state, err := p.AddRepositoryFolder(0, "the-state", "", "")
	do(t, err)
	inner, err := p.AddRepositoryFolder(state, "inner", "", "site_a")
	do(t, err)
	for _, name := range []string{"mugshot-1.jpg", "mugshot-2.jpg"} {
		_, err = p.AddRepositoryFile(0, name, []byte(name))
		do(t, err)
	}
	_, err = p.AddRepositoryFile(state, "levon-and-barry.jpg", []byte("levon"))
	do(t, err)
	list := func(pairs ...string) [][]string {
		_, body := ask(t, s, p, append([]string{"content", "fileRepository", "action", "list", "format", "csv"}, pairs...)...)
		return csvRows(t, body)
	}
	want, err := readCSV(filepath.Join(fixtures(t), "redcapr-filerepo", "list-root.csv"))
	do(t, err)
	if got := list(); len(got) != 4 || cmp.Diff(want[:2], got[:2]) != "" || got[2][2] != want[2][2] {
		t.Errorf("root: %v", got)
	}
	rows := list("folder_id", "1")
	if len(rows) != 3 || rows[1][4] != "site_a" || rows[2][2] != "levon-and-barry.jpg" {
		t.Errorf("folder: %v", rows)
	}
	w := post(t, s, p.Token(), "content", "fileRepository", "action", "export", "doc_id", rows[2][1])
	if w.Body.String() != "levon" || !strings.Contains(w.Header().Get("Content-Type"), `name="levon-and-barry.jpg"`) {
		t.Errorf("%v %s", w.Header(), w.Body)
	}
	code, body := ask(t, s, p, "content", "fileRepository", "action", "list", "folder_id", "99", "format", "csv")
	if code != 400 || body != "ERROR: The File Repository folder folder_id=99 does not exist or else you do not have permission to that folder because it is DAG-restricted or Role-restricted." {
		t.Errorf("%d %s", code, body)
	}
	p.Rights(func(u *User) { u.DAG = "site_b" })
	if got := list("folder_id", "1"); len(got) != 2 {
		t.Errorf("a folder of another group is listed: %v", got)
	}
	if code, _ := ask(t, s, p, "content", "fileRepository", "action", "list", "folder_id", "2"); code != 400 || inner != 2 {
		t.Errorf("a folder of another group: %d", code)
	}
	s.Upgrade("14.9.1")
	if got := list(); len(got[0]) != 3 {
		t.Errorf("columns of 14.9.1: %v", got[0])
	}
	s.Upgrade("12.4.0")
	if code, _ := ask(t, s, p, "content", "fileRepository", "action", "list"); code != 501 {
		t.Errorf("12.4: %d", code)
	}
}

func TestReportsAreFlatRowsOfTheirOwnFields(t *testing.T) {
	p, dir := recordedProject(t, "redcapr-simple")
	s := serve(Options{}, p)
	want, err := readCSV(filepath.Join(dir, "..", "redcapr-report", "report-default.csv"))
	do(t, err)
	_, body := ask(t, s, p, "content", "report", "format", "csv", "report_id", "", "type", "eav")
	if !strings.Contains(body, "report_id") {
		t.Errorf("no id: %s", body)
	}
	id := p.reports[0].ID
	export := func() [][]string {
		_, body := ask(t, s, p, "content", "report", "format", "csv", "report_id", text(id), "type", "eav")
		return csvRows(t, body)
	}
	got := export()
	squeeze(want)
	squeeze(got)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-recorded +answered)\n%s", d)
	}
	do(t, p.ChangeReport(id, func(r *Report) { r.Fields, r.Logic = []string{"ethnicity", "height"}, "[record_id] > 3" }))
	if got := export(); len(got) != 3 || strings.Join(got[0], " ") != "ethnicity height" {
		t.Errorf("without the record id: %v", got)
	}
	do(t, p.RenameField("height", "tall"))
	if got := export(); strings.Join(got[0], " ") != "ethnicity tall" {
		t.Errorf("a renamed field: %v", got[0])
	}
	do(t, p.ChangeReport(id, func(r *Report) { r.Users = []string{"somebody"} }))
	if code, _ := ask(t, s, p, "content", "report", "report_id", text(id)); code != 403 {
		t.Errorf("without access: %d", code)
	}
	do(t, p.RemoveReport(id))
	if code, _ := ask(t, s, p, "content", "report", "report_id", text(id)); code != 400 {
		t.Errorf("removed: %d", code)
	}
}

func TestReportsHaveGroupsAndTimestampsIfTheySaySo(t *testing.T) {
	p := Synthetic(Spec{Records: 4, Fields: 8, DAGs: 1, Surveys: true})
	s := serve(Options{}, p)
	id := p.AddReport(Report{Title: "All", Fields: []string{"record_id", "int_2"}, DAGs: true, Survey: true})
	_, body := ask(t, s, p, "content", "report", "format", "csv", "report_id", text(id))
	if got := strings.Join(csvRows(t, body)[0], " "); got != "record_id redcap_data_access_group redcap_survey_identifier form_1_timestamp int_2" {
		t.Error(got)
	}
}
