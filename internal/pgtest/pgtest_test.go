package pgtest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"syncd/internal/pgembed"
	"syncd/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// connect opens a connection that ends with the test.
func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

// count runs a query for one number.
func count(t *testing.T, conn *pgx.Conn, query string) int {
	t.Helper()
	var n int
	if err := conn.QueryRow(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestEveryDatabaseIsMigratedAndSharesNothing(t *testing.T) {
	t.Parallel()
	for range 3 {
		conn := connect(t, pgtest.New(t))
		if _, err := conn.Exec(t.Context(), "INSERT INTO syncd.audit (actor, action, subject) VALUES ('a', 'b', 'c')"); err != nil {
			t.Fatal(err)
		}
		if n := count(t, conn, "SELECT count(*) FROM syncd.audit"); n != 1 {
			t.Fatalf("%d rows, so others write here", n)
		}
	}
	if n := count(t, connect(t, pgtest.Empty(t)), "SELECT count(*) FROM pg_namespace WHERE nspname = 'syncd'"); n != 0 {
		t.Error("the empty database is not empty")
	}
}

// recorder stands in for a test, so that its end can be watched. The real one lends it what it does not have.
type recorder struct {
	testing.TB
	failed  bool
	fatal   string
	log     strings.Builder
	cleanup []func()
}

func (r *recorder) Failed() bool               { return r.failed }
func (r *recorder) Cleanup(f func())           { r.cleanup = append(r.cleanup, f) }
func (r *recorder) Logf(f string, args ...any) { fmt.Fprintf(&r.log, f, args...) }
func (r *recorder) Fatal(args ...any)          { r.fatal = fmt.Sprint(args...); runtime.Goexit() }

func (r *recorder) end() {
	for _, f := range r.cleanup {
		f()
	}
}

func TestADatabaseIsDroppedWhenItsTestPassesAndKeptWhenItFails(t *testing.T) {
	conn := connect(t, pgtest.Super(pgtest.Empty(t)))
	for _, failed := range []bool{false, true} {
		r := &recorder{TB: t, failed: failed}
		url := pgtest.New(r)
		inside := connect(t, url) // still connected when it is dropped
		r.end()
		name := inside.Config().Database
		n := count(t, conn, "SELECT count(*) FROM pg_database WHERE datname = '"+name+"'")
		if got := n == 1; got != failed {
			t.Errorf("failed %t, and kept %t", failed, got)
		}
		if got := strings.Contains(r.log.String(), "/"+name+"?"); got != failed {
			t.Errorf("failed %t, and the address logged %t", failed, got)
		}
		if failed {
			_ = inside.Close(t.Context())
			pgtest.Drop(t, url)
			pgtest.Forget()
		}
	}
}

func TestAPackageWithoutMainIsToldWhatToWrite(t *testing.T) {
	defer pgtest.OutsideMain()()
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		pgtest.New(r)
	}()
	<-done
	if !strings.Contains(r.fatal, "pgtest.Main(m)") {
		t.Errorf("got %q", r.fatal)
	}
}

func TestAPrivateServerMayBeKilledAndStartedAgain(t *testing.T) {
	t.Parallel()
	pg := pgtest.Private(t, pgembed.Options{Settings: map[string]string{"shared_buffers": "16MB"}})
	url := pg.URL("postgres")
	pgtest.Migrate(t, url)
	conn := connect(t, url)
	if _, err := conn.Exec(t.Context(), "INSERT INTO syncd.audit (actor, action, subject) VALUES ('a', 'b', 'c')"); err != nil {
		t.Fatal(err)
	}
	if err := pg.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := pg.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := count(t, connect(t, url), "SELECT count(*) FROM syncd.audit"); n != 1 {
		t.Errorf("%d rows after the crash", n)
	}
	if pg.Dir() == pgtest.Server(t).Dir() {
		t.Error("it is the shared one")
	}
}

func TestOldFoldersOfKilledTestsAreSweptAndKeptOnesStay(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	old := time.Now().Add(-2 * time.Hour)
	for _, name := range []string{"syncd-pgtest-old", "syncd-pgtest-kept", "syncd-pgtest-young", "something-else"} {
		dir := filepath.Join(parent, name)
		if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
			t.Fatal(err)
		}
		if name == "syncd-pgtest-kept" {
			if err := os.WriteFile(filepath.Join(dir, "kept"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if name != "syncd-pgtest-young" {
			if err := os.Chtimes(dir, old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	pgtest.Sweep(parent, time.Now().Add(-time.Hour))
	left, err := os.ReadDir(parent)
	if err != nil || len(left) != 3 {
		t.Errorf("%v %v", left, err)
	}
	if _, err := os.Stat(filepath.Join(parent, "syncd-pgtest-old")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old one is still there: %v", err)
	}
}

func BenchmarkNew(b *testing.B) {
	pgtest.Server(b)
	for b.Loop() {
		pgtest.Drop(b, pgtest.New(b))
	}
}
