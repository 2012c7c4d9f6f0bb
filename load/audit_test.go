package load

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"syncd/internal/pgtest"
	"syncd/migrations"
)

// act writes a row of the audit as a care action does.
func act(t *testing.T, w *Warehouse, action string) {
	t.Helper()
	err := pgx.BeginFunc(t.Context(), w.pool, func(tx pgx.Tx) error {
		return audit(t.Context(), tx, "somebody@somewhere", action, "job asthma", map[string]any{"keys": 3, "why": "a \"test\"\n é"})
	})
	if err != nil {
		t.Error(err)
	}
}

func TestNobodyWhoWritesTheAuditCanChangeIt(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	w := warehouseAt(t, Config{URL: url})
	act(t, w, "approve")
	for _, role := range []string{migrations.RoleApp, migrations.RoleMigrate, "postgres"} { // who writes, who owns, and a slip of a superuser
		by := warehouseAt(t, Config{URL: pgtest.As(url, role)})
		for _, statement := range []string{
			"UPDATE syncd.audit SET actor = 'nobody'", "DELETE FROM syncd.audit", "TRUNCATE syncd.audit",
			"UPDATE syncd.audit SET row_hash = '' WHERE false", "INSERT INTO syncd.audit (audit_id, actor, action, subject) VALUES (1, 'a', 'b', 'c')",
			"INSERT INTO syncd.audit (actor, action, subject) VALUES ('a', 'b', 'c') ON CONFLICT (audit_id) DO UPDATE SET actor = 'nobody'",
		} {
			_, err := by.pool.Exec(t.Context(), statement)
			var pg *pgconn.PgError
			if !errors.As(err, &pg) || pg.Code != "42501" && pg.Code != "428C9" {
				t.Errorf("%s: %s: %v", role, statement, err)
			}
		}
	}
	if got := ask[string](t, w, "SELECT string_agg(actor, ' ') FROM syncd.audit"); got != "somebody@somewhere" {
		t.Errorf("audit: %s", got)
	}
}

func TestTheAuditIsOneChainWhoeverWritesAtOnce(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	w := warehouseAt(t, Config{URL: url, MaxConns: 8})
	var writers sync.WaitGroup
	for i := range 8 {
		writers.Go(func() {
			for j := range 10 {
				act(t, w, fmt.Sprintf("action %d %d", i, j))
			}
		})
	}
	writers.Wait()
	do(t, w, "INSERT INTO syncd.audit (actor, action, subject) SELECT 'a', 'many', n::text FROM generate_series(1, 5) AS n")
	c, err := w.VerifyAudit(t.Context(), "")
	if err != nil || c.Rows != 85 || c.Broken != 0 || len(c.Head) != 64 {
		t.Errorf("%+v %v", c, err)
	}
	if got := ask[int](t, w, "SELECT max(audit_id)::integer FROM syncd.audit"); got != 85 {
		t.Errorf("the last of 85 has the number %d", got)
	}
}

func TestAnAuditThatWasTamperedWithIsFound(t *testing.T) {
	t.Parallel()
	before := pgtest.New(t)
	w := warehouseAt(t, Config{URL: before})
	for range 5 {
		act(t, w, "approve")
	}
	noted, err := w.VerifyAudit(t.Context(), "")
	if err != nil || noted.Broken != 0 {
		t.Fatalf("%+v %v", noted, err)
	}
	w.Close()
	const rehash = ", row_hash = sha256(prev_hash || convert_to(syncd.audit_text(audit_id, at, 'nobody', action, subject, detail), 'UTF8'))"
	for name, tt := range map[string]struct {
		sql, why string
		at       int64
	}{
		"a row was changed":                          {"UPDATE syncd.audit SET actor = 'nobody' WHERE audit_id = 3", "it was changed", 3},
		"a row's time was changed":                   {"UPDATE syncd.audit SET at = at - interval '1 microsecond' WHERE audit_id = 3", "it was changed", 3},
		"a row was changed and its hash made anew":   {"UPDATE syncd.audit SET actor = 'nobody'" + rehash + " WHERE audit_id = 3", "the row before it", 4},
		"a row is gone":                              {"DELETE FROM syncd.audit WHERE audit_id = 3", "the row before it", 4},
		"the first row is gone":                      {"DELETE FROM syncd.audit WHERE audit_id = 1", "the row before it", 2},
		"the last row is gone":                       {"DELETE FROM syncd.audit WHERE audit_id = 5", "rows at the end are gone", 5},
		"all rows are gone":                          {"DELETE FROM syncd.audit", "rows at the end are gone", 1},
		"the last row was changed with its own hash": {"UPDATE syncd.audit SET actor = 'nobody'" + rehash + " WHERE audit_id = 5", "rows at the end are gone", 6},
	} {
		t.Run(name, func(t *testing.T) {
			dba := warehouseAt(t, Config{URL: pgtest.Super(pgtest.Clone(t, before))})
			do(t, dba, "ALTER TABLE syncd.audit DISABLE TRIGGER audit_keep; "+tt.sql)
			c, err := dba.VerifyAudit(t.Context(), noted.Head)
			if err != nil || c.Broken != tt.at || !strings.Contains(c.Why, tt.why) {
				t.Errorf("%+v %v; want row %d: %s", c, err, tt.at, tt.why)
			}
		})
	}
}

func TestAnAuditOfBeforeTheChainIsChainedByItsMigration(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	exec := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec("CREATE SCHEMA syncd; CREATE TABLE syncd.schema_migration (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL); INSERT INTO syncd.schema_migration VALUES (12, false)")
	for _, m := range migrations.All() {
		if m.Version <= 12 {
			exec(m.SQL)
		}
	}
	exec("INSERT INTO syncd.audit (actor, action, subject, detail) SELECT 'a', 'approve', 'run ' || n, '{\"keys\": 3}' FROM generate_series(1, 4) AS n; DELETE FROM syncd.audit WHERE audit_id = 2")
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := migrations.Up(t.Context(), migrations.Config{URL: url}); err != nil {
		t.Fatal(err)
	}
	w := warehouseAt(t, Config{URL: url, Installation: "default"})
	act(t, w, "approve")
	if c, err := w.VerifyAudit(t.Context(), ""); err != nil || c.Broken != 0 || c.Rows != 4 {
		t.Errorf("%+v %v", c, err)
	}
	if got := ask[int](t, w, "SELECT max(audit_id)::integer FROM syncd.audit"); got != 5 {
		t.Errorf("the next has the number %d", got)
	}
}
