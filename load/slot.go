package load

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

var (
	//go:embed sql/slot_record.sql
	slotRecordSQL string
	//go:embed sql/slot_pass.sql
	slotPassSQL string
	//go:embed sql/slot_close.sql
	slotCloseSQL string
	//go:embed sql/slot_start.sql
	slotStartSQL string
	//go:embed sql/slot_again.sql
	slotAgainSQL string
	//go:embed sql/slot_settle.sql
	slotSettleSQL string
	//go:embed sql/slot_waiting.sql
	slotWaitingSQL string
	//go:embed sql/job_spec.sql
	jobSpecSQL string
	//go:embed sql/slot_lost.sql
	slotLostSQL string
	//go:embed sql/slot_stray.sql
	slotStraySQL string
	//go:embed sql/slot_due.sql
	slotDueSQL string
	//go:embed sql/slot_orphan.sql
	slotOrphanSQL string
	//go:embed sql/job_planned.sql
	jobPlannedSQL string
	//go:embed sql/job_had.sql
	jobHadSQL string
)

const (
	// lostRuns is how many runs a slot may lose before it is the slot that kills its daemons.
	lostRuns = 10
	// hadEvery is how often a daemon says which jobs it has in its file, and goneFor how long a job must be in no daemon's.
	hadEvery = 30 * time.Second
	goneFor  = 15 * time.Minute
)

// Slot is an instant at which a job was due.
type Slot struct {
	Job  string
	Kind string
	At   time.Time
}

// SettledError says that a slot is not due: it has ended, another run has it, or nobody recorded it.
type SettledError struct{ Slot Slot }

// Error names the slot.
func (e *SettledError) Error() string {
	return fmt.Sprintf("begin run of %s: its %s slot of %s is not due any more", e.Slot.Job, e.Slot.Kind, e.Slot.At.UTC().Format(time.RFC3339))
}

// Planned says how far the slots of a job were recorded.
type Planned struct {
	Since time.Time            // when the present schedule was first seen
	Last  map[string]time.Time // last slot recorded, by kind
	Open  map[string]bool      // kinds of which a slot waits or is run
}

// Seen makes a job known to the planner together with the text of its schedules; where that text changed, its slots
// start anew at now. Replicas may call it with the same file at once.
func (w *Warehouse) Seen(ctx context.Context, o Order, spec string, now time.Time) error {
	return w.transact(ctx, "plan "+o.Job, func(tx pgx.Tx) error {
		if err := knowJob(ctx, tx, &o); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, jobSpecSQL, o.Job, spec, now)
		return err
	})
}

// knowJob makes a job known, one process after the other: two that make the same job known at once would each find its
// schema taken by the other.
func knowJob(ctx context.Context, tx pgx.Tx, o *Order) error {
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended('syncd.job', 0))"); err != nil {
		return err
	}
	if err := settleSchema(ctx, tx, o); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, jobSeeSQL, o.Job, o.Schema, o.Source)
	return err
}

// Planned tells of every job that a planner has seen how far its slots of each kind were recorded.
func (w *Warehouse) Planned(ctx context.Context, kinds []string) (map[string]Planned, error) {
	rows, err := w.pool.Query(ctx, jobPlannedSQL, kinds)
	if err != nil {
		return nil, fault("read slots", err)
	}
	all := map[string]Planned{}
	var job, kind string
	var since time.Time
	var last *time.Time
	var open bool
	_, err = pgx.ForEachRow(rows, []any{&job, &kind, &since, &last, &open}, func() error {
		p, ok := all[job]
		if !ok {
			p = Planned{Since: since, Last: map[string]time.Time{}, Open: map[string]bool{}}
			all[job] = p
		}
		if open {
			p.Open[kind] = true
		}
		if last != nil {
			p.Last[kind] = *last
		}
		return nil
	})
	return all, fault("read slots", err)
}

// Recording is what a planner records of one kind of slot of a job: the instants at which it was due, in order.
type Recording struct {
	Job, Kind string
	Times     []time.Time
	Missed    int    // so many of Times, from the first, are recorded as skipped
	Reason    string // why, in words; where it is empty, slots that still wait are left to be run as well
	// Before skips the slots that still wait and were due before it; where it is zero those before the last of Times, where that
	// was new. Reason says why.
	Before time.Time
}

// Record records slots, and skips those that still wait where a later one does their work. Replicas may record the same
// ones at once. It is one transaction, and answers with the number that nobody had recorded before.
func (w *Warehouse) Record(ctx context.Context, some ...Recording) (fresh int, err error) {
	return fresh, w.transact(ctx, "record slots", func(tx pgx.Tx) error {
		unknown, err := recordTimes(ctx, tx, some)
		if err != nil {
			return err
		}
		fresh = 0
		var jobs, kinds, reasons []string
		var before []time.Time
		for _, r := range some {
			n := unknown[[2]string{r.Job, r.Kind}]
			fresh += n
			upto := r.Before
			if upto.IsZero() && n > 0 {
				upto = r.Times[len(r.Times)-1]
			}
			if r.Reason != "" && !upto.IsZero() {
				jobs, kinds, before, reasons = append(jobs, r.Job), append(kinds, r.Kind), append(before, upto), append(reasons, r.Reason)
			}
		}
		if len(jobs) == 0 {
			return nil
		}
		_, err = tx.Exec(ctx, slotPassSQL, jobs, kinds, before, reasons)
		return err
	})
}

// recordTimes writes the slots down, and counts by job and kind those that nobody had.
func recordTimes(ctx context.Context, tx pgx.Tx, some []Recording) (map[[2]string]int, error) {
	var jobs, kinds, reasons []string
	var times []time.Time
	var skipped []bool
	for _, r := range some {
		for i, t := range r.Times {
			jobs, kinds, times, skipped, reasons = append(jobs, r.Job), append(kinds, r.Kind), append(times, t), append(skipped, i < r.Missed), append(reasons, r.Reason)
		}
	}
	unknown := map[[2]string]int{}
	if len(times) == 0 {
		return unknown, nil
	}
	rows, err := tx.Query(ctx, slotRecordSQL, jobs, kinds, times, skipped, reasons)
	if err != nil {
		return nil, err
	}
	var job, kind string
	_, err = pgx.ForEachRow(rows, []any{&job, &kind}, func() error {
		unknown[[2]string{job, kind}]++
		return nil
	})
	return unknown, err
}

// Have says that this daemon has jobs in its file, and skips the slots of jobs that no daemon has any more; it answers with
// their jobs.
func (w *Warehouse) Have(ctx context.Context, jobs []string) (gone []string, err error) {
	const what = "say which jobs there are"
	if _, err := w.pool.Exec(ctx, jobHadSQL, jobs, hadEvery); err != nil {
		return nil, fault(what, err)
	}
	rows, err := w.pool.Query(ctx, slotOrphanSQL, jobs, goneFor)
	if err != nil {
		return nil, fault(what, err)
	}
	gone, err = pgx.CollectRows(rows, pgx.RowTo[string])
	return gone, fault(what, err)
}

// Skip settles a slot that no run will take, with the reason. It tells whether it did: a slot that is not due is left
// alone, and one whose run was lost is always run again.
func (w *Warehouse) Skip(ctx context.Context, s Slot, reason string) (bool, error) {
	return w.closeSlot(ctx, s, "skipped", reason, false)
}

// Withhold is Skip where a person wants it: also a slot whose run was lost is skipped.
func (w *Warehouse) Withhold(ctx context.Context, s Slot, reason string) (bool, error) {
	return w.closeSlot(ctx, s, "skipped", reason, true)
}

// Fail settles a slot that no run could take, with the reason. A slot that is not due is left alone.
func (w *Warehouse) Fail(ctx context.Context, s Slot, reason string) (bool, error) {
	return w.closeSlot(ctx, s, "failed", reason, true)
}

func (w *Warehouse) closeSlot(ctx context.Context, s Slot, state, reason string, lost bool) (bool, error) {
	tag, err := w.pool.Exec(ctx, slotCloseSQL, s.Job, s.Kind, s.At, state, reason, lost)
	return tag.RowsAffected() > 0, fault("settle slot of "+s.Job, err)
}

// Due reports whether a slot waits to be run.
func (w *Warehouse) Due(ctx context.Context, s Slot) (due bool, err error) {
	err = w.pool.QueryRow(ctx, slotDueSQL, s.Job, s.Kind, s.At).Scan(&due)
	return due, fault("look for slot of "+s.Job, err)
}

// WaitingSlot is a due slot that nobody is about to run, with the last job of the queue that stood for it.
type WaitingSlot struct {
	Slot
	After int64
}

// Waiting lists the due slots for which the queue holds no job, oldest first. A job that a worker took longer than grace
// ago and of which no run came is not counted.
func (w *Warehouse) Waiting(ctx context.Context, grace time.Duration) ([]WaitingSlot, error) {
	waiting, err := collect[WaitingSlot](ctx, w, slotWaitingSQL, grace)
	return waiting, fault("read due slots", err)
}

// startSlot gives the slot of an order to its run.
func startSlot(ctx context.Context, tx pgx.Tx, run int64, o Order) error {
	var job string
	err := tx.QueryRow(ctx, slotStartSQL, o.Job, o.Kind, o.Slot, run).Scan(&job)
	if errors.Is(err, pgx.ErrNoRows) {
		return &SettledError{Slot: Slot{Job: o.Job, Kind: o.Kind, At: o.Slot}}
	}
	return err
}

// settleSlot settles the slot of a run, if it has one: held is failed with reason held; cancelled is skipped where a person wanted it and
// due again where the process was stopped; lost is due again, and so is one whose run failed because its source is down.
func settleSlot(ctx context.Context, tx pgx.Tx, run int64, e Ending) error {
	state, reason := string(e.State), e.Error
	again := func(reason string) error {
		_, err := tx.Exec(ctx, slotAgainSQL, run, reason)
		return err
	}
	switch {
	case e.State == Held:
		state, reason = "failed", "held"
	case e.State == Cancelled && e.By == "":
		return again(fmt.Sprintf("run %d was stopped with its process: %s", run, e.Reason))
	case e.State == Cancelled:
		state, reason = "skipped", "cancelled by "+e.By
	case e.State == LostState:
		_, err := tx.Exec(ctx, slotLostSQL, run, e.Reason, lostRuns)
		return err
	case e.State == Failed && reason == "":
		reason = e.Reason
	}
	if e.State == Failed && e.Again {
		return again(reason)
	}
	_, err := tx.Exec(ctx, slotSettleSQL, run, state, reason)
	return err
}
