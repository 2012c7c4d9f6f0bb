package migrations

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/golang-migrate/migrate/v4/database"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Errors that a caller tells apart; each is in the chain of what Up, Status and Repair return.
var (
	// ErrNewer: the schema was migrated by a newer syncd; this one must not write.
	ErrNewer = errors.New("the schema is newer than this program")
	// ErrForeign: a schema named syncd exists and was not made by syncd.
	ErrForeign = errors.New("schema syncd was not made by syncd")
	// ErrBusy: another process holds the migration lock for longer than the deadline.
	ErrBusy = errors.New("another process is migrating")
	// ErrRights: the role may not do what a migration needs.
	ErrRights = errors.New("the role lacks the right")
	// ErrLost: the connection was cut, or the server went down, in the middle.
	ErrLost = errors.New("the connection was lost")
)

// clean rebuilds an error from its parts, because those of pgx and golang-migrate may print the address of the
// database (a password misread as a host or a database, too), statements and values. What is not known is dropped.
func clean(err error) error {
	var parse *pgconn.ParseConfigError
	var server *pgconn.PgError
	var dns *net.DNSError
	var errno syscall.Errno
	var connect *pgconn.ConnectError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &parse):
		return errors.New("the address of the database cannot be read: expected postgres://user:password@host:port/database, with special characters of the password percent-encoded")
	case errors.As(err, &server):
		return cleanServer(server)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("no answer in time: %w", context.DeadlineExceeded)
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.As(err, &dns):
		return errors.New("the host of the database is not known")
	case errors.As(err, &errno):
		return lost(connect != nil || errors.As(err, &connect), errno)
	case errors.As(err, &connect):
		return errors.New("no connection to the database")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return ErrLost
	case errors.Is(err, pgx.ErrNoRows):
		return pgx.ErrNoRows
	}
	if isLostText(err) {
		return ErrLost
	}
	return fmt.Errorf("unexpected failure of type %T", root(err))
}

// lost words a failure of the operating system: while connecting it says that there is nothing to talk to.
func lost(connecting bool, errno syscall.Errno) error {
	if connecting {
		return fmt.Errorf("no connection to the database: %w", errno)
	}
	return fmt.Errorf("%w: %w", ErrLost, errno)
}

// cleanServer keeps the code and the names of our own objects. Messages and details may quote values.
func cleanServer(err *pgconn.PgError) error {
	text := fmt.Sprintf("Postgres refused it with SQLSTATE %s", err.Code)
	if err.TableName != "" {
		text += ", table " + err.TableName
	}
	if err.ConstraintName != "" {
		text += ", constraint " + err.ConstraintName
	}
	switch {
	case err.Code == "42501":
		return fmt.Errorf("%w: %s", ErrRights, text)
	case err.Code == "55P03":
		return fmt.Errorf("%w: %s (a lock was not to be had in time)", ErrBusy, text)
	case err.Code == "28P01" || err.Code == "28000":
		return fmt.Errorf("%s: the user or the password is wrong, or pg_hba.conf does not let it in", text)
	case err.Code == "3D000":
		return fmt.Errorf("%s: there is no such database", text)
	case err.Code == "57P03":
		return fmt.Errorf("%s: the server is starting up or shutting down", text)
	case err.Code[:min(2, len(err.Code))] == "08", err.Code == "57P01", err.Code == "57P02":
		return fmt.Errorf("%w: %s", ErrLost, text)
	}
	return errors.New(text)
}

// isLostText knows the failures that database/sql and pgx have no usable type for.
func isLostText(err error) bool {
	switch root(err).Error() {
	case "driver: bad connection", "conn closed", "sql: connection is already closed", "sql: database is closed":
		return true
	}
	return false
}

// root is the innermost error of a chain; golang-migrate's own error type does not unwrap.
func root(err error) error {
	for {
		var step database.Error
		next := errors.Unwrap(err)
		if next == nil && errors.As(err, &step) {
			next = step.OrigErr
		}
		if next == nil {
			return err
		}
		err = next
	}
}
