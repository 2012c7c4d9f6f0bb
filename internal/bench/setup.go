package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"syncd/internal/fake/redcap"
	"syncd/internal/pgembed"
)

// fields is the width of the benchmark's instrument, beside its key.
const fields = 40

// bench holds what all figures share: the program under test, a Postgres and a REDCap-like server.
type bench struct {
	settings
	dir            string
	binary         string
	server         *pgembed.Server
	fake           *redcap.Server
	front          *prerendered
	http           *http.Server
	url            string
	projects, made int
}

func setUp(ctx context.Context, s settings) (*bench, error) {
	dir, err := os.MkdirTemp("", "syncd-bench-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o711); err != nil { // as root the server runs as another user, who must get through
		return nil, err
	}
	b := &bench{settings: s, dir: dir, binary: filepath.Join(dir, "syncd"), fake: redcap.NewServer(redcap.Options{})}
	b.front = prerender(b.fake)
	if err := b.start(ctx); err != nil {
		b.tearDown()
		return nil, err
	}
	return b, nil
}

func (b *bench) start(ctx context.Context) error {
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", b.binary, "./cmd/syncd")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build syncd: %w\n%s", err, out)
	}
	var err error
	b.server, err = pgembed.Start(ctx, pgembed.Options{Dir: filepath.Join(b.dir, "postgres"), Settings: map[string]string{
		"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "autovacuum": "off", "jit": "off",
		"shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min",
	}})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	b.url = "http://" + l.Addr().String() + "/api/"
	b.http = &http.Server{Handler: b.front, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := b.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(os.Stderr, "bench: serve:", err)
		}
	}()
	return nil
}

func (b *bench) tearDown() {
	if b.http != nil {
		b.http.Close()
	}
	if b.server != nil {
		if err := b.server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
	}
	if !b.keep {
		os.RemoveAll(b.dir)
	}
}

// project makes a classic project of typed fields.
func (b *bench) project(rows, fields, forms int) *redcap.Project {
	b.projects++
	p := redcap.Synthetic(redcap.Spec{
		Kind: redcap.Classic, Records: rows, Fields: fields, Forms: forms, OneColumnFields: true,
		Title: fmt.Sprintf("Bench %d", b.projects), ID: b.projects, Empty: -1,
	})
	b.fake.Add(p)
	return p
}

// warehouse makes a fresh database and a folder with the jobs.toml of one job.
func (b *bench) warehouse(ctx context.Context, p *redcap.Project) (*warehouse, error) {
	w, err := b.database(ctx)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(w.dir, "token"), []byte(p.Token()), 0o600); err != nil {
		return nil, err
	}
	return w, w.configure(ctx, fmt.Sprintf("[postgres]\nurl = %q\n[redcap.bench]\nurl = %q\nrequests_per_minute = 0\n[job.bench]\nsource = \"redcap.bench\"\ntoken = \"file:token\"\n",
		b.server.URL(w.database), b.url))
}

// database makes a fresh database and a folder.
func (b *bench) database(ctx context.Context) (*warehouse, error) {
	b.made++
	w := &warehouse{bench: b, database: fmt.Sprintf("bench_%d", b.made), dir: filepath.Join(b.dir, fmt.Sprint("job-", b.made))}
	admin, err := pgx.Connect(ctx, b.server.URL("postgres"))
	if err != nil {
		return nil, err
	}
	defer admin.Close(ctx)
	if _, err := admin.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{w.database}.Sanitize()); err != nil {
		return nil, err
	}
	if w.conn, err = pgx.Connect(ctx, b.server.URL(w.database)); err != nil {
		return nil, err
	}
	return w, os.MkdirAll(w.dir, 0o700)
}

// configure writes the jobs.toml and brings the ledger into the database.
func (w *warehouse) configure(ctx context.Context, text string) error {
	if err := os.WriteFile(filepath.Join(w.dir, "jobs.toml"), []byte(text), 0o600); err != nil {
		return err
	}
	_, err := w.measure(exec.CommandContext(ctx, w.bench.binary, "-c", filepath.Join(w.dir, "jobs.toml"), "migrate", "up"))
	return err
}
