package load

import (
	"context"

	"syncd/extract"
)

// Change is one change of structure.
type Change struct {
	Schema, Table, Column string
	Kind                  string // create, add, widen, retire, return, rename, index, comment, retype
	Detail                string // in words
	Reason                string // why it waits; empty where it was applied
}

// Changes is what Agree did and what it could not do.
type Changes struct {
	Applied []Change
	Pending []Change
	// Blocked are tables that cannot be loaded, by qualified name, each with the reason.
	Blocked map[string]string
}

// Statement is one statement of a plan, complete with its semicolon.
type Statement struct {
	Change
	SQL string
}

// Agree makes the tables of the job agree with what the source says of itself.
func (r *Run) Agree(ctx context.Context, s *extract.Structure) (*Changes, error) { return nil, nil }

// Plan returns the statements that would make the tables of a job agree with a structure. It changes nothing.
func (w *Warehouse) Plan(ctx context.Context, job, schema string, s *extract.Structure) ([]Statement, error) {
	return nil, nil
}

type tables map[string]*table

type table struct{}
