package load

import (
	"encoding/binary"

	"syncd/extract"
)

// What stands before and after the rows of a binary COPY: its signature, no flags, no extension; the end.
const (
	binaryHead = "PGCOPY\n\xff\r\n\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00"
	binaryTail = "\xff\xff"
)

// plain reports whether rows are sent in binary form: where all columns are text, their bytes are the same in both forms,
// and Postgres is spared reading numbers and fingerprints from text, a good part of a narrow row's cost. Only of a table
// that this run made is it known that nobody gave its columns other types.
func (s *shape) plain() bool {
	if !s.made || s.versioned {
		return false
	}
	for _, c := range s.columns {
		if c.typ != extract.Text {
			return false
		}
	}
	return true
}

// plainLine makes the binary form of a new row, with its columns in the order of newLine.
func (r *Run) plainLine(in *intake, now clock, given bool) func(dst []byte, row int) []byte {
	fields := len(in.sh.columns) + len(ownColumns(false))
	run := appendLong(nil, r.id)
	var times []byte
	if given {
		times = appendInstant(appendInstant(nil, now), now)
	} else {
		fields -= 2
	}
	return func(dst []byte, row int) []byte {
		r.printLate(in, row)
		dst = binary.BigEndian.AppendUint16(dst, uint16(fields))
		for j := range in.sh.columns {
			if cell, ok := in.rows.Cell(row, j); ok {
				dst = append(appendLength(dst, len(cell)), cell...)
			} else {
				dst = appendLength(dst, isNull)
			}
		}
		dst = append(dst, run...)
		dst = append(appendLength(dst, len(in.fps[row])), in.fps[row][:]...)
		dst = append(dst, times...)
		return in.appendPlainNotes(dst, &r.state.hasher.notes, row)
	}
}

// appendPlainNotes appends the three side columns of a row. The binary form of jsonb is its text after a 1.
func (in *intake) appendPlainNotes(dst []byte, h *noteText, row int) []byte {
	notes := in.notes(row)
	if len(notes) > 0 {
		h.make(notes)
	}
	for kind := range h.text {
		if len(notes) == 0 || len(h.text[kind]) == 0 {
			dst = appendLength(dst, isNull)
			continue
		}
		dst = append(append(appendLength(dst, len(h.text[kind])+1), 1), h.text[kind]...)
	}
	return dst
}

// isNull stands in place of a length.
const isNull = -1

func appendLength(dst []byte, n int) []byte {
	return binary.BigEndian.AppendUint32(dst, uint32(int32(n)))
}

func appendLong(dst []byte, n int64) []byte {
	return binary.BigEndian.AppendUint64(appendLength(dst, 8), uint64(n))
}

// year2000 is from when Postgres counts, in microseconds of Unix.
const year2000 = 946_684_800_000_000

func appendInstant(dst []byte, at clock) []byte { return appendLong(dst, at.at.UnixMicro()-year2000) }
