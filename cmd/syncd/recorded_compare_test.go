package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// comparison is what came of holding a recording against the tables.
type comparison struct {
	*recording
	rows, cells, filled int // compared: table rows, recorded cells, and those of them that were not empty
	unopened            int // forms of a record whose status 0 may mean that nobody ever opened them
	unopenedStored      int // of these, how many have a row
	leftOut             int // recorded values of forms without a row: statuses of 0, unticked options, calculations
	unrecorded          int // columns that the recording does not have
	mismatches          []string
}

func (c *comparison) mismatch(format string, args ...any) {
	c.mismatches = append(c.mismatches, fmt.Sprintf("%s: ", c.file)+fmt.Sprintf(format, args...))
}

// shorten keeps a mismatch to one line.
func shorten(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "..."
	}
	return s
}

// compare holds a recording against the tables of a schema, cell by cell, in both directions.
func (r *recording) compare(ctx context.Context, tx pgx.Tx, schema string) (*comparison, error) {
	tables, err := tablesOf(ctx, tx, schema)
	if err != nil {
		return nil, err
	}
	c := &comparison{recording: r}
	expected, astray := r.expectedRows()
	for _, a := range astray {
		c.mismatch("%s", a)
	}
	c.compareRecords(tables["redcap_record"])
	c.columns(tables)
	kept := map[string]bool{} // cells of rows that exist, by row and column
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		t := tables[name]
		if name == "redcap_record" {
			continue
		}
		if rows, known := expected[t.instrument()]; known {
			c.compareTable(t, rows, kept)
		} else {
			c.mismatch("table %s is of no instrument", name)
		}
	}
	for i, row := range r.rows {
		for name, raw := range row.cells {
			if raw != "" && !kept[cellOf(row, name)] {
				c.leftOut++
				if want, ok := c.mayBeLeftOut(name, raw); !ok {
					c.mismatch("row %d: the value %q of %s is nowhere; %s", i+1, shorten(raw), name, want)
				}
			}
		}
	}
	return c, c.sides(ctx, tx, schema)
}

// cellOf names a recorded cell.
func cellOf(row *recordedRow, column string) string { return fmt.Sprintf("%p %s", row, column) }

// mayBeLeftOut says whether a recorded value may have no row: only what a server shows of a form that nobody opened.
func (c *comparison) mayBeLeftOut(name, raw string) (string, bool) {
	col, _ := c.column(name)
	if col.status || col.option {
		return "only 0 may be", raw == "0"
	}
	return "only a calculation may be", col.field != nil && col.field.computed()
}

// sides checks that nothing was moved out: what is loaded for the first time deletes nothing.
func (c *comparison) sides(ctx context.Context, tx pgx.Tx, schema string) error {
	var archived bool
	err := tx.QueryRow(ctx, "SELECT to_regnamespace($1) IS NOT NULL", schema+"_deleted").Scan(&archived)
	if archived {
		c.mismatch("rows were moved out")
	}
	return err
}

// columns checks that every column of the export is one column of one table, of the dictionary's type, and that no
// table has a column that neither the export nor the dictionary knows.
func (c *comparison) columns(tables map[string]*storedTable) {
	places := map[string]int{}
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		if name == "redcap_record" {
			continue
		}
		t := tables[name]
		keys := []string{c.idField, "redcap_event_name", "redcap_repeat_instance"}
		for i, stored := range t.columns {
			switch col, known := c.column(stored.source); {
			case i < len(keys):
				if stored.source != keys[i] || !stored.key {
					c.mismatch("%s: key column %d is %s", name, i+1, stored.name)
				}
			case stored.source == "redcap_data_access_group":
			case !known || col.form != t.instrument():
				c.mismatch("%s: column %s is not of the recording", name, stored.name)
			case stored.pgType != col.pgType():
				c.mismatch("%s: column %s is %s, the dictionary asks for %s", name, stored.name, stored.pgType, col.pgType())
			default:
				places[stored.source]++
			}
		}
	}
	for name := range c.header {
		if places[name] != 1 {
			c.mismatch("the column %s of the export is in %d tables", name, places[name])
		}
	}
	for _, f := range c.fields[1:] {
		if f.kind() != "descriptive" && f.kind() != "checkbox" && places[f.name()] != 1 {
			c.mismatch("the field %s of the dictionary is in %d tables", f.name(), places[f.name()])
		}
	}
}

// compareTable compares the rows of one table, a part of an instrument or the whole of it.
func (c *comparison) compareTable(t *storedTable, expected map[rowKey]expectedRow, kept map[string]bool) {
	for _, key := range sortedKeys(expected) {
		want := expected[key]
		stored, found := t.rows[key]
		if !want.certain {
			c.unopened++
		}
		switch {
		case found && !want.certain:
			c.unopenedStored++
		case !found && want.certain:
			c.mismatch("%s: row %v is missing", t.name, key)
		}
		if found {
			c.rows++
			c.compareRow(t, key, want, stored, kept)
		}
	}
	for _, key := range sortedKeys(t.rows) {
		if _, wanted := expected[key]; !wanted {
			c.mismatch("%s: row %v is not of the recording", t.name, key)
		}
	}
}

func (c *comparison) compareRow(t *storedTable, key rowKey, want expectedRow, stored storedRow, kept map[string]bool) {
	notes := maps.Clone(stored.notes)
	for _, col := range t.columns[3:] {
		recorded, _ := c.column(col.source)
		raw, present := want.cells[col.source]
		switch {
		case col.source == "redcap_data_access_group":
			c.compareText(t, key, col, c.group[key.record], stored)
			continue
		case present:
			c.cells++
			kept[cellOf(want.recordedRow, col.source)] = true
			if raw != "" {
				c.filled++
			}
		case c.header != nil && !c.header[col.source]:
			c.unrecorded++
			raw = unrecorded(recorded, stored.cells[col.name])
		case recorded.option:
			raw = "0" // a project XML that lists no option of a form
		}
		text, fate := recorded.expect(raw)
		note := fate + "." + col.name
		switch have := stored.cells[col.name]; {
		case fate == cellValue && (have == nil || canonical(col.pgType, *have) != text):
			c.mismatch("%s: row %v, %s: %s, recorded %q", t.name, key, col.name, show(have), shorten(raw))
		case fate != cellValue && have != nil:
			c.mismatch("%s: row %v, %s: %s, not NULL; recorded %q", t.name, key, col.name, show(have), shorten(raw))
		case (fate == cellMisfit || fate == cellMissing) && notes[note] != raw:
			c.mismatch("%s: row %v: no note %s of %q", t.name, key, note, shorten(raw))
		}
		if fate == cellMisfit || fate == cellMissing {
			delete(notes, note)
		}
	}
	for note := range notes {
		c.mismatch("%s: row %v: the note %s is of no recorded value", t.name, key, note)
	}
}

// unrecorded is what a column that the recording lacks may hold: nothing, or an unticked option.
func unrecorded(c recordedColumn, have *string) string {
	if c.option && have != nil {
		return "0"
	}
	return ""
}

func show(have *string) string {
	if have == nil {
		return "NULL"
	}
	return fmt.Sprintf("%q", shorten(*have))
}

// compareText compares a column that has no dictionary: equal text, or NULL where there is none.
func (c *comparison) compareText(t *storedTable, key rowKey, col storedColumn, want string, stored storedRow) {
	have := stored.cells[col.name]
	if want == "" && have != nil || want != "" && (have == nil || *have != want) {
		c.mismatch("%s: row %v, %s: %s, recorded %q", t.name, key, col.name, show(have), shorten(want))
	}
}

// compareRecords checks the table of records: one row for each, with its group, survey identifier and arms.
func (c *comparison) compareRecords(t *storedTable) {
	if t == nil {
		c.mismatch("there is no table redcap_record")
		return
	}
	survey, arms := map[string]string{}, map[string][]string{}
	for _, row := range c.recording.rows {
		id := row.record
		if survey[id] == "" {
			survey[id] = row.survey
		}
		_, arm, _ := strings.Cut(row.event, "_arm_")
		if _, known := arms[id]; !known || !slices.Contains(arms[id], arm) {
			arms[id] = append(arms[id], arm)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(arms)) {
		key := rowKey{record: id, instance: 1}
		stored, found := t.rows[key]
		if !found {
			c.mismatch("redcap_record: record %q is missing", shorten(id))
			continue
		}
		c.rows++
		slices.Sort(arms[id])
		for _, col := range t.columns[1:] {
			want, known := map[string]string{
				"redcap_data_access_group": c.group[id], "redcap_survey_identifier": survey[id], "arms": strings.Join(arms[id], ","),
			}[col.source]
			if !known {
				c.mismatch("redcap_record: column %s", col.name)
			}
			c.compareText(t, key, col, want, stored)
		}
	}
	for _, key := range sortedKeys(t.rows) {
		if _, known := arms[key.record]; !known {
			c.mismatch("redcap_record: record %q is not of the recording", shorten(key.record))
		}
	}
}
