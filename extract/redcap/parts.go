package redcap

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/zeebo/xxh3"

	"syncd/extract"
)

// readAsPlanned takes the structure from when the ids were collected. Version and project are asked for, so that no part is read
// of what has become another.
func (s *Source) readAsPlanned(ctx context.Context, since extract.Since, first *snapshot) (*snapshot, error) {
	r := &s.reading
	r.full = true
	if r.known == nil || since.Stale || r.known.Asked != r.fresh.Asked {
		return nil, drift("the structure is not that of the plan any more")
	}
	r.fresh.NoLog, r.fresh.Logged = r.known.NoLog, r.known.Logged
	if r.fresh.Token == r.known.Token {
		r.fresh.User = r.known.User
	}
	for _, call := range []string{"version", "project"} {
		if !r.fresh.Answers[call].same(r.known.Answers[call]) {
			return nil, drift("the project is not what it was when the plan was made")
		}
	}
	p, err := s.readRest(ctx, first, &inquiry{known: r.known, fresh: r.fresh})
	if errors.Is(err, errForgotten) || err != nil && extract.KindOf(err) == extract.KindGarbled {
		return nil, drift("the structure of the plan is not whole")
	}
	r.doubt = append(r.doubt, r.doubts()...)
	return p, err
}

// pullPart makes one step of a pull in parts.
func (s *Source) pullPart(ctx context.Context, since extract.Since, r *reader) (*extract.Proof, error) {
	if !s.cfg.Options.pulls(pullRecords) {
		return nil, &extract.Error{
			Kind: extract.KindConfig, What: "read a part", Where: s.cfg.Job, Cause: errors.New("the job pulls no records, and nothing else has parts"),
			Next: "syncd sync " + s.cfg.Job,
		}
	}
	p := &pull{Source: s, r: r, gone: new(extract.KeySet)}
	switch since.Part.Step {
	case extract.Collect:
		return p.collect(ctx, since)
	case extract.Read:
		return p.readPart(ctx, since.Part)
	default:
		s.base = since.Part.Kept
		if s.base == nil {
			s.base = &extract.Kept{}
		}
		return p.readRest(ctx, since)
	}
}

// collect lists the ids that are to be read, all or those with a change in a time.
func (p *pull) collect(ctx context.Context, since extract.Since) (*extract.Proof, error) {
	var err error
	if p.before, err = p.listIDs(ctx, listing{where: p.cfg.Options.RecordsWhere}); err != nil {
		return nil, err
	}
	kept := extract.Kept{Marks: p.marks(), Memo: p.reading.fresh.memo()}
	ids := p.before.ids
	if part := since.Part; !part.From.IsZero() || !part.To.IsZero() {
		kept.Marks = nil // the job's own stay
		if ids, err = p.changedBetween(ctx, part.From, part.To); err != nil {
			return nil, err
		}
	}
	if _, err := since.Parts.Keep(ctx, p.collected(ids, kept)); err != nil {
		return nil, err
	}
	return &extract.Proof{Before: p.before.ids, After: p.before.ids, BeforeAt: p.before.at, AfterAt: p.before.at}, nil
}

// collected puts the ids of the first list together with what it showed of them.
func (p *pull) collected(ids *extract.KeySet, kept extract.Kept) extract.Collected {
	c := extract.Collected{IDs: ids, Kept: kept}
	if p.model.askedForms(p.cfg.Options) != nil || len(p.before.rows.list) == 0 {
		return c
	}
	c.Least = make([]int32, ids.Len())
	more := false
	for i := range c.Least {
		c.Least[i] = int32(p.before.rows.least(ids.At(i)))
		more = more || c.Least[i] > 1
	}
	if !more {
		c.Least = nil
	}
	return c
}

// changedBetween finds the listed records that date ranges or the log say were changed in a time. An end that is zero is open.
func (p *pull) changedBetween(ctx context.Context, from, to time.Time) (*extract.KeySet, error) {
	named := new(extract.KeySet)
	var o listing
	begin, end := time.Time{}, time.Time{}
	if !from.IsZero() {
		begin = earliest(from, p.cfg.Zone)
		o.since = begin.Add(-time.Second).Format(logSecond)
	}
	if !to.IsZero() {
		end = latest(to, p.cfg.Zone)
		o.until = end.Format(logSecond)
	}
	err := p.streamIDs(ctx, p.model.snapshot, o, func() { named = new(extract.KeySet) }, func(row *idRow) bool {
		if p.before.ids.Has(string(row.id)) {
			named.Add(string(row.id))
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	if begin.IsZero() {
		if begin, err = time.Parse(time.DateTime, p.model.info["creation_time"]); err != nil {
			begin = p.wall(p.cfg.Now()).Add(-10 * 365 * 24 * time.Hour)
		}
	}
	err = p.readLog(ctx, begin.Truncate(time.Minute), end.Truncate(time.Minute), func(row *logRow) error {
		if id := row.subject(); row.judge() != meansNothing && p.before.ids.Has(id) {
			named.Add(id)
		}
		return nil
	})
	switch kind := extract.KindOf(err); {
	case err == nil, errors.Is(err, errNoLog): // dates alone tell, then
	case ctx.Err() == nil && (kind == extract.KindGarbled || kind == extract.KindTooLarge || kind == extract.KindRefused):
		p.said = append(p.said, "the log of that time could not be read: changed records were taken from dates alone")
	default:
		return nil, err
	}
	named.Sort()
	return named, nil
}

// latest is the latest that a clock on the wall of a zone showed up to an instant: clocks are set back.
func latest(to time.Time, zone *time.Location) time.Time {
	most := face(to.In(zone))
	for hour := time.Duration(0); hour <= 26*time.Hour; hour += 15 * time.Minute {
		if shown := face(to.Add(-hour).In(zone)); shown.After(most) {
			most = shown
		}
	}
	return most
}

// readPart reads some records. One that was collected and is not returned is gone if a list taken now does not have it either;
// it is moved out by whoever sees all of what is gone.
func (p *pull) readPart(ctx context.Context, part *extract.Part) (*extract.Proof, error) {
	all, ids, out := new(extract.KeySet), new(extract.KeySet), new(extract.KeySet)
	for _, id := range part.IDs {
		all.Add(id)
		if p.blocked.Any() && p.blocked.Has(extract.PersonRecord, id) { // purged since
			out.Add(id)
		} else {
			ids.Add(id)
		}
	}
	all.Sort()
	ids.Sort()
	out.Sort()
	p.before = &idList{ids: ids, out: out, refused: map[string]int{}, at: p.serverTime(p.cfg.Now())}
	p.after = p.before
	p.r.total, p.r.rows = int64(ids.Len()), countsOf(part)
	next := listed(ids)
	for {
		if err := p.r.read(ctx, next); err != nil {
			return nil, err
		}
		if len(p.r.pending) == 0 {
			break
		}
		var err error
		if p.after, err = p.listIDs(ctx, listing{where: p.cfg.Options.RecordsWhere}); err != nil {
			return nil, err
		}
		for _, id := range p.r.pending {
			if !p.after.ids.Has(id) {
				p.gone.Add(id)
			}
		}
		if err := p.settle(ctx); err != nil {
			return nil, err
		}
	}
	if err := p.r.flush(nil); err != nil {
		return nil, err
	}
	p.gone.Sort()
	there := ids
	if p.gone.Len() > 0 {
		there = new(extract.KeySet)
		for id := range ids.All() {
			if !p.gone.Has(id) {
				there.Add(id)
			}
		}
		there.Sort()
	}
	return &extract.Proof{
		Named: all, Excluded: out, Table: p.model.record, Before: ids, After: there, BeforeAt: p.before.at, AfterAt: p.serverTime(p.cfg.Now()),
		Soft: p.r.d.softCounts(),
	}, nil
}

// countsOf remembers how many rows the list of ids showed.
func countsOf(part *extract.Part) *rowCounts {
	if len(part.Least) != len(part.IDs) {
		return nil
	}
	c := new(rowCounts)
	for i, id := range part.IDs {
		if n := part.Least[i]; n > 1 {
			c.list = append(c.list, rowCount{xxh3.HashString(id), uint32(n)})
		}
	}
	c.done()
	return c
}

// readRest does what is left when all that was collected has been read: what came since, what is gone, structure and extras.
func (p *pull) readRest(ctx context.Context, since extract.Since) (*extract.Proof, error) {
	where := p.cfg.Options.RecordsWhere
	if where != "" && p.all == nil {
		list, err := p.listIDs(ctx, listing{})
		if err != nil {
			return nil, err
		}
		p.all = list.ids
	}
	if p.before == nil {
		if err := p.list(ctx, where, p.grouped()); err != nil {
			return nil, err
		}
	}
	if err := p.judgeList(ctx, since.Stored); err != nil {
		return nil, err
	}
	p.named = p.wanted()
	p.r.total = int64(p.named.Len())
	p.suspectRenames()
	if err := p.readListed(ctx, where, []lot{{next: listed(p.named)}}); err != nil {
		return nil, err
	}
	return p.finish(ctx, since)
}

// goOn keeps the ids of a first pull of everything, and reports whether it goes on with one that was interrupted. A structure that
// has changed since then is read from the start.
func (p *pull) goOn(ctx context.Context, since extract.Since) (bool, error) {
	if len(since.Marks) > 0 || since.Full || since.Stale || since.Stored == nil || since.Parts == nil {
		return false, nil
	}
	if err := p.r.hand.Settled(); err != nil {
		return false, err
	}
	left, err := since.Parts.Keep(ctx, p.collected(p.before.ids, extract.Kept{Marks: p.marks(), Memo: p.reading.fresh.memo()}))
	if err != nil || left == nil {
		return false, err
	}
	if was := remember(left.Memo); was == nil || was.Asked != p.reading.fresh.Asked || !p.reading.fresh.tells(was) {
		return false, nil
	}
	p.base = left
	return true, nil
}

// lastMarks are what the last batch carries.
func (s *Source) lastMarks() []extract.Mark {
	if s.base != nil {
		return slices.Clone(s.base.Marks)
	}
	return s.marks()
}

// lastMemo goes with lastMarks.
func (s *Source) lastMemo() []byte {
	if s.base == nil {
		return s.reading.fresh.memo()
	}
	m := remember(s.base.Memo)
	if m == nil {
		return s.base.Memo
	}
	m.NoLog, m.Logged = s.reading.fresh.NoLog, s.reading.fresh.Logged // the log has been stored by now
	return m.memo()
}
