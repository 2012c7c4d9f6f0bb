package extract

// What follows tells the loader, in words of tables and columns alone, which stored rows are about one person, so that they can be
// erased. Tables and columns go by the names under which they are stored.

// Persons says how the tables of a source name records, where people are records.
type Persons struct {
	Columns  []PersonColumn
	Contents *PersonContents // nil where no contents are kept
}

// PersonColumn says how a table tells which of its rows are about a person: rows go whose Column is one of the person's names.
type PersonColumn struct {
	Table  *Table
	Column string
	Roll   bool // the table has a row for every person that there is
	First  bool // Column is the first of the key
	// Quotes and Ends are columns of words of which rows without a value in Column may name one all the same: in single quotes, or as
	// the last of the words. Empty where there is none.
	Quotes, Ends string
	Whole        bool   // nobody can tell: every row goes
	Content      string // a column that refers to a content
}

// PersonContents are contents that rows refer to. One goes where no row refers to it any more.
type PersonContents struct {
	Table     *Table
	Column    string
	Referrers []PersonColumn // of which Table and Content are set
}

// PatientID is an identifier of a patient, as one sender uses it.
type PatientID struct{ Source, Type, ID string }

// Name is the identifier as a name of a person.
func (p PatientID) Name() []string { return []string{PersonPatient, p.Source, p.Type, p.ID} }

// PersonThing says how the tables of one kind of thing tell whom it is about.
type PersonThing struct {
	Tables []PersonTable // the first is keyed by the thing and carries versions, the others by it and more
	// Shared things tell of several people, each in rows of a table below the first.
	Shared bool
}

// PersonTable is one table of a thing.
type PersonTable struct {
	Name   string
	Keys   []string    // the whole key
	People [][3]string // columns that name a person: sender, type of identifier, identifier
	// Kind is a column that tells for which rows People name a person: those in which it is Patient; empty: for all. NotAbout are
	// values of it of rows that are about nobody where the column Business is not empty.
	Kind, Patient string
	NotAbout      []string
	Business      string
}
