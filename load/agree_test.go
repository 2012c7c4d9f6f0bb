package load

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"syncd/extract"
)

// with is people with other columns after the key.
func with(columns ...extract.Column) *extract.Table {
	t := people()
	t.Columns = append(t.Columns[:3:3], columns...)
	return t
}

func col(name string, typ extract.Type) extract.Column {
	return extract.Column{Name: name, Source: name, Type: typ}
}

func kinds(changes []Change) []string {
	var out []string
	for _, c := range changes {
		out = append(out, strings.TrimRight(c.Kind+" "+c.Column, " "))
	}
	slices.Sort(out)
	return out
}

func wantKinds(t *testing.T, what string, changes []Change, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, kinds(changes)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func one(ids []string, t *extract.Table, rows ...[]string) *extract.Batch {
	return &extract.Batch{Scope: about(ids, t), Rows: []*extract.Rows{rowsOf(t, rows...)}}
}

func TestTableIsMadeWithKeyCommentsIndexesAndDefinitions(t *testing.T) {
	t.Parallel()
	w, p := warehouse(t), people()
	p.Indexes = [][]string{{"name"}, {"born", "age"}}
	meta := &extract.Table{Side: extract.Meta, Name: "redcap_field", Source: "metadata", Columns: []extract.Column{{Name: "field_name", Source: "field_name", Type: extract.Text, Key: true}}}
	r := begin(t, w, order())
	c := agree(t, r, p, meta)
	wantKinds(t, "applied", c.Applied, "create", "create", "schema", "schema")
	for query, want := range map[string]string{
		"SELECT string_agg(a.attname || ':' || format_type(atttypid, atttypmod) || ':' || attnotnull, ' ' ORDER BY attnum) FROM pg_attribute a WHERE attrelid = 'asthma.people'::regclass AND attnum > 0": "record_id:text:true event:text:true instance:integer:true name:text:false age:integer:false weight:numeric:false born:date:false smoker:boolean:false " +
			"_run_id:bigint:true _fingerprint:uuid:true _inserted_at:timestamp with time zone:true _changed_at:timestamp with time zone:true _nonconforming:jsonb:false _missing:jsonb:false _extra:jsonb:false",
		"SELECT string_agg(pg_get_indexdef(indexrelid), '; ' ORDER BY indexrelid::regclass::text) FROM pg_index WHERE indrelid = 'asthma.people'::regclass": "CREATE INDEX people_born_age_idx ON asthma.people USING btree (born, age); CREATE INDEX people_changed_at_brin ON asthma.people USING brin (_changed_at); CREATE INDEX people_name_idx ON asthma.people USING btree (name); " +
			"CREATE UNIQUE INDEX people_pkey ON asthma.people USING btree (record_id, event, instance)",
		"SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute a JOIN pg_collation c ON c.oid = attcollation WHERE attrelid = 'asthma.people'::regclass AND collname = 'C'": "record_id event",
		"SELECT obj_description('asthma.people'::regclass)":    "People; 'quoted'",
		"SELECT col_description('asthma.people'::regclass, 5)": "Age; years",
		"SELECT count(*)::text FROM pg_attribute WHERE attrelid = 'asthma.people'::regclass AND attnum > 0 AND col_description(attrelid, attnum) IS NULL":                                  "0",
		"SELECT string_agg(column_id || column_name || ':' || pg_type || ':' || is_key, ' ' ORDER BY column_id) FROM syncd.column_def WHERE table_name = 'people' AND column_id IN (1, 4)": "1record_id:text:true 4name:text:false",
		"SELECT string_agg(schema_name || '.' || table_name, ' ' ORDER BY 1) FROM syncd.table_def":                                                                                         "asthma.people asthma_meta.redcap_field",
	} {
		if got := ask[string](t, w, query); got != want {
			t.Errorf("%s\n got %s\nwant %s", query, got, want)
		}
	}
	r = next(t, w, r)
	if c := agree(t, r, p, meta); len(c.Applied)+len(c.Pending) > 0 {
		t.Errorf("nothing changed and yet: %+v", c)
	}
	if n := ask[int64](t, w, "SELECT count(*) FROM syncd.schema_change"); n != 4 {
		t.Errorf("%d changes recorded", n)
	}
}

func TestNewFieldIsAppendedAndTouchesNoRow(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	p := with(col("b", extract.Text))
	r := started(t, w, p)
	loadInto(t, r, one([]string{"1"}, p, []string{"1", "", "1", "x"}))
	before := content(t, w, "asthma", "people", "xmin", "ctid", "_changed_at")

	q := with(col("a", extract.Integer), col("b", extract.Text))
	r = next(t, w, r)
	wantKinds(t, "applied", agree(t, r, q).Applied, "add a")
	res := loadInto(t, r, one([]string{"1"}, q, []string{"1", "", "1", null, "x"}))
	wantCounts(t, res, Counts{Read: 1, Unchanged: 1})
	if after := content(t, w, "asthma", "people", "xmin", "ctid", "_changed_at"); after != before {
		t.Error("a new empty column touched a row")
	}
	res = loadInto(t, r, one([]string{"1"}, q, []string{"1", "", "1", "7", "x"}))
	wantCounts(t, res, Counts{Read: 1, Updated: 1})
	if got := content(t, w, "asthma", "people", "a", "b"); got != "7,x" {
		t.Errorf("table holds %q", got)
	}
}

func TestFieldThatIsGoneIsRetiredAndReturnsWithItsValues(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	long := strings.Repeat("é", 31) // 62 bytes
	p, q := with(col("a", extract.Text), col(long, extract.Text)), with(col("a", extract.Text))
	r := started(t, w, p)
	loadInto(t, r, one([]string{"1", "2"}, p, []string{"1", "", "1", "x", "kept"}, []string{"2", "", "1", "y", "kept too"}))
	loadInto(t, r, one([]string{"3"}, p))
	changed := content(t, w, "asthma", "people", "_changed_at")
	id := ask[int](t, w, "SELECT column_id FROM syncd.column_def WHERE column_name = $1", long)

	r = next(t, w, r)
	wantKinds(t, "applied", agree(t, r, q).Applied, "retire "+long)
	res := loadInto(t, r, one([]string{"1", "2"}, q, []string{"1", "", "1", "x"}, []string{"2", "", "1", "y"}))
	wantCounts(t, res, Counts{Read: 2, Reencoded: 2})
	res = loadInto(t, r, one([]string{"1", "2"}, q, []string{"1", "", "1", "x"}, []string{"2", "", "1", "y"}))
	wantCounts(t, res, Counts{Read: 2, Unchanged: 2})
	if got := content(t, w, "asthma", "people", ident(retiredName(long))); got != "kept kept too" {
		t.Errorf("retired column holds %q", got)
	}
	if content(t, w, "asthma", "people", "_changed_at") != changed {
		t.Error("retiring a column moved _changed_at")
	}

	r = next(t, w, r)
	wantKinds(t, "applied", agree(t, r, p).Applied, "return "+long)
	if got := ask[int](t, w, "SELECT column_id FROM syncd.column_def WHERE column_name = $1 AND retired_at IS NULL", long); got != id {
		t.Errorf("the column came back as number %d, it was %d", got, id)
	}
	// The second row's value is gone at the source: equal fingerprints of before and after must not hide that.
	res = loadInto(t, r, one([]string{"1", "2"}, p, []string{"1", "", "1", "x", "kept"}, []string{"2", "", "1", "y", null}))
	wantCounts(t, res, Counts{Read: 2, Reencoded: 1, Updated: 1})
	if got := content(t, w, "asthma", "people", ident(long)); got != "kept " {
		t.Errorf("table holds %q", got)
	}
}

func TestUnnamedColumnIsLeftAsItIsAndReadAfreshWhenNamedAgain(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	p, q := with(col("a", extract.Text), col("b", extract.Text)), with(col("a", extract.Text))
	q.Unnamed = []string{"b"}
	r := started(t, w, p)
	loadInto(t, r, one([]string{"1"}, p, []string{"1", "", "1", "x", "secret"}))
	r = next(t, w, r)
	wantKinds(t, "applied", agree(t, r, q).Applied)
	wantCounts(t, loadInto(t, r, one([]string{"1"}, q, []string{"1", "", "1", "x"})), Counts{Read: 1, Reencoded: 1})
	wantCounts(t, loadInto(t, r, one([]string{"1"}, q, []string{"1", "", "1", "z"})), Counts{Read: 1, Updated: 1})
	if got := content(t, w, "asthma", "people", "a", "b"); got != "z,secret" {
		t.Errorf("table holds %q", got)
	}
	r = next(t, w, r)
	wantKinds(t, "applied", agree(t, r, p).Applied)
	wantCounts(t, loadInto(t, r, one([]string{"1"}, p, []string{"1", "", "1", "z", null})), Counts{Read: 1, Updated: 1})
	if got := content(t, w, "asthma", "people", "a", "b"); got != "z" {
		t.Errorf("table holds %q", got)
	}
}

func TestTypeIsWidenedInPlaceAndRowsKeepTheirTimes(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	chain := []extract.Type{extract.Smallint, extract.Integer, extract.Bigint, extract.Numeric, extract.Text}
	dates := []extract.Type{extract.Date, extract.Date, extract.Timestamp, extract.Timestamp, extract.Text}
	days := []string{"2024-02-29", "2024-02-29", "2024-02-29 00:00:00", "2024-02-29 00:00:00", "2024-02-29 00:00:00"}
	var r *Run
	var changed string
	for i, typ := range chain {
		p := with(col("n", typ), col("d", dates[i]))
		if r == nil {
			r = begin(t, w, order())
		} else {
			r = next(t, w, r)
		}
		c := agree(t, r, p)
		if len(c.Pending) > 0 {
			t.Fatalf("to %s: %+v", typ, c.Pending)
		}
		res := loadInto(t, r, one([]string{"1", "2"}, p, []string{"1", "", "1", "12", days[i]}))
		if i == 0 {
			loadInto(t, r, one([]string{"2"}, p, []string{"2", "", "1", "5", days[i]}))
			loadInto(t, r, one([]string{"2"}, p)) // so that there is an archive
			changed = content(t, w, "asthma", "people", "_changed_at")
			continue
		}
		if got := res.Total(); got.Unchanged+got.Reencoded != 1 {
			t.Errorf("to %s: %+v", typ, got)
		}
		if content(t, w, "asthma", "people", "_changed_at") != changed {
			t.Errorf("to %s: _changed_at moved", typ)
		}
		for _, schema := range []string{"asthma", "asthma_deleted"} {
			got := ask[string](t, w, "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = ($1 || '.people')::regclass AND attname = 'n'", schema)
			if got != typ.String() {
				t.Errorf("%s has %s for %s", schema, got, typ)
			}
		}
	}
	// Narrower again: the stored type stays, every value fits.
	r = next(t, w, r)
	p := with(col("n", extract.Integer), col("d", extract.Date))
	if c := agree(t, r, p); len(c.Applied)+len(c.Pending) > 0 {
		t.Errorf("narrowed: %+v", c)
	}
}

func TestWideningWaitsForAForeignViewAndTheValueIsKeptBeside(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	p, q := with(col("n", extract.Smallint)), with(col("n", extract.Integer))
	r := started(t, w, p)
	loadInto(t, r, one([]string{"1"}, p, []string{"1", "", "1", "3"}))
	do(t, w, "CREATE SCHEMA aside; CREATE VIEW aside.mine AS SELECT n FROM asthma.people")

	r = next(t, w, r)
	c := agree(t, r, q)
	wantKinds(t, "pending", c.Pending, "widen n")
	if len(c.Pending) == 1 && !strings.Contains(c.Pending[0].Reason, "aside.mine depends") {
		t.Errorf("reason is %q", c.Pending[0].Reason)
	}
	res := loadInto(t, r, one([]string{"1"}, q, []string{"1", "", "1", "40000"}))
	wantCounts(t, res, Counts{Read: 1, Updated: 1})
	if got := content(t, w, "asthma", "people", "coalesce(n::text, 'NULL')", "_nonconforming"); got != `NULL,{"n": "40000"}` || res.Total().NonConforming != 1 {
		t.Errorf("table holds %s", got)
	}
	if got := ask[string](t, w, "SELECT state || ' ' || kind || ' ' || statement FROM syncd.schema_change WHERE column_name = 'n'"); got != `pending widen ALTER TABLE "asthma"."people" ALTER COLUMN "n" TYPE integer USING "n"::integer` {
		t.Errorf("recorded: %s", got)
	}

	do(t, w, "DROP VIEW aside.mine")
	r = next(t, w, r)
	wantKinds(t, "applied", agree(t, r, q).Applied, "widen n")
	wantCounts(t, loadInto(t, r, one([]string{"1"}, q, []string{"1", "", "1", "40000"})), Counts{Read: 1, Updated: 1})
	if got := content(t, w, "asthma", "people", "n", "_nonconforming"); got != "40000" {
		t.Errorf("table holds %s", got)
	}
	if got := ask[string](t, w, "SELECT state FROM syncd.schema_change WHERE column_name = 'n'"); got != "applied" {
		t.Errorf("the change is still %s", got)
	}
}

func TestOtherTypeKeepsTheStoredOneAndWhatDoesNotFitBeside(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	p, q := with(col("v", extract.Date)), with(col("v", extract.Integer))
	r := started(t, w, p)
	loadInto(t, r, one([]string{"1"}, p, []string{"1", "", "1", "2024-01-01"}))
	r = next(t, w, r)
	wantKinds(t, "pending", agree(t, r, q).Pending, "retype v")
	loadInto(t, r, one([]string{"1"}, q, []string{"1", "", "1", "5"}))
	if got := content(t, w, "asthma", "people", "v", "_nonconforming"); got != `{"v": "5"}` {
		t.Errorf("table holds %s", got)
	}
	do(t, w, "ALTER TABLE asthma.people ALTER v TYPE integer USING NULL::integer")
	r = next(t, w, r)
	if c := agree(t, r, q); len(c.Pending)+len(c.Blocked) > 0 {
		t.Fatalf("%+v", c)
	}
	loadInto(t, r, one([]string{"1"}, q, []string{"1", "", "1", "5"}))
	if got := content(t, w, "asthma", "people", "v", "_nonconforming"); got != "5" {
		t.Errorf("table holds %s", got)
	}
}

func TestReaderInTheWayDelaysTheChangeAndNotTheData(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	p, q := with(col("a", extract.Text)), with(col("a", extract.Text), col("b", extract.Text))
	r := started(t, w, p)
	loadInto(t, r, one([]string{"1"}, p, []string{"1", "", "1", "x"}))
	reader := start(t, w)
	if _, err := reader.Exec(t.Context(), "LOCK TABLE asthma.people IN ACCESS SHARE MODE"); err != nil {
		t.Fatal(err)
	}
	r = next(t, w, r)
	wantKinds(t, "pending", agree(t, r, q).Pending, "add b")
	loadInto(t, r, one([]string{"1"}, q, []string{"1", "", "1", "y", "new"}))
	if got := content(t, w, "asthma", "people", "a", "_extra"); got != `y,{"b": "new"}` {
		t.Errorf("table holds %s", got)
	}
	if err := reader.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	r = next(t, w, r)
	wantKinds(t, "applied", agree(t, r, q).Applied, "add b")
	loadInto(t, r, one([]string{"1"}, q, []string{"1", "", "1", "y", "new"}))
	if got := content(t, w, "asthma", "people", "a", "b", "_extra"); got != "y,new" {
		t.Errorf("table holds %s", got)
	}
}

func TestRecordIDFieldThatIsRenamedRenamesItsColumn(t *testing.T) {
	t.Parallel()
	w, p, q := warehouse(t), with(col("a", extract.Text)), with(col("a", extract.Text))
	q.Columns = slices.Clone(q.Columns)
	q.Columns[0].Name, q.Columns[0].Source = "study_id", "study_id"
	r := started(t, w, p)
	loadInto(t, r, one([]string{"1"}, p, []string{"1", "", "1", "x"}))
	r = next(t, w, r)
	wantKinds(t, "applied", agree(t, r, q).Applied, "rename study_id")
	wantCounts(t, loadInto(t, r, one([]string{"1"}, q, []string{"1", "", "1", "x"})), Counts{Read: 1, Unchanged: 1})
}

func TestTableThatIsGoneAtTheSourceStays(t *testing.T) {
	t.Parallel()
	w, p := warehouse(t), people()
	other := with(col("a", extract.Text))
	other.Name = "other"
	r := started(t, w, p, other)
	loadInto(t, r, one([]string{"1"}, p, person("1", "Ann", "3")))
	r = next(t, w, r, other)
	if got := ask[string](t, w, "SELECT string_agg(table_name, ' ') FROM syncd.table_def WHERE retired_at IS NOT NULL"); got != "people" {
		t.Errorf("retired: %s", got)
	}
	r = next(t, w, r, p, other)
	if n := ask[int64](t, w, "SELECT count(*) FROM syncd.table_def WHERE retired_at IS NOT NULL"); n != 0 {
		t.Error("a table that came back is still retired")
	}
	wantCounts(t, loadInto(t, r, one([]string{"1"}, p, person("1", "Ann", "3"))), Counts{Read: 1, Unchanged: 1})
}

func TestWhatSomebodyElseMadeIsNeverTouched(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	do(t, w, "CREATE SCHEMA asthma; CREATE TABLE asthma.people (id int)")
	_, err := begin(t, w, order()).Agree(t.Context(), &extract.Structure{Tables: []*extract.Table{people()}})
	if extract.KindOf(err) != extract.KindConfig || !strings.Contains(err.Error(), "asthma.people is in the way") {
		t.Errorf("got %v", err)
	}
}

func TestTableThatWasAlteredByHandIsRefusedAndOthersLoad(t *testing.T) {
	t.Parallel()
	for change, want := range map[string]string{
		"ALTER TABLE asthma.people ALTER age TYPE text":         "column age was changed by hand from integer to text",
		"ALTER TABLE asthma.people DROP COLUMN weight":          "column weight was dropped or renamed by hand",
		"ALTER TABLE asthma.people DROP CONSTRAINT people_pkey": "its primary key was dropped",
		"ALTER TABLE asthma.people DROP COLUMN _missing":        "column _missing",
		"DROP TABLE asthma.people":                              "it was dropped by hand",
	} {
		t.Run(change, func(t *testing.T) {
			t.Parallel()
			w, p, other := warehouse(t), people(), with(col("a", extract.Text))
			other.Name = "other"
			r := started(t, w, p, other)
			do(t, w, change)
			r = next(t, w, r)
			c := agree(t, r, p, other)
			if !strings.Contains(c.Blocked["asthma.people"], want) {
				t.Errorf("blocked: %v", c.Blocked)
			}
			res := loadInto(t, r, &extract.Batch{Scope: about([]string{"1"}, p, other), Rows: []*extract.Rows{rowsOf(p, person("1", "Ann", "3")), rowsOf(other, []string{"1", "", "1", "x"})}})
			wantCounts(t, res, Counts{Read: 2, Blocked: 1, Inserted: 1})
		})
	}
}

func TestHostileNamesStayNames(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	p := with()
	var row []string
	for i, n := range []string{`"; DROP SCHEMA asthma CASCADE; --`, "Order", "order", "user", "x y", "o'k", "tab\tname", "€", `back\slash`} {
		p.Columns = append(p.Columns, extract.Column{Name: n, Source: n, Type: extract.Text, Label: "'; DROP TABLE x; --\x00\xff", Comment: `it's \ "here"`})
		row = append(row, fmt.Sprint(i, "'\\"))
	}
	p.Name = `we"ird`
	r := started(t, w, p)
	b := one([]string{"1"}, p, append([]string{"1", "", "1"}, row...))
	wantCounts(t, loadInto(t, r, b), Counts{Read: 1, Inserted: 1})
	wantCounts(t, loadInto(t, r, b), Counts{Read: 1, Unchanged: 1})
	row[0] = "changed"
	wantCounts(t, loadInto(t, r, one([]string{"1"}, p, append([]string{"1", "", "1"}, row...))), Counts{Read: 1, Updated: 1})
	wantCounts(t, loadInto(t, r, one([]string{"1"}, p)), Counts{Deleted: 1})
}
