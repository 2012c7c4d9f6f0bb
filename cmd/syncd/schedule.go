package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"syncd/internal/config"
	"syncd/job"
	"syncd/load"
	"syncd/schedule"
)

// doubtAfter is how long after a slot one may doubt that a daemon records it.
const doubtAfter = time.Minute

// planLine is what `syncd schedule` tells of one kind of slot of a job.
type planLine struct {
	Job      string `json:"job"`
	Kind     string `json:"kind"`
	Spec     string `json:"spec"`
	Zone     string `json:"zone"`
	Spread   string `json:"spread,omitempty"`
	Offset   string `json:"offset,omitempty"` // of the job within spread
	CatchUp  string `json:"catch_up"`
	Overlap  string `json:"overlap"`
	Schedule string `json:"-"`

	Next []planSlot `json:"next"`
	Last *lastSlot  `json:"last"`

	Missed      int64      `json:"missed"` // failed or skipped since the last that succeeded
	MissedSince *time.Time `json:"missed_since,omitempty"`
	Unrecorded  int64      `json:"unrecorded"` // came due, and no daemon took note
	NoneSince   *time.Time `json:"unrecorded_since,omitempty"`

	Running *runningSlot `json:"running"`
	Due     int64        `json:"due"`
	Waiting string       `json:"waiting,omitempty"` // what its due slots wait for
	Paused  *load.Pause  `json:"paused"`
}

// planSlot is a slot to come: when it is due, and when the job starts.
type planSlot struct {
	SlotAt   time.Time `json:"slot_at"`
	StartsAt time.Time `json:"starts_at"`
}

type lastSlot struct {
	SlotAt time.Time `json:"slot_at"`
	State  string    `json:"state"`
	Reason string    `json:"reason,omitempty"`
	RunID  int64     `json:"run_id,omitempty"`
}

type runningSlot struct {
	RunID     int64      `json:"run_id"`
	SlotAt    *time.Time `json:"slot_at"` // nil where nobody planned it
	StartedAt time.Time  `json:"started_at"`
	Holder    string     `json:"holder"`
}

// scheduleCommand lists what is due when, and how the slots before ended.
func (c *cli) scheduleCommand() *cobra.Command {
	n := 1
	cmd := c.reading(&cobra.Command{
		Use:               "schedule [JOB...]",
		Short:             "what is due when, in each job's zone: next, last, missed, running, waiting and paused slots",
		ValidArgsFunction: c.completeJobs,
		RunE: func(_ *cobra.Command, args []string) error {
			if n < 1 || n > 1000 {
				return usage("-n %d: from 1 to 1000 slots", n)
			}
			names, err := c.chosen(args, len(args) == 0)
			if err != nil {
				return err
			}
			return c.toRead(func(cfg *config.Config, w *load.Warehouse) error {
				lines, err := c.planLines(cfg, w, names, n)
				if err != nil {
					return err
				}
				return c.printSlots(lines)
			})
		},
	})
	cmd.Flags().IntVarP(&n, "next", "n", n, "how many slots to come")
	return cmd
}

// planFacts is what the ledger knows, for all jobs.
type planFacts struct {
	slots   map[[2]string]load.SlotFacts
	running map[string]load.RunRow
	pauses  []load.Pause
	down    []load.Outage
	now     time.Time
}

func (c *cli) planFacts(w *load.Warehouse) (*planFacts, error) {
	f := &planFacts{slots: map[[2]string]load.SlotFacts{}, running: map[string]load.RunRow{}}
	slots, err := w.SlotFacts(c.ctx, []string{job.Sync, job.Full})
	if err != nil {
		return nil, err
	}
	for _, s := range slots {
		f.slots[[2]string{s.Job, s.Kind}] = s
	}
	runs, err := w.Runs(c.ctx, load.RunFilter{State: load.Running, Limit: runsNamed})
	if err != nil {
		return nil, err
	}
	for _, r := range runs {
		f.running[r.Job] = r
	}
	if f.pauses, err = w.Pauses(c.ctx); err != nil {
		return nil, err
	}
	if f.down, err = w.Outages(c.ctx); err != nil {
		return nil, err
	}
	f.now, err = w.Now(c.ctx)
	return f, err
}

func (c *cli) planLines(cfg *config.Config, w *load.Warehouse, names []string, n int) ([]planLine, error) {
	f, err := c.planFacts(w)
	if err != nil {
		return nil, err
	}
	lines := []planLine{}
	for _, name := range names {
		j := cfg.Jobs[name]
		if j.Slots != nil {
			lines = append(lines, f.line(j, job.Sync, j.Slots.Spec(), j.Slots, j.Offset(), n))
		}
		if j.Fulls != nil {
			spec := j.Fulls.Spec()
			if j.Weekly() {
				spec = "weekly"
			}
			lines = append(lines, f.line(j, job.Full, spec, j.Fulls, j.FullOffset(), n))
		}
	}
	return lines, nil
}

// line tells of one kind of slot of a job.
func (f *planFacts) line(j *config.Job, kind, written string, s *schedule.Schedule, offset time.Duration, n int) planLine {
	known := f.slots[[2]string{j.Name, kind}]
	l := planLine{
		Job: j.Name, Kind: kind, Spec: s.Spec(), Zone: s.Zone().String(), CatchUp: j.CatchUp, Overlap: j.Overlap, Schedule: written,
		Missed: known.Bad, MissedSince: inZone(known.BadSince, s), Due: known.Due, Paused: load.PausedOf(f.pauses, j.Name, j.Source),
	}
	if offset > 0 {
		l.Spread, l.Offset = j.Spread.String(), offset.String()
	}
	for at := f.now; len(l.Next) < n; {
		if at = s.Next(at); at.IsZero() {
			break
		}
		l.Next = append(l.Next, planSlot{at.In(s.Zone()), at.Add(offset).In(s.Zone())})
	}
	if known.LastAt != nil {
		l.Last = &lastSlot{known.LastAt.In(s.Zone()), known.LastState, known.LastReason, known.LastRun}
	}
	if r, running := f.running[j.Name]; running && (r.Kind == kind || kind == job.Sync && r.Kind != job.Full) {
		l.Running = &runningSlot{r.RunID, inZone(r.SlotAt, s), r.StartedAt.In(s.Zone()), r.Holder}
	}
	l.Unrecorded, l.NoneSince = f.noticed(known, s)
	if known.Due > 0 {
		l.Waiting = f.waiting(j, known, offset, s)
	}
	return l
}

// noticed counts the slots that came due since the last that a daemon took note of.
func (f *planFacts) noticed(known load.SlotFacts, s *schedule.Schedule) (int64, *time.Time) {
	if known.Job == "" {
		return 0, nil // no daemon has seen the job yet: its slots begin when one does
	}
	after := known.Since
	if known.Recorded != nil && known.Recorded.After(after) {
		after = *known.Recorded
	}
	times := s.Slots(after, f.now.Add(-doubtAfter))
	if len(times) == 0 {
		return 0, nil
	}
	return int64(len(times)), inZone(&times[0], s)
}

// waiting says what a due slot waits for.
func (f *planFacts) waiting(j *config.Job, known load.SlotFacts, offset time.Duration, s *schedule.Schedule) string {
	starts := known.DueSince.Add(offset)
	for _, o := range f.down {
		if o.Source == j.Source {
			return o.String()
		}
	}
	switch r, running := f.running[j.Name]; {
	case f.now.Before(starts):
		return "its time within spread, " + starts.In(s.Zone()).Format("15:04:05")
	case running:
		return fmt.Sprintf("run %d of the job to end", r.RunID)
	case known.DueReason != "":
		return "a daemon to run it again: " + known.DueReason
	}
	return "a daemon to run it"
}

func inZone(t *time.Time, s *schedule.Schedule) *time.Time {
	if t == nil {
		return nil
	}
	in := t.In(s.Zone())
	return &in
}

// dayAndTime is how a slot is written in a table.
const dayAndTime = "Mon 2006-01-02 15:04 MST"

func (c *cli) printSlots(lines []planLine) error {
	g := &grid{head: []string{"job", "kind", "schedule", "zone", "next", "starts", "last", "ended", "note"}, value: lines}
	for _, l := range lines {
		last, ended := "", ""
		if l.Last != nil {
			last, ended = l.Last.SlotAt.Format(dayAndTime), l.Last.State
		}
		for i, s := range l.Next {
			starts := ""
			if l.Offset != "" {
				starts = s.StartsAt.Format("15:04:05")
			}
			if i > 0 {
				g.add(l.Job, l.Kind, "", "", s.SlotAt.Format(dayAndTime), starts, "", "", "")
				continue
			}
			g.add(l.Job, l.Kind, l.Schedule, l.Zone, s.SlotAt.Format(dayAndTime), starts, last, ended, strings.Join(l.notes(), "; "))
		}
	}
	return g.print(c.Stdout, c.output)
}

// notes say what is not as it should be, and what goes on.
func (l *planLine) notes() []string {
	var all []string
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if l.Paused != nil {
		add("%s %s", l.Paused.Subject, l.Paused)
	}
	if l.Running != nil {
		add("run %d since %s on %s", l.Running.RunID, l.Running.StartedAt.Format("15:04"), l.Running.Holder)
	}
	if l.Waiting != "" {
		add("waiting: %s", l.Waiting)
	}
	switch {
	case l.Missed > 0:
		add("%d failed or skipped since %s, the last one because %s", l.Missed, l.MissedSince.Format(dayAndTime), l.Last.Reason)
	case l.Last != nil && l.Last.Reason != "":
		add("last: %s", l.Last.Reason)
	}
	if l.Unrecorded > 0 {
		add("%d not taken note of since %s: is 'syncd serve' running? (catch_up = %s)", l.Unrecorded, l.NoneSince.Format(dayAndTime), l.CatchUp)
	}
	return all
}
