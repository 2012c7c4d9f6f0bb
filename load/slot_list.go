package load

import (
	"context"
	_ "embed"
	"time"
)

//go:embed sql/slot_list.sql
var slotListSQL string

// SlotFacts is what the ledger knows of the slots of one kind of a job.
type SlotFacts struct {
	Job, Kind string
	Since     time.Time  // when the present schedule was first seen
	Recorded  *time.Time // the last slot recorded

	LastAt     *time.Time // the last slot that has ended, and how
	LastState  string
	LastReason string
	LastRun    int64

	Bad      int64 // slots that failed or were skipped since the last that succeeded, and the first of them
	BadSince *time.Time

	Due       int64 // slots that wait to be run, the first of them and why it waits, where that is known
	DueSince  *time.Time
	DueReason string

	RunID int64 // the run that has a slot now; 0: none
	RunAt *time.Time
}

// SlotFacts tells of every job that a planner has seen how its slots of each kind stand.
func (w *Warehouse) SlotFacts(ctx context.Context, kinds []string) ([]SlotFacts, error) {
	all, err := collect[SlotFacts](ctx, w, slotListSQL, kinds)
	return all, fault("list slots", err)
}
