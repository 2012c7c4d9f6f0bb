package load

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"github.com/zeebo/xxh3"

	"syncd/extract"
)

// encodingVersion changes when the same row would get another fingerprint; rows are then found to be reencoded.
const encodingVersion = 1

// Ids that stand for what is no column; column ids count from 1.
const (
	generationID    = 1<<32 - 1
	nonConformingID = 1<<32 - 2 - uint32(extract.NonConforming)
	missingID       = 1<<32 - 2 - uint32(extract.MissingCode)
	extraID         = 1<<32 - 2 - uint32(extract.Extra)
)

// hasher makes fingerprints; it keeps its buffers, so that a row costs no allocation.
type hasher struct {
	buf   []byte
	notes noteText
}

// row takes the fingerprint of row i of rows: its cells that are not NULL, in the order of column ids, then its side
// columns, each as id, length and text. A new empty column or another order of columns changes nothing.
func (h *hasher) row(s *shape, rows *extract.Rows, i int, notes []extract.Note) [16]byte {
	h.start(s)
	for _, j := range s.order {
		if cell, ok := rows.Cell(i, j); ok {
			h.cell(uint32(s.columns[j].id), cell)
		}
	}
	if len(notes) > 0 {
		h.side(notes)
	}
	return xxh3.Hash128(h.buf).Bytes()
}

// side appends the side columns of a row that has notes.
func (h *hasher) side(notes []extract.Note) {
	h.notes.make(notes)
	for kind, id := range [...]uint32{nonConformingID, missingID, extraID} {
		if text := h.notes.of(extract.NoteKind(kind)); len(text) > 0 {
			h.cell(id, text)
		}
	}
}

func (h *hasher) start(s *shape) {
	h.buf = h.buf[:0]
	if s.t.generation > 0 {
		h.buf = binary.LittleEndian.AppendUint32(h.buf, generationID)
		h.buf = binary.LittleEndian.AppendUint32(h.buf, uint32(s.t.generation))
	}
}

func (h *hasher) cell(id uint32, text []byte) {
	h.buf = binary.LittleEndian.AppendUint32(h.buf, id)
	h.buf = binary.LittleEndian.AppendUint32(h.buf, uint32(len(text)))
	h.buf = append(h.buf, text...)
}

// storedRow takes the fingerprint of a row that Postgres printed: cells in the order of s.columns, then the three side
// columns; nil is NULL.
func (h *hasher) storedRow(s *shape, cells [][]byte) [16]byte {
	h.start(s)
	for _, j := range s.order {
		if cells[j] != nil {
			h.cell(uint32(s.columns[j].id), cells[j])
		}
	}
	for k, id := range [...]uint32{nonConformingID, missingID, extraID} {
		if cell := cells[len(s.columns)+k]; cell != nil {
			h.cell(id, cell)
		}
	}
	return xxh3.Hash128(h.buf).Bytes()
}

// content hashes what row i holds beside the name of its record, the first key column. Rows of two tables never have the
// same, and no generation comes into it: it is compared with what is stored now.
func (h *hasher) content(s *shape, rows *extract.Rows, i int, notes []extract.Note) [16]byte {
	h.of(s)
	for _, j := range s.order {
		if cell, ok := rows.Cell(i, j); ok && j > 0 {
			h.cell(uint32(s.columns[j].id), cell)
		}
	}
	if len(notes) > 0 {
		h.side(notes)
	}
	return xxh3.Hash128(h.buf).Bytes()
}

// storedContent is content of a row that Postgres printed, as storedRow is row.
func (h *hasher) storedContent(s *shape, cells [][]byte) [16]byte {
	h.of(s)
	for _, j := range s.order {
		if cells[j] != nil && j > 0 {
			h.cell(uint32(s.columns[j].id), cells[j])
		}
	}
	for k, id := range [...]uint32{nonConformingID, missingID, extraID} {
		if cell := cells[len(s.columns)+k]; cell != nil {
			h.cell(id, cell)
		}
	}
	return xxh3.Hash128(h.buf).Bytes()
}

// of begins with the table, whose name no other has.
func (h *hasher) of(s *shape) {
	table := s.t.String()
	h.buf = binary.LittleEndian.AppendUint32(h.buf[:0], uint32(len(table)))
	h.buf = append(h.buf, table...)
}

// noteText holds the side columns of one row as JSON objects, in the very text in which Postgres prints them: keys by
// length and then bytewise, one blank after colon and comma.
type noteText struct {
	text [3][]byte
	pick []member
}

type member struct{ key, value string }

func (n *noteText) of(kind extract.NoteKind) []byte { return n.text[kind] }

// make writes the objects of a row's notes; of two notes for one column the later one stands.
func (n *noteText) make(notes []extract.Note) {
	for kind := range n.text {
		n.text[kind] = n.text[kind][:0]
		n.pick = n.pick[:0]
		for i := range notes {
			if int(notes[i].Kind) == kind {
				n.insert(member{storable(notes[i].Column), storable(notes[i].Value)})
			}
		}
		if len(n.pick) == 0 {
			continue
		}
		dst := append(n.text[kind], '{')
		for k, m := range n.pick {
			if k > 0 {
				dst = append(dst, ", "...)
			}
			dst = extract.AppendJSONString(dst, m.key)
			dst = append(dst, ": "...)
			dst = extract.AppendJSONString(dst, m.value)
		}
		n.text[kind] = append(dst, '}')
	}
}

// insert puts a member where it belongs among those picked; rows have few notes.
func (n *noteText) insert(m member) {
	at := len(n.pick)
	for at > 0 {
		before := n.pick[at-1].key
		if before == m.key {
			n.pick[at-1] = m
			return
		}
		if len(before) < len(m.key) || len(before) == len(m.key) && before < m.key {
			break
		}
		at--
	}
	n.pick = append(n.pick, member{})
	copy(n.pick[at+1:], n.pick[at:])
	n.pick[at] = m
}

const hexDigits = "0123456789abcdef"

// storable returns text that jsonb can hold: text with a NUL or invalid UTF-8 becomes \x and its bytes in hexadecimal.
func storable(s string) string {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	return `\x` + hex.EncodeToString([]byte(s))
}

// appendUUID writes a fingerprint as Postgres prints a uuid.
func appendUUID(dst []byte, id [16]byte) []byte {
	for i, b := range id {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst = append(dst, '-')
		}
		dst = append(dst, hexDigits[b>>4], hexDigits[b&15])
	}
	return dst
}
