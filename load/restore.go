package load

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"syncd/extract"
)

var (
	//go:embed sql/restore_lock.sql
	restoreLockSQL string
	//go:embed sql/restore_runs.sql
	restoreRunsSQL string
	//go:embed sql/restore_claims.sql
	restoreClaimsSQL string
	//go:embed sql/restore_full.sql
	restoreFullSQL string
	//go:embed sql/restore_queue.sql
	restoreQueueSQL string
	//go:embed sql/restore_skip.sql
	restoreSkipSQL string
	//go:embed sql/restore_pause.sql
	restorePauseSQL string
	//go:embed sql/restore_settle.sql
	restoreSettleSQL string
	//go:embed sql/restore_gaps.sql
	restoreGapsSQL string
)

// Settling is what somebody said of a database that had been restored, moved or copied, and what was done about it.
type Settling struct {
	ID      string    // of the installation, from now on
	Was     string    // name of the installation that the database belonged to; empty where it was none's
	EndsAt  time.Time // when somebody was last at work in the data; zero where nobody was
	Runs    int64     // that were under way and are lost
	Full    []string  // jobs whose next run reads everything
	Skipped int64     // slots that waited
	Paused  []string  // jobs
}

// Restored settles that the database is this installation's, restored from a backup: runs that were under way are lost, whoever held
// a claim holds none, and each job reads everything in its next run. Called again it does the same again.
func (w *Warehouse) Restored(ctx context.Context, installation, who string) (Settling, error) {
	var s Settling
	err := w.settle(ctx, &s, "after-restore", installation, who, false, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, restoreFullSQL, restoredMark)
		if err != nil {
			return err
		}
		s.Full, err = pgx.CollectRows(rows, pgx.RowTo[string])
		slices.Sort(s.Full)
		return err
	})
	return s, err
}

// Moved settles that the database is this installation's and was moved with all its data, or is called otherwise from now on.
func (w *Warehouse) Moved(ctx context.Context, installation, who string) (Settling, error) {
	var s Settling
	err := w.settle(ctx, &s, "adopt-moved", installation, who, false, func(pgx.Tx) error { return nil })
	return s, err
}

// settle does what is common to all that can be said of a database: in one transaction it frees what was under way, writes down who
// said it, and lifts the stop.
func (w *Warehouse) settle(ctx context.Context, s *Settling, action, installation, who string, new bool, more func(pgx.Tx) error) error {
	return w.transact(ctx, "settle whose database it is", func(tx pgx.Tx) error {
		*s = Settling{}
		var ends *time.Time
		var id string
		err := tx.QueryRow(ctx, restoreLockSQL).Scan(&id, &s.Was, &ends)
		if err != nil {
			return err
		}
		s.EndsAt = zero(ends)
		if s.Runs, err = unwind(ctx, tx); err != nil {
			return err
		}
		if err := more(tx); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, restoreSettleSQL, installation, new).Scan(&s.ID); err != nil {
			return err
		}
		return audit(ctx, tx, who, action, "installation "+installation, map[string]any{
			"was": s.Was, "id": s.ID, "id_was": id, "data_ends_at": ends, "runs_lost": s.Runs, "jobs_full": len(s.Full), "jobs_paused": len(s.Paused),
		})
	})
}

// Unwind ends what was under way in a database that was restored: no run of it goes on, and no claim is held. It answers how many runs
// are lost.
func (w *Warehouse) Unwind(ctx context.Context) (lost int64, err error) {
	err = w.transact(ctx, "end what was under way", func(tx pgx.Tx) (err error) {
		lost, err = unwind(ctx, tx)
		return err
	})
	return lost, err
}

func unwind(ctx context.Context, tx pgx.Tx) (lost int64, err error) {
	if err := tx.QueryRow(ctx, restoreRunsSQL, "the database was restored, moved or copied while it was under way").Scan(&lost); err != nil {
		return 0, err
	}
	for _, statement := range []string{restoreClaimsSQL, restoreQueueSQL} {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return 0, err
		}
	}
	return lost, nil
}

// Gap is a time in which a receiver may have been sent what the data does not hold.
type Gap struct {
	Receiver string
	Since    time.Time // before this the data holds everything; zero where it holds no push
}

// gapMargin is how long before the last push that the data holds one may have arrived that was still on its way into it, and by how much
// the clocks of replicas may differ.
const gapMargin = 2 * time.Minute

// Gaps says since when each receiver's sender must send again, after the data was restored. What comes twice is known again.
func (w *Warehouse) Gaps(ctx context.Context, receivers []string) ([]Gap, error) {
	last := map[string]time.Time{}
	rows, err := w.pool.Query(ctx, restoreGapsSQL, receivers)
	if err != nil {
		return nil, fault("read arrivals", err)
	}
	var name string
	var at time.Time
	if _, err := pgx.ForEachRow(rows, []any{&name, &at}, func() error { last[name] = at.Add(-gapMargin); return nil }); err != nil {
		return nil, fault("read arrivals", err)
	}
	gaps := make([]Gap, len(receivers))
	for i, r := range receivers {
		gaps[i] = Gap{r, last[r]}
	}
	return gaps, nil
}

// Cloned settles that the database is a copy for itself, of another installation than the one it was copied from: it has an id of its
// own from now on, nothing that was due there is done here, and its jobs are paused but for these, which nobody pulls: receivers.
func (w *Warehouse) Cloned(ctx context.Context, installation, who string, but []string) (Settling, error) {
	var s Settling
	err := w.settle(ctx, &s, "adopt-clone", installation, who, true, func(tx pgx.Tx) error {
		if s.Was == installation {
			return &extract.Error{
				Kind: extract.KindConfig, What: "adopt the database as a clone",
				Cause: fmt.Errorf("jobs.toml is of installation %s, as the one that the database was copied from", installation),
				Next:  "give the copy a jobs.toml of its own: installation = \"another_name\" at its top, with servers, tokens and receivers that are meant for it",
			}
		}
		tag, err := tx.Exec(ctx, restoreSkipSQL, "the database was copied from installation "+s.Was)
		if err != nil {
			return err
		}
		s.Skipped = tag.RowsAffected()
		rows, err := tx.Query(ctx, restorePauseSQL, who, "copied from installation "+s.Was, append([]string{}, but...))
		if err != nil {
			return err
		}
		s.Paused, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return s, err
}
