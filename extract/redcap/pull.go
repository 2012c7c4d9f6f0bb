package redcap

import (
	"context"
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

// Pull reads what Describe found that it has to: every record, or those that changed since the last good run.
func (s *Source) Pull(ctx context.Context, since extract.Since, yield func(*extract.Batch) error) (*extract.Proof, error) {
	if s.model == nil {
		return nil, extract.Errorf(extract.KindInternal, "pull", "Describe was not called")
	}
	return extract.Overlap(ctx, yield, func(ctx context.Context, hand *extract.Handoff) (*extract.Proof, error) {
		return s.pull(ctx, since, hand)
	})
}

func (s *Source) pull(ctx context.Context, since extract.Since, hand *extract.Handoff) (*extract.Proof, error) {
	s.viewed, s.stored = since.Marks[markView], since.Stored
	r := s.newReader(hand, s.model)
	proof := &extract.Proof{Full: true}
	var err error
	switch {
	case since.Part != nil:
		proof, err = s.pullPart(ctx, since, r)
	case !s.cfg.Options.pulls(pullRecords):
		if err = s.giveMeta(hand); err == nil {
			err = (&pull{Source: s, r: r}).giveLog(ctx)
		}
		if err == nil {
			err = s.giveExtras(ctx, hand)
		}
		if err == nil {
			err = r.flush(s.marks())
		}
	case s.reading.full || s.reading.diff.all || since.Stored == nil:
		proof, err = s.pullRecords(ctx, since, r)
	default:
		proof, err = s.pullChanges(ctx, since, r)
	}
	if err != nil {
		return nil, err
	}
	proof.Requests, proof.Bytes, proof.LogRows = s.Cost()
	proof.Warnings = s.said
	return proof, nil
}

// giveMeta hands on the structure, after the records were read by it: what did not hold while they were is not stored, nor
// what is stored already.
func (s *Source) giveMeta(hand *extract.Handoff) error {
	if s.reading.known != nil && !s.reading.full && s.reading.same() {
		return nil
	}
	for _, t := range s.model.meta.list {
		if t.held {
			continue
		}
		if err := hand.Give(t.batch()); err != nil {
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
	full          bool
	before, after *idList
	changed       difference
	all           *extract.KeySet // without records_where; nil where the job has none, or only changes are read
	gone          *extract.KeySet // listed before, in no later list, and not returned
	found         found
	named         *extract.KeySet // what the source says has changed since the last good run; nil where it was not asked
}

// lot is some of the records to be read, one after the other.
type lot struct {
	next  func() (string, bool)
	model *model // nil: the whole
	drift bool   // nothing told of a change of these
}

// pullRecords reads every record that is listed, lists once more, and accounts for what came and went meanwhile. Those of
// which the source told that they changed come first: what differs among the others is drift.
func (s *Source) pullRecords(ctx context.Context, since extract.Since, r *reader) (*extract.Proof, error) {
	p := &pull{Source: s, r: r, full: true, gone: new(extract.KeySet)}
	where := s.cfg.Options.RecordsWhere
	var err error
	first := false // nothing is stored yet
	if len(since.Marks) == 0 && since.Stored != nil {
		if first, err = since.Stored.Same(ctx, s.model.record, nil); err != nil {
			return nil, err
		}
	}
	if where != "" {
		list, err := s.listIDs(ctx, listing{})
		if err != nil {
			return nil, err
		}
		p.all = list.ids
	}
	known := s.reading.known != nil && since.Stored != nil
	if err := p.list(ctx, where, known && s.grouped()); err != nil {
		return nil, err
	}
	if p.before.strange {
		return nil, drift("the data access group column went away")
	}
	if goesOn, err := p.goOn(ctx, since); err != nil {
		return nil, err
	} else if goesOn && !first {
		p.full = false
		return p.readRest(ctx, since)
	}
	parts := []lot{{next: listed(p.before.ids)}}
	if known {
		if parts, err = p.namedFirst(ctx, since.Stored); err != nil {
			return nil, err
		}
	} else if !first && since.Stored != nil {
		if err := p.compareList(ctx, since.Stored); err != nil {
			return nil, err
		}
	}
	p.suspectRenames()
	if err := p.readListed(ctx, where, parts); err != nil {
		return nil, err
	}
	return p.finish(ctx, since)
}

// list asks for the ids, and keeps those that cannot be read as rejects.
func (p *pull) list(ctx context.Context, where string, groups bool) (err error) {
	if p.before, err = p.listIDs(ctx, listing{where: where, groups: groups}); err != nil {
		return err
	}
	p.r.total = int64(p.before.ids.Len())
	if p.model.askedForms(p.cfg.Options) == nil {
		p.r.rows = &p.before.rows
	}
	p.r.fill.reject = append(p.r.fill.reject, p.before.rejects...)
	if len(p.before.rejects) > 0 {
		return p.r.flush(nil) // on their own: no key, so that nothing of their batch would be moved out
	}
	return nil
}

// finish accounts for what came and went while records were read, and for what is gone, and hands on the last batch.
func (p *pull) finish(ctx context.Context, since extract.Since) (*extract.Proof, error) {
	if err := p.readOthers(ctx); err != nil {
		return nil, err
	}
	if err := p.giveMeta(p.r.hand); err != nil {
		return nil, err
	}
	if err := p.giveLog(ctx); err != nil {
		return nil, err
	}
	if err := p.giveExtras(ctx, p.r.hand); err != nil {
		return nil, err
	}
	vanished, err := p.vanished(ctx, since.Stored)
	if err != nil {
		return nil, err
	}
	p.barred.add(p.model.record, int64(len(p.after.blocked)))
	if len(vanished) == 0 {
		if err := p.r.flush(p.lastMarks()); err != nil {
			return nil, err
		}
		return p.proof(), nil
	}
	if err := p.r.flush(nil); err != nil {
		return nil, err
	}
	return p.proof(), p.r.hand.Give(p.vanishing(vanished))
}

// readListed reads the parts of the first list, and lists again if anything was read.
func (p *pull) readListed(ctx context.Context, where string, parts []lot) error {
	whole := p.r
	asked := false
	for _, one := range parts {
		p.r = whole
		if one.model != nil {
			p.r = p.newReader(whole.hand, one.model)
			p.r.total, p.r.done = whole.total, whole.done
		}
		p.r.drift = one.drift
		next := func() (string, bool) {
			id, ok := one.next()
			asked = asked || ok
			return id, ok
		}
		for {
			if err := p.r.read(ctx, next); err != nil {
				return err
			}
			if len(p.r.pending) == 0 || len(p.r.pending) < mostPending && p.r == whole {
				break
			}
			var err error
			if p.after, p.changed, err = p.listAgain(ctx, where, p.before); err != nil {
				return err
			}
			if err := p.settle(ctx); err != nil {
				return err
			}
		}
		if err := p.r.flush(nil); err != nil {
			return err
		}
	}
	p.r = whole
	p.r.drift = false
	if !asked {
		p.after = p.before
		return nil
	}
	var err error
	p.after, p.changed, err = p.listAgain(ctx, where, p.before)
	return err
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
	return p.r.hand.Give(b)
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
