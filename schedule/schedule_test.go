package schedule

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the zones of the tests, whatever the machine has

	"github.com/google/go-cmp/cmp"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := Zone(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func parse(t testing.TB, spec, in string) *Schedule {
	t.Helper()
	s, err := Parse(spec, zone(t, in))
	if err != nil {
		t.Fatalf("%s: %v", spec, err)
	}
	return s
}

func instant(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// slots prints the slots of a window as the wall clock of a zone shows them.
func slots(t *testing.T, spec, in, after, upto string) []string {
	t.Helper()
	var got []string
	for _, at := range parse(t, spec, in).Slots(instant(t, after), instant(t, upto)) {
		got = append(got, at.In(zone(t, in)).Format("01-02 15:04:05 -0700"))
	}
	return got
}

func TestSlotsFollowTheWallClockThroughItsJumps(t *testing.T) {
	for _, c := range []struct {
		name, spec, zone, after, upto string
		want                          []string
	}{
		{
			"what the spring jumps over is due right after", "30 2 * * *", "America/New_York", "2026-03-07T00:00:00-05:00", "2026-03-10T00:00:00-04:00",
			[]string{"03-07 02:30:00 -0500", "03-08 03:00:00 -0400", "03-09 02:30:00 -0400"},
		},
		{
			"several in the same gap are one", "*/20 * * * *", "America/New_York", "2026-03-08T01:30:00-05:00", "2026-03-08T03:30:00-04:00",
			[]string{"03-08 01:40:00 -0500", "03-08 03:00:00 -0400", "03-08 03:20:00 -0400"},
		},
		{
			"the hour that autumn repeats counts once", "30 1 * * *", "America/New_York", "2026-10-31T12:00:00-04:00", "2026-11-02T12:00:00-05:00",
			[]string{"11-01 01:30:00 -0400", "11-02 01:30:00 -0500"},
		},
		{
			"hourly over the repeated hour", "@hourly", "Europe/Berlin", "2026-10-25T00:30:00+02:00", "2026-10-25T04:00:00+01:00",
			[]string{"10-25 01:00:00 +0200", "10-25 02:00:00 +0200", "10-25 03:00:00 +0100", "10-25 04:00:00 +0100"},
		},
		{
			"a midnight that does not exist", "@daily", "America/Sao_Paulo", "2018-11-03T12:00:00-03:00", "2018-11-05T12:00:00-02:00",
			[]string{"11-04 01:00:00 -0200", "11-05 00:00:00 -0200"},
		},
		{
			"half an hour of summer time", "15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00+10:30", "2026-10-05T12:00:00+11:00",
			[]string{"10-04 02:30:00 +1100", "10-05 02:15:00 +1100"},
		},
		{
			"a day that was left out", "0 12 * * *", "Pacific/Apia", "2011-12-29T00:00:00-10:00", "2011-12-31T23:00:00+14:00",
			[]string{"12-29 12:00:00 -1000", "12-31 00:00:00 +1400", "12-31 12:00:00 +1400"},
		},
		{
			"elapsed time knows no jumps", "@every 6h", "America/New_York", "2026-03-08T00:00:00Z", "2026-03-08T18:00:00Z",
			[]string{"03-08 01:00:00 -0500", "03-08 08:00:00 -0400", "03-08 14:00:00 -0400"},
		},
		{
			"a zone of its own", "CRON_TZ=UTC 0 4 * * *", "America/New_York", "2026-06-01T00:00:00Z", "2026-06-02T00:00:00Z",
			[]string{"06-01 00:00:00 -0400"},
		},
		{
			"names and lists", "0 8-18/4 * * mon,fri", "UTC", "2026-06-01T00:00:00Z", "2026-06-02T00:00:00Z",
			[]string{"06-01 08:00:00 +0000", "06-01 12:00:00 +0000", "06-01 16:00:00 +0000"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, slots(t, c.spec, c.zone, c.after, c.upto)); diff != "" {
				t.Errorf("slots (-want +got):\n%s", diff)
			}
		})
	}
}

// The standard library's idea of where a zone's period ends stands still on this day.
func TestTheLastDayOfALeapYearPasses(t *testing.T) {
	for _, name := range zoneNames() {
		s := parse(t, "0 * * * *", name)
		after := instant(t, "2040-12-30T00:30:00Z")
		got := s.Slots(after, after.Add(72*time.Hour))
		if len(got) != 72 {
			t.Errorf("%s: %d hourly slots in 72 hours", name, len(got))
		}
	}
}

func TestALeapDayIsFoundAcrossTheCenturyThatHasNone(t *testing.T) {
	s := parse(t, "0 0 29 2 *", "UTC")
	if got, want := s.Next(instant(t, "2096-03-01T00:00:00Z")), instant(t, "2104-02-29T00:00:00Z"); !got.Equal(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestSlotsAreBoundedAndGoOnFromTheLast(t *testing.T) {
	s := parse(t, "* * * * *", "UTC")
	after := instant(t, "2026-01-01T00:00:00Z")
	upto := after.Add((MaxSlots + 5) * time.Minute)
	first := s.Slots(after, upto)
	rest := s.Slots(first[len(first)-1], upto)
	if len(first) != MaxSlots || len(rest) != 5 || !rest[4].Equal(upto) {
		t.Errorf("got %d and %d slots", len(first), len(rest))
	}
}

func TestElapsedTimeHasTheSameSlotsWhoeverAsks(t *testing.T) {
	s := parse(t, "@every 7m", "UTC")
	want := s.Next(instant(t, "2026-01-01T00:00:00Z"))
	for d := time.Second; instant(t, "2026-01-01T00:00:00Z").Add(d).Before(want); d += 11 * time.Second {
		if got := s.Next(instant(t, "2026-01-01T00:00:00Z").Add(d)); !got.Equal(want) {
			t.Fatalf("asked %s later: %v instead of %v", d, got, want)
		}
	}
	if got := s.Next(time.Unix(-1, 0)); got.Unix() != 0 {
		t.Errorf("before 1970: %v", got)
	}
}

func TestAScheduleReadsItsOwnText(t *testing.T) {
	for _, spec := range []string{"15 2 * * *", "CRON_TZ=Asia/Tokyo @weekly", "@every 90m"} {
		s := parse(t, spec, "Europe/Berlin")
		again := parse(t, s.String(), "UTC")
		after := instant(t, "2026-05-05T05:05:05Z")
		if !again.Next(after).Equal(s.Next(after)) || again.String() != s.String() {
			t.Errorf("%s: %s reads as %s", spec, s, again)
		}
	}
}

func TestWhatIsNoScheduleIsRefusedWithItsReason(t *testing.T) {
	for spec, want := range map[string]string{
		"":                                      "is empty",
		"  ":                                    "is empty",
		"TZ=0":                                  "names a time zone and then no schedule",
		"TZ=":                                   "names a time zone and then no schedule",
		"TZ=UTC":                                "names a time zone and then no schedule",
		"CRON_TZ=UTC ":                          "names a time zone and then no schedule",
		"CRON_TZ= 0 0 * * *":                    "depends on the machine",
		"CRON_TZ=Local 0 0 * * *":               "depends on the machine",
		"CRON_TZ=Mars/Base 0 0 * * *":           "is unknown",
		"CRON_TZ=../etc 0 0 * * *":              "is unknown",
		"CRON_TZ=UTC CRON_TZ=UTC 0 0 * * *":     "has 6 fields",
		"0 0 30 2 *":                            "never fires",
		"0 0 31 4,6,9,11 *":                     "never fires",
		"* * * *":                               "has 4 fields instead of 5",
		"0 * * * * *":                           "has 6 fields instead of 5",
		"60 * * * *":                            `minute "60": not a number from 0 to 59`,
		"0 24 * * *":                            `hour "24": not a number from 0 to 23`,
		"0 0 0 * *":                             `day of month "0": not a number from 1 to 31`,
		"0 0 * 13 *":                            `month "13": not a number from 1 to 12`,
		"0 0 * * 7":                             "Sunday is 0",
		"0 0 * * monday":                        "not a number from 0 to 6",
		"*/0 * * * *":                           "a step is a number from 1 to 59",
		"*/90 * * * *":                          "a step is a number from 1 to 59",
		"*/+5 * * * *":                          "a step is a number",
		"+5 * * * *":                            "not a number",
		"5-1 * * * *":                           "the range runs backwards",
		"1,,2 * * * *":                          "nothing between two commas",
		", * * * *":                             "nothing between two commas",
		"*-5 * * * *":                           "not a number",
		"1-2-3 * * * *":                         "not a number",
		"1/2/3 * * * *":                         "a step is a number",
		"99999999999999999999 * * * *":          "not a number",
		"@reboot":                               "is none of @yearly",
		"@Daily":                                "is none of @yearly",
		"@every":                                "needs a duration",
		"@every5m":                              "needs a duration",
		"@every soon":                           "needs a duration",
		"@every 0s":                             "above zero",
		"@every -5m":                            "above zero",
		"@every 59s":                            "too often: the shortest is 1m0s",
		"@every 90s500ms":                       "whole seconds",
		"@every 9000h":                          "longer than a year",
		"CRON_TZ=UTC @every 5m":                 "means nothing to @every",
		strings.Repeat("1,", 200) + "1 * * * *": "longer than 200 bytes",
		"every night":                           "has 2 fields",
	} {
		s, err := Parse(spec, time.UTC)
		if err == nil || !strings.Contains(err.Error(), want) || s != nil {
			t.Errorf("%q: want %q, got %v, %v", spec, want, s, err)
		}
	}
}

func TestARehearsalMayRunMoreOften(t *testing.T) {
	s, err := Parse("@every 2s", nil, Least(time.Second))
	if err != nil || s.Next(time.Unix(3, 0)).Unix() != 4 {
		t.Errorf("got %v, %v", s, err)
	}
}
