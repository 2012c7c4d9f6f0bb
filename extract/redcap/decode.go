package redcap

import (
	"bytes"
	"math"
	"strconv"
	"time"

	"syncd/extract"
)

// decoder turns the rows of a response into rows of a batch.
type decoder struct {
	m     *model
	l     *layout
	sheet *sheet // the response in hand
	gray  bool   // a blank status means never opened
	soft  map[string]int

	arms    map[string]string // event -> arm
	missing [][]byte
	fields  map[string]*column // fields that a bound may name
	ids     *check             // of the record ids; nil where any will do
	files   map[*form][]fileColumn
	other   []byte // scratch
	own     struct{ event, form, instance []byte }
}

func newDecoder(m *model, now time.Time) *decoder {
	d := &decoder{m: m, gray: m.blankForGray(), arms: map[string]string{}, soft: map[string]int{}}
	for _, e := range m.events {
		d.arms[e.unique] = e.arm
	}
	for _, c := range m.missing {
		if c.code != "" {
			d.missing = append(d.missing, []byte(c.code))
		}
	}
	d.files = m.fileColumns()
	d.fields, d.ids = map[string]*column{}, idCheck(&m.fields[0])
	for _, f := range m.forms {
		for _, c := range f.columns {
			if c.role == roleField {
				d.fields[c.field.name()] = c
			}
		}
	}
	for _, f := range m.forms {
		for _, c := range f.columns {
			if c.check != nil {
				c.check.prepare(d.fields, now)
			}
		}
	}
	return d
}

// whole is what is gathered of a record over its rows.
type whole struct {
	group, survey []byte
	arms          []string
}

// add decodes the rows of one record into f. rows are row numbers of the sheet. A row that cannot be read is a
// reject of f.
func (d *decoder) add(f *filling, id string, rows []int32) {
	var w whole
	for _, r := range rows {
		d.row(f, id, int(r), &w)
	}
	if f.record != nil {
		d.recordRow(f, id, &w)
	}
	f.whole(id)
}

// row decodes one row of the export into the tables of the instruments that it has data of.
func (d *decoder) row(f *filling, id string, r int, w *whole) {
	if d.sheet.width(r) != d.l.width {
		d.salvage(w, r)
		d.refuse(f, r, nil, "ragged row")
		return
	}
	// A cell is valid until the next one is asked for: what is used on the way is copied.
	d.own.event = append(d.own.event[:0], d.text(r, d.l.event)...)
	event := d.own.event
	if !storable(event) {
		d.refuse(f, r, nil, "event name is not valid text")
		return
	}
	instance, ok := d.instance(r)
	if !ok {
		d.refuse(f, r, nil, "repeat instance is not a number")
		return
	}
	d.own.form = append(d.own.form[:0], d.text(r, d.l.form)...)
	only := d.own.form
	d.gather(w, r, event)
	found := len(only) == 0
	for i := range d.l.forms {
		fl := &d.l.forms[i]
		if len(only) > 0 {
			if fl.form.name != string(only) {
				continue
			}
			found = true
		}
		if d.exists(fl, r) {
			d.write(f, fl, r, id, event, instance)
		}
	}
	if !found && !d.m.leftOut(string(only)) {
		d.refuse(f, r, []string{id}, "unknown repeating instrument")
	}
}

// leftOut reports whether rows of a repeating instrument are passed over on purpose.
func (m *model) leftOut(form string) bool {
	if m.skipped[form] {
		return true
	}
	for _, f := range m.forms {
		if f.name == form {
			return f.unread
		}
	}
	return false
}

// text returns a cell, and nothing where the response has no such column.
func (d *decoder) text(r, column int) []byte {
	if column < 0 {
		return nil
	}
	return d.sheet.cell(r, column)
}

// instance returns the canonical repeat instance; 1 where nothing repeats.
func (d *decoder) instance(r int) ([]byte, bool) {
	cell := d.text(r, d.l.instance)
	if len(cell) == 0 {
		d.own.instance = append(d.own.instance[:0], '1')
		return d.own.instance, true
	}
	if n, err := strconv.ParseInt(string(cell), 10, 32); err != nil || n < 1 || n > math.MaxInt32 || cell[0] == '0' || cell[0] == '+' {
		return nil, false
	}
	d.own.instance = append(d.own.instance[:0], cell...)
	return d.own.instance, true
}

// exists applies DESIGN section 5: a row exists where the status is set, or any field but a calculated one and an
// unticked checkbox is not blank. A status of 0 counts only where the server tells it from never opened.
func (d *decoder) exists(fl *formLayout, r int) bool {
	if d.sheet.blank(r, fl.first, fl.end) {
		return false
	}
	if fl.status >= 0 {
		if status := d.sheet.cell(r, fl.status); len(status) > 0 && (d.gray || string(status) != "0") {
			return true
		}
	}
	for _, w := range fl.watched {
		cell := d.sheet.cell(r, w.at)
		if len(cell) > 0 && !(w.option && string(cell) == "0") {
			return true
		}
	}
	return false
}

// write appends a row to each part of an instrument.
func (d *decoder) write(f *filling, fl *formLayout, r int, id string, event, instance []byte) {
	twice := false
	for i, p := range fl.form.parts {
		tr := f.rows[p.table]
		dead := len(tr.dead)
		tr.begin(id, event, instance, true)
		twice = twice || len(tr.dead) > dead
		rows := tr.rows
		if d.m.lead == 4 {
			d.plain(rows, groupColumnName, d.text(r, d.l.dag))
		}
		places := fl.parts[i]
		for j, c := range p.columns {
			if places[j] < 0 {
				rows.Null()
				continue
			}
			d.cell(rows, c, r, d.sheet.cell(r, places[j]))
		}
		rows.End()
	}
	if d.files != nil {
		d.noteFiles(f, fl, r, id, event, instance, twice)
	}
}

// gather keeps what the record's own row will say.
func (d *decoder) gather(w *whole, r int, event []byte) {
	if g := d.text(r, d.l.dag); len(g) > 0 {
		w.group = append(w.group[:0], g...)
	}
	if v := d.text(r, d.l.survey); len(v) > 0 && len(w.survey) == 0 {
		w.survey = append(w.survey[:0], v...)
	}
	if arm := d.arms[string(event)]; arm != "" && !contains(w.arms, arm) {
		w.arms = append(w.arms, arm)
	}
}

// salvage takes from a ragged row what stands in front of its fields, so that the record's own row is not blanked for it:
// only what the structure knows, for the row may be broken anywhere.
func (d *decoder) salvage(w *whole, r int) {
	if d.sheet.width(r) <= max(d.l.event, d.l.form, d.l.instance, d.l.dag, d.l.survey) {
		return
	}
	group := d.text(r, d.l.dag)
	known := len(group) == 0
	for _, g := range d.m.groups {
		known = known || g.unique == string(group)
	}
	event := bytes.Clone(d.text(r, d.l.event))
	if _, ok := d.arms[string(event)]; known && (ok || d.l.event < 0) {
		d.gather(w, r, event)
	}
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

// recordRow appends the record's own row.
func (d *decoder) recordRow(f *filling, id string, w *whole) {
	f.record.begin(id, nil, nil, false)
	if d.ids != nil {
		d.ids.judge([]byte(id), d, 0)
	}
	rows := f.record.rows
	columns := rows.Table.Columns[1:]
	if d.m.lead == 4 {
		d.plain(rows, columns[0].Name, w.group)
		columns = columns[1:]
	}
	d.plain(rows, columns[0].Name, w.survey)
	if len(w.arms) == 0 {
		rows.Null()
	} else {
		dst := rows.Open()
		for i, arm := range w.arms {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, arm...)
		}
		rows.Close(dst)
	}
	rows.End()
}

// refuse keeps a row that cannot be read, as it came. Without a key nothing of the batch's scope is moved out.
func (d *decoder) refuse(f *filling, r int, key []string, rule string) {
	f.reject = append(f.reject, extract.Reject{
		Table: d.m.record, Key: key, Rule: rule, Raw: bytes.Clone(d.sheet.row(r)),
	})
}

// softCounts returns the values that are stored although they break a rule, by field and rule.
func (d *decoder) softCounts() map[string]int {
	counts := map[string]int{}
	if d.ids != nil {
		d.ids.count(counts)
	}
	for _, f := range d.m.forms {
		for _, c := range f.columns {
			if c.check != nil {
				c.check.count(counts)
			}
		}
	}
	return counts
}
