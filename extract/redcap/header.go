package redcap

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"syncd/extract"
)

// noRecord is a record name that no project has. Unknown names are ignored, so that asking for it shows the columns
// of an export and no record (reference 4).
const noRecord = "syncd-asks-for-the-columns-only"

// callHeader is how the header is remembered.
const callHeader = "header"

// readHeader looks at the columns of a record export: which forms are surveys, and which columns the token's rights
// take away in silence, no other method tells.
func (s *Source) readHeader(ctx context.Context, p *snapshot) error {
	err := s.readHeaderOf(ctx, p, callHeader, noRecord)
	if errors.Is(err, errNoGroups) {
		p.groupColumn = groupRefused
		p.warn("data access groups were refused for records (the Data Access Groups right is missing); the column is left as stored")
		err = s.readHeaderOf(ctx, p, callHeader+" without groups", noRecord)
	}
	if err != nil || p.header != nil {
		return err
	}
	// 17.4.1 and newer show no columns where there are no rows (reference 2.4).
	id := ""
	if call := callHeader + " of a record"; !s.from.knows(call) {
		if id, err = s.firstID(ctx, p); err != nil || id == "" {
			return err
		}
	}
	return s.readHeaderOf(ctx, p, callHeader+" of a record", id)
}

func (s *Source) readHeaderOf(ctx context.Context, p *snapshot, call, id string) error {
	q := s.recordQuestion(p, []string{id})
	q.what, q.resource, q.tries = "export record columns", "record, columns only", 0
	a, err := s.inquire(ctx, call, q)
	if extract.KindOf(err) == extract.KindTooLarge && err != nil {
		return nil // a server that answers everything for a name it does not know
	}
	if err != nil {
		return err
	}
	var sh sheet
	if err := sh.split(a.body); err != nil || sh.len() == 0 {
		if err != nil {
			return s.explain(q, errorText(a.body, err))
		}
		return nil
	}
	if s.from.fresh != nil && !s.from.knows(call) { // of the answer only the line of names is remembered: the next may be a record
		line := slices.Clone(sh.row(0))
		if sh.len() > 1 || sh.ended {
			line = append(line, '\n')
		}
		s.from.fresh.keep(call, &answer{body: line}, nil)
	}
	header := make([]string, sh.width(0))
	for i := range header {
		header[i] = string(sh.cell(0, i))
	}
	if header[0] != p.idField {
		return s.explain(q, headerFault(a.body, header, p))
	}
	p.header, p.endless = header, !sh.ended
	grouped := slices.Contains(header, groupColumnName)
	switch {
	case p.groupColumn != groupAsked:
	case len(p.groups) == 0 && grouped:
		return s.explain(q, errorText(nil, errors.New("the list of data access groups was empty, and the export has a column of them")))
	case len(p.groups) == 0:
		p.groupColumn = groupNone
	case !grouped:
		p.groupColumn = groupRefused
		p.warn("the export has no data access group column although the project has groups: the column is left as stored")
	}
	return nil
}

// headerFault tells a project that changed between two calls from an answer that is no export at all.
func headerFault(body []byte, header []string, p *snapshot) *extract.Error {
	for i := range p.fields {
		if slices.Contains(header, p.fields[i].name()) {
			return &extract.Error{Kind: extract.KindDrift, Cause: errors.New("the record id is not the first column")}
		}
	}
	return errorText(body, errWrongAnswer)
}

// layout says where in a row of a response each column of the model stands.
type layout struct {
	line                               []byte // the header as it came; the same line has the same layout
	width                              int
	event, form, instance, dag, survey int // -1 where the response has no such column
	forms                              []formLayout
	places                             map[string]int // of fields, for bounds that name one
}

// formLayout is where an instrument's columns stand. All lie between first and end.
type formLayout struct {
	form       *form
	first, end int
	status     int
	watched    []watched
	parts      [][]int // by part and data column; -1: the column is NULL
}

// watched is a column that tells that a form has a row.
type watched struct {
	at     int
	option bool // an unticked one tells nothing
}

// drift is the error of a header that does not have the columns that the dictionary promised.
func drift(format string, args ...any) *extract.Error {
	return &extract.Error{
		Kind: extract.KindDrift, What: "export records", Cause: fmt.Errorf(format, args...),
		Next: "The project was changed while it was read; the run starts once more. If this stays, ask the administrator " +
			"whether the token's rights were changed.",
	}
}

// newLayout resolves a header. Every column must be one that the model knows, and every column of the model must be
// there. Names that stand twice (options that differ in case only) are told apart by their order.
func (m *model) newLayout(line []byte, header []string) (*layout, *extract.Error) {
	at := make(map[string][]int, len(header))
	for i, name := range header {
		at[name] = append(at[name], i)
	}
	take := func(name string) int {
		places := at[name]
		if len(places) == 0 {
			return -1
		}
		at[name] = places[1:]
		return places[0]
	}
	l := &layout{line: slices.Clone(line), width: len(header), places: make(map[string]int, len(header))}
	for i, name := range header {
		l.places[name] = i
	}
	if take(m.idField) != 0 {
		return nil, drift("the record id is not the first column")
	}
	l.event, l.form, l.instance = take(eventColumn), take(instrumentColumn), take(instanceColumn)
	l.dag, l.survey = take(groupColumnName), take(surveyColumn)
	if fault := m.checkLead(l); fault != nil {
		return nil, fault
	}
	for _, f := range m.forms {
		if f.unread {
			continue
		}
		fl, fault := newFormLayout(f, take)
		if fault != nil {
			return nil, fault
		}
		if fl.end > 0 {
			l.forms = append(l.forms, fl)
		}
	}
	for name, places := range at {
		if len(places) > 0 && !m.ignores(name) {
			return nil, drift("the export has a column that the dictionary does not have")
		}
	}
	return l, nil
}

// checkLead compares the columns in front with what the structure says.
func (m *model) checkLead(l *layout) *extract.Error {
	switch {
	case (l.event >= 0) != m.longitudinal:
		return drift("the project turned classic or longitudinal")
	case (l.form >= 0) != (l.instance >= 0):
		return drift("the repeat columns are not whole")
	case m.header != nil && (l.form >= 0) != (m.headerIndex(instrumentColumn) >= 0):
		return drift("repeating was switched on or off")
	case m.header != nil && (l.dag >= 0) != (m.headerIndex(groupColumnName) >= 0):
		return drift("the data access group column came or went")
	case m.header != nil && (l.survey >= 0) != (m.headerIndex(surveyColumn) >= 0):
		return drift("the survey identifier column came or went")
	}
	return nil
}

func newFormLayout(f *form, take func(string) int) (formLayout, *extract.Error) {
	fl := formLayout{form: f, first: -1, status: -1}
	place := make(map[*column]int, len(f.columns))
	for _, c := range f.columns {
		if c.absent {
			continue
		}
		i := take(c.export)
		if i < 0 {
			return fl, drift("a column of instrument %s is missing from the export", f.name)
		}
		place[c] = i
		if fl.first < 0 || i < fl.first {
			fl.first = i
		}
		fl.end = max(fl.end, i+1)
		switch {
		case c.role == roleStatus:
			fl.status = i
		case c.field == nil || !c.field.computed():
			fl.watched = append(fl.watched, watched{i, c.role == roleOption})
		}
	}
	for _, p := range f.parts {
		list := make([]int, len(p.columns))
		for j, c := range p.columns {
			list[j] = place[c]
			if c.emptied {
				list[j] = -1
			}
		}
		fl.parts = append(fl.parts, list)
	}
	return fl, nil
}
