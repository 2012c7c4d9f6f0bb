package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"syncd/extract"
	fake "syncd/internal/fake/redcap"
	"syncd/load"
)

// overlapHours is more than incremental runs look back beyond their mark.
const overlapHours = 26

// judge looks at what a run has said and left, and notes what later runs are compared with.
func (k *worker) judge(w *realm, p runPlan, t told, totals *tallies) ([]misstep, error) {
	after, err := k.contents(k.t.Context(), w)
	if err != nil {
		return nil, err
	}
	marks, err := k.marks(k.t.Context(), w)
	if err != nil {
		return nil, err
	}
	v := &review{w: w, before: w.before, after: after, view: w.sees()}
	if v.truth, err = w.truth(v.view); err != nil {
		return nil, err
	}
	state := t.report.State
	v.held = state == load.Held
	v.excuse(p)
	if told := v.view.groups && v.view.logging; !told || p.full {
		w.regroup = !told && notYet("groups are listed without the log") != ""
	}
	// Rows of an instrument that cannot be seen stay where they are.
	if gone, _ := v.vanished(); v.view.hides() && gone > 0 && notYet("hidden rows follow") != "" {
		w.untold = true
	}
	if err := w.readOnly(); err != nil {
		v.find(wrongEnd, "%v", err)
	}
	v.ending(p, t)
	v.found = append(v.found, w.marked(state, t.report.RunID, marks)...)
	// Lists without records are believed where nothing is stored; and where the brake doubts them, they still told of no change.
	blind := t.struck && p.trouble.fault == fake.NoRecords && (w.before == nil || v.held)
	whole := !blind && !w.untold && v.view.bound == "" && !v.view.hashed() && !w.lateDesign()
	if whole && (state == load.Succeeded || v.held) {
		v.compare()
	}
	if whole && (state == load.Succeeded || len(w.since.identity) == 0) {
		v.steady()
	}
	if state == load.Succeeded {
		if v.verdict(p, t); whole {
			err = k.compareStructure(v)
		}
		v.drift(p, t)
		w.remember(p, v, t)
		if blind {
			w.before = nil
		}
	}
	w.latest = after
	totals.rows.Add(int64(v.rows))
	totals.kept.Add(int64(v.kept))
	totals.follow.Add(int64(v.follow))
	return v.found, err
}

// marked says whether marks have moved with a run that succeeded, and only then.
func (w *realm) marked(state load.State, run int64, marks string) (found []misstep) {
	switch moved := marks != w.marks; {
	case state == load.Succeeded && !strings.Contains(marks, fmt.Sprintf(" %d", run)):
		found = append(found, misstep{wrongEnd, "the run succeeded, and no mark is its own: " + marks})
	case state == load.Held && moved: // others may have ended behind the last batch, with which the marks move
		found = append(found, misstep{wrongEnd, fmt.Sprintf("the marks moved with a run that is %s", state)})
	}
	w.marks = marks
	return found
}

// lateDesign says whether structure or rights changed while the run was under way: then what it read is of two minds.
func (w *realm) lateDesign() bool {
	l := w.late
	return l != nil && (len(l.identity)+len(l.design) > 0 || l.rights || l.version || l.erased)
}

// excuse lists the records that may differ from the source after this run.
func (v *review) excuse(p runPlan) {
	w := v.w
	v.excused = map[string]string{}
	if lied := w.struckBy(fake.NoRecords); lied && !(v.view.logging && w.view.logging) { // what had changed was listed as nothing
		maps.Copy(w.since.silent, w.since.records)
		clear(w.since.records)
	}
	if !p.full {
		for _, silent := range []map[string]bool{w.silent, w.since.silent} {
			for id := range silent {
				if !w.since.records[id] {
					v.excused[id] = "silently changed"
				}
			}
		}
	}
	if w.late != nil {
		for _, some := range []map[string]bool{w.late.records, w.late.silent, w.late.moved} {
			for id := range some {
				v.excused[id] = "during the run"
			}
		}
		for name, old := range w.late.renamed {
			v.excused[name], v.excused[old] = "during the run", "during the run"
		}
		if w.late.erased {
			for id := range w.ids() {
				v.excused[id] = "during the run"
			}
		}
	}
	v.blurred = w.blurred
}

// ids are the records that were stored before this run.
func (w *realm) ids() map[string]bool {
	out := map[string]bool{}
	if w.latest != nil && w.latest.tables["redcap_record"] != nil {
		for key := range w.latest.tables["redcap_record"].rows {
			out[key.record] = true
		}
	}
	return out
}

// blurred says whether what happened to a form is more than anybody could recognise from outside: it was renamed and changed
// at once, or names of events changed on a server that does not tell their ids.
func (w *realm) blurred(uid string) bool {
	n := w.since
	blind := !versionAtLeast(w.version, 11, 0) || !versionAtLeast(w.view.version, 11, 0)
	for what := range n.identity {
		_, event := w.eventNames[what]
		switch {
		case n.rights || n.version, event && (blind || n.design[what] > 0 || n.identity[what] > 1 && w.becameLongitudinal()):
			return true
		case n.design[what] > 0 && (what == uid || w.formOf(what) == uid):
			return true
		}
	}
	return n.identity[uid] > 0 && n.design[uid] > 0 || n.identity[uid] > 1 // of few fields, too few stay the same
}

// renamed is the one record that has another name, and that name, where nothing else happened that could be mistaken for it.
func (w *realm) renamed() (old, name string) {
	n := w.since
	if len(n.renamed) != 1 || n.churn > 0 || len(n.silent)+len(n.moved)+len(n.identity)+len(n.design) > 0 || n.rights || n.version || n.erased ||
		w.late != nil || len(w.silent) > 0 {
		return "", ""
	}
	if len(w.user.Forms) > 0 && notYet("renames where not all is seen") != "" {
		return "", ""
	}
	for name, old := range n.renamed {
		return old, name
	}
	return "", ""
}

func (w *realm) becameLongitudinal() bool {
	return w.longitudinal && w.before != nil && w.before.names.events[""] != ""
}

// formOf is the form, as it was made, that a field is in.
func (w *realm) formOf(field string) string {
	for _, f := range w.project.Fields() {
		if w.fieldUID(f.Name) == field {
			return w.formUID(f.Form)
		}
	}
	return ""
}

// vanished counts the stored records that the source has no more.
func (v *review) vanished() (gone, live int) {
	ids := v.w.ids()
	for id := range ids {
		if v.truth.records[id] == nil {
			gone++
		}
	}
	return gone, len(ids)
}

// ending checks that a run ended as it had reason to.
func (v *review) ending(p runPlan, t told) {
	w, r := v.w, t.report
	kind := extract.Kind(r.ErrorKind)
	gone, live := v.vanished()
	trouble := t.struck || w.late != nil
	limited := v.view.bound != "" || v.view.hashed() || w.view.bound != ""
	switch r.State {
	case load.Succeeded:
		if gone > 20 && gone*10 > live && !w.approved && w.late == nil {
			v.find(wrongEnd, "%d of %d records went, and the brake did not hold", gone, live)
		}
	case load.Held:
		if gone == 0 && !trouble && !limited {
			v.find(wrongEnd, "the brake holds, and nothing went: %v", t.err)
		}
		few := gone*10 <= live || gone <= 20
		if few && !trouble && !limited && !w.since.rights && !w.since.version && !w.since.erased && len(v.truth.records) > 0 {
			v.find(wrongEnd, "the brake holds %d of %d records: %v", gone, live, t.err)
		}
	case load.Failed:
		if !trouble && !limited && !w.untold {
			v.find(wrongEnd, "failed (%s, verdict %s %s): %v", kind, r.Verdict, r.Reason, t.err)
		}
	case load.Cancelled, load.LostState:
		if !t.struck {
			v.find(wrongEnd, "%s: %v", r.State, t.err)
		}
	default:
		if !t.struck {
			v.find(wrongEnd, "the run is %q: %v", r.State, t.err)
		}
	}
	if kind == extract.KindInternal || r.Verdict == load.Mismatch && !w.untold {
		v.find(wrongEnd, "%s, kind %s, verdict %s %s: %v", r.State, kind, r.Verdict, r.Reason, t.err)
	}
	codes := map[load.State][]int{
		load.Succeeded: {exitDone, exitRejects}, load.Held: {exitRefused}, load.Failed: {exitFailed}, load.Cancelled: {exitInterrupted},
	}[r.State]
	if p.trouble.kind == killTrouble && t.struck {
		return // nobody was there to be told
	}
	if codes != nil && !slices.Contains(codes, t.exit) {
		v.find(wrongEnd, "the run is %s and exits with %d", r.State, t.exit)
	}
	if r.NewRejects > 0 && !trouble {
		v.find(wrongEnd, "%d new rejects", r.NewRejects)
	}
}

// verdict checks that a run is proven where nothing hindered, and else says why not.
func (v *review) verdict(p runPlan, t told) {
	w := v.w
	if t.report.Verdict == load.Proven || t.struck || v.w.late != nil {
		return
	}
	for _, known := range []struct {
		reason string
		holds  bool
	}{
		{"was not read and stays as it is", v.view.hides() || w.untold},
		{"redcap_dag was not read and stays as it is", !v.view.groups || v.view.bound != ""},
		{"redcap_repeating was not read and stays as it is", !v.view.setup},
		{"wait for a change of structure", len(v.after.pending) > 0},
		{"group", v.view.bound != ""},
	} {
		if known.holds && strings.Contains(t.report.Reason, known.reason) {
			return
		}
	}
	v.find(wrongEnd, "the run is %s because %q", t.report.Verdict, t.report.Reason)
}

// drift checks that a full run finds what changed without a log row, and nothing else.
func (v *review) drift(p runPlan, t told) {
	w := v.w
	quiet := len(w.silent) + len(w.since.silent)
	found := t.report.Drift
	switch {
	case w.late != nil || t.struck || w.before == nil:
	case found > 0 && quiet == 0:
		v.find(wrongEnd, "drift_found is %d, and nothing changed silently", found)
	case found == 0 && p.full && v.missed():
		v.find(wrongEnd, "drift_found is 0, and a record had changed silently")
	}
}

// missed says whether a record was changed of which no log row within reach tells, and the tables did not have it.
func (v *review) missed() bool {
	w := v.w
	for _, silent := range []map[string]bool{w.silent, w.since.silent} {
		for id := range silent {
			if w.logged[id].After(w.good.Add(-overlapHours*time.Hour)) || v.truth.records[id] == nil || !w.ids()[id] {
				continue
			}
			old := *v
			old.after, old.found, old.excused = w.before, nil, map[string]string{}
			if len(w.since.design)+len(w.since.identity) > 0 || w.since.rights {
				continue
			}
			for other := range v.truth.records {
				if other != id {
					old.excused[other] = "another"
				}
			}
			old.held = true
			if old.compare(); slices.ContainsFunc(old.found, func(f misstep) bool { return strings.Contains(f.text, "row ") && strings.Contains(f.text, id) }) {
				return true
			}
		}
	}
	return false
}

// remember notes a run that succeeded: from here on, what happens is news.
func (w *realm) remember(p runPlan, v *review, t told) {
	for id := range w.since.silent {
		w.silent[id] = true
	}
	for id := range w.silent {
		if p.full && w.late == nil || w.since.records[id] {
			delete(w.silent, id)
		}
	}
	w.before, w.view, w.good, w.since, w.approved = v.after, v.view, w.began, newNews(), false
	if w.late != nil {
		w.since = *w.late
		if w.lateDesign() {
			w.before = nil
		}
		w.late = nil
	}
}
