package redcap

import (
	"bytes"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"syncd/extract"
)

// bounds are a field's soft range: REDCap warns the person who types and stores the value all the same. Values
// outside are stored as they are and counted.
type bounds struct {
	low, high         *bound
	below, above      string // the rules that are counted
	number            bool
	lowCount, hiCount int
}

// bound is one end of a range: a literal, today or now, or another field of the same row.
type bound struct {
	number float64
	text   []byte
	field  string // its value is the bound, where the row has it
	clock  string // "today" or "now"
}

// boundsOf reads min and max of a field; nil where it has none that can be compared.
func boundsOf(f *field) *bounds {
	t := typeOf(f)
	b := &bounds{below: f.name() + " below its minimum", above: f.name() + " above its maximum"}
	switch t {
	case extract.Integer, extract.Bigint, extract.Numeric:
		b.number = true
	case extract.Date, extract.Time, extract.Timestamp:
	default:
		return nil
	}
	b.low, b.high = newBound(f, t, f.text[attrMin]), newBound(f, t, f.text[attrMax])
	if b.low == nil && b.high == nil {
		return nil
	}
	return b
}

func newBound(f *field, t extract.Type, text string) *bound {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return nil
	case text == "today" || text == "now":
		return &bound{clock: text}
	case strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") && strings.Count(text, "[") == 1:
		return &bound{field: text[1 : len(text)-1]}
	}
	canonical, err := encoderOf(t, f)(nil, []byte(text))
	if err != nil {
		return nil
	}
	b := &bound{text: canonical}
	b.number, _ = strconv.ParseFloat(string(canonical), 64)
	return b
}

// setClock turns today and now into texts of the server's wall clock.
func (b *bounds) setClock(t extract.Type, now time.Time) {
	for _, end := range []*bound{b.low, b.high} {
		if end == nil || end.clock == "" || b.number {
			continue
		}
		layout := map[extract.Type]string{extract.Date: time.DateOnly, extract.Time: time.TimeOnly, extract.Timestamp: time.DateTime}[t]
		if end.clock == "today" && t == extract.Timestamp {
			layout = "2006-01-02 00:00:00"
		}
		end.text = []byte(now.Format(layout))
	}
}

// judge counts a canonical value that lies outside. other returns the canonical text of another field of the row.
func (b *bounds) judge(value []byte, other func(field string) []byte) {
	if b.low != nil && b.compare(value, b.low, other) < 0 {
		b.lowCount++
	}
	if b.high != nil && b.compare(value, b.high, other) > 0 {
		b.hiCount++
	}
}

// compare is 0 where the bound is not known.
func (b *bounds) compare(value []byte, end *bound, other func(string) []byte) int {
	text, number := end.text, end.number
	if end.field != "" {
		if text = other(end.field); text == nil {
			return 0
		}
		number, _ = strconv.ParseFloat(string(text), 64)
	}
	if text == nil {
		return 0
	}
	if !b.number {
		return bytes.Compare(value, text)
	}
	v, err := strconv.ParseFloat(unsafe.String(unsafe.SliceData(value), len(value)), 64)
	switch {
	case err != nil || v == number:
		return 0
	case v < number:
		return -1
	}
	return 1
}

// count adds what was found to the proof.
func (b *bounds) count(soft map[string]int) {
	if b.lowCount > 0 {
		soft[b.below] += b.lowCount
	}
	if b.hiCount > 0 {
		soft[b.above] += b.hiCount
	}
}
