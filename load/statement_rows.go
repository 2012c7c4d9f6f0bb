package load

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"syncd/extract"
)

// keyArrays is the list of text arrays in which n key columns of many rows travel, from parameter first on.
func keyArrays(first, n int) string {
	arrays := make([]string, n)
	for i := range arrays {
		arrays[i] = "$" + strconv.Itoa(first+i) + "::text[]"
	}
	return strings.Join(arrays, ", ")
}

// keyMatch joins rows o of a table to keys k by the first columns of its primary key. The cast is on the side of the
// keys, so that the index is used.
func keyMatch(keys []*column) string {
	parts := make([]string, len(keys))
	for i, c := range keys {
		parts[i] = fmt.Sprintf("o.%s = k.c%d::%s", ident(c.name), i+1, c.typ)
	}
	return strings.Join(parts, " AND ")
}

// byKeys joins keys k, whose arrays are parameters from the first on, to the rows t of a table that have them: one look into
// the index for each key, whatever the planner believes of a table that is just being filled. OFFSET 0 keeps it from turning the
// order round and reading the table for every key. columns are those of t that can be used.
func byKeys(schema, table string, keys []*column, columns []string) string {
	return "unnest(" + keyArrays(1, len(keys)) + ") " + keyAlias(len(keys)) + " CROSS JOIN LATERAL (SELECT " + identList(columns, "o.") +
		" FROM " + name(schema, table) + " AS o WHERE " + keyMatch(keys) + " OFFSET 0) AS t"
}

// atKeys is the same for statements that write: keys k with the place (k.at) of the row that has each, and more arrays, by name and
// type, that travel beside them. Rows of a table are written under the claim of its job alone, so that none moves meanwhile.
func atKeys(schema, table string, keys []*column, more ...[2]string) string {
	arrays, names, out := keyArrays(1, len(keys)), []string{}, "o.at"
	for i, m := range more {
		arrays += fmt.Sprintf(", $%d::%s[]", len(keys)+1+i, m[1])
		names = append(names, m[0])
		out += ", k." + m[0]
	}
	return "(SELECT " + out + " FROM unnest(" + arrays + ") " + keyAlias(len(keys), names...) + " CROSS JOIN LATERAL (SELECT o.ctid AS at FROM " +
		name(schema, table) + " AS o WHERE " + keyMatch(keys) + " OFFSET 0) AS o) AS k"
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
	return "SELECT " + list + " FROM " + byKeys(t.schema, t.name, keys[:width], append(columnNames(keys), fingerprintColumn))
}

// selectCells reads the key and the cells of some rows, as text, in the order of columns, then their side columns.
func selectCells(t *table, columns []*column) string {
	keys, aside := t.keys(), t.aside(columns)
	needed := slices.Compact(slices.Sorted(slices.Values(slices.Concat(columnNames(keys), columnNames(columns), []string{nonConformingColumn, missingColumn, extraColumn}))))
	return "SELECT " + identList(append(columnNames(keys), columnNames(columns)...), "t.") +
		", " + namedNotes(nonConformingColumn, aside) + ", " + namedNotes(missingColumn, aside) + ", t." + extraColumn +
		" FROM " + byKeys(t.schema, t.name, keys, needed)
}

// keepNotes replaces what stands beside a row, and keeps the notes of columns that a batch does not name: their values are
// left as they are stored, and so is what stands there in place of a value.
func keepNotes(side string, aside []string) string {
	if len(aside) == 0 {
		return "excluded." + side
	}
	return "CASE WHEN t." + side + " IS NULL THEN excluded." + side + " ELSE nullif(coalesce((SELECT jsonb_object_agg(n.key, n.value) FROM jsonb_each(t." +
		side + ") AS n WHERE n.key = ANY (" + nameArray(aside) + ")), '{}') || coalesce(excluded." + side + ", '{}'), '{}') END"
}

// namedNotes are stored notes without those of columns that a batch does not name, of which no fingerprint is taken.
func namedNotes(side string, aside []string) string {
	if len(aside) == 0 {
		return "t." + side
	}
	return "nullif(t." + side + " - " + nameArray(aside) + ", '{}')"
}

// aside are the names under which notes of columns may stand that are stored and not among the named ones. A retired
// column had another name when they were made.
func (t *table) aside(named []*column) []string {
	var names []string
	for _, c := range t.columns {
		if c.key || slices.Contains(named, c) {
			continue
		}
		names = append(names, c.name)
		if c.retired {
			names = append(names, strings.TrimPrefix(c.name, "_retired_"), extract.PostgresName(c.def.Source))
		}
	}
	return slices.DeleteFunc(names, func(n string) bool {
		return slices.ContainsFunc(named, func(c *column) bool { return c.name == n })
	})
}

func nameArray(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = literal(n)
	}
	return "ARRAY[" + strings.Join(quoted, ", ") + "]::text[]"
}

// renewFingerprints gives rows another fingerprint and touches nothing else.
func renewFingerprints(t *table) string {
	keys := t.keys()
	return "UPDATE " + name(t.schema, t.name) + " AS t SET " + fingerprintColumn + " = k.fingerprint FROM " +
		atKeys(t.schema, t.name, keys, [2]string{"fingerprint", "uuid"}) + " WHERE t.ctid = k.at"
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
	aside := t.aside(s.columns)
	var set strings.Builder
	for _, n := range append(names[len(t.primary):], runColumn, changedColumn) {
		if set.Len() > 0 {
			set.WriteString(", ")
		}
		switch n {
		case versionColumn: // rows that came without one keep theirs
			set.WriteString("_version = coalesce(excluded._version, t._version)")
			continue
		case nonConformingColumn, missingColumn:
			set.WriteString(n + " = " + keepNotes(n, aside))
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
	return "WITH gone AS (DELETE FROM " + name(t.schema, t.name) + " AS t USING " + atKeys(t.schema, t.name, keys) +
		" WHERE t.ctid = k.at RETURNING " + identList(columns, "t.") + ")" +
		" INSERT INTO " + name(t.archive.schema, t.archive.name) + " AS t (" + identList(columns, "") + ", _deleted_at, _deleted_run_id, _deleted_reason)" +
		fmt.Sprintf(" SELECT %s, $%d::timestamptz, $%d::bigint, $%d::text FROM gone", identList(columns, "gone."), n+1, n+2, n+3) +
		" ON CONFLICT (" + identList(t.primary, "") + ") DO UPDATE SET " + set.String()
}

// leaveArchive drops from the archive what has come back.
func leaveArchive(t *table) string {
	return "DELETE FROM " + name(t.archive.schema, t.archive.name) + " AS t USING " + atKeys(t.archive.schema, t.archive.name, t.keys()) + " WHERE t.ctid = k.at"
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

// allFirstKeys reads the distinct values of the first key column as text, in no order.
func allFirstKeys(t *table) string {
	distinct := "DISTINCT "
	if len(t.keys()) == 1 {
		distinct = ""
	}
	return "SELECT " + distinct + "t." + ident(t.keys()[0].name) + "::text FROM " + name(t.schema, t.name) + " AS t"
}

// selectValues reads a page of keys and values of a text column, in bytewise order of the key, after $1.
func selectValues(t *table, column string) string {
	key := "t." + ident(t.keys()[0].name)
	return "SELECT " + key + ", coalesce(t." + ident(column) + ", '') FROM " + name(t.schema, t.name) + " AS t WHERE ($1::text IS NULL OR " + key +
		" > $1::text) ORDER BY " + key + " LIMIT $2"
}

// allValues reads all keys, each with its value of a text column, in no order.
func allValues(t *table, column string) string {
	return "SELECT t." + ident(t.keys()[0].name) + ", coalesce(t." + ident(column) + ", '') FROM " + name(t.schema, t.name) + " AS t"
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
		return "SELECT " + identList(columnNames(keys), "t.") + ", t._version FROM " + byKeys(schema, table, keys, append(columnNames(keys), versionColumn))
	}
	if t.archive == nil {
		return from(t.schema, t.name)
	}
	return from(t.schema, t.name) + " UNION ALL " + from(t.archive.schema, t.archive.name)
}

// raiseVersions gives rows a version and touches nothing else. Parameters: keys, versions.
func raiseVersions(t *table) string {
	return "UPDATE " + name(t.schema, t.name) + " AS t SET _version = k.version FROM " + atKeys(t.schema, t.name, t.keys(), [2]string{"version", "text"}) +
		" WHERE t.ctid = k.at AND t._version IS DISTINCT FROM k.version"
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
