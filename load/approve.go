package load

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"syncd/extract"
)

var (
	//go:embed sql/run_approve.sql
	runApproveSQL string
	//go:embed sql/audit_write.sql
	auditWriteSQL string
)

// Approve lets the deletions pass that the brake held in a run, from the job's next run on, and writes down who said
// so. It answers with the number of keys.
func (w *Warehouse) Approve(ctx context.Context, run int64, who string) (int64, error) {
	var keys int64
	return keys, w.transact(ctx, fmt.Sprintf("approve run %d", run), func(tx pgx.Tx) error {
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
		tag, err := tx.Exec(ctx, runApproveSQL, run, who)
		if err != nil {
			return err
		}
		if keys = tag.RowsAffected(); keys == 0 {
			return nil
		}
		return audit(ctx, tx, who, "approve", fmt.Sprintf("run %d", run), map[string]int64{"keys": keys})
	})
}

// audit writes down a care action in the transaction that does it.
func audit(ctx context.Context, tx pgx.Tx, actor, action, subject string, detail any) error {
	text, err := json.Marshal(detail)
	if err != nil {
		return fmt.Errorf("write audit: %w", err)
	}
	_, err = tx.Exec(ctx, auditWriteSQL, actor, action, subject, text)
	return err
}
