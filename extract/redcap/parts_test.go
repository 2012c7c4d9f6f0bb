package redcap

import (
	"testing"
	"time"
)

func TestAWindowEndsAtTheLatestThatTheClockShowed(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ to, want string }{
		{"2026-07-01T16:00:00Z", "2026-07-01 12:00:00"},
		{"2026-11-01T05:30:00Z", "2026-11-01 01:30:00"}, // the hour comes twice: this is the first time
		{"2026-11-01T06:15:00Z", "2026-11-01 01:45:00"}, // and this the second: a row of 01:45 may be of the first
		{"2026-11-01T08:00:00Z", "2026-11-01 03:00:00"},
	} {
		to, err := time.Parse(time.RFC3339, c.to)
		if err != nil {
			t.Fatal(err)
		}
		if got := latest(to, zone).Format(logSecond); got < c.want {
			t.Errorf("%s: %s, want at least %s", c.to, got, c.want)
		}
	}
}
