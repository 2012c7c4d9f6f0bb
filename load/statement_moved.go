package load

import (
	"fmt"
	"strings"
)

// selectRecords reads the rows of some records: the record's key, then the cells in the order of columns, then the side
// columns. Parameter: first key columns.
func selectRecords(t *table, columns []*column) string {
	first, aside := t.keys()[0], t.aside(columns)
	return "SELECT t." + ident(first.name) + ", " + identList(columnNames(columns), "t.") +
		", " + namedNotes(nonConformingColumn, aside) + ", " + namedNotes(missingColumn, aside) + ", t." + extraColumn +
		" FROM " + name(t.schema, t.name) + " AS t WHERE t." + ident(first.name) + fmt.Sprintf(" = ANY ($1::text[]::%s[])", first.typ)
}

// renameRecords gives the rows of records another first key column, and answers with the names of those that had any.
// Nothing else is touched; a row that would have the key of another stays. Parameters: old and new names.
func renameRecords(t *table) string {
	keys, at := t.keys(), name(t.schema, t.name)
	first := ident(keys[0].name)
	same := []string{fmt.Sprintf("o.%s = k.new::%s", first, keys[0].typ)}
	for _, c := range keys[1:] {
		same = append(same, "o."+ident(c.name)+" = t."+ident(c.name))
	}
	return "WITH moved AS (UPDATE " + at + " AS t SET " + first + " = k.new::" + keys[0].typ.String() +
		" FROM unnest($1::text[], $2::text[]) AS k (old, new) WHERE t." + first + " = k.old::" + keys[0].typ.String() +
		" AND NOT EXISTS (SELECT FROM " + at + " AS o WHERE " + strings.Join(same, " AND ") + ") RETURNING k.old) SELECT DISTINCT old FROM moved"
}

// leaveArchiveTo drops from the archive the rows that are live under the same key. Parameter: first key columns.
func leaveArchiveTo(t *table) string {
	keys := t.keys()
	same := make([]string, len(keys))
	for i, c := range keys {
		same[i] = "a." + ident(c.name) + " = t." + ident(c.name)
	}
	return "DELETE FROM " + name(t.archive.schema, t.archive.name) + " AS a USING " + name(t.schema, t.name) + " AS t WHERE " + strings.Join(same, " AND ") +
		fmt.Sprintf(" AND t.%s = ANY ($1::text[]::%s[])", ident(keys[0].name), keys[0].typ)
}

// deleteRows deletes rows. Parameters: keys.
func deleteRows(t *table) string {
	return "DELETE FROM " + name(t.schema, t.name) + " AS t USING " + atKeys(t.schema, t.name, t.keys()) + " WHERE t.ctid = k.at"
}
