package load

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"syncd/extract"
)

// printed asks Postgres what it prints for texts of a type; nil where it refuses one.
func printed(t *testing.T, conn *pgx.Conn, typ extract.Type, text string) (string, bool) {
	t.Helper()
	var out string
	err := conn.QueryRow(t.Context(), "SELECT $1::text::"+typ.String()+"::text", pgx.QueryExecModeExec, text).Scan(&out)
	if typ == extract.Boolean && err == nil { // a cast spells it out, the output function does not
		out = out[:1]
	}
	return out, err == nil
}

func TestCanonicalTextIsWhatPostgresPrints(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	conn, err := w.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	pieces := []string{
		"0", "1", "9", "12", "00", "-", "+", ".", "e", "E5", ":", " ", "T", "Z", "2024", "1999", "02", "29", "30", "23", "59", "60", "999999", "32767", "32768",
		"2147483648", "9223372036854775807", "true", "f", "\\x", "af", "{", "}", "\"a\"", ",", "[", "]", "null", "1e400", "NaN", "é", "\u00a0", "-03", "24", "0001", "10000", "b1",
	}
	whole := []string{
		"2024-02-29", "1900-02-29", "0001-01-01", "9999-12-31", "2024-02-29 23:59:59.999999", "2024-02-29 23:59:60", "2024-02-29T10:00:00Z", "2024-06-30 12:00:00+05:30",
		"10:00", "24:00", "24:00:00", "23:59:59.1234567", "99:59", "0:0", "1.50", "-0", "-0.0", "0.10", ".5", "5.", "1e3", "1.5e-3", "007", "+7", "{\"b\": 1, \"a\": [1.0, null], \"aa\": \"\\u00e9\\n\"}",
		"01234567-89AB-CDEF-0123-456789abcdef", "0123456789abcdef0123456789abcdef", "\\xDEADbeef", "1", "0", "t", "false", strings.Repeat("9", 40),
	}
	types := []extract.Type{
		extract.Text, extract.Boolean, extract.Smallint, extract.Integer, extract.Bigint, extract.Numeric, extract.Date, extract.Time,
		extract.Timestamp, extract.Timestamptz, extract.UUID, extract.JSONB, extract.Bytea, extract.Interval,
	}
	check := func(typ extract.Type, text string) {
		ours, err := extract.Append(nil, typ, []byte(text))
		if err != nil {
			return
		}
		if theirs, ok := printed(t, conn.Conn(), typ, string(ours)); !ok || theirs != string(ours) {
			t.Errorf("%s %q: we write %q, Postgres prints %q (%t)", typ, text, ours, theirs, ok)
		}
		if again, err := extract.Append(nil, typ, ours); err != nil || !bytes.Equal(again, ours) {
			t.Errorf("%s %q: canonical text %q becomes %q (%v)", typ, text, ours, again, err)
		}
	}
	for _, typ := range types {
		for _, text := range whole {
			check(typ, text)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		var b strings.Builder
		for range 1 + random.IntN(5) {
			b.WriteString(pieces[random.IntN(len(pieces))])
		}
		check(types[random.IntN(len(types))], b.String())
	}
}

func TestSideColumnsAreWrittenAsPostgresPrintsThem(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	conn, err := w.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	rapid.Check(t, func(rt *rapid.T) {
		var notes []extract.Note
		for range rapid.IntRange(1, 6).Draw(rt, "notes") {
			notes = append(notes, extract.Note{Kind: extract.Extra, Column: rapid.String().Draw(rt, "column"), Value: rapid.String().Draw(rt, "value")})
		}
		var n noteText
		n.make(notes)
		if !json.Valid(n.of(extract.Extra)) {
			rt.Fatalf("not JSON: %s", n.of(extract.Extra))
		}
		got, ok := printed(t, conn.Conn(), extract.JSONB, string(n.of(extract.Extra)))
		if !ok || got != string(n.of(extract.Extra)) {
			rt.Fatalf("we write %s, Postgres prints %s", n.of(extract.Extra), got)
		}
	})
}

func TestCopyReadsBackWhatWasEscaped(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	p := with(col("a", extract.Text))
	r := started(t, w, p)
	rapid.Check(t, func(rt *rapid.T) {
		text := strings.ReplaceAll(strings.ToValidUTF8(rapid.String().Draw(rt, "text"), ""), "\x00", "")
		if _, err := r.Load(t.Context(), one([]string{"1"}, p, []string{"1", "", "1", text})); err != nil {
			rt.Fatal(err)
		}
		if got := ask[string](t, w, "SELECT a FROM asthma.people"); got != text {
			rt.Fatalf("%q became %q", text, got)
		}
	})
}
