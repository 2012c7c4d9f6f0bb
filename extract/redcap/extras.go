package redcap

import (
	"context"
	"errors"
	"maps"
	"slices"

	"syncd/extract"
)

// extra is what a job pulls by name beside records and structure.
type extra interface {
	// describe asks as much as is needed to know the tables and whether the token may read them. What it may not is
	// told in a warning, and is no failure.
	describe(ctx context.Context, s *Source, p *snapshot) error
	// tables are those that can be described, also where they may not be read: they stay as they are stored.
	tables() []*extract.Table
	// give hands on the rows.
	give(ctx context.Context, s *Source, hand *extract.Handoff, n news) error
}

// news is what a run knows of changes at the source.
type news struct {
	all bool // nothing is known: everything is to be looked at
	// uploads is the minute of the server's clock at which the log last told of a file of the record that was put or taken
	// away; empty where it told of none. nil where the log was not read.
	uploads func(id string) string
}

// news is what this run knows.
func (s *Source) news() news {
	r := &s.reading
	n := news{all: r.full || r.diff.all || s.stored == nil}
	if r.told != nil {
		n.uploads = r.told.uploaded
	}
	return n
}

// newExtras makes what the options name.
func (s *Source) newExtras(p *snapshot) []extra {
	o := s.cfg.Options
	var list []extra
	if o.pulls(pullUsers) {
		list = append(list, newUsers())
	}
	if o.pulls(pullParticipants) {
		list = append(list, newParticipants(p))
	}
	if o.pulls(pullReports) {
		list = append(list, newReports(o.Reports))
	}
	if o.pulls(pullRepository) {
		list = append(list, newRepository(o.pullsContents()))
	}
	if s.model.files != nil {
		list = append(list, &fileExtra{s.model.files, list})
	}
	return list
}

// describeExtras returns the tables of what is pulled by name.
func (s *Source) describeExtras(ctx context.Context, p *snapshot) ([]*extract.Table, error) {
	s.extras = s.newExtras(p)
	if s.partial { // files come with their records; about the others nothing is asked
		s.extras = slices.DeleteFunc(s.extras, func(x extra) bool { _, files := x.(*fileExtra); return !files })
	}
	if f := s.model.files; f != nil && f.content != nil {
		s.content = newContents(f.content)
	}
	var tables []*extract.Table
	for _, x := range s.extras {
		if err := x.describe(ctx, s, p); err != nil {
			return nil, err
		}
		tables = append(tables, x.tables()...)
	}
	return tables, nil
}

// giveExtras hands on what is pulled by name. Records were handed on before.
func (s *Source) giveExtras(ctx context.Context, hand *extract.Handoff) error {
	n := s.news()
	for _, x := range s.extras {
		if err := x.give(ctx, s, hand, n); err != nil {
			return err
		}
	}
	return nil
}

// refused reports whether a method is left out for good: the token's user lacks the right to it, the server does not have it
// or refuses the question as such. That the address was banned, the token went away or the server is down is another matter.
func refused(err error) bool {
	switch extract.KindOf(err) {
	case extract.KindRights:
		return !errors.Is(err, errBanned)
	case extract.KindRefused:
		return true
	case extract.KindDrift:
		return errors.Is(err, errUnknown)
	}
	return false
}

// why says in a few words what refused means, with the right that is commonly missing.
func why(err error, right string) string {
	switch {
	case errors.Is(err, errContent):
		return "the server does not have the method"
	case errors.Is(err, errBoundUser):
		return "the token's user is in a data access group"
	case extract.KindOf(err) == extract.KindRights:
		return "the " + right + " right is missing"
	}
	switch extract.KindOf(err) {
	case extract.KindGarbled:
		return "it cannot be read"
	case extract.KindTooLarge:
		return "it is too large"
	}
	return "the server refused"
}

// metaRow is one row of a table outside the dictionary: cells by column, and what has no column.
type metaRow struct {
	cells []string
	extra map[string]string
}

// wholeTable makes the batch that is the whole truth about a table. Where a key stands twice the later row counts.
func wholeTable(t *extract.Table, list []metaRow, reason string) *extract.Batch {
	return &extract.Batch{
		Rows:  []*extract.Rows{rowsOf(t, list)},
		Scope: &extract.Scope{Tables: []*extract.Table{t}, Reason: reason},
	}
}

// rowsOf encodes rows.
func rowsOf(t *extract.Table, list []metaRow) *extract.Rows {
	rows, keys := extract.NewRows(t), t.Keys()
	last := make(map[string]int, len(list))
	for i := range list {
		last[extract.JoinKey(list[i].cells[:keys]...)] = i
	}
	for i := range list {
		if last[extract.JoinKey(list[i].cells[:keys]...)] != i {
			rows.Duplicates++
			continue
		}
		rows.Begin()
		for j, c := range t.Columns {
			appendMeta(rows, c, list[i].cells[j])
		}
		for _, name := range slices.Sorted(maps.Keys(list[i].extra)) {
			if v := list[i].extra[name]; v != "" {
				rows.Note(extract.Extra, name, v)
			}
		}
		rows.End()
	}
	return rows
}

// take moves the values of an object into a row of a table; what has no column there, and is not named in leave, is extra.
func take(t *extract.Table, o map[string]string, leave ...string) metaRow {
	row := metaRow{cells: make([]string, len(t.Columns))}
	known := make(map[string]bool, len(t.Columns)+len(leave))
	for i, c := range t.Columns {
		row.cells[i], known[c.Source] = o[c.Source], true
	}
	for _, name := range leave {
		known[name] = true
	}
	for name, v := range o {
		if !known[name] && v != "" {
			if row.extra == nil {
				row.extra = map[string]string{}
			}
			row.extra[name] = v
		}
	}
	return row
}

// askList asks for a list of flat objects, live: what it tells is not remembered from run to run.
func (s *Source) askList(ctx context.Context, q question, yield func(map[string]string) error, names ...string) error {
	a, err := s.ask(ctx, q, nil)
	if err != nil {
		return err
	}
	err = eachObject(a.body, func(o map[string]string) error {
		if !slices.ContainsFunc(names, func(name string) bool { return o[name] != "" }) {
			return errors.New("an entry without a name")
		}
		return yield(o)
	})
	if err != nil {
		return s.explain(q, s.notData(a.body, err))
	}
	return nil
}
