package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"syncd/extract"
	"syncd/internal/config"
	"syncd/internal/pgembed"
	"syncd/load"
	"syncd/migrations"
)

// load reads the configuration. All its problems are one error of exit code 2.
func (c *cli) load() (*config.Config, error) {
	cfg, err := config.Load(c.config, c.options...)
	if err == nil {
		return cfg, nil
	}
	if _, lost := os.Stat(c.config); errors.Is(lost, fs.ErrNotExist) {
		err = &extract.Error{
			Kind: extract.KindConfig, What: "read " + c.config, Cause: fs.ErrNotExist,
			Next: "go to the folder where it is, name it with -c FILE, or make one: " + c.typed("init"),
		}
	}
	return nil, &exitError{exitUsage, err}
}

// database is the Postgres of a configuration: its URL, and what has to be stopped after use.
type database struct {
	url   string
	close func() error
}

// postgres finds the warehouse's Postgres. A private one is started, or joined where another syncd runs it already.
func (c *cli) postgres(ctx context.Context, cfg *config.Config) (*database, error) {
	if !cfg.Postgres.Private {
		url, err := cfg.Postgres.URL.Read(ctx)
		if err != nil {
			return nil, misconfigured("read postgres.url", err)
		}
		return &database{url: url, close: func() error { return nil }}, nil
	}
	dir := filepath.Join(cfg.DataDir, "postgres")
	if url, ok := pgembed.Running(dir, privateDatabase); ok {
		return &database{url: url, close: func() error { return nil }}, nil
	}
	server, err := pgembed.Start(ctx, pgembed.Options{Dir: dir})
	if err != nil {
		return nil, &extract.Error{Kind: extract.KindPostgres, What: "start the private Postgres", Cause: err}
	}
	return &database{url: server.URL(privateDatabase), close: server.Stop}, nil
}

// privateDatabase is the one database of a private Postgres that syncd uses.
const privateDatabase = "postgres"

// misconfigured marks an error as one of the configuration's environment: a secret or file that is missing now.
func misconfigured(what string, err error) error {
	e := &extract.Error{Kind: extract.KindConfig, What: what, Cause: err}
	var fault *config.Fault
	var secret *config.SecretError
	switch {
	case errors.As(err, &fault):
		e.Next = fault.Next
	case errors.As(err, &secret):
		e.Next = secret.Next
	}
	return e
}

// withWarehouse opens the warehouse for a verb that writes, or pulls, and closes everything behind it. A database that was restored or
// copied is refused.
func (c *cli) withWarehouse(do func(*config.Config, *load.Warehouse) error) error {
	cfg, log, err := c.begin()
	if err != nil {
		return err
	}
	w, closeAll, err := c.warehouseOf(c.ctx, cfg, log, 0)
	if err != nil {
		return err
	}
	return errors.Join(do(cfg, w), closeAll())
}

// toRead opens the warehouse for a verb that only reads. It does so also in a database that was restored or copied, and says so.
func (c *cli) toRead(do func(*config.Config, *load.Warehouse) error) error {
	return c.withAny(func(cfg *config.Config, w *load.Warehouse, _ *slog.Logger) error {
		s, err := w.Whereabouts(c.ctx, cfg.Installation)
		if err == nil && s.Stop != "" {
			c.complain(load.Stopped(s.Stop))
		}
		return do(cfg, w) // what cannot be said of the database, the verb says of itself
	})
}

// withAny opens the warehouse whatever it is: for verbs that only read, and for those that say whose it is.
func (c *cli) withAny(do func(*config.Config, *load.Warehouse, *slog.Logger) error) error {
	cfg, log, err := c.begin()
	if err != nil {
		return err
	}
	w, closeAll, err := c.openWarehouse(c.ctx, cfg, log, 0, "")
	if err != nil {
		return err
	}
	return errors.Join(do(cfg, w, log), closeAll())
}

// withDatabase finds the Postgres for a verb that needs no warehouse in it.
func (c *cli) withDatabase(do func(cfg *config.Config, url string, log *slog.Logger) error) error {
	cfg, log, err := c.begin()
	if err != nil {
		return err
	}
	db, err := c.postgres(c.ctx, cfg)
	if err != nil {
		return err
	}
	return errors.Join(do(cfg, db.url, log), db.close())
}

// begin is what every verb begins with that looks at jobs.toml and speaks up only when something is odd.
func (c *cli) begin() (*config.Config, *slog.Logger, error) {
	cfg, err := c.load()
	if err != nil {
		return nil, nil, err
	}
	log, err := c.logger(slog.LevelWarn)
	return cfg, log, err
}

// warehouseOf opens the warehouse to work in it, with a pool of conns: only where it is this installation's own.
func (c *cli) warehouseOf(ctx context.Context, cfg *config.Config, log *slog.Logger, conns int) (*load.Warehouse, func() error, error) {
	return c.openWarehouse(ctx, cfg, log, conns, cfg.Installation)
}

// openWarehouse brings the ledger to this program's version where syncd may do so, and opens the warehouse; without the name of an
// installation nobody asks whose it is.
func (c *cli) openWarehouse(ctx context.Context, cfg *config.Config, log *slog.Logger, conns int, installation string) (*load.Warehouse, func() error, error) {
	db, err := c.postgres(ctx, cfg)
	if err != nil {
		return nil, nil, err
	}
	fail := func(err error) (*load.Warehouse, func() error, error) {
		return nil, nil, errors.Join(err, db.close())
	}
	if err := c.migrate(ctx, cfg, db.url, log); err != nil {
		return fail(err)
	}
	w, err := load.Open(ctx, load.Config{URL: db.url, DDL: load.DDL(cfg.Postgres.DDL), Log: log, MaxConns: conns, DialFunc: dialer(), Installation: installation})
	if err != nil {
		return fail(err)
	}
	return w, func() error { w.Close(); return db.close() }, nil
}

// migrate applies what is pending with ddl = "apply"; with "plan" it only refuses to work on another version.
func (c *cli) migrate(ctx context.Context, cfg *config.Config, url string, log *slog.Logger) error {
	mc := migrations.Config{URL: url, Log: log}
	if cfg.Postgres.DDL == string(load.Plan) || !cfg.Postgres.MigrateURL.IsZero() {
		state, err := migrations.Status(ctx, mc)
		if err != nil || state.Current() {
			return err
		}
		if cfg.Postgres.DDL != string(load.Plan) {
			mc.URL, err = c.migrator(ctx, cfg, url)
			if err == nil {
				_, _, err = migrations.Up(ctx, mc)
			}
			return err
		}
		return &extract.Error{
			Kind: extract.KindConfig, What: "use the ledger",
			Cause: fmt.Errorf("it is at version %d, this syncd needs %d, and ddl = \"plan\" alters nothing", state.Version, state.Latest),
			Next:  "as the database's owner: syncd plan | psql",
		}
	}
	_, _, err := migrations.Up(ctx, mc)
	return err
}

// migrator is the URL of the role that migrates: postgres.migrate_url, and without it the one that does all.
func (c *cli) migrator(ctx context.Context, cfg *config.Config, url string) (string, error) {
	if cfg.Postgres.MigrateURL.IsZero() {
		return url, nil
	}
	url, err := cfg.Postgres.MigrateURL.Read(ctx)
	if err != nil {
		return "", misconfigured("read postgres.migrate_url", err)
	}
	return url, nil
}

// holder names this process in the ledger. In a container host and number stay the same over a restart, hence the last part.
func holder() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s/%d/%s", host, os.Getpid(), rand.Text()[:8])
}
