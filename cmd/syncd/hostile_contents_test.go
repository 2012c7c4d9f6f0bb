package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"syncd/internal/pgtest"
)

// contents are the rows of every table of a job, side schemas included: table -> key -> column -> value.
type contents map[string]map[string]map[string]any

// readContents reads what a database holds of the job "ward".
func readContents(t *testing.T, url string) contents {
	t.Helper()
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, pgtest.Super(url))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	const tables = `SELECT format('%I.%I', n.nspname, c.relname), n.nspname || '.' || c.relname,
			coalesce((SELECT array_agg(a.attname::text ORDER BY k.n) FROM pg_index i, unnest(i.indkey) WITH ORDINALITY k(attnum, n)
				JOIN pg_attribute a ON a.attnum = k.attnum AND a.attrelid = c.oid WHERE i.indrelid = c.oid AND i.indisprimary), '{}')
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND n.nspname ~ '^ward(_|$)' ORDER BY 1`
	rows, err := conn.Query(ctx, tables)
	if err != nil {
		t.Fatal(err)
	}
	all, keys, parts := contents{}, map[string][]string{}, []string(nil)
	var quoted, name string
	var key []string
	_, err = pgx.ForEachRow(rows, []any{&quoted, &name, &key}, func() error {
		all[name], keys[name] = map[string]map[string]any{}, slices.Clone(key)
		parts = append(parts, fmt.Sprintf("SELECT %s, to_jsonb(x)::text FROM %s x", literal(name), quoted))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(parts) == 0 {
		return all
	}
	if rows, err = conn.Query(ctx, strings.Join(parts, " UNION ALL ")); err != nil {
		t.Fatal(err)
	}
	var text string
	_, err = pgx.ForEachRow(rows, []any{&name, &text}, func() error {
		row := map[string]any{}
		if err := json.Unmarshal([]byte(text), &row); err != nil {
			return err
		}
		all[name][keyText(row, keys[name], text)] = row
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// keyText is a row's key; the whole row where the table has none.
func keyText(row map[string]any, key []string, whole string) string {
	if len(key) == 0 {
		return whole
	}
	var parts []string
	for _, k := range key {
		parts = append(parts, fmt.Sprint(row[k]))
	}
	return strings.Join(parts, "|")
}

// live are the tables that people query, without side schemas.
func (c contents) live() contents {
	out := contents{}
	for name, rows := range c {
		if strings.HasPrefix(name, "ward.") {
			out[name] = rows
		}
	}
	return out
}

// lost are the rows that c has and after has not, other than those of records that are gone at the source.
func (c contents) lost(after contents, gone []string) (lost []string) {
	for name, rows := range c {
		for key := range rows {
			id, _, _ := strings.Cut(key, "|")
			if after[name][key] == nil && !slices.Contains(gone, id) {
				lost = append(lost, name+" "+key)
			}
		}
	}
	slices.Sort(lost)
	return lost
}

// blanked are the cells that c has and after has not: NULL now, or without their column, and no note says why.
func (c contents) blanked(after contents, of hostileCase) (cells []string) {
	for name, rows := range c {
		for key, row := range rows {
			now := after[name][key]
			if id, _, _ := strings.Cut(key, "|"); now == nil || slices.Contains(of.gone, id) {
				continue // lost tells of it
			}
			for column, value := range row {
				if value == nil || strings.HasPrefix(column, "_") || now[column] != nil || now["_retired_"+column] != nil || noted(now, column) || of.blank != nil && of.blank(column) {
					continue
				}
				cells = append(cells, name+" "+key+" "+column)
			}
		}
	}
	slices.Sort(cells)
	return cells
}

func noted(row map[string]any, column string) bool {
	for _, side := range []string{"_nonconforming", "_missing"} {
		if notes, ok := row[side].(map[string]any); ok && notes[column] != nil {
			return true
		}
	}
	return false
}

// business is c without what tells which run wrote a row, and when.
func (c contents) business() contents {
	out := contents{}
	for name, rows := range c {
		out[name] = map[string]map[string]any{}
		for key, row := range rows {
			row = maps.Clone(row)
			for _, own := range []string{"_run_id", "_inserted_at", "_changed_at", "_fingerprint"} {
				delete(row, own)
			}
			out[name][key] = row
		}
	}
	return out
}

// strangers are the rows of c that want does not have, or has otherwise: what a run that failed may never leave.
func (c contents) strangers(want contents) (rows []string) {
	for name, all := range c.business() {
		for key, row := range all {
			if fmt.Sprint(want[name][key]) != fmt.Sprint(row) {
				rows = append(rows, name+" "+key)
			}
		}
	}
	slices.Sort(rows)
	return rows
}

// ids are the keys of redcap_record.
func (c contents) ids() []string { return slices.Sorted(maps.Keys(c["ward.redcap_record"])) }
