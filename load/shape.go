package load

import (
	"encoding/binary"
	"slices"

	"github.com/zeebo/xxh3"

	"syncd/extract"
)

// shape is how the rows of one source table become rows of its stored table.
type shape struct {
	t   *table
	src *extract.Table // as the source hands it in
	// fit is src as it is stored: without the columns that wait for one, with the stored types. It is src itself where
	// nothing has to be converted.
	fit     *extract.Table
	columns []*column // of fit, in its order
	order   []int     // indexes into columns, by column id: the order of fingerprints
	escape  []bool    // by column: whether a cell can hold what COPY has to escape
	keys    int
	made    bool // by this run
	stats   freshness
	frontier
	// versioned tables carry the version of the scope that each row stands for.
	versioned bool
	from      []int // index into columns by column of src, -1 where it waits; nil where fit is src
}

// newShape finds the stored column of each column of a table.
func newShape(t *table, src *extract.Table) *shape {
	s := &shape{t: t, src: src, fit: src, keys: len(t.primary), versioned: src.Versioned && t.names[versionColumn] != nil}
	from := make([]int, len(src.Columns))
	same := true
	fit := *src
	fit.Columns = nil
	for i, c := range src.Columns {
		stored := t.of(c.Name)
		if i < s.keys {
			stored = t.column(t.primary[i]) // a renamed key may wait for its new name
		}
		if stored == nil || stored.retired {
			from[i], same = -1, false
			continue
		}
		from[i] = len(s.columns)
		s.columns = append(s.columns, stored)
		s.escape = append(s.escape, escapes(stored.typ))
		same = same && stored.typ == c.Type && (c.Key || stored.name == c.Name)
		c.Type = stored.typ
		fit.Columns = append(fit.Columns, c)
	}
	if !same {
		s.from, s.fit = from, &fit
	}
	s.order = make([]int, len(s.columns))
	for i := range s.order {
		s.order[i] = i
	}
	slices.SortFunc(s.order, func(a, b int) int { return s.columns[a].id - s.columns[b].id })
	return s
}

// escapes reports whether canonical text of a type can hold a backslash or a control character.
func escapes(t extract.Type) bool {
	return t == extract.Text || t == extract.JSONB || t == extract.Bytea
}

// mark is a hash over what fingerprints are taken of: columns, their types, the encoding and the generation.
func (s *shape) mark() [16]byte {
	var b []byte
	for _, i := range s.order {
		b = binary.LittleEndian.AppendUint32(b, uint32(s.columns[i].id))
		b = append(b, byte(s.columns[i].typ))
	}
	b = binary.LittleEndian.AppendUint32(b, encodingVersion)
	b = binary.LittleEndian.AppendUint32(b, uint32(s.t.generation))
	return xxh3.Hash128(b).Bytes()
}

// convert makes rows of the source's table into rows of the stored one: a column that waits goes into _extra, a value
// that does not fit the stored type into _nonconforming. A row whose key does not fit becomes a reject.
func (s *shape) convert(rows *extract.Rows) (*extract.Rows, []extract.Reject) {
	if s.from == nil {
		return rows, nil
	}
	out := extract.NewRows(s.fit)
	out.Duplicates = rows.Duplicates
	var rejects []extract.Reject
	notes := rows.Notes()
	for i := range rows.Len() {
		n := 0
		for n < len(notes) && notes[n].Row == i {
			n++
		}
		own := notes[:n]
		notes = notes[n:]
		if reject := s.convertRow(out, rows, i, own); reject != nil {
			rejects = append(rejects, *reject)
		}
	}
	return out, rejects
}

func (s *shape) convertRow(out, rows *extract.Rows, i int, notes []extract.Note) *extract.Reject {
	out.Begin()
	for j, c := range s.src.Columns {
		cell, ok := rows.Cell(i, j)
		to := s.from[j]
		switch {
		case to < 0 && ok:
			out.Note(extract.Extra, extraName(c), string(cell))
		case to < 0:
		case !ok:
			out.Null()
		case s.columns[to].typ == c.Type || s.columns[to].typ == extract.Text:
			out.Close(append(out.Open(), cell...))
		default:
			buf, err := extract.Append(out.Open(), s.columns[to].typ, cell)
			if err != nil && c.Key {
				out.Abort()
				return &extract.Reject{Table: s.src, Key: keyOf(rows, i, s.keys), Column: c.Name, Rule: err.Error(), Raw: appendRow(nil, rows, i)}
			}
			if err != nil {
				out.Null()
				out.Note(extract.NonConforming, s.columns[to].name, string(cell))
				continue
			}
			out.Close(buf)
		}
	}
	for _, n := range notes {
		kind, column := s.noted(n)
		out.Note(kind, column, n.Value)
	}
	out.End()
	return nil
}

// noted finds where a note is kept: under the name that its column has in the table, or, where the column waits for one,
// in _extra under the source's spelling.
func (s *shape) noted(n extract.Note) (extract.NoteKind, string) {
	if n.Kind == extract.Extra {
		return n.Kind, n.Column
	}
	for j, c := range s.src.Columns {
		switch {
		case c.Name != n.Column:
		case s.from[j] < 0:
			return extract.Extra, extraName(c)
		default:
			return n.Kind, s.columns[s.from[j]].name
		}
	}
	return n.Kind, n.Column
}

func extraName(c extract.Column) string {
	if c.Source != "" {
		return c.Source
	}
	return c.Name
}

func keyOf(rows *extract.Rows, i, keys int) []string {
	key := make([]string, keys)
	for j := range key {
		cell, _ := rows.Cell(i, j)
		key[j] = string(cell)
	}
	return key
}

// appendRow writes a row as a line of COPY, for a reject.
func appendRow(dst []byte, rows *extract.Rows, i int) []byte {
	for j := range rows.Table.Columns {
		if j > 0 {
			dst = append(dst, '\t')
		}
		dst = appendCell(dst, rows, i, j, true)
	}
	return dst
}
