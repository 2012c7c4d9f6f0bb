package redcap

import (
	"context"
	"slices"

	"syncd/extract"
)

// found is what a first list of ids tells beside what is stored.
type found struct {
	created   []string // listed and not stored
	gone      []string // stored and not listed
	regrouped []string // of another data access group than stored
}

// pullChanges reads again the records of which the source, its log or its lists say that they changed, and for every record
// the instruments whose structure changed.
func (s *Source) pullChanges(ctx context.Context, since extract.Since, r *reader) (*extract.Proof, error) {
	p := &pull{Source: s, r: r, gone: new(extract.KeySet)}
	where := s.cfg.Options.RecordsWhere
	if err := p.askNamed(ctx); err != nil {
		return nil, err
	}
	if err := p.list(ctx, where, s.grouped()); err != nil {
		return nil, err
	}
	if err := p.judgeList(ctx, since.Stored); err != nil {
		return nil, err
	}
	whole := p.wanted()
	var parts []lot
	if m := s.model.only(s.reading.diff.forms); m != nil {
		rest := listed(p.before.ids)
		parts = append(parts, lot{model: m, next: func() (string, bool) {
			for {
				if id, ok := rest(); !ok || !whole.Has(id) {
					return id, ok
				}
			}
		}})
	} else {
		p.r.total = int64(whole.Len())
	}
	p.suspectRenames()
	if err := p.readListed(ctx, where, append(parts, lot{next: listed(whole)})); err != nil {
		return nil, err
	}
	return p.finish(ctx, since)
}

// grouped reports whether lists of ids come with the data access group of each.
func (s *Source) grouped() bool { return s.model.groupColumn == groupAsked && len(s.model.groups) > 0 }

// askNamed finds the records that the source says have changed since the last good run.
func (p *pull) askNamed(ctx context.Context) error {
	var err error
	if p.named, err = p.changedIDs(ctx); err != nil {
		return err
	}
	if told := p.reading.told; told != nil {
		for id := range told.named.All() {
			p.named.Add(id)
		}
		p.named.Sort()
	}
	return nil
}

// namedFirst parts the list into the records that something tells of and the others.
func (p *pull) namedFirst(ctx context.Context, stored extract.Stored) ([]lot, error) {
	if err := p.askNamed(ctx); err != nil {
		return nil, err
	}
	if err := p.compareList(ctx, stored); err != nil {
		return nil, err
	}
	first := p.wanted()
	rest := listed(p.before.ids)
	return []lot{{next: listed(first)}, {drift: !p.reading.diff.any() && !p.reading.wary, next: func() (string, bool) {
		for {
			if id, ok := rest(); !ok || !first.Has(id) {
				return id, ok
			}
		}
	}}}, nil
}

// wanted are the listed records that have to be read as a whole.
func (p *pull) wanted() *extract.KeySet {
	want := new(extract.KeySet)
	for id := range p.named.All() {
		if p.before.ids.Has(id) {
			want.Add(id)
		}
	}
	for _, id := range slices.Concat(p.found.created, p.found.regrouped) {
		want.Add(id)
	}
	want.Sort()
	return want
}

// judgeList looks whether the list can be what it says, before anything is made of how it differs from what is stored.
func (p *pull) judgeList(ctx context.Context, stored extract.Stored) error {
	if p.before.strange {
		return drift("the data access group column went away")
	}
	if err := p.compareList(ctx, stored); err != nil {
		return err
	}
	return p.confirmSight(ctx)
}

// compareList finds how the list differs from what is stored; as a rule it does not.
func (p *pull) compareList(ctx context.Context, stored extract.Stored) error {
	same, err := stored.Same(ctx, p.model.record, p.before.ids)
	if err != nil {
		return err
	}
	if !same {
		if err := p.compareIDs(ctx, stored); err != nil {
			return err
		}
	}
	if p.before.groups == nil {
		return nil
	}
	if same, err = stored.SameValues(ctx, p.model.record, groupColumnName, p.before.groups); same || err != nil {
		return err
	}
	return p.compareGroups(ctx, stored)
}

// compareIDs walks both lists side by side.
func (p *pull) compareIDs(ctx context.Context, stored extract.Stored) error {
	ids, at := p.before.ids, 0
	err := stored.Keys(ctx, p.model.record, func(key string) error {
		for at < ids.Len() && ids.At(at) < key {
			p.found.created = append(p.found.created, ids.At(at))
			at++
		}
		if at < ids.Len() && ids.At(at) == key {
			at++
		} else {
			p.found.gone = append(p.found.gone, key)
		}
		return nil
	})
	for ; err == nil && at < ids.Len(); at++ {
		p.found.created = append(p.found.created, ids.At(at))
	}
	return err
}

func (p *pull) compareGroups(ctx context.Context, stored extract.Stored) error {
	pairs, at := p.before.groups, 0
	return stored.Values(ctx, p.model.record, groupColumnName, func(key, group string) error {
		for at < pairs.Len() && extract.SplitKey(pairs.At(at))[0] < key {
			at++
		}
		if at < pairs.Len() {
			if pair := extract.SplitKey(pairs.At(at)); pair[0] == key && pair[1] != group && p.before.ids.Has(key) {
				p.found.regrouped = append(p.found.regrouped, key)
			}
		}
		return nil
	})
}

// confirmSight asks, where records are not listed any more and the structure was not asked for, whether the token's user was
// put into a data access group: what others see then only seems to be gone.
func (p *pull) confirmSight(ctx context.Context) error {
	if len(p.found.gone) == 0 || p.model.bound || !p.reading.same() {
		return nil
	}
	now := &snapshot{}
	back := p.from
	defer func() { p.from = back }()
	p.from = &inquiry{}
	if err := p.readGroups(ctx, now); err != nil {
		return err
	}
	if now.bound {
		return drift("the token's user was put into a data access group")
	}
	return nil
}

// same reports whether the structure is that of the last good run.
func (r *reading) same() bool {
	return r.known != nil && r.fresh.tells(r.known)
}

// tells reports whether two runs were told the same of the structure.
func (m *memory) tells(o *memory) bool {
	if len(m.Answers) != len(o.Answers) {
		return false
	}
	for call, answer := range m.Answers {
		if !answer.same(o.Answers[call]) {
			return false
		}
	}
	return true
}

// suspects are records that may be others under a new name.
type suspects struct {
	from []string
	to   *extract.KeySet
	sure [][2]string
}

// suspectRenames looks for records that came while others went.
func (p *pull) suspectRenames() {
	if len(p.found.created) == 0 || len(p.found.gone) == 0 || len(p.model.whole()) < len(p.model.live) {
		return // what is not seen as a whole cannot be moved as one
	}
	s := &suspects{from: p.found.gone, to: new(extract.KeySet)}
	for _, id := range p.found.created {
		s.to.Add(id)
	}
	s.to.Sort()
	if told := p.reading.told; told != nil {
		var renamed, left []string
		for _, id := range p.found.created {
			if told.renamed[id] {
				renamed = append(renamed, id)
			}
		}
		for _, id := range p.found.gone {
			if !told.deleted[id] {
				left = append(left, id)
			}
		}
		if len(renamed) == 1 && len(left) == 1 { // then the log leaves no other
			s.sure = [][2]string{{left[0], renamed[0]}}
		}
	}
	p.r.moved = s
}

// among tells a batch which of its records may be others.
func (s *suspects) among(scope *extract.Scope) *extract.Moved {
	if s == nil || scope == nil {
		return nil
	}
	m := &extract.Moved{From: s.from}
	for _, key := range scope.Keys {
		if !s.to.Has(key[0]) {
			continue
		}
		m.To = append(m.To, key[0])
		for _, pair := range s.sure {
			if pair[1] == key[0] {
				m.Sure = append(m.Sure, pair)
			}
		}
	}
	if len(m.To) == 0 {
		return nil
	}
	return m
}

// only is the model of some instruments, without the record's own table; nil for none.
func (m *model) only(forms map[string]bool) *model {
	if len(forms) == 0 {
		return nil
	}
	some, p := *m, *m.snapshot
	some.snapshot, some.forms, some.live, some.skipped = &p, nil, nil, map[string]bool{}
	p.header, p.some = nil, []string{} // which columns stand in front depends on the instruments that are asked for
	for form := range m.skipped {
		some.skipped[form] = true
	}
	for _, f := range m.forms {
		if !forms[f.name] || f.unread {
			some.skipped[f.name] = true
			continue
		}
		some.forms = append(some.forms, f)
		p.some = append(p.some, f.name)
		for _, part := range f.parts {
			some.live = append(some.live, part.table)
		}
	}
	if len(some.forms) == 0 {
		return nil
	}
	if m.files != nil {
		some.live = append(some.live, m.files.file)
	}
	some.partial = true
	return &some
}
