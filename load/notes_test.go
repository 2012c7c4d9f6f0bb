package load

import (
	"testing"

	"syncd/extract"
)

// What stands beside a row in place of a value stays as long as the column does that it stands for, whether a batch names
// that column or not.
func TestNotesOfColumnsThatABatchDoesNotNameAreLeftAsStored(t *testing.T) {
	t.Parallel()
	for name, unnamed := range map[string][]string{"the job does not ask for it": {"age"}, "the field is gone": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, p := warehouse(t), people()
			r := started(t, w, p)
			b := one([]string{"1"}, p)
			b.Rows[0] = misfit(p, []string{"1", "", "1", "Ann", null, "71.50", "1980-02-29", "t"}, "12 years")
			loadInto(t, r, b)
			end(t, r, Ending{State: Succeeded})

			less := people()
			less.Columns = append(less.Columns[:4:4], less.Columns[5:]...)
			less.Unnamed = unnamed
			r = started(t, w, less)
			row := []string{"1", "", "1", "Ann", "71.50", "1980-02-29", "t"}
			wantCounts(t, loadInto(t, r, one([]string{"1"}, less, row)), Counts{Read: 1, Reencoded: 1})
			kept := func() {
				t.Helper()
				if got := ask[string](t, w, "SELECT coalesce(_nonconforming->>'age', 'lost') FROM asthma.people"); got != "12 years" {
					t.Errorf("the note is %q", got)
				}
			}
			kept()
			row[3] = "Anna"
			wantCounts(t, loadInto(t, r, one([]string{"1"}, less, row)), Counts{Read: 1, Updated: 1})
			kept()
			wantCounts(t, loadInto(t, r, one([]string{"1"}, less, row)), Counts{Read: 1, Unchanged: 1})
			end(t, r, Ending{State: Succeeded})

			r = started(t, w, p) // the column is asked for again, and says what it said
			b.Rows[0] = misfit(p, []string{"1", "", "1", "Anna", null, "71.50", "1980-02-29", "t"}, "12 years")
			wantCounts(t, loadInto(t, r, b), Counts{Read: 1, Reencoded: 1})
			kept()
		})
	}
}

// misfit is a row whose age does not fit.
func misfit(p *extract.Table, cells []string, age string) *extract.Rows {
	rows := extract.NewRows(p)
	rows.Begin()
	for _, c := range cells {
		if c == null {
			rows.Null()
		} else {
			rows.String(c)
		}
	}
	rows.Note(extract.NonConforming, "age", age)
	rows.End()
	return rows
}
