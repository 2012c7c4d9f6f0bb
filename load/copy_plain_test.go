package load

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"syncd/extract"
)

// texts are what lines have to escape, and what they have not.
var texts = []string{"", null, "a", `\N`, `\.`, "\\", "tab\there", "line\nline\r\n", "\x01\x7f", "ü€😀", "'\"{}", "  ", "NULL", "-1", "\v\b\f"}

// textTables are a table of texts and one that has a number, too.
func textTables() (plain, mixed *extract.Table) {
	table := func(name string, more ...extract.Column) *extract.Table {
		key := extract.Column{Name: "record_id", Source: "record_id", Type: extract.Text, Key: true}
		return &extract.Table{Name: name, Source: name, Columns: append([]extract.Column{key, col("a", extract.Text), col("b", extract.Text)}, more...)}
	}
	return table("plain"), table("mixed", col("n", extract.Integer))
}

func TestRowsInBinaryFormHoldWhatRowsInLinesHold(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	plain, mixed := textTables()
	r := started(t, w, plain, mixed)
	for table, want := range map[*extract.Table]bool{plain: true, mixed: false} {
		if sh, err := r.tables.of(table); err != nil || sh.plain() != want {
			t.Fatalf("%s: plain is not %v (%v)", table.Name, want, err)
		}
	}
	load := func(from int) *Result {
		var keys []string
		one, other := extract.NewRows(plain), extract.NewRows(mixed)
		for i, a := range texts {
			for j, b := range texts {
				id := fmt.Sprintf("%02d-%02d-%02d", from, i, j)
				keys = append(keys, id)
				var notes []string
				if a != null && i%2 == 0 {
					notes = []string{"a=" + a, "b=x"}
				}
				noted(one, []string{id, a, b}, notes...)
				noted(other, []string{id, a, b, null}, notes...)
			}
		}
		return loadInto(t, r, &extract.Batch{Scope: about(keys, plain, mixed), Rows: []*extract.Rows{one, other}})
	}
	n := int64(len(texts) * len(texts))
	wantCounts(t, load(1), Counts{Read: 2 * n, Inserted: 2 * n})
	wantCounts(t, load(2), Counts{Read: 2 * n, Inserted: 2 * n})
	const columns = "record_id, a, b, _run_id, _inserted_at, _changed_at, _nonconforming, _missing, _extra"
	differ := fmt.Sprintf("SELECT count(*) FROM ((SELECT %[1]s FROM asthma.plain) EXCEPT (SELECT %[1]s FROM asthma.mixed)) AS d", columns)
	if got := ask[int64](t, w, differ); got != 0 {
		t.Errorf("%d of %d rows differ", got, 2*n)
	}
	r = next(t, w, r, plain, mixed)
	if sh, err := r.tables.of(plain); err != nil || sh.plain() {
		t.Errorf("a table that an earlier run made is sent in binary form (%v)", err)
	}
	wantCounts(t, load(1), Counts{Read: 2 * n, Unchanged: 2 * n})
}

func TestRowInBinaryFormThatPostgresRefusesIsFound(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	plain, _ := textTables()
	r := started(t, w, plain)
	do(t, w, "ALTER TABLE asthma.plain ADD CONSTRAINT kind CHECK (a <> 'bad')")
	res := loadInto(t, r, one([]string{"1", "2", "3"}, plain, []string{"1", "good", "x"}, []string{"2", "bad", "y"}, []string{"3", null, "z"}))
	wantCounts(t, res, Counts{Read: 3, Inserted: 2, Rejected: 1})
	if got := content(t, w, "asthma", "plain", "record_id"); got != "1 3" {
		t.Errorf("table holds %s", got)
	}
	if got := ask[string](t, w, "SELECT string_agg(source_key || ' ' || rule, ',') FROM syncd.reject"); got != "2 refused by Postgres" {
		t.Errorf("rejects: %s", got)
	}
}

// A batch that had to wait for its claim has another time than its transaction: then it is written with each row.
func TestTimesInBinaryFormAreThoseOfPostgres(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	for _, at := range []time.Time{
		time.Date(2026, 11, 25, 14, 3, 7, 123_456_000, time.UTC), time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(1999, 12, 31, 23, 59, 59, 999_999_000, time.UTC), time.Date(2038, 1, 19, 3, 14, 8, 0, time.FixedZone("", 3600)),
	} {
		want := ask[[]byte](t, w, "SELECT timestamptz_send($1::text::timestamptz)", at.Format(time.RFC3339Nano))
		if got := appendInstant(nil, clock{at: at}); !bytes.Equal(got[4:], want) || !bytes.Equal(got[:4], []byte{0, 0, 0, 8}) {
			t.Errorf("%s: % x, want % x", at, got, want)
		}
	}
	plain, _ := textTables()
	r := started(t, w, plain)
	wk, err := r.prepare(one([]string{"1"}, plain, []string{"1", "a", "b"}))
	if err != nil {
		t.Fatal(err)
	}
	s, err := w.begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	now, _, err := r.compare(t.Context(), s, wk)
	if err != nil {
		t.Fatal(err)
	}
	now.own, now.at = false, now.at.Add(time.Second)
	if err := r.write(t.Context(), s, wk, now); err != nil {
		t.Fatal(err)
	}
	if err := s.commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := ask[time.Time](t, w, "SELECT _changed_at FROM asthma.plain WHERE _inserted_at = _changed_at"); !got.Equal(now.at) {
		t.Errorf("the row has %s, its batch %s", got, now.at)
	}
}
