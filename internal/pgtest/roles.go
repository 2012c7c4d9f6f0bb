package pgtest

import (
	"context"
	"fmt"
	"net/url"
	"testing"

	"github.com/jackc/pgx/v5"

	"syncd/internal/pgembed"
	"syncd/migrations"
)

// superuser is who may do everything on the servers of tests.
const superuser = "postgres"

// Super is the address of the same database for the superuser: for what only a DBA may do.
func Super(address string) string { return As(address, superuser) }

// As is the address of the same database for another role of its server.
func As(address, role string) string {
	u, err := url.Parse(address)
	if err != nil || u.User.Username() == role {
		return address // where it cannot be read, what opens it says what is wrong
	}
	u.User = url.User(role)
	return u.String()
}

// Ready makes the roles on a Private server, migrates its database postgres as one of them, and returns the address for the role
// that the product runs as.
func Ready(t testing.TB, pg *pgembed.Server) string {
	t.Helper()
	if err := ready(t.Context(), pg.URL("postgres")); err != nil {
		t.Fatal(err)
	}
	return As(pg.URL("postgres"), migrations.RoleApp)
}

// ready makes the roles, and the schema as the role that owns it.
func ready(ctx context.Context, address string) error {
	if err := run(ctx, address, migrations.Roles()); err != nil {
		return fmt.Errorf("make the roles: %w", err)
	}
	_, _, err := migrations.Up(ctx, migrations.Config{URL: As(address, migrations.RoleMigrate)})
	return err
}

// run runs statements on a connection of its own: a server that was restarted costs nothing here.
func run(ctx context.Context, address, statements string) error {
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statements)
	return err
}

// Copy copies a database of New with all that is in it; the copy ends as New's do. Nobody else may be connected to it meanwhile. The
// product refuses to work in the copy until somebody says what it is: Clone makes one that is worked in.
func Copy(t testing.TB, address string) string {
	t.Helper()
	cfg, err := pgx.ParseConfig(address)
	if err != nil {
		t.Fatal(err)
	}
	return As(shared.database(t, cfg.Database), cfg.User)
}

// Clone is a Copy that does not know that it is one.
func Clone(t testing.TB, address string) string {
	t.Helper()
	address = Copy(t, address)
	Unbind(t, address)
	return address
}

// Unbind makes a database forget where it lives, so that a copy of it is worked in without a word.
func Unbind(t testing.TB, address string) {
	t.Helper()
	const forget = "UPDATE syncd.installation SET name = NULL, system_identifier = NULL, database_oid = NULL, timeline = NULL, beat_at = NULL, stopped = NULL"
	if err := run(t.Context(), Super(address), forget); err != nil {
		t.Fatal(err)
	}
}
