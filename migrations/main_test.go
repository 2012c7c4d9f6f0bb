package migrations_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"syncd/internal/pgtest"
	"syncd/migrations"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(victimURL); url != "" {
		os.Exit(victim(url)) // this process was started to be killed
	}
	pgtest.Main(m)
}

// connect opens a connection that ends with the test.
func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func exec(t testing.TB, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%v in: %.200s", err, sql)
	}
}

// up migrates and insists on success.
func up(t testing.TB, url string) {
	t.Helper()
	if _, to, err := migrations.Up(t.Context(), migrations.Config{URL: url}); err != nil || to != migrations.Latest() {
		t.Fatalf("migrated to %d: %v", to, err)
	}
}

// upTo makes a database that stands at an older version.
func upTo(t testing.TB, conn *pgx.Conn, version uint) {
	t.Helper()
	exec(t, conn, "CREATE SCHEMA IF NOT EXISTS syncd; CREATE TABLE IF NOT EXISTS syncd.schema_migration (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL)")
	for _, m := range migrations.All() {
		if m.Version <= version {
			exec(t, conn, m.SQL)
		}
	}
	if _, err := conn.Exec(t.Context(), "INSERT INTO syncd.schema_migration VALUES ($1, false)", version); err != nil {
		t.Fatal(err)
	}
}

// atLatest checks everything that a finished migration promises.
func atLatest(t testing.TB, conn *pgx.Conn) {
	t.Helper()
	var version uint
	var dirty bool
	if err := conn.QueryRow(t.Context(), "SELECT version, dirty FROM syncd.schema_migration").Scan(&version, &dirty); err != nil {
		t.Fatal(err)
	}
	if version != migrations.Latest() || dirty {
		t.Fatalf("version %d, dirty %t; want %d and clean", version, dirty, migrations.Latest())
	}
	for _, m := range migrations.All() {
		var done bool
		if err := conn.QueryRow(t.Context(), m.Done()).Scan(&done); err != nil || !done {
			t.Fatalf("migration %d left no trace: %v", m.Version, err)
		}
	}
}

// catalogue describes the structure of one schema, one object a line, without the schema's name.
func catalogue(t testing.TB, conn *pgx.Conn, schema string) []string {
	t.Helper()
	rows, err := conn.Query(t.Context(), `
		WITH ns AS (SELECT oid FROM pg_namespace WHERE nspname = $1),
		rel AS (SELECT * FROM pg_class WHERE relnamespace = (SELECT oid FROM ns))
		SELECT format('relation %s kind %s persistence %s comment %s', relname, relkind, relpersistence, obj_description(oid, 'pg_class')) FROM rel
		UNION ALL
		SELECT format('column %s.%s: #%s %s null %s default %s identity %s collation %s', r.relname, a.attname,
		              row_number() OVER (PARTITION BY r.oid ORDER BY a.attnum), format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
		              pg_get_expr(d.adbin, d.adrelid), a.attidentity, a.attcollation::regcollation)
		FROM rel r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
		LEFT JOIN pg_attrdef d ON d.adrelid = r.oid AND d.adnum = a.attnum
		WHERE r.relkind IN ('r', 'v')
		UNION ALL
		SELECT format('constraint %s.%s: %s', r.relname, c.conname, pg_get_constraintdef(c.oid)) FROM pg_constraint c JOIN rel r ON r.oid = c.conrelid
		UNION ALL
		SELECT format('index %s', pg_get_indexdef(oid)) FROM rel WHERE relkind = 'i'
		UNION ALL
		SELECT format('enum %s: %s', t.typname, (SELECT string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid))
		FROM pg_type t WHERE t.typnamespace = (SELECT oid FROM ns) AND t.typtype = 'e'
		UNION ALL
		SELECT 'function ' || pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = (SELECT oid FROM ns)
		UNION ALL
		SELECT 'trigger ' || pg_get_triggerdef(g.oid) FROM pg_trigger g JOIN rel r ON r.oid = g.tgrelid WHERE NOT g.tgisinternal
		ORDER BY 1`, schema)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	for i := range lines {
		lines[i] = strings.ReplaceAll(lines[i], schema+".", "")
	}
	return lines
}

// secret stands in every address of these tests and in no error.
const secret = "canary-Pa55w0rd"

// secretFree fails where an error shows what it must not.
func secretFree(t testing.TB, err error) {
	t.Helper()
	if err == nil {
		return
	}
	for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err)} {
		for _, part := range []string{"canary", "Pa55w0rd", "postgres://canary", "CREATE TABLE"} {
			if strings.Contains(text, part) {
				t.Errorf("the error holds %q: %s", part, text)
			}
		}
	}
}
