package load

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"syncd/extract"
	"syncd/internal/pgtest"
)

func TestConnectionThatAnotherHostCouldAnswerIsRefused(t *testing.T) {
	t.Parallel()
	for url, refused := range map[string]bool{
		"postgres://u:canary@db.example.edu/x":                                       true, // prefer
		"postgres://u:canary@db.example.edu/x?sslmode=disable":                       true,
		"postgres://u:canary@db.example.edu/x?sslmode=require":                       true,
		"postgres://u:canary@db.example.edu/x?sslmode=verify-ca":                     true,
		"postgres://u:canary@db.example.edu/x?sslmode=verify-full":                   false,
		"postgres://u:canary@localhost,db.example.edu/x?sslmode=disable":             true,
		"postgres://u:canary@203.0.113.7/x?sslmode=allow":                            true,
		"postgres://u:canary@localhost/x?sslmode=disable":                            false,
		"postgres://u:canary@127.0.0.9/x":                                            false,
		"postgres://u:canary@[::1]/x":                                                false,
		"host=/var/run/postgresql dbname=x password=canary":                          false,
		"postgres://u:canary@db.example.edu:port/x":                                  true,
		"postgres://u:can%ary@localhost/x":                                           true,
		"host=localhost password='canary":                                            true,
		"postgres://u:canary@localhost/x?sslmode=verify-full&sslrootcert=/no/canary": true,
	} {
		_, err := poolConfig(Config{URL: url})
		if refused != (err != nil) {
			t.Errorf("%s: %v", url, err)
		}
		if err != nil && (strings.Contains(fmt.Sprintf("%v %+v", err, err), "canary") || extract.KindOf(err) != extract.KindConfig) {
			t.Errorf("%s: the error tells the password or has the wrong kind: %v", url, err)
		}
	}
}

func TestSessionsRunUnderOurSettingsWhateverRoleAndURLSay(t *testing.T) {
	t.Parallel()
	at := pgtest.Super(pgtest.New(t))
	owner := warehouseAt(t, Config{URL: at})
	db := ident(ask[string](t, owner, "SELECT current_database()"))
	do(t, owner, "CREATE SCHEMA hostile; ALTER DATABASE "+db+" SET search_path = hostile; ALTER DATABASE "+db+" SET datestyle = 'German'; ALTER DATABASE "+db+
		" SET timezone = 'Asia/Tokyo'; ALTER DATABASE "+db+" SET bytea_output = 'escape'; ALTER DATABASE "+db+" SET statement_timeout = '1s'; ALTER DATABASE "+db+
		" SET intervalstyle = 'iso_8601'; ALTER DATABASE "+db+" SET standard_conforming_strings = off")
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", "hostile")
	q.Set("TimeZone", "Asia/Tokyo")
	u.RawQuery = q.Encode()
	w := warehouseAt(t, Config{URL: u.String()})
	got := ask[string](t, w, `SELECT concat_ws(' ', current_setting('search_path'), current_setting('timezone'), current_setting('datestyle'), current_setting('bytea_output'),
		current_setting('statement_timeout'), current_setting('lock_timeout'), current_setting('idle_in_transaction_session_timeout'), current_setting('intervalstyle'),
		current_setting('standard_conforming_strings'), current_setting('application_name'))`)
	if got != "pg_catalog UTC ISO, MDY hex 2min 30s 1min postgres on syncd" {
		t.Errorf("settings: %s", got)
	}
}

func TestDatabaseOfAnotherEncodingIsRefused(t *testing.T) {
	t.Parallel()
	w := warehouseAt(t, Config{URL: pgtest.Super(pgtest.New(t))})
	db := "latin_" + ask[string](t, w, "SELECT md5(current_database())")
	do(t, w, "CREATE DATABASE "+db+" ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
	c := w.pool.Config().ConnConfig
	_, err := Open(t.Context(), Config{URL: fmt.Sprintf("host=%s port=%d user=%s dbname=%s", c.Host, c.Port, c.User, db)})
	if extract.KindOf(err) != extract.KindConfig || !strings.Contains(err.Error(), "SQL_ASCII") {
		t.Errorf("got %v", err)
	}
	do(t, w, "DROP DATABASE "+db)
}

func TestServerThatForgetsIsWarnedAbout(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	at := pgtest.Super(pgtest.New(t))
	w := warehouseAt(t, Config{URL: at})
	do(t, w, "ALTER DATABASE "+ident(ask[string](t, w, "SELECT current_database()"))+" SET synchronous_commit = off")
	warehouseAt(t, Config{URL: at, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if !strings.Contains(log.String(), "synchronous_commit=off") {
		t.Errorf("log: %s", &log)
	}
}

func TestServerThatIsAwayIsAnErrorOfItsKind(t *testing.T) {
	t.Parallel()
	_, err := Open(t.Context(), Config{URL: "host=" + t.TempDir() + " user=u password=canary dbname=x"})
	if extract.KindOf(err) != extract.KindPostgres || strings.Contains(err.Error(), "canary") {
		t.Errorf("got %v", err)
	}
}
