package redcap

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

// table is a small answer: structure tables, users, the log.
type table struct {
	columns []string
	numbers map[string]bool // columns that are JSON numbers
	nested  map[string]bool // columns of the form name:code,name:code, which are objects in JSON and elements in XML
	rows    [][]string
	single  bool // one JSON object, not an array
}

// contentType of a format, as the server sends it.
func contentType(format string) string {
	switch format {
	case "csv":
		return "text/csv; charset=utf-8"
	case "json":
		return "application/json"
	}
	return "text/xml; charset=utf-8"
}

// render writes the table in a format.
func (t *table) render(format string, csvHeader bool) []byte {
	var b []byte
	switch format {
	case "csv":
		if len(t.rows) == 0 && !csvHeader {
			return []byte("\n")
		}
		b = appendCSVRow(b, t.columns, ',')
		for _, r := range t.rows {
			b = appendCSVRow(b, r, ',')
		}
	case "json":
		b = t.appendJSON(b)
	default:
		b = append(b, `<?xml version="1.0" encoding="UTF-8" ?><records>`...)
		for _, r := range t.rows {
			b = t.appendItem(b, r)
		}
		b = append(b, "</records>"...)
	}
	return b
}

func (t *table) appendJSON(b []byte) []byte {
	if t.single {
		return t.appendObject(b, t.rows[0])
	}
	b = append(b, '[')
	for i, r := range t.rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = t.appendObject(b, r)
	}
	return append(b, ']')
}

func (t *table) appendObject(b []byte, cells []string) []byte {
	b = append(b, '{')
	for i, c := range t.columns {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendJSONString(b, c), ':')
		if t.nested[c] {
			b = appendNested(b, cells[i])
		} else if _, err := strconv.Atoi(cells[i]); err == nil && t.numbers[c] {
			b = append(b, cells[i]...)
		} else {
			b = appendJSONString(b, cells[i])
		}
	}
	return append(b, '}')
}

// pairs are the names and codes of a nested cell.
func pairs(cell string) (names, codes []string) {
	for _, pair := range strings.Split(cell, ",") {
		if name, code, ok := strings.Cut(pair, ":"); ok {
			names, codes = append(names, name), append(codes, code)
		}
	}
	return names, codes
}

// appendNested writes name:code pairs as an object. PHP writes an empty one as an array.
func appendNested(b []byte, cell string) []byte {
	names, codes := pairs(cell)
	if len(names) == 0 {
		return append(b, "[]"...)
	}
	for i, name := range names {
		b = append(b, "{,"[min(i, 1)])
		b = append(append(appendJSONString(b, name), ':'), codes[i]...)
	}
	return append(b, '}')
}

// appendItem writes one XML row.
func (t *table) appendItem(b []byte, cells []string) []byte {
	if len(t.nested) == 0 {
		return appendXMLItem(b, t.columns, cells)
	}
	b = append(b, "<item>"...)
	for i, c := range t.columns {
		b = append(append(append(b, '<'), c...), '>')
		if t.nested[c] {
			names, codes := pairs(cells[i])
			for j, name := range names {
				b = append(b, "<"+name+">"+codes[j]+"</"+name+">"...)
			}
		} else {
			b = appendCDATA(b, cells[i])
		}
		b = append(append(append(b, "</"...), c...), '>')
	}
	return append(b, "</item>"...)
}

// appendCSVRow writes one row, quoting as PHP's fputcsv does: also for spaces and backslashes.
func appendCSVRow(b []byte, cells []string, comma byte) []byte {
	for i, c := range cells {
		if i > 0 {
			b = append(b, comma)
		}
		b = appendCSVCell(b, c, comma)
	}
	return append(b, '\n')
}

func appendCSVCell(b []byte, s string, comma byte) []byte {
	quote := false
	for i := 0; i < len(s) && !quote; i++ {
		switch s[i] {
		case '"', '\n', '\r', '\t', ' ', '\\', comma:
			quote = true
		}
	}
	if !quote {
		return append(b, s...)
	}
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		if s[i] == '"' {
			b = append(b, '"')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}

// appendJSONString writes a string as PHP's json_encode does (slashes and everything outside ASCII escaped), except
// that bytes that are not UTF-8 go out as they are: the damage that real servers deliver.
func appendJSONString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	u16 := func(b []byte, r rune) []byte {
		return append(b, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
	}
	b = append(b, '"')
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			b = append(b, s[i])
		case r == '"' || r == '\\' || r == '/':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r > 0xffff:
			r -= 0x10000
			b = u16(u16(b, 0xd800+r>>10), 0xdc00+r&0x3ff)
		case r < ' ' || r > '~':
			b = u16(b, r)
		default:
			b = append(b, byte(r))
		}
		i += n
	}
	return append(b, '"')
}

func appendXMLItem(b []byte, columns, cells []string) []byte {
	b = append(b, "<item>"...)
	for i, c := range columns {
		b = appendCDATA(append(append(append(b, '<'), c...), '>'), cells[i])
		b = append(append(append(b, "</"...), c...), '>')
	}
	return append(b, "</item>"...)
}

func appendCDATA(b []byte, s string) []byte {
	b = append(b, "<![CDATA["...)
	b = append(b, strings.ReplaceAll(s, "]]>", "]]]]><![CDATA[>")...)
	return append(b, "]]>"...)
}

// errorBody renders an error message in the format asked for.
func errorBody(format, message string) []byte {
	switch format {
	case "json":
		return append(appendJSONString([]byte(`{"error":`), message), '}')
	case "csv":
		return []byte("ERROR: " + message)
	}
	b := []byte(`<?xml version="1.0" encoding="UTF-8" ?><hash><error>`)
	b = append(b, xmlEscape(message)...)
	return append(b, "</error></hash>"...)
}

func xmlEscape(s string) string {
	var b bytes.Buffer
	for _, r := range s {
		switch r {
		case '<':
			b.WriteString("&lt;")
		case '>':
			b.WriteString("&gt;")
		case '&':
			b.WriteString("&amp;")
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
