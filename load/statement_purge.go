package load

import (
	"strconv"
	"strings"

	"syncd/extract"
)

// Statements of purges are made here.

// selectPersons reads the names of all persons of a table that has a row for each.
func selectPersons(base string, c extract.PersonColumn) string {
	return "SELECT " + ident(c.Column) + "::text FROM " + name(base+string(c.Table.Side), c.Table.Name)
}

// deletePersons deletes the rows of a table that are about a person. Parameter: the person's names; none where every row goes.
func deletePersons(at storedSide, c extract.PersonColumn, returning []string) string {
	sql := "DELETE FROM " + name(at.schema, at.name) + " AS t"
	if !c.Whole {
		sql += " WHERE t." + ident(c.Column) + " = ANY ($1::text[])"
		var words []string
		if c.Quotes != "" && at.names[c.Quotes] != nil {
			words = append(words, "strpos(t."+ident(c.Quotes)+", '''' || n || '''') > 0")
		}
		if c.Ends != "" && at.names[c.Ends] != nil {
			words = append(words, "right(btrim(t."+ident(c.Ends)+"), char_length(n) + 1) = ' ' || n")
		}
		if len(words) > 0 {
			sql += " OR coalesce(t." + ident(c.Column) + ", '') = '' AND EXISTS (SELECT FROM unnest($1::text[]) AS n WHERE " + strings.Join(words, " OR ") + ")"
		}
	}
	if len(returning) > 0 {
		sql += " RETURNING " + textList(returning, "t.")
	}
	return sql
}

// textList is a list of columns as text, NULL as the empty one.
func textList(columns []string, prefix string) string {
	list := make([]string, len(columns))
	for i, c := range columns {
		list[i] = "coalesce(" + prefix + ident(c) + "::text, '')"
	}
	return strings.Join(list, ", ")
}

// deleteContents deletes contents that no row refers to any more. Parameter: which.
func deleteContents(at storedSide, column string, referrers []storedSide, columns []string) string {
	sql := "DELETE FROM " + name(at.schema, at.name) + " AS t WHERE t." + ident(column) + " = ANY ($1::text[])"
	for i, r := range referrers {
		sql += " AND NOT EXISTS (SELECT FROM " + name(r.schema, r.name) + " AS r WHERE r." + ident(columns[i]) + " = t." + ident(column) + ")"
	}
	return sql
}

func param(n int) string { return "$" + strconv.Itoa(n) }

// among is the condition that columns of a table name one of the people whose identifiers are the parameters 1 to 3.
func among(t extract.PersonTable, columns [3]string) string {
	sql := "(t." + ident(columns[0]) + ", coalesce(t." + ident(columns[1]) + ", ''), t." + ident(columns[2]) +
		") IN (SELECT * FROM unnest($1::text[], $2::text[], $3::text[]))"
	if t.Kind != "" {
		sql += " AND t." + ident(t.Kind) + " = " + literal(t.Patient)
	}
	return "(" + sql + ")"
}

// anyone is the condition that a row names one of them, in whatever columns.
func anyone(t extract.PersonTable) string {
	parts := make([]string, len(t.People))
	for i, columns := range t.People {
		parts[i] = among(t, columns)
	}
	return strings.Join(parts, " OR ")
}

// selectPeople reads all identifiers in rows that name one of the people.
func selectPeople(at storedSide, t extract.PersonTable) string {
	var list []string
	for _, columns := range t.People {
		list = append(list, textList(columns[:], "t."))
	}
	return "SELECT " + strings.Join(list, ", ") + " FROM " + name(at.schema, at.name) + " AS t WHERE " + anyone(t)
}

// selectSenders reads who sent rows with an identifier. Parameters: type, identifier.
func selectSenders(at storedSide, t extract.PersonTable, columns [3]string) string {
	sql := "SELECT DISTINCT t." + ident(columns[0]) + " FROM " + name(at.schema, at.name) + " AS t WHERE coalesce(t." + ident(columns[1]) +
		", '') = $1 AND t." + ident(columns[2]) + " = $2"
	if t.Kind != "" {
		sql += " AND t." + ident(t.Kind) + " = " + literal(t.Patient)
	}
	return sql
}

// selectVersionsOf reads of which deliveries the rows tell that name one of the people.
func selectVersionsOf(at storedSide, t extract.PersonTable, version string) string {
	v := "t." + ident(version)
	return "SELECT DISTINCT right(" + v + ", 16)::bigint FROM " + name(at.schema, at.name) + " AS t WHERE " + v + " ~ ' [0-9]{16}$' AND (" + anyone(t) + ")"
}

// deleteThings deletes the rows of the first table of things that are about the person: by their columns or, where those name nobody,
// because a delivery about the person brought them. Parameters: identifiers, where there are columns that name people, and the ends of
// versions, where there is one.
func deleteThings(at storedSide, t extract.PersonTable, version string, returning []string) string {
	conditions := []string{}
	if len(t.People) > 0 {
		conditions = append(conditions, anyone(t))
	}
	if version != "" {
		by := "right(t." + ident(version) + ", 16) = ANY (" + param(3*min(1, len(t.People))+1) + "::text[])"
		for _, columns := range t.People {
			if t.Kind != "" {
				by += " AND t." + ident(t.Kind) + " IS DISTINCT FROM " + literal(t.Patient)
				break
			}
			by += " AND coalesce(t." + ident(columns[2]) + ", '') = ''"
		}
		if len(t.NotAbout) > 0 {
			by += " AND NOT (t." + ident(t.Business) + " <> '' AND t." + ident(t.Kind) + " = ANY (" + nameArray(t.NotAbout) + "))"
		}
		conditions = append(conditions, "("+by+")")
	}
	return "DELETE FROM " + name(at.schema, at.name) + " AS t WHERE " + strings.Join(conditions, " OR ") + " RETURNING " + textList(returning, "t.")
}

// deletePeople deletes the rows that name one of the people.
func deletePeople(at storedSide, t extract.PersonTable, returning []string) string {
	return "DELETE FROM " + name(at.schema, at.name) + " AS t WHERE " + anyone(t) + " RETURNING " + textList(returning, "t.")
}

// liveThings is the live table of things.
type liveThings struct {
	at   storedSide
	keys []string
}

// deleteByKey deletes rows by columns, a list of texts for each as parameters. Where unless is given, rows stay of whose thing there
// is a row.
func deleteByKey(at storedSide, columns []string, unless *liveThings) string {
	match, left := make([]string, len(columns)), ""
	for i, c := range columns {
		match[i] = "t." + ident(c) + "::text = k.c" + param(i + 1)[1:]
	}
	if unless != nil {
		parts := make([]string, len(columns))
		for i, c := range columns {
			parts[i] = "l." + ident(unless.keys[i]) + " = t." + ident(c)
		}
		left = " AND NOT EXISTS (SELECT FROM " + name(unless.at.schema, unless.at.name) + " AS l WHERE " + strings.Join(parts, " AND ") + ")"
	}
	return "DELETE FROM " + name(at.schema, at.name) + " AS t USING unnest(" + keyArrays(1, len(columns)) + ") " + keyAlias(len(columns)) +
		" WHERE " + strings.Join(match, " AND ") + left
}

// selectNames reads the names of persons in a column.
func selectNames(at storedSide, column string) string {
	c := "t." + ident(column)
	return "SELECT DISTINCT " + c + "::text FROM " + name(at.schema, at.name) + " AS t WHERE " + c + " IS NOT NULL"
}

// selectIdentifiers reads the identifiers of patients in some columns.
func selectIdentifiers(at storedSide, t extract.PersonTable, columns [3]string) string {
	sql := "SELECT DISTINCT " + textList(columns[:], "t.") + " FROM " + name(at.schema, at.name) + " AS t WHERE t." + ident(columns[2]) + " <> ''"
	if t.Kind != "" {
		sql += " AND t." + ident(t.Kind) + " = " + literal(t.Patient)
	}
	return sql
}
