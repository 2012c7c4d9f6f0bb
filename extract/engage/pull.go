package engage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"syncd/extract"
)

// probedFor is how long what was found out about a filter is believed.
const probedFor = 30 * 24 * time.Hour

// pull is one reading of a campus.
type pull struct {
	*Source
	hand   *extract.Handoff
	lists  []*layout // that are read
	since  extract.Since
	known  memo // of the last good run
	fresh  memo // of this one
	proof  *extract.Proof
	marks  []extract.Mark
	ends   []*extract.Batch // what is moved out, after everything was read
	doubts []string
	partly bool            // not every list was read as a whole
	clubs  *extract.KeySet // ids of all organizations, where they were read as a whole
	sheets [2]*sheet       // filled in turn
	done   int64
	total  int64
}

func newPull(s *Source, since extract.Since, hand *extract.Handoff) *pull {
	p := &pull{
		Source: s, hand: hand, lists: s.layouts, since: since, known: readMemo(since.Memo), fresh: readMemo(nil),
		proof: &extract.Proof{Listed: []extract.Listed{}, Changed: []extract.Listed{}},
	}
	p.only(since.Part)
	for name, f := range p.known.Lists { // a list that is left out this time is not forgotten
		p.fresh.Lists[name] = f
	}
	return p
}

// run reads list after list. What is gone is moved out at the end, so that a hand on the brake holds nothing else up.
func (p *pull) run(ctx context.Context) error {
	var barred error
	left := 0
	for _, l := range p.lists {
		err := p.list(ctx, l)
		switch {
		case err == nil:
		case extract.KindOf(err) == extract.KindRights && ctx.Err() == nil:
			left++
			barred = err
			p.warn("%s: the key has no right to this resource; it was left out, and nothing of it is deleted", l.name)
		default:
			return p.blame(l, err)
		}
	}
	if left == len(p.lists) {
		return barred
	}
	p.proof.Full = !p.partly || p.since.Full
	for _, b := range p.ends {
		b.Done, b.Total = p.done, p.total
		if err := p.hand.Give(b); err != nil {
			return err
		}
	}
	text, err := p.fresh.text()
	if err != nil {
		return extract.Errorf(extract.KindInternal, "keep memo", "%w", err)
	}
	if err := p.hand.Give(&extract.Batch{Marks: p.marks, Memo: text, Done: p.done, Total: p.total}); err != nil {
		return err
	}
	p.proof.Requests, p.proof.Bytes, p.proof.LogRows = p.Cost()
	p.proof.Warnings = append(p.proof.Warnings, p.cfg.Client.Warnings()...)
	p.proof.Unproven = strings.Join(p.doubts, "; ")
	return nil
}

// blame says what to do about a list that the server does not have.
func (p *pull) blame(l *layout, err error) error {
	var known *extract.Error
	if errors.As(err, &known) && known.Kind == extract.KindRefused && known.Next == "" {
		known.Next = fmt.Sprintf("take %s out of the job's resources if this campus does not have it", l.name)
	}
	return err
}

func (p *pull) warn(format string, args ...any) {
	p.proof.Warnings = append(p.proof.Warnings, fmt.Sprintf(format, args...))
}

// doubt notes what could not be proved of a list.
func (p *pull) doubt(l *layout, format string, args ...any) {
	p.doubts = append(p.doubts, l.name+": "+fmt.Sprintf(format, args...))
}

// list reads one list.
func (p *pull) list(ctx context.Context, l *layout) error {
	before := p.known.Lists[l.name]
	now := &fact{Seen: l.seen(), Columns: l.columns()}
	if err := p.probe(ctx, l, before, now); err != nil {
		return err
	}
	p.log.Info("list begun", "resource", l.name)
	from, err := time.Parse(time.RFC3339, p.since.Marks[l.name])
	known := err == nil && before != nil && before.Seen == now.Seen && before.Columns == now.Columns && !p.since.Stale
	var read, told *walk
	if known && now.Trusted && !l.whole && (!p.since.Full || l.filter == modified) {
		if told, err = p.changes(ctx, l, now, from); err != nil {
			return err
		}
		read = told
	}
	ends := len(p.ends)
	if told == nil || p.since.Full {
		w := &wholly{pull: p, l: l, fact: now, told: told, drift: told != nil && told.sound}
		if before != nil && before.Seen != now.Seen {
			w.hidden = "the job asks with other filters than the run before"
		}
		if read, err = w.read(ctx); err != nil {
			return err
		}
	} else {
		p.partly = true
	}
	p.vanished(l, told, read, ends)
	switch {
	case read != nil && read.sound:
		p.marks = append(p.marks, extract.Mark{Name: l.name, Value: read.began.Format(time.RFC3339)})
		p.fresh.Lists[l.name] = now
	case before != nil: // what was missed is asked for again
		p.fresh.Lists[l.name] = before
	}
	return nil
}

// sheet returns an empty one for a list. There are two: one is filled while the other is loaded.
func (p *pull) sheet(l *layout) *sheet {
	if p.sheets[0] == nil || p.sheets[0].layout != l {
		p.sheets[0] = newSheet(l)
	}
	p.sheets[0].reset()
	return p.sheets[0]
}

const reasonGone = "gone from the list at the source"

// give hands a page on. It is the whole truth about the items on it, and about what hangs below them.
func (p *pull) give(s *sheet, drift bool) error {
	p.done += int64(len(s.keys))
	if len(s.keys) == 0 && len(s.rejects) == 0 && s.rows[0].Duplicates == 0 {
		return nil
	}
	err := p.hand.Give(&extract.Batch{
		Rows: s.rows, Rejects: s.rejects, Drift: drift, Done: p.done, Total: max(p.total, p.done),
		Scope: &extract.Scope{Tables: s.tables(), Width: 1, Keys: s.keys, Reason: reasonGone},
	})
	p.sheets[0], p.sheets[1] = p.sheets[1], p.sheets[0]
	return err
}

// vanished moves out what the source said is gone, and did not list afterwards; before what it did not tell of, if anything.
func (p *pull) vanished(l *layout, told, read *walk, at int) {
	if told == nil {
		return
	}
	scope := &extract.Scope{Tables: l.tables(), Width: 1, Reason: "deleted at the source"}
	for _, key := range told.gone() {
		if read == nil || !read.keys.Has(key) {
			scope.Keys = append(scope.Keys, []string{key})
		}
	}
	if len(scope.Keys) > 0 {
		p.ends = slices.Insert(p.ends, at, &extract.Batch{Scope: scope, Vanished: true})
	}
}
