package load

import (
	"errors"
	"io/fs"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"syncd/extract"
)

func TestOnlyWhatMayPassByItselfIsTriedAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"a disk that is full":         {&extract.Error{Kind: extract.KindConfig, What: "write", Cause: &fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}}, false},
		"a connection that was reset": {syscall.ECONNRESET, true},
		"a deadlock":                  {fault("merge", &pgconn.PgError{Code: "40P01"}), true},
		"a row that is there already": {fault("merge", &pgconn.PgError{Code: "23505"}), false},
		"a server that is starting":   {&pgconn.PgError{Code: "57P03"}, true},
		"what nobody knows":           {errors.New("surprise"), false},
	} {
		if got := passing(c.err); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestARoleThatIsNotLetInIsToldWhatToDo(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"28000", "28P01", "3D000"} {
		var e *extract.Error
		if err := fault("open warehouse", &pgconn.PgError{Code: state}); !errors.As(err, &e) || e.Next == "" {
			t.Errorf("%s: %v", state, err)
		}
	}
}
