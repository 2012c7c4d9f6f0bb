package job

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"syncd/load"
	"syncd/schedule"
)

// begunWithin is how long a worker that took a slot from the queue may take to begin its run: beyond it the
// slot is given out again. Should the worker still come, it finds the slot taken.
const begunWithin = 30 * time.Second

// Reasons of slots that no run took.
const (
	reasonMissed   = "a later slot became due before it was begun (catch_up = latest)"
	reasonUnwanted = "nothing ran when it was due (catch_up = none)"
	reasonFull     = "the full run that is due as well does its work"
)

// plan records the slots that became due since the last recorded ones, of every job, and answers how long it is to the
// next. All replicas do this; the ledger keeps their recordings apart.
func (e *Engine) plan(ctx context.Context) (time.Duration, error) {
	now, err := e.Now(ctx)
	if err != nil {
		return 0, err
	}
	for _, j := range e.jobs {
		e.makeKnown(ctx, j, now)
	}
	planned, err := e.Warehouse.Planned(ctx, []string{Sync, Full})
	if err != nil {
		return 0, err
	}
	next := turnEvery
	for name, j := range e.jobs {
		p, known := planned[name]
		if !known || e.seen[name] == "" {
			continue
		}
		full, err := e.record(ctx, j, Full, j.Full, p, now, false)
		if err != nil {
			return 0, err
		}
		if _, err := e.record(ctx, j, Sync, j.Sync, p, now, full); err != nil {
			return 0, err
		}
		for _, s := range []*schedule.Schedule{j.Sync, j.Full} {
			if s != nil {
				next = min(next, s.Next(now).Sub(now))
			}
		}
	}
	return next, nil
}

// makeKnown tells the ledger of a job's schedules, once per process. One job that cannot be made known (two write one
// schema) does not keep the others from being planned.
func (e *Engine) makeKnown(ctx context.Context, j Planned, now time.Time) {
	spec := fmt.Sprintf("sync = %s, full = %s", specOf(j.Sync), specOf(j.Full))
	if e.seen[j.Name] == spec {
		return
	}
	order := load.Order{Job: j.Name, Schema: j.Schema, Source: j.Source}
	if err := e.Warehouse.Seen(ctx, order, spec, now); err != nil {
		e.Log.Warn("job is not planned", slog.String("job", j.Name), slog.Any("error", err))
		return
	}
	e.seen[j.Name] = spec
}

func specOf(s *schedule.Schedule) string {
	if s == nil {
		return "none"
	}
	return s.String()
}

// record records the slots of one schedule up to now, and tells whether one of them is to be run. replaced says that a
// full run of the job became due as well, which does what these would.
func (e *Engine) record(ctx context.Context, j Planned, kind string, s *schedule.Schedule, p load.Planned, now time.Time, replaced bool) (bool, error) {
	if s == nil {
		return false, nil
	}
	after := p.Since
	if last := p.Last[kind]; last.After(after) {
		after = last
	}
	times := slots(s, after, now)
	if len(times) == 0 {
		return false, nil
	}
	r := load.Recording{Job: j.Name, Kind: kind, Times: times, Missed: len(times) - 1, Reason: reasonMissed}
	switch {
	case replaced:
		r.Missed, r.Reason = len(times), reasonFull
	case j.CatchUp == "all":
		r.Missed, r.Reason = 0, ""
	case j.CatchUp == "none":
		if now.Sub(times[len(times)-1]) > begunWithin {
			r.Missed++
		}
		r.Reason = reasonUnwanted
	}
	_, err := e.Warehouse.Record(ctx, r)
	return r.Missed < len(times), err
}

// slots lists all slots between two instants, however many.
func slots(s *schedule.Schedule, after, upto time.Time) []time.Time {
	var all []time.Time
	for {
		some := s.Slots(after, upto)
		all = append(all, some...)
		if len(some) < schedule.MaxSlots {
			return all
		}
		after = some[len(some)-1]
	}
}

// slotArgs are the arguments of a job of the queue: ids only. After is the last job that stood for the slot, so that
// replicas which find it unattended at once make one job of it.
type slotArgs struct {
	Job   string `json:"job"`
	Of    string `json:"kind"`
	Slot  int64  `json:"slot"` // microseconds since 1970
	After int64  `json:"after"`
}

// Kind is the queue's name for such jobs.
func (slotArgs) Kind() string { return "slot" }

// InsertOpts makes a job unique while it is open, and leaves trying again to the ledger.
func (slotArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{
		MaxAttempts: 1,
		UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: []rivertype.JobState{
			rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning,
			rivertype.JobStateRetryable, rivertype.JobStateScheduled,
		}},
	}
}

// distribute gives every due slot that nobody is about to run to the queue: a slot just recorded, one whose run was
// lost, one that a dead replica took and did not begin.
func (e *Engine) distribute(ctx context.Context, q *queue) error {
	waiting, err := e.Warehouse.Waiting(ctx, begunWithin)
	if err != nil || len(waiting) == 0 {
		return err
	}
	params := make([]river.InsertManyParams, len(waiting))
	for i, s := range waiting {
		params[i].Args = slotArgs{Job: s.Job, Of: s.Kind, Slot: s.At.UnixMicro(), After: s.After}
		if offset := e.jobs[s.Job].Offset; offset > 0 {
			opts := slotArgs{}.InsertOpts()
			opts.ScheduledAt = s.At.Add(offset)
			params[i].InsertOpts = &opts
		}
	}
	if _, err := q.InsertMany(ctx, params); err != nil {
		return load.Fault("distribute slots", err)
	}
	return nil
}
