package redcap

import (
	"strings"

	"syncd/extract"
)

// People who were purged are told by their record ids. A record is kept out where ids are listed, so that it is never asked for; rows of
// other tables that name it are left out as they come. Both are counted, and handed on with the last batch.

// barred counts what was left out, by table.
type barred struct{ list []extract.BlockedRows }

func (b *barred) add(t *extract.Table, n int64) {
	if n == 0 {
		return
	}
	for i := range b.list {
		if b.list[i].Table == t {
			b.list[i].Rows += n
			return
		}
	}
	b.list = append(b.list, extract.BlockedRows{Table: t, Rows: n})
}

func (b *barred) rows() []extract.BlockedRows { return b.list }

// namesBlocked reports whether a row of the log is about a record that was purged. One that says of no record that it is about it
// may name one all the same: in quotes in its details, or at the end of its action.
func namesBlocked(list *extract.Blocked, row *logRow) bool {
	if subject := row.subject(); subject != "" {
		return list.Has(extract.PersonRecord, subject)
	}
	action := strings.TrimSpace(row.action)
	for at := strings.IndexByte(action, ' '); at >= 0; at = strings.IndexByte(action, ' ') {
		if action = action[at+1:]; list.Has(extract.PersonRecord, action) {
			return true
		}
	}
	for i, quoted := range strings.Split(row.details, "'") {
		if i%2 == 1 && list.Has(extract.PersonRecord, quoted) {
			return true
		}
	}
	return false
}

// bar finds the rows of a report that are about people who were purged. A report that does not show the record id cannot be told from one
// of theirs: it is not read.
func (r *report) bar(s *Source, columns *sheet, p *snapshot) error {
	at := -1
	for i := range columns.width(0) {
		if string(columns.cell(0, i)) == p.idField {
			at = i
		}
	}
	if at < 0 {
		r.table, r.body = nil, nil
		return &extract.Error{Kind: extract.KindRefused, What: "export report", Cause: errNoRecordID}
	}
	r.purged = map[int]bool{}
	for row := 1; row < r.sheet.len(); row++ {
		if s.blocked.Has(extract.PersonRecord, string(r.sheet.cell(row, at))) {
			r.purged[row] = true
		}
	}
	s.barred.add(r.table, int64(len(r.purged)))
	return nil
}

// Persons says how a project's tables name records, by the tables as they are stored.
func Persons(tables []*extract.Table) extract.Persons {
	idField := ""
	for _, t := range tables {
		if t.Side == extract.Live && t.Source == recordTable {
			idField = t.Columns[0].Source
		}
	}
	var all extract.Persons
	for _, t := range tables {
		if c, ok := personOf(t, idField); ok {
			all.Columns = append(all.Columns, c)
		}
		if t.Side == extract.Meta && t.Source == "redcap_file_content" {
			all.Contents = &extract.PersonContents{Table: t, Column: columnCalled(t, "sha256")}
		}
	}
	if all.Contents == nil {
		return all
	}
	for _, t := range tables {
		if t.Side == extract.Meta && (t.Source == "redcap_file" || t.Source == "redcap_file_repository") && columnCalled(t, "sha256") != "" {
			all.Contents.Referrers = append(all.Contents.Referrers, extract.PersonColumn{Table: t, Content: columnCalled(t, "sha256")})
		}
	}
	return all
}

func personOf(t *extract.Table, idField string) (extract.PersonColumn, bool) {
	c := extract.PersonColumn{Table: t}
	switch {
	case t.Side == extract.Live && t.Keys() > 0:
		c.Column, c.First, c.Roll = t.Columns[0].Name, true, t.Source == recordTable
	case t.Side != extract.Meta:
		return c, false
	case t.Source == "redcap_log":
		c.Column, c.Ends, c.Quotes = columnCalled(t, "record"), columnCalled(t, "action"), columnCalled(t, "details")
	case t.Source == "redcap_survey_participant":
		c.Column = columnCalled(t, "record")
	case t.Source == "redcap_file":
		c.Column, c.First, c.Content = t.Columns[0].Name, true, columnCalled(t, "sha256")
	case strings.HasPrefix(t.Source, "report "):
		c.Column = columnCalled(t, idField)
		c.Whole = c.Column == ""
	}
	return c, c.Column != "" || c.Whole
}

// columnCalled is the name that a column of the source has in the table; empty where it is not there.
func columnCalled(t *extract.Table, source string) string {
	for _, c := range t.Columns {
		if c.Source == source {
			return c.Name
		}
	}
	return ""
}
