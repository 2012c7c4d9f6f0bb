package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	fake "syncd/internal/fake/redcap"
	"syncd/internal/pgembed"
	"syncd/internal/pgtest"
)

// stateCase is one way in which a Postgres is not as one would like it: RELIABILITY 2.6 as far as runs meet it.
type stateCase struct {
	row, name string
	arrange   func(t *testing.T, sc *scene, role string) // changes database or role, after a good first run
	want      outcome
	says      string
	mend      string // what the DBA does; then the next run makes the tables what they should be
	refused   string // a row that may be missing: Postgres refused it
	calm      bool   // before the next run the source stops what it does
}

// TestPostgresStates brings a loaded warehouse into bad states and lets a changed source be read: the run gets through with
// the very rows of an undisturbed one, or fails with a reason and leaves everything as it was, and the next run converges.
func TestPostgresStates(t *testing.T) {
	s := newStage(t)
	want := undisturbed(t, s)
	for _, c := range stateCases() {
		t.Run(c.row+" "+c.name, func(t *testing.T) {
			t.Parallel()
			s.playState(t, c, want)
		})
	}
}

// changedSource is the loaded project a day later: an edit, a new record, a deletion.
func changedSource(t *testing.T) *fake.Project {
	t.Helper()
	p := fake.Synthetic(hostileSpec(fake.Mixed))
	for _, err := range []error{
		p.Set("7", "", "", 0, "form_1_complete", "1"), p.AddRecord("new", map[string]string{"form_1_complete": "2"}), p.Delete("9"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// undisturbed is what a run over the changed source leaves.
func undisturbed(t *testing.T, s *stage) contents {
	t.Helper()
	sc := s.scene(t, changedSource(t), fake.Options{}, s.borrow(t, fake.Mixed, true), "")
	if code := sc.run(t, "sync", "ward"); code != exitDone {
		t.Fatalf("exit %d\n%s", code, sc.tail())
	}
	return readContents(t, sc.database).live().business()
}

func (s *stage) playState(t *testing.T, c stateCase, want contents) {
	sc := s.scene(t, changedSource(t), fake.Options{}, s.borrow(t, fake.Mixed, true), "")
	role := makeOwner(t, sc)
	before := readContents(t, sc.database)
	mark := sc.mark(t)
	c.arrange(t, sc, role)
	got := outcome{Exit: sc.run(t, "sync", "ward")}
	got.State, got.Kind = sc.lastRun(t)
	if c.want.State == "" { // no run was begun
		got.State, got.Kind = "", ""
	}
	t.Logf("%s %s: exit %d, %s %s", c.row, c.name, got.Exit, got.State, got.Kind)
	if c.calm && got == done() {
		c.want = got // it depends on the moment at which the session ended
	}
	if diff := cmp.Diff(c.want, got); diff != "" {
		t.Errorf("outcome (-want +got):\n%s\n%s", diff, sc.tail())
	}
	if !strings.Contains(sc.said.String(), c.says) {
		t.Errorf("%q was not said:\n%s", c.says, sc.tail())
	}
	after := readContents(t, sc.database)
	if c.want.State == "succeeded" {
		after = after.live().business()
		if table, key, ok := strings.Cut(c.refused, " "); ok {
			if after[table][key] != nil {
				t.Error("the row that Postgres refused is stored")
			}
			after[table][key] = want[table][key]
		}
		if diff := cmp.Diff(want, after); diff != "" {
			t.Errorf("the tables are not those of an undisturbed run:\n%s", diff)
		}
		return
	}
	if diff := cmp.Diff(before.live(), after.live()); diff != "" && !c.calm {
		t.Errorf("a run that failed changed the tables:\n%s", diff)
	}
	if got := sc.mark(t); got != mark {
		t.Errorf("the mark moved: %s, then %s", mark, got)
	}
	if c.mend == "" {
		return
	}
	sc.server.OnRequest(nil)
	statement(t, sc.database, strings.ReplaceAll(strings.ReplaceAll(c.mend, "THEROLE", role), "DATABASE_", databaseOf(t, sc.database)))
	if code := sc.run(t, "sync", "ward"); code != exitDone {
		t.Errorf("the run after it: exit %d\n%s", code, sc.tail())
	} else if diff := cmp.Diff(want, readContents(t, sc.database).live().business()); diff != "" {
		t.Errorf("the next run did not converge:\n%s", diff)
	}
}

// makeOwner makes a role that owns what syncd keeps and is nothing else, and lets the job connect as it.
func makeOwner(t *testing.T, sc *scene) string {
	t.Helper()
	role := strings.Trim(databaseOf(t, sc.database), `"`) + "_role"
	statement(t, sc.database, fmt.Sprintf(`CREATE ROLE %[1]s LOGIN; GRANT CREATE, TEMP ON DATABASE %[2]s TO %[1]s;
		DO $$ DECLARE s text; t text; BEGIN
			FOREACH s IN ARRAY ARRAY['syncd', 'ward', 'ward_meta', 'ward_deleted'] LOOP
				CONTINUE WHEN to_regnamespace(s) IS NULL;
				EXECUTE format('ALTER SCHEMA %%I OWNER TO %[1]s', s);
				FOR t IN SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = s::regnamespace AND c.relkind IN ('r', 'v', 'p') LOOP
					EXECUTE 'ALTER TABLE ' || t || ' OWNER TO %[1]s';
				END LOOP;
				FOR t IN SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = s::regnamespace LOOP
					EXECUTE 'ALTER ROUTINE ' || t || ' OWNER TO %[1]s';
				END LOOP;
				FOR t IN SELECT y.oid::regtype FROM pg_type y WHERE y.typnamespace = s::regnamespace AND y.typtype = 'e' LOOP
					EXECUTE 'ALTER TYPE ' || t || ' OWNER TO %[1]s';
				END LOOP;
			END LOOP;
		END $$`, role, databaseOf(t, sc.database)))
	sc.write(t, "database", pgtest.As(sc.database, role))
	return role
}

// asDBA runs statements in the case's database.
func asDBA(sql string) func(*testing.T, *scene, string) {
	return func(t *testing.T, sc *scene, role string) {
		t.Helper()
		statement(t, sc.database, strings.ReplaceAll(strings.ReplaceAll(sql, "THEROLE", role), "DATABASE_", databaseOf(t, sc.database)))
	}
}

func stateCases() []stateCase {
	const shadows = `CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO PUBLIC;
		CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT '1970-01-01'::timestamptz $$;
		CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ SELECT '1970-01-01'::timestamptz $$;
		CREATE FUNCTION evil.eq(text, text) RETURNS boolean LANGUAGE sql AS $$ SELECT true $$;
		CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.eq);
		CREATE TABLE evil.run (x int); CREATE TABLE evil.form_1 (x int); CREATE TABLE evil.pg_class (x int);
		ALTER ROLE THEROLE SET search_path = evil, pg_catalog, ward, syncd`
	return []stateCase{
		{row: "P4", name: "a role that owns its tables and no more", arrange: asDBA(""), want: done()},
		{
			row: "P4", name: "a role without the right to make temporary tables", want: failedAs("postgres"), says: "42501",
			arrange: asDBA("REVOKE TEMP ON DATABASE DATABASE_ FROM PUBLIC, THEROLE"), mend: "GRANT TEMP ON DATABASE DATABASE_ TO THEROLE",
		},
		{
			row: "P4", name: "a role that may not write a table", want: failedAs("postgres"), says: "42501",
			arrange: asDBA("ALTER TABLE ward.form_1 OWNER TO postgres; GRANT SELECT ON ward.form_1 TO THEROLE"), mend: "ALTER TABLE ward.form_1 OWNER TO THEROLE",
		},
		{
			row: "P4", name: "a role that may not see the ledger", want: outcome{Exit: exitFailed}, says: "42501",
			arrange: asDBA("ALTER SCHEMA syncd OWNER TO postgres"), mend: "ALTER SCHEMA syncd OWNER TO THEROLE",
		},
		{row: "P5", name: "a hostile search_path", arrange: asDBA(shadows), want: done()},
		{
			row: "P5", name: "rows hidden by a policy", want: failedAs("postgres"), says: "42501",
			arrange: asDBA("ALTER TABLE ward.form_1 ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; CREATE POLICY few ON ward.form_1 USING (record_id < '5')"),
			mend:    "ALTER TABLE ward.form_1 DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY",
		},
		{
			row: "P5", name: "a trigger that swallows rows", want: failedAs("internal"),
			arrange: asDBA(`CREATE FUNCTION public.swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
				CREATE TRIGGER swallow BEFORE INSERT ON ward.form_1 FOR EACH ROW EXECUTE FUNCTION public.swallow()`), mend: "DROP TRIGGER swallow ON ward.form_1",
		},
		{row: "P6", name: "odd settings of role and database", want: done(), arrange: asDBA(`ALTER ROLE THEROLE SET datestyle = 'German, DMY'; ALTER ROLE THEROLE SET timezone = 'Asia/Kolkata';
			ALTER ROLE THEROLE SET standard_conforming_strings = off; ALTER ROLE THEROLE SET bytea_output = escape; ALTER ROLE THEROLE SET intervalstyle = sql_standard;
			ALTER ROLE THEROLE SET default_transaction_isolation = serializable; ALTER ROLE THEROLE SET client_encoding = LATIN1; ALTER DATABASE DATABASE_ SET extra_float_digits = -15`)},
		{row: "P6", name: "a database in SQL_ASCII", want: outcome{Exit: exitUsage}, says: "SQL_ASCII", arrange: inSQLASCII},
		{row: "P7", name: "statement_timeout of a millisecond on the role", arrange: asDBA("ALTER ROLE THEROLE SET statement_timeout = 1; ALTER ROLE THEROLE SET lock_timeout = 1"), want: done()},
		{row: "P7", name: "two connections for the role", arrange: asDBA("ALTER ROLE THEROLE CONNECTION LIMIT 2"), want: done()},
		{row: "P8", name: "sessions ended in the middle", arrange: endSessions, want: failedAs("postgres"), mend: "SELECT", calm: true},
		{row: "P8", name: "a table locked while the run writes", arrange: lockTable, want: done()},
		{
			row: "P8", name: "read-only by default", want: outcome{Exit: exitFailed}, says: "25006",
			arrange: asDBA("ALTER DATABASE DATABASE_ SET default_transaction_read_only = on"), mend: "SET transaction_read_only = off; ALTER DATABASE DATABASE_ SET default_transaction_read_only = off",
		},
		{
			row: "P9", name: "a rule of others that refuses a row", want: outcome{exitRejects, "succeeded", ""}, refused: "ward.form_1 new|enrollment_arm_1|1",
			arrange: asDBA("ALTER TABLE ward.form_1 ADD CONSTRAINT theirs CHECK (record_id <> 'new')"), says: "",
		},
		{
			row: "P1", name: "a ledger newer than the program", want: outcome{Exit: exitRefused},
			arrange: asDBA("UPDATE syncd.schema_migration SET version = 999"), says: "newer",
		},
	}
}

// inSQLASCII points the job at a database of another encoding.
func inSQLASCII(t *testing.T, sc *scene, role string) {
	t.Helper()
	name := role + "_ascii"
	onServer(t, fmt.Sprintf("CREATE DATABASE %s TEMPLATE template0 ENCODING SQL_ASCII LC_COLLATE 'C' LC_CTYPE 'C' OWNER %s", name, role))
	sc.write(t, "database", pgtest.As(pgtest.Server(t).URL(name), role))
}

// endSessions ends every session of the job's role right before each export is answered.
func endSessions(t *testing.T, sc *scene, role string) {
	sc.server.OnRequest(func(r fake.Request) {
		if asksData(r) {
			statement(t, sc.database, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '"+role+"'")
		}
	})
}

// lockTable holds a lock on a table that the run writes, from the first export until the run is seen waiting for it.
func lockTable(t *testing.T, sc *scene, role string) {
	var once sync.Once
	gone := make(chan struct{})
	sc.server.OnRequest(func(r fake.Request) {
		if !asksData(r) {
			return
		}
		once.Do(func() {
			conn, err := pgx.Connect(t.Context(), pgtest.Super(sc.database))
			if err == nil {
				_, err = conn.Exec(t.Context(), "BEGIN; LOCK TABLE ward.form_1 IN ACCESS EXCLUSIVE MODE")
			}
			if err != nil {
				t.Error(err)
				close(gone)
				return
			}
			go func() {
				defer close(gone)
				defer conn.Close(t.Context())
				waiting := false
				for !waiting && err == nil {
					err = conn.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE usename = $1 AND wait_event_type = 'Lock')`, role).Scan(&waiting)
				}
				if err != nil {
					t.Error(err)
				}
			}()
		})
	})
	t.Cleanup(func() { <-gone })
}

// TestServerThatRestartsInTheMiddleCostsNothing restarts Postgres, by its administrator and by a crash, between two exports: the run
// goes on, and its tables are those of an undisturbed one.
func TestServerThatRestartsInTheMiddleCostsNothing(t *testing.T) {
	pg := pgtest.Private(t, pgembed.Options{})
	s := newStage(t)
	sc := s.scene(t, fake.Synthetic(hostileSpec(fake.Mixed)), fake.Options{}, pgtest.Ready(t, pg), "")
	restarts := 0
	sc.server.OnRequest(func(r fake.Request) {
		if !asksData(r) || restarts > 1 {
			return
		}
		if restarts++; restarts == 2 {
			if err := pg.Kill(); err != nil {
				t.Error(err)
			}
		}
		if err := pg.Restart(t.Context()); err != nil {
			t.Error(err)
		}
	})
	if code := sc.run(t, "sync", "ward"); code != exitDone {
		t.Fatalf("exit %d\n%s", code, sc.tail())
	}
	if diff := cmp.Diff(s.loaded[fake.Mixed].holds.business(), readContents(t, sc.database).business()); diff != "" {
		t.Errorf("the tables are not those of an undisturbed run:\n%s", diff)
	}
	t.Logf("restarts %d", restarts)
}

// TestDiskThatIsFullIsWaitedForAndDeletesNothing loads into a tablespace that is full, and lets somebody make room meanwhile.
func TestDiskThatIsFullIsWaitedForAndDeletesNothing(t *testing.T) {
	dir, err := os.MkdirTemp("", "syncd-full")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=6m,mode=0777", "none", dir).CombinedOutput(); err != nil {
		t.Skipf("no small disk can be mounted here: %s", out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
	space := filepath.Join(dir, "space")
	pg := pgtest.Private(t, pgembed.Options{})
	owner, err := os.Stat(filepath.Join(pg.Dir(), "data"))
	if err == nil {
		err = os.Mkdir(space, 0o700)
	}
	if err == nil {
		err = chownLike(space, owner)
	}
	if err != nil {
		t.Fatal(err)
	}
	database := pgtest.Ready(t, pg)
	statement(t, database, "CREATE TABLESPACE small LOCATION '"+strings.ReplaceAll(space, "'", "''")+"'")
	statement(t, database, "GRANT CREATE ON TABLESPACE small TO syncd_app; ALTER ROLE syncd_app SET default_tablespace = small")
	s := newStage(t)
	sc := s.scene(t, fake.Synthetic(hostileSpec(fake.Mixed)), fake.Options{}, database, "")
	filler := filepath.Join(dir, "filler")
	filled, room := false, make(chan struct{})
	sc.server.OnRequest(func(r fake.Request) {
		if !asksData(r) || filled {
			return
		}
		filled = true
		_ = os.WriteFile(filler, make([]byte, 6<<20), 0o600) // as far as it goes
		go func() {
			defer close(room)
			for refused := false; !refused && t.Context().Err() == nil; {
				log, _ := os.ReadFile(pg.Log())
				refused = strings.Contains(string(log), "No space left on device")
			}
			if err := os.Remove(filler); err != nil {
				t.Error(err)
			}
		}()
	})
	if code := sc.run(t, "sync", "ward"); code != exitDone {
		t.Errorf("exit %d\n%s", code, sc.tail())
	}
	<-room
	if diff := cmp.Diff(s.loaded[fake.Mixed].holds.business(), readContents(t, database).business()); diff != "" {
		t.Errorf("the tables are not those of an undisturbed run:\n%s", diff)
	}
	if n := scalar(t, database, "SELECT count(*) FROM syncd.reject"); n != "0" {
		t.Errorf("%s rows were rejected for want of room", n)
	}
}

// chownLike gives a folder to the owner of another.
func chownLike(path string, like os.FileInfo) error {
	stat := like.Sys().(*syscall.Stat_t)
	return os.Chown(path, int(stat.Uid), int(stat.Gid))
}
