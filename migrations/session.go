package migrations

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/golang-migrate/migrate/v4/database"
	"github.com/jackc/pgx/v5"
)

// ourLock is the key of the lock that a process holds from its first look to its last step. It is the bytes "syncdmig".
const ourLock int64 = 0x73796e63646d6967

// session is a connection beside the one that golang-migrate works on: it looks, it repairs, and it holds our lock.
type session struct {
	conn *pgx.Conn
	log  func(msg string, args ...any)
}

// parse reads the address and sets what both connections need.
func (c Config) parse() (*pgx.ConnConfig, error) {
	cfg, err := pgx.ParseConfig(c.URL)
	if err != nil {
		return nil, clean(err)
	}
	if c.DialFunc != nil {
		cfg.DialFunc = c.DialFunc
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = 10 * time.Second
	}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec // nothing here is worth preparing
	return cfg, nil
}

// settings of a session. The server looks every second whether we are still there while it works, so that a statement
// of a killed process does not live on; and golang-migrate's own lock, which knows no deadline, obeys lock_timeout.
func (c Config) settings() string {
	return "SET client_connection_check_interval = '1s'; SET search_path = pg_catalog; SET TimeZone = 'UTC'; " +
		"SET lock_timeout = " + strconv.FormatInt(c.lockTimeout().Milliseconds(), 10) + "; " +
		"SET statement_timeout = 0; SET idle_in_transaction_session_timeout = '60s'; SET client_min_messages = warning"
}

func (c Config) open(ctx context.Context) (*session, error) {
	cfg, err := c.parse()
	if err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, clean(err)
	}
	s := &session{conn: conn, log: c.log().Info}
	if _, err := conn.Exec(ctx, c.settings()); err != nil {
		s.close(ctx)
		return nil, clean(err)
	}
	return s, nil
}

// close ends the session, and with it its locks. That it fails changes nothing: the server sees the end anyway.
func (s *session) close(ctx context.Context) {
	_ = s.conn.Close(context.WithoutCancel(ctx))
}

// lock takes our lock, and proves that no server process of a dead predecessor is still at work: such a one holds
// golang-migrate's lock until its transaction has ended one way or the other.
func (s *session) lock(ctx context.Context, within time.Duration) error {
	var db string
	if err := s.conn.QueryRow(ctx, "SELECT current_database()").Scan(&db); err != nil {
		return clean(err)
	}
	theirs, err := database.GenerateAdvisoryLockId(db, schemaName, versionTable)
	if err != nil {
		return fmt.Errorf("name the migration lock: %w", err)
	}
	key, err := strconv.ParseInt(theirs, 10, 64)
	if err != nil {
		return fmt.Errorf("name the migration lock: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, within,
		fmt.Errorf("%w, and did not end within %s", ErrBusy, within))
	defer cancel()
	if err := s.tryLock(ctx, ourLock); err != nil {
		return err
	}
	if err := s.tryLock(ctx, key); err != nil {
		return err
	}
	_, err = s.conn.Exec(ctx, "SELECT pg_advisory_unlock($1)", key)
	return clean(err)
}

// tryLock asks again and again: a waiting pg_advisory_lock would be a statement that runs for as long as it waits.
func (s *session) tryLock(ctx context.Context, key int64) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		var got bool
		if err := s.conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", key).Scan(&got); err != nil {
			if cause := context.Cause(ctx); errors.Is(cause, ErrBusy) {
				return cause
			}
			return clean(err)
		}
		if got {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}
