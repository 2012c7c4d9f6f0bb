package schedule

import (
	"fmt"
	"testing"
	"time"
)

func TestWeeklyRunsSpreadOverSevenNightsAndLeaveTheSmallHours(t *testing.T) {
	t.Parallel()
	days := map[time.Weekday]int{}
	for i := range 700 {
		s, err := Parse(Weekly(fmt.Sprintf("job_%d", i)), time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		first := s.Next(time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC))
		if second := s.Next(first); second.Sub(first) != 7*24*time.Hour {
			t.Fatalf("%s is followed by %s", first, second)
		}
		if h := first.Hour(); h >= 1 && h < 4 {
			t.Errorf("a weekly run at %s", first)
		}
		days[first.Weekday()]++
	}
	for day := time.Sunday; day <= time.Saturday; day++ {
		if days[day] < 50 {
			t.Errorf("%d of 700 jobs on %s", days[day], day)
		}
	}
}

func TestOffsetsFollowFromTheNameAndFillTheSpread(t *testing.T) {
	t.Parallel()
	quarters := map[time.Duration]int{}
	for i := range 400 {
		name := fmt.Sprintf("job_%d", i)
		o := Offset(name, time.Hour)
		if o != Offset(name, time.Hour) || o < 0 || o >= time.Hour || o%time.Second != 0 {
			t.Fatalf("%s starts %s after its slot", name, o)
		}
		quarters[o/(15*time.Minute)]++
	}
	for q := range time.Duration(4) {
		if quarters[q] < 70 {
			t.Errorf("%d of 400 jobs in quarter %d", quarters[q], q)
		}
	}
	if o := Offset("job", 0); o != 0 {
		t.Errorf("without a spread a job starts %s after its slot", o)
	}
}

func TestShortestTimeBetweenTwoSlots(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]time.Duration{
		"* * * * *": time.Minute, "@every 90s": 90 * time.Second, "@hourly": time.Hour, "15 2 * * *": 24 * time.Hour, "@weekly": 7 * 24 * time.Hour,
		"0,50 0,23 * * *": 10 * time.Minute, "0 8-18/4 * * mon-fri": 4 * time.Hour, "0 0 1,31 * *": 24 * time.Hour, "59 23 28 2 *": 365 * 24 * time.Hour,
		"0 22,3 * * *": 5 * time.Hour, "@yearly": 365 * 24 * time.Hour, "0 0 29 2 *": 366 * 24 * time.Hour,
	} {
		s, err := Parse(spec, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Shortest(); got != want {
			t.Errorf("%s: %s, want %s", spec, got, want)
		}
	}
}
