package main

import (
	"context"
	"runtime"
	"slices"
	"time"

	"syncd/extract/upstream"
	"syncd/internal/config"
	"syncd/load"
	"syncd/ops"
	"syncd/ops/notice"
)

// ledgerFor is how long figures of the ledger are told again without asking.
const ledgerFor = 10 * time.Second

// The metrics of jobs, slots and sources. They are read from Postgres: every replica tells the same, so take the maximum of them.
// Labels are names of jobs.toml and words of ours.
var (
	ledgerRuns     = ofLedger("runs_total", "Runs that have ended, since the first.", true, "job", "kind", "state", "verdict")
	ledgerSeconds  = ofLedger("run_seconds_total", "Time that runs took that have ended.", true, "job", "kind", "state")
	ledgerLast     = ofLedger("last_run_duration_seconds", "How long the last run took that ended for a reason of its own.", false, "job", "kind")
	ledgerRows     = ofLedger("rows_total", "What became of rows, in runs that have ended.", true, "job", "outcome")
	ledgerSlots    = ofLedger("slots", "Slots that are due, waiting for a source that is down, or running.", false, "job", "kind", "state")
	ledgerEnded    = ofLedger("slots_total", "Slots that succeeded, failed or were skipped.", true, "job", "kind", "state")
	ledgerChunks   = ofLedger("backfill_chunks", "Chunks of the backfill of a job that is open.", false, "job", "state")
	ledgerPaused   = ofLedger("job_paused", "1 where a job, or its source, is paused.", false, "job")
	ledgerSuccess  = ofLedger("job_last_success_timestamp_seconds", "When the last run began that succeeded.", false, "job")
	ledgerAge      = ofLedger("job_fresh_age_seconds", "Time since the last run began that succeeded; since the job was first seen where none did.", false, "job")
	ledgerWithin   = ofLedger("job_fresh_within_seconds", "How old the last good run may be: fresh_within.", false, "job")
	ledgerStale    = ofLedger("job_stale", "1 where the last good run is older than fresh_within and the job is not paused.", false, "job")
	ledgerRejects  = ofLedger("rejects_open", "Rows that could not be stored, and have not been since.", false, "job")
	ledgerPending  = ofLedger("structure_changes_pending", "Changes of structure that wait for a person.", false, "job")
	ledgerHeld     = ofLedger("held_keys", "Deletions that the brake holds until somebody approves the run.", false, "job")
	ledgerRequests = ofLedger("source_requests_total", "Requests to a source, of runs that have ended.", true, "source")
	ledgerBytes    = ofLedger("source_bytes_total", "Decoded bytes that a source answered, of runs that have ended.", true, "source")
	ledgerBudget   = ofLedger("source_budget_requests_per_minute", "The budget of a source; 0: no limit.", false, "source")
	ledgerWait     = ofLedger("source_budget_wait_seconds", "How long the next request to a source would wait for its budget.", false, "source")
	ledgerDown     = ofLedger("source_down", "1 where the circuit of a source is open: nothing but a probe is sent to it.", false, "source")
	ledgerSince    = ofLedger("source_down_since_timestamp_seconds", "Since when the circuit is open.", false, "source")
	ledgerFailures = ofLedger("source_failures", "Failures of a source in a row.", false, "source")
	ledgerPeer     = ofLedger("source_certificate_expiry_timestamp_seconds", "When the certificate ends that a source showed last.", false, "source")
	ledgerOwn      = ofLedger("serve_certificate_expiry_timestamp_seconds", "When the receivers' own certificate ends; of several replicas' the first.", false)
	ledgerNotices  = ofLedger("notices", "Conditions that somebody should know of, and that hold.", false, "cause")
	ledgerMessages = ofLedger("messages_pending", "Messages that a notifier has not sent yet.", false, "notifier")
)

// These are of the process alone.
var (
	messagesSent = &ops.Family{Name: "messages_total", Help: "Messages that this process sent, failed to send (each attempt), or gave up.", Labels: []string{"notifier", "outcome"}, Counter: true}
	buildInfo    = &ops.Family{Name: "build_info", Help: "1, with the version of this process.", Labels: []string{"version", "go"}}
	startedAt    = &ops.Family{Name: "start_timestamp_seconds", Help: "When this process began to serve."}
)

func ofLedger(name, help string, counter bool, labels ...string) *ops.Family {
	return &ops.Family{Name: name, Help: help + " Read from Postgres: every replica tells the same.", Labels: labels, Counter: counter}
}

// tellBuild tells what runs here.
func tellBuild(started time.Time) ops.Tell {
	return func(context.Context) ([]ops.Sample, error) {
		return []ops.Sample{
			{Of: buildInfo, Labels: []string{version, runtime.Version()}, Value: 1},
			{Of: startedAt, Value: float64(started.Unix())},
		}, nil
	}
}

// tellLedger tells how jobs and sources of the configuration stand in the ledger.
func tellLedger(w *load.Warehouse, config func() *config.Config) ops.Tell {
	return func(ctx context.Context) ([]ops.Sample, error) {
		totals, err := w.Totals(ctx)
		if err != nil {
			return nil, err
		}
		s, err := w.Standing(ctx)
		if err != nil {
			return nil, err
		}
		f := ledgerFigures{cfg: config()}
		f.runs(totals, s)
		f.jobs(s)
		f.sources(totals, s)
		f.notices(totals, s)
		return f.all, nil
	}
}

// ledgerFigures gathers samples of what the configuration names; what the ledger has beside it is left out.
type ledgerFigures struct {
	cfg *config.Config
	all []ops.Sample
}

func (f *ledgerFigures) add(of *ops.Family, value float64, labels ...string) {
	f.all = append(f.all, ops.Sample{Of: of, Labels: labels, Value: value})
}

// known says that a name of the ledger is one of the configuration, or what drains a receiver of it.
func (f *ledgerFigures) known(job string) bool { return f.cfg.Jobs[job] != nil || isDrain(f.cfg, job) }

func (f *ledgerFigures) runs(t load.Totals, s load.Standing) {
	seconds := map[[3]string]float64{}
	for _, r := range t.Runs {
		if f.known(r.Job) {
			f.add(ledgerRuns, float64(r.Runs), r.Job, r.Kind, r.State, r.Verdict)
			seconds[[3]string{r.Job, r.Kind, r.State}] += r.Seconds
		}
	}
	for key, sum := range seconds {
		f.add(ledgerSeconds, sum, key[:]...)
	}
	held := map[string]int64{}
	for _, r := range s.Runs {
		if f.known(r.Job) {
			f.add(ledgerLast, r.End.Sub(r.Began).Seconds(), r.Job, r.Kind)
			held[r.Job] += r.Held
		}
	}
	for job, n := range held {
		f.add(ledgerHeld, float64(n), job)
	}
	for _, r := range t.Rows {
		if f.known(r.Job) {
			f.add(ledgerRows, float64(r.Rows), r.Job, r.Outcome)
		}
	}
	for _, r := range t.Slots {
		of := ledgerSlots
		if r.Ended {
			of = ledgerEnded
		}
		if f.known(r.Job) {
			f.add(of, float64(r.Slots), r.Job, r.Kind, r.State)
		}
	}
	for _, r := range t.Chunks {
		if f.known(r.Job) {
			f.add(ledgerChunks, float64(r.Chunks), r.Job, r.State)
		}
	}
}

func (f *ledgerFigures) jobs(s load.Standing) {
	for _, j := range s.Jobs {
		if !f.known(j.Job) {
			continue
		}
		f.add(ledgerRejects, float64(j.Rejects), j.Job)
		f.add(ledgerPending, float64(j.Pending), j.Job)
		own := f.cfg.Jobs[j.Job]
		if own == nil {
			continue
		}
		fresh := j.FirstSeen
		if j.FreshAt != nil {
			fresh = *j.FreshAt
			f.add(ledgerSuccess, float64(fresh.Unix()), j.Job)
		}
		age, stale, paused := s.Now.Sub(fresh), 0.0, 0.0
		if j.Paused {
			paused = 1
		}
		f.add(ledgerPaused, paused, j.Job)
		f.add(ledgerAge, age.Seconds(), j.Job)
		if own.FreshWithin > 0 {
			if age > own.FreshWithin && !j.Paused {
				stale = 1
			}
			f.add(ledgerWithin, own.FreshWithin.Seconds(), j.Job)
			f.add(ledgerStale, stale, j.Job)
		}
	}
}

func (f *ledgerFigures) sources(t load.Totals, s load.Standing) {
	requests, bytes := map[string]int64{}, map[string]int64{}
	for _, r := range t.Runs {
		requests[r.Source] += r.Requests
		bytes[r.Source] += r.Bytes
	}
	failures, waits := map[string]load.SourceTotal{}, map[string]float64{}
	for _, c := range t.Sources {
		failures[c.Source] = c
	}
	for _, b := range t.Budgets {
		waits[b.Host] = b.Wait
	}
	for _, name := range f.cfg.Sources() {
		server, err := sourceOf(f.cfg, name)
		if err != nil {
			continue
		}
		f.add(ledgerRequests, float64(requests[name]), name)
		f.add(ledgerBytes, float64(bytes[name]), name)
		f.add(ledgerBudget, float64(server.perMinute), name)
		f.add(ledgerWait, waits[upstream.HostOf(server.url)], name)
		c, down := failures[name], 0.0
		if c.Down != nil {
			down = 1
			f.add(ledgerSince, float64(c.Down.Unix()), name)
		}
		f.add(ledgerDown, down, name)
		f.add(ledgerFailures, float64(c.Failures), name)
	}
	for _, seen := range s.Sightings {
		switch {
		case seen.Cause != string(notice.Certificate) || seen.ExpiresAt == nil:
		case seen.Subject == ownCertificate:
			f.add(ledgerOwn, float64(seen.ExpiresAt.Unix()))
		case slices.Contains(f.cfg.Sources(), seen.Subject):
			f.add(ledgerPeer, float64(seen.ExpiresAt.Unix()), seen.Subject)
		}
	}
}

func (f *ledgerFigures) notices(t load.Totals, s load.Standing) {
	hold := map[string]int{}
	for _, n := range s.Notices {
		if n.Ended == nil {
			hold[n.Cause]++
		}
	}
	for _, cause := range notice.Causes() {
		f.add(ledgerNotices, float64(hold[string(cause)]), string(cause))
	}
	for _, m := range t.Messages {
		if f.cfg.Notifiers[m.Notifier] != nil {
			f.add(ledgerMessages, float64(m.Pending), m.Notifier)
		}
	}
}
