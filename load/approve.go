package load

import (
	"context"
	_ "embed"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"syncd/extract"
)

//go:embed sql/run_approve.sql
var runApproveSQL string

// Approval is what a person let pass.
type Approval struct {
	Keys   int64 // records, or rows of closed tables
	Source bool  // not keys: the job may read another source from its next run on
}

// Approve lets the deletions pass that the brake held in a run, from the job's next run on, and writes down who said
// so. It answers with what was approved.
func (w *Warehouse) Approve(ctx context.Context, run int64, who string) (Approval, error) {
	var a Approval
	return a, w.transact(ctx, fmt.Sprintf("approve run %d", run), func(tx pgx.Tx) error {
		var state State
		err := tx.QueryRow(ctx, runStateSQL, run).Scan(&state)
		if errors.Is(err, pgx.ErrNoRows) {
			return extract.Errorf(extract.KindConfig, "approve run", "there is no run %d", run)
		}
		if err != nil {
			return err
		}
		if state != Held {
			return extract.Errorf(extract.KindConfig, "approve run", "run %d is %s, not held", run, state)
		}
		rows, err := tx.Query(ctx, runApproveSQL, run, who)
		if err != nil {
			return err
		}
		tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil || len(tables) == 0 {
			return err
		}
		a = Approval{Keys: int64(len(tables)), Source: tables[0] == heldSource}
		return audit(ctx, tx, who, "approve", fmt.Sprintf("run %d", run), map[string]int64{"keys": a.Keys})
	})
}
