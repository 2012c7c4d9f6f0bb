package main

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"syncd/extract"
	fake "syncd/internal/fake/engage"
	"syncd/load"
)

// campusTruth is what a campus has: its items by list and id.
type campusTruth map[string]map[string]campusItem

type campusItem struct {
	created, modified time.Time
	fields            []fake.Field
}

func (s *campusStory) truth() campusTruth {
	all := campusTruth{}
	for _, list := range fake.Resources() {
		all[list] = map[string]campusItem{}
		for item := range s.campus.Truth(list) {
			all[list][strconv.FormatInt(item.ID, 10)] = campusItem{item.Created, item.Modified, slices.Clone(item.Fields)}
		}
	}
	return all
}

// at is an instant of an item.
func (i campusItem) at(field string) time.Time {
	for _, f := range i.fields {
		if f.Name == field {
			return f.Value.Time()
		}
	}
	return time.Time{}
}

// campusTables is what a warehouse holds of a campus, by table.
type campusTables map[string]*campusTable

type campusTable struct {
	types map[string]uint32
	rows  map[string]campusRow
	below map[string]int // rows by the first column of their key
}

type campusRow struct {
	cells   map[string]string // that are not NULL, and what is noted beside them
	changed string
}

// nestedTables are the tables below a list's own, and of how many columns their keys are.
func nestedTables() map[string]int {
	return map[string]int{"organization_categories": 2, "event_categories": 2, "organization_custom_fields": 3, "event_custom_fields": 3, "user_custom_fields": 3}
}

// tables reads everything that the job has.
func (s *campusStory) tables(ctx context.Context) (campusTables, error) {
	all, conn := campusTables{}, s.k.look
	rows, err := conn.Query(ctx, "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace($1) AND relkind = 'r'", s.job)
	if err != nil {
		return nil, err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		read := conn.PgConn().ExecParams(ctx, "SELECT * FROM "+pgx.Identifier{s.job, name}.Sanitize(), nil, nil, nil, nil).Read()
		if read.Err != nil {
			return nil, read.Err
		}
		t := &campusTable{types: map[string]uint32{}, rows: map[string]campusRow{}, below: map[string]int{}}
		for _, f := range read.FieldDescriptions {
			t.types[f.Name] = f.DataTypeOID
		}
		for _, values := range read.Rows {
			var key []string
			row := campusRow{cells: map[string]string{}}
			for i, f := range read.FieldDescriptions {
				text := string(values[i])
				if i < max(1, nestedTables()[name]) {
					key = append(key, text)
				}
				switch f.Name {
				case "_changed_at":
					row.changed = text
				case "_run_id", "_fingerprint", "_inserted_at":
				default:
					if values[i] != nil {
						row.cells[f.Name] = text
					}
				}
			}
			t.rows[strings.Join(key, " ")] = row
			t.below[key[0]]++
		}
		all[name] = t
	}
	return all, nil
}

// expect are the rows that tables should have of an item, by table and key.
func (t campusTables) expect(list, id string, item campusItem) map[string]map[string]map[string]string {
	cells := map[string]string{}
	key := extract.ColumnName(item.fields[0].Name)
	out := map[string]map[string]map[string]string{list: {id: cells}}
	nest := func(table string, row map[string]string, names ...string) {
		if out[table] == nil {
			out[table] = map[string]map[string]string{}
		}
		row[key] = id
		out[table][strings.Join(append([]string{id}, names...), " ")] = row
	}
	one := strings.TrimSuffix(list, "s")
	for _, f := range item.fields {
		name := extract.ColumnName(f.Name)
		switch f.Value.Kind {
		case fake.Categories:
			for _, c := range f.Value.Categories {
				number := strconv.FormatInt(c.ID, 10)
				nest(one+"_categories", map[string]string{"category_id": number, "category_name": c.Name}, number)
			}
		case fake.CustomFields:
			for _, c := range f.Value.Custom {
				for i, v := range c.Values {
					ordinal := strconv.Itoa(i + 1)
					nest(one+"_custom_fields", map[string]string{"name": c.Name, "ordinal": ordinal, "value": v}, c.Name, ordinal)
				}
			}
		case fake.Wrapped:
			t.spell(cells, list, name, *f.Value.Inner)
			t.spell(cells, list, name+"_last_modified", fake.Value{Kind: fake.Instant, Number: f.Value.Number})
		default:
			t.spell(cells, list, name, f.Value)
		}
	}
	return out
}

// spell puts a value down as Postgres shows it.
func (t campusTables) spell(cells map[string]string, list, name string, v fake.Value) {
	kind := t[list].types[name]
	text := v.Text
	switch v.Kind {
	case fake.Null:
		return
	case fake.Integer:
		text = strconv.FormatInt(v.Number, 10)
	case fake.Flag, fake.Boolean:
		text = []string{"False", "True"}[v.Number]
		if kind == pgtype.BoolOID {
			text = []string{"f", "t"}[v.Number]
		}
	case fake.Day:
		text = v.Date()
	case fake.Instant:
		if v.Number == 0 {
			return
		}
		text = v.Time().Format("2006-01-02 15:04:05.999999+00")
		if kind == pgtype.DateOID {
			text = v.Date()
		}
	case fake.Decimal:
		if strings.Trim(text, "-0.") == "" {
			text = strings.TrimPrefix(text, "-")
		}
	}
	cells[name] = text
}

// differs says in what the tables hold an item otherwise than the campus; "" where they do not.
func (t campusTables) differs(list, id string, item campusItem) string {
	if t[list] == nil {
		return list + ": no such table"
	}
	want := t.expect(list, id, item)
	for name := range nestedTables() {
		if strings.HasPrefix(name, strings.TrimSuffix(list, "s")+"_") && t[name].below[id] != len(want[name]) {
			return fmt.Sprintf("%s holds %d rows of %s where the campus has %d", name, t[name].below[id], id, len(want[name]))
		}
	}
	for name, rows := range want {
		for key, cells := range rows {
			row, ok := t[name].rows[key]
			if !ok {
				return fmt.Sprintf("%s %s is missing", name, key)
			}
			if maps.Equal(row.cells, cells) {
				continue
			}
			columns := maps.Clone(row.cells)
			maps.Copy(columns, cells)
			for column := range columns {
				if have, is := row.cells[column]; have != cells[column] || !is {
					return fmt.Sprintf("%s %s: %s is %q (%t) where the campus has %q", name, key, column, have, is, cells[column])
				}
			}
			return fmt.Sprintf("%s %s holds cells that the campus has not", name, key)
		}
	}
	return ""
}

// campusReview is the look at what a run has left.
type campusReview struct {
	*campusStory
	plan          campusRun
	told          told
	before, after campusTruth // the run
	now           campusTables
	touched, left map[string]bool // "list id" of what something happened to during the run, and of what was deleted
	found         []misstep
}

func (v *campusReview) find(kind, format string, args ...any) {
	v.found = append(v.found, misstep{kind, fmt.Sprintf(format, args...)})
}

// judge looks at what a run has said and left, and notes what later runs are compared with.
func (s *campusStory) judge(p campusRun, t told, before campusTruth, totals *tallies) ([]misstep, error) {
	v := &campusReview{campusStory: s, plan: p, told: t, before: before, after: before, touched: map[string]bool{}, left: map[string]bool{}}
	if len(s.late) > 0 {
		v.after = s.truth()
	}
	for _, h := range s.late {
		what := fmt.Sprint(h.Resource, " ", h.ID)
		v.touched[what] = true
		v.left[what] = v.left[what] || strings.HasPrefix(h.What, "delete")
	}
	ctx := s.k.t.Context()
	var err error
	if v.now, err = s.tables(ctx); err != nil {
		return nil, err
	}
	v.ending()
	v.keeps()
	v.steady(totals)
	if t.report.State == load.Succeeded {
		v.agrees(totals)
	}
	s.stored, s.marks = v.now, map[string]time.Time{}
	rows, err := s.k.look.Query(ctx, "SELECT name, value FROM syncd.mark WHERE job = $1", s.job)
	if err != nil {
		return nil, err
	}
	var name, value string
	_, err = pgx.ForEachRow(rows, []any{&name, &value}, func() (err error) {
		s.marks[name], err = time.Parse(time.RFC3339, value)
		return err
	})
	return v.found, err
}

// ending checks that a run ended as it had reason to.
func (v *campusReview) ending() {
	r, struck := v.told.report, v.told.struck
	many := false
	for list, t := range v.stored {
		gone := 0
		for id := range t.rows {
			if _, there := v.before[list][id]; !there && v.before[list] != nil {
				gone++
			}
		}
		many = many || gone > 20 && gone*10 > len(t.rows)
	}
	switch {
	case r.State == load.Succeeded && v.plan.trouble == blindTrouble:
		v.find(wrongEnd, "%s is empty for the key, and the brake did not hold", v.plan.list)
	case r.State == load.Succeeded && r.Verdict != load.Proven && !struck && len(v.late) == 0:
		v.find(wrongEnd, "the run is %s because %q", r.Verdict, r.Reason)
	case r.State == load.Held && !struck && !many:
		v.find(wrongEnd, "the brake holds: %v", v.told.err)
	case r.State != load.Succeeded && r.State != load.Held && !struck:
		v.find(wrongEnd, "the run is %q: %v", r.State, v.told.err)
	}
	if extract.Kind(r.ErrorKind) == extract.KindInternal || r.Verdict == load.Mismatch {
		v.find(wrongEnd, "%s, kind %s, verdict %s %s: %v", r.State, r.ErrorKind, r.Verdict, r.Reason, v.told.err)
	}
	if r.NewRejects > 0 {
		v.find(wrongEnd, "%d new rejects", r.NewRejects)
	}
	if err := v.server.ReadOnly(); err != nil {
		v.find(wrongEnd, "%v", err)
	}
}

// keeps checks, however the run ended, that of rows that were stored those are stored that the campus had all the time.
func (v *campusReview) keeps() {
	for list, items := range v.before {
		if v.stored[list] == nil {
			continue
		}
		for id := range v.stored[list].rows {
			_, had := items[id]
			_, has := v.after[list][id]
			if _, is := v.now[list].rows[id]; had && has && !is && !v.left[list+" "+id] {
				v.find(wrongDelete, "%s %s is there, and was moved out", list, id)
			}
		}
	}
}

// steady checks, however the run ended, that no row was written that is as it was.
func (v *campusReview) steady(totals *tallies) {
	for name, t := range v.stored {
		list := name
		for _, nested := range fake.Resources() {
			if strings.HasPrefix(name, strings.TrimSuffix(nested, "s")+"_") {
				list = nested
			}
		}
		for key, old := range t.rows {
			id, _, _ := strings.Cut(key, " ")
			row, is := v.now[name].rows[key]
			if !is || !maps.Equal(row.cells, old.cells) || v.touched[list+" "+id] {
				continue
			}
			totals.kept.Add(1)
			if row.changed != old.changed {
				v.find(movedTime, "%s %s is as it was, and its time moved from %s to %s", name, key, old.changed, row.changed)
			}
		}
	}
}

// agrees checks that what the run says of the lists is so.
func (v *campusReview) agrees(totals *tallies) {
	for _, list := range fake.Resources() {
		mark, marked := v.marks[list]
		whole := v.plan.full || list == "positions" || !marked
		switch {
		case v.plan.trouble == scopeTrouble && v.plan.list == list: // left out, with a warning
			continue
		case strings.Contains(v.told.report.Reason, list+": "): // the run says itself that it could not read it whole
			totals.count(totals.states, "doubts of a list")
			continue
		}
		for id, item := range v.before[list] {
			later, has := v.after[list][id]
			if !has || v.left[list+" "+id] || !reflect.DeepEqual(item.fields, later.fields) || !whole && !v.visible(list, item, mark) {
				continue
			}
			totals.rows.Add(1)
			if text := v.now.differs(list, id, item); text != "" && v.gap(list) {
				totals.count(totals.states, "rows in the gap")
			} else if text != "" {
				v.find(divergence, "%s", text)
			}
		}
		if !whole && (list != "memberships" || !v.tellsDeleted()) {
			continue // deletions of these are found by full runs
		}
		for id := range v.now[list].rows {
			_, had := v.before[list][id]
			_, has := v.after[list][id]
			if !had && !has && !v.touched[list+" "+id] {
				v.find(divergence, "%s %s is stored, and gone since before the run", list, id)
			}
		}
	}
}

// visible says whether a run by changes is shown an item: changes of organizations and memberships, new users, and what lies in
// the window of the others. Changes of users, and of what lies outside of the window, are found by full runs.
func (v *campusReview) visible(list string, item campusItem, mark time.Time) bool {
	from, to := v.server.Now().AddDate(0, 0, -29), v.server.Now().AddDate(0, 0, 364)
	field := map[string]string{"events": "startDateTime", "attendees": "startDate", "financetransactions": "transactionDate"}[list]
	switch list {
	case "organizations", "memberships":
		return !item.modified.Before(mark)
	case "users":
		return !item.created.Before(mark)
	case "financetransactions":
		return item.at(field).After(from)
	}
	return item.at(field).After(from) && item.at(field).Before(to)
}

// tellsDeleted says whether the campus tells what was deleted, and nothing made a run believe that it does not.
func (s *campusStory) tellsDeleted() bool {
	k := s.knobs
	return !k.NoDeletes && !k.IgnoreFilters && !k.NeedUser && !k.FilterSeconds && !s.lied
}

// gap says whether a row may have moved from a page that was still to be read to one that was read already: something of the
// list went while as much came, so that its length tells nothing. A campus that tells of deletions gives that away; else
// the row is read by the next full run. It is never deleted: it is asked for first.
func (v *campusReview) gap(list string) bool {
	went, came := false, false
	for _, h := range v.late {
		gone := strings.HasPrefix(h.What, "delete")
		went, came = went || gone && h.Resource == list, came || !gone && h.Resource == list
	}
	return went && came && (list != "memberships" || !v.tellsDeleted())
}
