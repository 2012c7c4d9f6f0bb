package extract

// RenameKind says what was renamed.
type RenameKind string

// The kinds of Rename.
const (
	RenameTable  RenameKind = "table"  // table Old is called New
	RenameColumn RenameKind = "column" // column Old of Table is called New; notes kept under the old name follow
	MoveColumn   RenameKind = "move"   // column Old of table From is column New of Table, row by row of the same key
	RenameValue  RenameKind = "value"  // the value Old of key column Column of Table is New
)

// Rename says that something of an earlier structure is the same thing under another name. Applying it moves no row's
// times: the data did not change. Names are Postgres names on one side of the job's schemas; Table is the name that the
// table has after all renames of tables, Column the name after all renames of columns.
//
// Several RenameValue of one column are one permutation: each stored value is replaced at most once.
type Rename struct {
	Kind     RenameKind
	Side     Side
	Table    string
	From     string // of MoveColumn
	Column   string // of RenameValue
	Old, New string
}
