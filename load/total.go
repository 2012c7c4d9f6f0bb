package load

import (
	"context"
	_ "embed"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

var (
	//go:embed sql/total_runs.sql
	totalRunsSQL string
	//go:embed sql/total_rows.sql
	totalRowsSQL string
	//go:embed sql/total_slots.sql
	totalSlotsSQL string
	//go:embed sql/total_chunks.sql
	totalChunksSQL string
	//go:embed sql/total_sources.sql
	totalSourcesSQL string
	//go:embed sql/total_budgets.sql
	totalBudgetsSQL string
	//go:embed sql/total_messages.sql
	totalMessagesSQL string
)

// Totals are figures of the whole ledger: any replica tells the same.
type Totals struct {
	Runs     []RunTotal
	Rows     []RowTotal
	Slots    []SlotTotal
	Chunks   []ChunkTotal
	Sources  []SourceTotal
	Budgets  []BudgetTotal
	Messages []MessageTotal
}

// RunTotal is how many runs ended in one way, since the first.
type RunTotal struct {
	Job, Kind, State, Verdict string
	Runs                      int64
	Seconds                   float64
	Requests, Bytes           int64
	Source                    string
}

// RowTotal is how many rows had one outcome.
type RowTotal struct {
	Job, Outcome string
	Rows         int64
}

// SlotTotal is how many slots are in one state: waiting is due, of a source that is down.
type SlotTotal struct {
	Job, Kind, State string
	Slots            int64
	Ended            bool // they do not change any more, and are counted since the first
}

// ChunkTotal is how many chunks of a job's open backfill are in one state.
type ChunkTotal struct {
	Job, State string
	Chunks     int64
}

// SourceTotal is how a source answers.
type SourceTotal struct {
	Source   string
	Failures int64 // in a row
	Down     *time.Time
}

// BudgetTotal is how long the next request to a host would wait.
type BudgetTotal struct {
	Host string
	Wait float64 // seconds
}

// MessageTotal is what a notifier has to send.
type MessageTotal struct {
	Notifier         string
	Pending, GivenUp int64
}

// Totals reads the figures of the ledger. Its cost follows jobs, not years.
func (w *Warehouse) Totals(ctx context.Context) (t Totals, err error) {
	err = pgx.BeginTxFunc(ctx, w.pool, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		errs := [...]error{
			into(ctx, tx, &t.Runs, totalRunsSQL),
			into(ctx, tx, &t.Rows, totalRowsSQL),
			into(ctx, tx, &t.Slots, totalSlotsSQL),
			into(ctx, tx, &t.Chunks, totalChunksSQL),
			into(ctx, tx, &t.Sources, totalSourcesSQL),
			into(ctx, tx, &t.Budgets, totalBudgetsSQL),
			into(ctx, tx, &t.Messages, totalMessagesSQL),
		}
		return errors.Join(errs[:]...)
	})
	return t, fault("read totals", err)
}
