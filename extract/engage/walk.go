package engage

import (
	"context"
	"net/url"
	"slices"
	"time"

	"syncd/extract"
)

const (
	// pageItems is the most that the server puts on a page.
	pageItems = 500
	// tries is how often a list is walked that changes under the walk.
	tries = 3
)

// walk is what was read of a list, or of a part of it, from its first page to its last.
type walk struct {
	keys    *extract.KeySet
	deleted map[string]bool // said so themselves
	rows    []int64         // of each table
	unread  int64           // items without a usable key
	total   int64           // as the first page had it
	began   time.Time       // the server's clock when it sent the first page
	pages   int
	last    string // the key that was read last
	sound   bool   // pages of one list: its length never changed, and as many keys came as it says
	doubt   string // why it is not, where that is not because the list changed
}

func newWalk(l *layout) *walk {
	return &walk{keys: new(extract.KeySet), deleted: map[string]bool{}, rows: make([]int64, len(l.below)+1), sound: true}
}

// walk reads a list page by page and hands each on. Pages are numbered positions in a list that is alive: what comes or goes
// before the page that is read moves the others, so that an item is skipped or comes twice.
func (p *pull) walk(ctx context.Context, l *layout, more url.Values, drift bool) (*walk, error) {
	w := newWalk(l)
	most := 0
	for page := 1; ; page++ {
		s := p.sheet(l)
		env, err := p.cfg.Client.Page(ctx, l.path, l.with(more), page, pageItems, s.take)
		if err != nil {
			return nil, err
		}
		if page == 1 {
			w.total, w.began = env.TotalItems, env.Date.UTC()
			if env.Date.IsZero() {
				w.began = p.now()
			}
			most = 2*env.TotalPages + 2
			p.total += env.TotalItems
		}
		w.sound = w.sound && env.PageNumber == page && env.TotalItems == w.total
		w.note(s)
		if err := p.give(s, drift); err != nil {
			return nil, err
		}
		if page >= env.TotalPages {
			break
		}
		if page >= most { // a list that grows faster than it can be read, or is not one
			w.sound = false
			break
		}
	}
	w.end()
	return w, nil
}

// note counts a page.
func (w *walk) note(s *sheet) {
	w.pages++
	for _, key := range s.keys {
		w.last = key[0]
		w.keys.Add(key[0])
		delete(w.deleted, key[0])
	}
	for _, key := range s.deleted {
		w.deleted[key] = true
	}
	w.unread += int64(s.unread)
	for i, r := range s.rows {
		w.rows[i] += int64(r.Len())
	}
	w.sound = w.sound && s.rows[0].Duplicates == 0
}

// end judges the walk.
func (w *walk) end() {
	twice := w.keys.Sort()
	w.sound = w.sound && twice == 0 && int64(w.keys.Len()+len(w.deleted))+w.unread == w.total
}

// gone are the keys that said they are deleted, and did not come as living afterwards.
func (w *walk) gone() (keys []string) {
	for key := range w.deleted {
		if !w.keys.Has(key) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// soundly walks until a walk is sound, a few times; the last one is returned in any case.
func (p *pull) soundly(ctx context.Context, l *layout, more url.Values, drift bool) (w *walk, err error) {
	for range tries {
		if w, err = p.walk(ctx, l, more, drift); err != nil || w.sound {
			return w, err
		}
		p.log.Info("list changed while it was read", "resource", l.name)
	}
	return w, nil
}

// changes reads what is new in a list since a mark, less the overlap, or what is in its window.
func (p *pull) changes(ctx context.Context, l *layout, f *fact, from time.Time) (*walk, error) {
	more := url.Values{}
	if l.filter == happens {
		more.Set(l.changed[0], millis(p.now().Add(-p.cfg.Options.back())))
		if l.changed[1] != "" {
			more.Set(l.changed[1], millis(p.now().Add(p.cfg.Options.ahead())))
		}
	} else {
		more.Set(l.changed[0], millis(from.Add(-p.cfg.Options.reread())))
	}
	if f.Deletes {
		more.Set(includeDeletes, "true")
	}
	w, err := p.soundly(ctx, l, more, false)
	if err != nil {
		return nil, err
	}
	if w.unread > 0 {
		p.doubt(l, "%d items had no key", w.unread)
	}
	if p.since.Full {
		return w, nil
	}
	named := new(extract.KeySet)
	for key := range w.keys.All() {
		named.Add(key)
	}
	for _, key := range w.gone() {
		named.Add(key)
	}
	p.proof.Changed = append(p.proof.Changed, extract.Listed{Tables: l.tables(), Keys: named, At: w.began})
	if !w.sound {
		p.doubt(l, "what is new in it changed while it was read, %d times; the next run asks for it again", tries)
	}
	return w, nil
}
