package load

import (
	"context"
	"log/slog"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Config says which Postgres is the warehouse and how it is reached.
type Config struct {
	URL      string // a connection URL or keyword string; never part of an error or a log line
	DDL      DDL
	Log      *slog.Logger
	MaxConns int             // of the pool; 0: four
	DialFunc pgconn.DialFunc // nil: TCP or unix socket as the URL says
}

// DDL says who changes the structure of the warehouse.
type DDL string

// The two ways: syncd applies its plans, or prints them for somebody who may.
const (
	Apply DDL = "apply"
	Plan  DDL = "plan"
)

// Warehouse is one Postgres database that syncd keeps. It is safe for concurrent use.
type Warehouse struct {
	pool *pgxpool.Pool
	ddl  DDL
	log  *slog.Logger
}

// Open connects to the warehouse and checks that it is one that can be written to without harm.
func Open(ctx context.Context, c Config) (*Warehouse, error) { return nil, nil }

// Close ends all connections.
func (w *Warehouse) Close() { w.pool.Close() }

// Pool returns the connections, for queries of other packages that only read.
func (w *Warehouse) Pool() *pgxpool.Pool { return w.pool }
