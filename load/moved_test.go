package load

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"syncd/extract"
)

// clinicTables are a table of one row for each record, and an instrument.
func clinicTables() (record, visits *extract.Table) {
	record = &extract.Table{Name: "record", Source: "record", Columns: []extract.Column{
		{Name: "record_id", Source: "record_id", Type: extract.Text, Key: true}, col("grp", extract.Text),
	}}
	return record, form("visits", "note")
}

// record is what a source holds of one record: its group, then notes of visits; "!text" does not fit.
type clinicRecord struct {
	id, group string
	visits    []string
}

func clinicBatch(record, visits *extract.Table, scope []string, records ...clinicRecord) *extract.Batch {
	b := &extract.Batch{Scope: about(scope, record, visits), Rows: []*extract.Rows{extract.NewRows(record), extract.NewRows(visits)}}
	for _, one := range records {
		noted(b.Rows[0], []string{one.id, one.group})
		for i, v := range one.visits {
			if text, misfit := strings.CutPrefix(v, "!"); misfit {
				noted(b.Rows[1], []string{one.id, "e", fmt.Sprint(i + 1), null}, "note="+text)
				continue
			}
			noted(b.Rows[1], []string{one.id, "e", fmt.Sprint(i + 1), v})
		}
	}
	return b
}

func TestRecordThatCameBackUnderAnotherNameKeepsItsRows(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		stored  []clinicRecord
		from    []string
		to      []string
		sure    [][2]string
		batch   []clinicRecord
		renamed string
		want    Counts
	}{
		"found by what it holds": {
			stored: []clinicRecord{{"1", "g", []string{"a", "!b"}}, {"2", "g", []string{"c"}}}, from: []string{"1"}, to: []string{"9"},
			batch: []clinicRecord{{"9", "g", []string{"a", "!b"}}}, renamed: "1>9", want: Counts{Read: 3, Updated: 3},
		},
		"two at once": {
			stored: []clinicRecord{{"1", "g", []string{"a"}}, {"2", "g", []string{"c"}}}, from: []string{"1", "2"}, to: []string{"8", "9"},
			batch: []clinicRecord{{"9", "g", []string{"a"}}, {"8", "g", []string{"c"}}}, renamed: "1>9 2>8", want: Counts{Read: 4, Updated: 4},
		},
		"one cell differs": {
			stored: []clinicRecord{{"1", "g", []string{"a"}}}, from: []string{"1"}, to: []string{"9"},
			batch: []clinicRecord{{"9", "h", []string{"a"}}}, want: Counts{Read: 2, Inserted: 2},
		},
		"one note differs": {
			stored: []clinicRecord{{"1", "g", []string{"!a"}}}, from: []string{"1"}, to: []string{"9"},
			batch: []clinicRecord{{"9", "g", []string{"!b"}}}, want: Counts{Read: 2, Inserted: 2},
		},
		"one row more": {
			stored: []clinicRecord{{"1", "g", []string{"a"}}}, from: []string{"1"}, to: []string{"9"},
			batch: []clinicRecord{{"9", "g", []string{"a", "b"}}}, want: Counts{Read: 3, Inserted: 3},
		},
		"two that are gone hold the same": {
			stored: []clinicRecord{{"1", "g", []string{"a"}}, {"2", "g", []string{"a"}}}, from: []string{"1", "2"}, to: []string{"9"},
			batch: []clinicRecord{{"9", "g", []string{"a"}}}, want: Counts{Read: 2, Inserted: 2},
		},
		"two that came hold the same": {
			stored: []clinicRecord{{"1", "g", []string{"a"}}}, from: []string{"1"}, to: []string{"8", "9"},
			batch: []clinicRecord{{"8", "g", []string{"a"}}, {"9", "g", []string{"a"}}}, want: Counts{Read: 4, Inserted: 4},
		},
		"nothing but the record itself": {
			stored: []clinicRecord{{"1", "g", nil}}, from: []string{"1"}, to: []string{"9"},
			batch: []clinicRecord{{"9", "g", nil}}, want: Counts{Read: 1, Inserted: 1},
		},
		"one that is not new": {
			stored: []clinicRecord{{"1", "g", []string{"a"}}, {"2", "g", []string{"a"}}}, from: []string{"1"},
			batch: []clinicRecord{{"2", "g", []string{"a"}}}, want: Counts{Read: 2, Unchanged: 2},
		},
		"the source has said so, and it was changed as well": {
			stored: []clinicRecord{{"1", "g", []string{"a", "b"}}}, sure: [][2]string{{"1", "9"}, {"none", "8"}, {"1", "7"}}, to: []string{"9"},
			batch: []clinicRecord{{"9", "h", []string{"a"}}}, renamed: "1>9", want: Counts{Read: 2, Updated: 2, Deleted: 1},
		},
		"one after another, and two that exchange their names": {
			stored:  []clinicRecord{{"1", "g", []string{"a"}}, {"2", "g", []string{"b"}}, {"3", "g", []string{"c"}}, {"4", "g", []string{"d"}}},
			sure:    [][2]string{{"1", "2"}, {"2", "9"}, {"3", "4"}, {"4", "3"}},
			batch:   []clinicRecord{{"2", "g", []string{"a"}}, {"9", "g", []string{"b"}}, {"4", "g", []string{"c"}}, {"3", "g", []string{"d"}}},
			renamed: "1>2 2>9", want: Counts{Read: 8, Updated: 6, Unchanged: 2},
		},
		"a name that still stands": {
			stored: []clinicRecord{{"1", "g", []string{"a", "b"}}, {"9", "g", []string{"b"}}}, sure: [][2]string{{"1", "9"}},
			batch: []clinicRecord{{"9", "g", []string{"b"}}}, want: Counts{Read: 2, Unchanged: 2},
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := warehouse(t)
			record, visits := clinicTables()
			r := started(t, w, record, visits)
			all := ids(1, 9)
			loadInto(t, r, clinicBatch(record, visits, all, clinicRecord{"9", "old", []string{"gone"}}))
			loadInto(t, r, clinicBatch(record, visits, all))
			loadInto(t, r, clinicBatch(record, visits, all, c.stored...))
			before := ask[string](t, w, "SELECT coalesce(string_agg(DISTINCT _inserted_at::text, ','), '') FROM asthma.visits")
			r = next(t, w, r, record, visits)

			var scope []string
			for _, one := range c.batch {
				scope = append(scope, one.id)
			}
			b := clinicBatch(record, visits, scope, c.batch...)
			b.Moved = &extract.Moved{From: c.from, To: c.to, Sure: c.sure}
			h, err := w.Rehearse(t.Context(), order(), &extract.Structure{Tables: []*extract.Table{record, visits}})
			if err != nil {
				t.Fatal(err)
			}
			rehearsed, err := h.Compare(t.Context(), b)
			if err != nil {
				t.Fatal(err)
			}
			wantCounts(t, rehearsed, c.want)
			res := loadInto(t, r, b)
			wantCounts(t, res, c.want)
			if got := ask[string](t, w, "SELECT coalesce(string_agg(old || '>' || new, ' ' ORDER BY old), '') FROM syncd.record_rename WHERE run_id = $1 AND schema_name = 'asthma'", r.ID()); got != c.renamed {
				t.Errorf("renamed %q, want %q", got, c.renamed)
			}
			if n := int64(len(strings.Fields(c.renamed))); res.Renamed != n || rehearsed.Renamed != n {
				t.Errorf("%d renamed, %d rehearsed, want %d", res.Renamed, rehearsed.Renamed, n)
			}
			if c.want.Inserted > 0 || c.renamed == "" {
				return
			}
			if d, err := w.RunDetail(t.Context(), r.ID()); err != nil || d.Renamed != res.Renamed {
				t.Errorf("the run tells of %+v, %v", d, err)
			}
			if got := ask[string](t, w, "SELECT string_agg(DISTINCT _inserted_at::text, ',') FROM asthma.visits"); got != before {
				t.Error("_inserted_at moved")
			}
			if n := ask[int](t, w, "SELECT count(*) FROM asthma.visits WHERE record_id = ANY ($1) AND NOT (_changed_at > _inserted_at AND _run_id = $2)", scope, r.ID()); n != 0 {
				t.Errorf("%d rows have not changed", n)
			}
			if n := ask[int](t, w, "SELECT count(*) FROM asthma_deleted.visits AS a JOIN asthma.visits AS t USING (record_id, event, instance)"); n != 0 {
				t.Errorf("%d rows are both live and in the archive", n)
			}
			wantCounts(t, loadInto(t, r, b), Counts{Read: c.want.Read, Unchanged: c.want.Read})
			wantCounts(t, loadInto(t, r, &extract.Batch{Scope: about(c.from, record, visits), Vanished: true}), Counts{})
		})
	}
}

func TestRecordOfWhichARowWasRejectedIsNotRecognised(t *testing.T) {
	t.Parallel()
	w := warehouse(t)
	record, visits := clinicTables()
	r := started(t, w, record, visits)
	loadInto(t, r, clinicBatch(record, visits, ids(1, 3), clinicRecord{"1", "g", []string{"a"}}))
	b := clinicBatch(record, visits, []string{"9"}, clinicRecord{"9", "g", []string{"a"}})
	b.Moved = &extract.Moved{From: []string{"1"}, To: []string{"9"}}
	b.Rejects = []extract.Reject{{Table: visits, Key: []string{"9", "e", "2"}, Rule: "ragged row", Raw: []byte("x")}}
	wantCounts(t, loadInto(t, r, b), Counts{Read: 3, Inserted: 2, Rejected: 1})

	b = clinicBatch(record, visits, []string{"8"}, clinicRecord{"8", "g", []string{"a"}})
	b.Moved = &extract.Moved{From: []string{"1"}, To: []string{"8"}}
	b.Rejects = []extract.Reject{{Table: visits, Rule: "unreadable key", Raw: []byte("x")}}
	wantCounts(t, loadInto(t, r, b), Counts{Read: 3, Inserted: 2, Rejected: 1})
}

// A mass rename looks like mass deletion: without the source's word it does not pass by the brake.
func TestManyRecordsAreRenamedOnTheSourcesWordOnly(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		gone, live int
		wary       bool
		renamed    int64
	}{
		"as many as may go":         {20, 100, false, 20},
		"one more":                  {21, 100, false, 1},
		"few of very many":          {21, 300, false, 21},
		"as many as may go, wary":   {10, 100, true, 10},
		"one more than that, wary":  {11, 100, true, 1},
		"few of many, but not wary": {15, 100, false, 15},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := warehouse(t)
			record, visits := clinicTables()
			r := started(t, w, record, visits)
			var all, came []clinicRecord
			var from, to []string
			for i, id := range ids(1, c.live) {
				one := clinicRecord{id, "g", []string{"only " + id}}
				all = append(all, one)
				if i < c.gone {
					from, to = append(from, id), append(to, "new "+id)
					one.id = "new " + id
					came = append(came, one)
				}
			}
			loadInto(t, r, clinicBatch(record, visits, ids(1, c.live), all...))
			b := clinicBatch(record, visits, to, came...)
			b.Wary, b.Moved = c.wary, &extract.Moved{From: from, To: to, Sure: [][2]string{{from[0], to[0]}}}
			res := loadInto(t, r, b)
			if res.Renamed != c.renamed || res.Total().Updated != 2*c.renamed {
				t.Errorf("%d renamed, %+v", res.Renamed, res.Total())
			}
			_, err := r.Load(t.Context(), &extract.Batch{Scope: about(from, record, visits), Vanished: true, Wary: c.wary})
			if held := errors.As(err, new(*HeldError)); held == (c.renamed == int64(c.gone)) && c.renamed > 1 {
				t.Errorf("what is left: %v", err)
			}
		})
	}
}
