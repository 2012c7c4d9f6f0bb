package redcap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"syncd/extract"
)

// vanished finds the stored ids that are in neither list; none where the first list had all that was stored before and the
// run lost nothing since. That a project is empty is believed only if an export in another format says so, too.
func (p *pull) vanished(ctx context.Context, stored extract.Stored) ([][]string, error) {
	if stored == nil || len(p.found.gone) == 0 && len(p.changed.lost) == 0 && p.gone.Len() == 0 {
		return nil, nil
	}
	if err := p.r.hand.Settled(); err != nil { // what is stored is asked next
		return nil, err
	}
	var keys [][]string
	err := stored.Keys(ctx, p.model.record, func(key string) error {
		if !p.before.ids.Has(key) && !p.after.ids.Has(key) || p.gone.Has(key) {
			keys = append(keys, []string{key})
		}
		return nil
	})
	if err != nil || len(keys) == 0 || p.before.ids.Len() > 0 || p.after.ids.Len() > 0 || p.cfg.Options.RecordsWhere != "" {
		return keys, err
	}
	return keys, p.proveEmpty(ctx)
}

// proveEmpty asks for the ids in CSV; any row says that the empty lists were not true.
func (p *pull) proveEmpty(ctx context.Context) error {
	q := question{
		what: "prove that the project is empty", resource: "record, ids only", content: "record", format: "csv",
		extra: func(b *params) {
			b.add("type", "flat")
			b.list("fields", []string{p.model.idField})
		},
	}
	a, err := p.ask(ctx, q, nil)
	if err != nil {
		return err
	}
	var sh sheet
	if err := sh.split(a.body); err != nil {
		return p.explain(q, errorText(a.body, err))
	}
	if sh.len() > 1 || sh.len() == 1 && string(sh.cell(0, 0)) != p.model.idField {
		return p.explain(q, errorText(a.body, errors.New("the list of record ids was empty, and an export is not")))
	}
	return nil
}

// vanishing is the one batch of a run that says what is gone, so that the brake sees all of it.
func (p *pull) vanishing(keys [][]string) *extract.Batch {
	reason := reasonGone
	if p.cfg.Options.RecordsWhere != "" {
		reason = "deleted at source or outside records_where"
	}
	return &extract.Batch{
		Scope:    &extract.Scope{Tables: p.model.recordTables(), Width: 1, Keys: keys, Reason: reason},
		Vanished: true,
		Doubt:    strings.Join(p.doubts(), "; "),
		Wary:     p.reading.wary,
		Marks:    p.lastMarks(),
		Memo:     p.lastMemo(),
		Blocked:  p.barred.rows(),
		Done:     p.r.done, Total: p.r.total,
	}
}

// doubts are the reasons why what is not listed may be there all the same.
func (p *pull) doubts() []string {
	all := slices.Clone(p.reading.doubt)
	if p.model.bound && p.viewed != viewOfGroup {
		all = append(all, fmt.Sprintf("%v, and was not at the last good run", errBoundUser))
	}
	if p.after.ids.Len() == 0 {
		all = append(all, "the list of records is empty")
	}
	return all
}

// proof says what was listed, when, and what of it is kept out.
func (p *pull) proof() *extract.Proof {
	proof := &extract.Proof{
		Full:   p.full,
		Named:  p.named,
		Table:  p.model.record,
		Before: p.before.ids, After: p.after.ids, BeforeAt: p.before.at, AfterAt: p.after.at,
		Refused: p.after.refused, Excluded: p.after.out,
		Soft: p.r.d.softCounts(),
	}
	if p.all != nil {
		for id := range p.all.All() {
			if !p.before.ids.Has(id) && !p.after.ids.Has(id) {
				proof.Refused[refusedFilter]++
				proof.Excluded.Add(id)
			}
		}
		proof.Excluded.Sort()
	}
	return proof
}
