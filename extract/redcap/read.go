package redcap

import (
	"bytes"
	"context"
	"errors"
	"time"

	"syncd/extract"
)

// mostPending bounds the records that were listed and not returned before a second list is asked for.
const mostPending = 200

// reader reads records by id and fills batches with them.
type reader struct {
	s     *Source
	m     *model
	d     *decoder
	fill  *filling // of the batch to come
	spare *filling // of the batch that is being loaded
	again bool     // the records to come were read before in this run
	drift bool     // nothing at the source told of a change of the records to come
	moved *suspects
	size  *sizer
	hand  *extract.Handoff

	queue []item
	next  func() (string, bool)
	held  string // an id that did not fit the last request

	gone    func(id string) // set: ids that are not returned are gone, not missing
	pending []string        // listed, asked for twice, not returned
	desks   [2]desk         // one for the response in hand, one for that under way
	turn    int

	download bytes.Buffer // a file

	done, total int64

	rows  *rowCounts // how many rows each record has at least; nil where that is not known
	carry []string   // asked for once more together with others
	seen  map[string]sighting

	// of the response in hand
	asked  map[string]int32
	folded map[string]int32
	owner  []int32 // by row: the asked id, -1 where none
	order  []int32 // rows by asked id
	ends   []int32
}

func (s *Source) newReader(hand *extract.Handoff, m *model) *reader {
	now := s.serverTime(s.cfg.Now()).In(s.cfg.Zone)
	r := &reader{
		s: s, m: m, d: newDecoder(m, now), fill: newFilling(m), spare: newFilling(m), size: s.newSizer(m.snapshot),
		hand: hand, asked: map[string]int32{}, folded: map[string]int32{}, seen: map[string]sighting{},
	}
	r.fill.most = firstRows
	return r
}

// firstRows bounds the first batch, so that the warehouse has work soon.
const firstRows = extract.BatchRows / 8

// read asks for every id that next returns and fills batches with what comes; full ones are handed on. One request
// is under way while another is decoded, and one batch is filled while another is loaded.
func (r *reader) read(ctx context.Context, next func() (string, bool)) error {
	r.next = next
	var under *fetch
	defer func() { under.stop() }()
	if under = r.begin(ctx); under == nil {
		return nil
	}
	for under != nil {
		ready := under
		ready.wait()
		under = nil
		if ready.err == nil {
			under = r.begin(ctx)
		}
		if err := r.accept(ctx, ready); err != nil {
			return err
		}
		if len(r.pending) >= mostPending { // the caller asks for a second list, and goes on here
			if under.stop(); under != nil {
				r.queue, under = append([]item{under.item}, r.queue...), nil
			}
			return nil
		}
		if under == nil {
			under = r.begin(ctx)
		}
	}
	return nil
}

// begin starts the next request, and returns nil where there is nothing left to ask for.
func (r *reader) begin(ctx context.Context) *fetch {
	i, ok := r.take()
	if !ok {
		return nil
	}
	r.turn = 1 - r.turn
	return r.s.start(ctx, r.m.snapshot, i, &r.desks[r.turn])
}

func (r *reader) take() (item, bool) {
	if n := len(r.queue); n > 0 {
		i := r.queue[0]
		r.queue = r.queue[1:]
		return i, true
	}
	ids, held := r.size.take(func() (string, bool) {
		if n := len(r.carry); n > 0 {
			id := r.carry[n-1]
			r.carry = r.carry[:n-1]
			return id, true
		}
		if id := r.held; id != "" {
			r.held = ""
			return id, true
		}
		return r.next()
	})
	r.held = held
	return item{ids: ids}, len(ids) > 0
}

// accept uses a response, or decides what to ask for instead.
func (r *reader) accept(ctx context.Context, f *fetch) error {
	if f.err != nil {
		return r.shrink(ctx, f.item, f.err)
	}
	missing, fault := r.parse(f)
	if fault != nil {
		return r.shrink(ctx, f.item, r.s.fault(f.item, fault))
	}
	if len(missing) > 0 {
		r.askAgain(f.item, missing)
		return nil
	}
	r.size.good(len(f.item.ids), f.took, len(f.answer.body))
	return r.use(f.item, r.last(f.item))
}

// shrink asks for less where less may help. A failure that is not one of size is returned.
func (r *reader) shrink(ctx context.Context, i item, err error) error {
	banned, less := errors.Is(err, errBanned), true
	switch kind := extract.KindOf(err); {
	case errors.Is(err, errNoGroups):
		return drift("the Data Access Groups right was taken away")
	case ctx.Err() != nil:
		return err
	case banned && (i.blocked || len(i.ids) == 1):
		return err
	case banned, kind == extract.KindTooLarge:
	case kind == extract.KindTransient:
		less = sizeMatters(err)
	case kind == extract.KindGarbled && !errors.Is(err, errHTML):
	default:
		return err
	}
	if i.patient && (len(i.ids) == 1 || !less) {
		return err
	}
	i.blocked = i.blocked || banned
	if less && len(i.ids) > 1 {
		r.size.bad(len(i.ids))
		r.queue = append(i.halves(), r.queue...)
	} else {
		i.patient = true
		r.queue = append([]item{i}, r.queue...)
	}
	r.s.log.WarnContext(ctx, "records are asked for again", "rows", len(i.ids), "kind", string(extract.KindOf(err)))
	return r.wait(ctx, err)
}

// wait heeds a server that asked for a pause.
func (r *reader) wait(ctx context.Context, err error) error {
	var e *extract.Error
	if !errors.As(err, &e) || e.After <= 0 {
		return nil
	}
	pause := time.NewTimer(min(e.After, longPause))
	defer pause.Stop()
	select {
	case <-pause.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// longPause is the longest that a server's Retry-After is heeded.
const longPause = 5 * time.Minute

// askAgain gives up a response that lacks records that were asked for: the server may have cut it anywhere. What it
// had is asked for once more without the rest, and the rest in smaller numbers. An answer is used only if it has
// every record that was asked for.
func (r *reader) askAgain(i item, missing []string) {
	lost := make(map[string]bool, len(missing))
	for _, id := range missing {
		lost[id] = true
	}
	var had []string
	for _, id := range i.ids {
		if !lost[id] {
			had = append(had, id)
		}
	}
	if len(had) > 0 {
		r.queue = append(r.queue, item{ids: had, second: i.second})
		if r.gone == nil {
			r.size.bad(len(i.ids))
		}
	}
	switch {
	case r.gone != nil:
		for _, id := range missing {
			r.gone(id)
		}
	case i.second:
		r.pending = append(r.pending, missing...)
	default:
		r.queue = append(r.queue, item{ids: missing, second: true}.halves()...)
	}
}

// use decodes a response that has every record asked for, save for the record at place without.
func (r *reader) use(i item, without int) error {
	from := int32(0)
	for n, id := range i.ids {
		end := r.ends[n] // moved by arrange to where the id's rows end
		rows := r.order[from:end]
		from = end
		if n == without {
			continue
		}
		if len(r.fill.keys) == 0 {
			r.fill.since = r.s.cfg.Now()
		}
		r.d.add(r.fill, id, rows)
		r.done++
		if r.fill.full(r.s.cfg.Now) {
			if err := r.flush(nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush hands the batch on, with marks where it is the last, and begins another in the buffers of the one before.
func (r *reader) flush(marks []extract.Mark) error {
	if r.fill.empty() && len(marks) == 0 {
		return nil
	}
	if err := r.fillFiles(r.hand.Context()); err != nil {
		return err
	}
	b := r.fill.batch()
	b.Marks, b.Again, b.Drift, b.Done, b.Total = marks, r.again, r.drift, r.done, r.total
	b.Moved = r.moved.among(b.Scope)
	if len(marks) > 0 {
		b.Memo, b.Blocked = r.s.lastMemo(), r.s.barred.rows()
	}
	if err := r.hand.Give(b); err != nil {
		return err
	}
	r.fill.most = extract.BatchRows
	r.fill, r.spare = r.spare, r.fill
	r.fill.reset()
	return nil
}
