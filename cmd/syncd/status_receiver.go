package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"syncd/extract"
	"syncd/extract/redox/auth"
	"syncd/internal/config"
	"syncd/load"
)

// receiverStatus is how one receiver stands.
type receiverStatus struct {
	load.Receiver
	Schema     string           `json:"schema"`
	Outcomes   map[string]int64 `json:"outcomes"` // deliveries that are no tests, by what became of them
	Tests      int64            `json:"tests"`    // deliveries that are
	Tokens     []tokenStatus    `json:"tokens"`   // in the order of jobs.toml
	Traffic    []load.Traffic   `json:"traffic"`
	Drain      *load.LastRun    `json:"drain"`                   // the last run that loaded deliveries
	Faults     []string         `json:"misconfigured,omitempty"` // why it answers 503
	Retired    bool             `json:"retired"`                 // the ledger knows the receiver, jobs.toml does not
	TestFailed *load.LastRun    `json:"test_drain_failed,omitempty"`
	Paused     *load.Pause      `json:"paused,omitempty"` // what is pushed is kept, and waits
}

// tokenStatus is how often a verification token of jobs.toml was used.
type tokenStatus struct {
	Reference   string     `json:"reference"`
	Fingerprint string     `json:"fingerprint,omitempty"` // empty where the token cannot be read
	Uses        int64      `json:"uses"`
	LastUsedAt  *time.Time `json:"last_used_at"`
}

// receiverFacts is what the ledger has of receivers.
type receiverFacts struct {
	receivers []load.Receiver
	traffic   []load.Traffic
	tokens    []load.TokenUse
	jobs      []load.Job
}

func (c *cli) receiverFacts(w *load.Warehouse, jobs []load.Job) (f receiverFacts, err error) {
	var errs [3]error
	f.jobs = jobs
	f.receivers, errs[0] = w.Receivers(c.ctx)
	f.traffic, errs[1] = w.Traffic(c.ctx)
	f.tokens, errs[2] = w.TokenUses(c.ctx)
	return f, errors.Join(errs[:]...)
}

// receiverStatuses puts together what jobs.toml and the ledger say of all receivers.
func receiverStatuses(cfg *config.Config, f receiverFacts) []receiverStatus {
	var all []receiverStatus
	for _, name := range cfg.ReceiverNames() {
		all = append(all, receiverStatus{Receiver: load.Receiver{Name: name}, Schema: cfg.Receivers[name].Schema})
	}
	for _, known := range f.receivers {
		i := slices.IndexFunc(all, func(s receiverStatus) bool { return s.Name == known.Name })
		if i < 0 {
			all = append(all, receiverStatus{Retired: true})
			i = len(all) - 1
		}
		all[i].Receiver = known
	}
	for i := range all {
		all[i].fill(f)
	}
	return all
}

// lookAtSecrets reads the secrets of a receiver, to say which cannot be read and which are in use.
func (c *cli) lookAtSecrets(cfg *config.Config, s *receiverStatus, uses []load.TokenUse) {
	r := cfg.Receivers[s.Name]
	if r == nil {
		return
	}
	for _, fault := range r.Faults(c.ctx) {
		s.Faults = append(s.Faults, fault.Error())
	}
	s.Tokens = c.tokenStatuses(r, uses)
}

func (s *receiverStatus) fill(f receiverFacts) {
	s.Outcomes, s.Traffic = map[string]int64{}, []load.Traffic{}
	for _, t := range f.traffic {
		if t.Receiver != s.Name {
			continue
		}
		s.Traffic = append(s.Traffic, t)
		if t.Test {
			s.Tests += t.Deliveries
		} else {
			s.Outcomes[t.Outcome] += t.Deliveries
		}
	}
	for _, j := range f.jobs {
		switch {
		case j.Job == s.Name:
			s.Drain = j.Last
		case j.Job == s.Name+testEnding && j.Last != nil && j.Last.State == load.Failed:
			s.TestFailed = j.Last
		}
	}
}

func (c *cli) tokenStatuses(r *config.Receiver, uses []load.TokenUse) []tokenStatus {
	all := []tokenStatus{}
	for _, token := range r.Tokens {
		t := tokenStatus{Reference: token.Ref()}
		if value, err := token.Read(c.ctx); err == nil {
			t.Fingerprint = auth.Fingerprint([]byte(value))
		}
		for _, use := range uses {
			if use.Receiver == r.Name && use.Fingerprint == t.Fingerprint {
				t.Uses, t.LastUsedAt = use.Uses, &use.LastUsedAt
			}
		}
		all = append(all, t)
	}
	return all
}

// isDrain says that a job of the ledger is what drains a receiver of the configuration.
func isDrain(cfg *config.Config, job string) bool {
	return cfg.Receivers[job] != nil || cfg.Receivers[strings.TrimSuffix(job, testEnding)] != nil
}

// receiverGrid has a line for each receiver.
func (c *cli) receiverGrid(all []receiverStatus) *grid {
	g := &grid{head: []string{"receiver", "schema", "verified", "last push", "pending", "oldest", "applied", "rejected", "unhandled", "tests", "loading", "note"}}
	for _, s := range all {
		verified, oldest := "never", ""
		if s.VerifiedAt != nil {
			verified = s.VerifiedForm + " " + c.ago(s.VerifiedAt)
		}
		if s.OldestPending != nil {
			oldest = c.ago(s.OldestPending)
		}
		loading := ""
		if s.Drain != nil {
			loading = strings.TrimSpace(string(s.Drain.State) + " " + string(s.Drain.Verdict))
		}
		outcome := func(o extract.Outcome) string { return count(s.Outcomes[string(o)]) }
		g.add(s.Name, s.Schema, verified, c.ago(s.LastProduction), count(s.Pending), oldest, outcome(extract.Applied), outcome(extract.Rejected),
			outcome(extract.Unhandled), count(s.Tests), loading, strings.Join(c.receiverNotes(s), "; "))
	}
	return g
}

func (c *cli) receiverNotes(s receiverStatus) []string {
	var notes []string
	if s.Paused != nil {
		notes = append(notes, s.Paused.Subject+" "+s.Paused.String())
	}
	if s.Retired {
		notes = append(notes, "not in "+c.config+" any more")
	}
	if len(s.Faults) > 0 {
		notes = append(notes, "misconfigured, answers 503: syncd check "+s.Name)
	}
	for _, run := range []*load.LastRun{s.Drain, s.TestFailed} {
		if run == nil || run.Error == "" {
			continue
		}
		notes = append(notes, run.Error)
		if run.Next != "" {
			notes = append(notes, "next: "+run.Next)
		}
	}
	for i, t := range s.Tokens {
		if i == 0 || t.Fingerprint == "" {
			continue
		}
		used := "never used"
		if t.LastUsedAt != nil {
			used = fmt.Sprintf("used %s times, last %s", count(t.Uses), c.ago(t.LastUsedAt))
		}
		notes = append(notes, "old token "+t.Reference+" "+used)
	}
	return notes
}

// feedGrid has a line for each sender and model of receivers: when something last came, and what became of all of it.
func (c *cli) feedGrid(all []receiverStatus) *grid {
	g := &grid{head: []string{"receiver", "source", "model", "last", "applied", "rejected", "unhandled", "pending"}}
	type feed struct{ receiver, source, model string }
	counts, last := map[feed]map[string]int64{}, map[feed]time.Time{}
	for _, s := range all {
		for _, t := range s.Traffic {
			if t.Test {
				continue
			}
			f := feed{s.Name, t.SourceID, t.Model}
			if counts[f] == nil {
				counts[f] = map[string]int64{}
			}
			counts[f][t.Outcome] += t.Deliveries
			if t.LastReceivedAt.After(last[f]) {
				last[f] = t.LastReceivedAt
			}
		}
	}
	feeds := make([]feed, 0, len(counts))
	for f := range counts {
		feeds = append(feeds, f)
	}
	slices.SortFunc(feeds, func(a, b feed) int {
		return cmp.Or(cmp.Compare(a.receiver, b.receiver), cmp.Compare(a.source, b.source), cmp.Compare(a.model, b.model))
	})
	for _, f := range feeds {
		at, n := last[f], counts[f]
		g.add(f.receiver, printable(f.source), printable(f.model), c.ago(&at), count(n[string(extract.Applied)]), count(n[string(extract.Rejected)]),
			count(n[string(extract.Unhandled)]), count(n[string(extract.Pending)]))
	}
	return g
}
