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
	//go:embed sql/slot_fail.sql
	slotFailSQL string
	//go:embed sql/slot_start.sql
	slotStartSQL string
	//go:embed sql/slot_again.sql
	slotAgainSQL string
	//go:embed sql/slot_settle.sql
	slotSettleSQL string
	//go:embed sql/slot_due.sql
	slotDueSQL string
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
		if _, err := tx.Exec(ctx, jobSeeSQL, o.Job, o.Schema, o.Source); err != nil {
			return schemaTaken(err, o)
		}
		_, err := tx.Exec(ctx, jobSpecSQL, o.Job, spec, now)
		return err
	})
}

// Planned tells of every job that a planner has seen how far its slots were recorded.
func (w *Warehouse) Planned(ctx context.Context) (map[string]Planned, error) {
	rows, err := w.pool.Query(ctx, jobPlannedSQL)
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

// Record records that a job was due at times, and answers with those that nobody had recorded before.
func (w *Warehouse) Record(ctx context.Context, job, kind string, times []time.Time) ([]time.Time, error) {
	rows, err := w.pool.Query(ctx, slotRecordSQL, job, kind, times)
	if err != nil {
		return nil, fault("record slots of "+job, err)
	}
	fresh, err := pgx.CollectRows(rows, pgx.RowTo[time.Time])
	return fresh, fault("record slots of "+job, err)
}

// Pass settles the due slots of a job up to and including an instant as skipped, with the reason, and tells how many.
func (w *Warehouse) Pass(ctx context.Context, job, kind string, upto time.Time, reason string) (int64, error) {
	tag, err := w.pool.Exec(ctx, slotPassSQL, job, kind, upto, reason)
	return tag.RowsAffected(), fault("skip slots of "+job, err)
}

// Miss settles one due slot as failed before any run began.
func (w *Warehouse) Miss(ctx context.Context, s Slot, reason string) error {
	_, err := w.pool.Exec(ctx, slotFailSQL, s.Job, s.Kind, s.At, reason)
	return fault("fail slot of "+s.Job, err)
}

// Due lists the slots that wait to be run, oldest first.
func (w *Warehouse) Due(ctx context.Context) ([]Slot, error) {
	rows, err := w.pool.Query(ctx, slotDueSQL)
	if err != nil {
		return nil, fault("read due slots", err)
	}
	due, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Slot])
	return due, fault("read due slots", err)
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
// due again.
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
	}
	_, err := tx.Exec(ctx, slotSettleSQL, run, state, reason)
	return err
}
