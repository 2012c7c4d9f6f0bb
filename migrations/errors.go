package migrations

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/golang-migrate/migrate/v4/database"
	"github.com/jackc/pgx/v5/pgconn"
)

// Errors that a caller tells apart; each is in the chain of what Up, Status and Repair return.
var (
	// ErrNewer: the schema was migrated by a newer syncd; this one must not write.
	ErrNewer = errors.New("the schema is newer than this program")
	// ErrForeign: a schema named syncd exists and was not made by syncd.
	ErrForeign = errors.New("schema syncd was not made by syncd")
	// ErrBusy: another process holds a lock for longer than the deadline.
	ErrBusy = errors.New("another process is in the way")
	// ErrRights: the role may not do what a migration needs.
	ErrRights = errors.New("the role lacks the right")
	// ErrLost: the connection was cut, or the server went down, in the middle.
	ErrLost = errors.New("the connection was lost")
	// ErrUnreachable: there is no server to talk to now; later there may be.
	ErrUnreachable = errors.New("the database cannot be reached")
	// ErrAddress: the address itself is wrong; to wait does not help.
	ErrAddress = errors.New("the address of the database cannot be used")
)

// clean rebuilds an error from parts that are known to be harmless, because those of pgx and golang-migrate may print
// the address of the database (a password misread as a host or a database, too), statements and values.
func clean(err error) error {
	if err == nil {
		return nil
	}
	links := chain(err)
	for _, judge := range []func([]error) error{ours, address, refused, stopped, cut} {
		if known := judge(links); known != nil {
			return known
		}
	}
	return fmt.Errorf("unexpected failure of type %T", links[len(links)-1])
}

// chain lists all errors that err is made of, the outer ones first; golang-migrate's own type does not unwrap.
func chain(err error) []error {
	list := []error{err}
	var next []error
	switch e := err.(type) {
	case database.Error:
		next = []error{e.OrigErr}
	case *database.Error:
		next = []error{e.OrigErr}
	case interface{ Unwrap() []error }:
		next = e.Unwrap()
	default:
		next = []error{errors.Unwrap(err)}
	}
	for _, n := range next {
		if n != nil {
			list = append(list, chain(n)...)
		}
	}
	return list
}

// first is the first error of a type.
func first[E error](links []error) (E, bool) {
	for _, link := range links {
		if e, ok := link.(E); ok {
			return e, true
		}
	}
	var none E
	return none, false
}

func has(links []error, targets ...error) bool {
	for _, link := range links {
		for _, target := range targets {
			if errors.Is(link, target) {
				return true
			}
		}
	}
	return false
}

// ours lets through what this package worded itself.
func ours(links []error) error {
	if has(links, ErrNewer, ErrForeign, ErrBusy, ErrRights, ErrLost, ErrUnreachable, ErrAddress) {
		return links[0]
	}
	return nil
}

// address knows what is wrong with the address before anything was sent.
func address(links []error) error {
	if _, ok := first[*pgconn.ParseConfigError](links); ok {
		if file, ok := first[*fs.PathError](links); ok {
			return fmt.Errorf("%w: a file that it names (sslrootcert, sslcert, sslkey) cannot be read: %w", ErrAddress, reason(file.Err))
		}
		return fmt.Errorf("%w: expected postgres://user:password@host:port/database?sslmode=..., with the special characters of the password percent-encoded", ErrAddress)
	}
	if dns, ok := first[*net.DNSError](links); ok {
		if dns.IsNotFound {
			return fmt.Errorf("%w: its host is not known", ErrUnreachable)
		}
		return fmt.Errorf("%w: the name server does not answer", ErrUnreachable)
	}
	if _, ok := first[*tls.CertificateVerificationError](links); ok {
		return fmt.Errorf("%w: the certificate of the server is not trusted, or is of another host (sslmode, sslrootcert)", ErrAddress)
	}
	return nil
}

// reason keeps an operating system's reason without the path.
func reason(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return fs.ErrInvalid
}

// refused keeps the code and the names of our own objects. Messages and details may quote values.
func refused(links []error) error {
	err, ok := first[*pgconn.PgError](links)
	if !ok {
		return nil
	}
	text := fmt.Sprintf("Postgres answered with SQLSTATE %s", err.Code)
	if err.TableName != "" {
		text += ", table " + err.TableName
	}
	if err.ConstraintName != "" {
		text += ", constraint " + err.ConstraintName
	}
	if at := line(links); at > 0 {
		text += fmt.Sprintf(", line %d of the migration", at)
	}
	switch code := err.Code; {
	case code == "42501":
		return fmt.Errorf("%w: %s", ErrRights, text)
	case code == "55P03":
		return fmt.Errorf("%w: %s: a lock was not to be had in time", ErrBusy, text)
	case code == "28P01" || code == "28000":
		return fmt.Errorf("%w: %s: the user or the password is wrong, or pg_hba.conf does not let it in", ErrAddress, text)
	case code == "3D000":
		return fmt.Errorf("%w: %s: there is no such database", ErrAddress, text)
	case code == "57P03" || code == "53300":
		return fmt.Errorf("%w: %s: the server is starting, stopping, or has no connection left", ErrUnreachable, text)
	case strings.HasPrefix(code, "08") || code == "57P01" || code == "57P02" || code == "57P05" || code == "25P03":
		return fmt.Errorf("%w: %s", ErrLost, text)
	}
	return errors.New(text)
}

// line is where in its file golang-migrate says that a migration failed; 0 where it does not.
func line(links []error) uint {
	if e, ok := first[database.Error](links); ok {
		return e.Line
	}
	return 0
}

// stopped knows the caller's own wish.
func stopped(links []error) error {
	if has(links, context.Canceled) {
		return context.Canceled
	}
	if has(links, context.DeadlineExceeded, os.ErrDeadlineExceeded) {
		if _, connecting := first[*pgconn.ConnectError](links); connecting {
			return fmt.Errorf("%w: no answer in time: %w", ErrUnreachable, context.DeadlineExceeded)
		}
		return fmt.Errorf("no answer in time: %w", context.DeadlineExceeded)
	}
	return nil
}

// cut tells a connection that never came about from one that broke.
func cut(links []error) error {
	_, connecting := first[*pgconn.ConnectError](links)
	errno, fromSystem := first[syscall.Errno](links)
	switch {
	case connecting && fromSystem:
		return fmt.Errorf("%w: %w", ErrUnreachable, errno)
	case connecting:
		return ErrUnreachable
	case fromSystem:
		return fmt.Errorf("%w: %w", ErrLost, errno)
	case has(links, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, pgconn.ErrConnClosed):
		return ErrLost
	}
	switch links[len(links)-1].Error() { // database/sql and pgx have no type for these
	case "driver: bad connection", "conn closed", "sql: connection is already closed", "sql: database is closed":
		return ErrLost
	}
	return nil
}
