package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	fake "syncd/internal/fake/redcap"
)

// history is the life of one project and of the job that reads it. All of it follows from the seed: a deed draws
// what it needs from dice of its own, so that others can be left out and it still does the same.
type history struct {
	seed     uint64
	project  uint64 // dice of the project that it begins with
	chapters []chapter
}

// chapter is what people do until the job runs, and that run.
type chapter struct {
	changes []deed
	run     runPlan
}

// deed is one thing that somebody does at the source.
type deed struct {
	kind   string
	dice   uint64
	wait   time.Duration // on the source's clock, before it
	silent bool          // no log row tells of it
}

// runPlan is one run of the job, with what goes wrong on the way. A run that came to harm is followed by another.
type runPlan struct {
	full    bool
	wait    time.Duration
	trouble trouble
	during  []deed // while the run is under way
	at      int    // the request before which they happen
	approve bool   // where the brake holds: a person approves, and the job runs again
}

// trouble is what goes wrong in a run: a fault of the source, or an end of the process.
type trouble struct {
	kind    string // "" none, else one of troubleKinds
	fault   fake.Kind
	content string
	after   int // requests, batches or writes that pass before it
	times   int // requests that are hit; 0: all
	n       int
	fold    int // of a write: 0 before, 1 half, 2 after
}

// Kinds of trouble.
const (
	noTrouble    = ""
	faultTrouble = "fault"              // of the source
	cutTrouble   = "second signal"      // the context ends at a request
	stopTrouble  = "first signal"       // the run ends after a batch
	killTrouble  = "kill"               // every connection ends in a write to Postgres, and nothing is written any more
	dropTrouble  = "connection dropped" // one connection to Postgres ends, the process goes on
	replyTrouble = "commit unanswered"  // a COMMIT is done and its answer lost
)

func diceOf(seed, stream uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, stream)) }

// newHistory writes a history.
func newHistory(seed uint64) *history {
	r := diceOf(seed, 0)
	h := &history{seed: seed, project: r.Uint64()}
	for range 3 + r.IntN(6) {
		h.chapters = append(h.chapters, newChapter(r))
	}
	last := &h.chapters[len(h.chapters)-1].run // the end of every history: nothing hinders, everything is compared
	last.full, last.trouble, last.during = true, trouble{}, nil
	return h
}

func newChapter(r *rand.Rand) chapter {
	c := chapter{run: runPlan{
		full: r.IntN(4) == 0, wait: time.Duration(1+r.IntN(120)) * time.Minute, approve: r.IntN(2) == 0,
		at: 1 + r.IntN(16),
	}}
	for range 1 + r.IntN(6) {
		c.changes = append(c.changes, newDeed(r))
	}
	switch r.IntN(10) {
	case 0, 1, 2:
		c.run.trouble = newFault(r)
	case 3, 4:
		c.run.trouble = newCrash(r)
	case 5:
		for range 1 + r.IntN(2) {
			d := newDeed(r)
			d.wait = 0
			c.run.during = append(c.run.during, d)
		}
	}
	return c
}

func newDeed(r *rand.Rand) deed {
	c := deed{dice: r.Uint64(), silent: r.IntN(25) == 0}
	switch r.IntN(6) {
	case 0, 1, 2:
		c.wait = time.Duration(r.IntN(90)) * time.Minute
	case 3, 4:
		c.wait = time.Duration(r.IntN(30)) * time.Hour
	default:
		c.wait = time.Duration(r.IntN(9*24)) * time.Hour
	}
	total := 0
	for _, k := range changeKinds() {
		total += k.weight
	}
	roll := r.IntN(total)
	for _, k := range changeKinds() {
		if roll -= k.weight; roll < 0 {
			c.kind = k.name
			c.silent = c.silent && k.silently
			break
		}
	}
	return c
}

// faultKinds are the faults that an honest network and server can have. Those that change values in transit are not
// among them: what was changed on the way is what was read.
func faultKinds() []fake.Kind {
	return []fake.Kind{
		fake.Empty, fake.Blank, fake.Page, fake.LoginPage, fake.FatalPage, fake.Notice, fake.ErrorAs200, fake.MySQL, fake.Memory,
		fake.MemoryAs200, fake.Status, fake.ForbidIDs, fake.ForbidBody, fake.Truncate, fake.Reset, fake.LongLength, fake.Drip,
		fake.DropIDs, fake.NoRecords, fake.BOM, fake.CRLF, fake.NoHeader, fake.ExtraColumn, fake.Redirect, fake.ObjectAnswer,
		fake.Garbage, fake.TokenRefused,
	}
}

func newFault(r *rand.Rand) trouble {
	contents := []string{
		"", "", "record", "record", "record", "record", "metadata", "project", "event", "log", "instrument", "exportFieldNames",
		"repeatingFormsEvents", "dag", "version", "formEventMapping", "arm",
	}
	kinds := faultKinds()
	f := trouble{
		kind: faultTrouble, fault: kinds[r.IntN(len(kinds))], content: contents[r.IntN(len(contents))], after: r.IntN(8),
		times: []int{1, 1, 2, 3, 6, 0}[r.IntN(6)], n: 1 + r.IntN(400),
	}
	switch f.fault {
	case fake.Status:
		f.n = []int{500, 502, 503, 504, 408, 403, 429, 404}[r.IntN(8)]
	case fake.ForbidIDs, fake.DropIDs:
		f.n = 1 + r.IntN(3)
	case fake.Truncate:
		f.n -= 200
	case fake.Drip:
		f.n = 1 + f.n/2
	case fake.ForbidBody:
		f.n = 300 + 4*f.n
	}
	return f
}

func newCrash(r *rand.Rand) trouble {
	kinds := []string{cutTrouble, stopTrouble, killTrouble, killTrouble, killTrouble, dropTrouble, replyTrouble}
	c := trouble{kind: kinds[r.IntN(len(kinds))], fold: r.IntN(3)}
	switch c.kind {
	case stopTrouble, replyTrouble:
		c.after = r.IntN(8)
	case cutTrouble:
		c.after = r.IntN(18)
	default:
		c.after = r.IntN(90)
	}
	return c
}

func (t trouble) String() string {
	switch t.kind {
	case noTrouble:
		return "nothing"
	case faultTrouble:
		return fmt.Sprintf("fault %s (content %q, after %d, times %d, n %d)", t.fault, t.content, t.after, t.times, t.n)
	}
	return fmt.Sprintf("%s (after %d, fold %d)", t.kind, t.after, t.fold)
}

// without leaves out what lies between two places of the flat list of a history's parts; the last run always stays.
func (h *history) without(from, to int) *history {
	out := &history{seed: h.seed, project: h.project}
	at := 0
	keep := func() bool { at++; return at-1 < from || at-1 >= to }
	for i, c := range h.chapters {
		next := chapter{run: c.run}
		for _, x := range c.changes {
			if keep() {
				next.changes = append(next.changes, x)
			}
		}
		if next.run.trouble.kind != noTrouble && !keep() {
			next.run.trouble = trouble{}
		}
		if len(next.run.during) > 0 && !keep() {
			next.run.during = nil
		}
		if i == len(h.chapters)-1 || keep() {
			out.chapters = append(out.chapters, next)
			continue
		}
		if len(next.changes) > 0 { // a run that is left out leaves its changes to the next
			out.chapters = append(out.chapters, chapter{changes: next.changes, run: runPlan{wait: -1}})
		}
	}
	return out.joined()
}

// joined gives the changes of chapters without a run to the chapters behind them.
func (h *history) joined() *history {
	var chapters []chapter
	var waiting []deed
	for _, c := range h.chapters {
		c.changes = slices.Concat(waiting, c.changes)
		if c.run.wait < 0 {
			waiting = c.changes
			continue
		}
		waiting = nil
		chapters = append(chapters, c)
	}
	h.chapters = chapters
	return h
}

// parts counts what without can leave out.
func (h *history) parts() int {
	n := 0
	for i, c := range h.chapters {
		n += len(c.changes)
		if c.run.trouble.kind != noTrouble {
			n++
		}
		if len(c.run.during) > 0 {
			n++
		}
		if i < len(h.chapters)-1 {
			n++
		}
	}
	return n
}
