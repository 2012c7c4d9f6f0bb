package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// contentsOf is what a job's warehouse holds: the live tables, how many rows were moved out by which run, and what waits.
type contentsOf struct {
	tables  map[string]*heldTable // by name
	moved   map[string]int        // "table run" -> rows
	pending map[string]bool       // "table.column" whose type waits for a person
	names   names                 // what things were called when this was read
}

// heldTable is one live table.
type heldTable struct {
	name, source string
	retired      bool
	columns      []heldColumn
	rows         map[rowKey]*heldRow
}

type heldColumn struct {
	name, source, pgType string
	key                  bool
}

type heldRow struct {
	cells             []*string         // in the order of columns
	notes             map[string]string // "_missing.column" -> text
	changed, inserted string
}

// contents reads everything that the job has in its schemas, in three questions.
func (k *worker) contents(ctx context.Context, w *realm) (*contentsOf, error) {
	c := &contentsOf{tables: map[string]*heldTable{}, moved: map[string]int{}, pending: map[string]bool{}, names: w.names.clone()}
	rows, err := k.look.Query(ctx, `
		SELECT t.relname, coalesce(d.source_name, ''), d.retired_at IS NOT NULL, a.attname, coalesce(f.source_name, ''), format_type(a.atttypid, a.atttypmod),
			coalesce(a.attnum = ANY (i.indkey), false), coalesce(t.relnamespace = to_regnamespace($1 || '_deleted'), false)
		FROM pg_class t
		JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
		LEFT JOIN pg_index i ON i.indrelid = t.oid AND i.indisprimary
		LEFT JOIN syncd.table_def d ON (d.schema_name, d.table_name) = ($1, t.relname)
		LEFT JOIN syncd.column_def f ON (f.schema_name, f.table_name, f.column_name) = ($1, t.relname, a.attname) AND f.retired_at IS NULL
		WHERE t.relnamespace IN (to_regnamespace($1), to_regnamespace($1 || '_deleted')) AND t.relkind = 'r'
		ORDER BY t.relname, a.attnum`, w.job)
	if err != nil {
		return nil, err
	}
	var table, source string
	var retired, archive bool
	var col heldColumn
	archives := map[string]bool{}
	_, err = pgx.ForEachRow(rows, []any{&table, &source, &retired, &col.name, &col.source, &col.pgType, &col.key, &archive}, func() error {
		if archive {
			archives[table] = true
			return nil
		}
		if c.tables[table] == nil {
			c.tables[table] = &heldTable{name: table, source: source, retired: retired, rows: map[rowKey]*heldRow{}}
		}
		if !strings.HasPrefix(col.name, "_") || strings.HasPrefix(col.name, "_retired_") {
			c.tables[table].columns = append(c.tables[table].columns, col)
		}
		return nil
	})
	if err != nil || len(c.tables) == 0 {
		return c, err
	}
	if err := c.readRows(ctx, k.look, w.job); err != nil {
		return nil, err
	}
	return c, c.readSides(ctx, k.look, w.job, slices.Sorted(maps.Keys(archives)))
}

// readRows reads the rows of all tables in one question.
func (c *contentsOf) readRows(ctx context.Context, conn *pgx.Conn, schema string) error {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(c.tables)) {
		var cells []string
		for _, col := range c.tables[name].columns {
			cells = append(cells, pgx.Identifier{col.name}.Sanitize()+"::text")
		}
		for _, own := range []string{"_nonconforming", "_missing", "_extra", "_changed_at", "_inserted_at"} {
			cells = append(cells, own+"::text")
		}
		parts = append(parts, "SELECT '"+name+"', ARRAY["+strings.Join(cells, ", ")+"] FROM "+pgx.Identifier{schema, name}.Sanitize())
	}
	rows, err := conn.Query(ctx, strings.Join(parts, "\nUNION ALL\n"))
	if err != nil {
		return err
	}
	var name string
	var cells []*string
	_, err = pgx.ForEachRow(rows, []any{&name, &cells}, func() error {
		t := c.tables[name]
		n := len(t.columns)
		row := &heldRow{cells: slices.Clone(cells[:n]), notes: map[string]string{}, changed: *cells[n+3], inserted: *cells[n+4]}
		for i, side := range []string{"_nonconforming", "_missing", "_extra"} {
			if err := row.note(side, cells[n+i]); err != nil {
				return err
			}
		}
		key := rowKey{instance: 1}
		keys := 0
		for i, col := range t.columns {
			if col.key {
				key.set(keys, *row.cells[i])
				keys++
			}
		}
		t.rows[key] = row
		return nil
	})
	return err
}

func (r *heldRow) note(side string, text *string) error {
	if text == nil {
		return nil
	}
	var notes map[string]string
	if err := json.Unmarshal([]byte(*text), &notes); err != nil {
		return fmt.Errorf("%s: %w", side, err)
	}
	for column, raw := range notes {
		r.notes[side+"."+column] = raw
	}
	return nil
}

// readSides counts what was moved out, and finds what waits for a person.
func (c *contentsOf) readSides(ctx context.Context, conn *pgx.Conn, schema string, archives []string) error {
	question := []string{"SELECT 'pending', table_name || '.' || column_name, 0::bigint FROM syncd.schema_change WHERE schema_name = $1 AND state = 'pending'"}
	for _, name := range archives {
		question = append(question, "SELECT 'moved', '"+name+" ' || _deleted_run_id, count(*) FROM "+pgx.Identifier{schema + "_deleted", name}.Sanitize()+" GROUP BY _deleted_run_id")
	}
	rows, err := conn.Query(ctx, strings.Join(question, " UNION ALL "), schema)
	if err != nil {
		return err
	}
	var kind, what string
	var n int
	_, err = pgx.ForEachRow(rows, []any{&kind, &what, &n}, func() error {
		if kind == "pending" {
			c.pending[what] = true
		} else {
			c.moved[what] = n
		}
		return nil
	})
	return err
}

// marks are the job's marks as text.
func (k *worker) marks(ctx context.Context, w *realm) (string, error) {
	var marks string
	err := k.look.QueryRow(ctx, "SELECT coalesce(string_agg(name || ' ' || value || ' ' || run_id, ', ' ORDER BY name), '') FROM syncd.mark WHERE job = $1", w.job).Scan(&marks)
	return marks, err
}

// cellsOf are the business cells of a row and their notes under names that no renaming changes, with their types; key
// columns and the record's group stand among them.
func (t *heldTable) cellsOf(row *heldRow, n names) map[string]string {
	out := map[string]string{}
	for i, col := range t.columns {
		name := n.column(col.source)
		if col.source == "" {
			continue // retired
		}
		if row.cells[i] != nil && !col.key {
			out[name] = col.pgType + " " + *row.cells[i]
		}
		for _, side := range []string{"_nonconforming", "_missing"} {
			if text, ok := row.notes[side+"."+col.name]; ok {
				out[name] += " " + side + " " + text
			}
		}
	}
	return out
}

// column is what an export column was made as.
func (n names) column(source string) string {
	if uid, ok := n.fields[source]; ok {
		return uid
	}
	if field, code, ok := strings.Cut(source, "___"); ok && n.fields[field] != "" {
		return n.fields[field] + "___" + code
	}
	for _, end := range []string{"_complete", "_timestamp"} {
		if form, ok := strings.CutSuffix(source, end); ok && n.forms[form] != "" {
			return n.forms[form] + end
		}
	}
	return source
}

// keyIn is a row's key with the event as it was made. The table of records has no events.
func (n names) keyIn(table string, k rowKey) rowKey {
	if uid, ok := n.events[k.event]; ok && table != "redcap_record" {
		k.event = uid
	}
	return k
}
