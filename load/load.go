// Package load keeps the warehouse: it makes tables agree with what a source says of itself, merges batches
// into them, and writes the ledger (runs, claims, marks, slots, rejects) in the same transactions.
//
// What comes in: extract.Structure and extract.Batch. What goes out: rows in Postgres, counts that add up, and
// what a verdict needs. It promises that a batch is loaded once however often it is handed in, that unchanged rows
// are not touched, that a holder whose claim was taken writes nothing, and that nothing from a source reaches SQL
// except as a quoted identifier or a parameter. It must never know the name of a source.
package load

// Run is a claimed right to write for (job, chunk), with the row in syncd.run that tells of it. It is used by one
// goroutine, except for Beat.
type Run struct {
	w      *Warehouse
	id     int64
	job    string
	chunk  string
	schema string // base schema of the job
	epoch  int64
	seq    int64  // of the next batch
	tables tables // as Agree found or made them
	state  merged
}
