package migrations

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Status reads where a database stands and changes nothing. With ErrNewer and ErrForeign in the error, what is known of
// the state is returned as well.
func Status(ctx context.Context, c Config) (State, error) {
	s, err := c.open(ctx)
	if err != nil {
		return State{Latest: Latest()}, fmt.Errorf("read state of schema syncd: %w", err)
	}
	defer s.close(ctx)
	st, err := s.status(ctx)
	if err != nil {
		return st, fmt.Errorf("read state of schema syncd: %w", err)
	}
	return st, nil
}

// SQL is the SQL that brings a database from a version to Latest, for the person who alone may change structure:
// feed it to psql as the owner. It records the versions as Up does.
func SQL(from uint) string {
	list := pending(from)
	if len(list) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "-- Schema syncd from version %d to %d. Made by syncd; run it with psql as the role that shall own the schema.\n", from, Latest())
	b.WriteString("\\set ON_ERROR_STOP on\nSET lock_timeout = '30s';\nCREATE SCHEMA IF NOT EXISTS syncd;\n")
	b.WriteString("CREATE TABLE IF NOT EXISTS syncd.schema_migration (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL);\n")
	for _, m := range list {
		record := fmt.Sprintf("DELETE FROM syncd.schema_migration;\nINSERT INTO syncd.schema_migration (version, dirty) VALUES (%d, false);\nCOMMIT;", m.Version)
		body, _ := strings.CutSuffix(strings.TrimSpace(m.SQL), "COMMIT;")
		fmt.Fprintf(&b, "\n-- Migration %d: %s\n%s%s\n", m.Version, m.Name, body, record)
	}
	return b.String()
}

// Grants is the SQL that lets a role use schema syncd without owning it, also after later migrations by the same owner:
// for the role that syncd runs as where ddl = "plan".
func Grants(role string) string {
	name := pgx.Identifier{role}.Sanitize()
	var b strings.Builder
	for _, line := range []string{
		"GRANT USAGE ON SCHEMA syncd TO %s;",
		"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA syncd TO %s;",
		"GRANT USAGE ON ALL SEQUENCES IN SCHEMA syncd TO %s;",
		"REVOKE INSERT, UPDATE, DELETE ON syncd.schema_migration, syncd.river_migration FROM %s;",
		"ALTER DEFAULT PRIVILEGES IN SCHEMA syncd GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO %s;",
		"ALTER DEFAULT PRIVILEGES IN SCHEMA syncd GRANT USAGE ON SEQUENCES TO %s;",
	} {
		fmt.Fprintf(&b, line+"\n", name)
	}
	return b.String()
}
