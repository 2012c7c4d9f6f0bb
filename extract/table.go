package extract

import "fmt"

// Type is the Postgres type of a column, one of those that syncd creates.
type Type uint8

// The types, each with the canonical text in which its cells travel: what the type's own output function
// prints under TimeZone UTC and DateStyle ISO. A fingerprint is taken over that text.
const (
	Text        Type = iota + 1 // any UTF-8 without NUL
	Boolean                     // t or f
	Smallint                    // -32768
	Integer                     // -2147483648
	Bigint                      // -9223372036854775808
	Numeric                     // 12.50: digits as given, no exponent, no leading zeros or plus sign
	Date                        // 2006-01-02
	Time                        // 15:04:05, with up to six decimals
	Timestamp                   // 2006-01-02 15:04:05, with up to six decimals
	Timestamptz                 // 2006-01-02 15:04:05+00
	Interval                    // 00:55:02
	UUID                        // 01234567-89ab-cdef-0123-456789abcdef
	JSONB                       // as Postgres prints it
	Bytea                       // \x00ff
)

var typeNames = [...]string{
	Text: "text", Boolean: "boolean", Smallint: "smallint", Integer: "integer", Bigint: "bigint",
	Numeric: "numeric", Date: "date", Time: "time without time zone", Timestamp: "timestamp without time zone",
	Timestamptz: "timestamp with time zone", Interval: "interval", UUID: "uuid", JSONB: "jsonb", Bytea: "bytea",
}

// String returns the type's name as format_type of Postgres prints it.
func (t Type) String() string {
	if t == 0 || int(t) >= len(typeNames) {
		return fmt.Sprintf("Type(%d)", uint8(t))
	}
	return typeNames[t]
}

// ParseType finds the Type of a name printed by Type.String.
func ParseType(name string) (Type, error) {
	for t, n := range typeNames {
		if n != "" && n == name {
			return Type(t), nil
		}
	}
	return 0, fmt.Errorf("parse type: %q is not a type that syncd creates", name)
}

// Side tells in which of a job's schemas a table lives.
type Side string

// The sides that sources may name; the loader has more of its own.
const (
	Live    Side = ""         // <schema>: what people query
	Meta    Side = "_meta"    // <schema>_meta: structure tables
	History Side = "_history" // <schema>_history: every state that a source tells of
)

// Table is a table of the warehouse as a source wants it to be. Key columns come first, in key order.
// A Table is not changed after it was handed on; two batches of one run share the pointer.
type Table struct {
	Side    Side
	Name    string // in Postgres, made by PostgresName where the source's own name will not do
	Source  string // the source's own spelling
	Columns []Column
	Comment string // for COMMENT ON TABLE
	// Unnamed are columns (Postgres names) that the source has but this job does not ask for: not retired,
	// left as stored.
	Unnamed []string
	// Indexes are further indexes on these columns, in order; each is a list of Postgres names.
	Indexes [][]string
	// Versioned tables carry the version of the scope that each of their rows stands for.
	Versioned bool
}

// View is a view that a source wants beside its tables. It is made and remade by the loader where its words have changed; nothing
// of it ever comes from an upstream.
type View struct {
	Name    string // in the Live schema
	Comment string
	// Query is the SELECT. {name} stands for a table of the structure, {_history.name} for one on another side; the loader
	// puts quoted, qualified names there. A column may be appended from version to version, never taken away or retyped.
	Query string
}

// Column is one column of a Table.
type Column struct {
	Name       string // in Postgres
	Source     string // the source's own spelling of the column (REDCap: export_field_name)
	Field      string // the field it stands for (REDCap: original_field_name); several columns may share one
	Type       Type
	Key        bool
	Part       int    // 1-based part of a split table; 0 where nothing is split
	Label      string // human label, for catalog and comment
	Choices    string // the source's coding, verbatim
	Identifier bool   // flagged by the source as identifying
	Comment    string // for COMMENT ON COLUMN
}

// Keys returns the number of key columns.
func (t *Table) Keys() int {
	n := 0
	for n < len(t.Columns) && t.Columns[n].Key {
		n++
	}
	return n
}

// Check reports the first way in which t is not a table that can be made: no key, a key column after a
// data column, a name twice, a type unknown, an empty name.
func (t *Table) Check() error {
	if t.Name == "" {
		return fmt.Errorf("check table: no name")
	}
	keys := t.Keys()
	if keys == 0 {
		return fmt.Errorf("check table %s: no key column", t.Name)
	}
	seen := make(map[string]bool, len(t.Columns))
	for i, c := range t.Columns {
		switch {
		case c.Name == "":
			return fmt.Errorf("check table %s: column %d has no name", t.Name, i+1)
		case c.Key && i >= keys:
			return fmt.Errorf("check table %s: key column %s stands after a data column", t.Name, c.Name)
		case seen[c.Name]:
			return fmt.Errorf("check table %s: column %s stands twice", t.Name, c.Name)
		case c.Type == 0 || int(c.Type) >= len(typeNames):
			return fmt.Errorf("check table %s: column %s has no type", t.Name, c.Name)
		}
		seen[c.Name] = true
	}
	return nil
}
