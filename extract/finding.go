package extract

import (
	"context"
	"errors"
)

// Checked is a Source that can be looked at before its first run.
type Checked interface {
	// Check looks at the source as a run would, without reading a record. It goes on after what can be gone on after.
	Check(ctx context.Context) []Finding
}

// Finding is one thing that was looked at. It holds no value and no secret.
type Finding struct {
	What    string // "token", "rights", "records"
	OK      bool
	Warning bool   // not as it should be, and no reason for a run to fail
	Detail  string // what was seen
	Next    string // what to type or whom to ask; empty where nothing is needed
}

// Failed is the finding that an error makes. What to do next is the error's own word for it, or otherwise.
func Failed(what string, err error, otherwise string) Finding {
	f := Finding{What: what, Detail: err.Error(), Next: otherwise}
	var e *Error
	if errors.As(err, &e) && e.Next != "" {
		f.Next = e.Next
	}
	return f
}
