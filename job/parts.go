package job

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"syncd/extract"
	"syncd/load"
)

// A first load of more records than large is cut into chunks of largeChunk by the run that makes it, so that one that is interrupted
// goes on where it was. They are large because one run reads them one after the other.
const (
	large      = 50_000
	largeChunk = 25_000
)

// automatic keeps the chunks of a first load that one run makes.
type automatic struct {
	x    *execution
	size int
	most int      // records of a load that is not cut
	id   int64    // of the backfill; 0: none
	ends []string // the last id of each chunk
	left []int    // records of each that are not loaded yet
}

// Keep implements extract.Parts.
func (a *automatic) Keep(ctx context.Context, c extract.Collected) (*extract.Kept, error) {
	if c.IDs.Len() <= a.most {
		if interrupted, err := a.x.w.InterruptedLoad(ctx, a.x.order.Job); err != nil || !interrupted {
			return nil, err
		}
	}
	id, left, err := a.x.w.KeepAutomatic(ctx, a.x.order, c, a.size)
	if err != nil {
		return nil, err
	}
	if left != nil {
		a.x.reread.wanted = true
		a.x.log.Info("first load goes on where an earlier run was interrupted", slog.Int64("backfill", id))
		return left, nil
	}
	a.id = id
	for at := 0; id != 0 && at < c.IDs.Len(); at += a.size {
		end := min(at+a.size, c.IDs.Len())
		a.ends, a.left = append(a.ends, c.IDs.At(end-1)), append(a.left, end-at)
	}
	return nil, nil
}

// note counts the records of a batch that was committed, and settles the chunks that are complete with it.
func (a *automatic) note(ctx context.Context, b *extract.Batch) error {
	if a == nil || a.id == 0 || b.Scope == nil || b.Scope.Width != 1 || b.Again || b.Vanished || b.Closing != nil {
		return nil
	}
	for _, key := range b.Scope.Keys {
		i, _ := slices.BinarySearch(a.ends, key[0])
		if i == len(a.ends) {
			continue // it came later
		}
		if a.left[i]--; a.left[i] == 0 {
			if err := a.x.w.ChunkLoaded(ctx, a.id, i+1, a.x.run.ID()); err != nil {
				return err
			}
		}
	}
	return nil
}

// inParts adds to where a run starts what it is told of parts: the one that it makes, or where it may keep those of a first load.
func (x *execution) inParts(since *extract.Since) {
	x.auto = nil
	if part := x.opt.Part; part != nil {
		since.Part, since.Parts = part, x.opt.Parts
		if x.opt.Memo != nil {
			since.Memo = x.opt.Memo
		}
		x.reread.wanted = part.Step != extract.Collect
		return
	}
	if len(since.Marks) == 0 && !since.Full && !since.Stale {
		x.auto = &automatic{x: x, size: orElse(x.largeChunk, largeChunk), most: orElse(x.large, large)}
		since.Parts = x.auto
	}
}

// endLoad ends the backfill of a first load that this run has completed.
func (x *execution) endLoad(ctx context.Context) {
	if x.opt.Part != nil || x.rep.State != load.Succeeded {
		return
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), endWithin)
	defer cancel()
	if err := x.w.EndLoaded(late, x.order.Job); err != nil {
		x.log.Warn("the backfill of the first load could not be ended; the next first load or syncd backfill cancel does it", slog.Any("error", err))
	}
}

func orElse(n, otherwise int) int {
	if n > 0 {
		return n
	}
	return otherwise
}

// provePart makes the proof of one step: what was collected, that each id of a chunk was read or is gone, or, at last, that the
// ids that are live are those that the source has.
func (x *execution) provePart(ctx context.Context, stored extract.Stored) error {
	if x.proof == nil {
		return extract.Errorf(extract.KindInternal, "read a part", "the source proved nothing")
	}
	x.tell(Proving)
	proof := load.Proof{Name: "collected", Holds: true, At: x.proof.BeforeAt.UTC(), Counts: map[string]int64{"listed": int64(x.proof.Before.Len())}}
	switch x.opt.Part.Step {
	case extract.Read:
		var err error
		if x.proof.Listed != nil {
			proof, err = proveLists(ctx, stored, x.proof)
		} else {
			proof = x.read.loaded(proveChanges(x.proof, &x.reread))
			proof.Name = "chunk"
		}
		if err != nil {
			return err
		}
		x.warnings = append(x.warnings, softWarnings(x.proof.Soft)...)
	case extract.Finish:
		if err := x.prove(ctx, stored); err != nil {
			return err
		}
		return x.countAll(ctx)
	}
	x.ending.Proofs = []load.Proof{proof}
	x.ending.Verdict, x.ending.Reason = verdict(x.ending.Proofs, x.proof.Unproven)
	return nil
}

// countAll counts the live rows of every table: chunks count none.
func (x *execution) countAll(ctx context.Context) error {
	x.ending.Live = nil
	for _, table := range x.source.Tables {
		name := tableName{x.order.Schema + string(table.Side), table.Name}
		if _, blocked := x.rep.Changes.Blocked[name.String()]; blocked {
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

// Collect finds out what a backfill of a job would read, and writes nothing.
func (r *Runner) Collect(ctx context.Context, o load.Order, open Open, part extract.Part) (c extract.Collected, err error) {
	x := &execution{w: r.Warehouse, order: o, open: open, rep: &Report{}, log: r.Log}
	err = x.guarded(func() error {
		src, err := open(ctx)
		if err != nil {
			return err
		}
		since, err := r.Warehouse.Marks(ctx, o, true)
		if err != nil {
			return err
		}
		if _, err := src.Describe(ctx, since); err != nil {
			return err
		}
		part.Step = extract.Collect
		since.Part, since.Parts = &part, noted{&c}
		_, err = src.Pull(ctx, since, func(*extract.Batch) error { return nil })
		return err
	})
	if err == nil && c.IDs == nil {
		err = extract.Errorf(extract.KindInternal, "collect "+o.Job, "the source named nothing")
	}
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("collect %s: %w", o.Job, context.Cause(ctx))
	}
	return c, err
}

// noted keeps what is collected in memory.
type noted struct{ into *extract.Collected }

// Keep implements extract.Parts.
func (n noted) Keep(_ context.Context, c extract.Collected) (*extract.Kept, error) {
	*n.into = c
	return nil, nil
}
