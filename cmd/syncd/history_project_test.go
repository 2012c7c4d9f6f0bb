package main

import (
	"fmt"
	"math/rand/v2"
	"time"

	fake "syncd/internal/fake/redcap"
)

// newRealm makes the project that a history begins with.
func newRealm(h *history, number int) (*realm, error) {
	r := diceOf(h.project, 2)
	zone, err := time.LoadLocation(pick(r, []string{"America/New_York", "America/New_York", "America/New_York", "UTC", "Australia/Lord_Howe"}))
	if err != nil {
		return nil, err
	}
	w := &realm{
		zone: zone, job: fmt.Sprintf("h%d", number), silent: map[string]bool{}, surveys: map[string]bool{}, since: newNews(),
		names: names{map[string]string{}, map[string]string{}, map[string]string{}},
		clock: &storyClock{base: beginnings()[r.IntN(len(beginnings()))].Add(time.Duration(r.IntN(60*24*60)) * time.Second), real: time.Now()},
	}
	idField := pick(r, []string{"record_id", "record_id", "study_id", "user", "id"})
	w.project = fake.Synthetic(fake.Spec{Fields: 1, Forms: 1, ID: 1000 + number, Title: "History", RecordField: idField})
	w.serveVersion(pick(r, append(versions(), "14.9.1", "14.9.1", "14.9.1")))
	w.user = *fake.FullRights("syncd_service")
	w.token = w.project.Token()
	w.auditor = w.project.AddUser(fake.FullRights("auditor"))
	w.events = []*storyEvent{{uid: "e0", arm: 1, alone: map[string]bool{}}}
	w.names.events[""] = "e0"
	w.eventNames = map[string]string{"e0": "Event 1"}
	for _, f := range w.project.Forms() {
		w.names.forms[f.Name] = f.Name
	}
	for _, f := range w.project.Fields() {
		w.names.fields[f.Name] = f.Name
	}
	return w, w.furnish(r)
}

// beginnings are instants shortly before something happens to clocks, and two before which nothing does.
func beginnings() []time.Time {
	return []time.Time{
		time.Date(2025, 3, 8, 20, 0, 0, 0, time.UTC), time.Date(2025, 11, 1, 20, 0, 0, 0, time.UTC), time.Date(2025, 11, 2, 5, 30, 0, 0, time.UTC),
		time.Date(2025, 3, 9, 6, 40, 0, 0, time.UTC), time.Date(2025, 4, 5, 14, 0, 0, 0, time.UTC), time.Date(2025, 6, 30, 12, 0, 0, 0, time.UTC),
		time.Date(2027, 12, 31, 23, 30, 0, 0, time.UTC),
	}
}

// versions are those of which something else is known each.
func versions() []string { return []string{"10.9.0", "12.4.5", "13.7.1", "14.9.1", "15.6.0", "17.4.1"} }

// furnish gives the project forms, events, groups, codes and records.
func (w *realm) furnish(r *rand.Rand) error {
	for range 1 + r.IntN(3) {
		if err := w.addForm(r); err != nil {
			return err
		}
	}
	for range 1 + r.IntN(3) { // beside the record id, whose form every project has
		f := w.newField(r, "form_1")
		if err := w.project.AddField(f); err != nil {
			return err
		}
		w.names.fields[f.Name] = f.Name
	}
	if r.IntN(2) == 0 {
		changeNamed("go longitudinal").do(w, r)
		for range r.IntN(4) {
			changeNamed("add event").do(w, r)
		}
	}
	for _, c := range []struct {
		name string
		most int
	}{{"repeat form", 2}, {"repeat event", 2}, {"add group", 3}, {"missing codes", 2}, {"survey", 2}} {
		for range r.IntN(c.most + 1) {
			changeNamed(c.name).do(w, r)
		}
	}
	records := r.IntN(9)
	if r.IntN(12) == 0 {
		records = 30 + r.IntN(40)
	}
	for range records {
		changeNamed("add record").do(w, r)
	}
	w.since = newNews()
	w.clock.pass(time.Duration(r.IntN(48)) * time.Hour)
	w.tell("%s, longitudinal %t, %d events, %d records, zone %s", w.version, w.longitudinal, len(w.events), len(w.project.Records()), w.zone)
	return nil
}

// addForm adds an instrument with some fields; in a longitudinal project it is designated in some events.
func (w *realm) addForm(r *rand.Rand) error {
	name := w.fresh(pick(r, []string{"visit", "labs", "group", "adverse_events_and_other_things_that_happened_meanwhile_to"}))
	var fields []fake.Field
	for range 1 + r.IntN(4) {
		fields = append(fields, w.newField(r, name))
	}
	if err := w.project.AddForm(fake.Form{Name: name, Label: "Form " + name}, fields...); err != nil {
		return err
	}
	w.names.forms[name] = name
	for _, f := range fields {
		w.names.fields[f.Name] = f.Name
	}
	if !w.longitudinal {
		return nil
	}
	for _, e := range w.events {
		if r.IntN(3) > 0 {
			if err := w.project.Designate(e.unique, name, true); err != nil {
				return err
			}
			e.forms[name] = true
		}
	}
	return nil
}
