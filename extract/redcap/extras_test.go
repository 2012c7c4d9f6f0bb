package redcap

import (
	"bytes"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"syncd/extract"
	fake "syncd/internal/fake/redcap"
)

// canned is what a server answers in place of the fake.
type canned struct {
	status int // 200 where 0
	header map[string]string
	body   string
}

// replay serves a project, save for the calls that answer takes over.
func replay(t testing.TB, p *fake.Project, o fake.Options, answer func(url.Values) *canned) string {
	t.Helper()
	server := fake.NewServer(o)
	server.Add(p)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		form, bad := url.ParseQuery(string(body))
		if err != nil || bad != nil {
			t.Error("a request that is no form")
		}
		if c := answer(form); c != nil {
			for k, v := range c.header {
				w.Header().Set(k, v)
			}
			if c.status != 0 {
				w.WriteHeader(c.status)
			}
			_, _ = io.WriteString(w, c.body)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		server.ServeHTTP(w, r)
	}))
	t.Cleanup(web.Close)
	return web.URL + "/api/"
}

// asJSON is a recorded CSV as the server writes it in JSON: numbers where numbers names the column and there is one.
func asJSON(t testing.TB, path string, numbers ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(fixtures(t), path))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	list := []map[string]any{}
	for _, row := range rows[1:] {
		o := map[string]any{}
		for i, name := range rows[0] {
			o[name] = row[i]
			if slices.Contains(numbers, name) && row[i] != "" {
				o[name] = json.Number(row[i])
			}
		}
		list = append(list, o)
	}
	out, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// rows returns the rows of a table by key, its parts joined by bars.
func (s *store) rows(table string) map[string]map[string]string {
	out := map[string]map[string]string{}
	if s.tables[table] == nil {
		return out
	}
	for key, row := range s.tables[table].rows {
		out[strings.ReplaceAll(key, "\x00", "|")] = row
	}
	return out
}

func wantRows(t testing.TB, s *store, table string, want map[string]map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, s.rows(table)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", table, diff)
	}
}

func wantWarning(t testing.TB, warnings []string, words ...string) {
	t.Helper()
	n := 0
	for _, w := range warnings {
		if !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(w, word) }) {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d warnings with %q among %q, want 1", n, words, warnings)
	}
}

// everything pulls all that can be named.
func everything(o *Options) {
	o.Pull = []string{pullRecords, pullGroups, pullUsers, pullParticipants, pullFiles, pullRepository}
	o.Files = filesContents
}

func pulls(names ...string) func(*Config) {
	return options(Options{Pull: append([]string{pullRecords, pullGroups}, names...)})
}

func TestWhatPullNamesAndWhatItImplies(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		options Options
		want    []string
	}{
		{Options{}, []string{"records", "dags"}},
		{Options{Pull: []string{"records"}}, []string{"records"}},
		{Options{Files: "names"}, []string{"records", "dags", "files"}},
		{Options{Pull: []string{"records"}, Files: "contents"}, []string{"records", "files"}},
		{Options{Pull: []string{"users"}, Reports: []int{12}}, []string{"users", "reports"}},
		{Options{Pull: []string{"log.details"}}, []string{"log", "log.details"}},
	} {
		var got []string
		for _, name := range pullable() {
			if test.options.pulls(name) {
				got = append(got, name)
			}
		}
		if key, reason := test.options.Check(); key != "" || !cmp.Equal(test.want, got) {
			t.Errorf("%+v pulls %q, want %q; %s %s", test.options, got, test.want, key, reason)
		}
	}
}

func TestOptionsThatContradictEachOtherAreRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		options Options
		want    string
	}{
		{Options{Pull: []string{"recrods"}}, `pull names "recrods"; known are records, dags, users, log, log.details, participants, files, file_repository, reports`},
		{Options{Pull: []string{"records", "files", "files"}}, `pull names "files" twice`},
		{Options{Pull: []string{"reports"}}, `pull names "reports", and no key says which; write for instance reports = [12]: the id is in a report's address in REDCap`},
		{Options{Reports: []int{12, 0}}, "reports holds 0, which is no report's id: that is in the report's address in REDCap"},
		{Options{Reports: []int{12, 12}}, "reports names 12 twice"},
		{Options{Files: "all"}, `files is "all"; known are names, contents`},
		{Options{Pull: []string{"dags"}, Files: "names"}, `files asks for files where records are not pulled: the names of files stand in the records; add "records" to pull`},
		{Options{Pull: []string{"files"}}, `pull asks for files where records are not pulled: the names of files stand in the records; add "records" to pull`},
		{Options{Identifiers: "drop"}, `identifiers is "drop"; known are load, skip`},
	} {
		if key, reason := test.options.Check(); key+" "+reason != test.want {
			t.Errorf("%+v: %s %s, want %s", test.options, key, reason, test.want)
		}
	}
}

// forbidden are contents and actions that write, or that hand out or make a credential.
func forbidden(r fake.Request) bool {
	switch r.Content {
	case "pdf", "surveyLink", "surveyQueueLink", "surveyReturnCode", "surveyAccessCode", "generateNextRecordName", "project_settings":
		return true
	}
	return r.Params.Has("data") || !slices.Contains([]string{"", "export", "list"}, r.Params.Get("action"))
}

func TestNothingThatWritesOrHandsOutCredentialsIsEverCalled(t *testing.T) {
	t.Parallel()
	for _, kind := range []fake.SpecKind{fake.Classic, fake.Longitudinal, fake.Mixed} {
		p := small(kind, 20)
		id := p.AddReport(fake.Report{Title: "All", Fields: []string{"record_id"}})
		server, url := serve(t, fake.Options{}, p)
		o := Options{Reports: []int{id}}
		everything(&o)
		o.Pull = append(o.Pull, pullReports, pullLog, pullLogDetails)
		s := newStore(t)
		mustPull(t, source(t, url, p.Token(), options(o)), s)
		if err := server.ReadOnly(); err != nil {
			t.Error(err)
		}
		called := map[string]bool{}
		for _, r := range server.Requests() {
			called[r.Content] = true
			if forbidden(r) {
				t.Errorf("content %q, action %q was called", r.Content, r.Params.Get("action"))
			}
		}
		for _, content := range []string{"user", "userRole", "userRoleMapping", "userDagMapping", "participantList", "report", "fileRepository", "project_xml", "log"} {
			if !called[content] {
				t.Errorf("content %q was not called: the test shows nothing of it", content)
			}
		}
	}
}

func TestAMissingRightLeavesItsTablesAsTheyAreAndOneLineSaysSo(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(*fake.User)
		pull   string
		tables []string
		words  []string
	}{
		{"user rights", func(u *fake.User) { u.UserRights = false }, pullUsers, []string{"redcap_user", "redcap_user_role", "redcap_user_role_assignment"}, []string{"User Rights right is missing"}},
		{"groups", func(u *fake.User) { u.DAGs = false }, pullUsers, []string{"redcap_user_dag"}, []string{"redcap_user_dag", "Data Access Groups right is missing"}},
		{"survey tools", func(u *fake.User) { u.SurveyTools = false }, pullParticipants, []string{"redcap_survey_participant"}, []string{"Survey Distribution Tools right is missing"}},
		{"file repository", func(u *fake.User) { u.FileRepository = false }, pullRepository, []string{"redcap_file_repository"}, []string{"File Repository right is missing"}},
		{"design", func(u *fake.User) { u.Design = false }, pullReports, []string{"redcap_report"}, []string{"Project Design and Setup", "surveys"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := small(fake.Classic, 5)
			everythingIn(t, p)
			id := p.AddReport(fake.Report{Title: "All", Fields: []string{"record_id"}})
			_, url := serve(t, fake.Options{}, p)
			o := Options{Pull: []string{pullRecords, pullGroups, test.pull}}
			if test.pull == pullReports {
				o.Reports = []int{id}
			}
			s := newStore(t)
			mustPull(t, source(t, url, p.Token(), options(o)), s)
			before := map[string]map[string]map[string]string{}
			for _, table := range test.tables {
				if before[table] = s.rows("_meta." + table); len(before[table]) == 0 {
					t.Errorf("%s has no row: the test shows nothing", table)
				}
			}
			p.Rights(test.change)
			structure, _ := mustPull(t, source(t, url, p.Token(), options(o)), s)
			for _, table := range test.tables {
				if diff := cmp.Diff(before[table], s.rows("_meta."+table)); diff != "" {
					t.Errorf("%s changed (-before +after):\n%s", table, diff)
				}
				if !slices.ContainsFunc(structure.Tables, func(t *extract.Table) bool { return t.Name == table }) {
					t.Errorf("%s is not declared any more, and would be taken for gone", table)
				}
			}
			for _, w := range structure.Warnings {
				if !slices.ContainsFunc(test.words, func(word string) bool { return !strings.Contains(w, word) }) {
					return
				}
			}
			t.Errorf("no warning has %q: %q", test.words, structure.Warnings)
		})
	}
}

// everythingIn gives a project one of each thing that is pulled by name.
func everythingIn(t testing.TB, p *fake.Project) {
	t.Helper()
	role := p.AddRole(fake.Role{Label: "Reader", As: fake.FullRights("reader")})
	p.AddUser(fake.FullRights("reader"))
	if err := p.BindUserToRole("reader", role); err != nil {
		t.Fatal(err)
	}
	if err := p.AddParticipant("form_1", "", fake.Participant{Email: "a@example.edu"}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.AddRepositoryFile(0, "protocol.pdf", []byte("%PDF")); err != nil {
		t.Fatal(err)
	}
}

func TestCheckShowsWhatTheTokenMayNotRead(t *testing.T) {
	t.Parallel()
	p := small(fake.Classic, 3)
	_, url := serve(t, fake.Options{}, p)
	p.Rights(func(u *fake.User) { u.UserRights, u.FileRepository, u.SurveyTools = false, false, false })
	o := Options{}
	everything(&o)
	var seen []string
	for _, f := range source(t, url, p.Token(), options(o)).Check(t.Context()) {
		if f.What == "rights" {
			seen = append(seen, f.Detail)
		}
		if !f.OK && !f.Warning {
			t.Errorf("%s failed: %s", f.What, f.Detail)
		}
	}
	for _, table := range []string{"redcap_user was", "redcap_user_role was", "redcap_user_role_assignment was", "redcap_survey_participant was", "redcap_file_repository was"} {
		wantWarning(t, seen, table)
	}
}

func TestATokenThatGoesAwayOrAServerThatIsDownIsNoMissingRight(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]*canned{
		"token":   {status: http.StatusForbidden, body: `{"error":"You do not have permissions to use the API"}`},
		"ban":     {status: http.StatusForbidden, body: "<!DOCTYPE html><html>banned</html>"},
		"down":    {status: http.StatusServiceUnavailable, body: "down"},
		"offline": {body: "<html>REDCap is offline</html>"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := small(fake.Classic, 3)
			url := replay(t, p, fake.Options{}, func(form url.Values) *canned {
				if form.Get("content") == "user" {
					return c
				}
				return nil
			})
			_, err := source(t, url, p.Token(), pulls(pullUsers)).Describe(t.Context(), extract.Since{})
			if err == nil {
				t.Error("it was taken for a right that is missing")
			}
		})
	}
}

func sha2(sum [32]byte) string { return hex.EncodeToString(sum[:]) }

func itoa(n int) string { return strconv.Itoa(n) }

func atoi(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	out, err := hex.DecodeString(strings.TrimPrefix(text, `\x`))
	if err != nil {
		t.Error(err)
	}
	return out
}
