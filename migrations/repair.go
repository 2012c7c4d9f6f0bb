package migrations

import (
	"context"
	"fmt"
	"log/slog"
)

// Repaired says what Repair found and did.
type Repaired struct {
	Migration Migration // the one whose end was not recorded; zero where there was none
	Committed bool      // it had been committed; else it left no trace and is pending again
	Version   uint      // as recorded now
}

// String tells it to a person.
func (r Repaired) String() string {
	switch {
	case r.Migration.Version == 0:
		return fmt.Sprintf("nothing to repair: schema syncd is at version %d and not dirty", r.Version)
	case r.Committed:
		return fmt.Sprintf("migration %d (%s) had been committed: recorded version %d as clean",
			r.Migration.Version, r.Migration.Name, r.Version)
	}
	return fmt.Sprintf("migration %d (%s) had not been committed and left no trace: recorded version %d; it is pending again",
		r.Migration.Version, r.Migration.Name, r.Version)
}

// Repair clears the dirty mark of a migration whose process died, after it looked in the catalogue whether that
// migration was committed (each is one transaction: it was, or it left no trace). Up does the same by itself.
func Repair(ctx context.Context, c Config) (Repaired, error) {
	s, err := c.open(ctx)
	if err != nil {
		return Repaired{}, fmt.Errorf("repair schema syncd: %w", err)
	}
	defer s.close(ctx)
	if err := s.lock(ctx, c.lockTimeout()); err != nil {
		return Repaired{}, fmt.Errorf("repair schema syncd: %w", err)
	}
	st, err := s.status(ctx)
	if err != nil {
		return Repaired{Version: st.Version}, fmt.Errorf("repair schema syncd: %w", err)
	}
	if !st.Dirty {
		return Repaired{Version: st.Version}, nil
	}
	r, err := s.repair(ctx, st)
	if err != nil {
		return r, fmt.Errorf("repair schema syncd: %w", err)
	}
	return r, nil
}

// repair does it on the connection that holds our lock: if that is lost, so is the right to write.
func (s *session) repair(ctx context.Context, st State) (Repaired, error) {
	m, ok := find(st.Version)
	if !ok {
		return Repaired{Version: st.Version}, fmt.Errorf("%w: version %d is none of this program's", ErrForeign, st.Version)
	}
	r := Repaired{Migration: m, Version: before(m.Version)}
	var err error
	if r.Committed, err = s.committed(ctx, m); err != nil {
		return r, err
	}
	// Version 0 is no row at all: golang-migrate would look for a file of that number.
	query := "DELETE FROM syncd.schema_migration WHERE version = $1 AND dirty"
	args := []any{int64(m.Version)}
	switch {
	case r.Committed:
		r.Version = m.Version
		query = "UPDATE syncd.schema_migration SET dirty = false WHERE version = $1 AND dirty"
	case r.Version > 0:
		query = "UPDATE syncd.schema_migration SET dirty = false, version = $2 WHERE version = $1 AND dirty"
		args = append(args, int64(r.Version))
	}
	if _, err := s.conn.Exec(ctx, query, args...); err != nil {
		return r, fmt.Errorf("record version %d: %w", r.Version, clean(err))
	}
	s.log("repaired a migration whose end was not recorded", slog.Uint64("version", uint64(m.Version)),
		slog.Bool("committed", r.Committed))
	return r, nil
}
