package job

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"syncd/extract"
	"syncd/load"
)

// named is how many tables a reason names before it says how many more there are.
const named = 5

// prove makes the proofs of a run and the verdict of them: ids and cells of a full run, ids and changes of one by changes. All
// numbers come from the warehouse as it is now, none from what the run believes to have written.
func (x *execution) prove(ctx context.Context, stored extract.Stored) error {
	x.tell(Proving)
	if x.proof == nil {
		x.proof = &extract.Proof{Unproven: "the source proved nothing"}
	}
	if x.proof.Pushed {
		x.ending.Proofs = []load.Proof{proveSettled(x.proof, x.settled)}
		x.ending.Verdict, x.ending.Reason = verdict(x.ending.Proofs, x.proof.Unproven)
		return nil
	}
	x.rep.Full = x.proof.Full
	var proofs []load.Proof
	if x.proof.Full || len(x.proof.Listed) > 0 || x.proof.Changed == nil { // one of several lists may have had none to read to its end
		ids, err := proveIDs(ctx, stored, x.proof)
		if err != nil {
			return err
		}
		proofs = append(proofs, ids)
	}
	var err error
	second := x.read.loaded(proveChanges(x.proof, &x.reread))
	if x.proof.Full {
		second, err = x.proveCells(ctx)
	} else {
		err = x.countTouched(ctx)
	}
	if err != nil {
		return err
	}
	x.warnings = append(x.warnings, softWarnings(x.proof.Soft)...)
	x.ending.Proofs = append(proofs, second)
	x.ending.Verdict, x.ending.Reason = verdict(x.ending.Proofs, x.proof.Unproven)
	return nil
}

// verdict is mismatch where a proof shows one, proven where all hold and the source has no doubt, else unproven.
func verdict(proofs []load.Proof, doubt string) (load.Verdict, string) {
	var broken, open []string
	for _, p := range proofs {
		switch {
		case p.Broken:
			broken = append(broken, p.Name+": "+p.Reason)
		case !p.Holds:
			open = append(open, p.Name+": "+p.Reason)
		}
	}
	if doubt != "" {
		open = append(open, doubt)
	}
	switch {
	case len(broken) > 0:
		return load.Mismatch, strings.Join(broken, "; ")
	case len(open) > 0:
		return load.Unproven, strings.Join(open, "; ")
	}
	return load.Proven, ""
}

// proveIDs compares the ids that the source listed with those that are live: ids in both lists must be live, ids in
// neither and ids that are kept out must not. What is in one list only came or went while the run was under way.
func proveIDs(ctx context.Context, stored extract.Stored, p *extract.Proof) (load.Proof, error) {
	if p.Listed != nil {
		return proveLists(ctx, stored, p)
	}
	proof := load.Proof{Name: "ids", At: p.AfterAt.UTC()}
	if p.Table == nil || p.Before == nil || p.After == nil {
		proof.Reason = "the source did not list its ids"
		return proof, nil
	}
	for _, s := range []*extract.KeySet{p.Before, p.After, p.Excluded} {
		if s != nil {
			s.Sort()
		}
	}
	if p.Before == p.After && disjoint(p.Excluded, p.Before) { // then none that is kept out can be among those that must be live
		same, err := stored.Same(ctx, p.Table, p.Before)
		if err != nil {
			return proof, err
		}
		if same {
			n := int64(p.Before.Len())
			proof.Holds, proof.Counts = true, idsCounts(p, n, n)
			return proof, nil
		}
	}
	live := new(extract.KeySet)
	if err := stored.Keys(ctx, p.Table, func(key string) error { live.Add(key); return nil }); err != nil {
		return proof, err
	}
	live.Sort()

	var listed, later, missing, extra, excluded int64
	for id := range p.Before.All() {
		switch {
		case !p.After.Has(id):
			later++
		case p.Excluded.Has(id):
		default:
			listed++
			if !live.Has(id) {
				missing++
			}
		}
	}
	for id := range p.After.All() {
		if !p.Before.Has(id) {
			later++
		}
	}
	for id := range live.All() {
		switch {
		case p.Excluded.Has(id):
			excluded++
		case !p.Before.Has(id) && !p.After.Has(id):
			extra++
		}
	}
	proof.Counts = idsCounts(p, listed, int64(live.Len()))
	for name, n := range map[string]int64{"later": later, "missing": missing, "extra": extra, "kept_out_live": excluded} {
		proof.Counts[name] = n
	}
	proof.Holds = missing == 0 && extra == 0 && excluded == 0
	if !proof.Holds {
		proof.Broken = true
		proof.Reason = idsReason(p.Table.Name, missing, extra, excluded)
	}
	return proof, nil
}

// disjoint reports whether no id of one sorted set is in the other.
func disjoint(some, others *extract.KeySet) bool {
	for id := range some.All() {
		if others.Has(id) {
			return false
		}
	}
	return true
}

// idsCounts are the numbers behind the proof of ids, none of them of what is wrong.
func idsCounts(p *extract.Proof, listed, live int64) map[string]int64 {
	counts := map[string]int64{
		"listed": listed, "live": live, "later": 0,
		"missing": 0, "extra": 0, "kept_out": int64(p.Excluded.Len()), "kept_out_live": 0,
	}
	for reason, n := range p.Refused {
		counts["refused: "+reason] = int64(n)
	}
	return counts
}

func idsReason(table string, missing, extra, excluded int64) string {
	var parts []string
	for _, p := range []struct {
		n    int64
		text string
	}{
		{missing, "%d listed at the source are not in " + table},
		{extra, "%d in " + table + " are not at the source"},
		{excluded, "%d that are to be kept out are in " + table},
	} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf(p.text, p.n))
		}
	}
	return strings.Join(parts, ", ")
}

// tally is what the batches of a run decoded, by table.
type tally map[tableName]*tableTally

type tableName struct{ schema, table string }

func (n tableName) String() string { return n.schema + "." + n.table }

type tableTally struct {
	keys     int64 // distinct keys decoded; a scope that was loaded again counts once
	rejected int64
	blocked  int64
	open     bool  // rows came without a scope: the batches are not the whole truth about the table
	unread   bool  // a key could not be read, so that nothing was moved out
	touched  bool  // rows came or went
	gone     int64 // rows moved out as vanished: this run may have read them before they went
	closed   bool  // a closing batch named all keys of the table
	closing  int64
}

// add counts one batch.
func (t tally) add(b *extract.Batch, r *load.Result) {
	for _, c := range r.Tables {
		name := tableName{c.Schema, c.Table}
		n := t[name]
		if n == nil {
			n = &tableTally{}
			t[name] = n
		}
		n.rejected += c.Rejected
		n.blocked += c.Blocked - c.Purged
		n.unread = n.unread || r.KeysUnread
		n.touched = n.touched || c.Inserted+c.Deleted > 0
		switch {
		case b.Closing != nil:
			if b.Scope != nil && b.Scope.Width == 0 {
				n.closed, n.closing = true, int64(b.Closing.Keys.Len())
			}
			continue
		case b.Scope == nil || !inScope(b.Scope, c.Table):
			n.open = n.open || c.Read > c.Purged || brings(b, c.Table)
		}
		if b.Vanished {
			n.gone += c.Deleted
		}
		n.keys += c.Keys
		if b.Again {
			n.keys -= c.Stored
		}
	}
}

// loaded lets a proof hold only if no row waits for its table.
func (t tally) loaded(p load.Proof) load.Proof {
	var waiting []string
	for _, name := range sortedTables(t) {
		if n := t[name].blocked; n > 0 {
			waiting = append(waiting, fmt.Sprintf("%d rows of %s wait for a change of structure", n, name))
		}
	}
	if p.Holds && len(waiting) > 0 {
		p.Holds, p.Reason = false, few(waiting)
	}
	return p
}

// brings reports whether a batch has rows of a table, be it none of them this time.
func brings(b *extract.Batch, table string) bool {
	return slices.ContainsFunc(b.Rows, func(r *extract.Rows) bool { return r.Table.Name == table })
}

func inScope(s *extract.Scope, table string) bool {
	return slices.ContainsFunc(s.Tables, func(t *extract.Table) bool { return t.Name == table })
}

// proveCells compares the live rows of every table with the distinct keys that were decoded for it. A table whose rows
// came without a scope is only ever added to, and one that could not be loaded has its own warning; neither says
// anything about the others.
func (x *execution) proveCells(ctx context.Context) (load.Proof, error) {
	proof := load.Proof{Name: "cells", Holds: true, At: x.proof.BeforeAt.UTC(), Counts: map[string]int64{}}
	var wrong, doubtful []string
	for _, table := range x.source.Tables {
		name := tableName{x.order.Schema + string(table.Side), table.Name}
		if reason, blocked := x.rep.Changes.Blocked[name.String()]; blocked {
			doubtful = append(doubtful, name.String()+" could not be loaded: "+reason)
			continue
		}
		live, err := x.w.Live(ctx, name.schema, name.table)
		if err != nil {
			return proof, err
		}
		x.ending.Live = append(x.ending.Live, load.TableRows{Schema: name.schema, Table: name.table, Rows: live})
		proof.Counts["rows"] += live
		read := x.read[name]
		if x.proof.Listed != nil {
			if doubt, fault := proveListed(x.proof, table, live, read, proof.Counts); doubt != "" {
				doubtful = append(doubtful, name.String()+doubt)
			} else if fault != "" {
				wrong = append(wrong, name.String()+fault)
			}
			continue
		}
		if read == nil && live > 0 { // a right is missing, and the source has said so
			doubtful = append(doubtful, name.String()+" was not read and stays as it is")
			continue
		}
		if read == nil {
			read = &tableTally{}
		}
		switch least, most, doubt := read.expected(); {
		case doubt != "":
			doubtful = append(doubtful, name.String()+": "+doubt)
		case least < 0:
			proof.Counts["added_to"]++
		case live < least || live > most:
			wrong = append(wrong, fmt.Sprintf("%s holds %d rows where %d were read", name, live, least))
		default:
			proof.Counts["tables"]++
		}
	}
	proof.Counts["wrong"] = int64(len(wrong))
	switch {
	case len(wrong) > 0:
		proof.Holds, proof.Broken, proof.Reason = false, true, few(wrong)
	case len(doubtful) > 0:
		proof.Holds, proof.Reason = false, few(doubtful)
	}
	return proof, nil
}

// expected is how many live rows a table may hold after the run: as many as keys were decoded, so many more as rows were
// refused, whose stored predecessors stay, and so many fewer as vanished, which may have been read before. least is -1 where nothing can be expected.
func (t *tableTally) expected() (least, most int64, doubt string) {
	switch {
	case t.unread:
		return 0, 0, "a key could not be read, so that nothing was moved out"
	case t.blocked > 0:
		return 0, 0, fmt.Sprintf("%d rows wait for a change of structure", t.blocked)
	case t.closed:
		return t.closing - t.rejected, t.closing, ""
	case t.open:
		return -1, -1, ""
	}
	return t.keys - t.gone, t.keys + t.rejected, ""
}

func few(list []string) string {
	if len(list) <= named {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:named], ", "), len(list)-named)
}
