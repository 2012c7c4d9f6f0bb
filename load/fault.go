package load

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"

	"syncd/extract"
)

// Refusal is what may be told of an error of Postgres: never its message, detail or statement, which can hold
// values. State is empty where the server did not answer.
type Refusal struct {
	State, Constraint, Table string

	cause error
}

// Error prints the SQLSTATE and the names of what stood in the way.
func (r *Refusal) Error() string {
	switch {
	case r.State != "":
	case passing(r.cause):
		return "no connection to Postgres" + r.reason()
	default:
		return fmt.Sprintf("the driver failed with %T", r.cause) // its words can hold a value
	}
	s := []string{"SQLSTATE " + r.State}
	if r.Constraint != "" {
		s = append(s, "constraint "+r.Constraint)
	}
	if r.Table != "" {
		s = append(s, "table "+r.Table)
	}
	return strings.Join(s, ", ")
}

// reason is the system's own word for why there is no connection, such as "connection refused"; empty where it has none.
func (r *Refusal) reason() string {
	var of syscall.Errno
	if !errors.As(r.cause, &of) {
		return ""
	}
	return ": " + of.Error()
}

// Unwrap returns the driver's error, for errors.Is and errors.As; it must not be printed.
func (r *Refusal) Unwrap() error { return r.cause }

// Fault is fault for other packages that use the pool.
func Fault(what string, err error) error { return fault(what, err) }

// fault makes an error that may be shown of one that came from the driver. What was refused by syncd itself passes
// as it is, and so does the end of a context.
func fault(what string, err error) error {
	var known *extract.Error
	var stale *StaleError
	var busy *BusyError
	var settled *SettledError
	var chunk *ChunkError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known), errors.As(err, &stale), errors.As(err, &busy), errors.As(err, &settled), errors.As(err, &chunk), errors.As(err, new(*PausedError)):
		return err
	case errors.Is(err, context.Canceled):
		return &extract.Error{Kind: extract.KindPostgres, What: what, Cause: context.Canceled}
	case errors.Is(err, context.DeadlineExceeded):
		return &extract.Error{Kind: extract.KindPostgres, What: what, Cause: context.DeadlineExceeded}
	}
	refusal := &Refusal{cause: err}
	if pg := (*pgconn.PgError)(nil); errors.As(err, &pg) {
		refusal.State, refusal.Constraint, refusal.Table = pg.Code, pg.ConstraintName, pg.TableName
	}
	return &extract.Error{Kind: extract.KindPostgres, What: what, Cause: refusal, Next: letIn(refusal.State)}
}

// letIn says what to do where the server lets nobody in.
func letIn(state string) string {
	switch state {
	case "28000", "28P01":
		return "the server does not let this role in: look at user and password in [postgres] url and at the server's pg_hba.conf; the roles of syncd are made by: syncd roles | psql"
	case "3D000":
		return "there is no such database on the server: look at its name in [postgres] url, or make it with createdb"
	}
	return ""
}
