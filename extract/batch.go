package extract

import "fmt"

// Batch limits: a source ends a batch at the first of these; rows are those of one table.
const (
	BatchBytes   = 16 << 20
	BatchRows    = 10_000
	BatchSeconds = 5
)

// Batch is rows of one or more tables together with the scope they are the whole truth about. It is loaded
// in one transaction. It has one of two forms: rows (Closing is nil) or closing (Rows is empty).
type Batch struct {
	Rows  []*Rows
	Scope *Scope // nil: upsert only, nothing is moved out
	// Further are scopes of other tables that are loaded in the same transaction; no table is in two of them. Beside Scope only,
	// and not with Closing or Moved.
	Further []*Scope
	Closing *Closing // the complete set of keys of Scope; no rows
	// Vanished says that the scope was found gone at the source; the brake on mass deletion looks at it.
	Vanished bool
	// Doubt says, in words, why what seems to be gone may not be: a right was changed, another user's token reads. Where it
	// is set the brake holds every deletion of the batch until a person approves it, however few they are.
	Doubt string
	// Wary halves the numbers above which the brake holds.
	Wary bool
	// Moved, where not nil, are records that may be others under a new name.
	Moved *Moved
	// Drift says that nothing at the source had told of a change of these records: rows of this batch that turn out
	// inserted, updated or moved out are drift that runs by changes alone would have missed.
	Drift bool
	// Again says that an earlier batch of this run had the same scope.
	Again bool
	// Marks are stored in the transaction that commits the batch.
	Marks []Mark
	// Memo, where not nil, is what the source wants to be given back by the next run's Since. It is stored where Marks are,
	// and only beside them; nil leaves the stored one as it is.
	Memo []byte
	// Position, where not empty, replaces the stored position; a batch with Marks erases it.
	Position string
	Rejects  []Reject
	Settled  []Settled     // deliveries that are done with this batch
	Blocked  []BlockedRows // what was left out, in place of rows
	// Done and Total tell a person how far the pull has come, in records; 0 where that is not known.
	Done, Total int64
}

// Scope says of which stored rows a batch is the whole truth: in each of Tables, the rows whose first Width
// key columns equal one of Keys. Width 0 with no Keys is the whole of each table.
type Scope struct {
	Tables []*Table
	Width  int
	Keys   [][]string
	Reason string // goes with the rows that are moved out: "deleted at source"
	// Versions are the versions of the states that the batch brings, one for each of Keys, greater bytewise is newer;
	// nil where the source keeps no order. A key stands once. Where a newer state is stored, or was deleted, what the batch
	// brings for that key changes nothing. The one of Tables that is Versioned carries them; its key is the scope's.
	Versions []string
}

// Closing is the complete set of keys in a scope, by their first Width key columns: what is stored in the scope
// and not among the keys is moved out.
type Closing struct {
	Width int
	Keys  *KeySet // keys of several columns are joined by JoinKey
}

// Moved are stored keys that may have come back as keys of a batch's scope under another name. The loader renames in place
// a key whose stored rows are, but for the key, exactly the rows that the batch has under a new one, in every table of the scope, and
// where that holds for no other pair; and the pairs of Sure without a look at their rows.
type Moved struct {
	From []string    // first key column, stored, not listed at the source any more
	To   []string    // of the scope's keys those that were not stored before
	Sure [][2]string // old, new: the source has said so
}

// Mark is a named place in the source's time, taken before a run's first request.
type Mark struct{ Name, Value string }

// Reject is a whole row that could not be encoded or stored, kept with its reason. Raw never reaches a log.
type Reject struct {
	Table    *Table
	Key      []string // nil where the key itself cannot be read: then nothing of the batch's scope is moved out
	Column   string   // Postgres name, or empty where the row as a whole is at fault
	Rule     string   // stable, in words: "invalid utf-8 in key", "ragged row"
	SQLState string   // where Postgres refused it
	Raw      []byte   // as the source sent it
}

// NoteKind tells which of a row's side columns a note belongs to.
type NoteKind uint8

// The side columns.
const (
	NonConforming NoteKind = iota // text that does not fit the column's type; the column is NULL
	MissingCode                   // a declared missing-data code; the column is NULL
	Extra                         // a field that nobody declared
)

// Note is a value kept beside a row.
type Note struct {
	Row    int
	Kind   NoteKind
	Column string // Postgres name; for Extra the source's own spelling
	Value  string
}

// Rows are the rows of one table in a batch, held as canonical text, cell after cell in the order of
// Table.Columns. Appending allocates nothing but the shared buffers.
type Rows struct {
	Table *Table
	// Duplicates counts rows that the source left out because a later one has the same identity.
	Duplicates int

	cells []byte
	ends  []uint32 // per cell: end offset in cells, nullBit set for NULL
	notes []Note
	start struct{ cells, ends, notes int }
}

const (
	nullBit  = 1 << 31
	maxCells = 1<<31 - 1
)

// NewRows makes an empty set of rows of t.
func NewRows(t *Table) *Rows { return &Rows{Table: t} }

// Reset empties r and keeps its buffers.
func (r *Rows) Reset() {
	r.cells, r.ends, r.notes, r.Duplicates = r.cells[:0], r.ends[:0], r.notes[:0], 0
	r.start.cells, r.start.ends, r.start.notes = 0, 0, 0
}

// Begin starts a row. Exactly one call of Null or Close per column must follow, then End; or Abort.
func (r *Rows) Begin() {
	r.start.cells, r.start.ends, r.start.notes = len(r.cells), len(r.ends), len(r.notes)
}

// Abort drops the row that was begun, with its notes.
func (r *Rows) Abort() {
	r.cells, r.ends, r.notes = r.cells[:r.start.cells], r.ends[:r.start.ends], r.notes[:r.start.notes]
}

// End finishes the row. It panics when the number of cells is not the number of columns: that is a defect of
// the source, never of its data.
func (r *Rows) End() {
	if n := len(r.ends) - r.start.ends; n != len(r.Table.Columns) {
		panic(fmt.Sprintf("extract: row of %s has %d cells for %d columns", r.Table.Name, n, len(r.Table.Columns)))
	}
	if len(r.cells) > maxCells {
		panic("extract: batch over 2 GiB")
	}
}

// Null appends a NULL cell.
func (r *Rows) Null() { r.ends = append(r.ends, uint32(len(r.cells))|nullBit) }

// Open returns the buffer to which the canonical text of the next cell is to be appended; Close takes it back.
func (r *Rows) Open() []byte { return r.cells }

// Close ends the cell that was appended to the buffer of Open.
func (r *Rows) Close(buf []byte) {
	r.cells = buf
	r.ends = append(r.ends, uint32(len(buf)))
}

// String appends a cell whose canonical text is s.
func (r *Rows) String(s string) { r.Close(append(r.cells, s...)) }

// Note keeps a value beside the row that was begun.
func (r *Rows) Note(kind NoteKind, column, value string) {
	r.notes = append(r.notes, Note{Row: r.start.ends / len(r.Table.Columns), Kind: kind, Column: column, Value: value})
}

// Len returns the number of finished rows.
func (r *Rows) Len() int { return len(r.ends) / len(r.Table.Columns) }

// Bytes returns the bytes held by cells.
func (r *Rows) Bytes() int { return len(r.cells) }

// Cell returns the canonical text of a cell, and false for NULL. The slice is valid until the next append.
func (r *Rows) Cell(row, column int) ([]byte, bool) {
	i := row*len(r.Table.Columns) + column
	end := r.ends[i]
	if end&nullBit != 0 {
		return nil, false
	}
	var from uint32
	if i > 0 {
		from = r.ends[i-1] &^ nullBit
	}
	return r.cells[from:end], true
}

// Notes returns all notes, ascending by row.
func (r *Rows) Notes() []Note { return r.notes }
