package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	fake "syncd/internal/fake/redcap"
)

// changeKind is a kind of change. do returns what was done, or nothing where it is not possible now.
type changeKind struct {
	name     string
	weight   int
	silently bool // it can also happen without a log row
	do       func(w *realm, r *rand.Rand) string
}

// changeKinds are all kinds: of data here, of structure and rights in others.
func changeKinds() []changeKind {
	return slices.Concat([]changeKind{
		{"add record", 9, true, (*realm).addRecord},
		{"edit record", 16, true, (*realm).editRecord},
		{"import record", 4, false, (*realm).importRecord},
		{"clear values", 5, true, (*realm).clearValues},
		{"delete record", 5, true, (*realm).deleteRecord},
		{"delete traceless", 2, false, (*realm).deleteTraceless},
		{"delete many", 1, false, (*realm).deleteMany},
		{"erase all", 1, false, (*realm).eraseAll},
		{"delete row", 5, false, (*realm).deleteRow},
		{"rename record", 5, false, (*realm).renameRecord},
		{"move to group", 5, false, (*realm).moveToGroup},
		{"prune log", 1, false, (*realm).pruneLog},
		{"nothing", 3, false, func(*realm, *rand.Rand) string { return "" }},
	}, designKinds(), identityKinds(), rightKinds())
}

func changeNamed(name string) changeKind {
	for _, k := range changeKinds() {
		if k.name == name {
			return k
		}
	}
	panic("no such kind of change: " + name)
}

// someRecord is a record, or nothing where there is none.
func (w *realm) someRecord(r *rand.Rand) string {
	all := w.project.Records()
	if len(all) == 0 {
		return ""
	}
	return pick(r, all)
}

// somePlace is where values of a form can stand, and the form.
func (w *realm) somePlace(r *rand.Rand) (fake.Place, string, bool) {
	e := pick(r, w.events)
	var forms []string
	for _, f := range w.project.Forms() {
		if e.has(w.formUID(f.Name)) {
			forms = append(forms, f.Name)
		}
	}
	if len(forms) == 0 {
		return fake.Place{}, "", false
	}
	form, at := pick(r, forms), fake.Place{Event: e.unique}
	switch {
	case e.alone[w.formUID(form)]:
		at.Instrument, at.Instance = form, 1+r.IntN(4)
	case e.repeats:
		at.Instance = 1 + r.IntN(3)
	}
	return at, form, true
}

// someValues draws values of a form's fields.
func (w *realm) someValues(r *rand.Rand, form string) map[string]string {
	values := map[string]string{}
	for _, f := range w.fieldsOf(form) {
		switch {
		case r.IntN(3) == 0:
		case f.Type == "checkbox":
			codes := codesOf(f.Choices)
			for _, c := range w.codes {
				if r.IntN(12) == 0 {
					values[f.Name+"("+c.Code+")"] = "1"
				}
			}
			values[f.Name+"("+pick(r, codes)+")"] = fmt.Sprint(r.IntN(2))
		default:
			values[f.Name] = w.valueOf(r, f)
		}
	}
	if r.IntN(3) == 0 {
		values[form+"_complete"] = pick(r, []string{"0", "1", "2"})
	}
	if w.surveys[w.formUID(form)] && r.IntN(2) == 0 {
		values[form+"_timestamp"] = pick(r, []string{"[not completed]", "2025-05-06 07:08:09", ""})
	}
	return values
}

func (w *realm) addRecord(r *rand.Rand) string {
	id := w.newRecordName(r)
	values := map[string]string{}
	if first := w.events[0]; !first.repeats && !first.alone["form_1"] && first.has("form_1") {
		values = w.someValues(r, w.project.Forms()[0].Name)
	}
	if len(w.surveys) > 0 && r.IntN(3) == 0 {
		values["redcap_survey_identifier"] = "somebody@example.org"
	}
	if err := w.project.AddRecord(id, values); err != nil {
		return ""
	}
	for range r.IntN(4) {
		if at, form, ok := w.somePlace(r); ok {
			_ = w.project.SetMany(id, at, w.someValues(r, form))
		}
	}
	if len(w.groups) > 0 && r.IntN(3) == 0 {
		_ = w.project.SetGroup(id, pick(r, w.groups))
	}
	w.touched(id)
	return fmt.Sprintf("add record %q", id)
}

func (w *realm) editRecord(r *rand.Rand) string {
	return w.save(r, w.project.SetMany, "edit")
}

func (w *realm) importRecord(r *rand.Rand) string {
	return w.save(r, w.project.Import, "import")
}

func (w *realm) save(r *rand.Rand, store func(string, fake.Place, map[string]string) error, how string) string {
	id := w.someRecord(r)
	at, form, ok := w.somePlace(r)
	if id == "" || !ok {
		return ""
	}
	values := w.someValues(r, form)
	if len(values) == 0 || store(id, at, values) != nil {
		return ""
	}
	w.touched(id)
	return fmt.Sprintf("%s record %q at %+v: %q", how, id, at, values)
}

// clearValues empties a form of a record, its status included now and then.
func (w *realm) clearValues(r *rand.Rand) string {
	id := w.someRecord(r)
	at, form, ok := w.somePlace(r)
	if id == "" || !ok {
		return ""
	}
	values := map[string]string{}
	for _, f := range w.fieldsOf(form) {
		if f.Type != "checkbox" {
			values[f.Name] = ""
			continue
		}
		for _, code := range codesOf(f.Choices) {
			values[f.Name+"("+code+")"] = "0"
		}
	}
	if r.IntN(2) == 0 {
		values[form+"_complete"] = ""
	}
	if len(values) == 0 || w.project.Import(id, at, values) != nil {
		return ""
	}
	w.touched(id)
	return fmt.Sprintf("clear form %s of record %q at %+v (%d values)", form, id, at, len(values))
}

func (w *realm) deleteRecord(r *rand.Rand) string {
	id := w.someRecord(r)
	if id == "" || w.project.Delete(id) != nil {
		return ""
	}
	w.touched(id)
	return fmt.Sprintf("delete record %q", id)
}

func (w *realm) deleteTraceless(r *rand.Rand) string {
	id := w.someRecord(r)
	if id == "" || w.project.DeleteTraceless(id) != nil {
		return ""
	}
	w.since.churn++
	return fmt.Sprintf("delete record %q with its log rows", id)
}

// deleteMany deletes most records.
func (w *realm) deleteMany(r *rand.Rand) string {
	n := 0
	for _, id := range w.project.Records() {
		if r.IntN(4) > 0 && w.project.Delete(id) == nil {
			w.touched(id)
			n++
		}
	}
	return fmt.Sprintf("delete %d records", n)
}

func (w *realm) eraseAll(*rand.Rand) string {
	w.project.EraseAll()
	w.since.erased = true
	return "erase all data"
}

// deleteRow deletes an instance, or an event of a record.
func (w *realm) deleteRow(r *rand.Rand) string {
	for range 12 {
		id := w.someRecord(r)
		at, _, ok := w.somePlace(r)
		first := at.Event == w.events[0].unique && at.Instance == 0 // it has the record's name, and goes with the record
		if id == "" || !ok || first || w.project.DeleteRow(id, at) != nil {
			continue
		}
		w.touched(id)
		return fmt.Sprintf("delete of record %q the row at %+v", id, at)
	}
	return ""
}

func (w *realm) renameRecord(r *rand.Rand) string {
	old := w.someRecord(r)
	name := w.newRecordName(r)
	if old != "" && r.IntN(4) == 0 && strings.ToUpper(old) != old {
		name = strings.ToUpper(old)
	}
	if slices.ContainsFunc(w.project.Records(), func(id string) bool { return id != old && strings.EqualFold(id, name) }) {
		return ""
	}
	if old == "" || w.project.Rename(old, name) != nil {
		return ""
	}
	w.touched(name)
	w.since.churn--
	w.since.renamed[name] = old
	if w.since.silent[old] || w.silent[old] {
		w.since.silent[name] = true
	}
	return fmt.Sprintf("rename record %q to %q", old, name)
}

func (w *realm) moveToGroup(r *rand.Rand) string {
	id := w.someRecord(r)
	if id == "" || len(w.groups) == 0 {
		return ""
	}
	group := pick(r, append(slices.Clone(w.groups), ""))
	if w.project.SetGroup(id, group) != nil {
		return ""
	}
	w.since.moved[id] = true
	return fmt.Sprintf("move record %q to group %q", id, group)
}

// pruneLog forgets what is older than some days, as sites do, but nothing that no good run has seen.
func (w *realm) pruneLog(r *rand.Rand) string {
	upto := w.clock.now().AddDate(0, 0, -3-r.IntN(20))
	if seen := w.good.AddDate(0, 0, -2); seen.Before(upto) {
		upto = seen
	}
	w.project.PruneLog(upto)
	return "prune the log to " + upto.Format(time.DateOnly)
}

// rightKinds are changes of what the token's user may do, of the server's version, and of groups.
func rightKinds() []changeKind {
	return []changeKind{
		{"right of an instrument", 4, false, (*realm).instrumentRight},
		{"all rights", 10, false, (*realm).allRights},
		{"logging right", 2, false, func(w *realm, _ *rand.Rand) string {
			return w.rights("Logging is %t", func(u *fake.User) bool { u.Logging = !u.Logging; return u.Logging })
		}},
		{"groups right", 1, false, func(w *realm, _ *rand.Rand) string {
			return w.rights("Data Access Groups is %t", func(u *fake.User) bool { u.DAGs = !u.DAGs; return u.DAGs })
		}},
		{"design right", 1, false, func(w *realm, _ *rand.Rand) string {
			return w.rights("Project Design is %t", func(u *fake.User) bool { u.Design = !u.Design; return u.Design })
		}},
		{"bound to a group", 1, false, (*realm).bind},
		{"version", 2, false, (*realm).otherVersion},
	}
}

// rights changes the token's user at the source and here.
func (w *realm) rights(format string, change func(*fake.User) bool) string {
	w.user.Forms = maps.Clone(w.user.Forms)
	now := change(&w.user)
	w.project.Rights(func(u *fake.User) {
		u.Logging, u.DAGs, u.Design, u.DAG, u.Forms = w.user.Logging, w.user.DAGs, w.user.Design, w.user.DAG, maps.Clone(w.user.Forms)
	})
	w.since.rights = true
	return "right of the token's user: " + fmt.Sprintf(format, now)
}

func (w *realm) instrumentRight(r *rand.Rand) string {
	form := pick(r, w.project.Forms()).Name
	right := pick(r, []int{fake.ExportNone, fake.ExportNone, fake.ExportWithoutIdentifer, fake.ExportWithoutIdentifer, fake.ExportFull})
	if r.IntN(12) == 0 {
		right = fake.ExportDeidentified
	}
	return w.rights(fmt.Sprintf("export right %d on %s: %%t", right, form), func(u *fake.User) bool { u.Forms[form] = right; return true })
}

func (w *realm) allRights(*rand.Rand) string {
	return w.rights("all: %t", func(u *fake.User) bool { *u = *fake.FullRights(u.Name); return true })
}

func (w *realm) bind(r *rand.Rand) string {
	if len(w.groups) == 0 {
		return ""
	}
	group := pick(r, w.groups)
	return w.rights("bound to group "+group+": %t", func(u *fake.User) bool { u.DAG = group; return true })
}

func (w *realm) otherVersion(r *rand.Rand) string {
	if len(w.plan.during) > 0 || w.server.ReadOnly() != nil {
		return ""
	}
	next := pick(r, versions())
	if next == w.version {
		return ""
	}
	old := w.version
	w.serveVersion(next)
	w.since.version = true
	w.clock.pass(time.Minute)
	return "upgrade from " + old + " to " + next
}
