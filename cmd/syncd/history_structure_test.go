package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// structureTables are the tables of the project's structure that a run has to keep true, with the columns that are looked at.
func structureTables() map[string][]string {
	return map[string][]string{
		"redcap_field": {
			"field_name", "form_name", "field_type", "field_label", "select_choices_or_calculations", "text_validation_type_or_show_slider_number",
			"identifier", "field_annotation",
		},
		"redcap_instrument":       {"instrument_name", "instrument_label"},
		"redcap_event":            {"unique_event_name", "event_name", "arm_num"},
		"redcap_instrument_event": {"unique_event_name", "form"},
		"redcap_dag":              {"unique_group_name"},
	}
}

// structure is what those tables have to hold, each row as one line.
func (w *realm) structure() map[string][]string {
	out := map[string][]string{}
	line := func(table string, cells ...string) { out[table] = append(out[table], fmt.Sprintf("%q", cells)) }
	for _, f := range w.project.Fields() {
		line("redcap_field", f.Name, f.Form, f.Type, f.Label, f.Choices, f.Validation, f.Identifier, f.Annotation)
	}
	for _, f := range w.project.Forms() {
		line("redcap_instrument", f.Name, f.Label)
	}
	for _, g := range w.groups {
		line("redcap_dag", g)
	}
	if !w.longitudinal {
		return out
	}
	for _, e := range w.events {
		line("redcap_event", e.unique, w.eventNames[e.uid], fmt.Sprint(e.arm))
		for _, f := range w.project.Forms() {
			if e.has(w.formUID(f.Name)) {
				line("redcap_instrument_event", e.unique, f.Name)
			}
		}
	}
	return out
}

// compareStructure holds the structure tables against the project.
func (k *worker) compareStructure(v *review) error {
	var question []string
	tables := structureTables()
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		var cells []string
		for _, c := range tables[name] {
			cells = append(cells, "coalesce("+c+"::text, '')")
		}
		question = append(question, "SELECT '"+name+"', ARRAY["+strings.Join(cells, ", ")+"] FROM "+pgx.Identifier{v.w.job + "_meta", name}.Sanitize())
	}
	rows, err := k.look.Query(k.t.Context(), strings.Join(question, " UNION ALL "))
	if err != nil {
		return err
	}
	have := map[string][]string{}
	var name string
	var cells []string
	if _, err := pgx.ForEachRow(rows, []any{&name, &cells}, func() error {
		have[name] = append(have[name], fmt.Sprintf("%q", cells))
		return nil
	}); err != nil {
		return err
	}
	want := v.w.structure()
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		if name == "redcap_dag" && (!v.view.groups || v.w.regroup) {
			continue // it stays as it was last seen
		}
		slices.Sort(want[name])
		slices.Sort(have[name])
		for _, row := range want[name] {
			if !slices.Contains(have[name], row) {
				v.find(divergence, "%s: %s is missing", name, row)
			}
		}
		for _, row := range have[name] {
			if !slices.Contains(want[name], row) {
				v.find(divergence, "%s: %s is not at the source", name, row)
			}
		}
	}
	return nil
}
