package main

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"syncd/internal/fake/redcap"
	"syncd/internal/pgtest"
)

// crashScene is one run that is killed again and again: a warehouse that holds yesterday's state of a project, and a source that has changed.
type crashScene struct {
	binary  string
	fake    *redcap.Server
	url     string // of the fake
	token   string
	before  string // database with yesterday's state; every point works on a clone
	digest  string // of an uninterrupted run
	counts  struct{ writes, reads, commits int }
	dir     string
	project *redcap.Project
}

// TestCrashPointsConverge kills the process at writes, cuts reads and loses COMMIT replies; after each, one clean run must give the
// same warehouse as an uninterrupted one, with nothing lost and nothing doubled. SYNCD_CRASH=all tries every point.
func TestCrashPointsConverge(t *testing.T) {
	s := newCrashScene(t)
	points := s.points(os.Getenv("SYNCD_CRASH") == "all")
	tried := map[string]int{}
	for _, p := range points {
		tried[strings.SplitN(p, ":", 2)[0]]++
		s.try(t, p)
		if t.Failed() {
			t.Fatalf("stopped at the first broken point: SYNCD_FAULT=%s", p)
		}
	}
	total := 3*s.counts.writes + s.counts.reads + s.counts.commits
	t.Logf("crash points tried %d of %d (kills at writes %d, cut reads %d, lost COMMIT replies %d); digests different 0, doubled 0, lost 0",
		len(points), total, tried["write"], tried["read"], tried["commit"])
}

// points lists the faults to try: all, or a spread of at least fifteen with every COMMIT among them.
func (s *crashScene) points(all bool) (points []string) {
	step := func(n int) int {
		if all {
			return 1
		}
		return max(1, n/5)
	}
	hows := []string{"before", "half", "after"}
	for n := 1; n <= s.counts.writes; n += step(s.counts.writes) {
		for i, how := range hows {
			if all || n%3 == i {
				points = append(points, fmt.Sprintf("write:%d:%s", n, how))
			}
		}
	}
	for n := 1; n <= s.counts.reads; n += step(s.counts.reads) {
		points = append(points, fmt.Sprintf("read:%d:drop", n))
	}
	for n := 1; n <= s.counts.commits; n++ {
		points = append(points, fmt.Sprintf("commit:%d:drop", n))
	}
	return points
}

// try runs one fault on a clone, then a clean run, and compares.
func (s *crashScene) try(t *testing.T, fault string) {
	t.Helper()
	database := s.clone(t)
	err := s.command(t, database, fault).Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", fault, err)
	}
	s.letClaimsAge(t, database)
	if out, err := s.command(t, database, "").CombinedOutput(); err != nil {
		t.Errorf("%s: the run after it failed: %v\n%s", fault, err, out)
		return
	}
	if got := digest(t, database); got != s.digest {
		t.Errorf("%s: digest differs from that of an uninterrupted run:\n%s\n--\n%s", fault, got, s.digest)
	}
	if n := scalar(t, database, "SELECT count(*) FROM syncd.run WHERE state = 'running'"); n != "0" {
		t.Errorf("%s: %s runs are left running", fault, n)
	}
	s.drop(t, database)
}

// TestFrozenHolderWritesNothing stops a process in the middle of a pull until its claim was taken over, and lets it go on: its writes are refused.
func TestFrozenHolderWritesNothing(t *testing.T) {
	s := newCrashScene(t)
	database := s.clone(t)
	asked, goOn := make(chan struct{}), make(chan struct{})
	first := true
	s.fake.OnRequest(func(r redcap.Request) {
		if first && r.Content == "record" && r.IDs > 1 {
			first = false
			close(asked)
			<-goOn
		}
	})
	frozen := s.command(t, database, "")
	var said strings.Builder
	frozen.Stderr = &said
	if err := frozen.Start(); err != nil {
		t.Fatal(err)
	}
	<-asked
	s.awaitQuiet(t, database)
	if err := frozen.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	close(goOn)
	s.letClaimsAge(t, database)
	if out, err := s.command(t, database, "").CombinedOutput(); err != nil {
		t.Fatalf("the run that took over: %v\n%s", err, out)
	}
	after := digest(t, database)
	if err := frozen.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if err := frozen.Wait(); err == nil {
		t.Error("the frozen run ended well although its claim was taken")
	}
	if got := digest(t, database); got != after || got != s.digest {
		t.Errorf("the zombie changed the warehouse; it said:\n%s", said.String())
	}
	if n := scalar(t, database, "SELECT count(*) FROM syncd.run WHERE state = 'lost'"); n != "1" {
		t.Errorf("lost runs: %s, want 1", n)
	}
}

// awaitQuiet waits until the process has no transaction open: one that is frozen inside a transaction keeps its claim's row until
// Postgres ends the transaction after a minute, which is another story.
func (s *crashScene) awaitQuiet(t *testing.T, database string) {
	t.Helper()
	const open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL"
	for scalar(t, database, open) != "0" {
	}
}

func newCrashScene(t *testing.T) *crashScene {
	t.Helper()
	s := &crashScene{dir: t.TempDir(), fake: redcap.NewServer(redcap.Options{})}
	s.binary = filepath.Join(s.dir, "syncd")
	build := exec.Command("go", "build", "-tags", "faultinject", "-o", s.binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build with faults: %v\n%s", err, out)
	}
	s.project = redcap.Synthetic(redcap.Spec{Kind: redcap.Repeating, Records: 40, Fields: 24, ID: 7, Title: "Crash", DAGs: 2, Missing: true, Misfits: 20})
	s.fake.Add(s.project)
	server := httptest.NewServer(s.fake)
	t.Cleanup(server.Close)
	s.url, s.token = server.URL+"/api/", s.project.Token()

	s.before = pgtest.New(t)
	if out, err := s.command(t, s.before, "").CombinedOutput(); err != nil {
		t.Fatalf("first load: %v\n%s", err, out)
	}
	s.changeSource(t)
	clean := s.clone(t)
	counts := filepath.Join(s.dir, "counts")
	if out, err := s.command(t, clean, "count:"+counts).CombinedOutput(); err != nil {
		t.Fatalf("clean run: %v\n%s", err, out)
	}
	text, err := os.ReadFile(counts)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(string(text), &s.counts.writes, &s.counts.reads, &s.counts.commits); err != nil {
		t.Fatal(err)
	}
	s.digest = digest(t, clean)
	return s
}

// changeSource makes a day's work: edits, a deletion, a new record.
func (s *crashScene) changeSource(t *testing.T) {
	t.Helper()
	for _, id := range []string{"3", "8", "21"} {
		if err := s.project.Delete(id); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.project.AddRecord("new-1", map[string]string{freeText(s.project, "note"): "made in the night"}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"1", "2", "30"} {
		if err := s.project.Set(id, "", "", 0, freeText(s.project, "note"), "edited in the night"); err != nil {
			t.Fatal(err)
		}
	}
}

func (s *crashScene) command(t *testing.T, database, fault string) *exec.Cmd {
	t.Helper()
	dir := t.TempDir()
	text := fmt.Sprintf("[postgres]\nurl = \"env:DATABASE_URL\"\n[redcap.main]\nurl = %q\nrequests_per_minute = 0\n[job.crash]\nsource = \"redcap.main\"\ntoken = \"env:TOKEN\"\n", s.url)
	if err := os.WriteFile(filepath.Join(dir, "jobs.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(s.binary, "-c", filepath.Join(dir, "jobs.toml"), "sync", "crash")
	cmd.Env = append(os.Environ(), "DATABASE_URL="+database, "TOKEN="+s.token, "SYNCD_FAULT="+fault)
	return cmd
}

// clone copies the database with yesterday's state.
func (s *crashScene) clone(t *testing.T) string {
	t.Helper()
	return pgtest.Clone(t, s.before)
}

func (s *crashScene) drop(t *testing.T, url string) {
	t.Helper()
	pgtest.Drop(t, url)
}

// letClaimsAge makes every claim look silent for a minute, so that a dead holder gives way at once.
func (s *crashScene) letClaimsAge(t *testing.T, url string) {
	t.Helper()
	statement(t, url, "UPDATE syncd.claim SET beat_at = beat_at - interval '1 minute'")
}

func databaseOf(t *testing.T, url string) string {
	t.Helper()
	c, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	return pgx.Identifier{c.Database}.Sanitize()
}

func onServer(t *testing.T, sql string) {
	t.Helper()
	statement(t, pgtest.Server(t).URL("postgres"), sql)
}

// statement runs SQL as a DBA would.
func statement(t *testing.T, url, sql string) {
	t.Helper()
	url = pgtest.Super(url)
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func scalar(t *testing.T, url, sql string) (value string) {
	t.Helper()
	url = pgtest.Super(url)
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if err := conn.QueryRow(ctx, "SELECT coalesce(("+sql+")::text, '')").Scan(&value); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}

// digest hashes the business columns of every table of the job, live and archived, by key.
func digest(t *testing.T, url string) string {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	const tables = `
		SELECT format('%I.%I', n.nspname, c.relname),
			string_agg(format('%I', a.attname), ', ' ORDER BY a.attnum) FILTER (WHERE a.attname NOT IN
				('_run_id', '_inserted_at', '_changed_at', '_deleted_at', '_deleted_run_id'))
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE n.nspname LIKE 'crash%' AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
		GROUP BY 1 ORDER BY 1`
	rows, err := conn.Query(ctx, tables)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	var order []string
	var name, columns string
	_, err = pgx.ForEachRow(rows, []any{&name, &columns}, func() error {
		names[name], order = columns, append(order, name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, table := range order {
		var n int64
		var sum string
		q := fmt.Sprintf("SELECT count(*), coalesce(md5(string_agg(x::text, '' ORDER BY x::text)), '') FROM (SELECT %s FROM %s) x", names[table], table)
		if err := conn.QueryRow(ctx, q).Scan(&n, &sum); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		fmt.Fprintf(&b, "%s %d %s\n", table, n, sum)
	}
	return b.String()
}
