package redcap

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"syncd/extract"
)

// MarkServerTime is the mark that a finished pull leaves: the server's clock before its first request, RFC 3339, UTC.
const MarkServerTime = "server_time"

// markView is the mark of how much of the project a finished pull could see, once that was less than all of it.
const (
	markView    = "view"
	viewOfGroup = "group"
	viewOfAll   = "project"
	nextUnbound = "Nothing was deleted. Take the token's user out of the group; or, if the job shall hold that group alone, give it another schema."
)

// Pull reads structure and records and hands them on. Every run reads everything; since tells only what is stored.
func (s *Source) Pull(ctx context.Context, since extract.Since, yield func(*extract.Batch) error) (*extract.Proof, error) {
	if s.model == nil {
		return nil, extract.Errorf(extract.KindInternal, "pull", "Describe was not called")
	}
	return overlap(ctx, yield, func(ctx context.Context, hand *handoff) (*extract.Proof, error) {
		return s.pull(ctx, since, hand)
	})
}

func (s *Source) pull(ctx context.Context, since extract.Since, hand *handoff) (*extract.Proof, error) {
	s.viewed = since.Marks[markView]
	r := s.newReader(hand)
	proof := &extract.Proof{Full: true}
	var err error
	if s.cfg.Options.pulls(pullRecords) {
		proof, err = s.pullRecords(ctx, since, r)
	} else if err = s.giveMeta(hand); err == nil {
		err = r.flush(s.marks())
	}
	if err != nil {
		return nil, err
	}
	requests, bytes := s.cfg.Client.Stats()
	proof.Requests, proof.Bytes = requests-s.requests, bytes-s.bytes
	proof.LogRows = proof.Requests // each answered call is a row of REDCap's log
	return proof, nil
}

// giveMeta hands on the structure, after the records were read by it: what did not hold while they were is not stored.
func (s *Source) giveMeta(hand *handoff) error {
	for _, t := range s.model.meta.list {
		if t.held {
			continue
		}
		if err := hand.give(t.batch()); err != nil {
			return err
		}
	}
	return nil
}

func (s *Source) marks() []extract.Mark {
	marks := []extract.Mark{{Name: MarkServerTime, Value: s.serverTime(s.began).Format(time.RFC3339)}}
	switch {
	case s.model.bound:
		marks = append(marks, extract.Mark{Name: markView, Value: viewOfGroup})
	case s.viewed != "":
		marks = append(marks, extract.Mark{Name: markView, Value: viewOfAll})
	}
	return marks
}

// pull is one reading of the records.
type pull struct {
	*Source
	r             *reader
	before, after *idList
	changed       difference
	all           *extract.KeySet // without records_where; nil where the job has none
	first         bool            // nothing was stored when the pull began
	gone          *extract.KeySet // listed before, in no later list, and not returned
}

// pullRecords reads every record that is listed, lists once more, and accounts for what came and went meanwhile.
func (s *Source) pullRecords(ctx context.Context, since extract.Since, r *reader) (*extract.Proof, error) {
	p := &pull{Source: s, r: r, gone: new(extract.KeySet)}
	where := s.cfg.Options.RecordsWhere
	var err error
	if len(since.Marks) == 0 && since.Stored != nil {
		if p.first, err = since.Stored.Same(ctx, s.model.record, nil); err != nil {
			return nil, err
		}
	}
	if where != "" {
		list, err := s.listIDs(ctx, "")
		if err != nil {
			return nil, err
		}
		p.all = list.ids
	}
	if p.before, err = s.listIDs(ctx, where); err != nil {
		return nil, err
	}
	r.total = int64(p.before.ids.Len())
	if s.model.askedForms(s.cfg.Options) == nil {
		r.rows = &p.before.rows
	}
	r.fill.reject = append(r.fill.reject, p.before.rejects...)
	if len(p.before.rejects) > 0 {
		if err := r.flush(nil); err != nil { // on their own: no key, so that nothing of their batch would be moved out
			return nil, err
		}
	}
	if err := p.readListed(ctx, where); err != nil {
		return nil, err
	}
	if err := p.readOthers(ctx); err != nil {
		return nil, err
	}
	if err := s.giveMeta(r.hand); err != nil {
		return nil, err
	}
	vanished, err := p.vanished(ctx, since.Stored)
	if err != nil {
		return nil, err
	}
	if len(vanished) == 0 {
		if err := r.flush(s.marks()); err != nil {
			return nil, err
		}
		return p.proof(), nil
	}
	if err := r.flush(nil); err != nil {
		return nil, err
	}
	return p.proof(), r.hand.give(p.vanishing(vanished))
}

// readListed reads the ids of the first list, and lists again.
func (p *pull) readListed(ctx context.Context, where string) error {
	next := listed(p.before.ids)
	for {
		if err := p.r.read(ctx, next); err != nil {
			return err
		}
		var err error
		if p.after, p.changed, err = p.listAgain(ctx, where, p.before); err != nil {
			return err
		}
		if len(p.r.pending) < mostPending {
			return nil
		}
		if err := p.settle(ctx); err != nil {
			return err
		}
	}
}

// readOthers accounts for the ids that stand in one list only, and for those that were listed and not returned.
func (p *pull) readOthers(ctx context.Context) error {
	if err := p.settle(ctx); err != nil {
		return err
	}
	created, lost := p.changed.created, p.changed.lost
	p.r.total += int64(len(created))
	if err := p.r.read(ctx, each(created)); err != nil {
		return err
	}
	if err := p.settle(ctx); err != nil {
		return err
	}
	if len(lost) == 0 {
		return nil
	}
	if err := p.r.flush(nil); err != nil {
		return err
	}
	p.r.gone, p.r.again = p.gone.Add, true
	defer func() { p.r.gone, p.r.again = nil, false }()
	if err := p.r.read(ctx, each(lost)); err != nil {
		return err
	}
	p.gone.Sort()
	return p.r.flush(nil)
}

// settle asks one by one for what was not returned although the last list still has it. What is not returned even
// then fails the run: nothing may be taken for deleted.
func (p *pull) settle(ctx context.Context) error {
	var still []string
	for _, id := range p.r.pending {
		if p.after.ids.Has(id) {
			still = append(still, id)
		} // else it is lost, and read again as such
	}
	p.r.pending = nil
	if len(still) == 0 {
		return nil
	}
	if len(still) < mostPending {
		for _, id := range still {
			p.r.queue = append(p.r.queue, item{ids: []string{id}, second: true, patient: true})
		}
		if err := p.r.read(ctx, each(nil)); err != nil {
			return err
		}
		still, p.r.pending = p.r.pending, nil
	}
	if len(still) == 0 {
		return nil
	}
	if hashed(still) {
		return &extract.Error{
			Kind: extract.KindRights, What: "export records", Where: p.cfg.Server, Cause: p.notReturned(len(still)),
			Next: "The record ids look like hashes: give the token's user the Full Data Set export right, not De-Identified.",
		}
	}
	if err := p.quarantine(still); err != nil {
		return err
	}
	return &extract.Error{
		Kind: extract.KindGarbled, What: "export records", Where: p.cfg.Server, Cause: p.notReturned(len(still)),
		Next: "Nothing was deleted. Ask REDCap's administrator whether exports of this project are cut; skip_forms makes them smaller.",
	}
}

func (p *pull) notReturned(n int) error {
	return fmt.Errorf("%d records are listed and were not returned", n)
}

// quarantine leaves word of the records that the server listed and would not return; they count as present.
func (p *pull) quarantine(ids []string) error {
	if err := p.r.flush(nil); err != nil {
		return err
	}
	b := &extract.Batch{Done: p.r.done, Total: p.r.total}
	for _, id := range ids {
		b.Rejects = append(b.Rejects, extract.Reject{Table: p.model.record, Key: []string{id}, Rule: ruleNotReturned, Raw: []byte(id)})
	}
	return p.r.hand.give(b)
}

const ruleNotReturned = "listed by the server and not returned"

// hashShape is what De-Identified users see in place of a record id.
var hashShape = regexp.MustCompile(`^[0-9a-f]{32}$`)

func hashed(ids []string) bool {
	for _, id := range ids {
		if !hashShape.MatchString(id) {
			return false
		}
	}
	return true
}

// vanished finds the stored ids that are in neither list. What a user sees who was put into a data access group since
// the last good run says nothing about the others. That a project is empty is believed only if an export in
// another format says so, too.
func (p *pull) vanished(ctx context.Context, stored extract.Stored) ([][]string, error) {
	if stored == nil {
		return nil, nil
	}
	if err := p.r.hand.settled(); err != nil { // what is stored is asked next
		return nil, err
	}
	if p.after.ids == p.before.ids && p.gone.Len() == 0 {
		if p.first {
			return nil, nil // what is stored was listed, read and not lost
		}
		if same, err := stored.Same(ctx, p.model.record, p.before.ids); same || err != nil {
			return nil, err
		}
	}
	var keys [][]string
	err := stored.Keys(ctx, p.model.record, func(key string) error {
		if !p.before.ids.Has(key) && !p.after.ids.Has(key) || p.gone.Has(key) {
			keys = append(keys, []string{key})
		}
		return nil
	})
	if err == nil && len(keys) > 0 && p.model.bound && p.viewed != viewOfGroup {
		return nil, &extract.Error{
			Kind: extract.KindRights, What: "list record ids", Where: p.cfg.Server,
			Cause: fmt.Errorf("%d stored records are out of sight: %w, and was not at the last good run", len(keys), errBoundUser), Next: nextUnbound,
		}
	}
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
		Scope:    &extract.Scope{Tables: p.model.live, Width: 1, Keys: keys, Reason: reason},
		Vanished: true,
		Marks:    p.marks(),
		Done:     p.r.done, Total: p.r.total,
	}
}

// proof says what was listed, when, and what of it is kept out.
func (p *pull) proof() *extract.Proof {
	proof := &extract.Proof{
		Full:   true,
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

// listed returns the ids of a set one by one.
func listed(ids *extract.KeySet) func() (string, bool) {
	i := 0
	return func() (string, bool) {
		if i >= ids.Len() {
			return "", false
		}
		i++
		return ids.At(i - 1), true
	}
}

func each(ids []string) func() (string, bool) {
	return func() (string, bool) {
		if len(ids) == 0 {
			return "", false
		}
		id := ids[0]
		ids = ids[1:]
		return id, true
	}
}
