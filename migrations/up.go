package migrations

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/golang-migrate/migrate/v4"
	driver "github.com/golang-migrate/migrate/v4/database/pgx/v5"
	"github.com/golang-migrate/migrate/v4/source/iofs"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// attempts is how often Up begins anew after its connection was cut.
const attempts = 3

// Up brings schema syncd to Latest and returns the versions before and after. Where nothing is to be done it takes no
// lock and needs no right but to read the version. A migration that a dead process left half recorded is finished. Where there
// are the roles of Roles, they get their rights on what is new.
func Up(ctx context.Context, c Config) (from, to uint, err error) {
	for attempt := 1; ; attempt++ {
		began, now, err := c.up(ctx)
		if attempt == 1 {
			from = began
		}
		if err == nil {
			return from, now, nil
		}
		if attempt == attempts || !errors.Is(err, ErrLost) || ctx.Err() != nil {
			return from, now, fmt.Errorf("migrate schema syncd: %w", err)
		}
		c.log().Warn("migration lost its connection", slog.Int("attempt", attempt), slog.String("error", err.Error()))
	}
}

// up is one attempt.
func (c Config) up(ctx context.Context) (from, to uint, err error) {
	s, err := c.open(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer s.close(ctx)
	st, err := s.status(ctx)
	if err != nil || st.Current() {
		return st.Version, st.Version, err
	}
	if err := s.lock(ctx, c.lockTimeout()); err != nil {
		return st.Version, st.Version, err
	}
	// Somebody may have been at work while we waited.
	if st, err = s.status(ctx); err != nil {
		return st.Version, st.Version, err
	}
	from = st.Version
	if st.Dirty {
		if _, err := s.repair(ctx, st); err != nil {
			return from, from, err
		}
	}
	if err := s.makeSchema(ctx); err != nil {
		return from, from, err
	}
	if st, err = s.status(ctx); err != nil {
		return from, st.Version, err
	}
	if !st.Current() {
		err = c.run(ctx, st.Version)
	}
	// What counts is what the database says: a reply may be lost after the work was done.
	now, statusErr := s.status(ctx)
	switch {
	case statusErr != nil:
		return from, st.Version, errors.Join(err, statusErr)
	case now.Current():
		return from, now.Version, s.grant(ctx)
	case err == nil:
		err = fmt.Errorf("ended at version %d instead of %d", now.Version, now.Latest)
	}
	return from, now.Version, err
}

// makeSchema makes the schema that holds the version table; the first migration does the same, for psql.
func (s *session) makeSchema(ctx context.Context) error {
	var there, may bool
	var role, db string
	err := s.conn.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'syncd'), current_user::text, current_database()::text,
		       has_database_privilege(current_database(), 'CREATE')`).Scan(&there, &role, &db, &may)
	if err != nil {
		return fmt.Errorf("look for schema syncd: %w", clean(err))
	}
	if there {
		err := s.conn.QueryRow(ctx, "SELECT has_schema_privilege('syncd', 'CREATE')").Scan(&may)
		if err != nil {
			return fmt.Errorf("look at rights on schema syncd: %w", clean(err))
		}
		if !may {
			return fmt.Errorf("%w to create tables in schema syncd: run `syncd migrate up` as the owner of that schema, or hand the output of `syncd plan` to the DBA (role %s, database %s)",
				ErrRights, role, db)
		}
		return nil
	}
	if !may {
		return fmt.Errorf("%w to create schema syncd: as the owner of the database type GRANT CREATE ON DATABASE %s TO %s; or hand the output of `syncd plan` to the DBA",
			ErrRights, pgx.Identifier{db}.Sanitize(), pgx.Identifier{role}.Sanitize())
	}
	if _, err := s.conn.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS syncd"); err != nil {
		return fmt.Errorf("make schema syncd: %w", clean(err))
	}
	return nil
}

// run lets golang-migrate apply what is pending, on a connection of its own. When ctx ends, that connection is closed;
// the server notices, and the transaction under way is rolled back or, if it was that far, committed.
func (c Config) run(ctx context.Context, version uint) error {
	cfg, err := c.parse()
	if err != nil {
		return err
	}
	hold := &holder{dial: cfg.DialFunc}
	cfg.DialFunc = hold.Dial
	defer context.AfterFunc(ctx, hold.cut)()

	db := stdlib.OpenDB(*cfg, stdlib.OptionAfterConnect(func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, c.settings())
		return err
	}))
	defer db.Close()
	target, err := driver.WithInstance(db, &driver.Config{SchemaName: schemaName, MigrationsTable: versionTable})
	if err != nil {
		return fmt.Errorf("open version table: %w", ended(ctx, err))
	}
	source, err := iofs.New(files, ".")
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	m, err := migrate.NewWithInstance("iofs", source, "pgx5", &drained{Driver: target})
	if err != nil {
		return fmt.Errorf("prepare migrations: %w", ended(ctx, err))
	}
	defer m.Close()
	m.LockTimeout = c.lockTimeout()
	for _, step := range pending(version) {
		start := time.Now()
		// One at a time, so that golang-migrate has nothing read ahead that it would leave lying on a failure.
		if err := m.Steps(1); err != nil {
			return fmt.Errorf("apply migration %d (%s): %w", step.Version, step.Name, ended(ctx, err))
		}
		c.log().Info("migrated", slog.Uint64("version", uint64(step.Version)), slog.String("name", step.Name),
			slog.Duration("took", time.Since(start)))
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// ended prefers the reason why ctx ended to the failure that this caused. That a server which answered a moment ago
// cannot be reached means that it was lost.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	err = clean(err)
	if errors.Is(err, ErrUnreachable) {
		return fmt.Errorf("%w: %w", ErrLost, err)
	}
	return err
}
