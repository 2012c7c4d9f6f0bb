package job

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
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
	reasonNever    = "jobs.toml has no schedule of that kind for the job any more"
)

// plan records the slots that became due since the last recorded ones, of every job, and answers how long it is to the
// next. All replicas do this; the ledger keeps their recordings apart.
func (e *Engine) plan(ctx context.Context) (time.Duration, error) {
	now, err := e.Now(ctx)
	if err != nil {
		return 0, err
	}
	set := e.set.Load()
	jobs := set.all()
	for _, j := range jobs {
		e.makeKnown(ctx, set, j, now)
	}
	if err := e.have(ctx, jobs); err != nil {
		return 0, err
	}
	if err := e.retire(ctx, now); err != nil {
		return 0, err
	}
	paused, err := e.Warehouse.Pauses(ctx)
	if err != nil {
		return 0, err
	}
	planned, err := e.Warehouse.Planned(ctx, []string{Sync, Full})
	if err != nil {
		return 0, err
	}
	next := turnEvery
	r := recorder{w: e.Warehouse}
	for _, j := range jobs {
		p, known := planned[j.Name]
		if !known || set.seen[j.Name] == "" {
			continue
		}
		if err := r.add(ctx, recordings(j, p, load.PausedOf(paused, j.Name, j.Source), now)...); err != nil {
			return 0, err
		}
		for _, s := range []*schedule.Schedule{j.Sync, j.Full} {
			if s != nil {
				next = min(next, s.Next(now).Sub(now))
			}
		}
	}
	return next, r.flush(ctx)
}

// recordedAtOnce is about how many slots are recorded in one transaction, and kept in memory: after a week without a daemon, 200 jobs that
// are due every minute have two million.
const recordedAtOnce = 20_000

// recorder gathers what is to be recorded.
type recorder struct {
	w     *load.Warehouse
	some  []load.Recording
	slots int
}

func (r *recorder) add(ctx context.Context, more ...load.Recording) error {
	r.some = append(r.some, more...)
	for _, m := range more {
		r.slots += len(m.Times)
	}
	if r.slots < recordedAtOnce {
		return nil
	}
	return r.flush(ctx)
}

func (r *recorder) flush(ctx context.Context) error {
	if len(r.some) == 0 {
		return nil
	}
	_, err := r.w.Record(ctx, r.some...)
	r.some, r.slots = nil, 0
	return err
}

// have says which jobs this replica has, and tells of those that no replica has any more and whose slots waited.
func (e *Engine) have(ctx context.Context, jobs []Planned) error {
	names := make([]string, len(jobs))
	for i, j := range jobs {
		names[i] = j.Name
	}
	gone, err := e.Warehouse.Have(ctx, names)
	for _, name := range slices.Compact(slices.Sorted(slices.Values(gone))) {
		e.Log.Warn("slots are skipped: no daemon has the job in its jobs.toml any more", slog.String("job", name))
	}
	return err
}

// makeKnown tells the ledger of a job's schedules, once for each set. One job that cannot be made known (two write one
// schema) does not keep the others from being planned.
func (e *Engine) makeKnown(ctx context.Context, in *jobSet, j Planned, now time.Time) {
	spec := fmt.Sprintf("sync = %s, full = %s", specOf(j.Sync), specOf(j.Full))
	if in.seen[j.Name] == spec {
		return
	}
	if err := e.Warehouse.Seen(ctx, e.order(j, ""), spec, now); err != nil {
		e.Log.Warn("job is not planned", slog.String("job", j.Name), slog.Any("error", err))
		return
	}
	in.seen[j.Name] = spec
}

func specOf(s *schedule.Schedule) string {
	if s == nil {
		return "none"
	}
	return s.String()
}

// recordings are what is to be recorded of a job. A full run that is to be made, or under way, does what the runs that are due
// beside it would.
func recordings(j Planned, p load.Planned, paused *load.Pause, now time.Time) []load.Recording {
	var all []load.Recording
	full := p.Open[Full]
	if times := j.missing(Full, p, now); len(times) > 0 {
		r := j.recording(Full, times, paused, now)
		all = append(all, r)
		if r.Missed < len(times) && j.Sync != nil {
			full = true
			all = append(all, load.Recording{Job: j.Name, Kind: Sync, Reason: reasonFull, Before: times[len(times)-1]})
		}
	}
	if times := j.missing(Sync, p, now); len(times) > 0 {
		r := j.recording(Sync, times, paused, now)
		if full && paused == nil {
			r.Missed, r.Reason = len(times), reasonFull
		}
		all = append(all, r)
	}
	return all
}

// missing lists the slots of a kind up to now that nobody has recorded.
func (j Planned) missing(kind string, p load.Planned, now time.Time) []time.Time {
	s := j.schedule(kind)
	if s == nil {
		return nil
	}
	after := p.Since
	if last := p.Last[kind]; last.After(after) {
		after = last
	}
	return slots(s, after, now)
}

// recording says which of the slots of a kind that became due are to be run, and why not the others.
func (j Planned) recording(kind string, times []time.Time, paused *load.Pause, now time.Time) load.Recording {
	r := load.Recording{Job: j.Name, Kind: kind, Times: times, Missed: len(times) - 1, Reason: reasonMissed}
	switch {
	case paused != nil:
		r.Missed, r.Reason = len(times), paused.String()
	case j.CatchUp == "all":
		r.Missed, r.Reason = 0, ""
	case j.CatchUp == "none":
		if now.Sub(times[len(times)-1]) > begunWithin {
			r.Missed++
		}
		r.Reason = reasonUnwanted
	}
	return r
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
		j, _ := e.job(s.Job)
		if offset := j.offset(s.Kind); offset > 0 {
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
