package main

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	fake "syncd/internal/fake/redcap"
)

// realm is a history under way: the project at its server, and what the storyteller knows of it that no answer of the
// server could tell, such as what was called otherwise before.
type realm struct {
	project *fake.Project
	server  *fake.Server
	clock   *storyClock
	zone    *time.Location
	version string
	token   string // of the job
	auditor string // of a user who may see everything
	job     string
	trail   []string // what happened, for who has to find out why

	user         fake.User // rights of the token's user as they are now
	longitudinal bool
	events       []*storyEvent
	groups       []string // unique names
	codes        []fake.Code
	names        names
	surveys      map[string]bool   // by form uid
	made         int               // things that were named so far
	removed      []fake.Field      // that may come back
	eventNames   map[string]string // by uid

	since    news                 // what happened since the last run that succeeded
	silent   map[string]bool      // records changed without a log row that no full run has compared yet
	logged   map[string]time.Time // by record: its last log row
	good     time.Time            // when the last run that succeeded began
	before   *contentsOf          // the warehouse after it
	view     sight                // what its token could see
	latest   *contentsOf          // after the run before this one, good or not
	marks    string
	began    time.Time // when the present run did
	approved bool      // the brake holds nothing at the next run
	untold   bool      // rows of an instrument out of sight may be of records that are gone
	regroup  bool      // groups may be told as they were before, up to the next full run

	mu       sync.Mutex
	plan     runPlan
	asked    int         // requests of this run
	answered int         // requests of this server before it
	faults   []fake.Kind // that came in it
	cut      func()
	struck   bool
	late     *news // what changed during the run
}

// sight is what the token's user could see of the project.
type sight struct {
	forms                  map[string]int
	groups, logging, setup bool
	bound                  string
	version                string
}

// news are changes, by whom or what they are about.
type news struct {
	records  map[string]bool // named by log rows
	silent   map[string]bool // changed without one
	renamed  map[string]string
	identity map[string]int  // uid of what was renamed or moved -> how often
	design   map[string]int  // uid of what was changed otherwise
	moved    map[string]bool // into another group
	churn    int             // records added, deleted or edited otherwise than by a new name
	rights   bool
	version  bool
	erased   bool
}

func newNews() news {
	return news{
		records: map[string]bool{}, silent: map[string]bool{}, renamed: map[string]string{}, identity: map[string]int{}, design: map[string]int{},
		moved: map[string]bool{},
	}
}

// names lead from what something is called now to what it was made as.
type names struct{ forms, fields, events map[string]string }

func (n names) clone() names {
	return names{maps.Clone(n.forms), maps.Clone(n.fields), maps.Clone(n.events)}
}

// storyEvent is an event as the storyteller made it.
type storyEvent struct {
	uid, unique string
	arm         int
	forms       map[string]bool // designated, by uid; nil: all
	repeats     bool
	alone       map[string]bool // forms that repeat on their own, by uid
}

func (e *storyEvent) has(form string) bool { return e.forms == nil || e.forms[form] }

// storyClock is the source's clock: it goes on by itself, and jumps where the story does.
type storyClock struct {
	mu   sync.Mutex
	base time.Time
	real time.Time
}

func (c *storyClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.base.Add(time.Since(c.real))
}

func (c *storyClock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.base = c.base.Add(time.Since(c.real) + d)
	c.real = time.Now()
}

// tell writes down what happened.
func (w *realm) tell(format string, args ...any) {
	w.trail = append(w.trail, fmt.Sprintf("%s  ", w.clock.now().In(w.zone).Format("2006-01-02 15:04:05 MST"))+fmt.Sprintf(format, args...))
}

// serve answers a request, after what is planned to happen before it.
func (w *realm) serve(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	n := w.asked
	w.asked++
	plan, cut, server := w.plan, w.cut, w.server
	w.mu.Unlock()
	if plan.trouble.kind == cutTrouble && n == plan.trouble.after {
		w.mu.Lock()
		w.struck = true
		w.mu.Unlock()
		cut()
	}
	if len(plan.during) > 0 && n == plan.at {
		w.meanwhile(plan.during)
	}
	server.ServeHTTP(rw, r)
}

// meanwhile lets changes happen while a run is under way, and keeps apart what they are about.
func (w *realm) meanwhile(changes []deed) {
	w.mu.Lock()
	defer w.mu.Unlock()
	kept := w.since
	w.since = newNews()
	for _, c := range changes {
		w.happen(c)
	}
	late := w.since
	w.since, w.late = kept, &late
}

// begin prepares a run.
func (w *realm) begin(p runPlan, cut func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.plan, w.asked, w.cut, w.struck, w.late = p, 0, cut, false, nil
	w.answered = len(w.server.Requests())
	if p.trouble.kind == faultTrouble {
		t := p.trouble
		w.server.Fault(fake.Fault{Kind: t.fault, Content: t.content, After: t.after, Times: t.times, N: t.n, Text: "https://elsewhere.example.edu/api/"})
	}
}

// end takes away what was to go wrong, and says whether it did.
func (w *realm) end() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.plan = runPlan{}
	w.server.ClearFaults()
	w.faults = nil
	for _, r := range w.server.Requests()[w.answered:] {
		if r.Fault != fake.Nothing {
			w.faults = append(w.faults, r.Fault)
		}
	}
	return w.struck || len(w.faults) > 0
}

// struckBy says whether a fault of some kind came in the run that has just ended.
func (w *realm) struckBy(kind fake.Kind) bool { return slices.Contains(w.faults, kind) }

// serveVersion puts the project on a server of another version.
func (w *realm) serveVersion(version string) {
	w.version = version
	w.server = fake.NewServer(fake.Options{Version: version, Clock: w.clock.now, Zone: w.zone, MaxInputVars: -1})
	w.server.Add(w.project)
}

// happen lets one change happen and tells of it. What cannot happen any more is passed over.
func (w *realm) happen(c deed) {
	w.clock.pass(c.wait)
	for _, k := range changeKinds() {
		if k.name != c.kind {
			continue
		}
		var what string
		do := func() { what = k.do(w, diceOf(c.dice, 1)) }
		if c.silent {
			w.quietly(do)
		} else {
			do()
		}
		if what != "" {
			w.tell("%s%s", map[bool]string{true: "silently: "}[c.silent], what)
		}
	}
}

// quietly lets a change happen of which no log row tells: the records that it is about are silently changed ones.
func (w *realm) quietly(do func()) {
	kept, logged := maps.Clone(w.since.records), maps.Clone(w.logged)
	w.project.Silently(do)
	w.logged = logged
	for id := range w.since.records {
		if !kept[id] {
			w.since.silent[id] = true
		}
	}
	w.since.records = kept
}

// touched notes a record that a log row names.
func (w *realm) touched(id string) {
	w.since.churn++
	w.since.records[id] = true
	if w.logged == nil {
		w.logged = map[string]time.Time{}
	}
	w.logged[id] = w.clock.now()
}

// fresh makes a name that nothing had before.
func (w *realm) fresh(stem string) string {
	w.made++
	return fmt.Sprintf("%s_%d", stem, w.made)
}

func (w *realm) formUID(name string) string  { return w.names.forms[name] }
func (w *realm) fieldUID(name string) string { return w.names.fields[name] }

// fieldsOf are the fields of a form that hold data, without the record id.
func (w *realm) fieldsOf(form string) []fake.Field {
	var out []fake.Field
	for i, f := range w.project.Fields() {
		if i > 0 && f.Form == form && f.Type != "descriptive" {
			out = append(out, f)
		}
	}
	return out
}

// sees is the token user's view now.
func (w *realm) sees() sight {
	return sight{
		forms: maps.Clone(w.user.Forms), groups: w.user.DAGs, logging: w.user.Logging, setup: w.user.Design, bound: w.user.DAG, version: w.version,
	}
}

// form is the user's export right for an instrument by its name now.
func (s sight) form(name string) int {
	if right, ok := s.forms[name]; ok {
		return right
	}
	return fake.ExportFull
}

func (s sight) hashed() bool {
	return slices.Contains(slices.Collect(maps.Values(s.forms)), fake.ExportDeidentified)
}

// hides says whether there are instruments of which the user gets nothing.
func (s sight) hides() bool {
	return slices.Contains(slices.Collect(maps.Values(s.forms)), fake.ExportNone)
}

// readOnly is the error of the server where something other than an export was called.
func (w *realm) readOnly() error {
	if err := w.server.ReadOnly(); err != nil {
		return errors.Join(errors.New("the source was written to"), err)
	}
	return nil
}

// trailText is the trail for a person.
func (w *realm) trailText() string { return strings.Join(w.trail, "\n") }
