package load

import "fmt"

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
