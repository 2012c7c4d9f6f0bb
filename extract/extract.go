// Package extract holds the nouns that sources and the warehouse share: tables, views, rows, batches, scopes,
// marks, rejects, deliveries, findings, the Source contract and the kinds of error. It does no I/O.
//
// What comes in: nothing. What goes out: the words in which a source says what it read and the loader
// is told what to do. The one idea behind them: a batch is the whole truth about its scope. Loading a
// batch makes the warehouse agree with it inside that scope and nowhere else, so that insert, update,
// delete, replay, backfill and repair are one operation, and loading a batch twice is loading it once.
//
// This package must never learn the name of an upstream or of a database driver.
package extract

import (
	"context"
	"time"
)

// Source is one upstream seen by one job: a REDCap project behind its token, an Engage campus behind its
// key. A value serves one run and is used by one goroutine.
//
// For implementers:
//
//   - Describe is called first, once; Pull after it, at most once. What Describe read (the dictionary, the
//     server's clock) is the snapshot that Pull works on. If Pull finds that the upstream no longer agrees
//     with the snapshot it returns an *Error of KindDrift; the run then starts once more from Describe.
//   - Pull calls yield on its own goroutine, one batch at a time, in any number. yield returns after the
//     batch is committed, which is all the back-pressure there is: a source may fetch at most one
//     request ahead. An error of yield is returned from Pull as it is, at once.
//   - A batch and everything it points to belongs to the callee until yield returns; after that the source
//     may reuse its buffers.
//   - The last batch carries the mark (Batch.Marks) and the memo (Batch.Memo). Rows that could not be encoded are rejects in the batch,
//     never left out in silence.
//   - Errors are *Error values: the kind decides what the run does (retry later, fail for good, hold), so it
//     is set by the one who knows. An error text names source, resource and counts, never a value, token or query.
//   - A source only reads its upstream.
type Source interface {
	// Describe reads the identity and the structure of the source. It must be cheap: no records are read, and of the
	// structure only what since cannot vouch for. since.Stored is nil: tables are agreed on afterwards.
	Describe(ctx context.Context, since Since) (*Structure, error)

	// Pull reads what Since asks for, hands it on in batches, and returns what it can prove about it.
	Pull(ctx context.Context, since Since, yield func(*Batch) error) (*Proof, error)
}

// Metered is a Source that can tell at any time what it has cost its upstream so far, also when it failed.
type Metered interface {
	// Cost returns requests sent, bytes of decoded answers, and rows that the upstream's own log keeps of them.
	Cost() (requests, bytes, logRows int64)
}

// Structure is what a source says of itself before any record is read.
type Structure struct {
	Identity Identity
	// Tables are all tables that the source may put into a batch. A table of an earlier structure that is
	// absent here is gone at the source; a column of an earlier structure that is absent and not named in
	// its table's Unnamed has gone from the source's dictionary and is retired.
	Tables []*Table
	// Partial says that Tables are those that are needed now; a table of an earlier structure that is absent is no news.
	Partial bool
	// Views are made after Tables.
	Views []View
	// Renames say what of an earlier structure is the same thing under another name; they are applied, in their order,
	// before Tables are compared with what is stored. What was applied already, or has no counterpart, is passed over.
	Renames []Rename
	// RenameID tells this list from another: values are renamed once for an ID, however often the run is tried.
	RenameID string
	// AccessEnds is when the account ends by which the source is read; zero where that is not known.
	AccessEnds time.Time
	// Warnings are for the operator: what was left out and why (a right that the token lacks). No values.
	Warnings []string
}

// Identity says which thing behind the URL was read. A job is bound to (Server, ID) at its first run.
type Identity struct {
	Server  string        // scheme, host and path of the upstream
	ID      string        // e.g. REDCap's project_id
	Title   string        // e.g. the project's title
	Version string        // e.g. 14.9.1; empty where the upstream does not tell
	Clock   time.Duration // upstream's clock minus ours, from Date headers
}

// Since says where a run starts.
type Since struct {
	Full     bool              // read everything and compare, whatever the marks say
	Stale    bool              // Memo was found not to agree with the source any more (KindDrift)
	Marks    map[string]string // by name, as stored by the last run that got so far
	Memo     []byte            // Batch.Memo of the last run that got so far; nil where there is none
	Position string            // last id or chunk done, if an earlier run of this plan stopped on the way
	Stored   Stored            // what the warehouse holds; nil in Describe
	Part     *Part             // not nil: the one step that is to be made of a pull in parts
	Parts    Parts             // keeps what is collected; nil: nothing does
}

// Stored lets a source ask what the warehouse holds, to find what has vanished. The loader implements it.
type Stored interface {
	// Keys yields the distinct values of the first key column of t, live rows only, ascending bytewise.
	Keys(ctx context.Context, t *Table, yield func(key string) error) error
	// Same reports whether those values are exactly keys, which is sorted. It is far cheaper than Keys.
	Same(ctx context.Context, t *Table, keys *KeySet) (bool, error)
	// Values yields, for a table whose key is one text column, key and value of a text column, ascending bytewise by key;
	// NULL is the empty text.
	Values(ctx context.Context, t *Table, column string, yield func(key, value string) error) error
	// SameValues reports whether those pairs, joined by JoinKey, are exactly pairs, which is sorted.
	SameValues(ctx context.Context, t *Table, column string, pairs *KeySet) (bool, error)
	// Cells yields, of the live rows of t, the named columns as text, NULL as the empty text; of those only whose first key
	// column, which is then text, is one of keys, unless keys is nil. The slice is reused. The order is that of the key.
	Cells(ctx context.Context, t *Table, keys, columns []string, yield func(cells []string) error) error
}

// Listed is one list of a source: the first of Tables holds one live row for each of Keys and no other, the further ones what
// hangs below those rows.
type Listed struct {
	Tables []*Table
	Keys   *KeySet
	Rows   []int64   // how many live rows each of Tables must hold; nil in Proof.Changed
	At     time.Time // the upstream's clock
}

// Proof is what a source can prove about a finished Pull; the run compares it with the warehouse and
// makes the verdict of it.
type Proof struct {
	// Full says that every row was read and compared, whatever Since asked for: the proof of cells can be made. Where it
	// is false, Named is what the proof of changes is made of.
	Full bool
	// Pushed is set by a source that has nothing to list: what it took was pushed. Its proof is that every delivery it took is settled.
	Pushed bool
	Taken  int64 // deliveries taken
	// Named are the ids that the source said had changed since the mark, each of which must have been read again or be gone.
	Named *KeySet
	// Listed are, in place of Table, Before and After, the lists of a source that has several: each was read to an end that is
	// proven to be whole. Not nil, be it empty, where the source lists so. Of a table that is in none of them nothing is proven.
	Listed []Listed
	// Changed are, in place of Named, the keys that a source of several lists said had changed; not nil where it was asked.
	Changed []Listed
	// Table is the table that holds one live row for every id: nil where the source cannot list ids.
	Table *Table
	// Before and After are the ids listed before the first and after the last batch. Ids in both must be
	// live, ids in neither must not; ids in one only were read again and are 'later than this run'.
	Before, After *KeySet
	BeforeAt      time.Time // the upstream's clock when Before was listed
	AfterAt       time.Time // the upstream's clock when After was listed
	// Refused counts ids that were listed and are kept out for a stated reason, by reason (filtered, rejected).
	Refused map[string]int
	// Excluded are the ids counted in Refused; they must not be live.
	Excluded *KeySet
	// Warnings are what the Pull found beside those of the Structure, for the operator. No values.
	Warnings []string
	// Unproven is set, in words, where the source knows that something could not be proved.
	Unproven string
	// Requests, Bytes and LogRows are what the Pull and its Describe cost the upstream: requests sent, bytes of decoded
	// answers, rows that the upstream's own log keeps of them (0 where it keeps none).
	Requests, Bytes, LogRows int64
	// Soft counts values that are stored as they are although they break a rule of the source, in words: by field and rule.
	Soft map[string]int
}
