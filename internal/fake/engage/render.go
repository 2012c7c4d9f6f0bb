package engage

import (
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// DateStyle is how times are written.
type DateStyle int

// The ways to write a time. Recorded answers have Milliseconds; digits were seen by clients; the others are hostile.
const (
	Milliseconds DateStyle = iota
	Digits                 // "1376020800000"
	Zoned                  // "2013-08-09T04:00:00Z"
	Naive                  // "2013-08-09T04:00:00"
	Microsoft              // "/Date(1376020800000)/"
)

// appendItem writes an item as the knobs say.
func (k *Knobs) appendItem(b []byte, resource string, it *Item) []byte {
	b = append(b, '{')
	omit, null, spelled := k.Omit[resource], k.Null[resource], k.Spelled[resource]
	if resource == "memberships" && !k.NoDeletes {
		b = append(b, `"deleted":`...)
		b = k.appendValue(b, Value{Kind: Boolean, Number: truth(it.Deleted)})
		b = append(b, ',')
	}
	for i := range it.Fields {
		f := &it.Fields[i]
		if slices.Contains(omit, f.Name) {
			continue
		}
		name := f.Name
		if s, ok := spelled[name]; ok {
			name = s
		}
		b = append(appendText(b, name), ':')
		if slices.Contains(null, f.Name) {
			b = append(b, "null"...)
		} else {
			v := f.Value
			if f.Name == "sisId" && v.Kind == Wrapped && k.BareSISID {
				v = *v.Inner
			}
			b = k.appendValue(b, v)
		}
		b = append(b, ',')
	}
	for _, f := range k.Extra[resource] {
		b = append(append(append(appendText(b, f.Name), ':'), f.JSON...), ',')
	}
	if b[len(b)-1] == ',' {
		b = b[:len(b)-1]
	}
	return append(b, '}')
}

func (k *Knobs) appendValue(b []byte, v Value) []byte {
	switch v.Kind {
	case Text:
		return appendText(b, v.Text)
	case Integer:
		return appendNumber(b, v.Number, v.Quoted || k.QuotedNumbers)
	case Decimal:
		if v.Quoted || k.QuotedNumbers {
			return appendText(b, v.Text)
		}
		return append(b, v.Text...)
	case Instant, Day:
		return k.appendTime(b, v)
	case Flag:
		if k.BareFlags {
			return strconv.AppendBool(b, v.Number != 0)
		}
		return appendText(b, []string{"False", "True"}[v.Number])
	case Boolean:
		if k.QuotedBooleans {
			return appendText(b, []string{"False", "True"}[v.Number])
		}
		return strconv.AppendBool(b, v.Number != 0)
	case Wrapped:
		b = k.appendValue(append(b, `{"value":`...), *v.Inner)
		b = append(b, `,"lastModified":`...)
		if v.Number == 0 {
			return append(b, "null}"...)
		}
		return append(k.appendTime(b, Value{Number: v.Number}), '}')
	case Categories:
		b = append(b, '[')
		for i, c := range v.Categories {
			if i > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendInt(append(b, `{"categoryId":`...), c.ID, 10)
			b = append(appendText(append(b, `,"categoryName":`...), c.Name), '}')
		}
		return append(b, ']')
	case CustomFields:
		return appendCustom(b, v.Custom)
	}
	return append(b, "null"...)
}

func appendCustom(b []byte, fields []CustomField) []byte {
	b = append(b, '[')
	for i, c := range fields {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendText(append(b, `{"name":`...), c.Name), `,"value":[`...)
		for j, s := range c.Values {
			if j > 0 {
				b = append(b, ',')
			}
			b = appendText(b, s)
		}
		b = append(b, ']', '}')
	}
	return append(b, ']')
}

func (k *Knobs) appendTime(b []byte, v Value) []byte {
	at := time.UnixMilli(v.Number).UTC()
	switch k.Dates {
	case Zoned:
		return appendText(b, at.Format("2006-01-02T15:04:05.999Z"))
	case Naive:
		return appendText(b, at.Format("2006-01-02T15:04:05.999"))
	case Microsoft:
		return appendText(b, "/Date("+digits(v.Number)+")/")
	}
	return appendNumber(b, v.Number, v.Quoted || k.Dates == Digits)
}

func appendNumber(b []byte, n int64, quoted bool) []byte {
	if !quoted {
		return strconv.AppendInt(b, n, 10)
	}
	return append(strconv.AppendInt(append(b, '"'), n, 10), '"')
}

// appendText writes a JSON string: quotation marks, backslashes and control characters escaped, all else as it is.
func appendText(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); i++ {
		ch := s[i]
		if ch >= 0x20 && ch != '"' && ch != '\\' {
			continue
		}
		b = append(b, s[from:i]...)
		from = i + 1
		switch ch {
		case '"', '\\':
			b = append(b, '\\', ch)
		case '\r':
			b = append(b, `\r`...)
		case '\n':
			b = append(b, `\n`...)
		case '\t':
			b = append(b, `\t`...)
		default:
			b = append(b, '\\', 'u', '0', '0', hex[ch>>4], hex[ch&15])
		}
	}
	b = append(append(b, s[from:]...), '"')
	if !utf8.ValidString(s) {
		panic("text of a fake campus is not UTF-8")
	}
	return b
}
