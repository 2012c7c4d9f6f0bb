package migrations

import (
	"context"
	"fmt"
	"strings"
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
	b.WriteString("\n" + grantsSQL)
	return b.String()
}
