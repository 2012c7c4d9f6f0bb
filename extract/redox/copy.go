package redox

import (
	"sort"

	"syncd/extract"
)

// origin is where rows are copied from: rows of one table, and their notes.
type origin struct {
	rows  *extract.Rows
	notes []extract.Note
}

// live copies a row as it is.
func (o *origin) live(to *extract.Rows, row int) {
	to.Begin()
	o.cells(to, row, 0, len(o.rows.Table.Columns))
	o.beside(to, row)
	to.End()
}

// past copies a row into the table of its history.
func (o *origin) past(to *extract.Rows, r rowAt, s *state) {
	keys := r.table.keys
	to.Begin()
	o.cells(to, r.row, 0, keys)
	to.String(s.version)
	to.String(s.at)
	if r.table.live.Versioned {
		if s.deleted {
			to.String("t")
		} else {
			to.Null()
		}
	}
	o.cells(to, r.row, keys, len(o.rows.Table.Columns))
	o.beside(to, r.row)
	to.End()
}

func (o *origin) cells(to *extract.Rows, row, from, end int) {
	for i := from; i < end; i++ {
		if cell, ok := o.rows.Cell(row, i); ok {
			to.Close(append(to.Open(), cell...))
		} else {
			to.Null()
		}
	}
}

// beside copies the notes of a row; notes ascend by row.
func (o *origin) beside(to *extract.Rows, row int) {
	for i := sort.Search(len(o.notes), func(i int) bool { return o.notes[i].Row >= row }); i < len(o.notes) && o.notes[i].Row == row; i++ {
		to.Note(o.notes[i].Kind, o.notes[i].Column, o.notes[i].Value)
	}
}
