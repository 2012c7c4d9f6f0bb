package engage

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"syncd/extract"
)

// The rules of values that do not fit, beside those of extract.
const (
	ruleNested extract.Rule = "an object or a list where a single value was expected"
	ruleDate   extract.Rule = "not a date (milliseconds since 1970)"
	ruleKey    extract.Rule = "the key is missing"
	ruleLong   extract.Rule = "the key is longer than 2000 bytes"
)

// keyBytes is the longest key that is stored.
const keyBytes = 2000

// absent reports whether nothing was sent.
func absent(raw jsontext.Value) bool { return len(raw) == 0 || raw[0] == 'n' }

// scalar returns a value's text as it was meant: strings without their escapes, numbers and truth values as they stand.
func scalar(buf []byte, raw jsontext.Value) ([]byte, error) {
	switch raw[0] {
	case '"':
		if bytes.IndexByte(raw, '\\') < 0 { // nothing to undo
			return raw[1 : len(raw)-1], nil
		}
		out, err := jsontext.AppendUnquote(buf[:0], raw)
		if err != nil {
			return nil, extract.RuleUTF8
		}
		return out, nil
	case '{', '[':
		return nil, ruleNested
	}
	return raw, nil
}

// asSent is a value for a side column: its text where that can be stored, else as it stood in the answer, with its escapes.
func asSent(raw jsontext.Value) string {
	s, err := scalar(nil, raw)
	if err == nil {
		if _, err = extract.AppendText(nil, s); err == nil {
			return string(s)
		}
	}
	out := strings.ToValidUTF8(string(raw), "\ufffd")
	if raw[0] == '"' {
		out = out[1 : len(out)-1]
	}
	return strings.ReplaceAll(out, "\x00", `\u0000`)
}

// appendValue appends the canonical text of a value. ok is false for NULL.
func (k kind) appendValue(dst, buf []byte, raw jsontext.Value) (out []byte, ok bool, err error) {
	if absent(raw) {
		return dst, false, nil
	}
	s, err := scalar(buf, raw)
	switch {
	case err != nil:
		return dst, false, err
	case k == text:
		out, err = extract.AppendText(dst, s)
		return out, err == nil, err
	case len(s) == 0:
		return dst, false, nil
	}
	switch k {
	case truth:
		out, err = extract.AppendBoolean(dst, bytes.ToLower(s))
	case instant, day, born:
		return k.appendTime(dst, s)
	default:
		out, err = extract.Append(dst, k.column(), s)
	}
	return out, err == nil, err
}

// appendTime appends a date or an instant (reference 3). What comes as 0, and a negative number but for the day on which
// somebody was born, stands for no date.
func (k kind) appendTime(dst, s []byte) (out []byte, ok bool, err error) {
	at, zoned, err := readTime(s)
	switch {
	case err != nil, !zoned && k == instant:
		return dst, false, ruleDate
	case at.Year() < 2, at.UnixMilli() == 0, k != born && at.UnixMilli() < 0:
		return dst, false, nil
	case at.Year() > 9999:
		return dst, false, ruleDate
	}
	if k != instant {
		return at.AppendFormat(dst, time.DateOnly), true, nil
	}
	return at.AppendFormat(dst, "2006-01-02 15:04:05.999999+00"), true, nil
}

// furthest is more milliseconds than any date that Postgres is given here.
const furthest = int64(1) << 52

// readTime reads what servers of this kind write for a time: milliseconds as a number or as digits, /Date(milliseconds)/, and
// ISO 8601. The day of a zone is that of UTC: midnight on the east coast is 4 or 5 hours later there, of the same day.
func readTime(s []byte) (at time.Time, zoned bool, err error) {
	t := string(s)
	if inner, found := strings.CutPrefix(t, "/Date("); found {
		t = strings.TrimSuffix(inner, ")/")
		if i := strings.LastIndexAny(t, "+-"); i > 0 {
			t = t[:i] // where it was written; the milliseconds are those of UTC
		}
	}
	if ms, err := strconv.ParseInt(t, 10, 64); err == nil {
		if ms > furthest || ms < -furthest {
			return at, false, ruleDate
		}
		return time.UnixMilli(ms).UTC(), true, nil
	}
	if at, err = time.Parse(time.RFC3339Nano, t); err == nil {
		return at.UTC(), true, nil
	}
	for _, layout := range []string{"2006-01-02T15:04:05", time.DateOnly} {
		if at, err = time.Parse(layout, t); err == nil {
			return at, false, nil
		}
	}
	return at, false, ruleDate
}

// opener takes JSON objects and lists apart. Parts are parts of the text that was given.
type opener struct {
	dec *jsontext.Decoder
	buf bytes.Buffer
}

// open begins to read raw, which was checked before.
func (o *opener) open(raw jsontext.Value) {
	o.buf = *bytes.NewBuffer(raw)
	if o.dec == nil {
		o.dec = new(jsontext.Decoder)
	}
	o.dec.Reset(&o.buf, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

func (o *opener) value(raw jsontext.Value) (jsontext.Value, error) {
	v, err := o.dec.ReadValue()
	if err != nil {
		return nil, extract.RuleJSON
	}
	end := int(o.dec.InputOffset())
	return raw[end-len(v) : end : end], nil
}

// object yields the members of an object.
func (o *opener) object(raw jsontext.Value, yield func(name string, value jsontext.Value)) error {
	o.open(raw)
	if t, err := o.dec.ReadToken(); err != nil || t.Kind() != '{' {
		return extract.RuleJSON
	}
	for o.dec.PeekKind() == '"' {
		name, err := o.dec.ReadToken()
		if err != nil {
			return extract.RuleJSON
		}
		key := name.String()
		v, err := o.value(raw)
		if err != nil {
			return err
		}
		yield(key, v)
	}
	return nil
}

// list yields the elements of a list.
func (o *opener) list(raw jsontext.Value, yield func(i int, value jsontext.Value)) error {
	o.open(raw)
	if t, err := o.dec.ReadToken(); err != nil || t.Kind() != '[' {
		return extract.RuleJSON
	}
	for i := 0; o.dec.PeekKind() != ']'; i++ {
		v, err := o.value(raw)
		if err != nil {
			return err
		}
		yield(i, v)
	}
	return nil
}

// clean makes a name storable.
func clean(name string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(name, "\ufffd"), "\x00", `\u0000`)
}
