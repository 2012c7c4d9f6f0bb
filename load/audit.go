package load

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

var (
	//go:embed sql/audit_write.sql
	auditWriteSQL string
	//go:embed sql/audit_list.sql
	auditListSQL string
	//go:embed sql/audit_verify.sql
	auditVerifySQL string
)

// audit writes down a care action in the transaction that does it. The database chains the rows and lets nobody change them.
func audit(ctx context.Context, tx pgx.Tx, actor, action, subject string, detail any) error {
	text, err := json.Marshal(detail)
	if err != nil {
		return fmt.Errorf("write audit: %w", err)
	}
	_, err = tx.Exec(ctx, auditWriteSQL, actor, action, subject, text)
	return err
}

// AuditRow is something that somebody did.
type AuditRow struct {
	ID      int64           `json:"audit_id"`
	At      time.Time       `json:"at"`
	Actor   string          `json:"actor"`
	Action  string          `json:"action"`
	Subject string          `json:"subject"`
	Detail  json.RawMessage `json:"detail"`
}

// Audited lists what people did, newest first: before a row where before is not 0, of one action where that is not empty.
func (w *Warehouse) Audited(ctx context.Context, before int64, action string, limit int) ([]AuditRow, error) {
	rows, err := collect[AuditRow](ctx, w, auditListSQL, before, action, limit)
	return rows, fault("list audit", err)
}

// Chain is what was found of the chain of the audit.
type Chain struct {
	Rows   int64  `json:"rows"`
	Head   string `json:"head"`             // hash of the last row: kept elsewhere, it shows later that no row at the end was taken away
	Broken int64  `json:"broken,omitempty"` // first row that is not what was written, or before which one is gone; 0 where all are
	Why    string `json:"why,omitempty"`
}

// VerifyAudit goes through the whole audit and proves each row by its hash and by that of the row before. head is a hash that was
// noted earlier and must be among them; it may be empty.
func (w *Warehouse) VerifyAudit(ctx context.Context, head string) (Chain, error) {
	var c Chain
	rows, err := w.pool.Query(ctx, auditVerifySQL)
	if err != nil {
		return c, fault("verify audit", err)
	}
	var id int64
	var prev, hash []byte
	var words string
	last, seen := []byte{}, head == ""
	_, err = pgx.ForEachRow(rows, []any{&id, &prev, &hash, &words}, func() error {
		c.Rows++
		own := sha256.Sum256(append(bytes.Clone(prev), words...))
		switch {
		case c.Broken != 0:
		case !bytes.Equal(prev, last):
			c.Broken, c.Why = id, "the row before it is gone, or was put in its place later"
		case !bytes.Equal(hash, own[:]):
			c.Broken, c.Why = id, "it was changed after it was written"
		}
		last = bytes.Clone(hash)
		c.Head = hex.EncodeToString(last)
		seen = seen || c.Head == head
		return nil
	})
	if err != nil {
		return c, fault("verify audit", err)
	}
	if c.Broken == 0 && !seen {
		c.Broken, c.Why = id+1, "no row has the hash that was noted: rows at the end are gone"
	}
	return c, nil
}
