package load

import (
	"fmt"

	"syncd/extract"
)

// StaleError says that the claim of a run was taken by another holder: whatever the run still wants to write is
// refused.
type StaleError struct {
	Job, Chunk   string
	Mine, Theirs int64 // epochs
}

// Error tells who was refused.
func (e *StaleError) Error() string {
	return fmt.Sprintf("lock claim of %s: epoch %d was taken over by epoch %d", e.Job, e.Mine, e.Theirs)
}

// HeldError says that the brake holds a mass deletion until somebody approves the run.
type HeldError struct {
	RunID         int64
	Schema, Table string
	Going, Live   int64 // records that would go, of how many
}

// Error tells how much would go.
func (e *HeldError) Error() string {
	return fmt.Sprintf("move out rows of %s: %d of %d records would go; held for approval", e.Schema, e.Going, e.Live)
}

// Unwrap gives the error its kind.
func (e *HeldError) Unwrap() error {
	return &extract.Error{
		Kind: extract.KindHeld, What: "move out rows", Where: e.Schema,
		Cause: fmt.Errorf("%d of %d records would go", e.Going, e.Live),
		Next:  fmt.Sprintf("syncd approve %d", e.RunID),
	}
}
