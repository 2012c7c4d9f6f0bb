package job

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"syncd/extract"
	"syncd/load"
)

// reread keeps the ids that the batches of a run by changes were the whole truth about.
type reread struct {
	wanted bool
	ids    *extract.KeySet
}

// begin starts anew. A run that reads everything, or the first, has nothing to keep: its proof is another.
func (r *reread) begin(since extract.Since) {
	*r = reread{wanted: !since.Full && len(since.Marks) > 0, ids: new(extract.KeySet)}
}

// add notes a batch that was committed.
func (r *reread) add(b *extract.Batch) {
	if !r.wanted || b.Scope == nil || b.Scope.Width != 1 || b.Closing != nil {
		return
	}
	for _, key := range b.Scope.Keys {
		r.ids.Add(key[0])
	}
}

// countTouched counts the live rows of the tables whose number of rows changed.
func (x *execution) countTouched(ctx context.Context) error {
	for _, name := range sortedTables(x.read) {
		if !x.read[name].touched {
			continue
		}
		live, err := x.w.Live(ctx, name.schema, name.table)
		if err != nil {
			return err
		}
		x.ending.Live = append(x.ending.Live, load.TableRows{Schema: name.schema, Table: name.table, Rows: live})
	}
	return nil
}

func sortedTables(t tally) []tableName {
	names := make([]tableName, 0, len(t))
	for name := range t {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b tableName) int { return strings.Compare(a.String(), b.String()) })
	return names
}

// proveChanges compares the ids that the source named as changed with those that batches were the whole truth about: each
// must have been read again, or moved out, unless the source no longer lists it and the warehouse never held it.
func proveChanges(p *extract.Proof, read *extract.KeySet) load.Proof {
	proof := load.Proof{Name: "changes", At: p.BeforeAt.UTC()}
	if p.Named == nil {
		proof.Reason = "the source did not say which ids had changed"
		return proof
	}
	p.Named.Sort()
	read.Sort()
	var again, gone, kept, missed int64
	for id := range p.Named.All() {
		switch {
		case read.Has(id):
			again++
		case p.Excluded.Has(id):
			kept++
		case p.After != nil && !p.After.Has(id):
			gone++
		default:
			missed++
		}
	}
	proof.Counts = map[string]int64{"named": int64(p.Named.Len()), "read_again": again, "gone": gone, "kept_out": kept, "missed": missed}
	proof.Holds = missed == 0
	if missed > 0 {
		proof.Broken = true
		proof.Reason = fmt.Sprintf("%d ids that the source named as changed were not read again", missed)
	}
	return proof
}
