package redcap

import (
	"bytes"
	"strings"
	"time"

	"syncd/extract"
)

// check looks at the stored values of one column: soft ranges, of which REDCap warns the person who types, the format
// that the field's validation asks for, and codes that the dictionary does not have. Such values are stored as they are
// and counted.
type check struct {
	field     string
	kind      extract.Type
	low, high *bound
	format    *rule
	codes     codes
	found     struct{ below, above, format, code int }
}

// bound is one end of a range: a literal, today or now, or another field of the same row.
type bound struct {
	text  []byte // canonical; nil where the bound is not known
	field string // its value is the bound, where the row has it
	clock string // "today" or "now"
	other *column
}

// checkOf resolves what is to be asked of a column's values; nil where any value will do.
func checkOf(c *column) *check {
	k := &check{kind: c.pg.Type}
	switch c.role {
	case roleStatus:
		k.field, k.format = c.export, findRule(ruleStatus)
		return k
	case roleField:
	default:
		return nil
	}
	f := c.field
	k.field, k.format = f.name(), formatOf(f)
	switch f.kind() {
	case "radio", "dropdown":
		k.codes = newCodes(f.options())
	case "text", "slider":
		k.low, k.high = newBound(f, k.kind, f.text[attrMin]), newBound(f, k.kind, f.text[attrMax])
	}
	if k.low == nil && k.high == nil && k.format == nil && !k.codes.known() {
		return nil
	}
	return k
}

// idCheck is the check of record ids, which are text whatever their field says.
func idCheck(f *field) *check {
	if format := formatOf(f); format != nil {
		return &check{field: f.name(), kind: extract.Text, format: format}
	}
	return nil
}

func newBound(f *field, t extract.Type, text string) *bound {
	text = strings.TrimSpace(text)
	if text == "" || measureOf(t) == notMeasured {
		return nil
	}
	switch {
	case text == "today" || text == "now":
		if clockLayout(t, text) == "" {
			return nil
		}
		return &bound{clock: text}
	case strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") && strings.Count(text, "[") == 1:
		return &bound{field: text[1 : len(text)-1]}
	}
	if measureOf(t) == aNumber {
		t = extract.Numeric // half a unit is a bound of integers too
	}
	canonical, err := encoderOf(t, f)(nil, []byte(text))
	if err != nil {
		return nil
	}
	return &bound{text: canonical}
}

// clockLayout is how today or now reads as a value of a type; empty where it has no such value.
func clockLayout(t extract.Type, word string) string {
	switch t {
	case extract.Date:
		return time.DateOnly
	case extract.Timestamp:
		if word == "today" {
			return "2006-01-02 00:00:00"
		}
		return time.DateTime
	case extract.Time:
		if word == "now" {
			return time.TimeOnly
		}
	}
	return ""
}

// measure groups types whose values can be compared with one another.
type measure uint8

const (
	notMeasured measure = iota
	aNumber
	aMoment
	aTimeOfDay
	aDuration
)

func measureOf(t extract.Type) measure {
	switch t {
	case extract.Smallint, extract.Integer, extract.Bigint, extract.Numeric:
		return aNumber
	case extract.Date, extract.Timestamp:
		return aMoment
	case extract.Time:
		return aTimeOfDay
	case extract.Interval:
		return aDuration
	}
	return notMeasured
}

// prepare turns today and now into texts of the server's wall clock and finds the fields that are bounds.
func (k *check) prepare(fields map[string]*column, now time.Time) {
	for _, end := range []*bound{k.low, k.high} {
		if end == nil {
			continue
		}
		if end.clock != "" {
			end.text = []byte(now.Format(clockLayout(k.kind, end.clock)))
		}
		if c := fields[end.field]; c != nil && measureOf(c.pg.Type) == measureOf(k.kind) {
			end.other = c
		}
	}
}

// judge counts what a canonical value of row r breaks.
func (k *check) judge(value []byte, d *decoder, r int) {
	if k.format != nil && !k.format.match(value) {
		k.found.format++
	}
	if k.codes.known() && !k.codes.has(value) {
		k.found.code++
	}
	if k.low != nil && k.compare(value, k.low, d, r) < 0 {
		k.found.below++
	}
	if k.high != nil && k.compare(value, k.high, d, r) > 0 {
		k.found.above++
	}
}

// compare is 0 where the bound is not known.
func (k *check) compare(value []byte, end *bound, d *decoder, r int) int {
	text := end.text
	if end.other != nil {
		text = d.otherField(r, end.other)
	}
	switch {
	case text == nil:
		return 0
	case measureOf(k.kind) == aNumber:
		return compareNumbers(value, text)
	case len(value) != len(text) && measureOf(k.kind) == aMoment:
		return compareMoments(value, text)
	}
	return bytes.Compare(value, text)
}

// compareNumbers compares canonical numbers to the last digit, which a float would round away.
func compareNumbers(a, b []byte) int {
	minus, other := a[0] == '-', b[0] == '-'
	switch {
	case minus && !other:
		return -1
	case !minus && other:
		return 1
	case minus:
		return compareUnsigned(b[1:], a[1:])
	}
	return compareUnsigned(a, b)
}

func compareUnsigned(a, b []byte) int {
	whole, frac, _ := bytes.Cut(a, []byte{'.'})
	otherWhole, otherFrac, _ := bytes.Cut(b, []byte{'.'})
	if len(whole) != len(otherWhole) {
		return len(whole) - len(otherWhole)
	}
	if c := bytes.Compare(whole, otherWhole); c != 0 {
		return c
	}
	return bytes.Compare(bytes.TrimRight(frac, "0"), bytes.TrimRight(otherFrac, "0"))
}

// compareMoments compares texts of which one lacks the time of day, or the decimals of its second: midnight, or none.
func compareMoments(a, b []byte) int {
	n := min(len(a), len(b))
	if c := bytes.Compare(a[:n], b[:n]); c != 0 {
		return c
	}
	if rest := a[n:]; len(rest) > 0 && string(rest) != " 00:00:00" {
		return 1
	}
	if rest := b[n:]; len(rest) > 0 && string(rest) != " 00:00:00" {
		return -1
	}
	return 0
}

// codes are the codes that a field may have; none where its dictionary has none.
type codes struct {
	few  []string
	many map[string]struct{}
}

// fewCodes is up to how many codes a look at each is faster than a hash.
const fewCodes = 8

func newCodes(options []choice) codes {
	var c codes
	for _, o := range options {
		c.few = append(c.few, o.code)
	}
	if len(c.few) > fewCodes {
		c.many = make(map[string]struct{}, len(c.few))
		for _, code := range c.few {
			c.many[code] = struct{}{}
		}
	}
	return c
}

func (c *codes) known() bool { return len(c.few) > 0 }

func (c *codes) has(value []byte) bool {
	if c.many != nil {
		_, ok := c.many[string(value)]
		return ok
	}
	for _, code := range c.few {
		if code == string(value) {
			return true
		}
	}
	return false
}

// count adds what was found to the proof, in the words of the rules.
func (k *check) count(soft map[string]int) {
	add := func(r *rule, n int) {
		if n > 0 {
			soft[k.field+": "+r.message+" ("+r.id+")"] += n
		}
	}
	add(k.format, k.found.format)
	add(findRule(ruleChoice), k.found.code)
	add(findRule(ruleBelow), k.found.below)
	add(findRule(ruleAbove), k.found.above)
}
