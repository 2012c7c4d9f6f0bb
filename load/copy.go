package load

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"syncd/extract"
)

// copyChunk is how much text is made at once.
const copyChunk = 60 << 10

// copyText is what a COPY sends, made while it is sent: rows of an intake as lines, or in binary form.
type copyText struct {
	line func(dst []byte, row int) []byte
	rows []int
	tail string // after the last row
	buf  []byte
	at   int
}

// Read hands out the next of the text.
func (c *copyText) Read(p []byte) (int, error) {
	if c.at == len(c.buf) {
		c.buf, c.at = c.buf[:0], 0
		for len(c.rows) > 0 && len(c.buf) < copyChunk {
			c.buf = c.line(c.buf, c.rows[0])
			c.rows = c.rows[1:]
		}
		if len(c.rows) == 0 {
			c.buf, c.tail = append(c.buf, c.tail...), ""
		}
		if len(c.buf) == 0 {
			return 0, io.EOF
		}
	}
	n := copy(p, c.buf[c.at:])
	c.at += n
	return n, nil
}

// appendCell appends a cell as COPY reads it.
func appendCell(dst []byte, rows *extract.Rows, row, column int, escape bool) []byte {
	cell, ok := rows.Cell(row, column)
	switch {
	case !ok:
		return append(dst, '\\', 'N')
	case escape:
		return appendEscaped(dst, cell)
	}
	return append(dst, cell...)
}

// appendEscaped appends text with backslashes before what COPY would take for something else.
func appendEscaped(dst, text []byte) []byte {
	from := 0
	for i, c := range text {
		if c > '\r' && c != '\\' {
			continue
		}
		switch c {
		case '\\':
		case '\n':
			c = 'n'
		case '\r':
			c = 'r'
		case '\t':
			c = 't'
		default:
			continue
		}
		dst = append(append(dst, text[from:i]...), '\\', c)
		from = i + 1
	}
	return append(dst, text[from:]...)
}

// appendCells appends the cells of a row, each with a tab after it.
func (in *intake) appendCells(dst []byte, row int) []byte {
	for j, escape := range in.sh.escape {
		dst = append(appendCell(dst, in.rows, row, j, escape), '\t')
	}
	return dst
}

// appendNotes appends the three side columns of a row, separated by tabs.
func (in *intake) appendNotes(dst []byte, h *noteText, row int) []byte {
	notes := in.notes(row)
	if len(notes) == 0 {
		return append(dst, "\\N\t\\N\t\\N"...)
	}
	h.make(notes)
	for kind := range h.text {
		if kind > 0 {
			dst = append(dst, '\t')
		}
		if text := h.text[kind]; len(text) > 0 {
			dst = appendEscaped(dst, text)
		} else {
			dst = append(dst, '\\', 'N')
		}
	}
	return dst
}

// copyNew copies new rows straight into the table.
func (r *Run) copyNew(ctx context.Context, s *session, in *intake, rows []int, now clock) error {
	given := !now.own || !in.sh.made // else the columns' default says the same
	sql, text := copyRows(in.sh, given), &copyText{rows: rows, buf: r.state.copyBuf[:0]}
	if in.sh.plain() {
		sql += " WITH (FORMAT binary)"
		text.line, text.buf, text.tail = r.plainLine(in, now, given), append(text.buf, binaryHead...), binaryTail
	} else {
		text.line = r.newLine(in, now, given)
	}
	tag, err := s.pg.CopyFrom(ctx, text, sql)
	r.state.copyBuf = text.buf
	if err != nil {
		return refusedAt(err, in, rows)
	}
	in.counts.Inserted += tag.RowsAffected()
	return counted(in.sh.t, tag.RowsAffected(), len(rows))
}

// newLine makes the line of a new row.
func (r *Run) newLine(in *intake, now clock, given bool) func(dst []byte, row int) []byte {
	own := append(strconv.AppendInt(nil, r.id, 10), '\t')
	times := []byte{'\t'}
	if given {
		times = append(append(append(append(times, now.text...), '\t'), now.text...), '\t')
	}
	return func(dst []byte, row int) []byte {
		r.printLate(in, row)
		dst = append(in.appendCells(dst, row), own...)
		dst = append(appendUUID(dst, in.fps[row]), times...)
		return append(in.appendVersion(in.appendNotes(dst, &r.state.hasher.notes, row), row), '\n')
	}
}

// printLate takes the fingerprint of a row that was not to be compared.
func (r *Run) printLate(in *intake, row int) {
	if in.later {
		in.fps[row] = in.sh.fingerprint(&r.state.hasher, in, row)
	}
}

// counted compares what Postgres says it did with what it was asked to do.
func counted(t *table, got int64, want int) error {
	if got != int64(want) {
		return extract.Errorf(extract.KindInternal, "load batch", "%s: %d rows were sent, %d arrived; a trigger or rule of the table changes what is loaded", t, want, got)
	}
	return nil
}

// refusedRow says which row of a COPY Postgres refused for its data.
type refusedRow struct {
	in    *intake
	row   int
	state string
}

func (e *refusedRow) Error() string { return "a row was refused (SQLSTATE " + e.state + ")" }

// refusedAt finds the row behind an error of a COPY by the line that the error names. Where it names none the error is
// returned as it is.
func refusedAt(err error, in *intake, rows []int) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || !aboutData(pg) || pg.Code == "23505" {
		return err
	}
	line, ok := copyLine(pg.Where)
	if !ok || line > len(rows) {
		return err
	}
	return &refusedRow{in: in, row: rows[line-1], state: pg.Code}
}

// aboutData reports whether Postgres refused the data, as opposed to the moment.
func aboutData(pg *pgconn.PgError) bool {
	switch pg.Code[:min(2, len(pg.Code))] {
	case "22", "23", "54", "P0": // data, integrity, limits, raised by a trigger
		return true
	}
	return false
}

// copyLine reads the line number from where an error of a COPY says it happened: "COPY name, line 12, column age: ...",
// in whatever language. Names that syncd makes hold no comma.
func copyLine(where string) (int, bool) {
	_, rest, ok := strings.Cut(where, ",")
	if !ok || !strings.HasPrefix(where, "COPY ") {
		return 0, false
	}
	from := strings.IndexAny(rest, "0123456789")
	if from < 0 {
		return 0, false
	}
	rest = rest[from:]
	if end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		rest = rest[:end]
	}
	n, err := strconv.Atoi(rest)
	return n, err == nil && n > 0
}
