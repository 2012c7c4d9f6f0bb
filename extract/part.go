package extract

import (
	"context"
	"time"
)

// Step is a step of a pull that is made in parts.
type Step uint8

// The steps: the ids are collected; each part reads some of them; at last comes what no part can know.
const (
	Collect Step = iota + 1
	Read
	Finish
)

// Part asks for one step of a pull that is made in parts, each a run of its own, in any order, by anybody. Read and Finish find
// in Since.Memo what Collect kept, and take the structure from it: where the source has another by now they end with KindDrift.
type Part struct {
	Step     Step
	From, To time.Time // Collect: of what changed in between; zero: everything
	IDs      []string  // Read: these and nothing else. What is not at the source any more is left as it is stored
	Least    []int32   // Read: Collected.Least of those ids
	Kept     *Kept     // Finish: what the last batch carries; nil: nothing
}

// Kept is what a pull leaves for the next one once all of it is there.
type Kept struct {
	Marks []Mark
	Memo  []byte
}

// Collected is what Collect found, or a pull of everything that may be interrupted.
type Collected struct {
	IDs   *KeySet // sorted
	Least []int32 // how many rows of each id were seen; nil where no id has more than one
	Kept  Kept    // without Marks each part leaves its own, and nothing is to be finished
	// Size is how many ids a part has, and Serial that parts may not be read at once, where the source has no choice.
	Size   int
	Serial bool
}

// Parts keeps what is collected. The run implements it.
type Parts interface {
	// Keep keeps the ids that are to be read. At a pull of everything it answers what an earlier one that was interrupted
	// would have left: what is stored was read by that one, and need not be read again. nil: there was none.
	Keep(ctx context.Context, c Collected) (*Kept, error)
}
