package notice

import (
	"fmt"
	"time"

	"syncd/extract"
	"syncd/load"
)

// Rules are what the configuration says: of what is told, and to whom.
type Rules struct {
	Jobs      map[string]Job      // by name; what drains receivers too
	Receivers map[string]Receiver // by name
	Zone      *time.Location      // of the instants in messages
	Host      string              // who tells
	Notifiers []Notifier
}

// Job is what is to be known of a job.
type Job struct {
	FreshWithin time.Duration // 0: never stale
}

// Receiver is what is to be known of a receiver.
type Receiver struct {
	SilentAfter time.Duration // 0: never silent
}

// condition is something that somebody should know, as it is now.
type condition struct {
	cause   Cause
	subject string // job, source or receiver
	since   time.Time
	count   int64
	run     int64
	quiet   bool // it follows from something else that is told: it is no reason for a message of its own
	detail  string
	next    string
}

// judgement makes conditions of how everything stands.
type judgement struct {
	load.Standing
	rules *Rules
	down  map[string]bool      // sources
	back  map[string]time.Time // sources that were down and are not, and when they came back
	all   []condition
}

// judge lists the conditions that hold.
func judge(s load.Standing, rules *Rules) []condition {
	j := &judgement{Standing: s, rules: rules, down: map[string]bool{}, back: map[string]time.Time{}}
	j.sources()
	for _, n := range s.Notices {
		if n.Cause != string(SourceDown) || j.down[n.Subject] {
			continue
		}
		if j.back[n.Subject] = s.Now; n.Ended != nil { // else it is just found to be over
			j.back[n.Subject] = *n.Ended
		}
	}
	j.receivers()
	j.runs()
	for _, job := range s.Jobs {
		if r, ours := rules.Jobs[job.Job]; ours {
			j.job(job, r)
		}
	}
	j.sightings()
	return j.all
}

func (j *judgement) add(c condition) { j.all = append(j.all, c) }

// sources are down for all jobs at once.
func (j *judgement) sources() {
	for _, o := range j.Down {
		j.down[o.Source] = true
		waiting := int64(0)
		for _, job := range j.Jobs {
			if _, ours := j.rules.Jobs[job.Job]; ours && job.Source == o.Source && job.Due > 0 {
				waiting++
			}
		}
		j.add(condition{cause: SourceDown, subject: o.Source, since: o.Since, count: waiting, next: "syncd status"})
	}
}

// quiet says that what is wrong with a job may follow from its being paused, or from its source having been down: it is, or it came
// back a while ago and the job has a slot to run yet.
func (j *judgement) quiet(job load.JobStanding) bool {
	back, was := j.back[job.Source]
	return job.Paused || j.down[job.Source] || was && j.Now.Sub(back) < catchUp && job.Due+job.Running > 0
}

// amid says that an instant lies within an outage of a source, or shortly before one.
func (j *judgement) amid(source string, at time.Time) bool {
	for _, o := range j.Down {
		if o.Source == source && at.After(o.Since.Add(-before)) {
			return true
		}
	}
	for _, n := range j.Notices {
		if n.Cause == string(SourceDown) && n.Subject == source && n.Ended != nil && at.After(n.Began.Add(-before)) && at.Before(n.Ended.Add(before)) {
			return true
		}
	}
	return false
}

// runs are judged by kind: a full run that failed is not made good by the next night's run by changes.
func (j *judgement) runs() {
	jobs, last := map[string]load.JobStanding{}, map[string]load.RunStanding{}
	for _, job := range j.Jobs {
		jobs[job.Job] = job
	}
	for _, r := range j.Runs {
		last[r.Job+" "+r.Kind] = r
	}
	failed := map[string]condition{}
	for _, r := range j.Runs {
		job := jobs[r.Job]
		if _, ours := j.rules.Jobs[r.Job]; !ours || madeGood(r, last) || r.Again || drains(r, job, j.Now) {
			continue
		}
		c := condition{subject: r.Job, since: r.End, run: r.RunID, quiet: j.quiet(job)}
		switch {
		case r.State == load.Held && r.Held > 0:
			c.cause, c.count, c.quiet, c.detail = BrakeHeld, r.Held, false, "deletions wait for approval"
			c.next = fmt.Sprintf("syncd run %d, and if it is right: syncd approve %d", r.RunID, r.RunID)
			j.add(c)
			continue
		case r.State == load.Failed && r.ErrorKind == string(extract.KindConfig):
			c.detail, c.next = "misconfigured", "syncd check "+r.Job
		case r.State == load.Failed:
			c.detail, c.next = "failed, kind "+r.ErrorKind, fmt.Sprintf("syncd run %d", r.RunID)
			c.quiet = c.quiet || extract.Kind(r.ErrorKind) == extract.KindTransient && j.amid(job.Source, r.End)
		case r.Verdict == load.Mismatch:
			c.detail, c.next = "mismatch", fmt.Sprintf("syncd run %d, then syncd sync %s --full", r.RunID, r.Job)
		default:
			continue
		}
		c.cause = RunFailed
		failed[r.Job] = c
	}
	for _, s := range j.Slots {
		job := jobs[s.Job]
		_, ours := j.rules.Jobs[s.Job]
		if last, ran := last[s.Job+" "+s.Kind]; !ours || ran && last.Began.After(s.Ended) || j.amid(job.Source, s.Ended) {
			continue
		}
		if _, known := failed[s.Job]; !known {
			failed[s.Job] = condition{
				cause: RunFailed, subject: s.Job, since: s.Ended, quiet: j.quiet(job), detail: "could not be begun", next: "syncd check " + s.Job,
			}
		}
	}
	for _, b := range j.Backfills {
		if _, ours := j.rules.Jobs[b.Job]; ours {
			failed[b.Job] = condition{cause: RunFailed, subject: b.Job, since: b.At, detail: fmt.Sprintf("backfill %d failed", b.ID), next: "syncd backfill list " + b.Job}
		}
	}
	for _, job := range j.Jobs {
		if c, is := failed[job.Job]; is {
			j.add(c)
		}
	}
}

// madeGood says that a run by changes was followed by a full one that succeeded.
func madeGood(r load.RunStanding, last map[string]load.RunStanding) bool {
	full := last[r.Job+" full"]
	return r.Kind == "sync" && full.RunID > r.RunID && full.State == load.Succeeded && full.Verdict != load.Mismatch
}

// drains says that what drains a receiver is at work again: its runs end with the hour.
func drains(r load.RunStanding, job load.JobStanding, now time.Time) bool {
	return r.Kind == "drain" && job.UnderWay != nil && now.Sub(*job.UnderWay) >= settle
}

func (j *judgement) job(job load.JobStanding, r Job) {
	fresh := job.FirstSeen
	if job.FreshAt != nil {
		fresh = *job.FreshAt
	}
	if r.FreshWithin > 0 && !job.Paused && j.Now.Sub(fresh) > r.FreshWithin {
		j.add(condition{
			cause: JobStale, subject: job.Job, since: fresh.Add(r.FreshWithin), quiet: j.quiet(job), detail: "no good run since " + j.rules.instant(fresh),
			next: "syncd status",
		})
	}
	if job.Rejects > 0 {
		j.add(condition{
			cause: NewRejects, subject: job.Job, since: job.RejectedAt, count: job.Rejects, detail: "rows could not be stored", next: "syncd rejects " + job.Job,
		})
	}
	if job.Pending > 0 {
		j.add(condition{
			cause: DriftPending, subject: job.Job, since: job.PendingAt, count: job.Pending, detail: "changes of structure wait", next: "syncd plan",
		})
	}
}

func (j *judgement) receivers() {
	for _, r := range j.Receivers {
		rule, ours := j.rules.Receivers[r.Name]
		if ours && rule.SilentAfter > 0 && r.LastProduction != nil && j.Now.Sub(*r.LastProduction) > rule.SilentAfter {
			j.add(condition{
				cause: IntakeSilent, subject: r.Name, since: *r.LastProduction, detail: "nothing was pushed since " + j.rules.instant(*r.LastProduction),
				next: "syncd check " + r.Name + " --public URL",
			})
		}
	}
	for _, r := range j.Refused {
		if _, ours := j.rules.Receivers[r.Receiver]; ours {
			j.add(condition{
				cause: NewRejects, subject: r.Receiver, since: r.LastAt, count: r.Deliveries, detail: "deliveries could not be read",
				next: "syncd rejects " + r.Receiver,
			})
		}
	}
}

// sightings are what processes saw of themselves and of their peers.
func (j *judgement) sightings() {
	for _, s := range j.Sightings {
		switch {
		case s.Cause == string(Misconfigured):
			if _, ours := j.rules.Receivers[s.Subject]; ours {
				j.add(condition{cause: Misconfigured, subject: s.Subject, since: s.SeenAt, detail: "answers 503", next: "syncd check " + s.Subject})
			}
		case s.ExpiresAt != nil:
			j.expiry(s)
		}
	}
}

// expiry is a certificate, or the account of a job, that ends soon.
func (j *judgement) expiry(s load.Sighting) {
	c := condition{cause: Cause(s.Cause), subject: s.Subject, since: s.SeenAt, detail: "ends at " + j.rules.instant(*s.ExpiresAt), next: "syncd check"}
	if _, ours := j.rules.Jobs[s.Subject]; c.cause == Account {
		c.next = "have REDCap's administrator prolong the access of the token's user"
		if !ours {
			return
		}
	}
	left := s.ExpiresAt.Sub(j.Now)
	if c.count = int64(left / daily); left < 0 {
		c.count = -1
	}
	if level(c.count) > 0 {
		j.add(c)
	}
}

// instant prints a time as a message has it.
func (r *Rules) instant(t time.Time) string {
	zone := r.Zone
	if zone == nil {
		zone = time.UTC
	}
	return t.In(zone).Format("2006-01-02 15:04 MST")
}
