package redcap

import (
	"bytes"
	"encoding/hex"
	"unicode/utf8"

	"syncd/extract"
)

// storable reports whether Postgres can hold text.
func storable(text []byte) bool { return utf8.Valid(text) && bytes.IndexByte(text, 0) < 0 }

// cell appends one value: as its type, as a missing-data code, or as what does not fit.
func (d *decoder) cell(rows *extract.Rows, c *column, r int, value []byte) {
	if len(value) == 0 {
		rows.Null()
		return
	}
	if d.isMissing(c, value) {
		rows.Null()
		rows.Note(extract.MissingCode, c.pg.Name, string(value))
		return
	}
	dst := rows.Open()
	from := len(dst)
	dst, err := c.encode(dst, value)
	if err != nil {
		rows.Null()
		rows.Note(extract.NonConforming, c.pg.Name, kept(value))
		return
	}
	rows.Close(dst)
	if c.check != nil {
		c.check.judge(dst[from:], d, r)
	}
}

// plain appends text that has no dictionary.
func (d *decoder) plain(rows *extract.Rows, name string, value []byte) {
	switch {
	case len(value) == 0:
		rows.Null()
	case !storable(value):
		rows.Null()
		rows.Note(extract.NonConforming, name, kept(value))
	default:
		rows.Close(append(rows.Open(), value...))
	}
}

// kept is how a value that does not fit is kept: as it is where it is text, else as \x and hexadecimal digits.
func kept(value []byte) string {
	if storable(value) {
		return string(value)
	}
	return `\x` + hex.EncodeToString(value)
}

// notCompleted is what stands for the completion time of a survey that was begun.
const notCompleted = "[not completed]"

// isMissing reports whether a value is a code that stands in place of one. A status never is; options of a checkbox
// have columns of their own for codes.
func (d *decoder) isMissing(c *column, value []byte) bool {
	switch c.role {
	case roleSurvey:
		return string(value) == notCompleted
	case roleField:
		for _, code := range d.missing {
			if string(code) == string(value) {
				return true
			}
		}
	}
	return false
}

// otherField returns the canonical text of another field of the same row, and nil where it has none.
func (d *decoder) otherField(r int, c *column) []byte {
	at, known := d.l.places[c.export]
	if !known {
		return nil
	}
	value := d.sheet.cell(r, at)
	if len(value) == 0 || d.isMissing(c, value) {
		return nil
	}
	var err error
	if d.other, err = c.encode(d.other[:0], value); err != nil {
		return nil
	}
	return d.other
}
