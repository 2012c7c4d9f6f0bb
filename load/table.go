package load

import (
	"context"
	_ "embed"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"syncd/extract"
)

var (
	//go:embed sql/table_read.sql
	tableReadSQL string
	//go:embed sql/table_defs.sql
	tableDefsSQL string
	//go:embed sql/table_now.sql
	tableNowSQL string
	//go:embed sql/column_defs.sql
	columnDefsSQL string
)

// archiveSide is the side schema to which rows are moved out.
const archiveSide extract.Side = "_deleted"

// place names a table of a job: its side and its name.
type place struct {
	side extract.Side
	name string
}

func placeOf(t *extract.Table) place { return place{t.Side, t.Name} }

// table is a table as it is stored: what the ledger knows of it and what the catalogue says.
type table struct {
	schema, name string
	side         extract.Side
	columns      []*column // all data columns that the ledger knows, by column_id
	known        bool      // in syncd.table_def
	called       string    // by the source, where the table still has another name
	was          *origin
	job          string
	retired      bool
	encoding     int
	shape        [16]byte
	shaped       bool // shape is set
	reshaped     bool
	generation   int
	comment      string // as the catalogue has it
	source       string

	exists  bool
	isTable bool
	oid     uint32
	names   map[string]*attribute // what the catalogue has
	primary []string              // columns of the primary key
	indexes []string

	archive *table // nil where nothing was ever moved out
	blocked string // why it cannot be loaded
}

// attribute is a column as the catalogue has it.
type attribute struct {
	name, typ, comment string
	number             int16
}

// column is a column as the ledger knows it.
type column struct {
	id      int
	name    string // as it stands in the table now
	typ     extract.Type
	key     bool
	unnamed bool // left as it is, because the job does not ask for it
	retired bool // gone at the source
	def     columnDef
	called  string // by the source, where the column still has another name
	moves   string // what the source calls the table to which the column is to move, under the name called
	was     *origin
	values  *revalued
}

// logical is the name that the source has for the column.
func (c *column) logical() string {
	if c.called != "" {
		return c.called
	}
	return c.name
}

// columnDef is what the ledger tells people of a column.
type columnDef struct {
	Source, Field, Label, Choices, Comment string
	Part                                   int
	Identifier                             bool
}

func defOf(c extract.Column) columnDef {
	return columnDef{
		Source: plainText(c.Source), Field: plainText(c.Field), Label: plainText(c.Label), Choices: plainText(c.Choices),
		Comment: plainText(c.Comment), Part: c.Part, Identifier: c.Identifier,
	}
}

// String is the qualified name that the source has for the table.
func (t *table) String() string { return t.schema + "." + t.logical() }

// logical is the name that the source has for the table.
func (t *table) logical() string {
	if t.called != "" {
		return t.called
	}
	return t.name
}

// column finds a column by the name that it has in the table.
func (t *table) column(name string) *column {
	for _, c := range t.columns {
		if c.name == name {
			return c
		}
	}
	return nil
}

// of finds a column by the name that the source has for it.
func (t *table) of(name string) *column {
	for _, c := range t.columns {
		if c.logical() == name && c.moves == "" {
			return c
		}
	}
	return nil
}

// at is the name that a column of the source has in the table.
func (t *table) at(name string) string {
	if c := t.of(name); c != nil {
		return c.name
	}
	return name
}

func (t *table) keys() []*column {
	keys := make([]*column, 0, 4)
	for _, name := range t.primary {
		if c := t.column(name); c != nil {
			keys = append(keys, c)
		}
	}
	return keys
}

// stored is everything that a job's schemas hold.
type stored map[place]*table

// querier is what reads need; a pool, a connection and a transaction are one.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// readStored reads the ledger's and the catalogue's view of a job's schemas.
func readStored(ctx context.Context, q querier, schema string) (stored, error) {
	s := stored{}
	if err := s.readDefs(ctx, q, schema); err != nil {
		return nil, err
	}
	if err := s.readColumns(ctx, q, schema); err != nil {
		return nil, err
	}
	if err := s.readCatalogue(ctx, q, schema); err != nil {
		return nil, err
	}
	for p, t := range s {
		if p.side == archiveSide || p.side == extract.History { // of what is only ever added nothing is moved out
			continue
		}
		if a := s[place{archiveSide, p.name}]; a != nil && a.exists {
			t.archive = a
		}
	}
	s.call()
	return s, nil
}

// call lists tables under the names that the source has for them.
func (s stored) call() {
	var other []*table
	for p, t := range s {
		if t.called != "" {
			other = append(other, t)
			delete(s, p)
		}
	}
	for _, t := range other {
		s[place{t.side, t.called}] = t
	}
}

func (s stored) at(schema, base, name string) *table {
	p := place{extract.Side(schema[len(base):]), name}
	if s[p] == nil {
		s[p] = &table{schema: schema, name: name, side: p.side, names: map[string]*attribute{}}
	}
	return s[p]
}

func schemas(base string) []string {
	return []string{base, base + string(extract.Meta), base + string(extract.History), base + string(archiveSide)}
}

func (s stored) readDefs(ctx context.Context, q querier, base string) error {
	rows, err := q.Query(ctx, tableDefsSQL, schemas(base))
	if err != nil {
		return err
	}
	var t table
	var shape *[16]byte
	_, err = pgx.ForEachRow(rows, []any{
		&t.schema, &t.name, &t.job, &t.source, &t.encoding, &shape, &t.reshaped, &t.generation, &t.retired, &t.called, &t.was,
	}, func() error {
		at := s.at(t.schema, base, t.name)
		at.known, at.job, at.source, at.encoding, at.reshaped = true, t.job, t.source, t.encoding, t.reshaped
		at.generation, at.retired, at.called, at.was = t.generation, t.retired, t.called, t.was
		t.was = nil // the next row is not to be read into it
		if shape != nil {
			at.shape, at.shaped = *shape, true
		}
		return nil
	})
	return err
}

func (s stored) readColumns(ctx context.Context, q querier, base string) error {
	rows, err := q.Query(ctx, columnDefsSQL, schemas(base))
	if err != nil {
		return err
	}
	var schema, name, typ string
	var c column
	_, err = pgx.ForEachRow(rows, []any{
		&schema, &name, &c.id, &c.name, &typ, &c.key, &c.unnamed, &c.retired,
		&c.def.Source, &c.def.Field, &c.def.Label, &c.def.Choices, &c.def.Comment, &c.def.Part, &c.def.Identifier,
		&c.called, &c.moves, &c.was, &c.values,
	}, func() error {
		t := s.at(schema, base, name)
		one := c
		c.was, c.values = nil, nil // the next row is not to be read into them
		var err error
		if one.typ, err = extract.ParseType(typ); err != nil {
			return fmt.Errorf("read column %s of %s: %w", c.name, t, err)
		}
		t.columns = append(t.columns, &one)
		return nil
	})
	return err
}

func (s stored) readCatalogue(ctx context.Context, q querier, base string) error {
	rows, err := q.Query(ctx, tableReadSQL, schemas(base))
	if err != nil {
		return err
	}
	var schema, name, comment string
	var oid uint32
	var isTable bool
	var primary, indexes, names, types, comments []string
	var numbers []int16
	_, err = pgx.ForEachRow(rows, []any{&schema, &name, &oid, &isTable, &comment, &primary, &indexes, &names, &types, &comments, &numbers}, func() error {
		t := s.at(schema, base, name)
		t.exists, t.oid, t.isTable, t.comment = true, oid, isTable, comment
		t.primary, t.indexes = slices.Clone(primary), slices.Clone(indexes)
		for i, n := range names {
			t.names[n] = &attribute{name: n, typ: types[i], comment: comments[i], number: numbers[i]}
		}
		return nil
	})
	return err
}
