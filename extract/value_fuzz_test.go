package extract

import (
	"bytes"
	"errors"
	"testing"
	"time"
)

// check holds the promises of every encoder against one input: no panic, dst untouched on refusal, a Rule as the
// error, and canonical text that is accepted as it is.
func check(t *testing.T, typ Type, src []byte) {
	t.Helper()
	const before = "before"
	out, err := Append([]byte(before), typ, src)
	if err != nil {
		if string(out) != before {
			t.Errorf("Append(%s, %q) refuses and leaves %q", typ, src, out)
		}
		if !errors.As(err, new(Rule)) {
			t.Errorf("Append(%s, %q): error %v is no Rule", typ, src, err)
		}
		return
	}
	canonical := out[len(before):]
	again, err := Append(nil, typ, canonical)
	if err != nil || !bytes.Equal(again, canonical) {
		t.Errorf("Append(%s, %q) = %q, and of that %q, %v", typ, src, canonical, again, err)
	}
	if limit := 4*len(src) + 2*numericPower + 64; typ != JSONB && len(canonical) > limit {
		t.Errorf("Append(%s): %d bytes become %d", typ, len(src), len(canonical))
	}
}

func fuzz(f *testing.F, types ...Type) {
	for i, typ := range types {
		for _, s := range seeds[typ] {
			f.Add(uint8(i), []byte(s))
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, src []byte) { check(t, types[int(which)%len(types)], src) })
}

func FuzzTextAndBytes(f *testing.F) { fuzz(f, Text, Bytea, UUID, Boolean) }
func FuzzIntegers(f *testing.F)     { fuzz(f, Smallint, Integer, Bigint) }
func FuzzNumeric(f *testing.F)      { fuzz(f, Numeric) }
func FuzzTimes(f *testing.F)        { fuzz(f, Date, Time, Timestamp, Timestamptz, Interval) }
func FuzzJSON(f *testing.F)         { fuzz(f, JSONB) }

func TestAppendKeepsItsPromisesOnTornInput(t *testing.T) {
	for typ, list := range seeds {
		for _, s := range list {
			for i := range len(s) + 1 {
				check(t, typ, []byte(s[:i]))
				check(t, typ, []byte(s[i:]))
				check(t, typ, []byte(s[:i]+"\xff"+s[i:]))
				check(t, typ, []byte(s[:i]+"\x00"+s[i:]))
			}
		}
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	dst := make([]byte, 0, 1024)
	for typ, list := range seeds {
		if typ == JSONB {
			continue
		}
		for _, s := range list {
			src := []byte(s)
			if n := testing.AllocsPerRun(10, func() { dst, _ = Append(dst[:0], typ, src) }); n != 0 {
				t.Errorf("Append(%s, %q) allocates %v times", typ, s, n)
			}
		}
	}
	if n := testing.AllocsPerRun(10, func() { _, _ = Append(dst[:0], Date, dst[:3]) }); n != 0 {
		t.Errorf("a refusal allocates %v times", n)
	}
}

func TestAppendInstantIsCanonical(t *testing.T) {
	zone := time.FixedZone("", 5*3600+1800)
	for _, c := range []struct {
		in   time.Time
		want string
	}{
		{time.Date(2023, 1, 1, 0, 30, 0, 250_000_999, zone), "2022-12-31 19:00:00.25+00"},
		{time.Date(2023, 1, 1, 0, 30, 0, 0, time.UTC), "2023-01-01 00:30:00+00"},
	} {
		got := AppendInstant(nil, c.in)
		if string(got) != c.want {
			t.Errorf("AppendInstant(%s) = %q, want %q", c.in, got, c.want)
		}
		check(t, Timestamptz, got)
	}
}

func TestJSONNestedTooDeepIsRefusedInBoundedTime(t *testing.T) {
	for _, open := range []string{"[", `{"a":`} {
		if _, err := AppendJSON(nil, bytes.Repeat([]byte(open), 100_000)); !errors.Is(err, RuleJSON) {
			t.Errorf("100,000 times %s: %v", open, err)
		}
	}
}
