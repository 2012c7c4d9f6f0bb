package migrations_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"syncd/internal/pgtest"
	"syncd/migrations"
)

func TestARoleWithoutTheRightIsToldWhatToType(t *testing.T) {
	t.Parallel()
	db := pgtest.Super(pgtest.Empty(t))
	conn := connect(t, db)
	role, address := limited(t, conn, db)
	c := migrations.Config{URL: address}

	_, _, err := migrations.Up(t.Context(), c)
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

// TestTheRolesPartWhatOneRoleKept: a database that one role had kept is handed over, at any version, and the parts are kept apart from
// then on.
func TestTheRolesPartWhatOneRoleKept(t *testing.T) {
	t.Parallel()
	for _, from := range []uint{0, 3, migrations.Latest()} {
		one := pgtest.Super(pgtest.Empty(t))
		dba := connect(t, one)
		if from > 0 {
			upTo(t, dba, from)
			exec(t, dba, `CREATE SCHEMA asthma; CREATE TABLE asthma.person (id text); CREATE VIEW asthma.someone AS SELECT * FROM asthma.person; CREATE SCHEMA theirs;
				CREATE TABLE theirs.person (id text); INSERT INTO syncd.job (job, schema_name, source) VALUES ('asthma', 'asthma', 'redcap.main')`)
		}
		for range 2 {
			exec(t, dba, migrations.Roles())
		}
		up(t, pgtest.As(one, migrations.RoleMigrate))
		app := connect(t, pgtest.As(one, migrations.RoleApp))
		exec(t, app, "INSERT INTO syncd.run (job, kind, state) VALUES ('j', 'pull', 'running'); DELETE FROM syncd.run")
		exec(t, app, "INSERT INTO syncd.river_notification (payload, topic) VALUES ('', 't')")
		exec(t, app, "CREATE SCHEMA copd; CREATE TABLE copd.person (id text); CREATE TEMPORARY TABLE stage (id text)")
		if from > 0 {
			exec(t, app, "ALTER TABLE asthma.person ADD COLUMN name text; DROP VIEW asthma.someone")
		}
		if at, to, err := migrations.Up(t.Context(), migrations.Config{URL: pgtest.As(one, migrations.RoleApp)}); err != nil || at != to {
			t.Errorf("from %d: it cannot see that nothing is to be done: %v", from, err)
		}
		refused := []string{
			"UPDATE syncd.schema_migration SET version = 1", "CREATE TABLE syncd.mine (id text)", "DROP TABLE syncd.run", "ALTER TABLE syncd.run ADD COLUMN mine text",
			"TRUNCATE syncd.run", "DELETE FROM syncd.installation", "CREATE TABLE public.mine (id text)", "CREATE ROLE mine",
		}
		if from > 0 {
			refused = append(refused, "SELECT FROM theirs.person")
		}
		for _, statement := range refused {
			if _, err := app.Exec(t.Context(), statement); err == nil || !strings.Contains(err.Error(), "42501") {
				t.Errorf("from %d: %s: %v", from, statement, err)
			}
		}
	}
}

// limited makes a role with no rights and returns the database's address for it.
func limited(t *testing.T, owner *pgx.Conn, db string) (role, address string) {
	t.Helper()
	role = "limited_" + owner.Config().Database
	exec(t, owner, "CREATE ROLE "+role+" LOGIN")
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		conn, err := pgx.Connect(ctx, db)
		if err != nil {
			t.Error(err)
			return
		}
		_, err = conn.Exec(ctx, "DROP OWNED BY "+role+"; DROP ROLE "+role)
		if err = errors.Join(err, conn.Close(ctx)); err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(db)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(role)
	return role, u.String()
}
