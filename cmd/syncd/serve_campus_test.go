package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"syncd/internal/fake/engage"
	"syncd/internal/pgtest"
)

func TestServePullsACampusOnItsScheduleBesideProjectsAndTellsItsClock(t *testing.T) {
	t.Parallel()
	w := newWatch(t, pgtest.New(t))
	campus := engage.NewCampus(engage.Spec{Organizations: 5, Users: 20, Memberships: 40, Events: 5, Attendees: 10}, time.Now())
	fake := engage.NewServer(campus, engage.Options{Keys: []engage.Key{{Public: campusPublic, Private: campusPrivate}}})
	fake.Set(func(k *engage.Knobs) { k.ClockOffset = time.Minute })
	server := httptest.NewServer(fake)
	defer server.Close()
	for name, key := range map[string]string{"public": campusPublic, "private": campusPrivate} {
		if err := os.WriteFile(filepath.Join(w.dir, name), []byte(key+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := w.serve(t, fmt.Sprintf("[engage.campus]\nurl = %q\npublic_key = \"file:public\"\nprivate_key = \"file:private\"\nrequests_per_second = 0\n[job.campus]\nsource = \"engage.campus\"",
		server.URL+"/engage/api"))
	for _, job := range []string{"campus", "crash", "campus"} {
		if l := s.ended(t, job); l.State != "succeeded" || l.Verdict != "proven" {
			t.Errorf("a slot's run: %s", l.raw)
		}
	}
	if n := scalar(t, w.database, "SELECT count(*) FROM campus.memberships"); n != "40" {
		t.Errorf("%s memberships", n)
	}
	reply, err := http.Get("http://" + s.admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	metrics, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	offsets := map[string]float64{}
	for line := range strings.Lines(string(metrics)) {
		for source := range map[string]bool{"engage.campus": true, "redcap.main": true} {
			var seconds float64
			if _, err := fmt.Sscanf(line, `syncd_source_clock_offset_seconds{source="`+source+`"} %g`, &seconds); err == nil {
				offsets[source] = seconds
			}
		}
	}
	if got, ok := offsets["redcap.main"]; !ok || got < -5 || got > 5 {
		t.Errorf("the clock of a server that is right: %v, %v", got, ok)
	}
	if got := offsets["engage.campus"]; got < 55 || got > 65 {
		t.Errorf("the clock of a campus that is a minute ahead: %v s", got)
	}
	s.signal(t, syscall.SIGTERM)
	s.exits(t, exitDone)
	w.settledOnce(t)
	if err := fake.ReadOnly(); err != nil {
		t.Error(err)
	}
}
