package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	fake "syncd/internal/fake/redox"
	"syncd/internal/pgtest"
	"syncd/load"
)

// demoOf is the part of a demo that receives, on a database of its own.
func demoOf(t *testing.T) (p *pushed, out *bytes.Buffer, database string) {
	t.Helper()
	out, database = &bytes.Buffer{}, pgtest.New(t)
	d := &demo{dir: t.TempDir(), campus: campusOf(10, 1, time.Now())}
	d.cli = &cli{Main: &Main{Now: time.Now, Stdout: out, Stderr: out}, ctx: t.Context(), config: filepath.Join(d.dir, "jobs.toml")}
	if err := os.Mkdir(filepath.Join(d.dir, "tokens"), 0o700); err != nil {
		t.Fatal(err)
	}
	receiver, err := d.writeReceiver()
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(d.dir, "database"), database)
	writeFile(t, d.config, "[postgres]\nurl = \"file:database\"\n[serve]\nlisten = \"127.0.0.1:0\"\n"+receiver)
	cfg, err := d.load()
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	w, err := load.Open(t.Context(), load.Config{URL: database, DDL: load.Apply, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	if p, err = d.receive(d.cli, cfg, w, log); err != nil {
		t.Fatal(err)
	}
	return p, out, database
}

func TestDemoShowsThatTablesFollowWhatIsPushed(t *testing.T) {
	t.Parallel()
	p, out, database := demoOf(t)
	if err := p.close(p.show(t.Context())); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	truth := p.history.Truth()
	for table, want := range map[string]int{
		"visit": len(truth.Visits), "clinical_order": len(truth.Orders), "result": len(truth.Results), "appointment": len(truth.Appointments),
		"note": len(truth.Notes), "medication_administration": len(truth.Administrations), "patient": len(truth.Patients), "patient_alias": len(truth.Aliases),
	} {
		if got := scalar(t, database, "SELECT count(*) FROM hospital."+table); got != fmt.Sprint(want) {
			t.Errorf("%s has %s rows, want %d", table, got, want)
		}
		if !strings.Contains(out.String(), "\n"+table+" ") {
			t.Errorf("the demo does not show %s", table)
		}
	}
	const twice = "SELECT count(*) > 0 FROM hospital_history.visit GROUP BY visit_number HAVING count(*) > 1 LIMIT 1"
	if scalar(t, database, twice) != "true" || scalar(t, database, "SELECT count(*) > 0 FROM hospital.patient_current") != "true" {
		t.Error("what the demo says to look at is not there")
	}
	for _, want := range []string{"\nhospital: succeeded, proven;", "PatientMerge", "answered with 200 after a commit"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the demo does not say %q:\n%s", want, out)
		}
	}
}

func TestDemoStaysUntilItIsInterrupted(t *testing.T) {
	t.Parallel()
	p, out, database := demoOf(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p.sending.Observe = func(a fake.Attempt) {
		if a.Acknowledged() {
			cancel()
		}
	}
	p.sending.LoseReplies = 0
	if err := p.close(p.stay(ctx)); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if n := scalar(t, database, "SELECT count(*) FROM syncd.delivery"); n == "0" || !strings.Contains(out.String(), "--token-file "+p.tokenFile()) {
		t.Errorf("%s deliveries\n%s", n, out)
	}
}
