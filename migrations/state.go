package migrations

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// State is what a database says about its schema syncd.
type State struct {
	Version uint        // 0: nothing there yet
	Latest  uint        // of this program
	Dirty   bool        // a migration was begun and its end not recorded; the next Up looks which way it went
	Pending []Migration // what Up would run
}

// Current says whether there is nothing to do.
func (s State) Current() bool { return s.Version == s.Latest && !s.Dirty }

// status reads the version and judges it.
func (s *session) status(ctx context.Context) (State, error) {
	st := State{Latest: Latest()}
	there, err := s.look(ctx)
	if err != nil {
		return st, err
	}
	if there {
		var version int64
		err := s.conn.QueryRow(ctx, "SELECT version, dirty FROM syncd.schema_migration").Scan(&version, &st.Dirty)
		switch {
		case errors.Is(err, pgx.ErrNoRows), err == nil && version < 0: // golang-migrate's word for none
		case err != nil:
			return st, fmt.Errorf("read version of schema syncd: %w", foreignColumns(err))
		default:
			st.Version = uint(version)
		}
	}
	st.Pending = pending(st.Version)
	if st.Version > st.Latest {
		return st, fmt.Errorf("%w: schema syncd is at version %d, this program knows versions up to %d; use the newer syncd, or restore the backup that was made before its first start",
			ErrNewer, st.Version, st.Latest)
	}
	return st, nil
}

// look says whether our version table is there, and refuses a schema that somebody else filled.
func (s *session) look(ctx context.Context) (bool, error) {
	var there bool
	var others int64
	err := s.conn.QueryRow(ctx, `
		SELECT coalesce(bool_or(c.relname = 'schema_migration' AND c.relkind = 'r'), false),
		       count(*) FILTER (WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f'))
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = 'syncd'`).Scan(&there, &others)
	if err != nil {
		return false, fmt.Errorf("look for schema syncd: %w", clean(err))
	}
	if !there && others > 0 {
		return false, fmt.Errorf("%w: it holds %d tables or views and no %s.%s; rename that schema, or give syncd a database of its own",
			ErrForeign, others, schemaName, versionTable)
	}
	return there, nil
}

// foreignColumns tells a version table of another program from other failures.
func foreignColumns(err error) error {
	var server *pgconn.PgError
	if errors.As(err, &server) && server.Code == "42703" {
		return fmt.Errorf("%w: %s.%s has other columns than version and dirty", ErrForeign, schemaName, versionTable)
	}
	return clean(err)
}

// committed asks the catalogue whether a migration was committed. A table that is not there yet means no.
func (s *session) committed(ctx context.Context, m Migration) (bool, error) {
	var done bool
	err := s.conn.QueryRow(ctx, m.done).Scan(&done)
	var server *pgconn.PgError
	if errors.As(err, &server) && (server.Code == "42P01" || server.Code == "3F000") {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look whether migration %d was committed: %w", m.Version, clean(err))
	}
	return done, nil
}
