package schedule

import "time"

// earliest is more than any zone has ever been ahead of or behind UTC.
const earliest = 26 * time.Hour

// readingAt is what a wall clock of the zone shows at an instant, written as if it were UTC.
func readingAt(at time.Time, zone *time.Location) time.Time {
	_, offset := at.In(zone).Zone()
	return at.UTC().Add(time.Duration(offset) * time.Second)
}

// instantOf is the first instant at which a wall clock of the zone shows the reading or, where it jumps over it,
// the instant of the jump. It never falls while readings grow.
func instantOf(reading time.Time, zone *time.Location) time.Time {
	// Walk through the zone's periods of one offset, from one that is surely too early; the first that has not ended
	// when its clock shows the reading is it. Where the reading lies before that period, the jump between swallowed it.
	period := reading.Add(-earliest).In(zone)
	for {
		start, end := period.ZoneBounds()
		_, offset := period.Zone()
		at := reading.Add(-time.Duration(offset) * time.Second)
		switch {
		case !end.IsZero() && !at.Before(end):
			period = end
		case !start.IsZero() && at.Before(start):
			return start.UTC()
		default:
			return at.UTC()
		}
	}
}
