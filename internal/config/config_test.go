package config

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"syncd/extract/redcap"
)

// write puts files into a fresh folder, makes it the working folder, and returns nothing: names stay short in problems.
func write(t *testing.T, files map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func load(t *testing.T, path string) *Config {
	t.Helper()
	c, err := Load(path)
	if err != nil {
		t.Fatalf("load %s:\n%v", path, err)
	}
	return c
}

// problems loads what must not load.
func problems(t *testing.T, path string) Problems {
	t.Helper()
	c, err := Load(path)
	var ps Problems
	if !errors.As(err, &ps) || len(ps) == 0 || c != nil {
		t.Fatalf("want problems and no configuration, got %v, %v", c, err)
	}
	return ps
}

func TestExampleOfTheRepositoryLoadsWithoutAProblem(t *testing.T) {
	c := load(t, "../../jobs.toml")
	if diff := cmp.Diff([]string{"asthma", "campus", "diabetes", "registry", "screening"}, c.Names()); diff != "" {
		t.Errorf("jobs (-want +got):\n%s", diff)
	}
}

func TestLayersOverrideEachOtherAndLeaveTheRestToDefaults(t *testing.T) {
	write(t, map[string]string{
		"jobs.toml": `
timezone = "Europe/Berlin"
include = ["jobs.d/*.toml"]
[postgres]
url = "postgresql:///warehouse?host=/run/postgresql"
[defaults]
fresh_within = "26h"
schedule = "@daily"
identifiers = "skip"
[redcap.main]
url = "https://redcap.example.edu/api/"
tokens = "dir:tokens"
[redcap.main.defaults]
schedule = "15 2 * * *"
skip_fields = ["ssn"]
[redcap.local]
url = "http://127.0.0.1:9/api/"
requests_per_minute = 0
timezone = "UTC"
ca_file = "pki/ca.pem"
`,
		"jobs.d/a.toml": `
[job.asthma]
source = "redcap.main"
skip_fields = []
schema = "lungs"
`,
		"jobs.d/b.toml": `
job.rehearsal = { source = "redcap.local", token = "file:t", schedule = "CRON_TZ=UTC 0 4 * * *" }
`,
	})
	c := load(t, "jobs.toml")
	a, b := c.Jobs["asthma"], c.Jobs["rehearsal"]
	here := folder(t)
	if diff := cmp.Diff(redcap.Options{
		Pull: []string{"records", "dags"}, SkipFields: []string{}, Identifiers: "skip",
	}, a.Project.Options); diff != "" {
		t.Errorf("options of asthma (-want +got):\n%s", diff)
	}
	got := map[string]any{
		"schema": a.Schema, "schedule": a.Slots.String(), "fresh": a.FreshWithin, "rpm": a.Server.RequestsPerMinute,
		"timeout": a.Server.Timeout, "token": a.Project.Token.Ref(), "zone": a.Server.Zone.String(), "ddl": c.Postgres.DDL,
		"admin": c.Serve.Admin, "place": a.Place(), "url": c.Postgres.URL.Ref(),
		"b schedule": b.Slots.String(), "b rpm": b.Server.RequestsPerMinute, "b zone": b.Server.Zone.String(),
		"b schema": b.Schema, "b token": b.Project.Token.Ref(), "b ca": b.Server.CAFile,
	}
	want := map[string]any{
		"schema": "lungs", "schedule": "CRON_TZ=Europe/Berlin 15 2 * * *", "fresh": 26 * time.Hour, "rpm": 60,
		"timeout": 5 * time.Minute, "token": "file:" + here + "/tokens/asthma", "zone": "Europe/Berlin", "ddl": "apply",
		"admin": "127.0.0.1:8081", "place": "jobs.d/a.toml:2", "url": "postgresql:///warehouse?host=/run/postgresql",
		"b schedule": "CRON_TZ=UTC 0 4 * * *", "b rpm": 0, "b zone": "UTC",
		"b schema": "rehearsal", "b token": "file:" + here + "/jobs.d/t", "b ca": here + "/pki/ca.pem",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("effective values (-want +got):\n%s", diff)
	}
}

func TestAPrivatePostgresNeedsNoURL(t *testing.T) {
	write(t, map[string]string{"jobs.toml": "data_dir = 'd'\n[postgres]\nprivate = true\n"})
	c := load(t, "jobs.toml")
	if !c.Postgres.Private || c.DataDir != folder(t)+"/d" || !c.Postgres.URL.IsZero() {
		t.Errorf("got %+v in %q", c.Postgres, c.DataDir)
	}
}

func TestEverySettingSaysWhereItComesFrom(t *testing.T) {
	write(t, map[string]string{"jobs.toml": `timezone = "UTC"
postgres.url = "env:DATABASE_URL"
[defaults]
fresh_within = "26h"
[redcap.main]
url = "https://redcap.example.edu/api/"
tokens = "dir:tokens"
[redcap.main.defaults]
schedule = "@hourly"
[job.asthma]
source = "redcap.main"
[job.ward]
source = "redcap.main"
token = "cmd:/usr/bin/pass show ward"
`})
	c := load(t, "jobs.toml")
	got := map[string]Setting{}
	for _, job := range []string{"asthma", "ward"} {
		all, err := c.Effective(job)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range all {
			got[job+" "+s.Key] = s
		}
	}
	for key, want := range map[string]Setting{
		"asthma token":                         {"token", "file:" + folder(t) + "/tokens/asthma [redacted]", "jobs.toml:7"},
		"asthma schedule":                      {"schedule", "@hourly", "jobs.toml:9"},
		"asthma fresh_within":                  {"fresh_within", "26h", "jobs.toml:4"},
		"asthma schema":                        {"schema", "asthma", "default"},
		"asthma pull":                          {"pull", "records, dags", "default"},
		"asthma redcap.main.timezone":          {"redcap.main.timezone", "UTC", "jobs.toml:1"},
		"asthma postgres.url":                  {"postgres.url", "env:DATABASE_URL [redacted]", "jobs.toml:2"},
		"asthma redcap.main.timeout":           {"redcap.main.timeout", "5m", "default"},
		"asthma redcap.main.ca_file":           {"redcap.main.ca_file", "", "default"},
		"ward token":                           {"token", "cmd:/usr/bin/pass ... [redacted]", "jobs.toml:14"},
		"ward redcap.main.ca_only":             {"redcap.main.ca_only", "false", "default"},
		"ward postgres.private":                {"postgres.private", "false", "default"},
		"ward redcap.main.tokens":              {"redcap.main.tokens", "dir:tokens", "jobs.toml:7"},
		"ward serve.admin":                     {"serve.admin", "127.0.0.1:8081", "default"},
		"ward redcap.main.requests_per_minute": {"redcap.main.requests_per_minute", "60", "default"},
	} {
		if diff := cmp.Diff(want, got[key]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", key, diff)
		}
	}
	if _, err := c.Effective("asthmar"); err == nil || err.Error() != `no job "asthmar" in jobs.toml; did you mean asthma?` {
		t.Errorf("unknown job: %v", err)
	}
}
