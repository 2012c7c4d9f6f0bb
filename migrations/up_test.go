package migrations_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-migrate/migrate/v4/database"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"syncd/internal/pgembed"
	"syncd/internal/pgtest"
	"syncd/migrations"
)

// rounds of concurrent starts; 100 were run by hand when this was written.
const rounds = 12

func TestFiveStartsAtOnceAllEndAtTheNewestVersion(t *testing.T) {
	t.Parallel()
	for range rounds {
		db := pgtest.Empty(t)
		var wg sync.WaitGroup
		errs := make([]error, 5)
		moved := make([]bool, 5)
		for i := range errs {
			wg.Go(func() {
				from, to, err := migrations.Up(t.Context(), migrations.Config{URL: db})
				errs[i], moved[i] = err, from != to
			})
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		if !moved[0] && !moved[1] && !moved[2] && !moved[3] && !moved[4] {
			t.Error("none of them says that it migrated")
		}
		conn := connect(t, db)
		atLatest(t, conn)
		pgtest.Drop(t, db)
	}
}

func TestUpSaysFromWhereToWhereAndLogsEachStepWithoutTheAddress(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	c := migrations.Config{URL: pgtest.Empty(t), Log: slog.New(slog.NewJSONHandler(&log, nil))}
	from, to, err := migrations.Up(t.Context(), c)
	if from != 0 || to != migrations.Latest() || err != nil {
		t.Fatalf("%d %d %v", from, to, err)
	}
	if n := strings.Count(log.String(), `"msg":"migrated"`); n != len(migrations.All()) {
		t.Errorf("%d lines for %d steps", n, len(migrations.All()))
	}
	if strings.Contains(log.String(), "postgres:") || strings.Contains(log.String(), "host=") {
		t.Errorf("the log holds the address: %s", &log)
	}
	from, to, err = migrations.Up(t.Context(), c)
	if from != migrations.Latest() || to != from || err != nil {
		t.Errorf("again: %d %d %v", from, to, err)
	}
}

func TestStatusTellsVersionPendingAndDirtyAndChangesNothing(t *testing.T) {
	t.Parallel()
	c := migrations.Config{URL: pgtest.Empty(t)}
	conn := connect(t, c.URL)
	st, err := migrations.Status(t.Context(), c)
	if err != nil || st.Version != 0 || st.Dirty || len(st.Pending) != len(migrations.All()) || st.Current() {
		t.Errorf("empty: %+v %v", st, err)
	}
	if n := len(catalogue(t, conn, "syncd")); n != 0 {
		t.Errorf("asking made %d objects", n)
	}
	upTo(t, conn, 4)
	st, err = migrations.Status(t.Context(), c)
	if err != nil || st.Version != 4 || st.Pending[0].Version != 5 || st.Pending[0].Name != "river_004" {
		t.Errorf("in the middle: %+v %v", st, err)
	}
	exec(t, conn, "UPDATE syncd.schema_migration SET version = 5, dirty = true")
	if st, err = migrations.Status(t.Context(), c); err != nil || !st.Dirty || st.Current() {
		t.Errorf("dirty: %+v %v", st, err)
	}
	up(t, c.URL)
	if st, err = migrations.Status(t.Context(), c); err != nil || !st.Current() || len(st.Pending) != 0 {
		t.Errorf("after up: %+v %v", st, err)
	}
}

func TestRepairLooksWhetherTheMigrationWasCommitted(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		ran       uint // migrations that were committed
		dirty     uint // the version that is marked dirty
		committed bool
		version   uint
	}{
		{"killed before the first was committed", 0, 1, false, 0},
		{"killed after the first was committed", 1, 1, true, 1},
		{"killed before one was committed", 5, 6, false, 5},
		{"killed after one was committed", 6, 6, true, 6},
		{"killed after the last was committed", migrations.Latest(), migrations.Latest(), true, migrations.Latest()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := migrations.Config{URL: pgtest.Empty(t)}
			conn := connect(t, c.URL)
			upTo(t, conn, tt.ran)
			if _, err := conn.Exec(t.Context(), "UPDATE syncd.schema_migration SET version = $1, dirty = true", tt.dirty); err != nil {
				t.Fatal(err)
			}
			got, err := migrations.Repair(t.Context(), c)
			if err != nil || got.Committed != tt.committed || got.Version != tt.version || got.Migration.Version != tt.dirty {
				t.Fatalf("%+v %v", got, err)
			}
			t.Log(got)
			if again, err := migrations.Repair(t.Context(), c); err != nil || again.Migration.Version != 0 || again.Version != tt.version {
				t.Errorf("a second time: %v %v", again, err)
			}
			up(t, c.URL)
			atLatest(t, conn)
		})
	}
}

func TestANewerSchemaIsRefusedAndLeftAlone(t *testing.T) {
	t.Parallel()
	for _, dirty := range []string{"false", "true"} {
		c := migrations.Config{URL: pgtest.New(t)}
		conn := connect(t, c.URL)
		exec(t, conn, "UPDATE syncd.schema_migration SET version = 4711, dirty = "+dirty)
		_, _, err := migrations.Up(t.Context(), c)
		if !errors.Is(err, migrations.ErrNewer) || !strings.Contains(err.Error(), "version 4711") {
			t.Errorf("Up: %v", err)
		}
		if _, err := migrations.Repair(t.Context(), c); !errors.Is(err, migrations.ErrNewer) {
			t.Errorf("Repair: %v", err)
		}
		if st, err := migrations.Status(t.Context(), c); !errors.Is(err, migrations.ErrNewer) || st.Version != 4711 {
			t.Errorf("Status: %+v %v", st, err)
		}
		var version int
		if err := conn.QueryRow(t.Context(), "SELECT version FROM syncd.schema_migration").Scan(&version); err != nil || version != 4711 {
			t.Errorf("version is now %d, %v", version, err)
		}
	}
}

func TestASchemaOfSomebodyElseIsRefusedAndLeftAlone(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"tables but no version table": "CREATE SCHEMA syncd; CREATE TABLE syncd.run (id int)",
		"version table of another":    "CREATE SCHEMA syncd; CREATE TABLE syncd.schema_migration (id text)",
	} {
		c := migrations.Config{URL: pgtest.Empty(t)}
		conn := connect(t, c.URL)
		exec(t, conn, sql)
		before := catalogue(t, conn, "syncd")
		if _, _, err := migrations.Up(t.Context(), c); !errors.Is(err, migrations.ErrForeign) {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(before, catalogue(t, conn, "syncd")); diff != "" {
			t.Errorf("%s: it was changed:\n%s", name, diff)
		}
	}
	// The version table of another program elsewhere in the database is none of our business.
	db := pgtest.Empty(t)
	exec(t, connect(t, db), "CREATE TABLE public.schema_migrations (version bigint, dirty bool); INSERT INTO public.schema_migrations VALUES (99, true)")
	up(t, db)
}

func TestARoleWithoutTheRightIsToldWhatToType(t *testing.T) {
	t.Parallel()
	db := pgtest.Empty(t)
	conn := connect(t, db)
	role := "limited_" + conn.Config().Database
	exec(t, conn, "CREATE ROLE "+role+" LOGIN")
	t.Cleanup(func() {
		owner, err := pgx.Connect(context.WithoutCancel(t.Context()), db)
		if err != nil {
			t.Error(err)
			return
		}
		_, err = owner.Exec(context.WithoutCancel(t.Context()), "DROP OWNED BY "+role+"; DROP ROLE "+role)
		if err = errors.Join(err, owner.Close(context.WithoutCancel(t.Context()))); err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(db)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(role)
	c := migrations.Config{URL: u.String()}

	_, _, err = migrations.Up(t.Context(), c)
	if !errors.Is(err, migrations.ErrRights) || !strings.Contains(err.Error(), "GRANT CREATE ON DATABASE") {
		t.Errorf("no schema: %v", err)
	}
	upTo(t, conn, 3)
	_, _, err = migrations.Up(t.Context(), c)
	if !errors.Is(err, migrations.ErrRights) {
		t.Errorf("no right to look: %v", err)
	}
	exec(t, conn, "GRANT USAGE ON SCHEMA syncd TO "+role+"; GRANT SELECT ON ALL TABLES IN SCHEMA syncd TO "+role)
	_, _, err = migrations.Up(t.Context(), c)
	if !errors.Is(err, migrations.ErrRights) || !strings.Contains(err.Error(), "migrate up") {
		t.Errorf("no right to create: %v", err)
	}
	exec(t, conn, "GRANT CREATE ON SCHEMA syncd TO "+role)
	_, _, err = migrations.Up(t.Context(), c)
	if !errors.Is(err, migrations.ErrRights) {
		t.Errorf("not the owner: %v", err)
	}
	up(t, db) // as the owner: what was tried before does no harm
	if from, to, err := migrations.Up(t.Context(), c); err != nil || from != to {
		t.Errorf("nothing to do needs no right but to look: %v", err)
	}
}

func TestNoErrorHoldsThePassword(t *testing.T) {
	t.Parallel()
	pg := pgtest.Private(t, pgembed.Options{Port: -1})
	right, err := url.Parse(pg.TCP("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	free := freePort(t)
	missing := filepath.Join(t.TempDir(), "missing.pem")
	for name, address := range map[string]string{
		"wrong password":         "postgres://postgres:" + secret + "@" + right.Host + "/postgres",
		"no such user":           "postgres://canary:" + secret + "@" + right.Host + "/postgres",
		"no such database":       "postgres://postgres:" + right.User.String()[len("postgres:"):] + "@" + right.Host + "/" + secret,
		"nobody listens":         "postgres://u:" + secret + "@" + free + "/db",
		"host unknown":           "postgres://u:" + secret + "@" + secret + ".invalid/db",
		"no TLS there":           "postgres://u:" + secret + "@" + right.Host + "/db?sslmode=require",
		"CA file missing":        "postgres://u:" + secret + "@" + right.Host + "/db?sslmode=verify-full&sslrootcert=" + missing,
		"slash in the password":  "postgres://u:1/" + secret + "@" + free + "/db",
		"hash in the password":   "postgres://u:1#" + secret + "@" + free + "/db",
		"colon in the password":  "postgres://u:a:b:" + secret + "@" + free + ":x/db",
		"percent in password":    "postgres://u:%zz" + secret + "@" + free + "/db",
		"question in password":   "postgres://u:?" + secret + "@" + free + "/db",
		"at sign in password":    "postgres://u:" + secret + "@" + secret + "@" + free + "/db",
		"unknown parameter":      "postgres://postgres:x@" + right.Host + "/postgres?" + secret + "=1",
		"no scheme":              secret + "@host/db",
		"other scheme":           "pgx5://u:" + secret + "@" + free + "/db",
		"key and value":          "host=" + secret + ".invalid password=" + secret + " dbname=x",
		"key and value, broken":  "host='x password=" + secret,
		"key without value":      "password " + secret,
		"socket does not exist":  "host=/" + secret + " user=u password=" + secret,
		"port is not a number":   "postgres://u:" + secret + "@127.0.0.1:" + secret + "/db",
		"control character":      "postgres://u:" + secret + "\n@127.0.0.1/db",
		"sslmode is not a mode":  "postgres://u:" + secret + "@127.0.0.1/db?sslmode=" + secret,
		"connect timeout is odd": "postgres://u:" + secret + "@127.0.0.1/db?connect_timeout=" + secret,
	} {
		var log bytes.Buffer
		c := migrations.Config{URL: address, Log: slog.New(slog.NewTextHandler(&log, nil))}
		_, _, err := migrations.Up(t.Context(), c)
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		secretFree(t, err)
		if errors.Is(err, migrations.ErrAddress) == errors.Is(err, migrations.ErrUnreachable) {
			t.Errorf("%s: neither address nor reach is named, or both: %v", name, err)
		}
		_, err = migrations.Status(t.Context(), c)
		secretFree(t, err)
		_, err = migrations.Repair(t.Context(), c)
		secretFree(t, err)
		if strings.Contains(log.String(), secret) {
			t.Errorf("%s: the log holds it: %s", name, &log)
		}
		t.Logf("%s: %v", name, err)
	}
}

func TestAnErrorOfPostgresShowsNoValueAndNoStatement(t *testing.T) {
	t.Parallel()
	raw := database.Error{
		OrigErr: &pgconn.PgError{Code: "23505", Message: "duplicate " + secret, Detail: secret, Where: secret, TableName: "run", ConstraintName: "run_pkey"},
		Err:     "migration failed: " + secret, Query: []byte("CREATE TABLE " + secret), Line: 7,
	}
	for _, err := range []error{raw, &raw, errors.Join(raw, errors.New(secret)), errors.New(secret)} {
		secretFree(t, migrations.Clean(err))
	}
	want := "Postgres answered with SQLSTATE 23505, table run, constraint run_pkey, line 7 of the migration"
	if got := migrations.Clean(raw).Error(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestUpStopsWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	db := pgtest.Empty(t)
	conn, blocker := connect(t, db), connect(t, db)
	upTo(t, conn, 5)
	exec(t, blocker, "BEGIN; LOCK TABLE syncd.river_job IN ACCESS SHARE MODE")
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := goUp(ctx, migrations.Config{URL: db})
	waitFor(t, conn, "SELECT count(*) = 1 FROM pg_locks WHERE NOT granted AND relation = 'syncd.river_job'::regclass")
	reason := errors.New("the operator pressed a key")
	cancel(reason)
	if err := <-ended; !errors.Is(err, reason) {
		t.Errorf("the reason is lost: %v", err)
	}
	exec(t, blocker, "COMMIT")
	up(t, db)
}

func TestALockThatNeverComesEndsAtTheDeadline(t *testing.T) {
	t.Parallel()
	db := pgtest.Empty(t)
	holder := connect(t, db)
	exec(t, holder, "SELECT pg_advisory_lock(x'73796e63646d6967'::bit(64)::bigint)")
	start := time.Now()
	_, _, err := migrations.Up(t.Context(), migrations.Config{URL: db, LockTimeout: 300 * time.Millisecond})
	if !errors.Is(err, migrations.ErrBusy) {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
	_ = holder.Close(t.Context())
	up(t, db)
}

// freePort is an address at which nobody listens.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
