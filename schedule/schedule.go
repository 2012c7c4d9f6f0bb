// Package schedule turns the text of a schedule into slots: the instants at which something is due.
//
// In comes a cron spec and the time zone that it is read in; out come instants, always later than the one asked from.
// It promises that the same spec and zone give the same slots on every replica and after every restart, that no slot
// of the wall clock is lost (one that the clock jumps over in spring is due right after the jump), and that none
// comes twice (an hour that the clock repeats in autumn counts once). It reads no clock and starts nothing:
// what is missed, waited for or left out is decided by whoever asks.
package schedule

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

const (
	// MaxSlots is the most that one call of Slots returns.
	MaxSlots = 10_000

	// leastEvery is the shortest "@every" unless Least says otherwise. Five-field specs cannot be finer than a minute.
	leastEvery = time.Minute

	// mostEvery bounds "@every": beyond it a cron spec says better what is meant.
	mostEvery = 366 * 24 * time.Hour

	// horizons is how often the search is begun anew where the parser gives up after five years: 29 February is
	// eight years away around 2100.
	horizons = 3

	// looked is how many slots are looked at to find the shortest time between two.
	looked = 2_000
)

// Schedule is a parsed spec. It is immutable and safe for concurrent use.
type Schedule struct {
	spec  string
	zone  *time.Location
	every time.Duration
	wall  wallClock // nil where every is set
}

// wallClock gives the next reading of a wall clock without jumps, later than the one given; both are written as UTC.
type wallClock interface {
	Next(time.Time) time.Time
}

// Option changes what Parse accepts.
type Option func(*limits)

type limits struct{ every time.Duration }

// Least sets the shortest interval that "@every" may ask for; without it that is one minute.
func Least(d time.Duration) Option {
	return func(l *limits) { l.every = d }
}

// Parse reads a spec: five cron fields (minute, hour, day of month, month, day of week), @hourly, @daily, @midnight,
// @weekly, @monthly, @yearly, @annually, or "@every 30m". "CRON_TZ=Zone " in front overrides zone; a nil zone is UTC.
// "@every" counts from the beginning of 1970 in UTC, so that all replicas agree on its slots.
// A spec that is malformed, never fires or fires more often than allowed is an error that says so.
func Parse(spec string, zone *time.Location, options ...Option) (*Schedule, error) {
	l := limits{every: leastEvery}
	for _, o := range options {
		o(&l)
	}
	body, own, err := cutZone(strings.TrimSpace(spec))
	if err != nil {
		return nil, err
	}
	s := &Schedule{spec: body, zone: zone}
	if own != nil {
		s.zone = own
	}
	if s.zone == nil {
		s.zone = time.UTC
	}
	if rest, ok := strings.CutPrefix(body, "@every"); ok {
		if own != nil {
			return nil, errors.New("a time zone means nothing to @every, which counts elapsed time: leave it out")
		}
		s.every, err = parseEvery(rest, l.every)
	} else {
		s.wall, err = parseCron(body)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Spec returns the text without its zone, Zone the zone that it is read in: together they are its identity.
func (s *Schedule) Spec() string { return s.spec }

// Zone returns the time zone that the spec is read in.
func (s *Schedule) Zone() *time.Location { return s.zone }

// String returns a spec that Parse reads as the same schedule, whatever zone it is given.
func (s *Schedule) String() string {
	if s.every > 0 {
		return s.spec
	}
	return "CRON_TZ=" + s.zone.String() + " " + s.spec
}

// Next returns the first slot after an instant, in UTC. It is zero only where the calendar holds none (past year 9999).
func (s *Schedule) Next(after time.Time) time.Time {
	if s.every > 0 {
		return nextEvery(after, s.every)
	}
	// Instants grow with wall readings, so a reading up to the one at after cannot belong to a later instant.
	for reading := readingAt(after, s.zone); ; {
		reading = s.nextReading(reading)
		if reading.IsZero() {
			return time.Time{}
		}
		if at := instantOf(reading, s.zone); at.After(after) {
			return at
		}
	}
}

// Slots returns the slots after one instant and up to and including another, in order, at most MaxSlots of them:
// if it returns that many, ask again from the last.
func (s *Schedule) Slots(after, upto time.Time) []time.Time {
	var slots []time.Time
	for len(slots) < MaxSlots {
		after = s.Next(after)
		if after.IsZero() || after.After(upto) {
			break
		}
		slots = append(slots, after)
	}
	return slots
}

// Shortest is the shortest time between two slots, by a wall clock without jumps.
func (s *Schedule) Shortest() time.Duration {
	if s.every > 0 {
		return s.every
	}
	// Minutes and hours are the same on every day that is named, so that the shortest is found within some days that follow each other;
	// five years hold what months and weekdays bring together.
	shortest := mostEvery
	last := s.wall.Next(time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC))
	for range looked {
		next := s.wall.Next(last)
		if next.IsZero() || shortest == time.Minute {
			break
		}
		shortest, last = min(shortest, next.Sub(last)), next
	}
	return shortest
}

func (s *Schedule) nextReading(reading time.Time) time.Time {
	for range horizons {
		if next := s.wall.Next(reading); !next.IsZero() {
			return next
		}
		reading = time.Date(reading.Year()+5, time.December, 31, 23, 59, 59, 0, time.UTC)
	}
	return time.Time{}
}

func nextEvery(after time.Time, every time.Duration) time.Time {
	step, at := int64(every/time.Second), after.Unix()
	n := at / step
	if at%step < 0 {
		n--
	}
	return time.Unix((n+1)*step, 0).UTC()
}

func parseEvery(text string, least time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(strings.TrimSpace(text))
	switch {
	case err != nil || !strings.HasPrefix(text, " "):
		return 0, errors.New(`@every needs a duration such as "@every 30m" or "@every 6h"`)
	case d <= 0:
		return 0, errors.New("@every needs a duration above zero")
	case d < least:
		return 0, fmt.Errorf("@every %s is too often: the shortest is %s", d, least)
	case d%time.Second != 0:
		return 0, errors.New("@every counts whole seconds")
	case d > mostEvery:
		return 0, errors.New("@every is longer than a year: write a cron spec such as \"15 2 1 1 *\"")
	}
	return d, nil
}

// parseCron hands a checked spec to the parser. The parser panics on some inputs; those are meant to be refused
// before, the recover is for those nobody has met yet.
func parseCron(spec string) (wall wallClock, err error) {
	defer func() {
		if recover() != nil {
			wall, err = nil, errors.New("cannot be read as a cron spec")
		}
	}()
	if err := checkShape(spec); err != nil {
		return nil, err
	}
	parsed, err := cron.ParseStandard("CRON_TZ=UTC " + spec)
	if err != nil {
		return nil, fmt.Errorf("cannot be read as a cron spec: %w", err)
	}
	// Five years from a leap year hold every combination of month, day and weekday that ever comes.
	if parsed.Next(time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, errors.New("never fires: no month that it names has such a day")
	}
	return parsed, nil
}
