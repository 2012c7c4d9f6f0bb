package engage

import (
	"context"
	"net/url"
	"time"

	"syncd/extract"
)

// earliest and furthestAhead bound the dates by which a list is cut into parts.
const (
	earliestYear = 1990
	yearsAhead   = 30
	// shortest is the shortest stretch of time that is cut in two.
	shortest = time.Minute
)

// byOrganization reads a list organization by organization: what one has fits on one page as a rule, which cannot change
// while it is read. blind says that the server tells nothing of the list as a whole.
func (h *wholly) byOrganization(ctx context.Context, blind bool) (*walk, error) {
	sum := newWalk(h.l)
	sum.began = h.now()
	clubs, err := h.organizations(ctx)
	if err != nil || clubs == nil {
		sum.sound = false
		if blind {
			sum.doubt = "the list is empty, and organizations, by which an old server would tell it, could not be read"
		}
		return sum, err
	}
	before, err := h.count(ctx, h.l, nil)
	if err != nil {
		return nil, err
	}
	for id := range clubs.All() {
		w, err := h.soundly(ctx, h.l, url.Values{"organizationId": {id}}, h.drift)
		if err != nil {
			return nil, err
		}
		if !w.sound || w.total == before && before > pageItems && clubs.Len() > 1 { // or it asks for all each time
			sum.sound = false
			return sum, nil
		}
		sum.add(w)
	}
	return h.whole(ctx, sum, before, blind)
}

// add joins a part of the list.
func (w *walk) add(part *walk) {
	for key := range part.keys.All() {
		w.keys.Add(key)
	}
	for i, n := range part.rows {
		w.rows[i] += n
	}
	w.unread += part.unread
	w.pages += part.pages
}

// whole judges whether parts are all of the list: as many items as the list had before they were read, or after, or between.
func (h *wholly) whole(ctx context.Context, sum *walk, before int64, blind bool) (*walk, error) {
	twice := sum.keys.Sort()
	n := int64(sum.keys.Len()) + sum.unread
	sum.total = n
	if blind {
		sum.sound = twice == 0
		return sum, nil
	}
	after, err := h.count(ctx, h.l, nil)
	sum.sound = twice == 0 && min(before, after) <= n && n <= max(before, after)
	return sum, err
}

// organizations are the ids of all of them; nil where they cannot be read as a whole.
func (h *wholly) organizations(ctx context.Context) (*extract.KeySet, error) {
	if h.clubs != nil {
		return h.clubs, nil
	}
	l := newLayout(organizationList(), func(string) bool { return false })
	for range tries {
		w := newWalk(l)
		for page, pages := 1, 1; page <= pages; page++ {
			s := newSheet(l) // nothing of it is handed on
			env, err := h.cfg.Client.Page(ctx, l.path, l.params, page, pageItems, s.take)
			if extract.KindOf(err) == extract.KindRights && ctx.Err() == nil {
				return nil, nil
			}
			if err != nil {
				return nil, err
			}
			if page == 1 {
				w.total, pages = env.TotalItems, env.TotalPages
			}
			w.sound = w.sound && env.TotalItems == w.total && env.PageNumber == page
			w.note(s)
		}
		if w.end(); w.sound {
			h.clubs = w.keys
			return h.clubs, nil
		}
	}
	return nil, nil
}

// timely reads a list by stretches of time, each short enough to come on one page.
type timely struct {
	*wholly
	sum  *walk
	seen map[string]bool // what lies on the edge of two stretches comes twice
}

// byTime reads a list that way.
func (h *wholly) byTime(ctx context.Context) (*walk, error) {
	t := &timely{wholly: h, sum: newWalk(h.l), seen: map[string]bool{}}
	t.sum.began = h.now()
	before, err := h.count(ctx, h.l, nil)
	if err != nil {
		return nil, err
	}
	from := time.Date(earliestYear, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := t.part(ctx, from, h.now().AddDate(yearsAhead, 0, 0)); err != nil || !t.sum.sound {
		return t.sum, err
	}
	return h.whole(ctx, t.sum, before, false)
}

// part reads what lies in a stretch of time, or the halves of it.
func (t *timely) part(ctx context.Context, from, to time.Time) error {
	s := t.sheet(t.l)
	env, err := t.cfg.Client.Page(ctx, t.l.path, t.l.with(url.Values{t.l.changed[0]: {millis(from)}, t.l.changed[1]: {millis(to)}}), 1, pageItems, s.take)
	if err != nil {
		return err
	}
	if env.TotalPages > 1 {
		if to.Sub(from) <= shortest {
			t.sum.sound = false
			return nil
		}
		middle := from.Add(to.Sub(from) / 2)
		if err := t.part(ctx, from, middle); err != nil || !t.sum.sound {
			return err
		}
		return t.part(ctx, middle, to)
	}
	for i, r := range s.rows {
		for row := range r.Len() {
			if key, _ := r.Cell(row, 0); !t.seen[string(key)] {
				t.sum.rows[i]++
			}
		}
	}
	for _, key := range s.keys {
		if !t.seen[key[0]] {
			t.seen[key[0]] = true
			t.sum.keys.Add(key[0])
		}
	}
	t.sum.unread += int64(s.unread)
	t.sum.pages++
	return t.give(s, t.drift)
}
