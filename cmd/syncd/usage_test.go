package main

import (
	"math"
	"testing"
	"time"

	"syncd/load"
)

func TestRequestsOfARunAreSpreadOverItsTimeAndNoneIsLost(t *testing.T) {
	at := func(clock string) time.Time {
		when, err := time.Parse("15:04:05", clock)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	for _, c := range []struct {
		from, to string
		stretch  time.Duration
		want     map[string]float64
	}{
		{"02:15:00", "02:15:00", time.Minute, map[string]float64{"02:15:00": 60}},
		{"02:15:10", "02:15:50", time.Minute, map[string]float64{"02:15:00": 60}},
		{"02:15:50", "02:16:20", time.Minute, map[string]float64{"02:15:00": 20, "02:16:00": 40}},
		{"02:15:30", "02:18:30", time.Minute, map[string]float64{"02:15:00": 10, "02:16:00": 20, "02:17:00": 20, "02:18:00": 10}},
		{"02:15:00", "02:17:00", time.Minute, map[string]float64{"02:15:00": 30, "02:16:00": 30}},
		{"01:30:00", "03:30:00", time.Hour, map[string]float64{"01:00:00": 15, "02:00:00": 30, "03:00:00": 15}},
	} {
		p := pressure{}
		p.spread(load.Usage{From: at(c.from), To: at(c.to), Requests: 60}, c.stretch)
		if len(p) != len(c.want) {
			t.Errorf("%s to %s: %v, want %v", c.from, c.to, p, c.want)
		}
		for clock, want := range c.want {
			if got := p[at(clock).Unix()]; math.Abs(got-want) > 1e-9 {
				t.Errorf("%s to %s: %v at %s, want %v", c.from, c.to, got, clock, want)
			}
		}
	}
}

func TestSinceIsASpanOrADateOfTheServersZone(t *testing.T) {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"12h":        now.Add(-12 * time.Hour),
		"90m":        now.Add(-90 * time.Minute),
		"7d":         now.AddDate(0, 0, -7),
		"2026-11-01": time.Date(2026, 11, 1, 0, 0, 0, 0, zone),
	} {
		if got, err := parseSince(text, now, zone); err != nil || !got.Equal(want) {
			t.Errorf("--since %s is %v, want %v (%v)", text, got, want, err)
		}
	}
	for _, text := range []string{"", "d", "0d", "-1d", "1.5d", "0h", "-1h", "2026-13-01", "2026-12-01", "99999999999999999999d", "week"} {
		if got, err := parseSince(text, now, zone); err == nil {
			t.Errorf("--since %q is taken for %v", text, got)
		}
	}
}
