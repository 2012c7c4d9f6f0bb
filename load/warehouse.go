package load

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"syncd/extract"
)

// Config says which Postgres is the warehouse and how it is reached.
type Config struct {
	URL      string // a connection URL or keyword string; never part of an error or a log line
	DDL      DDL
	Log      *slog.Logger
	MaxConns int             // of the pool; 0: four
	DialFunc pgconn.DialFunc // nil: TCP or unix socket as the URL says
	// Installation is the name that the database must know as its own before anything is written. Empty: what only reads, and what
	// says whose it is.
	Installation string

	guard *guard // of the warehouse that an inbox belongs to
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
	own  Config

	places *entrance // of Budget
	guard  *guard    // nil where the warehouse is only read
}

const oldestServer = 150000 // PostgreSQL 15

// sessionSettings is what every connection runs under, whatever the role, the database or the URL say: names are
// looked up nowhere but in the catalogue, text is printed in one way only, and nothing waits for ever.
func sessionSettings() map[string]string {
	return map[string]string{
		"application_name":                    "syncd",
		"search_path":                         "pg_catalog",
		"client_encoding":                     "UTF8",
		"timezone":                            "UTC",
		"datestyle":                           "ISO",
		"intervalstyle":                       "postgres",
		"bytea_output":                        "hex",
		"standard_conforming_strings":         "on",
		"default_transaction_isolation":       "read committed",
		"row_security":                        "off", // a policy that would hide rows is an error, never a silence
		"jit":                                 "off",
		"lock_timeout":                        "30s",
		"statement_timeout":                   "120s", // a frozen client inside a COPY is not idle
		"idle_in_transaction_session_timeout": "60s",
		"tcp_keepalives_idle":                 "30",
		"tcp_keepalives_interval":             "10",
		"tcp_keepalives_count":                "3",
	}
}

// Open connects to the warehouse and checks that it is one that can be written to without harm.
func Open(ctx context.Context, c Config) (*Warehouse, error) {
	config, err := poolConfig(c)
	if err != nil {
		return nil, err
	}
	places := newEntrance(config)
	if c.Installation != "" {
		c.guard = &guard{installation: c.Installation}
		c.guard.watch(config)
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fault("open warehouse", err)
	}
	c.guard.add(pool)
	w := &Warehouse{pool: pool, ddl: c.DDL, log: c.Log, own: c, places: places, guard: c.guard}
	if w.ddl == "" {
		w.ddl = Apply
	}
	if w.log == nil {
		w.log = slog.New(slog.DiscardHandler)
	}
	err = w.check(ctx)
	if err == nil {
		err = w.Guard(ctx)
	}
	if err != nil {
		pool.Close()
		return nil, err
	}
	return w, nil
}

func poolConfig(c Config) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(c.URL)
	if err != nil {
		// The driver's words can hold the URL, and with it the password.
		return nil, extract.Errorf(extract.KindConfig, "read postgres url", "it is not a connection URL that can be understood (its text is not shown, it may hold a password)")
	}
	if err := checkTLS(&config.ConnConfig.Config); err != nil {
		return nil, err
	}
	for name, value := range sessionSettings() {
		for given := range config.ConnConfig.RuntimeParams {
			if strings.EqualFold(given, name) {
				delete(config.ConnConfig.RuntimeParams, given)
			}
		}
		config.ConnConfig.RuntimeParams[name] = value
	}
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	config.ConnConfig.OnNotice = func(*pgconn.PgConn, *pgconn.Notice) {}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = 10 * time.Second
	}
	config.ConnConfig.DialFunc = c.DialFunc
	if c.DialFunc == nil {
		dialer := &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3}}
		config.ConnConfig.DialFunc = dialer.DialContext
	}
	config.MaxConns = 4
	if c.MaxConns > 0 {
		config.MaxConns = int32(min(c.MaxConns, 1000))
	}
	config.MinConns, config.MinIdleConns = 0, 0
	return config, nil
}

// checkTLS refuses a connection that another machine could answer in the server's place: what leaves this host goes to
// a peer whose name and certificate were verified.
func checkTLS(c *pgconn.Config) error {
	hosts := []*pgconn.FallbackConfig{{Host: c.Host, TLSConfig: c.TLSConfig}}
	for _, h := range append(hosts, c.Fallbacks...) {
		if local(h.Host) || h.TLSConfig != nil && !h.TLSConfig.InsecureSkipVerify {
			continue
		}
		return &extract.Error{
			Kind: extract.KindConfig, What: "read postgres url",
			Cause: fmt.Errorf("host %s is not on this machine, and the connection to it would not be verified", h.Host),
			Next:  "add sslmode=verify-full (and sslrootcert=FILE for a private authority); require, prefer and verify-ca do not prove who answers",
		}
	}
	return nil
}

func local(host string) bool {
	if strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") || host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// check reads what only the server knows: its age, its encoding, and whether what it commits survives a crash.
func (w *Warehouse) check(ctx context.Context) error {
	var version int
	var encoding, fsync, synchronous string
	err := w.pool.QueryRow(ctx, `SELECT current_setting('server_version_num')::integer, current_setting('server_encoding'),
		current_setting('fsync'), current_setting('synchronous_commit')`).Scan(&version, &encoding, &fsync, &synchronous)
	switch {
	case err != nil:
		return fault("open warehouse", err)
	case version < oldestServer:
		return extract.Errorf(extract.KindConfig, "open warehouse", "the server is PostgreSQL %d; 15 or newer is needed", version/10000)
	case encoding != "UTF8":
		return &extract.Error{
			Kind: extract.KindConfig, What: "open warehouse",
			Cause: fmt.Errorf("the database is encoded in %s; only UTF8 holds every text", encoding),
			Next:  "create a database with ENCODING 'UTF8' TEMPLATE template0",
		}
	}
	if fsync != "on" || synchronous == "off" {
		w.log.Warn("postgres may forget what it has confirmed: a crash of the server can lose rows and marks",
			"fsync", fsync, "synchronous_commit", synchronous)
	}
	return nil
}

// Close ends all connections.
func (w *Warehouse) Close() {
	w.places.close()
	w.pool.Close()
}

// Pool returns the connections, for queries of other packages that only read.
func (w *Warehouse) Pool() *pgxpool.Pool { return w.pool }

// Live counts the live rows of a table, by the name that its source has for it.
func (w *Warehouse) Live(ctx context.Context, schema, table string) (int64, error) {
	var n int64
	var now string // it may wait to be renamed
	if err := w.pool.QueryRow(ctx, tableNowSQL, schema, table).Scan(&now); err != nil {
		return 0, fault("count rows of "+schema+"."+table, err)
	}
	err := w.pool.QueryRow(ctx, "SELECT count(*) FROM "+name(schema, now)).Scan(&n)
	return n, fault("count rows of "+schema+"."+table, err)
}

var errNotAgreed = errors.New("the table was not part of the structure that the run agreed on")
