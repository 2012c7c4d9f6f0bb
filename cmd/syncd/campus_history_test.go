package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"syncd/extract"
	"syncd/extract/engage"
	"syncd/extract/upstream"
	fake "syncd/internal/fake/engage"
	"syncd/load"
)

// The short form, as of histories of projects.
const (
	fixedCampuses = 10
	drawnCampuses = 2
)

// Kinds of trouble that only campuses have.
const (
	blindTrouble = "blind" // support narrows the key: a list is empty for it
	scopeTrouble = "scope" // the key has no right to a list
)

const (
	storyKey    = "campus-07"
	storySecret = "not-a-secret"
)

// TestCampusHistories lets random things happen on a campus of the fake Engage, between runs and while pages are read, with
// faults and crashes of the runs, and compares the warehouse with the campus after every run: nothing that is there is deleted,
// nothing of a list that is said to be whole is missing or stale, nothing is touched that has not changed, and at rest a full run
// holds what the campus has, cell by cell.
//
// SYNCD_HISTORIES=N plays N histories instead of a few; SYNCD_HISTORY=SEED plays the one of a seed and tells it.
func TestCampusHistories(t *testing.T) {
	t.Parallel()
	playAll(t, historySeeds(t, fixedCampuses, drawnCampuses), func(t *testing.T) playOne { return newCampusWorker(t).play })
}

// campusWorker plays histories of campuses one after the other.
type campusWorker struct {
	*worker
	served atomic.Pointer[fake.Server]
}

func newCampusWorker(t *testing.T) *campusWorker {
	t.Helper()
	k := &campusWorker{worker: &worker{t: t, wire: &wire{}}}
	k.web = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { k.served.Load().ServeHTTP(w, r) }))
	t.Cleanup(func() {
		k.web.CloseClientConnections()
		k.web.Close()
		k.leave()
	})
	return k
}

// play plays a history, and tells it where it fails.
func (k *campusWorker) play(seed uint64, number *atomic.Int64, totals *tallies) {
	k.t.Helper()
	totals.histories.Add(1)
	if err := k.settle(); err != nil {
		k.t.Fatal(err)
	}
	s := newCampusStory(k, seed, int(number.Add(1)))
	found, err := s.live(totals)
	if os.Getenv("SYNCD_HISTORY") != "" {
		k.t.Logf("history %d:\n%s", seed, strings.Join(s.trail, "\n"))
	}
	if err == nil && len(found) == 0 {
		return
	}
	var text strings.Builder
	for i, f := range found {
		totals.count(totals.found, f.kind)
		if i < 12 {
			fmt.Fprintf(&text, "  %s: %s\n", f.kind, f.text)
		}
	}
	k.t.Errorf("history %d (SYNCD_HISTORY=%d plays it): %v\n%s%s", seed, seed, err, text.String(), strings.Join(s.trail, "\n"))
}

// campusStory is a history under way.
type campusStory struct {
	k      *campusWorker
	job    string
	dice   *rand.Rand
	campus *fake.Campus
	server *fake.Server
	knobs  fake.Knobs
	ahead  time.Duration // of the campus's clock, so that hours go by between runs
	trail  []string

	stored campusTables         // after the run before
	marks  map[string]time.Time // by list, after the run before
	lied   bool                 // an answer said of a list what is not so

	mu    sync.Mutex // of what requests touch: one that was cut may still be answered
	going bool
	plan  campusRun
	asked int
	cut   func()
	came  bool             // the end of the context
	late  []fake.Happening // while the run was under way
}

// campusRun is one run, with what goes wrong on the way.
type campusRun struct {
	full    bool
	trouble string
	fault   fake.Fault
	at      int // requests, batches or writes before the trouble
	list    string
	drift   []int // requests before which things happen
}

// newCampusStory makes a campus, small or with lists of several pages.
func newCampusStory(k *campusWorker, seed uint64, number int) *campusStory {
	r := diceOf(seed, 7)
	s := &campusStory{k: k, job: fmt.Sprintf("campus_%d", number), dice: r, marks: map[string]time.Time{}}
	spec := fake.Spec{
		Seed: seed + 1, Organizations: 3 + r.IntN(12), Users: 20 + r.IntN(60), Memberships: 50 + r.IntN(200), Events: 20 + r.IntN(60),
		Attendees: 30 + r.IntN(170), Transactions: 5 + r.IntN(20),
	}
	if r.IntN(3) > 0 {
		s.knobs.MaxPageSize = 12 + r.IntN(40)
	} else {
		*[]*int{&spec.Memberships, &spec.Events, &spec.Attendees}[r.IntN(3)] = 505 + r.IntN(200)
	}
	chance := func(n int) bool { return r.IntN(n) == 0 }
	s.knobs.IgnoreFilters, s.knobs.NoDeletes, s.knobs.NeedUser, s.knobs.FilterSeconds = chance(12), chance(6), chance(12), chance(15)
	s.knobs.QuotedNumbers, s.knobs.QuotedBooleans, s.knobs.PastEndRepeats, s.knobs.EmptyPages = chance(8), chance(8), chance(6), r.IntN(2)
	s.knobs.NeedUser = s.knobs.NeedUser && !s.knobs.IgnoreFilters // nobody could ever prove what such a server tells
	s.knobs.ScopeStatus = []int{403, 401}[r.IntN(2)]
	if chance(6) {
		s.knobs.UndatedBefore = time.Now().AddDate(-1, 0, 0)
	}
	s.campus = fake.NewCampus(spec, time.Now().Add(-time.Hour))
	s.server = fake.NewServer(s.campus, fake.Options{Keys: []fake.Key{{Public: storyKey, Private: storySecret}}, Knobs: s.knobs})
	s.server.OnRequest(s.request)
	s.k.served.Store(s.server)
	s.tell("campus: %+v, %+v", spec, s.knobs)
	return s
}

func (s *campusStory) tell(format string, args ...any) {
	s.trail = append(s.trail, s.server.Now().UTC().Format("15:04:05  ")+fmt.Sprintf(format, args...))
}

// newRun plans a run.
func (s *campusStory) newRun() campusRun {
	r := s.dice
	p := campusRun{full: r.IntN(3) == 0}
	switch r.IntN(10) {
	case 0, 1, 2:
		p.trouble, p.fault = faultTrouble, s.newFault()
	case 3:
		p.trouble, p.at = cutTrouble, r.IntN(40)
	case 4:
		p.trouble, p.at = stopTrouble, 1+r.IntN(12)
	case 5:
		p.trouble, p.at = []string{killTrouble, killTrouble, dropTrouble}[r.IntN(3)], r.IntN(120)
	case 6:
		p.trouble, p.at = replyTrouble, r.IntN(12)
	case 7:
		p.trouble, p.list = scopeTrouble, fake.Resources()[r.IntN(7)]
		if p.full && r.IntN(2) == 0 {
			p.trouble = blindTrouble
		}
	}
	if r.IntN(5) < 3 {
		for range 1 + r.IntN(10) {
			p.drift = append(p.drift, 2+r.IntN(45))
		}
	}
	return p
}

// lies are faults after which a page says what is not so. Counts and keys give them away.
func lies() []fake.FaultKind {
	return []fake.FaultKind{fake.Repeat, fake.Lose, fake.Total, fake.Earlier}
}

func (s *campusStory) newFault() fake.Fault {
	r := s.dice
	kinds := append(lies(), fake.Status, fake.Status, fake.Status, fake.Page, fake.Redirect, fake.Reset, fake.Truncate, fake.Garbage,
		fake.Trailing, fake.NoItems, fake.NullItems, fake.ObjectItems, fake.BadGzip)
	f := fake.Fault{
		Kind: kinds[r.IntN(len(kinds))], Skip: r.IntN(15), Times: []int{1, 1, 1, 2, 3, 7, 0}[r.IntN(7)], N: 1 + r.IntN(4), Text: "and more",
		Resource: append(fake.Resources(), "")[r.IntN(8)],
	}
	switch f.Kind {
	case fake.Status:
		f.N = []int{500, 502, 503, 504, 408, 429, 404}[r.IntN(7)]
	case fake.Reset, fake.Truncate:
		f.N = r.IntN(300)
	}
	return f
}

// live lets a history happen, up to its end or to the first run that leaves something wrong.
func (s *campusStory) live(totals *tallies) (found []misstep, err error) {
	for range 6 + s.dice.IntN(5) {
		s.ahead += time.Duration(1+s.dice.IntN(90)) * time.Minute
		s.server.Set(func(k *fake.Knobs) { k.ClockOffset = s.ahead })
		for _, h := range s.campus.Happen(s.dice.IntN(25)) {
			totals.count(totals.changes, h.What)
			s.tell("%s", h)
		}
		if _, found, err = s.round(s.newRun(), totals); err != nil || len(found) > 0 {
			return found, err
		}
	}
	state := load.Held
	for try := 0; state == load.Held && try < 4; try++ { // each may be approved
		if state, found, err = s.round(campusRun{full: true}, totals); err != nil || len(found) > 0 {
			return found, err
		}
	}
	if state != load.Succeeded {
		return []misstep{{wrongEnd, "the last full run is " + string(state)}}, nil
	}
	_, found, err = s.round(campusRun{}, totals) // and another, which has nothing to do
	return found, err
}

// round is a run, the look at what it has left, and what a person does where the brake holds.
func (s *campusStory) round(p campusRun, totals *tallies) (load.State, []misstep, error) {
	if p.trouble == blindTrouble && (s.stored[p.list] == nil || len(s.stored[p.list].rows) == 0) {
		p.trouble = noTrouble // an empty list is believed where nothing is stored
	}
	before := s.truth()
	t := s.run(p)
	totals.runs.Add(1)
	totals.count(totals.states, string(t.report.State))
	if t.report.Verdict == load.Proven {
		totals.proven.Add(1)
	}
	if t.struck {
		totals.count(totals.troubles, strings.TrimSpace(p.trouble+" "+string(p.fault.Kind)))
	}
	for _, h := range s.late {
		totals.count(totals.changes, "meanwhile: "+h.What)
		s.tell("meanwhile: %s", h)
	}
	s.tell("run %d, full %t, trouble: %s %s %d %s (came: %t): %s, %s %s%s", t.report.RunID, p.full, p.trouble, p.fault.Kind, p.at, p.list, t.struck,
		t.report.State, t.report.Verdict, t.report.Reason, errText(t.err))
	found, err := s.judge(p, t, before, totals)
	if err != nil || len(found) > 0 {
		return t.report.State, found, err
	}
	if p.trouble == killTrouble && t.struck {
		if err := s.k.outlive(&realm{job: s.job}); err != nil {
			return t.report.State, nil, err
		}
	}
	if t.report.State == load.Held && p.trouble == noTrouble {
		if _, err := s.k.warehouse.Approve(s.k.t.Context(), t.report.RunID, "somebody"); err != nil {
			return t.report.State, nil, err
		}
		s.tell("somebody approves run %d", t.report.RunID)
	}
	return t.report.State, nil, nil
}

// run carries out a run at a campus.
func (s *campusStory) run(p campusRun) told {
	return s.k.carryOut(errand{
		job: s.job, source: "engage.campus", full: p.full, trouble: trouble{kind: p.trouble, after: p.at, fold: p.at % 3},
		open:  func() (extract.Source, interface{ Close() }, error) { return s.k.reach(s.job) },
		begin: func(cut func()) { s.begin(p, cut) }, end: s.end,
	})
}

// reach makes the source as the program wires it.
func (k *campusWorker) reach(name string) (extract.Source, *engage.Client, error) {
	secret := func(text string) func(context.Context) (string, error) {
		return func(context.Context) (string, error) { return text, nil }
	}
	c, err := engage.NewClient(engage.Config{
		Reach:     upstream.Config{Proxy: "none"},
		Endpoint:  upstream.Endpoint{Name: "engage.campus", URL: k.web.URL + "/engage/api/", Version: "test", Wait: time.Millisecond},
		PublicKey: secret(storyKey), PrivateKey: secret(storySecret),
	})
	if err != nil {
		return nil, nil, err
	}
	o := engage.Options{Resources: fake.Resources(), Sensitive: []string{"*"}, Reread: time.Minute}
	source, err := engage.New(engage.SourceConfig{Job: name, Client: c, Options: o})
	return source, c, err
}

// begin prepares a run.
func (s *campusStory) begin(p campusRun, cut func()) {
	s.server.ResetRequests()
	switch p.trouble {
	case faultTrouble:
		s.server.Fault(p.fault)
	case blindTrouble:
		s.server.SetKey(storyKey, func(k *fake.Key) { k.Blind = []string{p.list} })
	case scopeTrouble:
		s.server.SetKey(storyKey, func(k *fake.Key) {
			k.Scope = slices.DeleteFunc(fake.Resources(), func(list string) bool { return list == p.list })
		})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.going, s.plan, s.asked, s.cut, s.came, s.late = true, p, 0, cut, false, nil
}

// request lets happen what is planned to happen before a request is answered.
func (s *campusStory) request(fake.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.going {
		return
	}
	n := s.asked
	s.asked++
	if s.plan.trouble == cutTrouble && n == s.plan.at {
		s.came = true
		s.cut()
	}
	if slices.Contains(s.plan.drift, n) {
		s.late = append(s.late, s.campus.Happen(1+n%3)...)
	}
}

// end takes away what was to go wrong, and says whether it did.
func (s *campusStory) end() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.going = false
	s.server.ClearFaults()
	s.server.SetKey(storyKey, func(k *fake.Key) { k.Blind, k.Scope = nil, nil })
	struck := s.came || s.plan.trouble == blindTrouble || s.plan.trouble == scopeTrouble
	for _, r := range s.server.Requests() {
		struck = struck || r.Fault != fake.Nothing
		s.lied = s.lied || slices.Contains(lies(), r.Fault)
	}
	return struck
}
