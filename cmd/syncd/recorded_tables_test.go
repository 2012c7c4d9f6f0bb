package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// storedTable is one table of a job as Postgres has it.
type storedTable struct {
	name    string
	columns []storedColumn // as the catalog of syncd describes them, without what syncd adds of its own
	rows    map[rowKey]storedRow
}

type storedColumn struct {
	name, source, pgType string
	key                  bool
}

type storedRow struct {
	cells map[string]*string // by column name
	notes map[string]string  // "_missing.column" -> text
}

// tablesOf reads every table of a schema: what exists, what each column holds, and all rows as text.
func tablesOf(ctx context.Context, tx pgx.Tx, schema string) (map[string]*storedTable, error) {
	const columns = `
		SELECT t.relname, a.attname, coalesce(d.source_name, ''), format_type(a.atttypid, a.atttypmod), coalesce(i.indisprimary, false)
		FROM pg_class t
		JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
		LEFT JOIN pg_index i ON i.indrelid = t.oid AND i.indisprimary AND a.attnum = ANY (i.indkey)
		LEFT JOIN syncd.column_def d ON (d.schema_name, d.table_name, d.column_name) = ($1, t.relname, a.attname) AND d.retired_at IS NULL
		WHERE t.relnamespace = to_regnamespace($1) AND t.relkind IN ('r', 'p')
		ORDER BY t.relname, a.attnum`
	found, err := tx.Query(ctx, columns, schema)
	if err != nil {
		return nil, err
	}
	tables := map[string]*storedTable{}
	var name string
	var c storedColumn
	_, err = pgx.ForEachRow(found, []any{&name, &c.name, &c.source, &c.pgType, &c.key}, func() error {
		if tables[name] == nil {
			tables[name] = &storedTable{name: name, rows: map[rowKey]storedRow{}}
		}
		if !strings.HasPrefix(c.name, "_") {
			tables[name].columns = append(tables[name].columns, c)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, t := range tables {
		if err := t.read(ctx, tx, schema); err != nil {
			return nil, fmt.Errorf("%s: %w", t.name, err)
		}
	}
	return tables, nil
}

func (t *storedTable) read(ctx context.Context, tx pgx.Tx, schema string) error {
	var list []string
	for _, c := range t.columns {
		list = append(list, pgx.Identifier{c.name}.Sanitize()+"::text")
	}
	sides := []string{"_nonconforming", "_missing", "_extra"}
	for _, s := range sides {
		list = append(list, s+"::text")
	}
	rows, err := tx.Query(ctx, "SELECT "+strings.Join(list, ", ")+" FROM "+pgx.Identifier{schema, t.name}.Sanitize())
	if err != nil {
		return err
	}
	cells := make([]*string, len(list))
	into := make([]any, len(list))
	for i := range cells {
		into[i] = &cells[i]
	}
	_, err = pgx.ForEachRow(rows, into, func() error {
		row := storedRow{cells: map[string]*string{}, notes: map[string]string{}}
		key := rowKey{instance: 1}
		for i, c := range t.columns {
			row.cells[c.name] = cells[i]
			if c.key {
				key.set(i, *cells[i])
			}
		}
		for i, side := range sides {
			if note := cells[len(t.columns)+i]; note != nil {
				if err := row.note(side, *note); err != nil {
					return err
				}
			}
		}
		t.rows[key] = row
		return nil
	})
	return err
}

// set takes a key column: record id, event, instance are the first three of every table.
func (k *rowKey) set(i int, text string) {
	switch i {
	case 0:
		k.record = text
	case 1:
		k.event = text
	case 2:
		fmt.Sscan(text, &k.instance)
	}
}

func (r *storedRow) note(side, text string) error {
	var notes map[string]string
	if err := json.Unmarshal([]byte(text), &notes); err != nil {
		return fmt.Errorf("%s: %w", side, err)
	}
	for column, raw := range notes {
		r.notes[side+"."+column] = raw
	}
	return nil
}

// instrument is whose table a name is of: parts beyond the first have a number behind two underscores.
func (t *storedTable) instrument() string {
	name, _, _ := strings.Cut(t.name, "__")
	return name
}

// canonical brings what Postgres prints into the form in which a recorded value is compared.
func canonical(pgType, text string) string {
	if pgType != "numeric" {
		return text
	}
	n, ok := new(big.Rat).SetString(text)
	if !ok {
		return "not a number: " + text
	}
	return n.RatString()
}

// sortedKeys lists the keys of a table in a fixed order, so that the first mismatches are always the same.
func sortedKeys[V any](m map[rowKey]V) []rowKey {
	return slices.SortedFunc(maps.Keys(m), func(a, b rowKey) int {
		return strings.Compare(fmt.Sprint(a.record, "\x00", a.event, "\x00", a.instance), fmt.Sprint(b.record, "\x00", b.event, "\x00", b.instance))
	})
}
