package load

import (
	"fmt"
	"time"
)

// Counts are rows of one table by outcome.
type Counts struct {
	Read       int64 `json:"read"`
	Inserted   int64 `json:"inserted"`
	Updated    int64 `json:"updated"`
	Unchanged  int64 `json:"unchanged"`
	Reencoded  int64 `json:"reencoded"`
	Superseded int64 `json:"superseded"`
	Duplicate  int64 `json:"duplicate"`
	Rejected   int64 `json:"rejected"`
	Blocked    int64 `json:"blocked"`

	Deleted       int64 `json:"deleted"`       // moved out; not part of what was read
	NonConforming int64 `json:"nonconforming"` // values in _nonconforming
	Missing       int64 `json:"missing"`       // values in _missing

	Keys   int64 `json:"keys"`             // distinct keys that the batch decoded and that are stored now
	Stored int64 `json:"stored"`           // live rows of the scope before
	Purged int64 `json:"purged,omitempty"` // of Blocked: rows about people who were purged, and not of a table that cannot be loaded
}

// Add adds the counts of another batch.
func (c *Counts) Add(o Counts) {
	c.Read += o.Read
	c.Inserted += o.Inserted
	c.Updated += o.Updated
	c.Unchanged += o.Unchanged
	c.Reencoded += o.Reencoded
	c.Superseded += o.Superseded
	c.Duplicate += o.Duplicate
	c.Rejected += o.Rejected
	c.Blocked += o.Blocked
	c.Deleted += o.Deleted
	c.NonConforming += o.NonConforming
	c.Missing += o.Missing
	c.Keys += o.Keys
	c.Stored += o.Stored
	c.Purged += o.Purged
}

// Balance reports whether every row that was read has exactly one outcome.
func (c Counts) Balance() error {
	sum := c.Inserted + c.Updated + c.Unchanged + c.Reencoded + c.Superseded + c.Duplicate + c.Rejected + c.Blocked
	if c.Read != sum {
		return fmt.Errorf("balance counts: %d rows read, %d accounted for", c.Read, sum)
	}
	return nil
}

// TableResult is what one batch did to one table.
type TableResult struct {
	Schema string `json:"schema"`
	Table  string `json:"table"`
	Counts
}

// Result is what became of a batch.
type Result struct {
	Tables []TableResult `json:"tables"`
	// KeysUnread says that the key of a rejected row could not be read, so that nothing was moved out.
	KeysUnread bool `json:"keys_unread,omitempty"`
	// Kept counts rows that should have been moved out and stay, because there is no archive to move them to.
	Kept int64 `json:"kept,omitempty"`
	// Renamed counts records that were stored under another name; their rows count as updated.
	Renamed int64 `json:"renamed,omitempty"`
	// NewRejects counts rejects that were not open before this batch.
	NewRejects int64 `json:"new_rejects,omitempty"`
	// Replayed says that the batch had been committed before and its reply was lost; the counts are those of then.
	Replayed bool `json:"-"`
	// At is the batch's time by the clock of Postgres.
	At time.Time `json:"at"`
}

// Total returns the sum over all tables.
func (r *Result) Total() Counts {
	var c Counts
	for _, t := range r.Tables {
		c.Add(t.Counts)
	}
	return c
}
