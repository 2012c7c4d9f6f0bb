package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"syncd/internal/pgtest"
	"syncd/load"
)

func TestDemoShowsThatTablesFollowACampus(t *testing.T) {
	t.Parallel()
	out, database := &bytes.Buffer{}, pgtest.New(t)
	d := &demo{dir: t.TempDir()}
	d.cli = &cli{Main: &Main{Now: time.Now, Stdout: out, Stderr: out}, ctx: t.Context(), config: filepath.Join(d.dir, "jobs.toml"), output: "table", logLevel: "error", logFormat: "text"}
	if err := os.Mkdir(filepath.Join(d.dir, "tokens"), 0o700); err != nil {
		t.Fatal(err)
	}
	served, err := d.serveCampus()
	if err != nil {
		t.Fatal(err)
	}
	defer served.close()
	campus, err := d.writeCampus(served.url)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(d.dir, "database"), database)
	writeFile(t, d.config, "[postgres]\nurl = \"file:database\"\n"+campus)
	cfg, err := d.load()
	if err != nil {
		t.Fatal(err)
	}
	w, err := load.Open(t.Context(), load.Config{URL: database, DDL: load.Apply, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := d.showCampus(t.Context(), d.cli, cfg, w); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, resource := range []string{"organizations", "memberships", "positions", "users"} {
		if got, want := scalar(t, database, "SELECT count(*) FROM "+demoCampus+"."+resource), fmt.Sprint(d.campus.Live(resource)); got != want {
			t.Errorf("%s has %s rows, want %s", resource, got, want)
		}
	}
	if scalar(t, database, "SELECT count(*) > 0 FROM "+demoCampus+".current_member") != "true" {
		t.Error("what the demo says to look at is not there")
	}
	for _, want := range []string{"university: succeeded, proven", " join", "\nmemberships "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the demo does not say %q:\n%s", want, out)
		}
	}
}
