package redcap

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"syncd/extract"
)

// reportBytes bounds the answer for one report.
const reportBytes = 64 << 20

// reportColumns bounds the columns of a report: what a table of Postgres holds, with room for those that were there before.
const reportColumns = 1_000

// reports pulls reports by their ids. A report is what somebody has made of it at the moment: its columns are what its export
// shows, as text, and its table is replaced whole.
type reports struct {
	list  []*report
	named *extract.Table // redcap_report
	infos []reportInfo
	held  bool // what reports there are is not known
}

// report is one report as it was read.
type report struct {
	id     int
	table  *extract.Table // nil where it could not be read: then its columns are not known
	body   []byte
	sheet  sheet
	purged map[int]bool // rows about people who were purged
}

func newReports(ids []int) *reports {
	x := &reports{named: reportTable()}
	for _, id := range ids {
		x.list = append(x.list, &report{id: id})
	}
	return x
}

func (x *reports) describe(ctx context.Context, s *Source, p *snapshot) error {
	if x.held = p.design == nil; !x.held {
		x.infos = p.design.Reports
	}
	for _, r := range x.list {
		err := r.read(ctx, s, p)
		switch {
		case err == nil:
		case refused(err), extract.KindOf(err) == extract.KindTooLarge, errors.Is(err, errManyColumns), errors.Is(err, errNoColumns), errors.Is(err, errNoRecordID):
			p.warn("report %d was not read: %s; its table is left as stored", r.id, reportFault(err))
		default:
			return err
		}
	}
	return nil
}

var (
	errManyColumns = fmt.Errorf("it has more than %d columns", reportColumns)
	errNoColumns   = errors.New("it is empty and shows no columns")
	errNoRecordID  = errors.New("it does not show the record id, so that nobody can tell which of its rows are about people who were purged; add that field to the report")
)

func reportFault(err error) string {
	for _, known := range []error{errManyColumns, errNoColumns, errNoRecordID} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	if errors.Is(err, errUnknown) {
		return "the server does not know it"
	}
	return why(err, "access to the report, or the API Export")
}

// call is how a report's columns are remembered, for the day when it has no row: newer servers then show none.
func (r *report) call() string { return callReport + strconv.Itoa(r.id) }

const callReport = "report columns "

// read asks for the report, and makes its table of the columns that it shows.
func (r *report) read(ctx context.Context, s *Source, p *snapshot) error {
	q := question{
		what: "export report", resource: "report " + strconv.Itoa(r.id), content: "report", format: "csv", maxBody: reportBytes,
		extra: func(b *params) {
			b.add("report_id", strconv.Itoa(r.id))
			b.add("rawOrLabel", "raw")
			b.add("rawOrLabelHeaders", "raw")
			b.add("decimalCharacter", ".")
		},
	}
	a, err := s.ask(ctx, q, nil)
	if err != nil {
		return err
	}
	r.body = a.body
	if err := r.sheet.split(r.body); err != nil {
		return s.explain(q, errorText(r.body, err))
	}
	columns := r.sheet
	if r.sheet.len() == 0 {
		if columns, err = r.recall(ctx, s); err != nil {
			return s.explain(q, err)
		}
	} else if s.from.fresh != nil {
		s.from.fresh.keep(r.call(), &answer{body: append(append([]byte(nil), r.sheet.row(0)...), '\n')}, nil)
	}
	if columns.width(0) > reportColumns {
		return s.explain(q, &extract.Error{Kind: extract.KindRefused, Cause: errManyColumns})
	}
	for row := 1; row < r.sheet.len(); row++ {
		if r.sheet.width(row) != r.sheet.width(0) {
			return s.explain(q, errorText(r.body, errors.New("a row has another number of cells than there are columns")))
		}
	}
	r.table = r.describe(&columns)
	if s.blocked.Any() {
		return r.bar(s, &columns, p)
	}
	return nil
}

// recall finds the columns that the report had when it last had rows.
func (r *report) recall(ctx context.Context, s *Source) (sheet, error) {
	var columns sheet
	unknown := &extract.Error{Kind: extract.KindRefused, Cause: errNoColumns}
	known := s.reading.known
	if known == nil {
		return columns, unknown
	}
	told, ok := known.Answers[r.call()]
	if !ok {
		return columns, unknown
	}
	a, err := told.recall()
	if err != nil || columns.split(a.body) != nil || columns.len() == 0 {
		return columns, unknown
	}
	s.reading.fresh.Answers[r.call()] = told
	return columns, nil
}

func (r *report) describe(columns *sheet) *extract.Table {
	sources := []string{"row"}
	for i := range columns.width(0) {
		sources = append(sources, string(columns.cell(0, i)))
	}
	id := strconv.Itoa(r.id)
	t := &extract.Table{
		Side: extract.Meta, Name: "report_" + id, Source: "report " + id,
		Comment: "Report " + id + " as it is now, replaced whole; columns are what its export shows, as text",
	}
	for i, name := range extract.PostgresNames(sources) {
		c := extract.Column{Name: name, Source: sources[i], Type: extract.Text}
		if i == 0 {
			c.Type, c.Key, c.Comment = extract.Integer, true, "Place of the row in the report"
		}
		t.Columns = append(t.Columns, c)
	}
	return t
}

func (x *reports) tables() []*extract.Table {
	tables := []*extract.Table{x.named}
	for _, r := range x.list {
		if r.table != nil {
			tables = append(tables, r.table)
		}
	}
	return tables
}

func (x *reports) give(_ context.Context, _ *Source, hand *extract.Handoff, _ news) error {
	if !x.held {
		var rows []metaRow
		for _, r := range x.infos {
			rows = append(rows, metaRow{cells: []string{r.Unique, r.ID, r.Title, r.Order, r.Fields, r.Logic}})
		}
		if err := hand.Give(wholeTable(x.named, rows, "gone from the project's reports")); err != nil {
			return err
		}
	}
	for _, r := range x.list {
		if r.table == nil {
			continue
		}
		if err := hand.Give(r.batch()); err != nil {
			return err
		}
		r.body, r.sheet = nil, sheet{}
	}
	return nil
}

// batch makes the whole of the report's table.
func (r *report) batch() *extract.Batch {
	rows := extract.NewRows(r.table)
	for row := 1; row < r.sheet.len(); row++ {
		if r.purged[row] {
			continue
		}
		rows.Begin()
		rows.Close(strconv.AppendInt(rows.Open(), int64(row), 10))
		for i, c := range r.table.Columns[1:] {
			value := r.sheet.cell(row, i)
			switch {
			case len(value) == 0:
				rows.Null()
			case !storable(value):
				rows.Null()
				rows.Note(extract.NonConforming, c.Name, kept(value))
			default:
				rows.Close(append(rows.Open(), value...))
			}
		}
		rows.End()
	}
	return &extract.Batch{
		Rows:  []*extract.Rows{rows},
		Scope: &extract.Scope{Tables: []*extract.Table{r.table}, Reason: "not in the report any more"},
	}
}
