package engage

import "time"

// Kind says what a value is, apart from how it is written.
type Kind uint8

// The kinds of values.
const (
	Null         Kind = iota
	Text              // Text
	Integer           // Number
	Decimal           // Text holds it as written
	Instant           // Number is in milliseconds since 1970-01-01T00:00:00Z
	Day               // the same, and midnight US Eastern of the day meant
	Flag              // Number is 0 or 1, written "True" or "False"
	Boolean           // Number is 0 or 1, written true or false
	Wrapped           // Inner, with Number the time of its last modification in milliseconds, 0 for none
	Categories        // Categories
	CustomFields      // Custom
)

// Value is what one field of an item holds.
type Value struct {
	Kind       Kind
	Text       string
	Number     int64
	Quoted     bool // a number or time that is written as a string of digits
	Inner      *Value
	Categories []Category
	Custom     []CustomField
}

// Category is one category of an organization or event.
type Category struct {
	ID   int64
	Name string
}

// CustomField is one custom field with its values.
type CustomField struct {
	Name   string
	Values []string
}

// Date returns the calendar day of a Day, such as 2013-08-09.
func (v Value) Date() string { return time.UnixMilli(v.Number).UTC().Format(time.DateOnly) }

// Time returns the instant of an Instant.
func (v Value) Time() time.Time { return time.UnixMilli(v.Number).UTC() }

func text(s string) Value   { return Value{Kind: Text, Text: s} }
func number(n int64) Value  { return Value{Kind: Integer, Number: n} }
func instant(n int64) Value { return Value{Kind: Instant, Number: n} }
func flag(b bool) Value     { return Value{Kind: Flag, Number: truth(b)} }

// day is a Day; 0 stands for none.
func day(n int64) Value {
	if n == 0 {
		return Value{}
	}
	return Value{Kind: Day, Number: n}
}

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// Field is a named value.
type Field struct {
	Name  string // as the API spells it
	Value Value
}

// Item is one row of a resource.
type Item struct {
	ID       int64
	Deleted  bool
	Created  time.Time // what CreatedOnStart and CreatedOnEnd select on
	Modified time.Time // what ModifiedOnStart and ModifiedOnEnd select on
	Fields   []Field   // in the order in which they are written
}

// Get returns a field's value; Null where there is no such field.
func (it *Item) Get(name string) Value {
	for i := range it.Fields {
		if it.Fields[i].Name == name {
			return it.Fields[i].Value
		}
	}
	return Value{}
}

// easternDay returns midnight US Eastern of a day, in milliseconds.
func easternDay(day int) int64 {
	t := time.UnixMilli(int64(day) * dayMS).UTC()
	hours := 5
	if summerTime(t) {
		hours = 4
	}
	return t.Add(time.Duration(hours) * time.Hour).UnixMilli()
}

const dayMS = 24 * 60 * 60 * 1000

// summerTime tells whether midnight of a day is in US daylight saving time, by the rules since 1987. The clock changes at two
// in the morning, so at midnight of the day of a change the old time still holds.
func summerTime(t time.Time) bool {
	first, last := sunday(t.Year(), time.April, 1), sunday(t.Year(), time.October, 25)
	if t.Year() >= 2007 {
		first, last = sunday(t.Year(), time.March, 8), sunday(t.Year(), time.November, 1)
	}
	return t.After(first) && !t.After(last)
}

// sunday is the first Sunday on or after a day.
func sunday(year int, month time.Month, day int) time.Time {
	t := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	return t.AddDate(0, 0, (7-int(t.Weekday()))%7)
}
