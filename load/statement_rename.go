package load

import (
	"encoding/json"
	"fmt"
	"strings"
)

// noFingerprint is the fingerprint of a row whose own no longer stands for its cells: it equals none that is taken, so
// that the row is read again and found reencoded where nothing else has changed.
const noFingerprint = "'00000000-0000-0000-0000-000000000000'"

// jsonLiteral quotes what the ledger keeps as jsonb; it is made of names only.
func jsonLiteral(v any) string {
	text, err := json.Marshal(v)
	if err != nil || string(text) == "null" {
		return "NULL"
	}
	return literal(string(text))
}

func renameTable(schema, from, to string) string {
	return "ALTER TABLE " + name(schema, from) + " RENAME TO " + ident(to)
}

func renameIndex(schema, from, to string) string {
	return "ALTER INDEX " + name(schema, from) + " RENAME TO " + ident(to)
}

// setTableDef changes what the ledger says of one table; set is SQL made here, never a source's words.
func setTableDef(schema, table, set string) string {
	return "UPDATE syncd.table_def SET " + set + " WHERE schema_name = " + literal(schema) + " AND table_name = " + literal(table)
}

// markReshaped says of a table that some of its rows have no fingerprint, where that is so.
func markReshaped(schema, table string) string {
	return "UPDATE syncd.table_def SET reshaped = true WHERE schema_name = " + literal(schema) + " AND table_name = " + literal(table) +
		" AND NOT reshaped AND EXISTS (SELECT FROM " + name(schema, table) + " AS t WHERE t." + fingerprintColumn + " = " + noFingerprint + ")"
}

// carryChanges lets changes that wait follow their table; carryColumnChanges, their column. One that waits under the new
// name already is left: what waits is written down anew by every run.
func carryChanges(schema, from, to string) string {
	return fmt.Sprintf("UPDATE syncd.schema_change AS c SET table_name = %[3]s WHERE schema_name = %[1]s AND table_name = %[2]s AND state = 'pending'"+
		" AND NOT EXISTS (SELECT FROM syncd.schema_change AS o WHERE (o.schema_name, o.table_name, o.column_name, o.kind, o.state) = (c.schema_name, %[3]s, c.column_name, c.kind, 'pending'))",
		literal(schema), literal(from), literal(to))
}

func carryColumnChanges(schema, table, from, to string) string {
	return fmt.Sprintf("UPDATE syncd.schema_change AS c SET column_name = %[4]s WHERE schema_name = %[1]s AND table_name = %[2]s AND column_name = %[3]s AND state = 'pending'"+
		" AND NOT EXISTS (SELECT FROM syncd.schema_change AS o WHERE (o.schema_name, o.table_name, o.column_name, o.kind, o.state) = (c.schema_name, c.table_name, %[4]s, c.kind, 'pending'))",
		literal(schema), literal(table), literal(from), literal(to))
}

// carryRejects lets the rejects of a table follow it, carryHeld what the brake holds.
func carryRejects(job, from, to string) string {
	return fmt.Sprintf("UPDATE syncd.reject AS r SET table_name = %[3]s WHERE job = %[1]s AND table_name = %[2]s"+
		" AND NOT EXISTS (SELECT FROM syncd.reject AS o WHERE (o.job, o.table_name, o.key_hash, o.column_name, o.rule) = (r.job, %[3]s, r.key_hash, r.column_name, r.rule))",
		literal(job), literal(from), literal(to))
}

func carryHeld(job, schema, from, to string) string {
	return fmt.Sprintf("UPDATE syncd.held AS h SET table_name = %[4]s WHERE job = %[1]s AND schema_name = %[2]s AND table_name = %[3]s"+
		" AND NOT EXISTS (SELECT FROM syncd.held AS o WHERE (o.run_id, o.schema_name, o.table_name, o.key_hash) = (h.run_id, h.schema_name, %[4]s, h.key_hash))",
		literal(job), literal(schema), literal(from), literal(to))
}

// noteColumns are the side columns that name columns of the table.
var noteColumns = [...]string{nonConformingColumn, missingColumn}

// carryNotes lets notes follow their column, in the rows that have any. In a live table such a row loses its fingerprint.
func carryNotes(schema, table, from, to string, live bool) string {
	var set, where []string
	for _, n := range noteColumns {
		has := "t." + n + " ? " + literal(from)
		set = append(set, fmt.Sprintf("%[1]s = CASE WHEN %[2]s THEN (t.%[1]s - %[3]s) || jsonb_build_object(%[4]s, t.%[1]s -> %[3]s) ELSE t.%[1]s END",
			n, has, literal(from)+"::text", literal(to)))
		where = append(where, has)
	}
	if live {
		set = append(set, fingerprintColumn+" = "+noFingerprint)
	}
	return "UPDATE " + name(schema, table) + " AS t SET " + strings.Join(set, ", ") + " WHERE " + strings.Join(where, " OR ")
}

// onKeys joins rows t and f of two tables by their whole keys.
func onKeys(t, f *table) string {
	theirs := f.keys()
	parts := make([]string, len(theirs))
	for i, c := range t.keys() {
		parts[i] = "t." + ident(c.name) + " = f." + ident(theirs[i].name)
	}
	return strings.Join(parts, " AND ")
}

// takeValues copies the values and notes of a column to another table.
func takeValues(from, to *table, c, added *column) string {
	set := []string{ident(added.name) + " = f." + ident(c.name)}
	has := []string{"f." + ident(c.name) + " IS NOT NULL"}
	for _, n := range noteColumns {
		there := "f." + n + " ? " + literal(c.name)
		set = append(set, fmt.Sprintf("%[1]s = CASE WHEN %[2]s THEN coalesce(t.%[1]s, '{}') || jsonb_build_object(%[3]s, f.%[1]s -> %[4]s) ELSE t.%[1]s END",
			n, there, literal(added.name), literal(c.name)+"::text"))
		has = append(has, there)
	}
	return "UPDATE " + name(to.schema, to.name) + " AS t SET " + strings.Join(set, ", ") + ", " + fingerprintColumn + " = " + noFingerprint +
		" FROM " + name(from.schema, from.name) + " AS f WHERE " + onKeys(to, from) + " AND (" + strings.Join(has, " OR ") + ")"
}

// emptyColumn empties a column in the rows whose value was copied: one that found no row stays where it was.
func emptyColumn(from, to *table, c *column) string {
	return "UPDATE " + name(from.schema, from.name) + " AS t SET " + ident(c.name) + " = NULL, " + fingerprintColumn + " = " + noFingerprint +
		" FROM " + name(to.schema, to.name) + " AS f WHERE " + onKeys(from, to) + " AND t." + ident(c.name) + " IS NOT NULL"
}

// dropNotes drops the notes about a column.
func dropNotes(t *table, c *column) string {
	var set, has []string
	for _, n := range noteColumns {
		set = append(set, fmt.Sprintf("%[1]s = nullif(t.%[1]s - %[2]s, '{}')", n, literal(c.name)+"::text"))
		has = append(has, "t."+n+" ? "+literal(c.name))
	}
	return "UPDATE " + name(t.schema, t.name) + " AS t SET " + strings.Join(set, ", ") + ", " + fingerprintColumn + " = " + noFingerprint +
		" WHERE " + strings.Join(has, " OR ")
}
