package load

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"syncd/extract"
)

// All SQL that is made at run time is made here, definitions in this file, what moves rows in statement_rows.go: names
// are quoted by pgx, values are literals made by literal (definitions only, in the ledger and in comments) or
// parameters (everything of a row).

const identifierBytes = 63

// The columns that every table has beside the source's own.
const (
	runColumn           = "_run_id"
	fingerprintColumn   = "_fingerprint"
	insertedColumn      = "_inserted_at"
	changedColumn       = "_changed_at"
	nonConformingColumn = "_nonconforming"
	missingColumn       = "_missing"
	extraColumn         = "_extra"
)

// versionColumn stands in versioned tables only.
const versionColumn = "_version"

type ownColumn struct{ name, typ, comment string }

// ownColumns are those columns in their order.
func ownColumns(versioned bool) []ownColumn {
	own := []ownColumn{
		{runColumn, "bigint NOT NULL", "syncd: the run that last changed this row (syncd.run)"},
		{fingerprintColumn, "uuid NOT NULL", "syncd: hash of the row as the source has it"},
		{insertedColumn, "timestamp with time zone NOT NULL DEFAULT now()", "syncd: when this row came into the warehouse"},
		{changedColumn, "timestamp with time zone NOT NULL DEFAULT now()", "syncd: when this row last changed; a run that finds it unchanged leaves it"},
		{nonConformingColumn, "jsonb", "syncd: values that do not fit their column's type, as the source has them"},
		{missingColumn, "jsonb", "syncd: declared missing-data codes, by column"},
		{extraColumn, "jsonb", "syncd: fields that have no column (yet)"},
	}
	if versioned {
		own = append(own, ownColumn{versionColumn, `text COLLATE "C"`, "syncd: version of the source's state that this row and what belongs to it stand for"})
	}
	return own
}

func archiveColumns() []ownColumn {
	return []ownColumn{
		{"_deleted_at", "timestamp with time zone NOT NULL", "syncd: when this row was moved out"},
		{"_deleted_run_id", "bigint NOT NULL", "syncd: the run that moved it (syncd.run)"},
		{"_deleted_reason", "text NOT NULL", "syncd: why it was moved out"},
	}
}

func name(schema, relation string) string { return pgx.Identifier{schema, relation}.Sanitize() }
func ident(column string) string          { return pgx.Identifier{column}.Sanitize() }

// literal quotes a definition; standard_conforming_strings is on in every session that reads it.
func literal(s string) string { return "'" + strings.ReplaceAll(plainText(s), "'", "''") + "'" }

func literalOrNull(s string) string {
	if s == "" {
		return "NULL"
	}
	return literal(s)
}

// plainText makes of a source's words what Postgres can hold.
func plainText(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}

// fitName shortens a name that syncd makes to what Postgres keeps whole.
func fitName(s string) string {
	if len(s) <= identifierBytes {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return strings.ToValidUTF8(s[:identifierBytes-9], "") + "_" + hex.EncodeToString(sum[:4])
}

func retiredName(column string) string { return fitName("_retired_" + column) }
func changedIndex(table string) string { return fitName(table + "_changed_at_brin") }
func indexName(table string, columns []string) string {
	return fitName(table + "_" + strings.Join(columns, "_") + "_idx")
}

func columnType(t extract.Type, key bool) string {
	if key && t == extract.Text {
		return `text COLLATE "C"`
	}
	return t.String()
}

func createSchema(schema, comment string) []string {
	return []string{
		"CREATE SCHEMA " + ident(schema),
		"COMMENT ON SCHEMA " + ident(schema) + " IS " + literal(comment),
	}
}

// createTable makes a table of these columns, with comments on all of them.
func createTable(schema, table, comment string, columns []*column, own []ownColumn) []string {
	at := name(schema, table)
	var b strings.Builder
	b.WriteString("CREATE TABLE " + at + " (\n")
	var keys []string
	for _, c := range columns {
		b.WriteString("    " + ident(c.name) + " " + columnType(c.typ, c.key))
		if c.key {
			keys = append(keys, ident(c.name))
			b.WriteString(" NOT NULL")
		}
		b.WriteString(",\n")
	}
	for _, c := range own {
		b.WriteString("    " + ident(c.name) + " " + c.typ + ",\n")
	}
	b.WriteString("    PRIMARY KEY (" + strings.Join(keys, ", ") + ")\n)")
	out := []string{b.String(), "COMMENT ON TABLE " + at + " IS " + literal(comment)}
	for _, c := range columns {
		out = append(out, commentColumn(schema, table, c.name, c.def.comment()))
	}
	for _, c := range own {
		out = append(out, commentColumn(schema, table, c.name, c.comment))
	}
	return out
}

// comment is what COMMENT ON COLUMN says: the source's own words, or at least its spelling.
func (d columnDef) comment() string {
	switch {
	case d.Comment != "":
		return d.Comment
	case d.Label != "":
		return d.Label
	}
	return d.Source
}

func commentTable(schema, table, comment string) string {
	return "COMMENT ON TABLE " + name(schema, table) + " IS " + literal(comment)
}

func commentColumn(schema, table, column, comment string) string {
	return "COMMENT ON COLUMN " + name(schema, table) + "." + ident(column) + " IS " + literal(comment)
}

func createIndex(schema, table, index, using string, columns []string) string {
	return "CREATE INDEX " + ident(index) + " ON " + name(schema, table) + " USING " + using + " (" + identList(columns, "") + ")"
}

func identList(columns []string, prefix string) string {
	quoted := make([]string, len(columns))
	for i, c := range columns {
		quoted[i] = prefix + ident(c)
	}
	return strings.Join(quoted, ", ")
}

func addVersion(schema, table string) string {
	return "ALTER TABLE " + name(schema, table) + " ADD COLUMN " + ident(versionColumn) + ` text COLLATE "C"`
}

func addColumn(schema, table string, c *column) string {
	return "ALTER TABLE " + name(schema, table) + " ADD COLUMN " + ident(c.name) + " " + columnType(c.typ, false)
}

func renameColumn(schema, table, from, to string) string {
	return "ALTER TABLE " + name(schema, table) + " RENAME COLUMN " + ident(from) + " TO " + ident(to)
}

func widenColumn(schema, table string, c *column, to extract.Type) string {
	return "ALTER TABLE " + name(schema, table) + " ALTER COLUMN " + ident(c.name) + " TYPE " + columnType(to, c.key) +
		" USING " + ident(c.name) + "::" + to.String()
}

func grantTable(schema, table, role string) string {
	return "GRANT SELECT, INSERT, UPDATE, DELETE ON " + name(schema, table) + " TO " + ident(role)
}

func grantSchema(schema, role string) string {
	return "GRANT USAGE ON SCHEMA " + ident(schema) + " TO " + ident(role)
}

// keepTableDef makes the table known to the ledger, or known again.
func keepTableDef(schema, table, job, source, comment string) string {
	return fmt.Sprintf("INSERT INTO syncd.table_def (schema_name, table_name, job, source_name, comment, encoding) VALUES (%s, %s, %s, %s, %s, %d)\n"+
		"ON CONFLICT (schema_name, table_name) DO UPDATE SET job = excluded.job, source_name = excluded.source_name, comment = excluded.comment, retired_at = NULL",
		literal(schema), literal(table), literal(job), literal(source), literalOrNull(comment), encodingVersion)
}

func retireTableDef(schema, table string) string {
	return "UPDATE syncd.table_def SET retired_at = clock_timestamp() WHERE schema_name = " + literal(schema) +
		" AND table_name = " + literal(table) + " AND retired_at IS NULL"
}

// keepColumnDefs makes columns known to the ledger, or describes them anew; the id of a column never changes.
func keepColumnDefs(schema, table string, columns []*column) string {
	var b strings.Builder
	b.WriteString("INSERT INTO syncd.column_def (schema_name, table_name, column_name, column_id, source_name, field, part, is_key, pg_type, label, choices, identifier, comment) VALUES")
	for i, c := range columns {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "\n    (%s, %s, %s, %d, %s, %s, %d, %t, %s, %s, %s, %t, %s)", literal(schema), literal(table), literal(c.name), c.id,
			literal(c.def.Source), literalOrNull(c.def.Field), c.def.Part, c.key, literal(c.typ.String()),
			literalOrNull(c.def.Label), literalOrNull(c.def.Choices), c.def.Identifier, literalOrNull(c.def.Comment))
	}
	b.WriteString("\nON CONFLICT (schema_name, table_name, column_id) DO UPDATE SET column_name = excluded.column_name, source_name = excluded.source_name,\n" +
		"    field = excluded.field, part = excluded.part, pg_type = excluded.pg_type, label = excluded.label, choices = excluded.choices,\n" +
		"    identifier = excluded.identifier, comment = excluded.comment, retired_at = NULL")
	return b.String()
}

// setColumnDef changes what the ledger says of one column; set is SQL made here, never a source's words.
func setColumnDef(schema, table string, id int, set string) string {
	return "UPDATE syncd.column_def SET " + set + " WHERE schema_name = " + literal(schema) +
		" AND table_name = " + literal(table) + " AND column_id = " + strconv.Itoa(id)
}

// newGeneration starts a new generation of a table's fingerprints: stored values of a column that was left aside come
// into them again, so that no fingerprint of before may pass for one of after.
func newGeneration(schema, table string) string {
	return "UPDATE syncd.table_def SET generation = generation + 1, reshaped = true WHERE schema_name = " + literal(schema) +
		" AND table_name = " + literal(table)
}
