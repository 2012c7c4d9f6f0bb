package load

import (
	"context"
	_ "embed"
	"errors"

	"github.com/jackc/pgx/v5"

	"syncd/extract"
)

var (
	//go:embed sql/blocked_list.sql
	blockedListSQL string
	//go:embed sql/blocked_any.sql
	blockedAnySQL string
	//go:embed sql/schema_of.sql
	schemaOfSQL string
	//go:embed sql/blocked_keep.sql
	blockedKeepSQL string
	//go:embed sql/payload_erase.sql
	payloadEraseSQL string
)

// SchemaOf is the schema that the tables of a job or receiver are in: otherwise, where nothing was ever loaded.
func (w *Warehouse) SchemaOf(ctx context.Context, job, otherwise string) (schema string, err error) {
	err = w.pool.QueryRow(ctx, schemaOfSQL, job).Scan(&schema)
	if errors.Is(err, pgx.ErrNoRows) {
		return otherwise, nil
	}
	return schema, fault("find the schema of "+job, err)
}

// AnyBlocked reports whether anybody was ever purged from the database.
func (w *Warehouse) AnyBlocked(ctx context.Context) (some bool, err error) {
	err = w.pool.QueryRow(ctx, blockedAnySQL).Scan(&some)
	return some, fault("read who was purged", err)
}

// Blocked lists the hashes of the persons who were purged from a job's schema, which is that of the ledger, or the one given where the
// ledger does not know the job; and says which.
func (w *Warehouse) Blocked(ctx context.Context, job, schema string) (at string, hashes [][32]byte, err error) {
	return blocked(ctx, w.pool, job, schema)
}

// Blocked does so for a receiver.
func (q *Queue) Blocked(ctx context.Context, receiver, schema string) (at string, hashes [][32]byte, err error) {
	return blocked(ctx, q.inbox.pool, receiver, schema)
}

func blocked(ctx context.Context, q querier, job, schema string) (at string, hashes [][32]byte, err error) {
	rows, err := q.Query(ctx, blockedListSQL, job, schema)
	if err != nil {
		return "", nil, fault("read who was purged", err)
	}
	var hash []byte
	_, err = pgx.ForEachRow(rows, []any{&at, &hash}, func() error {
		if hash != nil {
			hashes = append(hashes, [32]byte(hash))
		}
		return nil
	})
	return at, hashes, fault("read who was purged", err)
}

// countBlocked adds to the counts of a batch what its source left out because it is about people who were purged.
func (r *Run) countBlocked(w *work) error {
	for _, b := range w.b.Blocked {
		sh, err := r.tables.of(b.Table)
		if err != nil {
			return err
		}
		left := Counts{Read: b.Rows, Blocked: b.Rows, Purged: b.Rows}
		at := TableResult{Schema: sh.t.schema, Table: sh.t.logical(), Counts: left}
		for i := range w.result.Tables {
			if t := &w.result.Tables[i]; t.Schema == at.Schema && t.Table == at.Table {
				t.Add(left)
				at.Table = ""
			}
		}
		if at.Table != "" {
			w.result.Tables = append(w.result.Tables, at)
		}
	}
	return nil
}

// eraseDeliveries deletes the bytes of deliveries about people who were purged, in the transaction that settles them.
func eraseDeliveries(ctx context.Context, tx pgx.Tx, settled []extract.Settled) error {
	var seqs []int64
	for _, one := range settled {
		if one.Erase {
			seqs = append(seqs, one.Seq)
		}
	}
	if len(seqs) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, payloadEraseSQL, seqs)
	return err
}
