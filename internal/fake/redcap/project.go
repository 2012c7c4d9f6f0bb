package redcap

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Field is one row of the data dictionary, its members in the order of the 18 exported columns.
type Field struct {
	Name, Form, Section, Type, Label, Choices, Note, Validation, Min, Max string
	Identifier, Branching, Required, Alignment, Question, Matrix, Ranking string
	Annotation                                                            string

	key     string   // what values are stored under; survives a rename
	options []option // of a checkbox, radio, dropdown, yesno, truefalse
}

// option is one choice of a field.
type option struct{ code, label string }

// Form is one instrument.
type Form struct {
	Name, Label string
	Survey      bool

	key string
}

// Arm is one arm of a longitudinal project.
type Arm struct {
	Number int
	Name   string
}

// Event is one event. ID is stable; Unique changes when the event is renamed.
type Event struct {
	ID              int
	Name, Unique    string
	Arm             int
	CustomLabel     string
	Repeats         bool
	forms           map[string]bool   // designated forms by key; nil in classic projects: all
	repeating       map[string]string // forms that repeat on their own in this event -> custom label
	repeatingPlaced []string          // keys of repeating, in set-up order
}

// DAG is a data access group.
type DAG struct {
	ID           int
	Name, Unique string
}

// Code is one project-wide missing-data code.
type Code struct{ Code, Label string }

// Info is what the project method answers beside what follows from the structure.
type Info struct {
	ID                           int
	Title, Language, Notes       string
	Created, Production          time.Time
	InProduction                 bool
	Purpose                      int
	CustomRecordLabel, Secondary string
	Surveys, Scheduling          bool
	Autonumbering                bool
	Longitudinal                 bool
}

// Project is one project with its structure, records, users and log. It is safe for concurrent use.
type Project struct {
	mu      sync.RWMutex
	info    Info
	fields  []*Field
	forms   []*Form
	arms    []Arm
	events  []*Event
	dags    []DAG
	codes   []Code
	users   []*User
	roles   []Role
	people  []Participant
	docs    []doc
	folders []folder
	library []repositoryFile
	reports []Report
	store   store
	log     []logRow
	rev     int // raised by every change of structure or rights
	cache   planCache
	rows    []mappingRow // recorded order of the form-event mapping
	now     func() time.Time
	zone    *time.Location
	server  *Server // nil until one serves it
	nextEv  int
	silent  bool // changes write no log rows

	reshaped bool              // stored rows may not fit the structure any more
	graves   map[string]string // keys of deleted fields and forms by name
	used     map[string]bool   // keys ever given
	nextDAG  int
}

// mappingRow is one designated (event, form) pair.
type mappingRow struct {
	event int
	form  string
}

func newProject(info Info) *Project {
	if info.Language == "" {
		info.Language = "English"
	}
	if info.ID == 0 {
		sum := sha256.Sum256([]byte(info.Title))
		info.ID = 100 + int(binary.BigEndian.Uint16(sum[:]))
	}
	if info.Created.IsZero() {
		info.Created = time.Date(2024, 10, 10, 20, 21, 18, 0, time.UTC)
	}
	p := &Project{info: info, now: time.Now, zone: time.UTC, nextEv: 40 + info.ID*10, nextDAG: 11}
	p.graves, p.used = map[string]string{}, map[string]bool{}
	p.store.init()
	sum := sha256.Sum256([]byte("token of " + info.Title + strconv.Itoa(info.ID)))
	u := FullRights("syncd_service")
	u.token = strings.ToUpper(hex.EncodeToString(sum[:16]))
	p.users = []*User{u}
	return p
}

// Token returns the token of the project's first user: 32 hexadecimal digits.
func (p *Project) Token() string {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.users[0].token
}

// SetToken replaces the first user's token, for a demo that prints known tokens.
func (p *Project) SetToken(token string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.users[0].token = token
}

// ID returns the project id.
func (p *Project) ID() int {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.info.ID
}

// Title returns the project's title.
func (p *Project) Title() string {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.info.Title
}

// RecordField returns the name of the record-id field: the dictionary's first.
func (p *Project) RecordField() string {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.fields[0].Name
}

// Fields returns the dictionary in its order.
func (p *Project) Fields() []Field {
	p.mu.RLock()
	defer p.mu.RUnlock()
	out := make([]Field, len(p.fields))
	for i, f := range p.fields {
		out[i] = *f
	}
	return out
}

// Forms returns the instruments in project order.
func (p *Project) Forms() []Form {
	p.mu.RLock()
	defer p.mu.RUnlock()
	out := make([]Form, len(p.forms))
	for i, f := range p.forms {
		out[i] = *f
	}
	return out
}

// addForm appends an instrument if it is not known yet.
func (p *Project) addForm(f Form) *Form {
	if known := p.form(f.Name); known != nil {
		return known
	}
	if f.Label == "" {
		f.Label = titled(f.Name)
	}
	f.key = p.freshKey(formKey, f.Name)
	p.forms = append(p.forms, &f)
	return &f
}

// addField appends a field at the end of its form.
func (p *Project) addField(f Field) error {
	if p.field(f.Name) != nil {
		return fmt.Errorf("add field %s: it exists already", f.Name)
	}
	f.key = p.freshKey(fieldKey, f.Name)
	f.options = optionsOf(&f)
	form := p.addForm(Form{Name: f.Form})
	at := len(p.fields)
	for i, g := range p.fields {
		if g.Form == form.Name {
			at = i + 1
		}
	}
	p.fields = append(p.fields[:at:at], append([]*Field{&f}, p.fields[at:]...)...)
	return nil
}

func (p *Project) form(name string) *Form {
	for _, f := range p.forms {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// formsByName indexes the instruments: dictionaries of 35,000 fields have thousands of them.
func (p *Project) formsByName() map[string]*Form {
	out := make(map[string]*Form, len(p.forms))
	for _, f := range p.forms {
		out[f.Name] = f
	}
	return out
}

func (p *Project) formByKey(key string) *Form {
	for _, f := range p.forms {
		if f.key == key {
			return f
		}
	}
	return nil
}

func (p *Project) field(name string) *Field {
	for _, f := range p.fields {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// addEvent appends an event; a project always has one, also if it is classic and nobody sees it.
func (p *Project) addEvent(e Event) *Event {
	if e.ID == 0 {
		e.ID = p.nextEv
	}
	p.nextEv = max(p.nextEv, e.ID) + 1
	if e.Arm == 0 {
		e.Arm = 1
	}
	if e.repeating == nil {
		e.repeating = map[string]string{}
	}
	if e.Unique == "" {
		e.Unique = p.uniqueEvent(e.Name, e.Arm)
	}
	known := false
	for _, a := range p.arms {
		known = known || a.Number == e.Arm
	}
	if !known {
		p.arms = append(p.arms, Arm{Number: e.Arm, Name: fmt.Sprintf("Arm %d", e.Arm)})
	}
	p.events = append(p.events, &e)
	return &e
}

func (p *Project) event(unique string) *Event {
	for _, e := range p.events {
		if e.Unique == unique {
			return e
		}
	}
	return nil
}

func (p *Project) eventByID(id int) *Event {
	for _, e := range p.events {
		if e.ID == id {
			return e
		}
	}
	return nil
}

// uniqueEvent makes the unique name: at most 18 characters of the label, the arm, and a letter on collision.
func (p *Project) uniqueEvent(name string, arm int) string {
	stem := slug(name)
	if len(stem) > 18 {
		stem = stem[:18]
	}
	base := fmt.Sprintf("%s_arm_%d", strings.TrimRight(stem, "_"), arm)
	unique := base
	for c := byte('b'); p.event(unique) != nil; c++ {
		unique = base + string(c)
	}
	return unique
}

// designate makes a form part of an event.
func (p *Project) designate(e *Event, form *Form) {
	if e.forms == nil {
		e.forms = map[string]bool{}
	}
	if !e.forms[form.key] {
		e.forms[form.key] = true
		p.rows = append(p.rows, mappingRow{e.ID, form.key})
	}
}

// repeat makes a form repeat on its own in an event.
func (e *Event) repeat(form *Form, label string) {
	if _, ok := e.repeating[form.key]; !ok {
		e.repeatingPlaced = append(e.repeatingPlaced, form.key)
	}
	e.repeating[form.key] = label
}

// has tells whether the form is designated in the event.
func (e *Event) has(form *Form) bool { return e.forms == nil || e.forms[form.key] }

func (p *Project) repeats() bool {
	for _, e := range p.shown() {
		if e.Repeats || len(e.repeating) > 0 {
			return true
		}
	}
	return false
}

func (p *Project) dag(id int) *DAG {
	for i := range p.dags {
		if p.dags[i].ID == id {
			return &p.dags[i]
		}
	}
	return nil
}

func (p *Project) dagByUnique(unique string) *DAG {
	for i := range p.dags {
		if p.dags[i].Unique == unique {
			return &p.dags[i]
		}
	}
	return nil
}

// addDAG appends a data access group with its unique name: lower case, letters, digits and underscores, 18 characters.
func (p *Project) addDAG(name string) *DAG {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_':
			b.WriteRune(r)
		case r == ' ':
			b.WriteByte('_')
		}
	}
	unique := b.String()
	if len(unique) > 18 {
		unique = unique[:18]
	}
	for n := 2; p.dagByUnique(unique) != nil; n++ {
		unique = fmt.Sprintf("%s%d", unique, n)
	}
	p.dags = append(p.dags, DAG{ID: p.nextDAG, Name: name, Unique: unique})
	p.nextDAG++
	return &p.dags[len(p.dags)-1]
}

// slug lower-cases a label and turns everything else into single underscores.
func slug(s string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(s) {
		if (r >= 'a' && r <= 'z') || (r >= '0' && r <= '9') {
			b.WriteRune(r)
		} else if s := b.String(); s != "" && s[len(s)-1] != '_' {
			b.WriteByte('_')
		}
	}
	return b.String()
}

// titled makes a label from an instrument's name.
func titled(name string) string {
	words := strings.Split(name, "_")
	for i, w := range words {
		if w != "" {
			words[i] = strings.ToUpper(w[:1]) + w[1:]
		}
	}
	return strings.Join(words, " ")
}
