package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"syncd/extract"
	"syncd/internal/pgtest"
)

func ids(from, to int) []string {
	var out []string
	for i := from; i <= to; i++ {
		out = append(out, strconv.Itoa(i))
	}
	return out
}

// many is a batch of one row for each id.
func many(p *extract.Table, ids []string) *extract.Batch {
	var rows [][]string
	for _, id := range ids {
		rows = append(rows, person(id, "n"+id, "1"))
	}
	return one(ids, p, rows...)
}

func TestLastOfTwoRowsWithOneKeyWinsAndTheOtherIsCounted(t *testing.T) {
	t.Parallel()
	w, p := warehouse(t), people()
	r := started(t, w, p)
	rows := rowsOf(p, person("1", "old", "1"), person("2", "Bob", "2"), person("1", "new", "3"))
	rows.Duplicates = 2 // those that the source left out itself
	b := one([]string{"1", "2"}, p)
	b.Rows[0] = rows
	b.Rows = append(b.Rows, rowsOf(p, person("2", "later", "9")))
	wantCounts(t, loadInto(t, r, b), Counts{Read: 6, Inserted: 2, Duplicate: 4})
	if got := content(t, w, "asthma", "people", "record_id", "name"); got != "1,new 2,later" {
		t.Errorf("table holds %s", got)
	}
}

func TestRejectedRowKeepsWhatIsStoredAndIsResolvedOnceStored(t *testing.T) {
	t.Parallel()
	w, p := warehouse(t), people()
	r := started(t, w, p)
	loadInto(t, r, one([]string{"1", "2"}, p, person("1", "Ann", "1"), person("2", "Bob", "2")))
	bad := one([]string{"1", "2"}, p, person("1", "Ann", "1"))
	bad.Rejects = []extract.Reject{{Table: p, Key: []string{"2", "", "1"}, Column: "age", Rule: "ragged row", Raw: []byte("\x00\xff")}}
	for seen := 1; seen <= 2; seen++ {
		res := loadInto(t, r, bad)
		wantCounts(t, res, Counts{Read: 2, Unchanged: 1, Rejected: 1})
		if want := int64(2 - seen); res.NewRejects != want {
			t.Errorf("%d new rejects, want %d", res.NewRejects, want)
		}
	}
	if got := content(t, w, "asthma", "people", "record_id", "name"); got != "1,Ann 2,Bob" {
		t.Errorf("table holds %s", got)
	}
	state := "SELECT concat_ws('|', job, table_name, source_key, column_name, rule, raw, seen, resolved_at IS NULL) FROM syncd.reject"
	if got := ask[string](t, w, state); got != `asthma|people|2||1|age|ragged row|\x00ff|2|t` {
		t.Errorf("reject: %s", got)
	}
	loadInto(t, r, one([]string{"2"}, p, person("2", "Bob", "2")))
	if got := ask[string](t, w, state); !strings.HasSuffix(got, "|f") {
		t.Errorf("reject is still open: %s", got)
	}
	r = next(t, w, r, p)
	if res := loadInto(t, r, bad); res.NewRejects != 1 {
		t.Error("a reject that was resolved and is back is not new")
	}
}

func TestUnreadableKeyOfARejectMovesNothingOut(t *testing.T) {
	t.Parallel()
	w, p := warehouse(t), people()
	r := started(t, w, p)
	loadInto(t, r, many(p, ids(1, 3)))
	b := one(ids(1, 3), p, person("1", "n1", "1"))
	b.Rejects = []extract.Reject{{Table: p, Rule: "invalid utf-8 in key", Raw: []byte{0xff}}}
	if res := loadInto(t, r, b); !res.KeysUnread {
		t.Error("the result does not say so")
	} else {
		wantCounts(t, res, Counts{Read: 2, Unchanged: 1, Rejected: 1})
	}
	// A key that cannot be stored is such a key.
	b = one(ids(1, 3), p, []string{null, "", "1", null, null, null, null, null}, []string{strings.Repeat("k", 2100), "", "1", null, null, null, null, null})
	wantCounts(t, loadInto(t, r, b), Counts{Read: 2, Rejected: 2})
	if n := ask[int](t, w, "SELECT count(*) FROM asthma.people"); n != 3 {
		t.Errorf("%d rows are left", n)
	}
}

func TestBatchWithoutScopeOnlyInsertsAndUpdates(t *testing.T) {
	t.Parallel()
	w, p := warehouse(t), people()
	r := started(t, w, p)
	loadInto(t, r, many(p, ids(1, 5)))
	b := &extract.Batch{Rows: []*extract.Rows{rowsOf(p, person("5", "n5", "1"), person("9", "Nia", "1"), person("3", "Cem", "1"))}}
	wantCounts(t, loadInto(t, r, b), Counts{Read: 3, Inserted: 1, Updated: 1, Unchanged: 1})
	wantCounts(t, loadInto(t, r, &extract.Batch{}), Counts{})
}

func TestScopeOfAWholeTableAndOfTwoColumns(t *testing.T) {
	t.Parallel()
	w, p := warehouse(t), people()
	r := started(t, w, p)
	loadInto(t, r, many(p, ids(1, 5)))
	b := one(nil, p, person("2", "n2", "1"))
	b.Scope.Width = 0
	wantCounts(t, loadInto(t, r, b), Counts{Read: 1, Unchanged: 1, Deleted: 4})

	row := func(event, instance string) []string {
		return []string{"2", event, instance, null, null, null, null, null}
	}
	loadInto(t, r, one([]string{"2"}, p, row("a", "1"), row("a", "2"), row("b", "1")))
	b = one(nil, p, row("a", "2"))
	b.Scope.Width, b.Scope.Keys = 2, [][]string{{"2", "a"}}
	wantCounts(t, loadInto(t, r, b), Counts{Read: 1, Unchanged: 1, Deleted: 1})
	b.Rows[0] = rowsOf(p, row("b", "2"))
	if _, err := r.Load(t.Context(), b); extract.KindOf(err) != extract.KindInternal {
		t.Errorf("a row outside of the scope was taken: %v", err)
	}
}

func TestMarksAndPositionMoveWithTheirBatch(t *testing.T) {
	t.Parallel()
	w, p := warehouse(t), people()
	r := started(t, w, p)
	b := many(p, ids(1, 2))
	b.Position = "2"
	loadInto(t, r, b)
	asOwner(t, w, "ALTER TABLE syncd.batch ADD CONSTRAINT no CHECK (seq < 1)")
	b = many(p, ids(3, 4))
	b.Marks = []extract.Mark{{Name: "changes", Value: "2026-01-01"}}
	if _, err := r.Load(t.Context(), b); err == nil {
		t.Fatal("nothing failed")
	}
	if got := ask[string](t, w, "SELECT string_agg(name || '=' || value, ',') FROM syncd.mark"); got != "position=2" {
		t.Errorf("marks of a batch that failed: %s", got)
	}
	asOwner(t, w, "ALTER TABLE syncd.batch DROP CONSTRAINT no")
	loadInto(t, r, b)
	if got := ask[string](t, w, "SELECT string_agg(name || '=' || value, ',') FROM syncd.mark"); got != "changes=2026-01-01" {
		t.Errorf("marks: %s", got)
	}
	if got := ask[string](t, w, "SELECT string_agg(seq::text, ',' ORDER BY seq) FROM syncd.batch"); got != "0,1" {
		t.Errorf("batches: %s", got)
	}
}

func TestBatchWhoseCommitReplyWasLostIsLoadedOnce(t *testing.T) {
	t.Parallel()
	wire := &deafWire{}
	w := warehouseAt(t, Config{URL: pgtest.New(t), DialFunc: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		return &deafConn{Conn: conn, wire: wire}, err
	}})
	p := people()
	r := started(t, w, p)
	loadInto(t, r, many(p, ids(1, 3)))
	wire.armed.Store(true)
	b := one(ids(1, 4), p, person("1", "changed", "1"), person("2", "n2", "1"), person("4", "new", "1"))
	res := loadInto(t, r, b)
	if !wire.deaf.Load() || !res.Replayed {
		t.Fatal("no reply was dropped")
	}
	wantCounts(t, res, Counts{Read: 3, Inserted: 1, Updated: 1, Unchanged: 1, Deleted: 1})
	if got := ask[string](t, w, "SELECT concat_ws(',', read, inserted, updated, unchanged, deleted) FROM syncd.run_table"); got != "6,4,1,1,1" {
		t.Errorf("the ledger counts %s", got)
	}
	wantCounts(t, loadInto(t, r, b), Counts{Read: 3, Unchanged: 3})
}

func TestHolderWhoseClaimWasTakenWritesNothing(t *testing.T) {
	t.Parallel()
	w, p := warehouse(t), people()
	zombie := started(t, w, p)
	loadInto(t, zombie, many(p, ids(1, 3)))
	silence(t, w)
	heir := started(t, w, p)
	var stale *StaleError
	if _, err := zombie.Load(t.Context(), many(p, ids(1, 9))); !errors.As(err, &stale) {
		t.Errorf("a zombie loaded a batch: %v", err)
	}
	q := with(col("x", extract.Text))
	if _, err := zombie.Agree(t.Context(), &extract.Structure{Tables: []*extract.Table{q}}); !errors.As(err, &stale) {
		t.Errorf("a zombie changed structure: %v", err)
	}
	if n := ask[int](t, w, "SELECT count(*) FROM asthma.people"); n != 3 {
		t.Errorf("%d rows", n)
	}
	wantCounts(t, loadInto(t, heir, many(p, ids(1, 4))), Counts{Read: 4, Inserted: 1, Unchanged: 3})
}

func TestRowsThatPostgresRefusesAreRejectedAndTheRestIsLoaded(t *testing.T) {
	t.Parallel()
	for name, guard := range map[string]string{
		"constraint": "ALTER TABLE asthma.people ADD CONSTRAINT grown CHECK (age <> 13)",
		// An error of a trigger at the end of the statement names no line.
		"statement": `CREATE SCHEMA aside; CREATE FUNCTION aside.no() RETURNS trigger LANGUAGE plpgsql AS
			$$BEGIN IF EXISTS (SELECT FROM added WHERE age = 13) THEN RAISE EXCEPTION 'no'; END IF; RETURN NULL; END$$;
			CREATE TRIGGER no AFTER INSERT ON asthma.people REFERENCING NEW TABLE AS added EXECUTE FUNCTION aside.no();
			CREATE TRIGGER no2 AFTER UPDATE ON asthma.people REFERENCING NEW TABLE AS added EXECUTE FUNCTION aside.no()`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, p := warehouse(t), people()
			r := started(t, w, p)
			loadInto(t, r, many(p, ids(1, 2)))
			do(t, w, guard)
			b := one(ids(1, 20), p)
			var rows [][]string
			for i, id := range ids(1, 20) {
				age := "1"
				if i == 1 || i == 7 || i == 19 {
					age = "13"
				}
				rows = append(rows, person(id, "n"+id, age))
			}
			b.Rows[0] = rowsOf(p, rows...)
			wantCounts(t, loadInto(t, r, b), Counts{Read: 20, Inserted: 16, Unchanged: 1, Rejected: 3})
			if got := content(t, w, "asthma", "people", "age"); strings.Contains(got, "13") || len(strings.Fields(got)) != 18 {
				t.Errorf("ages: %s", got)
			}
			if got := ask[string](t, w, "SELECT string_agg(source_key || ' ' || rule, ',' ORDER BY reject_id) FROM syncd.reject WHERE sqlstate IN ('23514', 'P0001')"); !strings.Contains(got, "8||1 refused by Postgres") {
				t.Errorf("rejects: %s", got)
			}
		})
	}
}

func TestMoreThanAHundredRefusedRowsFailTheRun(t *testing.T) {
	t.Parallel()
	w, p := warehouse(t), people()
	r := started(t, w, p)
	do(t, w, "ALTER TABLE asthma.people ADD CONSTRAINT grown CHECK (name <> 'n7' AND age > 5) NOT VALID")
	_, err := r.Load(t.Context(), many(p, ids(1, 110)))
	if extract.KindOf(err) != extract.KindPostgres || !strings.Contains(err.Error(), "more than 100 rows") {
		t.Errorf("got %v", err)
	}
	for _, secret := range []string{"n7", "71.50", "grown"} {
		if strings.Contains(fmt.Sprintf("%v", err), secret) {
			t.Errorf("the error tells %q", secret)
		}
	}
}

func TestRowThatCameBehindTheComparisonIsMergedThroughTheStage(t *testing.T) {
	t.Parallel()
	w, p := warehouse(t), people()
	r := started(t, w, p)
	// Whoever inserts while a batch is compared does so in its own transaction: the COPY meets the key.
	wk, err := r.prepare(many(p, ids(1, 3)))
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
	do(t, w, "INSERT INTO asthma.people VALUES ('2', '', 1, 'theirs', 1, 1, NULL, NULL, 1, gen_random_uuid(), now(), now())")
	if err := r.write(t.Context(), s, wk, now); err == nil {
		t.Fatal("nothing was in the way")
	}
	s.drop()
	wk.staged = true
	res, err := r.persist(t.Context(), wk)
	if err != nil {
		t.Fatal(err)
	}
	wantCounts(t, res, Counts{Read: 3, Inserted: 2, Updated: 1})
	if got := content(t, w, "asthma", "people", "name"); got != "n1 n2 n3" {
		t.Errorf("table holds %s", got)
	}
}

func TestNotesAreKeptBesideTheRowAndComparedAsStored(t *testing.T) {
	t.Parallel()
	w, p := warehouse(t), people()
	r := started(t, w, p)
	note := func(values ...string) *extract.Batch {
		b := one([]string{"1", "2"}, p)
		rows := b.Rows[0]
		rows.Begin()
		for _, c := range person("1", "Ann", null) {
			if c == null {
				rows.Null()
			} else {
				rows.String(c)
			}
		}
		for i, v := range values {
			rows.Note(extract.NoteKind(i%3), []string{"age", "weight", "zz", "b", "_ä"}[i%5], v)
		}
		rows.End()
		return b
	}
	hostile := []string{"12 years", "-99", "\"\\\b\f\n\r\t\x01\x1f\x7f", "bad\xff", "nul\x00", "é€😀\u2028</script>", "{\"a\": 1}"}
	b := note(hostile...)
	res := loadInto(t, r, b)
	wantCounts(t, res, Counts{Read: 1, Inserted: 1})
	if c := res.Total(); c.NonConforming != 3 || c.Missing != 2 {
		t.Errorf("%+v", c)
	}
	wantCounts(t, loadInto(t, r, note(hostile...)), Counts{Read: 1, Unchanged: 1})
	do(t, w, "UPDATE syncd.table_def SET reshaped = true; UPDATE asthma.people SET _fingerprint = gen_random_uuid()")
	r = next(t, w, r, p)
	wantCounts(t, loadInto(t, r, note(hostile...)), Counts{Read: 1, Reencoded: 1})
	if got := ask[string](t, w, "SELECT _nonconforming->>'age' || '|' || (_missing->>'weight') || '|' || (_extra->>'zz') FROM asthma.people"); got != "12 years|-99|\"\\\b\f\n\r\t\x01\x1f\x7f" {
		t.Errorf("notes: %q", got)
	}
	wantCounts(t, loadInto(t, r, note("13 years")), Counts{Read: 1, Updated: 1})
}

// Not parallel: the log is the whole server's.
func TestSecondLoadLeavesNoDeadTupleAndLittleWAL(t *testing.T) {
	w, p := warehouseAt(t, Config{URL: pgtest.Super(pgtest.New(t))}), people() // who may look at pages
	r := started(t, w, p)
	loadInto(t, r, many(p, ids(1, 3000)))
	before := ask[string](t, w, "SELECT pg_current_wal_insert_lsn()::text")
	r = next(t, w, r, p)
	wantCounts(t, loadInto(t, r, many(p, ids(1, 3000))), Counts{Read: 3000, Unchanged: 3000})
	if n := ask[int](t, w, "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), $1::pg_lsn)::integer", before); n > 200_000 {
		t.Errorf("%d bytes of WAL", n)
	}
	do(t, w, "CREATE EXTENSION pgstattuple SCHEMA public")
	if n := ask[int](t, w, "SELECT dead_tuple_count FROM public.pgstattuple('asthma.people')"); n != 0 {
		t.Errorf("%d dead tuples", n)
	}
}

func TestStoredKeysComeOnceInBytewiseOrder(t *testing.T) {
	t.Parallel()
	w, p := warehouse(t), people()
	other := &extract.Table{Name: "numbers", Source: "numbers", Columns: []extract.Column{col("id", extract.Bigint)}}
	other.Columns[0].Key = true
	r := started(t, w, p, other)
	want := []string{"10", "9", "B", "a", "a b", "ä", "€"}
	var rows [][]string
	for _, id := range want {
		rows = append(rows, person(id, "x", "1"), []string{id, "v", "1", null, null, null, null, null})
	}
	loadInto(t, r, one(want, p, rows...))
	loadInto(t, r, one([]string{"10", "9"}, other, []string{"10"}, []string{"9"}))
	for table, want := range map[*extract.Table][]string{p: want, other: {"10", "9"}} {
		var got []string
		if err := r.Stored().Keys(t.Context(), table, func(k string) error { got = append(got, k); return nil }); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" || !slices.IsSorted(got) {
			t.Errorf("keys of %s (-want +got):\n%s", table.Name, diff)
		}
	}
	if n, err := w.Live(t.Context(), "asthma", "people"); n != 14 || err != nil {
		t.Error(n, err)
	}
}

func TestManyTablesShareOneConnectionsStages(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	var tables []*extract.Table
	for i := range stageLimit + 10 {
		p := with(col("a", extract.Text))
		p.Name = fmt.Sprintf("form_%d", i)
		tables = append(tables, p)
	}
	r := started(t, w, tables...)
	for round, want := range []Counts{{Read: 42, Inserted: 42}, {Read: 42, Updated: 42}, {Read: 42, Updated: 42}} {
		b := &extract.Batch{Scope: about([]string{"1"}, tables...)}
		for _, p := range tables {
			b.Rows = append(b.Rows, rowsOf(p, []string{"1", "", "1", strconv.Itoa(round)}))
		}
		wantCounts(t, loadInto(t, r, b), want)
	}
}
