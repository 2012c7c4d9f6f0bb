package redox

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// object is a JSON object in the order in which it is written: name, value, name, value ... A value is a string, an int, a
// bool, a number, an id, nil, an object, a list or a []string.
type object []any

// list is a JSON array.
type list []any

// number is a JSON number as it is written.
type number string

// id is an identifier: a string, which some systems send as a number where it looks like one.
type id string

// dialect is how a sending system writes what the schema leaves open.
type dialect struct {
	nulls   bool // what is empty is an explicit null, as in messages up to 2020; else it is left out
	numbers bool // ids that look like numbers are numbers
}

func (d dialect) append(b []byte, v any) []byte {
	switch v := v.(type) {
	case object:
		return d.appendObject(b, v)
	case list:
		return appendEach(b, v, d.append)
	case []string:
		return appendEach(b, v, func(b []byte, s string) []byte { return appendString(b, s) })
	case string:
		if v == "" {
			return append(b, "null"...)
		}
		return appendString(b, v)
	case id:
		if d.numbers && looksLikeNumber(string(v)) {
			return append(b, v...)
		}
		return d.append(b, string(v))
	case number:
		return append(b, v...)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case bool:
		return strconv.AppendBool(b, v)
	default:
		return append(b, "null"...)
	}
}

func (d dialect) appendObject(b []byte, o object) []byte {
	b = append(b, '{')
	first := true
	for i := 0; i+1 < len(o); i += 2 {
		if !d.nulls && empty(o[i+1]) {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = appendString(b, o[i].(string))
		b = append(b, ':')
		b = d.append(b, o[i+1])
	}
	return append(b, '}')
}

func appendEach[T any](b []byte, values []T, write func([]byte, T) []byte) []byte {
	b = append(b, '[')
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = write(b, v)
	}
	return append(b, ']')
}

// appendString writes text of our own making, which is valid UTF-8.
func appendString(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s)
	return b
}

func empty(v any) bool { return v == nil || v == "" || v == id("") || v == number("") }

// looksLikeNumber reports whether digits lose nothing as a JSON number.
func looksLikeNumber(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != "" && s[0] != '0'
}
