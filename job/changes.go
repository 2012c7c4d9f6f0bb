package job

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"syncd/extract"
	"syncd/load"
)

// reread keeps the ids that the batches of a run by changes were the whole truth about, by the first table of their scope.
type reread struct {
	wanted bool
	ids    map[*extract.Table]*extract.KeySet
}

// begin starts anew. A run that reads everything, or the first, has nothing to keep: its proof is another.
func (r *reread) begin(since extract.Since) {
	*r = reread{wanted: !since.Full && len(since.Marks) > 0, ids: map[*extract.Table]*extract.KeySet{}}
}

// add notes a batch that was committed.
func (r *reread) add(b *extract.Batch) {
	if !r.wanted || b.Scope == nil || b.Scope.Width != 1 || b.Closing != nil || len(b.Scope.Tables) == 0 {
		return
	}
	ids := r.ids[b.Scope.Tables[0]]
	if ids == nil {
		ids = new(extract.KeySet)
		r.ids[b.Scope.Tables[0]] = ids
	}
	for _, key := range b.Scope.Keys {
		ids.Add(key[0])
	}
}

// sort makes the ids ready to be asked for.
func (r *reread) sort() {
	for _, ids := range r.ids {
		ids.Sort()
	}
}

// has reports whether an id was read again, whatever tables it was read for.
func (r *reread) has(id string) bool {
	for _, ids := range r.ids {
		if ids.Has(id) {
			return true
		}
	}
	return false
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
func proveChanges(p *extract.Proof, read *reread) load.Proof {
	read.sort()
	if p.Changed != nil {
		return proveChangedLists(p, read)
	}
	proof := load.Proof{Name: "changes", At: p.BeforeAt.UTC()}
	if p.Named == nil {
		proof.Reason = "the source did not say which ids had changed"
		return proof
	}
	p.Named.Sort()
	var again, gone, kept, missed int64
	for id := range p.Named.All() {
		switch {
		case read.has(id):
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
	return missing(proof, missed)
}

// proveChangedLists does so for a source of several lists, each for itself: the same id may stand in many.
func proveChangedLists(p *extract.Proof, read *reread) load.Proof {
	proof := load.Proof{Name: "changes"}
	var again, missed int64
	for _, l := range p.Changed {
		if proof.At.IsZero() || l.At.Before(proof.At) {
			proof.At = l.At.UTC()
		}
		l.Keys.Sort()
		for id := range l.Keys.All() {
			if read.ids[l.Tables[0]].Has(id) {
				again++
			} else {
				missed++
			}
		}
	}
	proof.Counts = map[string]int64{"named": again + missed, "read_again": again, "missed": missed}
	return missing(proof, missed)
}

// missing makes a proof of how many of the ids that were named were not read again.
func missing(proof load.Proof, missed int64) load.Proof {
	proof.Holds = missed == 0
	if missed > 0 {
		proof.Broken = true
		proof.Reason = fmt.Sprintf("%d ids that the source named as changed were not read again", missed)
	}
	return proof
}
