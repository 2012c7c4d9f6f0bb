package redcap

import (
	"bytes"
	"errors"
)

// errOpenQuote and errAfterQuote say that a body is not whole CSV: it was cut inside a cell, or something else was
// written into it.
var (
	errOpenQuote  = errors.New("the text ends inside a quoted cell")
	errAfterQuote = errors.New("a closing quote is followed by neither a comma nor a line end")
)

// sheet is a CSV text split in place: four bytes for each cell and eight for each row beside the text, kept from one
// text to the next. Line ends inside quotes stay as they are, which encoding/csv does not do; blank lines
// are skipped as encoding/csv skips them.
type sheet struct {
	body  []byte
	rows  []sheetRow
	cells []uint32 // end of each cell, its closing quote included
	ended bool     // the last row ends with a line end
	plain []byte   // scratch for cells with doubled quotes
}

type sheetRow struct{ start, cell uint32 }

// split takes the cells of body apart. body must stay as it is while the sheet is used.
func (s *sheet) split(body []byte) error {
	s.body, s.rows, s.cells = body, s.rows[:0], s.cells[:0]
	s.ended = len(body) > 0 && body[len(body)-1] == '\n'
	for at := 0; at < len(body); {
		if n := blankLine(body[at:]); n > 0 {
			at += n
			continue
		}
		s.rows = append(s.rows, sheetRow{uint32(at), uint32(len(s.cells))})
		next, err := s.splitRow(at)
		if err != nil {
			return err
		}
		at = next
	}
	return nil
}

// splitRow appends the ends of the cells of the row that begins at at, and returns where the next row begins.
func (s *sheet) splitRow(at int) (int, error) {
	body, cells := s.body, s.cells
	for {
		if at < len(body) && body[at] == '"' {
			end, err := quotedEnd(body, at)
			if err != nil {
				return 0, err
			}
			at = end
		} else {
			for at < len(body) && body[at] != ',' && body[at] != '\n' {
				at++
			}
		}
		switch {
		case at == len(body):
			s.cells = append(cells, uint32(trimReturn(body, at)))
			return at, nil
		case body[at] == ',':
			cells = append(cells, uint32(at))
			at++
		case body[at] == '\n':
			s.cells = append(cells, uint32(trimReturn(body, at)))
			return at + 1, nil
		default: // a carriage return after a quoted cell
			s.cells = append(cells, uint32(at))
			return min(at+2, len(body)), nil
		}
	}
}

// quotedEnd returns the place after the quote that closes the cell whose opening quote is at at.
func quotedEnd(body []byte, at int) (int, error) {
	for i := at + 1; ; {
		n := bytes.IndexByte(body[i:], '"')
		if n < 0 {
			return 0, errOpenQuote
		}
		i += n + 1
		switch {
		case i == len(body) || body[i] == ',' || body[i] == '\n':
			return i, nil
		case body[i] == '\r' && (i+1 == len(body) || body[i+1] == '\n'):
			return i, nil
		case body[i] == '"':
			i++
		case i < at+3 || body[i-2] != '\\':
			return 0, errAfterQuote
		} // else PHP's own dialect: a quote after a backslash is not doubled
	}
}

// trimReturn steps back over a carriage return before end, unless it belongs to a quoted cell.
func trimReturn(body []byte, end int) int {
	if end > 0 && body[end-1] == '\r' {
		return end - 1
	}
	return end
}

func blankLine(body []byte) int {
	switch {
	case body[0] == '\n':
		return 1
	case body[0] == '\r' && len(body) == 1:
		return 1
	case body[0] == '\r' && body[1] == '\n':
		return 2
	}
	return 0
}

// len returns the number of rows, the header among them.
func (s *sheet) len() int { return len(s.rows) }

// width returns the number of cells in row r.
func (s *sheet) width(r int) int {
	end := len(s.cells)
	if r+1 < len(s.rows) {
		end = int(s.rows[r+1].cell)
	}
	return end - int(s.rows[r].cell)
}

// row returns row r as it stands in the text, without its line end.
func (s *sheet) row(r int) []byte {
	last := int(s.rows[r].cell) + s.width(r) - 1
	return s.body[s.rows[r].start:s.cells[last]]
}

// cell returns the text of a cell. Where quotes had to be taken out it is valid until the next call only.
func (s *sheet) cell(r, column int) []byte {
	at := int(s.rows[r].cell) + column
	start := s.rows[r].start
	if column > 0 {
		start = s.cells[at-1] + 1
	}
	raw := s.body[start:s.cells[at]]
	if len(raw) == 0 || raw[0] != '"' {
		return raw
	}
	raw = raw[1 : len(raw)-1]
	if bytes.IndexByte(raw, '"') < 0 {
		return raw
	}
	s.plain = s.plain[:0]
	for len(raw) > 0 {
		n := bytes.IndexByte(raw, '"')
		if n < 0 {
			break
		}
		s.plain = append(s.plain, raw[:n+1]...)
		raw = raw[n+1:]
		if len(raw) > 0 && raw[0] == '"' {
			raw = raw[1:]
		}
	}
	s.plain = append(s.plain, raw...)
	return s.plain
}

// blank reports whether the cells from first up to and not including end are all empty.
func (s *sheet) blank(r, first, end int) bool {
	at := int(s.rows[r].cell)
	start := s.rows[r].start
	if first > 0 {
		start = s.cells[at+first-1] + 1
	}
	return s.cells[at+end-1]-start == uint32(end-first-1)
}
