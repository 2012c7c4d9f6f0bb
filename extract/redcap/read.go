package redcap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
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
	fill  *filling
	size  *sizer
	yield func(*extract.Batch) error

	queue []item
	next  func() (string, bool)
	held  string // an id that did not fit the last request

	gone    func(id string) // set: ids that are not returned are gone, not missing
	pending []string        // listed, asked for twice, not returned
	desks   [2]desk         // one for the response in hand, one for that under way
	turn    int

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

func (s *Source) newReader(yield func(*extract.Batch) error) *reader {
	now := s.serverTime(s.cfg.Now()).In(s.cfg.Zone)
	return &reader{
		s: s, m: s.model, d: newDecoder(s.model, now), fill: newFilling(s.model), size: s.newSizer(s.model.snapshot),
		yield: yield, asked: map[string]int32{}, folded: map[string]int32{}, seen: map[string]sighting{},
	}
}

// read asks for every id that next returns and fills batches with what comes; full ones are handed on. One request
// is under way while a batch is loaded.
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

// parse splits a response, checks it and finds whose rows it has. It returns the ids that it has no
// row of, or fewer rows than the list of ids showed.
func (r *reader) parse(f *fetch) (missing []string, fault *extract.Error) {
	sheet, body := &f.desk.sheet, f.answer.body
	if f.torn != nil {
		return nil, errorText(body, fmt.Errorf("%w: %w", errCut, f.torn))
	}
	r.d.sheet = sheet
	if sheet.len() == 0 {
		return f.item.ids, nil
	}
	if !sheet.ended && !r.m.endless {
		return nil, &extract.Error{Kind: extract.KindGarbled, Cause: errCut}
	}
	if l := r.d.l; l == nil || !bytes.Equal(l.line, sheet.row(0)) {
		if fault := r.resolve(body); fault != nil {
			return nil, fault
		}
	}
	return r.sort(f.item.ids, f.item.second)
}

// resolve finds the layout of a header that was not seen yet.
func (r *reader) resolve(body []byte) *extract.Error {
	sheet := r.d.sheet
	header := make([]string, sheet.width(0))
	for i := range header {
		header[i] = string(sheet.cell(0, i))
	}
	if header[0] != r.m.idField {
		return headerFault(body, header, r.m.snapshot)
	}
	l, fault := r.m.newLayout(sheet.row(0), header)
	if fault != nil {
		return fault
	}
	r.d.l = l
	return nil
}

// sort assigns the rows of the sheet to the ids asked for. A record may have its rows in several places: servers
// write arm by arm.
func (r *reader) sort(ids []string, second bool) (missing []string, fault *extract.Error) {
	clear(r.asked)
	clear(r.folded)
	for i, id := range ids {
		r.asked[id] = int32(i)
	}
	sheet := r.d.sheet
	rows := sheet.len()
	r.owner, r.ends = r.owner[:0], append(r.ends[:0], make([]int32, len(ids)+1)...)
	r.owner = append(r.owner, -1)
	var last []byte
	at, ragged := int32(-1), 0
	for row := 1; row < rows; row++ {
		id := sheet.cell(row, 0)
		if at < 0 || !bytes.Equal(id, last) {
			at = r.find(ids, id)
			last = append(last[:0], id...)
		}
		if sheet.width(row) != r.d.l.width {
			if at < 0 {
				return nil, errorText(sheet.row(row), errNoise)
			}
			ragged++
		}
		r.owner = append(r.owner, at)
		if at >= 0 {
			r.ends[at+1]++
		}
	}
	if ragged > 1 && ragged > rows/2 {
		return nil, drift("the rows have another number of columns than the header")
	}
	for i, id := range ids {
		if n := r.ends[i+1]; n == 0 || !second && int(n) < r.rows.least(id) {
			missing = append(missing, id)
		}
		r.ends[i+1] += r.ends[i]
	}
	if len(missing) == 0 {
		r.arrange(rows, len(ids))
	}
	return missing, nil
}

// arrange makes order list the rows id by id; row numbers of an id stay ascending.
func (r *reader) arrange(rows, ids int) {
	n := int(r.ends[ids])
	if cap(r.order) < n {
		r.order = make([]int32, n)
	}
	r.order = r.order[:n]
	for row := 1; row < rows; row++ {
		if at := r.owner[row]; at >= 0 {
			r.order[r.ends[at]] = int32(row)
			r.ends[at]++
		}
	}
}

// find returns which of the ids asked for a row is of: byte by byte, else by what the server takes for the same.
func (r *reader) find(ids []string, id []byte) int32 {
	if at, ok := r.asked[string(id)]; ok {
		return at
	}
	if len(r.folded) == 0 {
		for i, asked := range ids {
			r.folded[strings.ToLower(asked)] = int32(i)
		}
	}
	if at, ok := r.folded[strings.ToLower(string(id))]; ok {
		return at
	}
	return -1
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

// last finds the record that a cut between two rows would have left without its last repeating instances, which no
// list counts: the one whose rows come last. It is asked for again among others; alone it is used once two answers
// agree. It returns its place among the ids, or -1 where it may be used.
func (r *reader) last(i item) int {
	if r.d.l.form < 0 || len(r.order) == 0 {
		return -1
	}
	at := -1
	for row := len(r.owner) - 1; row > 0 && at < 0; row-- {
		at = int(r.owner[row])
	}
	id, rows := i.ids[at], int(r.ends[at])
	if at > 0 {
		rows -= int(r.ends[at-1])
	}
	before := r.seen[id]
	switch {
	case len(i.ids) > 1:
		r.seen[id] = sighting{rows, before.alone}
		r.carry = append(r.carry, id)
	case before.rows == rows || before.alone >= mostAlone:
		delete(r.seen, id)
		return -1
	default:
		r.seen[id] = sighting{rows, before.alone + 1}
		r.queue = append(r.queue, i)
	}
	return at
}

// sighting is how many rows a record had, and how often it was asked for alone.
type sighting struct{ rows, alone int }

// mostAlone ends the wait for two answers that agree: then somebody is typing.
const mostAlone = 5

// flush hands the batch on, with marks where it is the last, and begins another.
func (r *reader) flush(marks []extract.Mark) error {
	if r.fill.empty() && len(marks) == 0 {
		return nil
	}
	b := r.fill.batch()
	b.Marks, b.Done, b.Total = marks, r.done, r.total
	err := r.yield(b)
	r.fill.reset()
	return err
}
