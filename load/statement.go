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

// All SQL that is made at run time is made in this file: names are quoted by pgx, values are literals made by
// literal (definitions only, in the ledger and in comments) or parameters (everything of a row).

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

// keyArrays is the list of text arrays in which n key columns of many rows travel, from parameter first on.
func keyArrays(first, n int) string {
	arrays := make([]string, n)
	for i := range arrays {
		arrays[i] = "$" + strconv.Itoa(first+i) + "::text[]"
	}
	return strings.Join(arrays, ", ")
}

// keyMatch joins rows t of a table to keys k by the first columns of its primary key. The cast is on the side of the
// keys, so that the index is used.
func keyMatch(keys []*column) string {
	parts := make([]string, len(keys))
	for i, c := range keys {
		parts[i] = fmt.Sprintf("t.%s = k.c%d::%s", ident(c.name), i+1, c.typ)
	}
	return strings.Join(parts, " AND ")
}

func keyAlias(n int, more ...string) string {
	names := make([]string, n)
	for i := range names {
		names[i] = "c" + strconv.Itoa(i+1)
	}
	return "AS k (" + strings.Join(append(names, more...), ", ") + ")"
}

func columnNames(columns []*column) []string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	return names
}

// selectFingerprints reads (key, fingerprint) of the rows whose first width key columns are among the keys given as
// parameters; width 0 reads the whole table.
func selectFingerprints(t *table, width int) string {
	keys := t.keys()
	list := identList(columnNames(keys), "t.") + ", t." + fingerprintColumn
	from := " FROM " + name(t.schema, t.name) + " AS t"
	switch width {
	case 0:
		return "SELECT " + list + from
	case 1:
		return "SELECT " + list + from + fmt.Sprintf(" WHERE t.%s = ANY ($1::text[]::%s[])", ident(keys[0].name), keys[0].typ)
	}
	return "SELECT " + list + " FROM unnest(" + keyArrays(1, width) + ") " + keyAlias(width) +
		" JOIN " + name(t.schema, t.name) + " AS t ON " + keyMatch(keys[:width])
}

// selectCells reads the key and the cells of some rows, as text, in the order of columns, then their side columns.
func selectCells(t *table, columns []*column) string {
	keys := t.keys()
	return "SELECT " + identList(append(columnNames(keys), columnNames(columns)...), "t.") +
		", t." + nonConformingColumn + ", t." + missingColumn + ", t." + extraColumn +
		" FROM unnest(" + keyArrays(1, len(keys)) + ") " + keyAlias(len(keys)) +
		" JOIN " + name(t.schema, t.name) + " AS t ON " + keyMatch(keys)
}

// renewFingerprints gives rows another fingerprint and touches nothing else.
func renewFingerprints(t *table) string {
	keys := t.keys()
	return "UPDATE " + name(t.schema, t.name) + " AS t SET " + fingerprintColumn + " = k.fingerprint FROM unnest(" +
		keyArrays(1, len(keys)) + ", $" + strconv.Itoa(len(keys)+1) + "::uuid[]) " + keyAlias(len(keys), "fingerprint") + " WHERE " + keyMatch(keys)
}

// copyRows is the COPY of new rows straight into the table. Where times is false their columns are left to their default,
// the transaction's time: reading it from text twice a row is a good part of a narrow row's cost.
func copyRows(s *shape, times bool) string {
	names := columnNames(s.columns)
	for _, c := range ownColumns(s.versioned) {
		if times || c.name != insertedColumn && c.name != changedColumn {
			names = append(names, c.name)
		}
	}
	return "COPY " + name(s.t.schema, s.t.name) + " (" + identList(names, "") + ") FROM STDIN"
}

// stageName names the stage of a shape: one per connection.
func stageName(s *shape) string {
	var b strings.Builder
	b.WriteString(s.t.String() + strconv.FormatBool(s.versioned))
	for _, c := range s.columns {
		b.WriteString("\x00" + c.name + "\x00" + c.typ.String())
	}
	sum := sha256.Sum256([]byte(b.String()))
	return "stage_" + hex.EncodeToString(sum[:8])
}

func stageSide(s *shape) []string {
	side := []string{fingerprintColumn, nonConformingColumn, missingColumn, extraColumn}
	if s.versioned {
		side = append(side, versionColumn)
	}
	return side
}

func createStage(stage string, s *shape) string {
	var b strings.Builder
	b.WriteString("CREATE TEMPORARY TABLE " + ident(stage) + " (_n integer NOT NULL")
	for _, c := range s.columns {
		b.WriteString(", " + ident(c.name) + " " + columnType(c.typ, c.key))
	}
	return b.String() + ", _fingerprint uuid, _nonconforming jsonb, _missing jsonb, _extra jsonb, _version text) ON COMMIT DELETE ROWS"
}

func copyStage(stage string, s *shape) string {
	return "COPY " + name("pg_temp", stage) + " (_n, " + identList(append(columnNames(s.columns), stageSide(s)...), "") + ") FROM STDIN"
}

// upsertStage merges the stage into the table and says how many rows were inserted and updated. Parameters: run, time.
func upsertStage(s *shape, stage string) string {
	t, names := s.t, append(columnNames(s.columns), stageSide(s)...)
	var set strings.Builder
	for _, n := range append(names[len(t.primary):], runColumn, changedColumn) {
		if set.Len() > 0 {
			set.WriteString(", ")
		}
		if n == versionColumn { // rows that came without one keep theirs
			set.WriteString("_version = coalesce(excluded._version, t._version)")
			continue
		}
		set.WriteString(ident(n) + " = excluded." + ident(n))
	}
	return "WITH merged AS (INSERT INTO " + name(t.schema, t.name) + " AS t (" + identList(names, "") + ", _run_id, _inserted_at, _changed_at) SELECT " +
		identList(names, "s.") + ", $1::bigint, $2::timestamptz, $2::timestamptz FROM " + name("pg_temp", stage) + " AS s ORDER BY s._n" +
		" ON CONFLICT (" + identList(t.primary, "") + ") DO UPDATE SET " + set.String() +
		" RETURNING (t.xmax = 0) AS fresh) SELECT count(*) FILTER (WHERE fresh), count(*) FILTER (WHERE NOT fresh) FROM merged"
}

// moveOut moves rows to the archive, with the time, the run and the reason. Parameters: keys, then those three.
func moveOut(t *table, columns []string) string {
	keys := t.keys()
	n := len(keys)
	var set strings.Builder
	for _, c := range append(columns[n:len(columns):len(columns)], "_deleted_at", "_deleted_run_id", "_deleted_reason") {
		if set.Len() > 0 {
			set.WriteString(", ")
		}
		set.WriteString(ident(c) + " = excluded." + ident(c))
	}
	return "WITH gone AS (DELETE FROM " + name(t.schema, t.name) + " AS t USING unnest(" + keyArrays(1, n) + ") " + keyAlias(n) +
		" WHERE " + keyMatch(keys) + " RETURNING " + identList(columns, "t.") + ")" +
		" INSERT INTO " + name(t.archive.schema, t.archive.name) + " AS t (" + identList(columns, "") + ", _deleted_at, _deleted_run_id, _deleted_reason)" +
		fmt.Sprintf(" SELECT %s, $%d::timestamptz, $%d::bigint, $%d::text FROM gone", identList(columns, "gone."), n+1, n+2, n+3) +
		" ON CONFLICT (" + identList(t.primary, "") + ") DO UPDATE SET " + set.String()
}

// leaveArchive drops from the archive what has come back.
func leaveArchive(t *table) string {
	keys := t.keys()
	return "DELETE FROM " + name(t.archive.schema, t.archive.name) + " AS t USING unnest(" + keyArrays(1, len(keys)) + ") " +
		keyAlias(len(keys)) + " WHERE " + keyMatch(keys)
}

// selectFirstKeys reads a page of the distinct values of the first key column, in bytewise order, after $1.
func selectFirstKeys(t *table) string {
	first := "t." + ident(t.keys()[0].name)
	return "SELECT DISTINCT " + first + " FROM " + name(t.schema, t.name) + " AS t WHERE ($1::text IS NULL OR " + first + " > $1::text) ORDER BY " + first + " LIMIT $2"
}

// selectFirstKeysOnce does the same for a key that is not text, in one answer.
func selectFirstKeysOnce(t *table) string {
	first := "t." + ident(t.keys()[0].name)
	return "SELECT DISTINCT " + first + "::text COLLATE \"C\" FROM " + name(t.schema, t.name) + " AS t ORDER BY 1"
}

// countFirstKeys counts the distinct values of the first key column; digestFirstKeys makes KeySet.Digest of them.
func countFirstKeys(t *table) string { return "SELECT count(*) FROM " + firstKeys(t) }

func digestFirstKeys(t *table) string {
	return "SELECT sha256(convert_to(coalesce(string_agg(octet_length(k)::text || ':' || k, '' ORDER BY k), ''), 'UTF8')) FROM " + firstKeys(t)
}

func firstKeys(t *table) string {
	distinct := "DISTINCT "
	if len(t.keys()) == 1 {
		distinct = ""
	}
	return "(SELECT " + distinct + "t." + ident(t.keys()[0].name) + " AS k FROM " + name(t.schema, t.name) + " AS t) AS keys"
}

// countKeys counts the live records of a table by its first width key columns.
func countKeys(t *table, width int) string {
	keys := columnNames(t.keys()[:width])
	return "SELECT count(*) FROM (SELECT DISTINCT " + identList(keys, "") + " FROM " + name(t.schema, t.name) + ") AS d"
}

// selectVersions reads the key and the version of the scopes that are stored or were moved out. Parameters: keys.
func selectVersions(t *table) string {
	keys := t.keys()
	from := func(schema, table string) string {
		return "SELECT " + identList(columnNames(keys), "t.") + ", t._version FROM unnest(" + keyArrays(1, len(keys)) + ") " + keyAlias(len(keys)) +
			" JOIN " + name(schema, table) + " AS t ON " + keyMatch(keys)
	}
	if t.archive == nil {
		return from(t.schema, t.name)
	}
	return from(t.schema, t.name) + " UNION ALL " + from(t.archive.schema, t.archive.name)
}

// raiseVersions gives rows a version and touches nothing else. Parameters: keys, versions.
func raiseVersions(t *table) string {
	keys := t.keys()
	return "UPDATE " + name(t.schema, t.name) + " AS t SET _version = k.version FROM unnest(" + keyArrays(1, len(keys)+1) + ") " +
		keyAlias(len(keys), "version") + " WHERE " + keyMatch(keys) + " AND t._version IS DISTINCT FROM k.version"
}

// buryScopes keeps the version of scopes that have no live row, also of those that never had one. Parameters: keys,
// versions, then time, run and reason.
func buryScopes(t *table) string {
	keys := t.keys()
	n := len(keys)
	cast := make([]string, n)
	for i, c := range keys {
		cast[i] = fmt.Sprintf("k.c%d::%s", i+1, c.typ)
	}
	return "INSERT INTO " + name(t.archive.schema, t.archive.name) + " AS t (" + identList(t.primary, "") +
		", _version, _run_id, _fingerprint, _inserted_at, _changed_at, _deleted_at, _deleted_run_id, _deleted_reason) SELECT " + strings.Join(cast, ", ") +
		fmt.Sprintf(", k.version, $%[2]d::bigint, '00000000-0000-0000-0000-000000000000', $%[1]d::timestamptz, $%[1]d::timestamptz, $%[1]d::timestamptz, $%[2]d::bigint, $%[3]d::text", n+2, n+3, n+4) +
		" FROM unnest(" + keyArrays(1, n+1) + ") " + keyAlias(n, "version") + " ON CONFLICT (" + identList(t.primary, "") + ") DO UPDATE SET _version = excluded._version WHERE t._version IS DISTINCT FROM excluded._version"
}
