package redcap

import (
	"context"
	"strings"

	"syncd/extract"
)

// difference of a second list from a first.
type difference struct {
	created []string // in the second only
	lost    []string // in the first only
}

// listAgain asks for the ids once more and compares them with a first list as they come in, so that millions of ids
// are held once. The ids of the list it returns are the first list's own set where nothing has changed.
func (s *Source) listAgain(ctx context.Context, where string, first *idList) (*idList, difference, error) {
	l := &idList{at: s.serverTime(s.cfg.Now())}
	var seen []bool
	fresh := new(extract.KeySet)
	at := -1
	err := s.streamIDs(ctx, s.model.snapshot, listing{where: where}, func() {
		seen, at = make([]bool, first.ids.Len()), -1
		fresh = new(extract.KeySet)
		l.out, l.refused, l.rejects, l.blocked = new(extract.KeySet), map[string]int{}, nil, nil
	}, func(row *idRow) bool {
		raw := row.id
		switch i, ok := first.ids.Place(raw, at); {
		case ok:
			at, seen[i] = i, true
		case first.out.Has(string(raw)) && !first.blocked[string(raw)]:
			l.out.Add(string(raw))
		case s.usable(l, raw):
			fresh.Add(string(raw))
		}
		return true
	})
	if err != nil {
		return nil, difference{}, err
	}
	fresh.Sort()
	fresh = l.dropNewTwins(first.ids, fresh)
	l.out.Sort()
	if twins := l.out.Len() - len(l.blocked); twins > 0 {
		l.refused[refusedTwin] = twins
	}
	var d difference
	for i, ok := range seen {
		if !ok {
			d.lost = append(d.lost, first.ids.At(i))
		}
	}
	for id := range fresh.All() {
		d.created = append(d.created, id)
	}
	l.ids = first.ids
	if len(d.lost)+len(d.created) > 0 {
		l.ids = new(extract.KeySet)
		for i, ok := range seen {
			if ok {
				l.ids.Add(first.ids.At(i))
			}
		}
		for _, id := range d.created {
			l.ids.Add(id)
		}
		l.ids.Sort()
	}
	return l, d, nil
}

// dropNewTwins refuses new ids that differ in case only from one of the first list: which of the two the server
// lists later, the next run tells.
func (l *idList) dropNewTwins(known, fresh *extract.KeySet) *extract.KeySet {
	if fresh.Len() == 0 {
		return fresh
	}
	folded := make(map[string]bool, fresh.Len())
	for id := range fresh.All() {
		folded[strings.ToLower(id)] = false
	}
	for id := range known.All() {
		low := strings.ToLower(id)
		if _, twin := folded[low]; twin {
			folded[low] = true
		}
	}
	kept := new(extract.KeySet)
	for id := range fresh.All() {
		low := strings.ToLower(id)
		if folded[low] {
			l.out.Add(id)
			continue
		}
		folded[low] = true // of two new ones the first is kept
		kept.Add(id)
	}
	return kept
}
