package main

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	fake "syncd/internal/fake/redcap"
	"syncd/internal/pgtest"
	"syncd/migrations"
)

// dump is everything that a database holds, as its own program writes it.
func dump(t *testing.T, database string) []byte {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/pg_dump")
	tool := "pg_dump"
	if err == nil && len(found) > 0 {
		tool = found[len(found)-1]
	}
	if bin := os.Getenv("SYNCD_PG_BIN"); bin != "" {
		tool = filepath.Join(bin, "pg_dump")
	}
	var said bytes.Buffer
	cmd := exec.Command(tool, "--dbname", pgtest.Super(database))
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("pg_dump: %v\n%s", err, said.String())
	}
	return out
}

// shows lists the canaries that a dump shows, in whatever dress.
func shows(c *canaries, text []byte) []string {
	c.sinks = map[string]*bytes.Buffer{}
	c.sink("dump").Write(text)
	found, _ := c.hits()
	return found
}

// purgeScene is a project with a person who has to go, and everything that may hold something of the person.
type purgeScene struct {
	t        *testing.T
	c        *canaries
	project  *fake.Project
	database string
	dir      string
	server   string
	stdin    string
	ahead    atomic.Int64 // of the server's clock, in minutes
}

func (s *purgeScene) clock() time.Time {
	return time.Now().Add(time.Duration(s.ahead.Load()) * time.Minute)
}

func newPurgeScene(t *testing.T) *purgeScene {
	t.Helper()
	s := &purgeScene{t: t, c: &canaries{texts: map[string]string{}, sinks: map[string]*bytes.Buffer{}}, database: pgtest.New(t), dir: t.TempDir()}
	s.project = fake.Synthetic(fake.Spec{Kind: fake.Mixed, Records: 40, Fields: 12, Forms: 3, ID: 7, Title: "Ward", Surveys: true})
	server := fake.NewServer(fake.Options{Clock: s.clock})
	server.Add(s.project)
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	s.write("token", s.project.Token())
	s.write("database", s.database)
	s.write("key", strings.Repeat("k3y", 20))
	s.server = web.URL + "/api/"
	s.configure("")
	return s
}

func (s *purgeScene) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *purgeScene) configure(more string) {
	s.write("jobs.toml", fmt.Sprintf("[postgres]\nurl = \"file:database\"\n[serve]\nadmin = \"127.0.0.1:0\"\n[redcap.main]\nurl = %q\nrequests_per_minute = 0\n"+
		"[job.ward]\nsource = \"redcap.main\"\ntoken = \"file:token\"\nfiles = \"contents\"\npull = [\"records\", \"dags\", \"log.details\", \"participants\", \"files\"]\n%s\n"+
		"[purge]\nkey = \"file:key\"\njournal = \"purges.journal\"\n", s.server, more))
}

// run runs a command and wants it to end with a code.
func (s *purgeScene) run(want int, args ...string) string {
	s.t.Helper()
	var said bytes.Buffer
	m := &Main{Args: append([]string{"-c", filepath.Join(s.dir, "jobs.toml")}, args...), Stdin: strings.NewReader(s.stdin), Stdout: &said, Stderr: &said, Now: time.Now, wait: time.Millisecond}
	if code := m.Run(s.t.Context()); code != want {
		s.t.Fatalf("%v: exit %d, want %d\n%s", args, code, want, said.String())
	}
	return said.String()
}

func (s *purgeScene) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// proven wants the last run of the job to be proven.
func (s *purgeScene) proven() {
	s.t.Helper()
	if got := scalar(s.t, s.database, "SELECT concat_ws(' ', state, verdict, verdict_reason) FROM syncd.run ORDER BY run_id DESC LIMIT 1"); got != "succeeded proven" {
		s.t.Fatalf("the last run is %s", got)
	}
}

// live lets a person come, be renamed twice, and leave traces everywhere. It returns the last name.
func (s *purgeScene) live() string {
	s.t.Helper()
	names := []string{s.c.of("name"), s.c.of("name"), s.c.of("name")}
	text, file, mail := s.c.of("value"), s.c.of("content"), s.c.of("mail")
	s.must(s.project.AddForm(fake.Form{Name: "own"}, fake.Field{Name: "o_text", Type: "notes", Label: "Text"}, fake.Field{Name: "o_file", Type: "file", Label: "File"},
		fake.Field{Name: "o_date", Type: "text", Validation: "date_ymd", Label: "Date"}))
	s.must(s.project.Designate("enrollment_arm_1", "own", true))
	s.must(s.project.AddRecord(names[0], map[string]string{"o_text": text + " of " + names[0], "o_date": s.c.of("misfit"), "own_complete": "2"}))
	s.must(s.project.AddFile(names[0], fake.Place{}, "o_file", "scan.txt", []byte("what "+file+" says")))
	s.must(s.project.AddParticipant("form_1", "enrollment_arm_1", fake.Participant{Email: mail + "@example.org", Identifier: s.c.of("identifier"), Record: names[0]}))
	s.configure(fmt.Sprintf("reports = [%d, %d]", s.project.AddReport(fake.Report{Title: "With ids", Fields: []string{"record_id", "o_text"}}),
		s.project.AddReport(fake.Report{Title: "Without ids", Fields: []string{"o_text"}})))
	s.run(exitDone, "sync", "ward")
	s.proven()
	for i, name := range names {
		statement(s.t, s.database, fmt.Sprintf(`INSERT INTO syncd.reject (job, table_name, key_hash, source_key, rule, raw, first_run_id, last_run_id) VALUES
			('ward', 'own', '00000000-0000-0000-0000-00000000000%[1]d', '%[2]s|enrollment_arm_1|1', 'refused by Postgres', '%[2]s', 1, 1),
			('ward', 'redcap_record', '00000000-0000-0000-0000-00000000001%[1]d', NULL, 'not valid text', '%[2]s', 1, 1)`, i, name))
	}
	for _, name := range names[1:] {
		s.must(s.project.Rename(last(s, names, name), name))
		s.ahead.Add(2) // the log is read by whole minutes
		s.run(exitDone, "sync", "ward")
		s.proven()
	}
	return names[2]
}

func last(s *purgeScene, names []string, next string) string {
	for i, n := range names {
		if n == next {
			return names[i-1]
		}
	}
	s.t.Fatal("no such name")
	return ""
}

func TestAPersonOfAProjectIsGoneFromTheWholeDatabaseAndStaysOut(t *testing.T) {
	s := newPurgeScene(t)
	before := s.live()
	if found := shows(s.c, dump(t, s.database)); len(found) < len(s.c.texts)-1 {
		t.Fatalf("the person is to be seen before: %d of %d\n%s", len(found), len(s.c.texts), strings.Join(found, "\n"))
	}
	yesterday := dump(t, s.database)
	others := scalar(t, s.database, "SELECT count(*) FROM ward.redcap_record")

	dry := s.run(exitDone, "purge", "--subject", "ward:"+before, "--dry-run")
	if !strings.Contains(dry, "ward.own") || !strings.Contains(dry, "ward_meta.redcap_log") {
		t.Errorf("dry run:\n%s", dry)
	}
	if found := shows(s.c, []byte(dry)); len(found) > 0 {
		t.Errorf("the dry run shows %v", found)
	}
	if found := shows(s.c, dump(t, s.database)); len(found) == 0 {
		t.Error("a dry run deleted")
	}
	s.stdin = "ward:" + before + "\nno\n"
	s.run(exitRefused, "purge", "--subject", "-")
	s.stdin = "ward:" + before + "\nyes\n"
	said := s.run(exitDone, "purge", "--subject", "-")
	if found := shows(s.c, []byte(said)); len(found) > 0 {
		t.Errorf("the purge shows %v", found)
	}
	for _, found := range shows(s.c, dump(t, s.database)) {
		t.Errorf("after the purge: %s", found)
	}
	left := scalar(t, s.database, "SELECT count(*) FROM ward.redcap_record")
	if fmt.Sprint(left) != fmt.Sprint(less(t, others, 1)) {
		t.Errorf("%s records are left of %s", left, others)
	}

	for _, args := range [][]string{{"sync", "ward"}, {"sync", "--full", "ward"}, {"backfill", "ward"}, {"backfill", "ward", "--from", "2026-01-01", "--chunk", "5"}, {"sync", "ward"}} {
		s.run(exitDone, args...)
		s.proven()
		for _, found := range shows(s.c, dump(t, s.database)) {
			t.Errorf("after %v: %s", args, found)
		}
	}
	if got := scalar(t, s.database, "SELECT blocked > 0 FROM syncd.run_table WHERE table_name = 'redcap_record' ORDER BY run_id DESC LIMIT 1"); got != "true" {
		t.Errorf("the equation says blocked: %s", got)
	}
	if got := scalar(t, s.database, "SELECT (SELECT p->'counts'->>'refused: blocked' FROM jsonb_array_elements(proofs) AS p WHERE p->>'name' = 'ids') FROM syncd.run ORDER BY run_id DESC LIMIT 1"); got != "1" {
		t.Errorf("the proof counts %s blocked", got)
	}
	s.certified()

	restored := s.restore(yesterday)
	if found := shows(s.c, dump(t, restored)); len(found) == 0 {
		t.Fatal("the backup does not hold the person")
	}
	s.write("database", restored)
	s.database = restored
	s.run(exitRefused, "sync", "ward")
	if n := s.doctor(); n != 1 {
		t.Errorf("%d people were purged again", n)
	}
	if n := scalar(t, restored, "SELECT count(*) FROM syncd.audit WHERE action = 'purge'"); n != "1" {
		t.Errorf("one person of three names makes %s purges", n)
	}
	for _, found := range shows(s.c, dump(t, restored)) {
		t.Errorf("after the restore: %s", found)
	}
	s.run(exitDone, "sync", "--full", "ward")
	s.proven()
	for _, found := range shows(s.c, dump(t, restored)) {
		t.Errorf("after a run on the restored database: %s", found)
	}
	if n := s.doctor(); n != 0 {
		t.Errorf("%d people were purged a third time", n)
	}
}

func less(t *testing.T, text string, n int) int {
	t.Helper()
	var have int
	if _, err := fmt.Sscan(text, &have); err != nil {
		t.Fatal(err)
	}
	return have - n
}

// certified wants a certificate, a journal and an audit that name nobody.
func (s *purgeScene) certified() {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, "purge*"))
	s.must(err)
	if len(files) != 2 {
		s.t.Fatalf("files %v", files)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		s.must(err)
		if found := shows(s.c, text); len(found) > 0 {
			s.t.Errorf("%s shows %v", f, found)
		}
		if info, err := os.Stat(f); err != nil || info.Mode().Perm() != 0o600 {
			s.t.Errorf("%s may be read by others: %v %v", f, info.Mode(), err)
		}
	}
	if got := scalar(s.t, s.database, "SELECT action || ' ' || subject || ' ' || length(detail->>'subject') FROM syncd.audit WHERE action = 'purge'"); got != "purge ward 64" {
		s.t.Errorf("audit: %s", got)
	}
}

// restore makes a database of a dump.
func (s *purgeScene) restore(text []byte) string {
	s.t.Helper()
	database := pgtest.Empty(s.t)
	psql := "psql"
	if found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/psql"); len(found) > 0 {
		psql = found[len(found)-1]
	}
	cmd := exec.Command(psql, "--dbname", pgtest.Super(database), "--quiet", "--set", "ON_ERROR_STOP=1")
	cmd.Stdin = bytes.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("psql: %v\n%s", err, out)
	}
	return pgtest.As(database, migrations.RoleApp)
}

// doctor settles a restored database, and returns how many people were purged again.
func (s *purgeScene) doctor() (n int) {
	s.t.Helper()
	said := s.run(exitDone, "doctor", "--after-restore")
	if found := shows(s.c, []byte(said)); len(found) > 0 {
		s.t.Errorf("it shows %v", found)
	}
	_, said, _ = strings.Cut(said, "are lost, ")
	if _, err := fmt.Sscan(said, &n); err != nil {
		s.t.Fatalf("%q: %v", said, err)
	}
	return n
}

func TestNobodyIsPurgedWithoutAKeyAndNobodyLoadedWhileItIsMissing(t *testing.T) {
	s := newPurgeScene(t)
	name := s.live()
	text, err := os.ReadFile(filepath.Join(s.dir, "jobs.toml"))
	s.must(err)
	without := string(text[:bytes.Index(text, []byte("[purge]"))])
	s.write("jobs.toml", without)
	if said := s.run(exitUsage, "purge", "--subject", "ward:"+name, "--yes"); !strings.Contains(said, "[purge] key") {
		t.Error(said)
	}
	s.write("jobs.toml", string(text))
	if said := s.run(exitUsage, "purge", "--subject", "ward:nobody", "--yes"); !strings.Contains(said, "nothing is stored") {
		t.Error(said)
	}
	s.run(exitDone, "purge", "--subject", "ward:"+name, "--yes")
	s.write("jobs.toml", without)
	if said := s.run(exitUsage, "sync", "ward"); !strings.Contains(said, "put [purge] key and journal back") {
		t.Error(said)
	}
	if found := shows(s.c, dump(t, s.database)); len(found) > 0 {
		t.Errorf("loaded without the key: %v", found)
	}
}
