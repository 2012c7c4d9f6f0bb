package schedule

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// field is one of the five, with the names and bounds that a person expects to read in an error.
type field struct {
	name     string
	min, max int
	names    string // of values, in order from min, separated by spaces; empty where only numbers are known
	hint     string
}

const (
	monthNames = "jan feb mar apr may jun jul aug sep oct nov dec"
	dayNames   = "sun mon tue wed thu fri sat"
)

func fields() [5]field {
	return [5]field{
		{name: "minute", max: 59},
		{name: "hour", max: 23},
		{name: "day of month", min: 1, max: 31},
		{name: "month", min: 1, max: 12, names: monthNames},
		{name: "day of week", max: 6, names: dayNames, hint: " (Sunday is 0)"},
	}
}

func descriptors() []string {
	return []string{"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"}
}

// checkShape refuses what the parser takes silently for something else (empty list items, steps beyond the field,
// text after a star) and words what it would refuse for a reader of jobs.toml.
func checkShape(spec string) error {
	if spec == "" {
		return errors.New(`is empty: write five fields such as "15 2 * * *" (a quarter past two, every night)`)
	}
	if len(spec) > 200 {
		return errors.New("is longer than 200 bytes")
	}
	if strings.HasPrefix(spec, "@") {
		for _, d := range descriptors() {
			if spec == d {
				return nil
			}
		}
		return fmt.Errorf("is none of %s, @every 30m", strings.Join(descriptors(), ", "))
	}
	parts := strings.Fields(spec)
	if len(parts) != 5 {
		return fmt.Errorf("has %d fields instead of 5 (minute, hour, day of month, month, day of week)", len(parts))
	}
	for i, f := range fields() {
		for item := range strings.SplitSeq(parts[i], ",") {
			if err := f.check(item); err != nil {
				return fmt.Errorf("%s %q: %w", f.name, item, err)
			}
		}
	}
	return nil
}

// check reads one item of a list: star, value or range, each with an optional step.
func (f field) check(item string) error {
	if item == "" {
		return errors.New("nothing between two commas")
	}
	span, step, stepped := strings.Cut(item, "/")
	if stepped {
		n, err := strconv.Atoi(step)
		if err != nil || !digits(step) || n < 1 || n > f.max {
			return fmt.Errorf("a step is a number from 1 to %d", f.max)
		}
	}
	if span == "*" || span == "?" {
		return nil
	}
	low, high, ranged := strings.Cut(span, "-")
	from, err := f.value(low)
	if err != nil || !ranged {
		return err
	}
	to, err := f.value(high)
	if err != nil {
		return err
	}
	if from > to {
		return errors.New("the range runs backwards: write two ranges with a comma")
	}
	return nil
}

func (f field) value(text string) (int, error) {
	if f.names != "" {
		for i, n := range strings.Fields(f.names) {
			if strings.EqualFold(text, n) {
				return f.min + i, nil
			}
		}
	}
	n, err := strconv.Atoi(text)
	if err != nil || !digits(text) || n < f.min || n > f.max {
		return 0, fmt.Errorf("not a number from %d to %d%s", f.min, f.max, f.hint)
	}
	return n, nil
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// cutZone takes "CRON_TZ=Zone " or "TZ=Zone " off the front of a spec; the zone is nil where there is none.
func cutZone(spec string) (string, *time.Location, error) {
	rest, ok := strings.CutPrefix(spec, "CRON_TZ=")
	if !ok {
		rest, ok = strings.CutPrefix(spec, "TZ=")
	}
	if !ok {
		return spec, nil, nil
	}
	name, body, _ := strings.Cut(rest, " ")
	if body = strings.TrimSpace(body); body == "" {
		return "", nil, errors.New("names a time zone and then no schedule")
	}
	zone, err := Zone(name)
	return body, zone, err
}

// Zone finds a time zone by its name in the tz database. "Local" and "" are refused: they mean
// another zone on another machine.
func Zone(name string) (*time.Location, error) {
	if name == "" || name == "Local" {
		return nil, fmt.Errorf("time zone %q depends on the machine: name one such as America/New_York or UTC", name)
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("time zone %q is unknown: names are those of the tz database, such as America/New_York or UTC", name)
	}
	return zone, nil
}
