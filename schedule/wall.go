package schedule

import "time"

const (
	// earliest is more than any zone has ever been ahead of or behind UTC.
	earliest = 26 * time.Hour

	// grid is what zones' jumps keep to, seen from UTC.
	grid = 15 * time.Minute
)

// readingAt is what a wall clock of the zone shows at an instant, written as if it were UTC.
func readingAt(at time.Time, zone *time.Location) time.Time {
	_, offset := at.In(zone).Zone()
	return at.UTC().Add(time.Duration(offset) * time.Second)
}

// instantOf is the first instant at which a wall clock of the zone shows the reading or, where it jumps over it,
// the instant of the jump. It never falls while readings grow.
func instantOf(reading time.Time, zone *time.Location) time.Time {
	// Walk through the zone's periods of one offset, from an instant that is surely too early; the first that has not
	// ended when its clock shows the reading is it. What lies before its beginning, the jump there swallowed.
	at := reading.Add(-earliest)
	for first := true; ; first = false {
		_, offset := at.In(zone).Zone()
		shows := reading.Add(-time.Duration(offset) * time.Second)
		if !first && shows.Before(at) {
			return at.UTC()
		}
		end := endOf(at, zone)
		if end.IsZero() || shows.Before(end) {
			return shows.UTC()
		}
		at = end
	}
}

// endOf returns an instant after another up to which the zone's offset stays what it is; zero where that is for ever.
func endOf(at time.Time, zone *time.Location) time.Time {
	_, end := at.In(zone).ZoneBounds()
	if end.IsZero() || end.After(at) {
		return end
	}
	// On the last day of a leap year ZoneBounds takes the year for over already, and never comes to its end.
	return at.Truncate(grid).Add(grid)
}
