package engage

import (
	"context"
	"maps"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// probe finds out whether the filter of a list does what its name says (reference 9.2). A server ignores parameters that it
// does not know: then everything comes. One that took them for something else would leave out what changed.
func (p *pull) probe(ctx context.Context, l *layout, before, now *fact) error {
	if l.filter == unfiltered || l.whole {
		return nil
	}
	if before != nil && before.Seen == now.Seen && !before.Probed.IsZero() && p.now().Sub(before.Probed) < probedFor {
		now.Probed, now.Trusted, now.Deletes = before.Probed, before.Trusted, before.Deletes
		return nil
	}
	all, err := p.count(ctx, l, nil)
	if err != nil || all == 0 {
		return err // nothing to try it on: the next run does
	}
	later := 24 * time.Hour
	if l.filter == happens {
		later = 100 * 365 * 24 * time.Hour // events are made for years ahead
	}
	none, err := p.count(ctx, l, url.Values{l.changed[0]: {millis(p.now().Add(later))}})
	if err != nil {
		return err
	}
	now.Trusted = none == 0
	if now.Trusted && l.filter != happens {
		for _, from := range []time.Time{time.UnixMilli(0), p.now().AddDate(-10, 0, 0)} {
			some, err := p.count(ctx, l, url.Values{l.changed[0]: {millis(from)}})
			if err != nil {
				return err
			}
			now.Trusted = now.Trusted && some > 0
		}
	}
	if now.Trusted && l.deletes {
		if now.Deletes, err = p.tellsDeleted(ctx, l); err != nil {
			return err
		}
	}
	now.Probed = p.now()
	switch {
	case !now.Trusted && none >= all:
		p.warn("%s: the server ignores %s, so that every run reads the whole list", l.name, l.changed[0])
	case !now.Trusted:
		p.warn("%s: %s does not do what its name says, so that every run reads the whole list", l.name, l.changed[0])
	case l.deletes && !now.Deletes:
		p.warn("%s: the server does not tell what was deleted; full runs find it", l.name)
	}
	return nil
}

// count asks how long a list is.
func (p *pull) count(ctx context.Context, l *layout, more url.Values) (int64, error) {
	env, err := p.cfg.Client.Page(ctx, l.path, l.with(more), 1, 1, func(jsontext.Value) error { return nil })
	return env.TotalItems, err
}

// tellsDeleted asks whether items say that they are deleted.
func (p *pull) tellsDeleted(ctx context.Context, l *layout) (told bool, err error) {
	var o opener
	_, err = p.cfg.Client.Page(ctx, l.path, l.with(url.Values{includeDeletes: {"true"}}), 1, 1, func(item jsontext.Value) error {
		return o.object(item, func(name string, _ jsontext.Value) { told = told || strings.EqualFold(name, gone) })
	})
	return told, err
}

const includeDeletes = "includeDeletes"

// with are the parameters of every request and some more.
func (l *layout) with(more url.Values) url.Values {
	all := maps.Clone(l.params)
	maps.Copy(all, more)
	return all
}

// millis is a time as filters take it.
func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }
