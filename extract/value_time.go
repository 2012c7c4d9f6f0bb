package extract

import "time"

// AppendDate appends a date of the calendar: yyyy-mm-dd, years 0001 to 9999.
func AppendDate(dst, src []byte) ([]byte, error) {
	if _, ok := parseDate(src); !ok {
		return dst, RuleDate
	}
	return append(dst, src...), nil
}

// AppendTime appends a time of day of HH:MM or HH:MM:SS, with up to six decimals of a second. An hour of one
// digit is understood; 24:00 and leap seconds are not.
func AppendTime(dst, src []byte) ([]byte, error) {
	c, ok := parseClock(src)
	if !ok {
		return dst, RuleTime
	}
	return c.append(dst), nil
}

// AppendTimestamp appends a date and a time of day with a space or a T between them and no zone.
func AppendTimestamp(dst, src []byte) ([]byte, error) {
	if len(src) < 11 || src[10] != ' ' && src[10] != 'T' {
		return dst, RuleTimestamp
	}
	if _, ok := parseDate(src[:10]); !ok {
		return dst, RuleTimestamp
	}
	c, ok := parseClock(src[11:])
	if !ok {
		return dst, RuleTimestamp
	}
	return c.append(append(append(dst, src[:10]...), ' ')), nil
}

// AppendTimestamptz appends an instant: a date and time as of AppendTimestamp that ends in Z, +HH, +HH:MM or
// +HHMM; the text it becomes is in UTC.
func AppendTimestamptz(dst, src []byte) ([]byte, error) {
	local, offset, ok := cutZone(src)
	if !ok || len(local) < 11 || local[10] != ' ' && local[10] != 'T' {
		return dst, RuleTimestamptz
	}
	d, ok := parseDate(local[:10])
	if !ok {
		return dst, RuleTimestamptz
	}
	c, ok := parseClock(local[11:])
	if !ok {
		return dst, RuleTimestamptz
	}
	utc := time.Date(d.year, time.Month(d.month), d.day, c.hour, c.minute, c.second, 0, time.UTC).Add(-offset)
	if utc.Year() < 1 || utc.Year() > 9999 {
		return dst, RuleTimestamptz
	}
	dst = utc.AppendFormat(dst, "2006-01-02 15:04:05")
	dst = c.appendFraction(dst)
	return append(dst, "+00"...), nil
}

// AppendInstant appends t as the canonical text of a timestamptz, cut to microseconds.
func AppendInstant(dst []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(dst, "2006-01-02 15:04:05.999999-07")
}

// AppendInterval appends a duration spelt MM:SS, minutes up to 59, or HH:MM:SS, hours up to 99.
func AppendInterval(dst, src []byte) ([]byte, error) {
	hours := []byte("00")
	switch {
	case len(src) == 8 && src[2] == ':':
		hours, src = src[:2], src[3:]
	case len(src) != 5:
		return dst, RuleInterval
	}
	minute, ok := twoDigits(src, 59)
	second, ok2 := twoDigits(src[3:], 59)
	if !ok || !ok2 || src[2] != ':' || !allDigits(hours) {
		return dst, RuleInterval
	}
	dst = append(append(dst, hours...), ':')
	dst = append(appendTwo(dst, minute), ':')
	return appendTwo(dst, second), nil
}

type date struct{ year, month, day int }

func parseDate(src []byte) (date, bool) {
	if len(src) != 10 || src[4] != '-' || src[7] != '-' || !allDigits(src[:4]) {
		return date{}, false
	}
	year := 0
	for _, c := range src[:4] {
		year = year*10 + int(c-'0')
	}
	month, ok := twoDigits(src[5:], 12)
	day, ok2 := twoDigits(src[8:], 31)
	if !ok || !ok2 || year == 0 || month == 0 || day == 0 || day > daysIn(year, month) {
		return date{}, false
	}
	return date{year, month, day}, true
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// clock is a time of day; fraction is the decimals of its second without trailing zeros.
type clock struct {
	hour, minute, second int
	fraction             []byte
}

func parseClock(src []byte) (c clock, ok bool) {
	if len(src) > 1 && src[1] == ':' && digit(src[0]) {
		c.hour, src = int(src[0]-'0'), src[1:]
	} else {
		if c.hour, ok = twoDigits(src, 23); !ok {
			return c, false
		}
		src = src[2:]
	}
	if c.minute, src, ok = sixtieth(src); !ok {
		return c, false
	}
	if len(src) == 0 {
		return c, true
	}
	if c.second, src, ok = sixtieth(src); !ok {
		return c, false
	}
	if len(src) == 0 {
		return c, true
	}
	if src[0] != '.' || len(src) < 2 || len(src) > 7 || !allDigits(src[1:]) {
		return c, false
	}
	for src[len(src)-1] == '0' {
		src = src[:len(src)-1]
	}
	c.fraction = src[1:]
	return c, true
}

func (c clock) append(dst []byte) []byte {
	dst = append(appendTwo(dst, c.hour), ':')
	dst = append(appendTwo(dst, c.minute), ':')
	return c.appendFraction(appendTwo(dst, c.second))
}

func (c clock) appendFraction(dst []byte) []byte {
	if len(c.fraction) == 0 {
		return dst
	}
	return append(append(dst, '.'), c.fraction...)
}

// sixtieth reads a colon and two digits up to 59.
func sixtieth(src []byte) (int, []byte, bool) {
	if len(src) < 3 || src[0] != ':' {
		return 0, nil, false
	}
	n, ok := twoDigits(src[1:], 59)
	return n, src[3:], ok
}

// cutZone splits a zone from the end of a date and time; offset is what local time is ahead of UTC. Offsets
// reach from -15:59 to +15:59, as in Postgres.
func cutZone(src []byte) (local []byte, offset time.Duration, ok bool) {
	if n := len(src); n > 0 && src[n-1] == 'Z' {
		return src[:n-1], 0, true
	}
	at := len(src) - 1
	for at > 10 && src[at] != '+' && src[at] != '-' {
		at--
	}
	if at <= 10 {
		return nil, 0, false
	}
	zone := src[at+1:]
	hours, ok := twoDigits(zone, 15)
	minutes, rest := 0, zone[min(2, len(zone)):]
	if len(rest) == 3 && rest[0] == ':' {
		rest = rest[1:]
	}
	if ok && len(rest) > 0 {
		minutes, ok = twoDigits(rest, 59)
		ok = ok && len(rest) == 2
	}
	offset = time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if src[at] == '-' {
		offset = -offset
	}
	return src[:at], offset, ok
}

// twoDigits reads the two digits that src begins with, at most limit.
func twoDigits(src []byte, limit int) (int, bool) {
	if len(src) < 2 || !digit(src[0]) || !digit(src[1]) {
		return 0, false
	}
	n := int(src[0]-'0')*10 + int(src[1]-'0')
	return n, n <= limit
}

func appendTwo(dst []byte, n int) []byte {
	return append(dst, byte('0'+n/10), byte('0'+n%10))
}
