package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	fake "syncd/internal/fake/redcap"
)

// misstep is something that a run should not have left, or not have said.
type misstep struct{ kind, text string }

// Kinds of findings.
const (
	divergence  = "divergence"
	wrongDelete = "wrong delete"
	movedTime   = "_changed_at"
	wrongEnd    = "ending"
)

// review is the look at what a run has left: the truth, the tables after it, and what may be otherwise, for a stated reason.
type review struct {
	w       *realm
	truth   *truth
	before  *contentsOf // after the last good run; nil before the first
	after   *contentsOf
	view    sight
	excused map[string]string // records whose rows may differ, and why
	held    bool              // rows of records that are gone may still be there
	blurred func(uid string) bool
	found   []misstep
	rows    int // compared with the truth
	kept    int // compared with what they were before
	follow  int // of these: under another name of event, field, form or record
}

func (v *review) find(kind, format string, args ...any) {
	v.found = append(v.found, misstep{kind, fmt.Sprintf(format, args...)})
}

// compare holds every live table against the truth.
func (v *review) compare() {
	for _, form := range slices.Sorted(maps.Keys(v.truth.forms)) {
		tables := v.after.of(form)
		switch {
		case v.view.form(form) == fake.ExportNone:
			continue // it stays as it was last seen: steady looks at that
		case len(tables) == 0:
			v.find(divergence, "form %s has no table", form)
		}
		for _, t := range tables {
			v.compareTable(t, v.truth.forms[form])
		}
	}
	v.compareRecords()
	v.covered()
}

// of are the tables of an instrument.
func (c *contentsOf) of(form string) []*heldTable {
	var out []*heldTable
	for _, name := range slices.Sorted(maps.Keys(c.tables)) {
		if t := c.tables[name]; t.source == form && !t.retired && name != "redcap_record" {
			out = append(out, t)
		}
	}
	return out
}

func (v *review) compareTable(t *heldTable, want map[rowKey]*trueRow) {
	for _, key := range sortedKeys(want) {
		row, found := t.rows[key]
		switch {
		case v.excused[key.record] != "":
		case !found && want[key].certain:
			v.find(divergence, "%s: row %v is missing", t.name, key)
		case found && !want[key].certain && v.half(t.source): // kept as it was last seen
		case found:
			v.rows++
			v.compareRow(t, key, want[key], row)
		}
	}
	for _, key := range sortedKeys(t.rows) {
		_, wanted := want[key]
		_, exists := v.truth.records[key.record]
		if !wanted && v.excused[key.record] == "" && !(v.held && !exists) && !(exists && v.half(t.source)) {
			v.find(divergence, "%s: row %v is not at the source", t.name, key)
		}
	}
}

func (v *review) compareRow(t *heldTable, key rowKey, want *trueRow, row *heldRow) {
	for i, col := range t.columns {
		c := v.truth.fields[col.source]
		switch {
		case col.key, col.source == "": // retired
		case col.source == "redcap_data_access_group":
			if v.view.groups && !v.w.regroup && want.certain && !sameText(row.cells[i], want.group) {
				v.find(divergence, "%s: row %v: group is %s, want %q", t.name, key, show(row.cells[i]), want.group)
			}
		case c == nil:
			v.find(divergence, "%s: column %s is of no field", t.name, col.name)
		case !v.view.shows(c): // it stays as it was last seen: steady looks at that
		default:
			wrong := c.verdictOn(want.cells[col.source], col.pgType, row.cells[i], row.notes["_missing."+col.name], row.notes["_nonconforming."+col.name], v.w.codes)
			if wrong != "" {
				v.find(divergence, "%s: row %v: %s (%s) %s", t.name, key, col.name, col.pgType, wrong)
			}
			if asked := c.pgType(); asked != col.pgType && !wider(asked, col.pgType) && !v.after.pending[t.name+"."+col.name] {
				v.find(divergence, "%s: column %s is %s, the dictionary asks for %s, and nothing waits", t.name, col.name, col.pgType, asked)
			}
		}
	}
}

// half says whether a part of an instrument's columns cannot be seen: a row of it is not known to be gone.
func (v *review) half(form string) bool {
	for _, c := range v.truth.fields {
		if c.form == form && !v.view.shows(c) {
			return true
		}
	}
	return false
}

func sameText(have *string, want string) bool {
	return have == nil && want == "" || have != nil && *have == want && want != ""
}

// compareRecords holds the table of records against the truth. Which records there are is known without any log.
func (v *review) compareRecords() {
	t := v.after.tables["redcap_record"]
	if t == nil {
		v.find(divergence, "there is no table redcap_record")
		return
	}
	for _, id := range slices.Sorted(maps.Keys(v.truth.records)) {
		want := v.truth.records[id]
		row, found := t.rows[rowKey{record: id, instance: 1}]
		switch {
		case !found && strings.HasPrefix(v.excused[id], "during"):
		case !found:
			v.find(divergence, "redcap_record: %q is missing", id)
		case v.excused[id] == "":
			for i, col := range t.columns {
				text, read := map[string]string{
					"redcap_data_access_group": want.group, "redcap_survey_identifier": want.survey, "arms": strings.Join(want.arms, ","),
				}[col.source]
				if read && (col.source != "redcap_data_access_group" || v.view.groups) && !sameText(row.cells[i], text) {
					v.find(divergence, "redcap_record: %q: %s is %s, want %q", id, col.name, show(row.cells[i]), text)
				}
			}
		}
	}
	for _, key := range sortedKeys(t.rows) {
		if v.truth.records[key.record] == nil && !v.held && !strings.HasPrefix(v.excused[key.record], "during") {
			v.find(divergence, "redcap_record: %q is not at the source", key.record)
		}
	}
}

// covered checks that every column of the export that can be seen is one live column of its instrument.
func (v *review) covered() {
	for _, name := range slices.Sorted(maps.Keys(v.truth.fields)) {
		c, n := v.truth.fields[name], 0
		for _, t := range v.after.of(c.form) {
			for _, col := range t.columns {
				if col.source == name {
					n++
				}
			}
		}
		if timed := c.field == nil && !c.status; n != 1 && v.view.shows(c) && !(timed && len(v.truth.records) == 0) {
			v.find(divergence, "the column %s of the export is in %d columns of form %s", name, n, c.form)
		}
	}
}

// steady compares the tables after a run with those after the last good one, row by row under names that no renaming
// changes: what did not change has kept its times, what went is gone at the source, and what cannot be seen has stayed.
func (v *review) steady() {
	if v.before == nil {
		return
	}
	there := v.trueKeys()
	renamed, name := v.w.renamed()
	for _, uid := range slices.Sorted(maps.Keys(v.w.formsMade())) {
		old, now := v.before.made(uid), v.after.made(uid)
		if old == nil || now == nil || v.blurred(uid) {
			continue
		}
		rows := map[rowKey]*heldRow{}
		for key, row := range now.rows {
			rows[v.after.names.keyIn(uid, key)] = row
		}
		for _, key := range sortedKeys(old.rows) {
			same := v.before.names.keyIn(uid, key)
			row, found := rows[same]
			if renamed != "" && key.record == renamed && !found {
				same.record = name
				row, found = rows[same]
			}
			if found {
				v.kept++
			}
			if found && (len(v.w.since.identity) > 0 || same.record != key.record) {
				v.follow++
			}
			switch {
			case found && same.record != key.record:
				if old.rows[key].inserted != row.inserted {
					v.find(movedTime, "%s: row %v came under another name, and was made anew", now.name, key)
				}
			case found:
				v.steadyRow(uid, key, old, now, old.rows[key], row)
			case there[uid][same] && v.excused[key.record] == "":
				v.find(wrongDelete, "%s: row %v went, and is at the source", old.name, key)
			}
		}
	}
}

// steadyRow compares one row before and after.
func (v *review) steadyRow(uid string, key rowKey, oldTable, nowTable *heldTable, old, now *heldRow) {
	was, is := oldTable.cellsOf(old, v.before.names), nowTable.cellsOf(now, v.after.names)
	had, has := oldTable.sources(v.before.names), nowTable.sources(v.after.names)
	changed, appeared := "", false // what came back or was moved here need not move times: it may be what it was
	for name := range had {
		if has[name] != "" && was[name] != is[name] {
			changed = name
			if had[name] != has[name] && old.changed == now.changed {
				return // another type spells a value in another way
			}
			if c := v.truth.fields[has[name]]; c != nil && !v.view.shows(c) && v.excused[key.record] == "" && untyped(was[name]) != untyped(is[name]) {
				v.find(divergence, "%s: row %v: %s cannot be seen, and changed from %q to %q", nowTable.name, key, name, was[name], is[name])
			}
		}
	}
	for name := range has {
		switch {
		case had[name] != "":
		case is[name] == "": // a field that is back empty takes away what its retired column had
			appeared = appeared || oldTable.retiredHad(old, nowTable.columnFor(name, v.after.names))
		case is[name] != v.elsewhere(name, key):
			appeared = true
		}
	}
	switch {
	case changed == "" && !appeared && old.changed != now.changed:
		v.find(movedTime, "%s: row %v has not changed, and its _changed_at moved (%s)", nowTable.name, key, uid)
	case changed != "" && old.changed == now.changed && !v.retyped(oldTable, nowTable):
		v.find(divergence, "%s: row %v: %s changed, and its _changed_at did not", nowTable.name, key, changed)
	}
}

// untyped is a cell without the type in front: a hidden column may be widened, and its text stays.
func untyped(cell string) string {
	_, text, _ := strings.Cut(cell, " ")
	return text
}

// columnFor is the Postgres name of an export column that is known under name.
func (t *heldTable) columnFor(name string, n names) string {
	for _, c := range t.columns {
		if c.source != "" && n.column(c.source) == name {
			return c.name
		}
	}
	return ""
}

// retiredHad reports whether the retired column of a name held anything in a row, or had something beside the row.
func (t *heldTable) retiredHad(row *heldRow, column string) bool {
	for _, side := range []string{"_nonconforming.", "_missing."} {
		if _, there := row.notes[side+column]; there {
			return true
		}
	}
	for i, c := range t.columns {
		if c.source == "" && c.name == "_retired_"+column && row.cells[i] != nil {
			return true
		}
	}
	return false
}

// elsewhere is what a column that was moved here held before, in the row of the same key.
func (v *review) elsewhere(name string, key rowKey) string {
	for _, t := range v.before.tables {
		if row := t.rows[key]; row != nil && !t.retired && t.sources(v.before.names)[name] != "" {
			return t.cellsOf(row, v.before.names)[name]
		}
	}
	return ""
}

func (v *review) retyped(old, now *heldTable) bool {
	types := map[string]string{}
	for _, c := range old.columns {
		types[v.before.names.column(c.source)] = c.pgType
	}
	for _, c := range now.columns {
		if was, known := types[v.after.names.column(c.source)]; known && was != c.pgType {
			return true
		}
	}
	return false
}

// sources are the live columns under names that no renaming changes, with the names they have now.
func (t *heldTable) sources(n names) map[string]string {
	out := map[string]string{}
	for _, c := range t.columns {
		if c.source != "" && !c.key {
			out[n.column(c.source)] = c.source
		}
	}
	return out
}

// trueKeys are the keys of the rows that are certain at the source, by form and under names that no renaming changes.
func (v *review) trueKeys() map[string]map[rowKey]bool {
	out := map[string]map[rowKey]bool{"redcap_record": {}}
	n := v.w.names
	for form, rows := range v.truth.forms {
		keys := map[rowKey]bool{}
		for key, row := range rows {
			if row.certain {
				keys[n.keyIn(form, key)] = true
			}
		}
		out[n.forms[form]] = keys
	}
	for id := range v.truth.records {
		out["redcap_record"][rowKey{id, "", 1}] = true
	}
	return out
}

// formsMade are all forms that ever were, by uid, and the table of records.
func (w *realm) formsMade() map[string]bool {
	out := map[string]bool{"redcap_record": true}
	for _, uid := range w.names.forms {
		out[uid] = true
	}
	return out
}

// made is the live table of what was made under a name; of an instrument in parts the first.
func (c *contentsOf) made(uid string) *heldTable {
	if uid == "redcap_record" {
		return c.tables[uid]
	}
	for _, name := range slices.Sorted(maps.Keys(c.tables)) {
		if t := c.tables[name]; !t.retired && name != "redcap_record" && c.names.forms[t.source] == uid {
			return t
		}
	}
	return nil
}
