package load

import (
	"context"
	_ "embed"
	"time"
)

//go:embed sql/usage_runs.sql
var usageRunsSQL string

// Usage is what one run cost its source.
type Usage struct {
	Job  string
	From time.Time
	To   time.Time // the present where it is under way
	Requests, Bytes,
	LogRows int64 // rows that the upstream's own log keeps of the run
}

// Usage lists the runs of the jobs of a source that began since an instant, by job and time.
func (w *Warehouse) Usage(ctx context.Context, source string, since time.Time) ([]Usage, error) {
	all, err := collect[Usage](ctx, w, usageRunsSQL, source, since)
	return all, fault("read usage of "+source, err)
}
