package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	fake "syncd/internal/fake/redox"
)

// holds compares the tables of a schema with the truth of a history, as one sender told it.
func (w *ward) holds(schema string, truth *fake.Truth, source string) {
	w.t.Helper()
	c := &truthCheck{ward: w, schema: schema, source: source}
	c.things("patient", "patient_id_type || ' ' || patient_id", keyed(truth.Patients, func(id fake.ID) string { return id.Type + " " + id.Value }))
	c.things("visit", "visit_number", truth.Visits)
	c.things("clinical_order", "order_id", truth.Orders)
	c.things("result_order", "order_id", truth.ResultOrders)
	c.things("result", "order_id || ' ' || ordinal", keyed(truth.Results, func(n fake.Nth) string { return fmt.Sprint(n.Of, " ", n.Ordinal) }))
	c.things("appointment", "visit_number", truth.Appointments)
	c.things("note", "document_id", truth.Notes)
	c.things("medication_order", "order_id", truth.Medications)
	c.things("medication_administration", "order_id || ' ' || started || ' ' || product_code",
		keyed(truth.Administrations, func(g fake.Given) string { return g.Order + " " + g.StartDate + " " + g.Product }))
	c.links("patient_alias", "id_type || ' ' || id", "into_id_type || ' ' || into_id", links(truth.Aliases))
	c.links("patient_current", "id_type || ' ' || id", "patient_id_type || ' ' || patient_id", links(truth.Survivors))
	c.links("appointment_replacement", "old_visit_number", "visit_number", truth.Rebooked)
	c.links("note_replacement", "original_document_id", "document_id", truth.NoteReplacements)
	current := maps.Clone(truth.Notes)
	for replaced := range truth.NoteReplacements {
		delete(current, replaced)
	}
	c.things("note_current", "document_id", current)
	open := maps.Clone(truth.Appointments)
	for replaced := range truth.Rebooked {
		delete(open, replaced)
	}
	c.things("appointment_current", "visit_number", open)
	if c.rows == 0 {
		w.t.Error("the truth holds nothing to compare")
	}
	if w.t.Failed() {
		w.t.FailNow()
	}
}

// truthCheck counts what it compares.
type truthCheck struct {
	*ward
	schema, source string
	rows           int
}

func keyed[K comparable](all map[K]fake.Row, key func(K) string) map[string]fake.Row {
	out := map[string]fake.Row{}
	for k, row := range all {
		out[key(k)] = row
	}
	return out
}

func links(all map[fake.ID]fake.ID) map[string]string {
	out := map[string]string{}
	for from, to := range all {
		out[from.Type+" "+from.Value] = to.Type + " " + to.Value
	}
	return out
}

// table is where a table is, or "" where nothing that it would hold was ever told of.
func (c *truthCheck) table(name string, wanted int) string {
	c.t.Helper()
	if c.rows += wanted; askWard[bool](c.ward, "SELECT to_regclass($1) IS NOT NULL", c.schema+"."+name) {
		return c.schema + "." + name
	}
	if wanted > 0 {
		c.t.Errorf("there is no %s, which should hold %d rows", name, wanted)
	}
	return ""
}

// things compares rows: all that any of the wanted ones names, and NULL where it is not known of a thing.
func (c *truthCheck) things(name, key string, want map[string]fake.Row) {
	c.t.Helper()
	table := c.table(name, len(want))
	if table == "" {
		return
	}
	names := map[string]string{}
	for _, row := range want {
		for path := range row {
			names[path] = c.column(table, path)
		}
	}
	paths := slices.Sorted(maps.Keys(names))
	columns := []string{key}
	for _, path := range paths {
		columns = append(columns, names[path]+"::text")
	}
	got := map[string]fake.Row{}
	for _, line := range c.rowsOf("SELECT "+strings.Join(columns, ", ")+" FROM "+table+" WHERE source_id = $1", c.source) {
		cells := strings.Split(line, "|")
		row := fake.Row{}
		for i, path := range paths {
			if cells[i+1] != "-" {
				row[path] = cells[i+1]
			}
		}
		if got[cells[0]] != nil {
			c.t.Errorf("%s holds %s twice", name, cells[0])
		}
		got[cells[0]] = row
	}
	if diff := cmp.Diff(want, got); diff != "" {
		c.t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// column finds the column of a path: times stand as they were sent in one of their own.
func (c *truthCheck) column(table, path string) string {
	switch path {
	case fake.EventType:
		return "event_type"
	case fake.Status:
		return "status"
	}
	column := columnOf(path)
	if askWard[bool](c.ward, "SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = $1::regclass AND attname = $2)", table, column+"_text") {
		return column + "_text"
	}
	return column
}

func (c *truthCheck) links(name, from, to string, want map[string]string) {
	c.t.Helper()
	table := c.table(name, len(want))
	if table == "" {
		return
	}
	got := map[string]string{}
	for _, line := range c.rowsOf("SELECT "+from+", "+to+" FROM "+table+" WHERE source_id = $1", c.source) {
		f, t, _ := strings.Cut(line, "|")
		if name != "patient_current" || strings.HasPrefix(f, "MR ") { // the truth tells of those only
			got[f] = t
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		c.t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}
