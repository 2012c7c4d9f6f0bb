package load

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"syncd/extract"
)

var (
	//go:embed sql/pause_list.sql
	pauseListSQL string
	//go:embed sql/pause_of.sql
	pauseOfSQL string
	//go:embed sql/pause_set.sql
	pauseSetSQL string
	//go:embed sql/pause_end.sql
	pauseEndSQL string
	//go:embed sql/run_cancel.sql
	runCancelSQL string
)

// Pause keeps the runs of a job, or of all jobs of a source, from beginning.
type Pause struct {
	Subject string    `json:"subject"` // a job, or a source by its name in the configuration: "redcap.main"
	Since   time.Time `json:"since"`
	By      string    `json:"by"`
	Reason  string    `json:"reason,omitempty"`
}

// String is what is said of a slot that came due meanwhile: "paused by ann@etl since 2026-03-04 02:11 UTC: moving the server".
func (p *Pause) String() string {
	s := fmt.Sprintf("paused by %s since %s", p.By, p.Since.UTC().Format("2006-01-02 15:04 UTC"))
	if p.Reason != "" {
		s += ": " + p.Reason
	}
	return s
}

// PausedError says that no run may begin because the job or its source is paused.
type PausedError struct {
	Job   string
	Pause Pause
}

// Error names what is paused, since when and by whom.
func (e *PausedError) Error() string {
	return fmt.Sprintf("begin run of %s: %s is %s", e.Job, e.Pause.Subject, &e.Pause)
}

// CancelledError says that a person asked for the end of a run.
type CancelledError struct {
	RunID int64
	By    string
	Now   bool // not after the batch in hand, but at once
}

// Error names who asked.
func (e *CancelledError) Error() string {
	return fmt.Sprintf("run %d was cancelled by %s", e.RunID, e.By)
}

// Pauses lists what is paused.
func (w *Warehouse) Pauses(ctx context.Context) ([]Pause, error) {
	all, err := collect[Pause](ctx, w, pauseListSQL)
	return all, fault("list what is paused", err)
}

// PausedOf finds what keeps a job of a source from running; nil where nothing does.
func PausedOf(all []Pause, job, source string) *Pause {
	for i := range all {
		if all[i].Subject == job || all[i].Subject == source {
			return &all[i]
		}
	}
	return nil
}

// Paused answers a *PausedError where a job or its source is paused.
func (w *Warehouse) Paused(ctx context.Context, job, source string) error {
	return w.transact(ctx, "look whether "+job+" is paused", func(tx pgx.Tx) error {
		return refusePaused(ctx, tx, Order{Job: job, Source: source})
	})
}

func refusePaused(ctx context.Context, tx pgx.Tx, o Order) error {
	e := &PausedError{Job: o.Job}
	err := tx.QueryRow(ctx, pauseOfSQL, o.Job, o.Source).Scan(&e.Pause.Subject, &e.Pause.Since, &e.Pause.By, &e.Pause.Reason)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return err
	}
	return e
}

// Pause keeps runs of a job or source from beginning, and writes down who said so. It answers whether that is new: what is
// paused already keeps its time and reason.
func (w *Warehouse) Pause(ctx context.Context, subject, who, reason string) (fresh bool, err error) {
	return fresh, w.transact(ctx, "pause "+subject, func(tx pgx.Tx) error {
		switch err := tx.QueryRow(ctx, pauseSetSQL, subject, who, reason).Scan(&subject); {
		case errors.Is(err, pgx.ErrNoRows):
			return nil
		case err != nil:
			return err
		}
		fresh = true
		return audit(ctx, tx, who, "pause", subject, map[string]string{"reason": reason})
	})
}

// Resume ends a pause and writes down who did. It answers with what it ended; nil where nothing was paused.
func (w *Warehouse) Resume(ctx context.Context, subject, who string) (ended *Pause, err error) {
	return ended, w.transact(ctx, "resume "+subject, func(tx pgx.Tx) error {
		var p Pause
		switch err := tx.QueryRow(ctx, pauseEndSQL, subject).Scan(&p.Subject, &p.Since, &p.By, &p.Reason); {
		case errors.Is(err, pgx.ErrNoRows):
			return nil
		case err != nil:
			return err
		}
		ended = &p
		return audit(ctx, tx, who, "resume", subject, map[string]any{"since": p.Since.UTC(), "paused_by": p.By})
	})
}

// Cancelling is a run that was asked to end.
type Cancelling struct {
	Job, Kind, Chunk, Holder string
	SlotAt                   *time.Time // nil where nobody planned it
	At                       time.Time  // when it was first asked to, by whom
	By                       string
}

// Cancel asks a run to end after the batch in hand, or at once, and writes down who did. Its holder, wherever that is, hears
// so with its next beat.
func (w *Warehouse) Cancel(ctx context.Context, run int64, who string, now bool) (Cancelling, error) {
	var c Cancelling
	return c, w.transact(ctx, fmt.Sprintf("cancel run %d", run), func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, runCancelSQL, run, who, now).Scan(&c.Job, &c.Kind, &c.Chunk, &c.Holder, &c.SlotAt, &c.At, &c.By)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return notRunning(ctx, tx, run)
		case err != nil:
			return err
		}
		return audit(ctx, tx, who, "cancel", fmt.Sprintf("run %d", run), map[string]any{"job": c.Job, "now": now})
	})
}

// notRunning says why a run cannot be cancelled.
func notRunning(ctx context.Context, tx pgx.Tx, run int64) error {
	var state State
	err := tx.QueryRow(ctx, runStateSQL, run).Scan(&state)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		e := extract.Errorf(extract.KindConfig, "cancel run", "there is no run %d", run)
		e.Next = "see what runs: syncd runs"
		return e
	case err != nil:
		return err
	}
	e := extract.Errorf(extract.KindConfig, "cancel run", "run %d has ended: it is %s", run, state)
	e.Next = fmt.Sprintf("see how it ended: syncd run %d", run)
	return e
}
