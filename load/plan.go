package load

import (
	"fmt"
	"slices"
	"strings"

	"syncd/extract"
)

// Kinds of changes of structure.
const (
	kindSchema   = "schema"   // a schema is made
	kindCreate   = "create"   // a table is made
	kindAdd      = "add"      // a column is appended
	kindWiden    = "widen"    // a column gets a wider type
	kindRetype   = "retype"   // a column would need a type that does not hold what it holds; by hand only
	kindRetire   = "retire"   // a column is renamed, because its field is gone
	kindReturn   = "return"   // a retired column gets its name back
	kindRename   = "rename"   // a table or a column follows the source's new name for it
	kindMove     = "move"     // a column is another table's now, with its values
	kindValues   = "values"   // values of a key column follow the source's new names for them
	kindView     = "view"     // a view is made, or made anew
	kindIndex    = "index"    // an index is made
	kindArchive  = "archive"  // the table for rows that are moved out is made or completed
	kindComment  = "comment"  // COMMENT ON
	kindDescribe = "describe" // the ledger only
)

// step is one change with what it takes: statements for whoever may change structure, statements that only move rows, and
// rows of the ledger. A step without ddl is done in either mode.
type step struct {
	Change
	place  place
	ddl    []string
	dml    []string
	ledger []string
}

// planner compares what a source says with what is stored, and writes down what it would take. It touches nothing.
type planner struct {
	job, base string
	ddl       DDL
	role      string          // who will load, and needs grants where somebody else makes the tables
	have      stored          //
	schemas   map[string]bool // that exist or are planned
	// dependents names what hangs on a column, so that its type cannot be changed in place.
	dependents func(t *table, a *attribute) (string, error)
	namer      *namer

	steps   []step
	added   map[*table][]*column // planned columns of tables that exist
	waiting []step               // cannot be done by syncd; Reason says why
	blocked map[string]string
}

// plan goes through all tables of a structure, then looks for those that are gone.
func (p *planner) plan(s *extract.Structure) error {
	wanted := map[place]bool{}
	for _, want := range s.Tables {
		if err := want.Check(); err != nil {
			return extract.Errorf(extract.KindInternal, "plan tables", "%w", err)
		}
		if wanted[placeOf(want)] {
			return extract.Errorf(extract.KindInternal, "plan tables", "table %s stands twice in the structure", want.Name)
		}
		wanted[placeOf(want)] = true
		if err := p.table(want); err != nil {
			return err
		}
	}
	for _, at := range sortedPlaces(p.have) {
		t := p.have[at]
		if t.known && !t.retired && t.job == p.job && !wanted[at] && !s.Partial {
			p.add(step{
				Change: Change{Schema: t.schema, Table: t.name, Kind: kindDescribe, Detail: "table is gone at the source; it stays as it is"},
				place:  at, ledger: []string{retireTableDef(t.schema, t.name)},
			})
		}
	}
	return nil
}

func sortedPlaces(s stored) []place {
	places := make([]place, 0, len(s))
	for at := range s {
		places = append(places, at)
	}
	slices.SortFunc(places, func(a, b place) int {
		return strings.Compare(string(a.side)+"\x00"+a.name, string(b.side)+"\x00"+b.name)
	})
	return places
}

func (p *planner) add(s step) { p.steps = append(p.steps, s) }

func (p *planner) table(want *extract.Table) error {
	at := placeOf(want)
	schema := p.base + string(want.Side)
	t := p.have[at]
	switch {
	case t == nil && p.occupied(schema, want.Name):
		// The table that has the name is called otherwise at the source, and waits to be renamed.
		p.create(want, "its name is still that of another table")
		return nil
	case t == nil || !t.known && !t.exists:
		p.create(want, "")
		return nil
	case !t.known:
		return foreign(schema, want.Name, "it was not made by syncd")
	case t.job != p.job:
		return foreign(schema, want.Name, "it is written by job "+t.job)
	case !t.exists:
		p.block(t, "it was dropped by hand; put it back from a backup, or delete its rows from syncd.column_def and syncd.table_def to have it made anew")
		return nil
	case !t.isTable:
		p.block(t, "it was replaced by something that is not a table")
		return nil
	}
	if why := altered(t, want); why != "" {
		p.block(t, why)
		return nil
	}
	return p.reconcile(t, want)
}

func foreign(schema, table, why string) error {
	e := extract.Errorf(extract.KindConfig, "plan tables", "%s.%s is in the way: %s", schema, table, why)
	e.Next = "give the job another schema, or move what is there"
	return e
}

func (p *planner) block(t *table, why string) {
	t.blocked = why
	p.blocked[t.String()] = why
}

// altered says in which way a table is no longer what syncd made; empty where it is.
func altered(t *table, want *extract.Table) string {
	wanted := make(map[string]extract.Type, len(want.Columns))
	for _, c := range want.Columns {
		wanted[c.Name] = c.Type
	}
	for _, c := range t.columns {
		a := t.names[c.name]
		switch {
		case a == nil:
			return "column " + c.name + " was dropped or renamed by hand"
		case a.typ != c.typ.String() && a.typ != wanted[c.logical()].String():
			return fmt.Sprintf("column %s was changed by hand from %s to %s", c.name, c.typ, a.typ)
		}
	}
	for _, own := range ownColumns(false) {
		typ, _, _ := strings.Cut(own.typ, " NOT NULL")
		if a := t.names[own.name]; a == nil || a.typ != typ {
			return "column " + own.name + ", which syncd needs, was dropped or changed by hand"
		}
	}
	var keys []string
	for _, c := range t.columns {
		if c.key {
			keys = append(keys, c.name)
		}
	}
	switch {
	case !slices.Equal(keys, t.primary):
		return "its primary key was dropped or changed by hand; it should be (" + strings.Join(keys, ", ") + ")"
	case len(keys) != want.Keys():
		return fmt.Sprintf("its key has %d columns, and the source's has %d now", len(keys), want.Keys())
	}
	return ""
}

// create plans a table that does not exist, and in plan mode also its archive, which nobody may make later. Where there
// is a reason, it waits.
func (p *planner) create(want *extract.Table, reason string) {
	schema := p.base + string(want.Side)
	p.schema(schema, want.Side)
	columns := make([]*column, len(want.Columns))
	for i, c := range want.Columns {
		columns[i] = &column{id: i + 1, name: c.Name, typ: c.Type, key: c.Key, def: defOf(c)}
	}
	ddl := createTable(schema, want.Name, plainText(want.Comment), columns, ownColumns(want.Versioned))
	ddl = append(ddl, createIndex(schema, want.Name, changedIndex(want.Name), "brin", []string{changedColumn}))
	for _, index := range want.Indexes {
		ddl = append(ddl, createIndex(schema, want.Name, indexName(want.Name, index), "btree", index))
	}
	s := step{
		Change: Change{Schema: schema, Table: want.Name, Kind: kindCreate, Detail: fmt.Sprintf("table with %d columns", len(columns)), Reason: reason},
		place:  placeOf(want),
		ddl:    append(ddl, p.grant(schema, want.Name)...),
		ledger: []string{keepTableDef(schema, want.Name, p.job, want.Source, want.Comment), keepColumnDefs(schema, want.Name, columns)},
	}
	if reason != "" {
		p.waiting = append(p.waiting, s)
		return
	}
	p.add(s)
	if p.ddl == Plan && want.Side != extract.History {
		p.archive(want.Name, want, columns, nil)
	}
}

// schema plans a schema that does not exist.
func (p *planner) schema(schema string, side extract.Side) {
	if p.schemas[schema] {
		return
	}
	p.schemas[schema] = true
	ddl := createSchema(schema, schemaComment(p.job, side))
	if p.ddl == Plan {
		ddl = append(ddl, grantSchema(schema, p.role))
	}
	p.add(step{Change: Change{Schema: schema, Kind: kindSchema, Detail: "schema"}, place: place{side: side}, ddl: ddl})
}

func schemaComment(job string, side extract.Side) string {
	switch side {
	case archiveSide:
		return "Rows that were moved out of the tables of job " + job + ", with time, run and reason. Written by syncd."
	case extract.History:
		return "Every state that the source of job " + job + " has told of. Written by syncd."
	case extract.Live:
		return "What the source of job " + job + " holds now. Written by syncd."
	}
	return "Structure of the source of job " + job + ". Written by syncd."
}

func (p *planner) grant(schema, table string) []string {
	if p.ddl != Plan {
		return nil
	}
	return []string{grantTable(schema, table, p.role)}
}

// archive plans the archive of a table: the whole of it, or the columns it lacks.
func (p *planner) archive(table string, want *extract.Table, columns []*column, archive *table) {
	schema := p.base + string(archiveSide)
	change := Change{Schema: schema, Table: table, Kind: kindArchive, Detail: "archive of " + p.base + string(want.Side) + "." + table}
	if archive == nil {
		p.schema(schema, archiveSide)
		p.add(step{Change: change, place: placeOf(want), ddl: append(createArchive(schema, table, plainText(want.Comment), columns, want.Versioned), p.grant(schema, table)...)})
		return
	}
	for _, c := range columns {
		if archive.names[c.name] == nil {
			change.Column, change.Detail = c.name, "column "+c.typ.String()
			p.add(step{Change: change, place: placeOf(want), ddl: []string{addColumn(schema, table, c)}})
		}
	}
}

func createArchive(schema, table, comment string, columns []*column, versioned bool) []string {
	return createTable(schema, table, strings.TrimSpace("Moved out of the live table. "+comment), columns, append(ownColumns(versioned), archiveColumns()...))
}
