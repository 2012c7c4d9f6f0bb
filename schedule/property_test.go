package schedule

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// zones with every kind of jump: an hour, half an hour, across midnight, a whole day, south of the equator, by decree.
func zoneNames() []string {
	return []string{
		"UTC", "America/New_York", "Europe/Berlin", "Europe/Dublin", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Tehran",
		"Africa/Casablanca", "Pacific/Apia", "Asia/Kathmandu", "America/Caracas", "Africa/Cairo", "Antarctica/Troll", "Asia/Pyongyang",
	}
}

// genSpec draws a spec together with what it means, said independently of the parser: a test of a wall clock's reading.
func genSpec(t *rapid.T) (string, func(reading time.Time) bool) {
	minute, minutes := genField(t, "minute", 0, 59)
	hour, hours := genField(t, "hour", 0, 23)
	day, days := genField(t, "weekday", 0, 6)
	return minute + " " + hour + " * * " + day, func(r time.Time) bool {
		return minutes[r.Minute()] && hours[r.Hour()] && days[int(r.Weekday())] && r.Second() == 0
	}
}

func genField(t *rapid.T, name string, low, high int) (string, map[int]bool) {
	in := map[int]bool{}
	switch rapid.SampledFrom([]string{"star", "list", "range", "step"}).Draw(t, name) {
	case "star":
		for v := low; v <= high; v++ {
			in[v] = true
		}
		return "*", in
	case "step":
		step := rapid.IntRange(1, high).Draw(t, name+" step")
		for v := low; v <= high; v += step {
			in[v] = true
		}
		return "*/" + strconv.Itoa(step), in
	case "range":
		from := rapid.IntRange(low, high).Draw(t, name+" from")
		to := rapid.IntRange(from, high).Draw(t, name+" to")
		for v := from; v <= to; v++ {
			in[v] = true
		}
		return strconv.Itoa(from) + "-" + strconv.Itoa(to), in
	}
	var parts []string
	for _, v := range rapid.SliceOfNDistinct(rapid.IntRange(low, high), 1, 4, rapid.ID[int]).Draw(t, name+" list") {
		in[v] = true
		parts = append(parts, strconv.Itoa(v))
	}
	return strings.Join(parts, ","), in
}

// genWindow draws a zone and some days of it, half of the time around one of its jumps.
func genWindow(t *rapid.T) (*time.Location, time.Time, time.Time) {
	z, err := Zone(rapid.SampledFrom(zoneNames()).Draw(t, "zone"))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(rapid.IntRange(1975, 2045).Draw(t, "year"), time.January, 1, 0, 0, 0, 0, time.UTC).
		Add(time.Duration(rapid.IntRange(0, 365*24*60).Draw(t, "minute of the year")) * time.Minute)
	if _, jump := at.In(z).ZoneBounds(); rapid.Bool().Draw(t, "at a jump") && !jump.IsZero() {
		at = jump.Add(-time.Duration(rapid.IntRange(0, 36*60).Draw(t, "minutes before")) * time.Minute).UTC()
	}
	at = at.Truncate(time.Minute)
	return z, at, at.Add(time.Duration(rapid.IntRange(1, 72*60).Draw(t, "minutes")) * time.Minute)
}

// model finds the slots of a window by watching the wall clock go by, minute for minute: a reading is due when the clock
// first shows it or, where it jumps over it, at the jump.
func model(z *time.Location, means func(time.Time) bool, after, upto time.Time) []time.Time {
	var due []time.Time
	at := after.Add(-50 * time.Hour) // long enough that readings repeated in the window were seen before it
	shown := readingOn(z, at)
	for ; !at.After(upto); at = at.Add(time.Minute) {
		now, found := readingOn(z, at), false
		for shown.Before(now) {
			shown = shown.Add(time.Minute)
			found = found || means(shown)
		}
		if found && at.After(after) {
			due = append(due, at)
		}
	}
	return due
}

func readingOn(z *time.Location, at time.Time) time.Time {
	l := at.In(z)
	return time.Date(l.Year(), l.Month(), l.Day(), l.Hour(), l.Minute(), 0, 0, time.UTC)
}

func TestNoSlotIsLostAndNoneComesTwiceInAnyZone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		z, after, upto := genWindow(t)
		spec, means := genSpec(t)
		s, err := Parse(spec, z)
		if err != nil {
			t.Fatalf("%s: %v", spec, err)
		}
		got, want := s.Slots(after, upto), model(z, means, after, upto)
		if !slices.EqualFunc(got, want, time.Time.Equal) {
			t.Fatalf("%s in %s, %v to %v:\ngot  %v\nwant %v", spec, z, after, upto, got, want)
		}
	})
}

func TestAWindowCutAnywhereHasTheSameSlots(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		z, after, upto := genWindow(t)
		spec, _ := genSpec(t)
		if rapid.Bool().Draw(t, "elapsed") {
			spec = "@every " + strconv.Itoa(rapid.IntRange(60, 100_000).Draw(t, "seconds")) + "s"
		}
		s, err := Parse(spec, z)
		if err != nil {
			t.Fatalf("%s: %v", spec, err)
		}
		cut := after.Add(time.Duration(rapid.Int64Range(0, int64(upto.Sub(after))).Draw(t, "cut")))
		whole := s.Slots(after, upto)
		parts := append(s.Slots(after, cut), s.Slots(cut, upto)...)
		if !slices.EqualFunc(whole, parts, time.Time.Equal) {
			t.Fatalf("%s in %s cut at %v:\nwhole %v\nparts %v", spec, z, cut, whole, parts)
		}
	})
}

// FuzzParse: any text is a schedule that goes forward, or an error, and never a panic.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"15 2 * * *", "TZ=0", "TZ=", "CRON_TZ=UTC 0 0 29 2 *", "@every 1h", "*/7 1-5,9 ? jan-mar sun", "0 0 30 2 *"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		s, err := Parse(spec, time.UTC)
		if err != nil {
			return
		}
		at := time.Date(2026, time.March, 8, 1, 59, 59, 999, time.UTC)
		for range 3 {
			next := s.Next(at)
			if !next.After(at) {
				t.Fatalf("%q: %v is not after %v", spec, next, at)
			}
			at = next
		}
	})
}
