package migrations_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"syncd/internal/pgtest"
	"syncd/migrations"
)

// rounds of concurrent starts; make crash runs more.
var rounds = flag.Int("rounds", 10, "rounds of five concurrent starts")

func TestFiveStartsAtOnceAllEndAtTheNewestVersion(t *testing.T) {
	t.Parallel()
	for range *rounds {
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
		c := migrations.Config{URL: pgtest.As(pgtest.New(t), migrations.RoleMigrate)}
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
