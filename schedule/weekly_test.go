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
