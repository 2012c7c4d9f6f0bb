package migrations_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/golang-migrate/migrate/v4/database"
	"github.com/jackc/pgx/v5/pgconn"

	"syncd/internal/pgembed"
	"syncd/internal/pgtest"
	"syncd/migrations"
)

func TestNoErrorHoldsThePassword(t *testing.T) {
	t.Parallel()
	pg := pgtest.Private(t, pgembed.Options{Port: -1})
	right, err := url.Parse(pg.TCP("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	free := freePort(t)
	missing := filepath.Join(t.TempDir(), "missing.pem")
	for name, address := range map[string]string{
		"wrong password":         "postgres://postgres:" + secret + "@" + right.Host + "/postgres",
		"no such user":           "postgres://canary:" + secret + "@" + right.Host + "/postgres",
		"no such database":       "postgres://postgres:" + right.User.String()[len("postgres:"):] + "@" + right.Host + "/" + secret,
		"nobody listens":         "postgres://u:" + secret + "@" + free + "/db",
		"host unknown":           "postgres://u:" + secret + "@" + secret + ".invalid/db",
		"no TLS there":           "postgres://u:" + secret + "@" + right.Host + "/db?sslmode=require",
		"CA file missing":        "postgres://u:" + secret + "@" + right.Host + "/db?sslmode=verify-full&sslrootcert=" + missing,
		"slash in the password":  "postgres://u:1/" + secret + "@" + free + "/db",
		"hash in the password":   "postgres://u:1#" + secret + "@" + free + "/db",
		"colon in the password":  "postgres://u:a:b:" + secret + "@" + free + ":x/db",
		"percent in password":    "postgres://u:%zz" + secret + "@" + free + "/db",
		"question in password":   "postgres://u:?" + secret + "@" + free + "/db",
		"at sign in password":    "postgres://u:" + secret + "@" + secret + "@" + free + "/db",
		"unknown parameter":      "postgres://postgres:x@" + right.Host + "/postgres?" + secret + "=1",
		"no scheme":              secret + "@host/db",
		"other scheme":           "pgx5://u:" + secret + "@" + free + "/db",
		"key and value":          "host=" + secret + ".invalid password=" + secret + " dbname=x",
		"key and value, broken":  "host='x password=" + secret,
		"key without value":      "password " + secret,
		"socket does not exist":  "host=/" + secret + " user=u password=" + secret,
		"port is not a number":   "postgres://u:" + secret + "@127.0.0.1:" + secret + "/db",
		"control character":      "postgres://u:" + secret + "\n@127.0.0.1/db",
		"sslmode is not a mode":  "postgres://u:" + secret + "@127.0.0.1/db?sslmode=" + secret,
		"connect timeout is odd": "postgres://u:" + secret + "@127.0.0.1/db?connect_timeout=" + secret,
	} {
		var log bytes.Buffer
		c := migrations.Config{URL: address, Log: slog.New(slog.NewTextHandler(&log, nil))}
		_, _, err := migrations.Up(t.Context(), c)
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		secretFree(t, err)
		if errors.Is(err, migrations.ErrAddress) == errors.Is(err, migrations.ErrUnreachable) {
			t.Errorf("%s: neither address nor reach is named, or both: %v", name, err)
		}
		_, err = migrations.Status(t.Context(), c)
		secretFree(t, err)
		_, err = migrations.Repair(t.Context(), c)
		secretFree(t, err)
		if strings.Contains(log.String(), secret) {
			t.Errorf("%s: the log holds it: %s", name, &log)
		}
		t.Logf("%s: %v", name, err)
	}
}

func TestAnErrorOfPostgresShowsNoValueAndNoStatement(t *testing.T) {
	t.Parallel()
	raw := database.Error{
		OrigErr: &pgconn.PgError{Code: "23505", Message: "duplicate " + secret, Detail: secret, Where: secret, TableName: "run", ConstraintName: "run_pkey"},
		Err:     "migration failed: " + secret, Query: []byte("CREATE TABLE " + secret), Line: 7,
	}
	for _, err := range []error{raw, &raw, errors.Join(raw, errors.New(secret)), errors.New(secret)} {
		secretFree(t, migrations.Clean(err))
	}
	want := "Postgres answered with SQLSTATE 23505, table run, constraint run_pkey, line 7 of the migration"
	if got := migrations.Clean(raw).Error(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// freePort is an address at which nobody listens.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
