package redcap

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// exported rebuilds Truth from an export with all rights: what a reader can know of it.
func exported(t *testing.T, s *Server, p *Project) (rows []string, ids []string) {
	t.Helper()
	fields := map[string][]Field{}
	for _, f := range p.Fields()[1:] {
		fields[f.Form] = append(fields[f.Form], f)
	}
	for _, r := range records(t, s, p, "exportBlankForGrayFormStatus", "true", "exportDataAccessGroups", "true", "exportSurveyFields", "true") {
		cell := func(name string) string {
			if r[name] == nil {
				return ""
			}
			return fmt.Sprint(r[name])
		}
		id := cell(p.RecordField())
		if len(ids) == 0 || ids[len(ids)-1] != id {
			ids = append(ids, id)
		}
		for _, form := range p.Forms() {
			if only := cell("redcap_repeat_instrument"); only != "" && only != form.Name {
				continue
			}
			values := map[string]string{}
			for _, f := range fields[form.Name] {
				if f.Type == "checkbox" {
					for _, o := range p.boxes(&f) {
						if cell(checkboxColumn(f.Name, o.code)) == "1" {
							values[f.Name+"("+o.code+")"] = "1"
						}
					}
				} else if v := cell(f.Name); v != "" {
					values[f.Name] = v
				}
			}
			status, at := cell(form.Name+"_complete"), cell(form.Name+"_timestamp")
			if status == "" && at == "" && len(values) == 0 {
				continue
			}
			rows = append(rows, line(id, cell("redcap_data_access_group"), cell("redcap_event_name"), form.Name, cell("redcap_repeat_instrument"),
				cell("redcap_repeat_instance"), status, at, values))
		}
	}
	slices.Sort(rows)
	return rows, ids
}

func line(id, group, event, form, instrument, instance, status, at string, values map[string]string) string {
	var b strings.Builder
	fmt.Fprint(&b, strings.Join([]string{id, group, event, form, instrument, instance, status, at}, "|"))
	for _, k := range slices.Sorted(maps.Keys(values)) {
		fmt.Fprintf(&b, "|%s=%q", k, values[k])
	}
	return b.String()
}

// held is Truth in the same form.
func held(p *Project) []string {
	var out []string
	for _, r := range p.Truth() {
		instance := ""
		if r.Instance > 0 {
			instance = fmt.Sprint(r.Instance)
		}
		out = append(out, line(r.Record, r.Group, r.Event, r.Form, r.Instrument, instance, r.Status, r.Timestamp, r.Values))
	}
	slices.Sort(out)
	return out
}

func TestTruthIsWhatAnExportShowsThroughAnyHistory(t *testing.T) {
	for _, kind := range []SpecKind{Classic, Longitudinal, Repeating, Mixed} {
		for seed := range uint64(8) {
			p := Synthetic(Spec{Kind: kind, Records: 12, Fields: 24, Forms: 4, Seed: seed + 1, DAGs: 2, Surveys: true, Missing: true, Empty: 40})
			s := serve(Options{}, p)
			h := &history{t: t, p: p, r: rand.New(rand.NewPCG(seed, uint64(kind)))}
			for i := range 60 {
				if h.step(); i%5 != 4 {
					continue
				}
				got, ids := exported(t, s, p)
				if d := cmp.Diff(held(p), got); d != "" {
					t.Fatalf("kind %d, seed %d (-truth +export) after\n%s\n%s", kind, seed, strings.Join(h.done, "\n"), d)
				}
				var names []string
				for _, r := range p.TruthRecords() {
					names = append(names, r.Name)
				}
				slices.Sort(ids) // a record of several arms is exported arm by arm
				slices.Sort(names)
				if d := cmp.Diff(names, slices.Compact(ids)); d != "" {
					t.Fatalf("kind %d, seed %d: records (-truth +export) after\n%s\n%s", kind, seed, strings.Join(h.done, "\n"), d)
				}
			}
		}
	}
}

// history does random things to a project. What the project refuses is no step.
type history struct {
	t    *testing.T
	p    *Project
	r    *rand.Rand
	n    int
	done []string
}

func (h *history) step() {
	p := h.p
	h.n++
	fresh := fmt.Sprintf("n%d", h.n)
	field, other, form := h.pick(h.fields()), h.pick(h.fields()), h.pick(h.forms())
	event, second := h.pick(h.events()), h.pick(h.events())
	id, at := h.pick(p.Records()), Place{Event: event}
	if h.r.IntN(3) == 0 {
		at.Instrument, at.Instance = form, 1+h.r.IntN(3)
	} else if h.r.IntN(3) == 0 {
		at.Instance = 1 + h.r.IntN(3)
	}
	steps := []struct {
		name string
		do   func() error
	}{
		{"set", func() error { return p.Set(id, at.Event, at.Instrument, at.Instance, field, fresh) }},
		{"import new", func() error { return p.Import(fresh, at, map[string]string{field: "1"}) }},
		{"delete", func() error { return p.Delete(id) }},
		{"delete row", func() error { return p.DeleteRow(id, at) }},
		{"delete event", func() error { return p.DeleteEvent(id, event) }},
		{"delete form", func() error { return p.DeleteForm(id, at, form) }},
		{"rename record", func() error { return p.Rename(id, fresh) }},
		{"group", func() error { return p.SetGroup(id, h.pick([]string{"", "site_a", "site_b"})) }},
		{"add field", func() error { return p.AddField(Field{Name: fresh, Form: form, Type: "text"}) }},
		{"rename field", func() error { return p.RenameField(field, fresh) }},
		{"remove field", func() error { return p.RemoveField(field) }},
		{"bring back a field", func() error {
			return p.AddField(Field{Name: h.pick(slices.Collect(h.lost())), Form: form, Type: "text"})
		}},
		{"move field", func() error { return p.MoveField(field, other) }},
		{"retype field", func() error {
			return p.ChangeField(field, func(f *Field) {
				f.Type, f.Validation, f.Choices = h.pick([]string{"text", "notes", "checkbox"}), "", "1, One | 2, Two"
			})
		}},
		{"add form", func() error { return p.AddForm(Form{Name: fresh}, Field{Name: fresh + "_a", Type: "text"}) }},
		{"rename form", func() error { return p.RenameForm(form, fresh) }},
		{"remove form", func() error { return p.RemoveForm(form) }},
		{"designate", func() error { return p.Designate(event, form, h.r.IntN(2) == 0) }},
		{"repeat form", func() error { return p.RepeatForm(event, form, "") }},
		{"unrepeat form", func() error { return p.UnrepeatForm(event, form) }},
		{"repeat event", func() error { return p.RepeatEvent(event) }},
		{"unrepeat event", func() error { return p.UnrepeatEvent(event) }},
		{"add event", func() error { _, err := p.AddEvent(fresh, 1+h.r.IntN(2), form); return err }},
		{"rename event", func() error { _, err := p.RenameEvent(event, fresh); return err }},
		{"swap events", func() error { return p.SwapEventNames(event, second) }},
		{"remove event", func() error { return p.RemoveEvent(event) }},
		{"add arm", func() error { return p.AddArm(1+h.r.IntN(4), fresh) }},
		{"remove arm", func() error { return p.RemoveArm(1 + h.r.IntN(4)) }},
		{"classic", func() error { p.MakeClassic(); return nil }},
		{"longitudinal", func() error { p.MakeLongitudinal(); return nil }},
		{"codes", func() error { p.SetCodes(Code{"NI", "No"}); return nil }},
		{"survey", func() error { return p.SetSurvey(form, h.r.IntN(2) == 0) }},
		{"respond", func() error { return p.Respond(fresh, at, form, "", map[string]string{field: "1"}, h.r.IntN(2) == 0) }},
		{"remove group", func() error { return p.RemoveDAG(h.pick([]string{"site_a", "site_b"})) }},
		{"upload dictionary", func() error { return p.UploadDictionary(h.shuffled()...) }},
	}
	s := steps[h.r.IntN(len(steps))]
	if err := s.do(); err == nil {
		h.done = append(h.done, fmt.Sprintf("%s: record %q, %+v, field %s, %s, form %s, event %s, new %s", s.name, id, at, field, other, form, event, fresh))
	}
}

func (h *history) pick(from []string) string {
	if len(from) == 0 {
		return ""
	}
	return from[h.r.IntN(len(from))]
}

func (h *history) fields() (out []string) {
	for _, f := range h.p.Fields()[1:] {
		out = append(out, f.Name)
	}
	return out
}

func (h *history) forms() (out []string) {
	for _, f := range h.p.Forms() {
		out = append(out, f.Name)
	}
	return out
}

func (h *history) events() (out []string) {
	for _, e := range h.p.shown() {
		out = append(out, e.Unique)
	}
	return out
}

// lost are names of fields that were deleted.
func (h *history) lost() func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, name := range slices.Sorted(maps.Keys(h.p.graves)) {
			if n, ok := strings.CutPrefix(name, fieldKey); ok && !yield(n) {
				return
			}
		}
	}
}

// shuffled is the dictionary with one field renamed behind the designer's back.
func (h *history) shuffled() []Field {
	fields := h.p.Fields()
	if len(fields) > 1 {
		fields[1+h.r.IntN(len(fields)-1)].Name = fmt.Sprintf("up%d", h.n)
	}
	return fields
}
