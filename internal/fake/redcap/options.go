package redcap

import "time"

// Options of a server. The zero value is a REDCap 14.9.1 at /api/ in UTC without limits.
type Options struct {
	Version      string           // default "14.9.1"
	Path         string           // default "/api/"
	Clock        func() time.Time // default time.Now
	Zone         *time.Location   // the server's wall clock; default UTC
	MaxInputVars int              // variables beyond it are dropped; default 1000, -1: no limit
	PerMinute    int              // requests a minute per address before a lasting ban; 0: no limiter
	Gzip         bool             // compress if the client accepts it
	DateRange    DateRangeRule    // what records[] together with a date range does
	LogBounds    LogBoundsRule    // how the log method compares beginTime and endTime
	Deletes      DeleteRule       // how the log words the deletion of an instance, a form, an event
	FileNames    FileNameRule     // how a download's header gives the file's name
	Documents    bool             // file fields are exported as [document], as servers did around 2020, not by name
	BadLogic     LogicRule        // what a filterLogic that cannot be read does
	OddStatus    bool             // REDCap 9.1: '0' for the status of forms that are not designated in a repeating event
	Latency      time.Duration    // before each answer
}

// DateRangeRule says what records[] together with dateRangeBegin or dateRangeEnd does.
type DateRangeRule int

// What was seen is that the range is ignored; the others are what people feared or expected.
const (
	DateRangeIgnored DateRangeRule = iota
	DateRangeEverything
	DateRangeBoth
)

// LogBoundsRule says how the log method compares its times with rows; both bounds are exclusive.
type LogBoundsRule int

// Help says "after" and "before", to the minute. Clients were seen to need a margin of a minute either way.
const (
	LogMinutes LogBoundsRule = iota // rows of the minutes named are left out whole
	LogSeconds                      // the times are taken as HH:MM:00: the minute of beginTime comes in part
)

// DeleteRule says how the log shows that part of a record was deleted. Both were seen.
type DeleteRule int

// The details name form, event and instance either way.
const (
	DeletesAsUpdates DeleteRule = iota // "Update record "
	DeletesAsDeletes                   // "Delete record ", which the date range does not see
)

// FileNameRule says how the header of a download gives the file's name.
type FileNameRule int

// All were seen, or are documented.
const (
	NameQuoted      FileNameRule = iota // Content-Type: image/jpeg; name="a.jpg"
	NameWithCharset                     // ... name="a.jpg";charset=UTF-8
	NameSingle                          // ... name='a.jpg'
	NameBare                            // ... name=a.jpg
	NameDisposition                     // the same as NameQuoted, and Content-Disposition: attachment; filename="a.jpg"
	NameAbsent                          // no name at all
)

// LogicRule says what a filterLogic that cannot be read does.
type LogicRule int

// Both were seen.
const (
	LogicError LogicRule = iota
	LogicNothing
)
