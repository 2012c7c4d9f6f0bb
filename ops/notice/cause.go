// Package notice tells people what they should know: a source that is down, a job that failed or is stale, deletions that wait for
// approval, a feed that is silent, a certificate that ends.
//
// What comes in: how everything stands in the ledger, once a minute, and the configured jobs, receivers and notifiers. What goes
// out: messages to Slack, Teams, a webhook or by mail. It promises that what has one cause is one message, however many jobs it
// concerns and however many replicas look; that what was told is told again once a day at most while it lasts; that a message is
// sent once, or twice where a process is killed between the sending and the note of it. A message holds names, numbers, instants
// and what to type: never a value of a record, a secret, or a text of a source. It must never decide what a job does.
package notice

import (
	"time"

	"syncd/load"
)

// Cause says what a message is about. Its text is what `only` in jobs.toml and the field cause of a webhook hold.
type Cause string

// The causes.
const (
	SourceDown    Cause = "source_down"
	RunFailed     Cause = "run_failed"
	BrakeHeld     Cause = "brake_held"
	JobStale      Cause = "job_stale"
	NewRejects    Cause = "new_rejects"
	DriftPending  Cause = "drift_pending"
	IntakeSilent  Cause = "intake_silent"
	Misconfigured Cause = "receiver_misconfigured"
	Certificate   Cause = "certificate_expiring"
	Account       Cause = load.AccountSeen
	Test          Cause = "test" // what `syncd notify test` sends
)

// Causes lists what may be told, in the order in which it is.
func Causes() []Cause {
	return []Cause{SourceDown, Misconfigured, IntakeSilent, RunFailed, BrakeHeld, JobStale, NewRejects, DriftPending, Certificate, Account}
}

// manner is how a cause is told.
type manner struct {
	ends   bool          // its end is told as well
	gap    time.Duration // least time between two messages about different subjects
	repeat time.Duration // told again so often while it lasts; 0: only when it grows
}

func (c Cause) manner() manner {
	const day = 24 * time.Hour
	switch c {
	case SourceDown, IntakeSilent, Misconfigured:
		return manner{ends: true, repeat: day}
	case RunFailed, JobStale:
		return manner{ends: true, gap: gap, repeat: day}
	case DriftPending:
		return manner{gap: gap, repeat: 7 * day}
	case NewRejects:
		return manner{gap: gap}
	case Certificate, Account:
		return manner{}
	}
	return manner{gap: gap, repeat: day}
}

const (
	// settle is for how long nothing may have been added to what is to be told, so that what comes together is told together.
	settle = time.Minute
	// settleMost is the longest that something waits for others to be told with it.
	settleMost = 5 * time.Minute
	// gap is the least time between two messages about jobs that fail one after the other.
	gap = 15 * time.Minute
	// daily is the least time between two messages about the same subject.
	daily = 24 * time.Hour
	// catchUp is for how long after an outage nothing new is told of jobs that still have a slot to run.
	catchUp = time.Hour
	// before is how long before a source is found to be down its jobs may fail for it.
	before = 15 * time.Minute
)

// level says how near the end of a certificate or account is, by whole days: told at 30, 14, 7 and 1 days, and when it has ended.
func level(days int64) int {
	for i, bound := range []int64{-1, 1, 7, 14, 30} {
		if days <= bound {
			return 5 - i
		}
	}
	return 0
}
