package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"syncd/internal/config"
	"syncd/internal/pgtest"
	"syncd/load"
	"syncd/ops"
	"syncd/ops/notice"
)

// toldOf is a configuration with a notifier, a receiver and jobs, and a ledger in which things are wrong; the values in it are canaries.
func toldOf(t *testing.T, url string) (*config.Config, *load.Warehouse) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "jobs.toml")
	text := `defaults.fresh_within = "26h"
postgres.url = "env:DATABASE_URL"
[redcap.main]
url = "https://redcap.example.edu/api/"
[job.asthma]
source = "redcap.main"
token = "env:A"
[job.copd]
source = "redcap.main"
token = "env:B"
[redox.ward]
path = "/ward"
verification_tokens = ["env:SYNCD_TEST_NO_SUCH_TOKEN"]
silent_after = "1h"
[notify.ops]
kind = "webhook"
url = "file:webhook.url"
`
	for name, text := range map[string]string{path: text, filepath.Join(filepath.Dir(path), "webhook.url"): url} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	database := pgtest.New(t)
	w, err := load.Open(t.Context(), load.Config{URL: database, DDL: load.Apply, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	for _, s := range []string{
		`INSERT INTO syncd.job (job, schema_name, source, title, first_seen) SELECT n, n, 'redcap.main', 'CANARY', clock_timestamp() - interval '30 days' FROM unnest(ARRAY['asthma', 'copd', 'ghost']) AS u (n)`,
		`INSERT INTO syncd.run (job, kind, state, started_at, requests, bytes) SELECT job, 'sync', 'running', clock_timestamp() - interval '10 minutes', 0, 0 FROM syncd.job`,
		`INSERT INTO syncd.run_table (run_id, schema_name, table_name, read, inserted, unchanged) SELECT run_id, job, 'CANARY', 7, 3, 4 FROM syncd.run`,
		`UPDATE syncd.run SET state = CASE job WHEN 'asthma' THEN 'succeeded' ELSE 'failed' END, verdict = CASE job WHEN 'asthma' THEN 'proven' END, error_kind = 'auth', error = 'CANARY', error_next = 'CANARY',
			requests = 5, bytes = 900, ended_at = started_at + interval '90 seconds'`,
		`INSERT INTO syncd.slot (job, kind, slot_at, state) VALUES ('asthma', 'sync', clock_timestamp(), 'due'), ('copd', 'sync', clock_timestamp(), 'skipped')`,
		`INSERT INTO syncd.circuit (source, failures, kind) VALUES ('redcap.main', 2, 'CANARY')`,
		`INSERT INTO syncd.budget (host, next_at) VALUES ('https://redcap.example.edu:443', clock_timestamp() + interval '1 hour')`,
		`INSERT INTO syncd.reject (job, table_name, key_hash, source_key, rule, raw, first_run_id, last_run_id) VALUES ('copd', 'CANARY', gen_random_uuid(), 'CANARY', 'CANARY', 'CANARY', 1, 1)`,
		`INSERT INTO syncd.schema_change (schema_name, table_name, kind, detail, statement, state) VALUES ('asthma_meta', 'CANARY', 'CANARY', 'CANARY', 'CANARY', 'pending')`,
		`INSERT INTO syncd.traffic VALUES ('ward', false, 'CANARY', 'CANARY', 'CANARY', 'applied', 2, clock_timestamp() - interval '2 hours')`,
	} {
		statement(t, database, s)
	}
	return cfg, w
}

func TestTheLedgersFiguresAreToldOfWhatIsConfigured(t *testing.T) {
	t.Parallel()
	cfg, w := toldOf(t, "https://hooks.example.edu/CANARY")
	if err := w.See(t.Context(), "", time.Hour, []load.Sighting{{Cause: string(notice.Certificate), Subject: "redcap.main", SeenAt: time.Now(), ExpiresAt: new(time.Unix(2e9, 0))}}); err != nil {
		t.Fatal(err)
	}
	m := ops.NewMetrics(slog.New(slog.DiscardHandler))
	m.Add(tellLedger(w, func() *config.Config { return cfg }))
	m.Add(tellBuild(time.Unix(1e9, 0)))
	page := httptest.NewRecorder()
	m.ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, want := range []string{
		`syncd_runs_total{job="asthma",kind="sync",state="succeeded",verdict="proven"} 1`, `syncd_runs_total{job="copd",kind="sync",state="failed",verdict=""} 1`,
		`syncd_run_seconds_total{job="asthma",kind="sync",state="succeeded"} 90`, `syncd_last_run_duration_seconds{job="copd",kind="sync"} 90`,
		`syncd_rows_total{job="asthma",outcome="unchanged"} 4`, `syncd_slots{job="asthma",kind="sync",state="due"} 1`, `syncd_slots_total{job="copd",kind="sync",state="skipped"} 1`,
		`syncd_job_stale{job="asthma"} 0`, `syncd_job_stale{job="copd"} 1`, `syncd_job_fresh_within_seconds{job="copd"} 93600`, `syncd_rejects_open{job="copd"} 1`,
		`syncd_structure_changes_pending{job="asthma"} 1`, `syncd_source_requests_total{source="redcap.main"} 15`, `syncd_source_bytes_total{source="redcap.main"} 2700`,
		`syncd_source_budget_requests_per_minute{source="redcap.main"} 60`, `syncd_source_down{source="redcap.main"} 0`, `syncd_source_failures{source="redcap.main"} 2`,
		`syncd_source_certificate_expiry_timestamp_seconds{source="redcap.main"} 2e+09`, `syncd_notices{cause="run_failed"} 0`, `syncd_build_info{go="`, "syncd_start_timestamp_seconds 1e+09",
		`syncd_source_budget_wait_seconds{source="redcap.main"} 35`, `syncd_held_keys{job="copd"} 0`, `syncd_job_last_success_timestamp_seconds{job="asthma"} `,
	} {
		if !strings.Contains(page.Body.String(), want) {
			t.Errorf("not told: %s", want)
		}
	}
	for _, never := range []string{"ghost", "CANARY"} {
		if strings.Contains(page.Body.String(), never) {
			t.Errorf("the metrics hold %s", never)
		}
	}
}

func TestTheDaemonTellsItsNotifiersByTheRulesOfJobsToml(t *testing.T) {
	t.Parallel()
	hook := &webhook{status: http.StatusNoContent}
	server := httptest.NewServer(hook)
	t.Cleanup(server.Close)
	cfg, w := toldOf(t, server.URL+"/CANARY")
	c := &cli{Main: &Main{Now: time.Now}, ctx: t.Context()}
	log := slog.New(slog.DiscardHandler)
	from := c.newSources(cfg, log, w)
	e := c.newNotifications(w, "one", func() *config.Config { return cfg }, func() *sources { return from }, log)
	now := time.Now()
	e.Now = func() time.Time { return now }
	for range 4 {
		now = now.Add(time.Minute)
		if err := e.Turn(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{
		`"title":"copd failed"`, `"title":"copd is stale"`, `"title":"copd has rejects (1 is open)"`, `"title":"1 change of structure pending in asthma"`,
		`"title":"ward is silent: nothing is pushed"`, `"title":"ward is misconfigured and answers 503"`,
	} {
		if !strings.Contains(hook.got(), want) {
			t.Errorf("not told: %s", want)
		}
	}
	for _, never := range []string{"ghost", "CANARY", "SYNCD_TEST"} {
		if strings.Contains(hook.got(), never) {
			t.Errorf("a message holds %s", never)
		}
	}
	told, err := tellMessages(e)(context.Background())
	if err != nil || !strings.Contains(fmt.Sprint(told), "[ops sent] 6") {
		t.Errorf("%v, %v", told, err)
	}
}

// A daemon under way tells metrics of the ledger, and writes down what should be known; what it tells first it tells within a minute
// of real time, which no test has.
func TestServeLooksAtTheLedgerAndTellsItsMetrics(t *testing.T) {
	t.Parallel()
	w := newWatch(t, pgtest.New(t))
	statement(t, w.database, `INSERT INTO syncd.job (job, schema_name, source, first_seen) VALUES ('asleep', 'asleep', 'redcap.main', clock_timestamp() - interval '3 days')`)
	s := w.serve(t, "[job.asleep]\nsource = \"redcap.main\"\nschedule = \"@yearly\"\ntoken = \"env:TOKEN\"\nfresh_within = \"26h\"", "[notify.ops]\nkind = \"webhook\"\nurl = \"env:NO_SUCH_URL\"")
	s.hears(t, "serving")
	for scalar(t, w.database, "SELECT count(*) FROM syncd.notice WHERE cause = 'job_stale' AND subject = 'asleep' AND ended_at IS NULL") == "0" {
		s.ended(t, "crash") // a run of every second is the clock of this test
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.admin+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	page, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`syncd_build_info{`, `syncd_job_stale{job="asleep"} 1`, `syncd_notices{cause="job_stale"} 1`, `syncd_source_down{source="redcap.main"} 0`, "syncd_config_reload_success 1"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("not told: %s", want)
		}
	}
	s.signal(t, syscall.SIGTERM)
	s.exits(t, exitDone)
}
