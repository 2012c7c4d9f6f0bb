package load

import (
	"context"
	_ "embed"
	"errors"

	"github.com/jackc/pgx/v5"

	"syncd/extract"
)

var (
	//go:embed sql/mark_read.sql
	markReadSQL string
	//go:embed sql/mark_forget.sql
	markForgetSQL string
	//go:embed sql/mark_keep.sql
	markKeepSQL string
	//go:embed sql/mark_drop.sql
	markDropSQL string
	//go:embed sql/memo_read.sql
	memoReadSQL string
	//go:embed sql/memo_keep.sql
	memoKeepSQL string
)

// positionMark is the name under which a position stands among the marks; no source may give it to a mark.
const positionMark = "position"

// restoredMark is the name of the mark of a job whose database was restored: until its next run has read everything, each run does.
const restoredMark = "restored"

// Since says where the run starts: a full run at the beginning, whatever the marks say, and without the position of a
// run that stopped on the way, because what that one read was not compared by this one.
func (r *Run) Since(ctx context.Context, full bool) (extract.Since, error) {
	since := extract.Since{Full: full, Marks: map[string]string{}, Stored: r.Stored()}
	rows, err := r.w.pool.Query(ctx, markReadSQL, r.job)
	if err != nil {
		return since, fault("read marks of "+r.job, err)
	}
	var name, value string
	_, err = pgx.ForEachRow(rows, []any{&name, &value}, func() error {
		switch name {
		case r.position():
			since.Position = value
		case restoredMark:
			full, since.Full = true, true
		default:
			since.Marks[name] = value
		}
		return nil
	})
	if full {
		since.Position = ""
	}
	if err != nil {
		return since, fault("read marks of "+r.job, err)
	}
	err = r.w.pool.QueryRow(ctx, memoReadSQL, r.job).Scan(&since.Memo)
	if errors.Is(err, pgx.ErrNoRows) {
		err = nil
	}
	return since, fault("read memo of "+r.job, err)
}

// position is the name of the run's position: every chunk has its own.
func (r *Run) position() string {
	if r.chunk == "" {
		return positionMark
	}
	return positionMark + ":" + r.chunk
}

// keepMarks stores what a batch says of how far the run has come, in the batch's own transaction: its marks, which
// erase the position, and its memo, or its position. A run of which rows wait for a table has come nowhere: the next one starts
// where this one did, until the table is there.
func (r *Run) keepMarks(ctx context.Context, tx pgx.Tx, b *extract.Batch) error {
	var names, values []string
	for _, m := range b.Marks {
		if m.Name == positionMark || m.Name == restoredMark {
			return extract.Errorf(extract.KindInternal, "keep marks", "a source may not name a mark %q", m.Name)
		}
		names, values = append(names, m.Name), append(values, m.Value)
	}
	switch {
	case len(b.Marks) > 0:
		if _, err := tx.Exec(ctx, markDropSQL, r.job, r.position()); err != nil {
			return err
		}
		if err := r.settleRelease(ctx, tx); err != nil {
			return err
		}
		if r.behind {
			return nil
		}
		if _, err := tx.Exec(ctx, markDropSQL, r.job, restoredMark); err != nil {
			return err
		}
	case b.Position != "" && !r.behind:
		names, values = append(names, r.position()), append(values, b.Position)
	default:
		return nil
	}
	if _, err := tx.Exec(ctx, markKeepSQL, r.job, names, values, r.id); err != nil || b.Memo == nil || len(b.Marks) == 0 {
		return err
	}
	_, err := tx.Exec(ctx, memoKeepSQL, r.job, b.Memo, r.id)
	return err
}
