package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestRetentionIsCarriedOutAfterThreeByTheZoneOfTheFile(t *testing.T) {
	t.Parallel()
	w := freshWard(t, "legal_hold = true\n[retention]\nrejects = \"1h\"")
	statement(t, w.url, `INSERT INTO syncd.reject (job, table_name, key_hash, rule, first_run_id, last_run_id, last_at) VALUES
		('ward', 'visit', '00000000-0000-0000-0000-000000000001', 'held', 1, 1, now() - interval '1 year')`)
	now, err := w.w.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	log := slog.New(slog.NewTextHandler(&said, nil))
	for _, at := range []struct {
		hour int
		did  bool
	}{{2, false}, {3, true}, {9, true}} {
		w.cfg.Zone = time.FixedZone("there", at.hour*3600+1800-int(now.UTC().Sub(now.UTC().Truncate(24*time.Hour)).Seconds())) // half past
		w.cli.tendOnce(t.Context(), w.cfg, w.w, w.b, log)
		if got := strings.Contains(said.String(), "retention: "); got != at.did {
			t.Errorf("at %d o'clock: %v\n%s", at.hour, got, said.String())
		}
	}
	if n := strings.Count(said.String(), "retention: "); n != 1 {
		t.Errorf("carried out %d times\n%s", n, said.String())
	}
	if n := askWard[int](w, "SELECT count(*) FROM syncd.reject"); n != 1 {
		t.Error("a legal hold was not heeded")
	}
	samples, err := tellCare(w.w)(t.Context())
	if err != nil || len(samples) != 1+len(removals()) || samples[0].Value < float64(now.Unix()) {
		t.Errorf("metrics: %+v, %v", samples, err)
	}
}

func TestNothingIsPurgedUnderALegalHold(t *testing.T) {
	t.Parallel()
	lines, _ := purges(t)
	w := freshWard(t, "legal_hold = true\n"+lines)
	w.push(message("1", "PatientAdmin", "Arrival", mr("7"), `},"Visit":{"VisitNumber":"v"}}`))
	w.drain()
	if said := w.purge(exitRefused, "--subject", "ward:MR:7"); !strings.Contains(said, "legal_hold") {
		t.Error(said)
	}
	if n := askWard[int](w, "SELECT count(*) FROM ward.visit"); n != 1 {
		t.Error("it was purged")
	}
}
