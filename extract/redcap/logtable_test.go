package redcap

import (
	"slices"
	"strings"
	"testing"
	"time"

	fake "syncd/internal/fake/redcap"
)

func pullingLog(c *Config) { c.Options.Pull = []string{"records", "dags", "log"} }

func TestTheLogIsKeptByWholeMinutesAndNeverForgotten(t *testing.T) {
	t.Parallel()
	p := cohort(t, 6)
	s := newSite(t, p, fake.Options{})
	s.must(false, pullingLog)
	id, field := p.Records()[1], p.Fields()[2].Name
	s.now = s.now.Add(3 * time.Hour)
	for range 3 { // the same row three times in one minute
		done(t, p.Set(id, "", "", 0, field, "x"))
	}
	s.must(false, pullingLog)
	if n := s.logged("Update record"); n != 0 {
		t.Errorf("%d rows of the present minute were kept", n)
	}
	s.now = s.now.Add(time.Minute)
	s.must(false, pullingLog)
	if n := s.logged("Update record"); n != 3 {
		t.Errorf("%d rows kept of three alike", n)
	}
	before := s.store.count("_meta.redcap_log")
	s.night()
	p.PruneLog(s.now.Add(-time.Hour))
	s.must(false, pullingLog)
	if s.store.count("_meta.redcap_log") < before {
		t.Errorf("%d rows after the site pruned its log, %d before", s.store.count("_meta.redcap_log"), before)
	}
	for _, row := range s.store.tables["_meta.redcap_log"].rows {
		if _, there := row["details"]; there {
			t.Fatal("details were kept without being asked for")
		}
	}
}

// logged counts the kept rows whose action begins with a text.
func (s *site) logged(action string) int {
	n := 0
	for _, row := range s.store.tables["_meta.redcap_log"].rows {
		if strings.HasPrefix(row["action"], action) {
			n++
		}
	}
	return n
}

func TestHoursThatTheClockShowsTwiceOrNeverLoseNoChange(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("America/New_York")
	done(t, err)
	for name, first := range map[string]time.Time{
		"autumn": time.Date(2026, 11, 1, 3, 0, 0, 0, time.UTC),
		"spring": time.Date(2026, 3, 8, 4, 0, 0, 0, time.UTC),
	} {
		t.Run(name, func(t *testing.T) {
			p := cohort(t, 20)
			ids, field := p.Records(), p.Fields()[2].Name
			s := newSite(t, p, fake.Options{Zone: zone})
			shortest := func(c *Config) { c.Zone, c.Options.Reread = zone, leastReread }
			s.now = first
			s.must(false, shortest)
			missed := 0
			for step := range 40 { // a change every 10 minutes, a run every 20, over 6.7 hours
				s.now = s.now.Add(7 * time.Minute)
				id := ids[step%len(ids)]
				done(t, p.Set(id, "", "", 0, field, s.now.Format(time.RFC3339)))
				s.now = s.now.Add(3 * time.Minute)
				if step%2 == 0 {
					continue
				}
				s.must(false, shortest)
				for _, changed := range []string{id, ids[(step-1)%len(ids)]} {
					if !slices.Contains(s.read, changed) {
						missed++
					}
				}
			}
			if missed > 0 {
				t.Errorf("%d changes were missed", missed)
			}
		})
	}
}
