package load

import (
	"context"
	_ "embed"
	"errors"

	"github.com/jackc/pgx/v5"

	"syncd/extract"
)

var (
	//go:embed sql/job_forget.sql
	jobForgetSQL string
	//go:embed sql/schema_sides.sql
	schemaSidesSQL string
)

// Forget takes a job that is in no configuration out of the ledger, and writes down who said so. Its tables stay: it answers with
// the schemas that hold them. A job that is at work is left alone (*BusyError).
func (w *Warehouse) Forget(ctx context.Context, job, who string) ([]string, error) {
	var schemas []string
	return schemas, w.transact(ctx, "forget job "+job, func(tx pgx.Tx) error {
		if _, err := takeClaim(ctx, tx, job, ""); err != nil {
			return err
		}
		var schema string
		err := tx.QueryRow(ctx, jobForgetSQL, job).Scan(&schema)
		if errors.Is(err, pgx.ErrNoRows) {
			return extract.Errorf(extract.KindConfig, "forget job "+job, "the ledger knows no job of that name")
		}
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, schemaSidesSQL, schema)
		if err != nil {
			return err
		}
		if schemas, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			return err
		}
		return audit(ctx, tx, who, "forget", "job "+job, map[string]string{"schema": schema})
	})
}
