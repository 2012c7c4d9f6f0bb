package engage

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"syncd/extract"
)

// sheet is a page on its way into a batch.
type sheet struct {
	*layout
	rows    []*extract.Rows // of the table and of those below it
	keys    [][]string      // of items that are there
	deleted []string        // of items that say they are gone
	rejects []extract.Reject
	unread  int // items without a usable key
	seen    map[string]bool

	items, inner, innermost opener
	values                  []jsontext.Value
	others                  []other
	nested                  []jsontext.Value // by table below
	buf                     []byte
}

// other is a member that nobody declared.
type other struct {
	name string
	raw  jsontext.Value
}

func newSheet(l *layout) *sheet {
	s := &sheet{layout: l, seen: map[string]bool{}, values: make([]jsontext.Value, l.slots), nested: make([]jsontext.Value, len(l.below)), buf: make([]byte, 0, 1024)}
	for _, t := range l.tables() {
		s.rows = append(s.rows, extract.NewRows(t))
	}
	return s
}

func (s *sheet) reset() {
	for _, r := range s.rows {
		r.Reset()
	}
	s.keys, s.deleted, s.rejects, s.unread = nil, nil, nil, 0 // the batch before may still hold them
	clear(s.seen)
}

// take decodes one item.
func (s *sheet) take(item jsontext.Value) error {
	clear(s.values)
	clear(s.nested)
	s.others = s.others[:0]
	deleted := false
	if err := s.items.object(item, func(name string, raw jsontext.Value) {
		p, ok := s.find(name)
		switch {
		case !ok:
			s.others = append(s.others, other{name, raw})
		case p.drop:
		case p.gone:
			deleted = bytes.EqualFold(bytes.Trim(raw, `"`), []byte("true"))
		case p.below != nil:
			s.nested[slices.Index(s.below, p.below)] = raw
		default:
			s.values[p.slot] = raw
		}
	}); err != nil {
		return extract.Errorf(extract.KindGarbled, "read "+s.name, "an item: %w", err)
	}
	key, rule := s.key()
	if rule != nil {
		s.unread++
		s.rejects = append(s.rejects, extract.Reject{Table: s.table, Column: s.table.Columns[0].Name, Rule: rule.Error(), Raw: bytes.Clone(item)})
		return nil
	}
	switch {
	case s.seen[key]:
		s.rows[0].Duplicates++ // in one answer both are of the same instant
		return nil
	case deleted:
		s.deleted = append(s.deleted, key)
	default:
		s.keys = append(s.keys, []string{key})
		s.row(key)
	}
	s.seen[key] = true
	return nil
}

// key reads the key of the item.
func (s *sheet) key() (string, error) {
	c := s.cells[0]
	out, ok, err := c.kind.appendValue(nil, s.buf, s.values[c.slot])
	switch {
	case err != nil:
		return "", err
	case !ok:
		return "", ruleKey
	case len(out) > keyBytes:
		return "", ruleLong
	}
	return string(out), nil
}

// row makes the row of the item, and those below it.
func (s *sheet) row(key string) {
	r := s.rows[0]
	r.Begin()
	for i, c := range s.cells {
		s.cell(r, r.Table.Columns[i].Name, c)
	}
	notes(r, "", s.others)
	for i, raw := range s.nested {
		if absent(raw) {
			continue
		}
		read := s.nestedRows
		if s.below[i].fields == nil {
			read = s.custom
		}
		read(i, key, raw)
	}
	r.End()
}

// notes keeps members that nobody declared beside the row; of one that stands twice the later.
func notes(r *extract.Rows, above string, others []other) {
	slices.SortStableFunc(others, func(a, b other) int { return strings.Compare(a.name, b.name) })
	for i, o := range others {
		if i+1 == len(others) || others[i+1].name != o.name {
			note(r, above+o.name, o.raw)
		}
	}
}

// note keeps what nobody declared beside the row.
func note(r *extract.Rows, name string, raw jsontext.Value) {
	if !absent(raw) {
		r.Note(extract.Extra, clean(name), asSent(raw))
	}
}

// cell appends the cell of a column.
func (s *sheet) cell(r *extract.Rows, column string, c cell) {
	raw := s.values[c.slot]
	if c.other >= 0 {
		if second := s.values[c.other]; absent(raw) {
			raw = second
		} else if !absent(second) && !bytes.Equal(raw, second) {
			note(r, c.spelled, second)
		}
	}
	if c.part != plain && !absent(raw) && raw[0] == '{' {
		raw = s.unwrap(r, c, raw)
	} else if c.part == lastModified {
		raw = nil
	}
	s.put(r, column, c.kind, raw)
}

// put appends a value, or NULL and a note where it does not fit.
func (s *sheet) put(r *extract.Rows, column string, k kind, raw jsontext.Value) {
	out, ok, err := k.appendValue(r.Open(), s.buf, raw)
	switch {
	case err != nil:
		r.Null()
		r.Note(extract.NonConforming, column, asSent(raw))
	case !ok:
		r.Null()
	default:
		r.Close(out)
	}
}

// unwrap takes {"value": ..., "lastModified": ...} apart. What else is in it stands beside the row.
func (s *sheet) unwrap(r *extract.Rows, c cell, raw jsontext.Value) (found jsontext.Value) {
	want := map[part]string{value: "value", lastModified: "lastModified"}[c.part]
	field := ""
	_ = s.inner.object(raw, func(name string, raw jsontext.Value) { // it was checked as a part of the page
		switch name {
		case want:
			found = raw
		case "value", "lastModified":
		default:
			if c.part == value {
				if field == "" {
					field = s.fieldOf(c)
				}
				note(r, field+"."+name, raw)
			}
		}
	})
	return found
}

func (s *sheet) fieldOf(c cell) string {
	for i := range s.cells {
		if s.cells[i] == c {
			return s.table.Columns[i].Source
		}
	}
	return ""
}

// nestedRows makes the rows of a list of objects below an item.
func (s *sheet) nestedRows(at int, key string, raw jsontext.Value) {
	above, r, u := s.rows[0], s.rows[at+1], s.below[at]
	first := r.Len()
	if err := s.inner.list(raw, func(i int, element jsontext.Value) {
		values := make([]jsontext.Value, len(u.fields))
		var others []other
		ok := element[0] == '{' && s.innermost.object(element, func(name string, raw jsontext.Value) {
			if at := slices.IndexFunc(u.fields, func(f field) bool { return f.name == name }); at >= 0 {
				values[at] = raw
			} else {
				others = append(others, other{name, raw})
			}
		}) == nil
		var own []byte
		if ok {
			var err error
			own, ok, err = u.fields[0].kind.appendValue(nil, s.buf, values[0])
			ok = ok && err == nil
		}
		switch {
		case !ok:
			note(above, u.name+"["+strconv.Itoa(i)+"]", element)
			return
		case holds(r, first, 1, own):
			r.Duplicates++
			return
		}
		r.Begin()
		r.String(key)
		for j, f := range u.fields {
			s.put(r, u.table.Columns[j+1].Name, f.kind, values[j])
		}
		notes(r, "", others)
		r.End()
	}); err != nil {
		note(above, u.name, raw)
	}
}

// holds reports whether a row from first on has a cell.
func holds(r *extract.Rows, first, column int, cell []byte) bool {
	for i := first; i < r.Len(); i++ {
		if have, _ := r.Cell(i, column); bytes.Equal(have, cell) {
			return true
		}
	}
	return false
}

// custom makes the rows of custom fields: one for each value, counted for each name.
func (s *sheet) custom(at int, key string, raw jsontext.Value) {
	above, r, u := s.rows[0], s.rows[at+1], s.below[at]
	counts := map[string]int{}
	if err := s.inner.list(raw, func(i int, element jsontext.Value) {
		var name, values jsontext.Value
		var others []other
		ok := element[0] == '{' && s.innermost.object(element, func(member string, raw jsontext.Value) {
			switch member {
			case "name":
				name = raw
			case "value":
				values = raw
			default:
				others = append(others, other{member, raw})
			}
		}) == nil
		var label []byte
		if ok {
			var err error
			label, ok, err = text.appendValue(nil, s.buf, name)
			ok = ok && err == nil && len(label) <= keyBytes
		}
		if !ok {
			note(above, u.name+"["+strconv.Itoa(i)+"]", element)
			return
		}
		notes(above, u.name+"["+strconv.Itoa(i)+"].", others)
		each := func(_ int, v jsontext.Value) {
			if absent(v) {
				return
			}
			counts[string(label)]++
			r.Begin()
			r.String(key)
			r.String(string(label))
			r.String(strconv.Itoa(counts[string(label)]))
			s.put(r, "value", text, v)
			r.End()
		}
		if absent(values) || values[0] != '[' {
			each(0, values)
			return
		}
		_ = s.innermost.list(values, each) // it was checked as a part of the page
	}); err != nil {
		note(above, u.name, raw)
	}
}
