package extract

import (
	"bytes"
	"cmp"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// jsonDepth bounds nesting well below where Postgres runs out of stack.
const jsonDepth = 500

// AppendJSON appends one JSON document as jsonb prints it: names ordered by length, then bytewise, of equal names
// the last one, numbers as numeric prints them. It allocates, as objects have to be sorted.
func AppendJSON(dst, src []byte) ([]byte, error) {
	dec := jsontext.NewDecoder(bytes.NewReader(src), jsontext.AllowDuplicateNames(true))
	out, err := appendJSON(dst, dec, jsonDepth)
	if err != nil {
		return dst, err
	}
	if _, err := dec.ReadToken(); err != io.EOF {
		return dst, RuleJSON
	}
	return out, nil
}

func appendJSON(dst []byte, dec *jsontext.Decoder, depth int) ([]byte, error) {
	tok, err := dec.ReadToken()
	if err != nil || depth == 0 {
		return dst, RuleJSON
	}
	switch tok.Kind() {
	case 'n', 't', 'f':
		return append(dst, tok.String()...), nil
	case '"':
		return appendJSONText(dst, tok.String())
	case '0':
		return AppendNumeric(dst, []byte(tok.String()))
	case '[':
		return appendJSONArray(dst, dec, depth)
	}
	return appendJSONObject(dst, dec, depth)
}

func appendJSONArray(dst []byte, dec *jsontext.Decoder, depth int) ([]byte, error) {
	dst = append(dst, '[')
	for first := true; dec.PeekKind() != ']'; first = false {
		if !first {
			dst = append(dst, ", "...)
		}
		var err error
		if dst, err = appendJSON(dst, dec, depth-1); err != nil {
			return dst, err
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return dst, RuleJSON
	}
	return append(dst, ']'), nil
}

// member is one name of an object and where it and its value stand in the text.
type member struct {
	name     string
	from, to int
}

func appendJSONObject(dst []byte, dec *jsontext.Decoder, depth int) ([]byte, error) {
	start := len(dst)
	var members []member
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			return dst, RuleJSON
		}
		m := member{name: name.String(), from: len(dst) - start}
		if dst, err = appendJSONText(dst, m.name); err != nil {
			return dst, err
		}
		if dst, err = appendJSON(append(dst, ": "...), dec, depth-1); err != nil {
			return dst, err
		}
		m.to = len(dst) - start
		members = append(members, m)
	}
	if _, err := dec.ReadToken(); err != nil {
		return dst, RuleJSON
	}
	slices.Reverse(members) // so that of equal names the last comes first, and stays
	slices.SortStableFunc(members, func(a, b member) int {
		return cmp.Or(cmp.Compare(len(a.name), len(b.name)), cmp.Compare(a.name, b.name))
	})
	members = slices.CompactFunc(members, func(a, b member) bool { return a.name == b.name })
	text := slices.Clone(dst[start:])
	dst = append(dst[:start], '{')
	for i, m := range members {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(dst, text[m.from:m.to]...)
	}
	return append(dst, '}'), nil
}

func appendJSONText(dst []byte, s string) ([]byte, error) {
	if strings.IndexByte(s, 0) >= 0 {
		return dst, RuleNUL
	}
	return AppendJSONString(dst, s), nil
}

// AppendJSONString appends s as Postgres prints a string of jsonb. A NUL, which no jsonb can hold, is escaped as any control character.
func AppendJSONString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c >= ' ':
			dst = append(dst, c)
		case c >= '\b' && c <= '\r' && c != '\v':
			dst = append(dst, '\\', "btn?fr"[c-'\b'])
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(dst, '"')
}
