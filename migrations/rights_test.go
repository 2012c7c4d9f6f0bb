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
	db := pgtest.Empty(t)
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

func TestTheGrantsLetARoleRunWithoutOwning(t *testing.T) {
	t.Parallel()
	db := pgtest.Empty(t)
	owner := connect(t, db)
	upTo(t, owner, 3)
	role, address := limited(t, owner, db)
	exec(t, owner, migrations.Grants(role))
	up(t, db) // tables of later migrations are granted as well
	conn := connect(t, address)
	exec(t, conn, "INSERT INTO syncd.run (job, kind, state) VALUES ('j', 'pull', 'running'); DELETE FROM syncd.run")
	exec(t, conn, "INSERT INTO syncd.river_notification (payload, topic) VALUES ('', 't')")
	if from, to, err := migrations.Up(t.Context(), migrations.Config{URL: address}); err != nil || from != to {
		t.Errorf("it cannot see that nothing is to be done: %v", err)
	}
	if _, err := conn.Exec(t.Context(), "UPDATE syncd.schema_migration SET version = 1"); err == nil {
		t.Error("it may change the version")
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
