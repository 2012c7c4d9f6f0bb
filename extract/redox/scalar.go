package redox

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"slices"
	"strings"

	"syncd/extract"
)

// form is how the value of a field becomes cells.
type form uint8

// The forms. Instants and bytes take two columns, of which the second holds the text as sent.
const (
	asText    form = iota + 1
	asInstant      // date and time with its zone; beside it <column>_text
	asDate
	asNumber
	asBool  // a truth value of JSON
	asTruth // the same, or the strings "True" and "False"
	asJSON  // whatever it is, without what is empty in it
	asBytes // base64; beside it <column>_text with what is not
	asInteger
	asBytea // of a value that code gives
)

var forms = map[string]form{
	"text": asText, "time": asInstant, "date": asDate, "number": asNumber, "bool": asBool, "truth": asTruth,
	"json": asJSON, "base64": asBytes, "integer": asInteger, "bytea": asBytea,
}

var formTypes = map[form]extract.Type{
	asText: extract.Text, asInstant: extract.Timestamptz, asDate: extract.Date, asNumber: extract.Numeric, asBool: extract.Boolean,
	asTruth: extract.Boolean, asJSON: extract.JSONB, asBytes: extract.Bytea, asInteger: extract.Integer, asBytea: extract.Bytea,
}

// double reports whether a form takes a second column.
func (f form) double() bool { return f == asInstant || f == asBytes }

// put appends the cells of a field. A value that does not fit leaves NULL and stays in a note.
func (c *column) put(rows *extract.Rows, body []byte, n *node) {
	fits, told := false, !n.empty() && n.leaf() && !n.unfit
	switch cell := rows.Open(); {
	case n.empty():
	case c.form == asJSON:
		if cell, fits = appendTree(cell, n, jsonDepth); fits {
			rows.Close(cell)
		}
	case told:
		if cell, fits = c.form.append(cell, n); fits {
			rows.Close(cell)
		}
	}
	if !fits {
		rows.Null()
	}
	if !fits && !n.empty() && !(c.form == asBytes && told) { // of bytes that are none the text stands beside
		rows.Note(extract.NonConforming, c.name, n.sent(body))
	}
	switch {
	case !c.form.double():
	case told && !(c.form == asBytes && fits):
		rows.String(n.text)
	default:
		rows.Null()
	}
}

// sent is a value as it was sent: the text of a leaf, the JSON of anything else.
func (n *node) sent(body []byte) string {
	if n.leaf() {
		return n.text
	}
	return string(body[n.from:n.to])
}

// append appends the canonical text of a leaf, and reports whether it is one of its form. What it returns where it is not is of no use.
func (f form) append(dst []byte, n *node) ([]byte, bool) {
	var err error
	switch f {
	case asText:
		return append(dst, n.text...), true
	case asInstant:
		return appendInstant(dst, []byte(n.text))
	case asDate:
		return appendDay(dst, []byte(n.text))
	case asNumber:
		dst, err = extract.AppendNumeric(dst, []byte(strings.TrimSpace(n.text)))
	case asInteger:
		dst, err = extract.AppendInteger(dst, []byte(n.text))
	case asBool, asTruth:
		return appendTruth(dst, n, f == asTruth)
	case asBytes:
		return appendBase64(dst, n.text)
	case asBytea:
		dst, err = extract.AppendHex(dst, []byte(n.text))
	}
	return dst, err == nil
}

func appendTruth(dst []byte, n *node, words bool) ([]byte, bool) {
	switch {
	case n.kind == 't', words && n.text == "True":
		return append(dst, 't'), true
	case n.kind == 'f', words && n.text == "False":
		return append(dst, 'f'), true
	}
	return dst, false
}

// appendInstant appends a date and time, whose zone may be spelled without a colon. A date alone stands for its midnight in UTC: Redox
// says of its date-times that some are. A time without a zone is none.
func appendInstant(dst, text []byte) ([]byte, bool) {
	if len(text) == len("2006-01-02") {
		if out, err := extract.AppendDate(dst, text); err == nil {
			return append(out, " 00:00:00+00"...), true
		}
	}
	out, err := extract.AppendTimestamptz(dst, text)
	return out, err == nil
}

// appendDay appends a date. A time behind it is understood where it is midnight, in the zone that it is written in; another may have moved the date.
func appendDay(dst, text []byte) ([]byte, bool) {
	const day = len("2006-01-02")
	if len(text) > day {
		if _, err := extract.AppendTimestamptz(nil, text); err != nil {
			if _, err := extract.AppendTimestamp(nil, text); err != nil {
				return dst, false
			}
		}
		if !bytes.HasPrefix(text[day+1:], []byte("00:00")) || strings.Trim(clockOf(text[day+1:]), "0:.") != "" {
			return dst, false
		}
		text = text[:day]
	}
	out, err := extract.AppendDate(dst, text)
	return out, err == nil
}

// clockOf is a time of day without the zone behind it.
func clockOf(text []byte) string {
	if i := bytes.IndexAny(text, "Z+-"); i >= 0 {
		text = text[:i]
	}
	return string(text)
}

// appendBase64 appends bytes that are spelled in base64, with or without its padding; line breaks do not count.
func appendBase64(dst []byte, text string) ([]byte, bool) {
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "=\r\n"))
	if err != nil {
		return dst, false
	}
	return extract.AppendBytea(dst, raw), true
}

// jsonDepth bounds the nesting of a jsonb cell, well below where Postgres runs out of stack.
const jsonDepth = 500

// appendTree appends a value as jsonb prints it, without members that count as not sent. It reports false for what jsonb does not take.
func appendTree(dst []byte, n *node, depth int) ([]byte, bool) {
	if depth == 0 || n.unfit {
		return dst, false
	}
	switch n.kind {
	case '{':
		return appendMembers(dst, n, depth)
	case '[':
		dst = append(dst, '[')
		for e := n.first; e != nil; e = e.next {
			if e != n.first {
				dst = append(dst, ", "...)
			}
			var ok bool
			if dst, ok = appendTree(dst, e, depth-1); !ok {
				return dst, false
			}
		}
		return append(dst, ']'), true
	case '"':
		return extract.AppendJSONString(dst, n.text), true
	case '0':
		out, err := extract.AppendNumeric(dst, []byte(n.text))
		return out, err == nil
	}
	return append(dst, n.text...), true // null, true, false
}

func appendMembers(dst []byte, n *node, depth int) ([]byte, bool) {
	var members []*node
	for e := n.first; e != nil; e = e.next {
		if !e.empty() {
			members = append(members, e)
		}
	}
	slices.SortFunc(members, func(a, b *node) int {
		return cmp.Or(cmp.Compare(len(a.name), len(b.name)), strings.Compare(a.name, b.name))
	})
	dst = append(dst, '{')
	for i, e := range members {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		if strings.IndexByte(e.name, 0) >= 0 {
			return dst, false
		}
		dst = append(extract.AppendJSONString(dst, e.name), ": "...)
		var ok bool
		if dst, ok = appendTree(dst, e, depth-1); !ok {
			return dst, false
		}
	}
	return append(dst, '}'), true
}
