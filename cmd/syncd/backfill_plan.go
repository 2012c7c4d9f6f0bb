package main

import (
	"fmt"
	"math"
	"time"

	"syncd/extract"
	"syncd/internal/config"
	"syncd/load"
)

// brings says what a backfill brings, and what it cannot.
func brings(j *config.Job) string {
	if j.Campus != nil {
		return "Engage shows what its lists hold now: nothing that was deleted, and no earlier state"
	}
	return "REDCap shows what its records hold now: no earlier values, and no record that was deleted"
}

// What a request brings as long as no run has told: an answer carries some hundred ids, and the first of each chunk fewer.
const (
	guessIDs     = 250
	guessSeconds = 1.0
	guessRows    = 2 // of a record
	chunkExtra   = 4 // version, project, and two smaller requests at the beginning
	wholeExtra   = 16
)

// estimate is what a backfill is thought to cost.
type estimate struct {
	requests, rows int64
	minutes        float64
	guessed        bool
}

// estimateOf estimates what records in chunks cost, by the run of the job that read the most, and by the budget of its source.
func estimateOf(j *config.Job, rates *load.Rates, records, chunks int64) estimate {
	e := estimate{requests: (records+guessIDs-1)/guessIDs + chunkExtra*chunks + wholeExtra, rows: records * guessRows, guessed: rates == nil}
	each := guessSeconds
	if rates != nil {
		each = rates.Seconds / float64(rates.Requests)
	}
	if j.Server != nil && j.Server.RequestsPerMinute > 0 {
		each = max(each, 60/float64(j.Server.RequestsPerMinute))
	}
	if j.Campus != nil && j.Campus.RequestsPerSecond > 0 {
		each = max(each, 1/float64(j.Campus.RequestsPerSecond))
	}
	e.minutes = float64(e.requests) * each / 60
	return e
}

func (e estimate) String() string {
	text := fmt.Sprintf("about %s requests, %s rows, %s", count(e.requests), count(e.rows), minutes(e.minutes))
	if e.guessed {
		return text + " (a guess: no run of the job has told yet)"
	}
	return text + " (by the job's largest run and the source's budget)"
}

func minutes(m float64) string {
	switch {
	case m < 1:
		return "under a minute"
	case m < 120:
		return fmt.Sprintf("%.0f minutes", math.Ceil(m))
	}
	return fmt.Sprintf("%.1f hours", m/60)
}

// unitOf is what the chunks of a job's backfill are made of.
func unitOf(j *config.Job) string {
	if j.Campus != nil {
		return "list"
	}
	return "record"
}

// planLines tell what is read, in how many chunks, and what it is thought to cost.
func (f *fillRun) planLines(j *config.Job, want load.NewBackfill, first bool, records, chunks int64) (estimate, error) {
	rates, err := f.w.Rates(f.ctx, j.Name)
	if err != nil {
		return estimate{}, err
	}
	what := "everything again"
	switch {
	case first:
		what = "first load"
	case !want.From.IsZero() || !want.To.IsZero():
		what = "what changed " + span(want.From, want.To) + ", the job's mark stays"
	}
	if chunks == 0 {
		_, err := fmt.Fprintf(f.Stdout, "%s: %s: nothing\n", j.Name, what)
		return estimate{}, err
	}
	in := counted(chunks, "chunk") + " of " + count(int64(want.Size))
	if j.Campus != nil {
		in = counted(chunks, "chunk") + ", one after the other"
	}
	e := estimateOf(j, rates, records, chunks)
	if j.Campus != nil { // how long its lists are nobody knows before they are read
		_, err := fmt.Fprintf(f.Stdout, "%s: %s: %s in %s\n", j.Name, what, counted(records, unitOf(j)), in)
		return e, err
	}
	if rates != nil && records > 0 {
		if _, all, err := f.recordRows(j); err == nil && all > 0 {
			e.rows = int64(all * float64(records))
		}
	}
	_, err = fmt.Fprintf(f.Stdout, "%s: %s: %s in %s\n%s: %s\n", j.Name, what, counted(records, unitOf(j)), in, j.Name, e)
	return e, err
}

// recordRows is how many rows the job's tables hold for each of its records, as far as the ledger knows.
func (f *fillRun) recordRows(j *config.Job) (rows int64, each float64, err error) {
	jobs, err := f.w.Jobs(f.ctx)
	if err != nil {
		return 0, 0, err
	}
	for _, k := range jobs {
		if k.Job != j.Name || k.Rows == nil {
			continue
		}
		records, err := f.w.Live(f.ctx, k.Schema, "redcap_record")
		if err != nil || records == 0 {
			return 0, 0, err
		}
		return *k.Rows, float64(*k.Rows) / float64(records), nil
	}
	return 0, 0, nil
}

func span(from, to time.Time) string {
	switch {
	case to.IsZero():
		return "from " + from.UTC().Format(time.RFC3339) + " on"
	case from.IsZero():
		return "before " + to.UTC().Format(time.RFC3339)
	}
	return "from " + from.UTC().Format(time.RFC3339) + " to " + to.UTC().Format(time.RFC3339)
}

// tellPlan finds out what would be read, and tells it.
func (f *fillRun) tellPlan(j *config.Job, want load.NewBackfill) error {
	fmt.Fprintf(f.Stdout, "%s: %s\n", j.Name, brings(j))
	s := f.stopping(f.ctx, 1)
	defer s.end()
	order := orderOf(f.cfg, j, load.KindBackfill)
	order.Holder = f.runner.Holder
	c, err := f.runner.Collect(s.ctx, order, f.opener(j), extract.Part{From: want.From, To: want.To})
	if err != nil {
		return err
	}
	marks, err := f.w.Marks(f.ctx, order, false)
	if err != nil {
		return err
	}
	if c.Size > 0 {
		want.Size = c.Size
	}
	records := int64(c.IDs.Len())
	whole := want.From.IsZero() && want.To.IsZero()
	_, err = f.planLines(j, want, whole && len(marks.Marks) == 0, records, (records+int64(want.Size)-1)/int64(want.Size))
	return err
}
