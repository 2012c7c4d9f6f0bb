package redox

import (
	"fmt"
	"slices"
	"strings"

	"syncd/extract"
)

// filled is the view that shows, of every thing that was not taken away, the last value of each column that was not left out.
func filled(t *table) extract.View {
	name := t.live.Name
	var keys, list []string
	for i, c := range t.live.Columns {
		if i < t.keys {
			keys = append(keys, quoted(c.Name))
			continue
		}
		given := quoted(c.Name) + " IS NOT NULL"
		if strings.HasPrefix(c.Name, "discharge_") {
			given += " OR COALESCE(_missing ? '" + c.Name + "', false)" // taken back by a message
		}
		list = append(list, fmt.Sprintf("(array_agg(%[1]s ORDER BY version DESC) FILTER (WHERE %[2]s))[1] AS %[1]s", quoted(c.Name), given))
	}
	key := strings.Join(keys, ", ")
	query := "SELECT " + key + ",\n    " + strings.Join(list, ",\n    ") +
		",\n    max(version_at) AS version_at" +
		"\nFROM (SELECT *, max(version) FILTER (WHERE deleted) OVER (PARTITION BY " + key + ") AS _ended FROM {_history." + name + "}) AS state" +
		"\nWHERE _ended IS NULL OR version > _ended\nGROUP BY " + key
	return extract.View{Name: name + "_filled", Comment: "Of each column of " + name + " the last value that a message brought.", Query: query}
}

// quoted is a column's name in SQL; names are made of a-z, 0-9 and _ alone.
func quoted(name string) string { return `"` + name + `"` }

// filledRows is the view of the rows below a thing: those of the newest state in which there were any at all, since the thing was last
// taken away. Where rows have roles that holds for each role, and those of a role are gone when a message takes back the time that goes
// with it (the location of a discharge).
func filledRows(first, t *table) extract.View {
	name, base := t.live.Name, t
	for base.above != first { // what stands below rows goes with them
		base = base.above
	}
	var thing []string
	for _, c := range first.columns[:first.keys] {
		thing = append(thing, quoted(c.name))
	}
	group, ended := thing, "d.deleted"
	if base.roles {
		group = append(slices.Clip(thing), "role")
		ended += " OR coalesce(d._missing ? (c.role || '_date_time'), false)"
	}
	query := "SELECT " + columnList(t, "c.") + ", c.version_at\nFROM {_history." + name + "} AS c" +
		"\nJOIN (SELECT " + strings.Join(group, ", ") + ", max(version) AS version FROM {_history." + base.live.Name + "} GROUP BY " + strings.Join(group, ", ") +
		") AS n ON " + same("n", "c", append(slices.Clip(group), "version")) +
		"\nWHERE NOT EXISTS (SELECT FROM {_history." + first.live.Name + "} AS d WHERE " + same("d", "c", thing) + " AND d.version >= c.version AND (" + ended + "))"
	return extract.View{Name: name + "_filled", Comment: "Of each thing the rows of " + name + " that a message last brought.", Query: query}
}

// same says that columns of two tables are the same.
func same(a, b string, columns []string) string {
	var all []string
	for _, c := range columns {
		all = append(all, a+"."+c+" = "+b+"."+c)
	}
	return strings.Join(all, " AND ")
}
