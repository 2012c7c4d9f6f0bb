package extract

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"syncd/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// seeds are values as sources spell them, from which the tests grow thousands of others.
var seeds = map[Type][]string{
	Text:        {"", "a", "Zoë 😀", "=HYPERLINK(1)", "'; DROP TABLE x; --", "line\r\nline\tend\\N", "\u202eabc"},
	Boolean:     {"0", "1", "t", "f", "true", "false"},
	Smallint:    {"0", "-0", "+7", "32767", "-32768", "32768", "007"},
	Integer:     {"0", "-0", "+7", "2147483647", "-2147483648", "2147483648", "-99", "0000000000000000012"},
	Bigint:      {"0", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "+1"},
	Numeric:     {"0", "-0.00", ".5", "5.", "1e3", "1.50e1", "12.5E-4", "-0e-7", "007.10", "99999999999999999999.0001", "1e308", "1e-308", "-1.e2", "+.0e0", "10000", "0.0001"},
	Date:        {"2024-02-29", "0205-01-01", "9999-12-31", "0001-01-01", "1582-10-10", "2000-12-31"},
	Time:        {"23:19", "9:05", "19:56:08", "00:00:00.5", "23:59:59.999999", "12:00:00.000001"},
	Timestamp:   {"2023-02-24 12:04", "2023-02-24T12:04:50", "9999-12-31 23:59:59.999999", "0001-01-01 0:00"},
	Timestamptz: {"2023-02-24T12:04:50Z", "2023-02-24 12:04:50-05", "2023-01-01 00:30:00.250+05:30", "0001-01-02 00:00:00+0130", "9999-12-30 10:00-15:59"},
	Interval:    {"55:02", "00:00", "99:59:59", "00:55:02"},
	UUID:        {"01234567-89ab-cdef-0123-456789abcdef", "0123456789ABCDEF0123456789abcdef"},
	JSONB:       {`{"b":1e2,"aa":[true,null],"a":-0.50}`, `[]`, `"x\u000b\n\"\\/"`, `{"a":{"a":{}},"":1,"a":2}`, `123.450`, ` [ 1 , "ü" ] `},
	Bytea:       {`\x`, `\x00FF`, `\xdeadbeef`},
}

// alphabet is what mutations insert: what numbers and dates are made of, and what they must not be.
const alphabet = "0123456789000111+-.eE:T Z/,xXaf\"{}[]\\\n\té٣"

// grow makes a value of t out of its seeds: one of them, or two put together, with a few characters changed.
func grow(r *rand.Rand, t Type) string {
	list := seeds[t]
	text := []rune(list[r.IntN(len(list))])
	if r.IntN(4) == 0 {
		other := []rune(list[r.IntN(len(list))])
		text = append(text[:r.IntN(len(text)+1)], other[r.IntN(len(other)+1):]...)
	}
	letters := []rune(alphabet)
	for range r.IntN(4) {
		at, with := r.IntN(len(text)+1), letters[r.IntN(len(letters))]
		switch r.IntN(3) {
		case 0:
			text = append(text[:at:at], append([]rune{with}, text[at:]...)...)
		case 1:
			if at < len(text) {
				text[at] = with
			}
		case 2:
			if at < len(text) {
				text = append(text[:at:at], text[at+1:]...)
			}
		}
	}
	return string(text)
}

// likely makes a well-formed value of t, most often one that the calendar or the range allows.
func likely(r *rand.Rand, t Type) string {
	day := fmt.Sprintf("%04d-%02d-%02d", r.IntN(10000), r.IntN(13), 26+r.IntN(7))
	hour := fmt.Sprintf("%02d:%02d", r.IntN(25), r.IntN(61))
	if r.IntN(2) == 0 {
		hour += fmt.Sprintf(":%02d", r.IntN(61))
		if r.IntN(2) == 0 {
			hour += fmt.Sprintf(".%0*d", 1+r.IntN(7), r.IntN(10))
		}
	}
	switch t {
	case Smallint:
		return fmt.Sprint(r.IntN(70_000) - 35_000)
	case Integer:
		return fmt.Sprint(r.Int64N(5e9) - 25e8)
	case Bigint:
		return fmt.Sprint(int64(r.Uint64()))
	case Numeric:
		s := fmt.Sprintf("%s%d.%0*d", []string{"", "-", "+", "000"}[r.IntN(4)], r.IntN(1<<r.IntN(40)), 1+r.IntN(30), r.IntN(1000))
		if r.IntN(2) == 0 {
			s += fmt.Sprintf("e%d", r.IntN(80)-40)
		}
		return s
	case Date:
		return day
	case Time:
		return hour
	case Timestamp:
		return day + []string{" ", "T"}[r.IntN(2)] + hour
	case Timestamptz:
		return day + " " + hour + fmt.Sprintf("%+03d:%02d", r.IntN(33)-16, r.IntN(61))
	case Interval:
		return fmt.Sprintf("%02d:%02d", r.IntN(61), r.IntN(61))
	}
	return grow(r, t)
}

func TestCanonicalTextIsWhatPostgresPrints(t *testing.T) {
	const perType = 6000
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, pgtest.Empty(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "SET TimeZone = 'UTC'; SET DateStyle = 'ISO'"); err != nil {
		t.Fatal(err)
	}
	for typ := Text; typ <= Bytea; typ++ {
		r := rand.New(rand.NewPCG(uint64(typ), 7))
		var in, want []string
		for i := range perType {
			src := grow(r, typ)
			if i%2 == 0 {
				src = likely(r, typ)
			}
			if got, err := Append(nil, typ, []byte(src)); err == nil {
				in, want = append(in, inPostgres(typ, src)), append(want, string(got))
			}
		}
		if len(in) < perType/10 {
			t.Errorf("%s: only %d of %d inputs accepted: the test shows little", typ, len(in), perType)
		}
		compare(t, conn, typ, in, want)   // the value is the same
		compare(t, conn, typ, want, want) // and its text needs no change
		t.Logf("%-28s %d inputs, %d accepted and equal", typ, perType, len(in))
	}
}

// inPostgres spells src so that Postgres takes it for what the source meant: MM:SS would be hours and minutes.
func inPostgres(t Type, src string) string {
	if t == Interval && len(src) == 5 {
		return "00:" + src
	}
	return src
}

// compare asks Postgres to read each of in as typ and to print it again.
func compare(t *testing.T, conn *pgx.Conn, typ Type, in, want []string) {
	t.Helper()
	query := fmt.Sprintf("SELECT format('%%s', x::%s) FROM unnest($1::text[]) WITH ORDINALITY AS u(x, i) ORDER BY i", typ)
	ask := func(in []string) ([]string, error) {
		rows, err := conn.Query(t.Context(), query, in)
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, pgx.RowTo[string])
	}
	got, err := ask(in)
	if err != nil {
		for _, x := range in {
			if _, err := ask([]string{x}); err != nil {
				t.Fatalf("%s: Postgres refuses %q, which Append accepts: %v", typ, x, err)
			}
		}
		t.Fatal(err)
	}
	for i := range in {
		if got[i] != want[i] {
			t.Errorf("%s: Append(%q) = %q, Postgres prints %q", typ, in[i], want[i], got[i])
		}
	}
}

func TestNumericEndsWherePostgresDoes(t *testing.T) {
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, pgtest.Empty(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	nines, zeros := strings.Repeat("9", numericWhole), strings.Repeat("0", numericScale)
	for _, c := range []struct{ name, in string }{
		{"all digits before the point", nines},
		{"one digit more", "1" + nines},
		{"one digit more after zeros", "000" + nines},
		{"all digits after the point", "0." + zeros[1:] + "1"},
		{"one decimal more", "0." + zeros + "1"},
		{"one decimal more, all zero", "0." + zeros + "0"},
		{"decimals beyond by exponent", "0." + zeros[8:] + "1e-9"},
		{"decimals just within by exponent", "0." + zeros[8:] + "1e-7"},
		{"digits just within by exponent", nines[308:] + "e308"},
		{"digits beyond by exponent", nines[307:] + "e308"},
		{"digits beyond taken back by exponent", nines + "9e-1"},
	} {
		var printed string
		pgErr := conn.QueryRow(ctx, "SELECT $1::text::numeric::text", c.in).Scan(&printed)
		got, err := AppendNumeric(nil, []byte(c.in))
		if (err == nil) != (pgErr == nil) || err == nil && string(got) != printed {
			t.Errorf("%s: Append says %v, Postgres says %v", c.name, err, pgErr)
		}
	}
}
