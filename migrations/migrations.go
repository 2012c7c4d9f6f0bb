// Package migrations carries the tables of schema syncd as numbered SQL files, and brings a database to the newest.
//
// In comes the address of a database; out comes schema syncd at version Latest. It promises: any number of processes
// may start it at once; killed anywhere, or cut from the database, it is finished by the next start with no hand work;
// a schema that is newer than this program is refused; nothing waits without end; and no error holds the address, its
// password, or a value. Every file is one transaction that changes nothing when it is run again, and names in its head
// a query ("-- done:") that tells from the catalogue whether it was committed.
//
// It goes forward only. It must never touch a table outside schema syncd.
package migrations

import (
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

//go:embed *.sql
var files embed.FS

// The version is kept where golang-migrate keeps it: one row, in a table of our own schema.
const (
	schemaName   = "syncd"
	versionTable = "schema_migration"
)

// defaultLockTimeout bounds the wait for another process that migrates.
const defaultLockTimeout = time.Minute

// Config says which database, and how long to wait for others who migrate it.
type Config struct {
	URL         string          // postgres://... or libpq's key=value form; never repeated in an error
	Log         *slog.Logger    // one line per migration; nil: silent
	LockTimeout time.Duration   // 0: a minute
	DialFunc    pgconn.DialFunc // nil: pgx's own
}

func (c Config) lockTimeout() time.Duration {
	if c.LockTimeout > 0 {
		return c.LockTimeout
	}
	return defaultLockTimeout
}

func (c Config) log() *slog.Logger {
	if c.Log != nil {
		return c.Log
	}
	return slog.New(slog.DiscardHandler)
}

// Migration is one step of the schema: one file.
type Migration struct {
	Version uint
	Name    string // such as "ledger"
	SQL     string // one transaction, BEGIN to COMMIT
	done    string // query: was it committed?
}

// All lists the migrations of this program, oldest first.
func All() []Migration {
	list, err := read(files)
	if err != nil {
		panic(err) // the files are part of the program, and a test reads them
	}
	return list
}

// Latest is the version that this program brings a database to, and the newest it understands.
func Latest() uint {
	all := All()
	return all[len(all)-1].Version
}

func read(from fs.FS) ([]Migration, error) {
	names, err := fs.Glob(from, "*.up.sql") // sorted, and the numbers have leading zeroes
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", err)
	}
	list := make([]Migration, 0, len(names))
	for _, file := range names {
		number, name, ok := strings.Cut(strings.TrimSuffix(file, ".up.sql"), "_")
		version, err := strconv.ParseUint(number, 10, 32)
		if !ok || err != nil {
			return nil, fmt.Errorf("read migrations: %s is not named NNNNNN_name.up.sql", file)
		}
		text, err := fs.ReadFile(from, file)
		if err != nil {
			return nil, fmt.Errorf("read migrations: %w", err)
		}
		m := Migration{Version: uint(version), Name: name, SQL: string(text)}
		for line := range strings.Lines(m.SQL) {
			if query, ok := strings.CutPrefix(line, "-- done: "); ok {
				m.done = strings.TrimSpace(query)
			}
		}
		if m.done == "" {
			return nil, fmt.Errorf("read migrations: %s does not say how to see that it is done", file)
		}
		list = append(list, m)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("read migrations: %w", fs.ErrNotExist)
	}
	return list, nil
}

// pending are the migrations above a version.
func pending(version uint) []Migration {
	var list []Migration
	for _, m := range All() {
		if m.Version > version {
			list = append(list, m)
		}
	}
	return list
}

// find is the migration of a version.
func find(version uint) (Migration, bool) {
	for _, m := range All() {
		if m.Version == version {
			return m, true
		}
	}
	return Migration{}, false
}

// before is the version that stands before another; 0 where none does.
func before(version uint) (last uint) {
	for _, m := range All() {
		if m.Version < version {
			last = m.Version
		}
	}
	return last
}
