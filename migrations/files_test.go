package migrations_test

import (
	"io/fs"
	"os"
	osexec "os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"syncd/internal/pgembed"
	"syncd/internal/pgtest"
	"syncd/migrations"
)

func TestEveryFileIsOneTransactionNumberedUpwards(t *testing.T) {
	t.Parallel()
	last := uint(0)
	for _, m := range migrations.All() {
		if m.Version <= last {
			t.Errorf("version %d stands behind %d", m.Version, last)
		}
		last = m.Version
		code := regexp.MustCompile(`(?m)--.*$`).ReplaceAllString(m.SQL, "")
		code = strings.TrimSpace(code)
		if !strings.HasPrefix(code, "BEGIN;") || !strings.HasSuffix(code, "COMMIT;") {
			t.Errorf("migration %d does not run from BEGIN; to COMMIT;", m.Version)
		}
		if n := len(regexp.MustCompile(`(?im)^\s*(BEGIN|COMMIT|ROLLBACK)\s*;`).FindAllString(code, -1)); n != 2 {
			t.Errorf("migration %d has %d transaction statements", m.Version, n)
		}
		if regexp.MustCompile(`(?i)\bCONCURRENTLY\b`).MatchString(code) {
			t.Errorf("migration %d cannot be one transaction with CONCURRENTLY", m.Version)
		}
		if !strings.HasSuffix(m.SQL, "COMMIT;\n") {
			t.Errorf("migration %d has something after its COMMIT", m.Version)
		}
	}
	downs, err := fs.Glob(os.DirFS("."), "*.down.sql")
	if err != nil || len(downs) != len(migrations.All()) {
		t.Errorf("%d files for the way down, want one per migration (%v)", len(downs), err)
	}
}

func TestAMigrationRunTwiceChangesNothingAndShowsWhenItIsDone(t *testing.T) {
	t.Parallel()
	conn := connect(t, pgtest.Empty(t))
	for _, m := range migrations.All() {
		var done bool
		if err := conn.QueryRow(t.Context(), m.Done()).Scan(&done); err == nil && done {
			t.Errorf("migration %d seems done before it ran", m.Version)
		}
		exec(t, conn, m.SQL)
		if err := conn.QueryRow(t.Context(), m.Done()).Scan(&done); err != nil || !done {
			t.Errorf("migration %d does not seem done after it ran: %v", m.Version, err)
		}
	}
	before, rows := catalogue(t, conn, "syncd"), contents(t, conn)
	for _, m := range migrations.All() { // from the first one: also at any later state nothing happens
		exec(t, conn, m.SQL)
	}
	if diff := cmp.Diff(before, catalogue(t, conn, "syncd")); diff != "" {
		t.Errorf("the second run changed the structure:\n%s", diff)
	}
	if diff := cmp.Diff(rows, contents(t, conn)); diff != "" {
		t.Errorf("the second run changed rows:\n%s", diff)
	}
}

// contents are the rows that migrations themselves write.
func contents(t *testing.T, conn *pgx.Conn) []string {
	t.Helper()
	rows, err := conn.Query(t.Context(), "SELECT m::text FROM syncd.river_migration m UNION ALL SELECT i::text FROM syncd.installation i ORDER BY 1")
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestRiversTablesAreWhatRiverItselfMakes(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	conn := connect(t, url)
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	exec(t, conn, "CREATE SCHEMA theirs")
	theirs, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Schema: "theirs"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := theirs.Migrate(t.Context(), rivermigrate.DirectionUp, nil); err != nil {
		t.Fatal(err)
	}
	var ours []string
	for _, line := range catalogue(t, conn, "syncd") {
		if strings.Contains(line, "river_") {
			ours = append(ours, line)
		}
	}
	if diff := cmp.Diff(catalogue(t, conn, "theirs"), ours); diff != "" {
		t.Errorf("River makes (-), our files make (+):\n%s", diff)
	}
	mine, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Schema: "syncd"})
	if err != nil {
		t.Fatal(err)
	}
	res, err := mine.Validate(t.Context(), nil)
	if err != nil || !res.OK {
		t.Errorf("River does not take our tables for migrated: %+v %v", res, err)
	}
}

func TestTheScriptForADBADoesWhatUpDoes(t *testing.T) {
	t.Parallel()
	bin, err := pgembed.Find()
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range []uint{0, 1, 5} {
		url := pgtest.Empty(t)
		conn := connect(t, url)
		if from > 0 { // a database that stands in the middle
			upTo(t, conn, from)
		}
		for range 2 { // run twice it is still right
			psql := program(t, filepath.Join(bin, "psql"), "-X", "-q", "-d", url)
			psql.Stdin = strings.NewReader(migrations.SQL(from))
			if out, err := psql.CombinedOutput(); err != nil {
				t.Fatalf("psql: %v\n%s", err, out)
			}
		}
		atLatest(t, conn)
		if diff := cmp.Diff(catalogue(t, connect(t, pgtest.New(t)), "syncd"), catalogue(t, conn, "syncd")); diff != "" {
			t.Errorf("from %d: Up makes (-), the script makes (+):\n%s", from, diff)
		}
		up(t, url) // nothing to do
	}
	if text := migrations.SQL(migrations.Latest()); text != "" {
		t.Errorf("a script although nothing is pending: %s", text)
	}
}

func program(t *testing.T, name string, args ...string) *osexec.Cmd {
	return osexec.CommandContext(t.Context(), name, args...)
}
