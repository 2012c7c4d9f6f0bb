package load

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"syncd/extract"
)

var (
	//go:embed sql/care_take.sql
	careTakeSQL string
	//go:embed sql/care_beat.sql
	careBeatSQL string
	//go:embed sql/care_end.sql
	careEndSQL string
	//go:embed sql/care_last.sql
	careLastSQL string
	//go:embed sql/care_rejects.sql
	careRejectsSQL string
	//go:embed sql/care_runs.sql
	careRunsSQL string
	//go:embed sql/care_slots.sql
	careSlotsSQL string
)

// Rows are removed in portions, so that nobody waits for long and nothing is lost when it is cut off.
const (
	careAtOnce  = 5000
	careSilence = 10 * time.Minute // after which another replica goes on with what one has begun
	retention   = "retention"
)

// Kept says how long what one job or receiver left is kept; 0 is for ever.
type Kept struct {
	Job                        string
	Schemas                    []string // base schemas
	Receiver                   bool
	Payloads, Rejects, Deleted time.Duration
	Held                       bool // nothing goes
}

// Removed counts what was removed because its time was over, by kind: payloads, rejects, deleted, runs, slots.
type Removed map[string]int64

// Tend removes what is older than it is to be kept, once for a day and by one replica: day is a date of whatever zone. It answers false
// where that was done, or is being done, by another.
func (w *Warehouse) Tend(ctx context.Context, b *Inbox, day time.Time, holder string, all []Kept, runs time.Duration) (Removed, bool, error) {
	var took bool
	date := day.Format(time.DateOnly)
	err := w.pool.QueryRow(ctx, careTakeSQL, retention, date, holder, careSilence).Scan(&took)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fault("begin retention", err)
	}
	now, err := w.Now(ctx)
	if err != nil {
		return nil, false, err
	}
	c := &care{w: w, inbox: b, now: now, date: date, holder: holder, removed: Removed{}}
	if b != nil {
		gone, err := b.dropMonths(ctx, now, all)
		if err != nil {
			return c.removed, true, err
		}
		if err := c.count(ctx, "payloads", gone); err != nil {
			return c.removed, true, err
		}
	}
	for _, k := range all {
		if k.Held {
			c.held = append(c.held, k.Job)
			continue
		}
		if err := c.tend(ctx, k); err != nil {
			return c.removed, true, err
		}
	}
	if err := c.runs(ctx, runs); err != nil {
		return c.removed, true, err
	}
	return c.removed, true, c.end(ctx)
}

// care is what is removed on one day.
type care struct {
	w       *Warehouse
	inbox   *Inbox // nil where there are no receivers
	now     time.Time
	date    string
	holder  string
	held    []string
	removed Removed
}

// count adds to what was removed, and says that this replica is still at it.
func (c *care) count(ctx context.Context, what string, n int64) error {
	c.removed[what] += n
	counts, err := json.Marshal(c.removed)
	if err != nil {
		return err
	}
	_, err = c.w.pool.Exec(ctx, careBeatSQL, retention, c.date, c.holder, counts)
	return fault("go on with retention", err)
}

func (c *care) tend(ctx context.Context, k Kept) error {
	if k.Receiver && k.Payloads > 0 && c.inbox != nil {
		var unread int64
		if k.Rejects > 0 { // what could not be read is looked into for as long as rejects are
			var err error
			if unread, err = c.inbox.expire(ctx, k.Job, c.now.Add(-max(k.Payloads, k.Rejects)), extract.Rejected); err != nil {
				return err
			}
		}
		gone, err := c.inbox.Expire(ctx, k.Job, c.now.Add(-k.Payloads), c.now)
		if gone += unread; err != nil {
			return err
		}
		if err := c.count(ctx, "payloads", gone); err != nil {
			return err
		}
	}
	if k.Rejects > 0 {
		if err := c.portions(ctx, "rejects", careRejectsSQL, k.Job, c.now.Add(-k.Rejects), careAtOnce); err != nil {
			return err
		}
	}
	if k.Deleted == 0 {
		return nil
	}
	for _, schema := range k.Schemas {
		if err := c.archives(ctx, schema, c.now.Add(-k.Deleted)); err != nil {
			return err
		}
	}
	return nil
}

// portions repeats a statement until it finds no more.
func (c *care) portions(ctx context.Context, what, sql string, args ...any) error {
	for {
		tag, err := c.w.pool.Exec(ctx, sql, args...)
		if err != nil {
			return fault("remove "+what, err)
		}
		if err := c.count(ctx, what, tag.RowsAffected()); err != nil {
			return err
		}
		if tag.RowsAffected() < careAtOnce {
			return nil
		}
	}
}

// archives removes rows that were moved out long ago. Where the archive tells which state of a thing was the last, that stays, and nothing
// else of it: an older state that comes late must not bring the thing back.
func (c *care) archives(ctx context.Context, schema string, before time.Time) error {
	s, err := readStored(ctx, c.w.pool, schema)
	if err != nil {
		return fault("read tables of "+schema, err)
	}
	for p, t := range s {
		if p.side != archiveSide || !t.exists || !t.isTable || t.names["_deleted_at"] == nil {
			continue
		}
		if err := c.portions(ctx, "deleted", expireArchive(t), before, careAtOnce); err != nil {
			return err
		}
	}
	return nil
}

// runs removes runs to which nothing refers that is still open, and the slots that they settled.
func (c *care) runs(ctx context.Context, keep time.Duration) error {
	if keep == 0 {
		return nil
	}
	held := append([]string{}, c.held...)
	if err := c.portions(ctx, "runs", careRunsSQL, c.now.Add(-keep), held, careAtOnce); err != nil {
		return err
	}
	return c.portions(ctx, "slots", careSlotsSQL, c.now.Add(-keep), held, careAtOnce)
}

// end says that the day is done, in the ledger and in the audit.
func (c *care) end(ctx context.Context) error {
	return c.w.transact(ctx, "end retention", func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, careEndSQL, retention, c.date, c.holder)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		return audit(ctx, tx, c.holder, retention, c.date, map[string]any{"removed": c.removed, "legal_hold": append([]string{}, c.held...)})
	})
}

// LastCare is when what is older than it is to be kept was last removed, and how much that was.
type LastCare struct {
	Day     string
	EndedAt time.Time
	Removed Removed
}

// LastCare tells of the last day that was done; nil where there was none.
func (w *Warehouse) LastCare(ctx context.Context) (*LastCare, error) {
	var l LastCare
	var counts []byte
	err := w.pool.QueryRow(ctx, careLastSQL, retention).Scan(&l.Day, &l.EndedAt, &counts)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(counts, &l.Removed)
	}
	if err != nil {
		return nil, fault("read retention", err)
	}
	return &l, nil
}

// expireArchive removes rows of an archive that were moved out before $1, at most $2; of one that carries versions it empties them, but
// for key and version.
func expireArchive(t *table) string {
	at := name(t.schema, t.name)
	old := "SELECT ctid FROM " + at + " WHERE _deleted_at < $1"
	if t.names[versionColumn] == nil {
		return "DELETE FROM " + at + " WHERE ctid = ANY (ARRAY(" + old + " LIMIT $2))"
	}
	var set, full []string
	for column := range t.names {
		if slices.Contains(t.primary, column) || strings.HasPrefix(column, "_") && column != nonConformingColumn && column != missingColumn && column != extraColumn {
			continue
		}
		set, full = append(set, ident(column)+" = NULL"), append(full, ident(column)+" IS NOT NULL")
	}
	slices.Sort(set)
	slices.Sort(full)
	return "UPDATE " + at + " SET " + strings.Join(set, ", ") + " WHERE ctid = ANY (ARRAY(" + old + " AND (" + strings.Join(full, " OR ") + ") LIMIT $2))"
}
