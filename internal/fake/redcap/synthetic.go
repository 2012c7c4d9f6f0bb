package redcap

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// SpecKind is the shape of a synthetic project.
type SpecKind int

// The four shapes that a REDCap project comes in.
const (
	Classic      SpecKind = iota // one row per record
	Longitudinal                 // events; forms designated by event
	Repeating                    // classic with repeating instruments
	Mixed                        // events, one of them repeating, and a form that repeats in one event only
)

// Spec describes a synthetic project. Everything that is not said follows from the seed, so that equal specs are
// equal projects.
type Spec struct {
	Kind    SpecKind
	Records int
	Fields  int    // beside the record id; default 40
	Forms   int    // default one per 20 fields, at least 2 (1 if Fields < 4), at least 3 for Repeating and Mixed
	Seed    uint64 // default 1
	Title   string // default "Synthetic"
	ID      int    // project id; default from the title
	Prefix  string // of record names; default none: 1, 2, 3 ...

	OneColumnFields bool // only field types that are exported as one column each: for benchmarks that count columns
	Surveys         bool // forms 1 and 2 are surveys
	DAGs            int
	Missing         bool   // defines missing-data codes and stores some
	Misfits         int    // of 1,000 values, how many do not fit their validation
	Empty           int    // of 100 values, how many are blank; default 10, -1: none
	Variety         int    // records repeat after so many; default 4,096, fewer for wide projects
	RecordField     string // default "record_id"
}

func (s *Spec) defaults() {
	set := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	set(&s.Fields, 40)
	set(&s.Forms, max(s.Fields/20, min(2, s.Fields)))
	if s.Kind == Repeating || s.Kind == Mixed {
		s.Forms = max(s.Forms, 3)
	}
	s.Fields = max(s.Fields, s.Forms)
	set(&s.Empty, 10)
	s.Empty = max(s.Empty, 0)
	set(&s.Variety, max(16, min(4096, 400_000/s.Fields)))
	if s.Seed == 0 {
		s.Seed = 1
	}
	if s.Title == "" {
		s.Title = "Synthetic"
	}
	if s.RecordField == "" {
		s.RecordField = "record_id"
	}
}

// Synthetic makes a project of any size. Records are computed when they are read and kept only once they are
// changed, so three million of them cost no memory.
func Synthetic(spec Spec) *Project {
	spec.defaults()
	p := newProject(Info{ID: spec.ID, Title: spec.Title, Surveys: spec.Surveys, Longitudinal: spec.Kind == Longitudinal || spec.Kind == Mixed, Autonumbering: true})
	for i := range spec.Forms {
		p.addForm(Form{Name: fmt.Sprintf("form_%d", i+1), Label: fmt.Sprintf("Form %d", i+1), Survey: spec.Surveys && i < 2})
	}
	if spec.Missing {
		p.codes = []Code{{"NI", "No information"}, {"UNK", "Unknown"}, {"-99", "Not asked"}}
	}
	for i := range spec.DAGs {
		p.addDAG(fmt.Sprintf("Site %c", 'A'+i))
	}
	p.synthesizeFields(&spec)
	p.synthesizeEvents(&spec)
	p.store.gen = newGenerator(spec, p)
	return p
}

func (p *Project) synthesizeFields(spec *Spec) {
	p.mustAdd(Field{Name: spec.RecordField, Form: "form_1", Type: "text", Label: "Record ID"})
	shapes := shapes()
	n := 0
	for i := range spec.Fields {
		s := shapes[n%len(shapes)]
		for n++; spec.OneColumnFields && s.manyColumns(); n++ {
			s = shapes[n%len(shapes)]
		}
		form := p.forms[i*spec.Forms/spec.Fields]
		f := s.Field
		f.Name, f.Form = fmt.Sprintf("%s_%d", s.Name, i+1), form.Name
		if f.Label == "" {
			f.Label = titled(f.Name)
		}
		p.mustAdd(f)
	}
}

// mustAdd adds a field of a made-up dictionary, where names cannot clash.
func (p *Project) mustAdd(f Field) {
	f.key, f.options = p.freshKey(fieldKey, f.Name), optionsOf(&f)
	p.fields = append(p.fields, &f)
}

func (p *Project) synthesizeEvents(spec *Spec) {
	if !p.info.Longitudinal {
		e := p.addEvent(Event{Name: "Event 1"})
		if spec.Kind == Repeating {
			for i := 1; i < len(p.forms); i += 2 {
				e.repeat(p.forms[i], "")
			}
		}
		return
	}
	names := []string{"Enrollment", "Visit 1", "Visit 2", "Final visit"}
	var events []*Event
	for _, name := range names {
		events = append(events, p.addEvent(Event{Name: name}))
	}
	for i, e := range events {
		for j, f := range p.forms {
			if (i == 0 && j%2 == 0) || (i == 3 && j == len(p.forms)-1) || ((i == 1 || i == 2) && j > 0) {
				p.designate(e, f)
			}
		}
	}
	if spec.Kind == Mixed {
		events[2].Repeats = true
		events[1].repeat(p.forms[1], "[redcap_repeat_instance]") // repeats here, but not in the other events
	}
}

// generator computes records. It keeps its own copy of the structure, so that later changes of the project do not
// change the values of records that nobody touched.
type generator struct {
	spec   Spec
	forms  []*Form
	fields map[string][]*Field // by the key of their form; the record id is not among them
	events []*Event
	dags   []DAG
	codes  []Code
	shapes map[string]*shape
}

func newGenerator(spec Spec, p *Project) *generator {
	g := &generator{spec: spec, dags: slices.Clone(p.dags), codes: slices.Clone(p.codes), shapes: shapesByStem(), fields: map[string][]*Field{}}
	for _, f := range p.forms {
		form := *f
		g.forms = append(g.forms, &form)
	}
	for _, f := range p.fields[1:] {
		field := *f
		g.fields[f.Form] = append(g.fields[f.Form], &field)
	}
	for _, e := range p.events {
		event := *e
		event.forms, event.repeating = maps.Clone(e.forms), maps.Clone(e.repeating)
		g.events = append(g.events, &event)
	}
	return g
}

func (g *generator) id(i int) string { return string(g.appendID(nil, i)) }

func (g *generator) appendID(b []byte, i int) []byte {
	return strconv.AppendInt(append(b, g.spec.Prefix...), int64(i)+1, 10)
}

// index is the position of a name that was generated.
func (g *generator) index(id string) (int, bool) {
	rest, ok := strings.CutPrefix(id, g.spec.Prefix)
	n, err := strconv.Atoi(rest)
	if !ok || err != nil || n < 1 || n > g.spec.Records || strconv.Itoa(n) != rest {
		return 0, false
	}
	return n - 1, true
}

func (g *generator) class(i int) int { return i % g.spec.Variety }

// dice is a small deterministic source of numbers (splitmix64).
type dice uint64

func (d *dice) next() uint64 {
	*d += 0x9e3779b97f4a7c15
	z := uint64(*d)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (d *dice) below(n int) int { return int(d.next() % uint64(n)) }

// record computes the record at a position. Its content depends on the class only.
func (g *generator) record(pos int) *record {
	class := g.class(pos)
	d := dice(g.spec.Seed*0x9e3779b9 + uint64(class)*0x85ebca6b)
	r := &record{id: g.id(pos)}
	if n := g.spec.DAGs; n > 0 {
		if k := d.below(n + 1); k < n {
			r.dag = g.dags[k].ID
		}
	}
	for i, e := range g.events {
		if i > 0 && d.below(4) == 0 {
			continue // this event has no data
		}
		g.event(&d, r, e)
	}
	if g.spec.Surveys && class%3 == 0 {
		r.rows[0].values["redcap_survey_identifier"] = fmt.Sprintf("participant%d@example.org", class)
	}
	for i := len(r.rows) - 1; i > 0; i-- { // a record always has its first row; others only with data
		if len(r.rows[i].values) == 0 {
			r.rows = append(r.rows[:i], r.rows[i+1:]...)
		}
	}
	return r
}

// event fills one event of a record.
func (g *generator) event(d *dice, r *record, e *Event) {
	times := 1
	if e.Repeats {
		times = 1 + d.below(3)
	}
	for n := 1; n <= times; n++ {
		instance := 0
		if e.Repeats {
			instance = n
		}
		base := r.find(e.ID, "", instance, true)
		for i, form := range g.forms {
			if !e.has(form) {
				continue
			}
			if _, alone := e.repeating[form.key]; alone {
				for k := d.below(4); k > 0; k-- {
					g.fill(d, r.find(e.ID, form.key, k, true), i)
				}
				continue
			}
			if i == 0 || d.below(10) > 0 { // one form in ten was never opened
				g.fill(d, base, i)
			}
		}
	}
}

// fill gives a form's fields their values.
func (g *generator) fill(d *dice, r *row, form int) {
	name := g.forms[form].key
	for _, f := range g.fields[name] {
		roll := d.next()
		switch {
		case int(roll%100) < g.spec.Empty:
			continue
		case g.spec.Missing && roll>>8%50 == 0 && f.Type != "calc" && f.Type != "descriptive" && f.Type != "file":
			code := g.codes[roll>>16%uint64(len(g.codes))].Code
			if f.Type == "checkbox" {
				r.values[f.key+"("+code+")"] = "1"
			} else {
				r.values[f.key] = code
			}
			continue
		case int(roll>>24%1000) < g.spec.Misfits && f.Type == "text" && f.Validation != "":
			r.values[f.key] = "before validation"
			continue
		}
		g.shapes[stemOf(f.key)].fill(d, f, r.values)
	}
	r.values[name+"_complete"] = strconv.Itoa(d.below(3))
	if g.forms[form].Survey {
		r.values[name+"_timestamp"] = fmt.Sprintf("2024-03-%02d %02d:%02d:%02d", 1+d.below(28), d.below(24), d.below(60), d.below(60))
		if d.below(10) == 0 {
			r.values[name+"_timestamp"] = "[not completed]"
		}
	}
}
