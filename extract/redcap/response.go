package redcap

import (
	"bytes"
	"fmt"
	"strings"

	"syncd/extract"
)

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
