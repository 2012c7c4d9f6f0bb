package load

import (
	"context"

	"syncd/extract"
)

type merged struct{}

// Load makes the warehouse agree with a batch inside its scope, in one transaction.
func (r *Run) Load(ctx context.Context, b *extract.Batch) (*Result, error) { return nil, nil }
