package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"syncd/internal/config"
	"syncd/internal/fake/engage"
	"syncd/internal/fake/redcap"
	"syncd/internal/pgembed"
	"syncd/internal/pgtest"
	"syncd/migrations"
)

// TestMain makes `syncd` a command of the scripts: the test binary itself, in a process of its own. `syncd-often` is the
// same program where schedules may say "@every 1s"; `syncd-roots` tells which authorities it trusts.
func TestMain(m *testing.M) {
	testscript.Main(underPostgres{m}, map[string]func(){
		"syncd":       func() { os.Exit(Run()) },
		"syncd-often": func() { os.Exit(Run(config.LeastEvery(time.Second))) },
		"syncd-roots": tellRoots,
	})
}

type underPostgres struct{ m *testing.M }

func (u underPostgres) Run() int { return pgtest.Run(u.m) }

// TestScripts runs what a user types, each script with a database, a fake REDCap and a fake campus of its own.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			return setUpScript(t, env)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"sql":         sqlIs,
			"fake":        changeFake,
			"campus":      changeCampus,
			"exitcode":    exitCodeIs,
			"psql":        runPsql,
			"psql-empty":  runPsqlOnEmpty,
			"restored":    func(ts *testscript.TestScript, _ bool, _ []string) { restoreElsewhere(t, ts) },
			"role":        makeRole,
			"same-tables": sameTables,
			"daemon":      runDaemon,
			"push":        push,
			"await":       await,
			"webhook":     useWebhook,
		},
	})
}

// world is what a script's own commands act on.
type world struct {
	fake     *redcap.Server
	projects map[string]*redcap.Project
	engage   *engage.Server
	url      string
	daemon   *daemonOfScript
	webhook  *webhook
}

type worldKey struct{}

func setUpScript(t *testing.T, env *testscript.Env) error {
	w := &world{fake: redcap.NewServer(redcap.Options{}), projects: map[string]*redcap.Project{}, url: pgtest.New(t)}
	for name, spec := range map[string]redcap.Spec{
		"asthma":      {Kind: redcap.Classic, Records: 60, Fields: 24, ID: 101, Title: "Asthma", DAGs: 2, Missing: true, Surveys: true},
		"copd":        {Kind: redcap.Longitudinal, Records: 20, Fields: 24, ID: 102, Title: "COPD"},
		"asthma_twin": {Kind: redcap.Classic, Records: 60, Fields: 24, ID: 104, Title: "Asthma", DAGs: 2, Missing: true, Surveys: true},
		"diabetes":    {Kind: redcap.Mixed, Records: 20, Fields: 24, ID: 103, Title: "Diabetes", Misfits: 20},
	} {
		p := redcap.Synthetic(spec)
		w.fake.Add(p)
		w.projects[name] = p
		env.Setenv(strings.ToUpper(name)+"_TOKEN", p.Token())
	}
	server := httptest.NewServer(w.fake)
	env.Defer(server.Close)
	env.Values[worldKey{}] = w
	w.engage = openCampus(t, env)
	env.Setenv("FAKE_URL", server.URL+"/api/")
	env.Setenv("DATABASE_URL", w.url)
	empty := pgtest.Empty(t)
	env.Setenv("EMPTY_DATABASE_URL", empty)
	env.Setenv("APP_URL", pgtest.As(empty, migrations.RoleApp))
	env.Setenv("SUPER_URL", pgtest.Super(empty))
	env.Setenv("TZ", "UTC")
	return fillIn(env)
}

// fillIn puts the addresses of the fakes where a script's file says ${FAKE_URL}, ${CAMPUS_URL} or ${CAMPUS_IP_PAGE}: jobs.toml itself knows no variables.
func fillIn(env *testscript.Env) error {
	files, err := filepath.Glob(filepath.Join(env.WorkDir, "*.toml"))
	if err != nil {
		return err
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		for _, name := range []string{"FAKE_URL", "CAMPUS_URL", "CAMPUS_IP_PAGE"} {
			text = bytes.ReplaceAll(text, []byte("${"+name+"}"), []byte(env.Getenv(name)))
		}
		if err := os.WriteFile(f, text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func of(ts *testscript.TestScript) *world { return ts.Value(worldKey{}).(*world) }

// sqlIs checks that a query answers with one value: sql QUERY VALUE.
func sqlIs(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: sql QUERY VALUE")
	}
	if got := query(ts, args[0]); got != args[1] {
		ts.Fatalf("%s: got %s, want %s", args[0], got, args[1])
	}
}

func query(ts *testscript.TestScript, q string) string {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, pgtest.Super(of(ts).url))
	ts.Check(err)
	defer conn.Close(ctx)
	var got string
	ts.Check(conn.QueryRow(ctx, "SELECT coalesce(("+q+")::text, '')").Scan(&got))
	return got
}

// exitCodeIs runs a command and checks its exit code: exitcode CODE COMMAND...
func exitCodeIs(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exitcode CODE COMMAND...")
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := err.(*exec.ExitError)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("%s: exit code %d, want %s", strings.Join(args[1:], " "), got, args[0])
	}
}

// runPsql runs a file of SQL as the owner of the database, as a DBA would.
func runPsql(ts *testscript.TestScript, _ bool, args []string) {
	bin, err := pgembed.Find()
	ts.Check(err)
	ts.Check(ts.Exec(filepath.Join(bin, "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", ts.MkAbs(args[0]), pgtest.Super(of(ts).url)))
}

// runPsqlOnEmpty does so in the database that had nothing in it.
func runPsqlOnEmpty(ts *testscript.TestScript, _ bool, args []string) {
	bin, err := pgembed.Find()
	ts.Check(err)
	ts.Check(ts.Exec(filepath.Join(bin, "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", ts.MkAbs(args[0]), ts.Getenv("SUPER_URL")))
}

// restoreElsewhere lets the script's database be what a restored one is: the same data in another place.
func restoreElsewhere(t *testing.T, ts *testscript.TestScript) {
	w := of(ts)
	w.url = pgtest.Copy(t, w.url)
	ts.Setenv("DATABASE_URL", w.url)
}

// makeRole makes a role that may use what is there and whatever the owner makes later, and may create nothing.
func makeRole(ts *testscript.TestScript, _ bool, args []string) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, pgtest.Super(of(ts).url))
	ts.Check(err)
	defer conn.Close(ctx)
	var database string
	ts.Check(conn.QueryRow(ctx, "SELECT current_database()").Scan(&database))
	role := pgx.Identifier{args[0] + "_" + database}.Sanitize()
	for _, statement := range []string{
		"CREATE ROLE " + role + " LOGIN",
		"REVOKE CREATE ON DATABASE " + pgx.Identifier{database}.Sanitize() + " FROM PUBLIC",
		"GRANT USAGE ON SCHEMA syncd TO " + role,
		"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA syncd TO " + role,
		"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA syncd TO " + role,
		"GRANT USAGE ON ALL SEQUENCES IN SCHEMA syncd TO " + role,
	} {
		_, err := conn.Exec(ctx, statement)
		ts.Check(err)
	}
	ts.Defer(func() { dropRole(pgtest.Super(of(ts).url), role) })
	ts.Setenv("WRITER_URL", pgtest.As(of(ts).url, args[0]+"_"+database))
}

// dropRole leaves nothing of a script's role on the shared server.
func dropRole(url, role string) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return
	}
	defer conn.Close(ctx)
	for _, statement := range []string{"DROP OWNED BY " + role, "DROP ROLE " + role} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			fmt.Fprintln(os.Stderr, "drop role:", err)
		}
	}
}

// sameTables checks that two schemas have the same tables, columns, types, keys, comments and rows.
func sameTables(ts *testscript.TestScript, _ bool, args []string) {
	const shape = `select string_agg(x, E'\n' order by x) from (
		select replace(format('%%s.%%s %%s %%s %%s %%s', c.relname, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
			col_description(c.oid, a.attnum)), '%[1]s', 'X') as x
		from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
		where n.nspname = '%[1]s' and a.attnum > 0 and c.relkind in ('r', 'i')) s`
	a, b := query(ts, fmt.Sprintf(shape, args[0])), query(ts, fmt.Sprintf(shape, args[1]))
	if a == "" || a != b {
		ts.Fatalf("schemas %s and %s differ:\n%s\n--\n%s", args[0], args[1], a, b)
	}
}
