package load

import (
	"context"
	"errors"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"

	"syncd/extract"
)

// stage merges rows through the connection's stage of this shape: what is stored under a key is replaced, the rest
// inserted.
func (r *Run) stage(ctx context.Context, s *session, in *intake, rows []int, now clock) error {
	stage := stageName(in.sh)
	if err := s.needStage(ctx, stage, in.sh); err != nil {
		return err
	}
	return r.mergeStage(ctx, s, in, rows, stage, now)
}

func (r *Run) mergeStage(ctx context.Context, s *session, in *intake, rows []int, stage string, now clock) error {
	text := &copyText{rows: rows, buf: r.state.copyBuf[:0], line: func(dst []byte, row int) []byte {
		dst = append(strconv.AppendInt(dst, int64(row), 10), '\t')
		dst = append(appendUUID(in.appendCells(dst, row), in.fps[row]), '\t')
		return append(in.appendVersion(in.appendNotes(dst, &r.state.hasher.notes, row), row), '\n')
	}}
	_, err := s.pg.CopyFrom(ctx, text, copyStage(stage, in.sh))
	r.state.copyBuf = text.buf
	if err != nil {
		return refusedAt(err, in, rows)
	}
	var inserted, updated int64
	err = s.tx.QueryRow(ctx, upsertStage(in.sh, stage), r.id, now.at).Scan(&inserted, &updated)
	if err != nil {
		return err
	}
	in.counts.Inserted += inserted
	in.counts.Updated += updated
	return counted(in.sh.t, inserted+updated, len(rows))
}

// needStage makes the stage of a shape on this connection. Beyond a few the oldest goes: every stage is emptied at
// every commit that used one.
func (s *session) needStage(ctx context.Context, stage string, sh *shape) error {
	if s.kept.stages[stage] {
		return nil
	}
	for _, made := range s.made {
		if made == stage {
			return nil
		}
	}
	if len(s.kept.order) >= stageLimit {
		oldest := s.kept.order[0]
		if err := s.simple(ctx, "DROP TABLE "+name("pg_temp", oldest)); err != nil {
			return err
		}
		s.kept.order = s.kept.order[1:]
		delete(s.kept.stages, oldest)
	}
	if err := s.simple(ctx, createStage(stage, sh)); err != nil {
		return err
	}
	s.made = append(s.made, stage)
	return nil
}

// bisect merges rows one half at a time, each inside a savepoint, until the rows that Postgres refuses stand alone.
// It is the way of a batch that was refused without a line to blame.
func (r *Run) bisect(ctx context.Context, s *session, in *intake, rows []int, now clock) error {
	stage := stageName(in.sh)
	if err := s.needStage(ctx, stage, in.sh); err != nil {
		return err
	}
	if err := s.simple(ctx, "SAVEPOINT half; TRUNCATE "+name("pg_temp", stage)); err != nil {
		return err
	}
	before := in.counts
	err := r.mergeStage(ctx, s, in, rows, stage, now)
	if err == nil {
		return s.simple(ctx, "RELEASE SAVEPOINT half")
	}
	state, ok := refusedState(err)
	if !ok {
		return err
	}
	in.counts = before
	if err := s.simple(ctx, "ROLLBACK TO SAVEPOINT half; RELEASE SAVEPOINT half"); err != nil {
		return err
	}
	if len(rows) == 1 {
		return r.refuse(in, rows[0], state)
	}
	half := len(rows) / 2
	if err := r.bisect(ctx, s, in, rows[:half], now); err != nil {
		return err
	}
	return r.bisect(ctx, s, in, rows[half:], now)
}

func refusedState(err error) (string, bool) {
	var row *refusedRow
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &row):
		return row.state, true
	case errors.As(err, &pg) && aboutData(pg):
		return pg.Code, true
	}
	return "", false
}

// refuse makes a reject of a row that Postgres refused. Too many of them are no longer a matter of single rows.
func (r *Run) refuse(in *intake, row int, state string) error {
	if r.state.refused++; r.state.refused > refusedLimit {
		return &extract.Error{
			Kind: extract.KindPostgres, What: "load batch", Where: in.sh.t.String(),
			Cause: errors.New("Postgres refused more than " + strconv.Itoa(refusedLimit) + " rows of this run (SQLSTATE " + state + ")"),
			Next:  "look for a constraint or trigger that was added to the table; syncd plan shows what it should be",
		}
	}
	in.reject(row, state)
	return nil
}

// refusedLimit is how many rows Postgres may refuse in one run.
const refusedLimit = 100

// simple runs statements that answer nothing.
func (s *session) simple(ctx context.Context, sql string) error {
	_, err := s.pg.Exec(ctx, sql).ReadAll()
	return err
}

// exec runs one statement with binary arrays as parameters and compares the number of rows it touched.
func (s *session) exec(ctx context.Context, sql string, params [][]byte, want int) error {
	n, err := s.touch(ctx, sql, params)
	if err == nil && n != int64(want) {
		return extract.Errorf(extract.KindInternal, "load batch", "a statement touched %d rows instead of %d", n, want)
	}
	return err
}

// touch runs one statement with binary arrays as parameters.
func (s *session) touch(ctx context.Context, sql string, params [][]byte) (int64, error) {
	result := s.pg.ExecParams(ctx, sql, params, nil, []int16{asBinary}, nil).Read()
	return result.CommandTag.RowsAffected(), result.Err
}
