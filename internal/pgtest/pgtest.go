// Package pgtest gives every test that stores something a real Postgres database of its own.
//
// In comes a test; out comes the URL of a database: a fresh clone of the migrated template (New), or an empty one
// (Empty). Both are opened as the roles that the product has in a hospital, which are no superusers: what needs one says
// so (Super). One server runs per test process, started when the first test asks. It promises: clones share nothing; a
// clone is dropped when its test passes, and kept with its URL logged when it fails; when the process ends, however it
// ends, no server is left. Where PostgreSQL is missing, the test fails with what to type; it is never skipped.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"syncd/internal/pgembed"
	"syncd/migrations"
)

// What databases are made from: the migrated template, and nothing at all.
const (
	template = "template_syncd"
	empty    = "template0"
)

// shared is the one server of this test process. It is the only state of the package.
var shared = &server{}

type server struct {
	mu     sync.Mutex // one clone at a time: CREATE DATABASE needs the template to itself
	run    bool       // inside Main
	pg     *pgembed.Server
	dir    string
	err    error // of the first start; the next test fails with it at once
	made   int
	failed []string
	gone   map[string]bool // dropped before their test ended, by name
}

// Main is the whole TestMain of a package: it runs the tests, stops the server, and fails where a goroutine was left.
func Main(m *testing.M) { os.Exit(Run(m)) }

// Run is Main for a TestMain that has more to do: it returns the exit code.
func Run(m interface{ Run() int }) int {
	shared.run = true
	code := m.Run()
	if err := shared.stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	if code == 0 {
		if err := goleak.Find(Quiet()...); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	return code
}

// Quiet are the goroutines that a leak check has to leave alone: pgxpool's health check, which ends a moment after
// its pool is closed, and the one that waits for the shared server.
func Quiet() []goleak.Option {
	return []goleak.Option{
		goleak.IgnoreAnyFunction("github.com/jackc/pgx/v5/pgxpool.(*Pool).backgroundHealthCheck"),
		goleak.IgnoreAnyFunction("github.com/jackc/pgx/v5/pgxpool.(*Pool).triggerHealthCheck.func1"),
		goleak.IgnoreAnyFunction("syncd/internal/pgembed.(*Server).spawn.func1"),
	}
}

// New returns the URL of a fresh clone of the migrated template, for the role that the product runs as.
func New(t testing.TB) string {
	t.Helper()
	return As(shared.database(t, template), migrations.RoleApp)
}

// Empty returns the URL of a database with nothing in it, for the role that owns it: where one role does all.
func Empty(t testing.TB) string {
	t.Helper()
	return As(shared.database(t, empty), migrations.RoleMigrate)
}

// Server returns the shared server, for looking at it; who kills or restarts a server takes a Private one, because
// other tests run on this one.
func Server(t testing.TB) *pgembed.Server {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	shared.start(t)
	return shared.pg
}

// Private starts a server for this test alone, with settings that win over the usual ones, and stops it at the end.
// Its databases are the caller's affair; Ready makes one for the role that the product runs as, Migrate for the superuser.
func Private(t testing.TB, opts pgembed.Options) *pgembed.Server {
	t.Helper()
	if opts.Dir == "" {
		opts.Dir = tempDir(t)
	}
	opts.Settings = settings(opts.Settings)
	pg, err := pgembed.Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pg.Stop(); err != nil {
			t.Error(err)
		}
	})
	return pg
}

// Migrate brings the database at url to the newest schema.
func Migrate(t testing.TB, url string) {
	t.Helper()
	if _, _, err := migrations.Up(t.Context(), migrations.Config{URL: url}); err != nil {
		t.Fatal(err)
	}
}

// settings are fast and forgetful: a power cut may lose the data, a crash of the server may not.
func settings(over map[string]string) map[string]string {
	all := map[string]string{
		"fsync": "off", "full_page_writes": "off", "wal_level": "minimal", "max_wal_senders": "0",
		"autovacuum": "off", "max_connections": "200", "shared_buffers": "64MB", "jit": "off",
		"log_error_verbosity": "default", "log_min_error_statement": "error",
	}
	for name, value := range over {
		all[name] = value
	}
	return all
}

// database makes one and sees to its end.
func (s *server) database(t testing.TB, from string) string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.start(t)
	s.made++
	name := fmt.Sprintf("t%d_%s", s.made, short(t.Name()))
	if err := s.make(t.Context(), name, from); err != nil {
		t.Fatalf("make a database for the test: %v", err)
	}
	url := s.pg.URL(name)
	t.Cleanup(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.gone[name] {
			return
		}
		if t.Failed() {
			s.failed = append(s.failed, name)
			t.Logf("database kept: %s", url)
			return
		}
		if err := s.drop(t, name); err != nil {
			t.Errorf("drop the database of the test: %v", err)
		}
	})
	return url
}

// make makes a database. Rights on a database are not copied with it: an empty one belongs to the role that does all there.
func (s *server) make(ctx context.Context, name, from string) error {
	quoted, after := pgx.Identifier{name}.Sanitize(), "GRANT CREATE, TEMPORARY ON DATABASE %s TO "+migrations.RoleMigrate+", "+migrations.RoleApp
	if from == empty {
		after = "ALTER DATABASE %s OWNER TO " + migrations.RoleMigrate
	}
	if err := s.admin(ctx, "CREATE DATABASE "+quoted+" TEMPLATE "+pgx.Identifier{from}.Sanitize()); err != nil {
		return err
	}
	return s.admin(ctx, fmt.Sprintf(after, quoted))
}

// Drop drops a database of New or Empty before its test ends: for tests that need many, one after the other.
func Drop(t testing.TB, url string) {
	t.Helper()
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if err := shared.drop(t, cfg.Database); err != nil {
		t.Fatalf("drop the database of the test: %v", err)
	}
	if shared.gone == nil {
		shared.gone = map[string]bool{}
	}
	shared.gone[cfg.Database] = true
}

// drop ends all sessions of a database and removes it. The test's own context may have ended by now.
func (s *server) drop(t testing.TB, name string) error {
	return s.admin(context.WithoutCancel(t.Context()), "DROP DATABASE IF EXISTS "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)")
}

// start runs the server and makes the template, once. The caller holds mu.
func (s *server) start(t testing.TB) {
	t.Helper()
	if !s.run {
		t.Fatal("this package needs: func TestMain(m *testing.M) { pgtest.Main(m) }")
	}
	if s.pg == nil && s.err == nil {
		s.err = s.open(context.WithoutCancel(t.Context())) // the server outlives the test that happens to ask first
	}
	if s.err != nil {
		t.Fatal(s.err)
	}
}

func (s *server) open(ctx context.Context) error {
	sweep(base(), time.Now().Add(-time.Hour))
	dir, err := os.MkdirTemp(base(), prefix)
	if err != nil {
		return fmt.Errorf("make folder for the test server: %w", err)
	}
	s.dir = dir
	pg, err := pgembed.Start(ctx, pgembed.Options{Dir: dir, Settings: settings(nil)})
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	s.pg = pg
	if err := s.admin(ctx, "CREATE DATABASE "+template+" TEMPLATE template0"); err != nil {
		return fmt.Errorf("make the template: %w", err)
	}
	if err := ready(ctx, pg.URL(template)); err != nil {
		return fmt.Errorf("make the template: %w", err)
	}
	return nil
}

// admin runs one statement on the server.
func (s *server) admin(ctx context.Context, statement string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return run(ctx, s.pg.URL(superuser), statement)
}

// stop ends the server. The folder stays where a test failed, with the line that starts a server on it again.
func (s *server) stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pg == nil {
		return nil
	}
	err := s.pg.Stop()
	if len(s.failed) > 0 {
		fmt.Fprintf(os.Stderr, "databases of failed tests (%s) are kept in %s; to look at them as the owner of that folder: postgres -D %s/data -k %s -c listen_addresses=''\n",
			strings.Join(s.failed[:min(3, len(s.failed))], ", "), s.dir, s.dir, s.dir)
		return errors.Join(err, os.WriteFile(filepath.Join(s.dir, kept), nil, 0o600))
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// short makes a test's name a part of a database's name.
func short(name string) string {
	name = regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(name), "_")
	return strings.Trim(name[:min(len(name), 40)], "_")
}
