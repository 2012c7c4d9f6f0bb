package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	fake "syncd/internal/fake/redcap"
)

// designKinds are changes of the project's structure after which everything is what it was called before.
func designKinds() []changeKind {
	return []changeKind{
		{"add field", 4, false, (*realm).addField},
		{"remove field", 2, false, (*realm).removeField},
		{"return field", 2, false, (*realm).returnField},
		{"change field", 4, false, (*realm).changeField},
		{"label", 2, false, (*realm).relabel},
		{"reorder field", 1, false, (*realm).reorderField},
		{"add form", 2, false, func(w *realm, r *rand.Rand) string {
			if err := w.addForm(r); err != nil {
				return ""
			}
			forms := w.project.Forms()
			return "add form " + forms[len(forms)-1].Name
		}},
		{"remove form", 1, false, (*realm).removeForm},
		{"survey", 1, false, (*realm).makeSurvey},
		{"add event", 2, false, (*realm).addEvent},
		{"remove event", 1, false, (*realm).removeEvent},
		{"designate", 2, false, (*realm).designate},
		{"repeat form", 1, false, (*realm).repeatForm},
		{"repeat event", 1, false, (*realm).repeatEvent},
		{"missing codes", 1, false, (*realm).missingCodes},
		{"add group", 1, false, (*realm).addGroup},
		{"rename group", 1, false, (*realm).renameGroup},
	}
}

// someField is a field that can be changed: any but the record id.
func (w *realm) someField(r *rand.Rand) (fake.Field, bool) {
	fields := w.project.Fields()[1:]
	if len(fields) == 0 {
		return fake.Field{}, false
	}
	return pick(r, fields), true
}

// designed notes what a change of structure was about.
func (w *realm) designed(uids ...string) {
	for _, uid := range uids {
		w.since.design[uid]++
	}
}

func (w *realm) addField(r *rand.Rand) string {
	f := w.newField(r, pick(r, w.project.Forms()).Name)
	if w.project.AddField(f) != nil {
		return ""
	}
	w.names.fields[f.Name] = f.Name
	w.designed(f.Name, w.formUID(f.Form))
	return fmt.Sprintf("add field %s (%s %s %q) to %s", f.Name, f.Type, f.Validation, f.Choices, f.Form)
}

func (w *realm) removeField(r *rand.Rand) string {
	f, ok := w.someField(r)
	if !ok || len(w.fieldsOf(f.Form)) < 2 || w.project.RemoveField(f.Name) != nil {
		return ""
	}
	w.removed = append(w.removed, f)
	w.designed(w.fieldUID(f.Name), w.formUID(f.Form))
	return fmt.Sprintf("remove field %s of %s", f.Name, f.Form)
}

// returnField puts a removed field back, with the values that it had.
func (w *realm) returnField(r *rand.Rand) string {
	if len(w.removed) == 0 {
		return ""
	}
	at := r.IntN(len(w.removed))
	f := w.removed[at]
	if !slices.ContainsFunc(w.project.Forms(), func(form fake.Form) bool { return form.Name == f.Form }) || w.project.AddField(f) != nil {
		return ""
	}
	w.removed = slices.Delete(w.removed, at, at+1)
	w.designed(w.fieldUID(f.Name), w.formUID(f.Form))
	return fmt.Sprintf("put field %s back into %s", f.Name, f.Form)
}

// changeField gives a field another type, validation or other choices; what is stored stays as it was typed.
func (w *realm) changeField(r *rand.Rand) string {
	f, ok := w.someField(r)
	if !ok || f.Type == "checkbox" && r.IntN(2) == 0 {
		return ""
	}
	next := pick(r, fieldKinds()).Field
	switch {
	case f.Type == "checkbox":
		next = f
		next.Choices = f.Choices + fmt.Sprintf(" | n%d, New", w.made)
		w.made++
	case next.Type == "checkbox" || next.Type == "descriptive":
		return ""
	case strings.Contains(f.Choices, "|") && r.IntN(2) == 0:
		next = f
		next.Choices = f.Choices + pick(r, []string{" | 77, More", " | x7, Text"})
	}
	err := w.project.ChangeField(f.Name, func(c *fake.Field) {
		c.Type, c.Validation, c.Choices, c.Min, c.Max, c.Annotation = next.Type, next.Validation, next.Choices, next.Min, next.Max, next.Annotation
	})
	if err != nil {
		return ""
	}
	w.designed(w.fieldUID(f.Name), w.formUID(f.Form))
	return fmt.Sprintf("change field %s of %s from %s %s %q to %s %s %q", f.Name, f.Form, f.Type, f.Validation, f.Choices, next.Type, next.Validation, next.Choices)
}

func (w *realm) relabel(r *rand.Rand) string {
	f, ok := w.someField(r)
	if !ok {
		return ""
	}
	label := fmt.Sprintf("Another label %d", r.IntN(1000))
	if w.project.ChangeField(f.Name, func(c *fake.Field) { c.Label = label }) != nil {
		return ""
	}
	w.designed(w.fieldUID(f.Name))
	return "label field " + f.Name
}

// reorderField puts a field behind another one of its form.
func (w *realm) reorderField(r *rand.Rand) string {
	f, ok := w.someField(r)
	if !ok {
		return ""
	}
	to := pick(r, append(w.fieldsOf(f.Form), f))
	if to.Name == f.Name || w.project.MoveField(f.Name, to.Name) != nil {
		return ""
	}
	w.designed(w.fieldUID(f.Name))
	return fmt.Sprintf("put field %s behind %s", f.Name, to.Name)
}

// removeForm removes an instrument; the first has the record id and stays.
func (w *realm) removeForm(r *rand.Rand) string {
	forms := w.project.Forms()[1:]
	if len(forms) < 2 {
		return ""
	}
	form := pick(r, forms).Name
	w.designed(w.formUID(form))
	if w.project.RemoveForm(form) != nil {
		return ""
	}
	return "remove form " + form
}

func (w *realm) makeSurvey(r *rand.Rand) string {
	form := pick(r, w.project.Forms()).Name
	uid := w.formUID(form)
	on := !w.surveys[uid]
	if w.project.SetSurvey(form, on) != nil {
		return ""
	}
	if delete(w.surveys, uid); on {
		w.surveys[uid] = true
	}
	w.designed(uid)
	return fmt.Sprintf("form %s is a survey: %t", form, on)
}

func (w *realm) addEvent(r *rand.Rand) string {
	if !w.longitudinal {
		return ""
	}
	var forms []string
	e := &storyEvent{arm: 1 + r.IntN(3), forms: map[string]bool{}, alone: map[string]bool{}}
	for _, f := range w.project.Forms() {
		if r.IntN(3) > 0 {
			forms = append(forms, f.Name)
			e.forms[w.formUID(f.Name)] = true
		}
	}
	w.made++
	name := pick(r, []string{fmt.Sprintf("Visit %d", w.made), fmt.Sprintf("Follow-up, long name no. %d", w.made), "Baseline"})
	unique, err := w.project.AddEvent(name, e.arm, forms...)
	if err != nil {
		return ""
	}
	e.unique, e.uid = unique, fmt.Sprintf("e%d", w.made)
	w.names.events[unique], w.eventNames[e.uid] = e.uid, name
	w.events = append(w.events, e)
	w.designed(e.uid)
	return fmt.Sprintf("add event %s with %v", unique, forms)
}

func (w *realm) removeEvent(r *rand.Rand) string {
	if len(w.events) < 2 {
		return ""
	}
	at := 1 + r.IntN(len(w.events)-1)
	e := w.events[at]
	if w.project.RemoveEvent(e.unique) != nil {
		return ""
	}
	w.events = slices.Delete(slices.Clone(w.events), at, at+1)
	w.designed(e.uid)
	return "remove event " + e.unique
}

func (w *realm) designate(r *rand.Rand) string {
	if !w.longitudinal {
		return ""
	}
	e, form := pick(r, w.events), pick(r, w.project.Forms()).Name
	uid := w.formUID(form)
	if e.alone[uid] {
		return ""
	}
	on := !e.forms[uid]
	if w.project.Designate(e.unique, form, on) != nil {
		return ""
	}
	if delete(e.forms, uid); on {
		e.forms[uid] = true
	}
	w.designed(uid, e.uid)
	return fmt.Sprintf("form %s is designated in %s: %t", form, e.unique, on)
}

func (w *realm) repeatForm(r *rand.Rand) string {
	e, form := pick(r, w.events), pick(r, w.project.Forms()).Name
	uid := w.formUID(form)
	if e.repeats || e.alone[uid] || !e.has(uid) || uid == "form_1" || w.project.RepeatForm(e.unique, form, "") != nil {
		return ""
	}
	e.alone[uid] = true
	w.designed(uid, e.uid)
	return fmt.Sprintf("form %s repeats in event %q", form, e.unique)
}

// repeatEvent makes an event repeat in which nothing repeats yet; the first, which has the record id, does not.
func (w *realm) repeatEvent(r *rand.Rand) string {
	e := pick(r, w.events)
	if !w.longitudinal || e.repeats || len(e.alone) > 0 || e.uid == "e0" || w.project.RepeatEvent(e.unique) != nil {
		return ""
	}
	e.repeats = true
	w.designed(e.uid)
	return "event " + e.unique + " repeats"
}

func (w *realm) missingCodes(r *rand.Rand) string {
	all := []fake.Code{{Code: "NI", Label: "No information"}, {Code: "UNK", Label: "Unknown"}, {Code: "-98", Label: "Not asked"}, {Code: "na", Label: "Not applicable"}}
	w.codes = all[:r.IntN(len(all)+1)]
	w.project.SetCodes(w.codes...)
	w.designed("codes")
	return fmt.Sprintf("missing-data codes are %v", w.codes)
}

func (w *realm) addGroup(r *rand.Rand) string {
	w.made++
	unique := w.project.AddDAG(fmt.Sprintf("%s %d", pick(r, []string{"Site", "Centre de santé no.", "Nördlich"}), w.made))
	w.groups = append(slices.Clone(w.groups), unique)
	w.designed("groups")
	return "add group " + unique
}

func (w *realm) renameGroup(r *rand.Rand) string {
	if len(w.groups) == 0 {
		return ""
	}
	at := r.IntN(len(w.groups))
	w.made++
	unique, err := w.project.RenameDAG(w.groups[at], fmt.Sprintf("Renamed %d", w.made))
	if err != nil {
		return ""
	}
	old := w.groups[at]
	w.groups = slices.Clone(w.groups)
	w.groups[at] = unique
	if w.user.DAG == old {
		w.user.DAG = unique
	}
	w.designed("groups")
	return fmt.Sprintf("rename group %s to %s", old, unique)
}

// identityKinds are changes after which something is the same under another name.
func identityKinds() []changeKind {
	return []changeKind{
		{"rename field", 3, false, (*realm).renameField},
		{"move field", 1, false, (*realm).moveField},
		{"rename form", 3, false, (*realm).renameForm},
		{"rename event", 3, false, (*realm).renameEvent},
		{"swap events", 1, false, (*realm).swapEvents},
		{"rename record id field", 1, false, (*realm).renameIDField},
		{"go longitudinal", 1, false, (*realm).goLongitudinal},
	}
}

// same notes that something is the same under another name.
func (w *realm) same(uids ...string) {
	for _, uid := range uids {
		w.since.identity[uid]++
	}
}

func (w *realm) renameField(r *rand.Rand) string {
	f, ok := w.someField(r)
	name := w.fresh("renamed")
	if !ok || w.project.RenameField(f.Name, name) != nil {
		return ""
	}
	w.names.fields[name] = w.fieldUID(f.Name)
	w.same(w.fieldUID(f.Name), w.formUID(f.Form))
	return fmt.Sprintf("rename field %s of %s to %s", f.Name, f.Form, name)
}

// moveField moves a field to another instrument; its values move along.
func (w *realm) moveField(r *rand.Rand) string {
	f, ok := w.someField(r)
	if !ok || len(w.fieldsOf(f.Form)) < 2 {
		return ""
	}
	to, ok := w.someField(r)
	if !ok || to.Form == f.Form || w.project.MoveField(f.Name, to.Name) != nil {
		return ""
	}
	w.same(w.fieldUID(f.Name), w.formUID(f.Form), w.formUID(to.Form))
	return fmt.Sprintf("move field %s from %s to %s", f.Name, f.Form, to.Form)
}

func (w *realm) renameForm(r *rand.Rand) string {
	form := pick(r, w.project.Forms()).Name
	if _, limited := w.user.Forms[form]; limited { // a right stays with its instrument, which the fake knows by name
		return ""
	}
	name := w.fresh("renamed_form")
	uid := w.formUID(form)
	if w.project.RenameForm(form, name) != nil {
		return ""
	}
	w.names.forms[name] = uid
	for i, f := range w.removed {
		if f.Form == form {
			w.removed[i].Form = name
		}
	}
	w.same(uid)
	return fmt.Sprintf("rename form %s to %s", form, name)
}

// rename gives an event another name and notes which event has it now.
func (w *realm) rename(e *storyEvent, name string) error {
	unique, err := w.project.RenameEvent(e.unique, name)
	if err != nil {
		return err
	}
	w.names.events = maps.Clone(w.names.events)
	if w.names.events[e.unique] == e.uid {
		delete(w.names.events, e.unique)
	}
	e.unique = unique
	w.names.events[unique] = e.uid
	w.eventNames[e.uid] = name
	w.same(e.uid)
	return nil
}

func (w *realm) renameEvent(r *rand.Rand) string {
	if !w.longitudinal {
		return ""
	}
	e := pick(r, w.events)
	old := e.unique
	w.made++
	if w.rename(e, fmt.Sprintf("Event called %d", w.made)) != nil {
		return ""
	}
	return fmt.Sprintf("rename event %s to %s", old, e.unique)
}

// swapEvents lets two events of one arm have each other's names.
func (w *realm) swapEvents(r *rand.Rand) string {
	if !w.longitudinal || len(w.events) < 2 {
		return ""
	}
	a, b := pick(r, w.events), pick(r, w.events)
	if a == b || a.arm != b.arm {
		return ""
	}
	w.made++
	first, second := w.eventNames[a.uid], w.eventNames[b.uid]
	for _, s := range []struct {
		e    *storyEvent
		name string
	}{{a, fmt.Sprintf("Between %d", w.made)}, {b, first}, {a, second}} {
		if w.rename(s.e, s.name) != nil {
			return ""
		}
	}
	return fmt.Sprintf("swap the names of two events, now %s and %s", a.unique, b.unique)
}

func (w *realm) renameIDField(r *rand.Rand) string {
	old := w.project.RecordField()
	name := w.fresh("subject_id")
	if w.project.RenameField(old, name) != nil {
		return ""
	}
	w.names.fields[name] = w.fieldUID(old)
	w.same(w.fieldUID(old))
	return fmt.Sprintf("rename the record-id field %s to %s", old, name)
}

func (w *realm) goLongitudinal(*rand.Rand) string {
	if w.longitudinal {
		return ""
	}
	w.project.MakeLongitudinal()
	w.longitudinal = true
	e := w.events[0]
	e.unique, e.forms = "event_1_arm_1", map[string]bool{}
	for _, f := range w.project.Forms() {
		e.forms[w.formUID(f.Name)] = true
	}
	w.names.events = map[string]string{e.unique: e.uid}
	w.same(e.uid)
	return "the project becomes longitudinal"
}
