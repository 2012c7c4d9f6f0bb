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
	//go:embed sql/job_planned.sql
	jobPlannedSQL string
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
	_, err = pgx.ForEachRow(rows, []any{&job, &kind, &since, &last}, func() error {
		p, ok := all[job]
		if !ok {
			p = Planned{Since: since, Last: map[string]time.Time{}}
			all[job] = p
		}
		if last != nil {
			p.Last[kind] = *last
		}
		return nil
	})
	return all, fault("read slots", err)
}

// Recording is what a planner records of one job: the instants at which it was due, in order.
type Recording struct {
	Job, Kind string
	Times     []time.Time
	Missed    int    // so many of Times, from the first, are recorded as skipped
	Reason    string // why, in words; where it is empty, slots that still wait are left to be run as well
}

// Record records slots, and skips those that still wait where a later one is recorded. Replicas may record the same
// ones at once. It answers with the number that nobody had recorded before.
func (w *Warehouse) Record(ctx context.Context, r Recording) (int, error) {
	fresh := 0
	return fresh, w.transact(ctx, "record slots of "+r.Job, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, slotRecordSQL, r.Job, r.Kind, r.Times, r.Missed, r.Reason)
		if err != nil {
			return err
		}
		times, err := pgx.CollectRows(rows, pgx.RowTo[time.Time])
		if fresh = len(times); err != nil || fresh == 0 || r.Reason == "" {
			return err
		}
		_, err = tx.Exec(ctx, slotPassSQL, r.Job, r.Kind, r.Times[len(r.Times)-1], r.Reason)
		return err
	})
}

// Skip settles a slot that no run will take, with the reason. It tells whether it did: a slot that is not due is left
// alone, and one whose run was lost is always run again.
func (w *Warehouse) Skip(ctx context.Context, s Slot, reason string) (bool, error) {
	return w.closeSlot(ctx, s, "skipped", reason)
}

// Fail settles a slot that no run could take, with the reason. A slot that is not due is left alone.
func (w *Warehouse) Fail(ctx context.Context, s Slot, reason string) (bool, error) {
	return w.closeSlot(ctx, s, "failed", reason)
}

func (w *Warehouse) closeSlot(ctx context.Context, s Slot, state, reason string) (bool, error) {
	tag, err := w.pool.Exec(ctx, slotCloseSQL, s.Job, s.Kind, s.At, state, reason)
	return tag.RowsAffected() > 0, fault("settle slot of "+s.Job, err)
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

// settleSlot settles the slot of a run, if it has one: held is failed with reason held, cancelled is skipped, lost is
// due again, and so is one whose run failed because its source is down.
func settleSlot(ctx context.Context, tx pgx.Tx, run int64, e Ending) error {
	state, reason := string(e.State), e.Error
	switch e.State {
	case Held:
		state, reason = "failed", "held"
	case Cancelled:
		state, reason = "skipped", "cancelled"
		if e.Reason != "" {
			reason = "cancelled: " + e.Reason
		}
	case LostState:
		_, err := tx.Exec(ctx, slotAgainSQL, run, e.Reason)
		return err
	case Failed:
		if reason == "" {
			reason = e.Reason
		}
		if e.Again {
			_, err := tx.Exec(ctx, slotAgainSQL, run, reason)
			return err
		}
	}
	_, err := tx.Exec(ctx, slotSettleSQL, run, state, reason)
	return err
}
