package engage

import (
	"cmp"
	"context"
	"net/url"
	"time"

	"syncd/extract"
)

// asked is how many items that a walk did not show are asked for one by one before they are taken for gone.
const asked = 200

// wholly reads a list as a whole, proves that it is, and finds what is gone.
type wholly struct {
	*pull
	l      *layout
	fact   *fact
	told   *walk  // what the source told of before; nil where it was not asked
	drift  bool   // nothing had told of what differs now
	hidden string // why what is gone may only be hidden
}

// read returns the walk that showed the whole list; one that is not sound where there was none.
func (h *wholly) read(ctx context.Context) (*walk, error) {
	w, err := h.still(ctx)
	if err != nil {
		return nil, err
	}
	if w.unread > 0 {
		h.doubt(h.l, "%d items had no key, so that nothing of it was deleted", w.unread)
		return w, nil
	}
	if !w.sound {
		h.doubt(h.l, "%s, so that nothing of it was deleted", cmp.Or(w.doubt, "the list changed whenever it was read"))
		return w, nil
	}
	missing, err := h.missing(ctx, w)
	if err != nil {
		return nil, err
	}
	if len(missing) > 0 && w.total > 0 {
		if w, missing, err = h.confirm(ctx, w, missing); err != nil || !w.sound {
			return w, err
		}
	}
	if h.l.name == organizations && len(h.l.params) == 0 {
		h.clubs = w.keys
	}
	if len(missing) > 0 {
		h.close(w)
	}
	h.proof.Listed = append(h.proof.Listed, extract.Listed{Tables: h.l.tables(), Keys: w.keys, Rows: w.rows, At: w.began})
	return w, nil
}

// still walks until the list stood still under the walk; else part by part.
func (h *wholly) still(ctx context.Context) (*walk, error) {
	var w *walk
	for range tries {
		last, err := h.last(ctx)
		if err != nil {
			return nil, err
		}
		if w, err = h.walk(ctx, h.l, nil, h.drift); err != nil {
			return nil, err
		}
		if w.sound = w.sound && (last == "" || last == w.last); w.sound {
			if w.sound, err = h.undisturbed(ctx, w); err != nil {
				return nil, err
			}
		}
		if w.sound && w.total == 0 && h.l.name == memberships {
			return h.byOrganization(ctx, true) // old servers answer for one organization only, or a person
		}
		if w.sound || w.unread > 0 && w.unread+int64(w.keys.Len()) == w.total {
			return w, nil
		}
		h.log.Info("list changed while it was read", "resource", h.l.name)
	}
	switch h.l.divides {
	case byOrganization:
		return h.byOrganization(ctx, false)
	case byTime:
		return h.byTime(ctx)
	}
	return w, nil
}

// last asks for the last item of a list of several pages before it is walked. Where something goes away that the walk has
// passed, while as much is added to the end, the length stays the same, and what moves up across the edge of a page is never
// seen; but the last item is another one then. It is empty where the server tells what was deleted, or not of one item.
func (h *wholly) last(ctx context.Context) (key string, err error) {
	if h.fact.Deletes {
		return "", nil
	}
	s := newSheet(h.l) // nothing of it is handed on
	first, err := h.cfg.Client.Page(ctx, h.l.path, h.l.params, 1, 1, s.take)
	if err != nil || first.PageSize != 1 || first.TotalItems <= pageItems {
		return "", err
	}
	s.reset()
	env, err := h.cfg.Client.Page(ctx, h.l.path, h.l.params, int(first.TotalItems), 1, s.take)
	if err != nil || env.TotalItems != first.TotalItems || len(s.keys) != 1 {
		return "", err
	}
	return s.keys[0][0], nil
}

// undisturbed finds out, where the server tells, whether something went away that the walk had passed, while as much came
// later in the list: then its length is the same, and what moved up across the edge of a page was never seen.
func (h *wholly) undisturbed(ctx context.Context, w *walk) (bool, error) {
	if w.pages < 2 || !h.fact.Deletes {
		return true, nil
	}
	s := h.sheet(h.l)
	more := url.Values{h.l.changed[0]: {millis(w.began.Add(-time.Second))}, includeDeletes: {"true"}}
	env, err := h.cfg.Client.Page(ctx, h.l.path, h.l.with(more), 1, pageItems, s.take)
	if err != nil {
		return false, err
	}
	for _, key := range s.deleted {
		if w.keys.Has(key) {
			return false, nil
		}
	}
	return env.TotalPages <= 1, nil
}

// missing are the keys that are stored, were not in the list, and are not known to be gone.
func (h *wholly) missing(ctx context.Context, w *walk) (keys []string, err error) {
	if err := h.hand.Settled(); err != nil || h.since.Stored == nil {
		return nil, err
	}
	same, err := h.since.Stored.Same(ctx, h.l.table, w.keys)
	if same || err != nil {
		return nil, err
	}
	err = h.since.Stored.Keys(ctx, h.l.table, func(key string) error {
		if !w.keys.Has(key) && (h.told == nil || !h.told.deleted[key]) {
			keys = append(keys, key)
		}
		return nil
	})
	return keys, err
}

// confirm makes sure that what was not in the list is gone: by asking for each, or by walking once more where they are many
// or cannot be asked for.
func (h *wholly) confirm(ctx context.Context, w *walk, missing []string) (*walk, []string, error) {
	if h.l.byID != "" && len(missing) <= asked {
		left, told, err := h.ask(ctx, w, missing)
		if err != nil || told {
			return w, left, err
		}
	}
	second, err := h.still(ctx)
	switch {
	case err != nil:
		return nil, nil, err
	case !second.sound:
		h.doubt(h.l, "the list changed when it was read again, so that nothing of it was deleted")
		return second, nil, nil
	}
	missing, err = h.missing(ctx, second)
	return second, missing, err
}

// ask asks for items one by one. told is false where the server does not answer for one alone.
func (h *wholly) ask(ctx context.Context, w *walk, keys []string) (left []string, told bool, err error) {
	for _, key := range keys {
		s := h.sheet(h.l)
		env, err := h.cfg.Client.Page(ctx, h.l.path, h.l.with(url.Values{h.l.byID: {key}}), 1, pageItems, s.take)
		if err != nil {
			return nil, false, err
		}
		switch {
		case len(s.keys) == 0 && s.unread == 0 && env.TotalItems == int64(len(s.deleted)):
			left = append(left, key)
		case len(s.keys) == 1 && s.keys[0][0] == key: // it was skipped
			w.note(s)
			w.keys.Sort()
			if err := h.give(s, h.drift); err != nil {
				return nil, false, err
			}
		default:
			return nil, false, nil
		}
	}
	return left, true, nil
}

// close moves out, at the end, what is not in the list.
func (h *wholly) close(w *walk) {
	doubt := h.hidden
	if w.total == 0 && w.keys.Len() == 0 {
		doubt = "the list is empty: the key may see less than before"
	}
	h.ends = append(h.ends, &extract.Batch{
		Scope:   &extract.Scope{Tables: h.l.tables(), Reason: reasonGone},
		Closing: &extract.Closing{Width: 1, Keys: w.keys},
		Drift:   h.drift && h.fact.Deletes,
		Doubt:   doubt,
	})
}
