package load

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"syncd/extract"
)

var (
	//go:embed sql/job_list.sql
	jobListSQL string
	//go:embed sql/run_list.sql
	runListSQL string
	//go:embed sql/run_tables.sql
	runTablesSQL string
	//go:embed sql/run_facts.sql
	runFactsSQL string
	//go:embed sql/run_rejects.sql
	runRejectsSQL string
	//go:embed sql/ready.sql
	readySQL string
)

// Job is a job as the ledger knows it.
type Job struct {
	Job         string     `json:"job"`
	Source      string     `json:"source"`
	Schema      string     `json:"schema"`
	Server      string     `json:"server,omitempty"`
	SourceID    string     `json:"source_id,omitempty"`
	Title       string     `json:"title,omitempty"`
	FirstSeen   time.Time  `json:"first_seen"`
	Last        *LastRun   `json:"last_run"`
	FreshAt     *time.Time `json:"fresh_at"`     // start of the last run that succeeded, or of the last backfill of everything
	ProvenAt    *time.Time `json:"proven_at"`    // start of the last run that was proven
	Rows        *int64     `json:"rows"`         // live rows in all tables, when last counted
	RejectsOpen int64      `json:"rejects_open"` // rows that could not be stored and have not been since
	Held        int64      `json:"held"`         // keys of the last run that wait for approval
	Due         int64      `json:"due"`          // slots that wait to be run
	Next        *time.Time `json:"next"`         // next slot; the ledger does not know it, the schedule does
	SeenAt      time.Time  `json:"seen_at"`      // when a run of it last began, or a daemon last had it in its file
	RetiredAt   *time.Time `json:"retired_at"`   // when it was found to be in no file any more
	RenamedFrom string     `json:"renamed_from,omitempty"`
}

// LastRun is what a list of jobs tells of a job's last run.
type LastRun struct {
	RunID     int64      `json:"run_id"`
	Kind      string     `json:"kind"`
	State     State      `json:"state"`
	Verdict   Verdict    `json:"verdict,omitempty"`
	Reason    string     `json:"verdict_reason,omitempty"`
	StartedAt time.Time  `json:"started_at"`
	EndedAt   *time.Time `json:"ended_at"`
	ErrorKind string     `json:"error_kind,omitempty"`
	Error     string     `json:"error,omitempty"`
	Next      string     `json:"next,omitempty"`
}

// Jobs lists the jobs that were ever seen, by name.
func (w *Warehouse) Jobs(ctx context.Context) ([]Job, error) {
	rows, err := w.pool.Query(ctx, jobListSQL)
	if err != nil {
		return nil, fault("list jobs", err)
	}
	jobs, err := pgx.CollectRows(rows, scanJob)
	return jobs, fault("list jobs", err)
}

func scanJob(row pgx.CollectableRow) (Job, error) {
	var j Job
	var l LastRun
	var id *int64
	var kind, state *string
	var started *time.Time
	err := row.Scan(&j.Job, &j.Source, &j.Schema, &j.Server, &j.SourceID, &j.Title, &j.FirstSeen,
		&id, &kind, &state, &l.Verdict, &l.Reason, &started, &l.EndedAt, &l.ErrorKind, &l.Error, &l.Next,
		&j.FreshAt, &j.ProvenAt, &j.Rows, &j.RejectsOpen, &j.Held, &j.Due, &j.SeenAt, &j.RetiredAt, &j.RenamedFrom)
	if err == nil && id != nil {
		l.RunID, l.Kind, l.State, l.StartedAt = *id, *kind, State(*state), *started
		j.Last = &l
	}
	return j, err
}

// RunFilter selects runs; zero values select all.
type RunFilter struct {
	Job    string
	State  State
	Before int64 // run ID, to page on
	Limit  int   // 0: 50
}

// RunRow is one run in a list.
type RunRow struct {
	RunID     int64      `json:"run_id"`
	Job       string     `json:"job"`
	Kind      string     `json:"kind"`
	SlotAt    *time.Time `json:"slot_at"`
	Chunk     string     `json:"chunk,omitempty"`
	State     State      `json:"state"`
	Verdict   Verdict    `json:"verdict,omitempty"`
	Reason    string     `json:"verdict_reason,omitempty"`
	StartedAt time.Time  `json:"started_at"`
	EndedAt   *time.Time `json:"ended_at"`
	Holder    string     `json:"holder,omitempty"`
	Schema    string     `json:"schema,omitempty"`
	Requests  int64      `json:"requests"`
	Bytes     int64      `json:"bytes"`
	LogRows   int64      `json:"log_rows"`
	Drift     int64      `json:"drift_found"`
	ErrorKind string     `json:"error_kind,omitempty"`
	Error     string     `json:"error,omitempty"`
	Next      string     `json:"next,omitempty"`
	Read      int64      `json:"read"`
	Inserted  int64      `json:"inserted"`
	Updated   int64      `json:"updated"`
	Unchanged int64      `json:"unchanged"`
	Deleted   int64      `json:"deleted"`
	Rejected  int64      `json:"rejected"`
}

const runsShown = 50

// Runs lists runs, newest first.
func (w *Warehouse) Runs(ctx context.Context, f RunFilter) ([]RunRow, error) {
	if f.Limit <= 0 {
		f.Limit = runsShown
	}
	return w.runs(ctx, f, 0)
}

func (w *Warehouse) runs(ctx context.Context, f RunFilter, id int64) ([]RunRow, error) {
	rows, err := w.pool.Query(ctx, runListSQL, f.Job, f.State, f.Before, id, f.Limit)
	if err != nil {
		return nil, fault("list runs", err)
	}
	runs, err := pgx.CollectRows(rows, pgx.RowToStructByPos[RunRow])
	return runs, fault("list runs", err)
}

// RunDetail is all that is kept of one run.
type RunDetail struct {
	RunRow
	Tables     []RunTable    `json:"tables"`
	Proofs     []Proof       `json:"proofs"`
	Warnings   []string      `json:"warnings"`
	Rejects    []RejectCount `json:"rejects"` // first seen by this run
	Batches    int64         `json:"batches"`
	NewRejects int64         `json:"new_rejects"`
	Held       int64         `json:"held"`    // keys that wait for approval
	Renamed    int64         `json:"renamed"` // records that were found under another name
	BeatAt     *time.Time    `json:"beat_at"`
}

// RunTable is what a run did to one table.
type RunTable struct {
	Schema        string `json:"schema_name"`
	Table         string `json:"table_name"`
	Read          int64  `json:"read"`
	Inserted      int64  `json:"inserted"`
	Updated       int64  `json:"updated"`
	Unchanged     int64  `json:"unchanged"`
	Reencoded     int64  `json:"reencoded"`
	Superseded    int64  `json:"superseded"`
	Duplicate     int64  `json:"duplicate"`
	Rejected      int64  `json:"rejected"`
	Blocked       int64  `json:"blocked"`
	Deleted       int64  `json:"deleted"`
	NonConforming int64  `json:"nonconforming"`
	Missing       int64  `json:"missing"`
	Live          *int64 `json:"live"` // rows at the end of the run, where they were counted
}

// RejectCount is how many rows of a table were refused by one rule.
type RejectCount struct {
	Table  string `json:"table_name"`
	Column string `json:"column_name,omitempty"`
	Rule   string `json:"rule"`
	Count  int64  `json:"count"`
}

// RunDetail tells of one run.
func (w *Warehouse) RunDetail(ctx context.Context, id int64) (*RunDetail, error) {
	what := fmt.Sprintf("read run %d", id)
	runs, err := w.runs(ctx, RunFilter{Limit: 1}, id)
	if err != nil {
		return nil, err
	}
	if len(runs) == 0 {
		e := extract.Errorf(extract.KindConfig, "read run", "there is no run %d", id)
		e.Next = "syncd runs lists them"
		return nil, e
	}
	d := &RunDetail{RunRow: runs[0]}
	var proofs []byte
	err = w.pool.QueryRow(ctx, runFactsSQL, id).Scan(&proofs, &d.Warnings, &d.Batches, &d.NewRejects, &d.Held, &d.Renamed, &d.BeatAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, extract.Errorf(extract.KindConfig, "read run", "there is no run %d", id)
	}
	if err != nil {
		return nil, fault(what, err)
	}
	if err := json.Unmarshal(proofs, &d.Proofs); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if d.Tables, err = collect[RunTable](ctx, w, runTablesSQL, id); err != nil {
		return nil, fault(what, err)
	}
	d.Rejects, err = collect[RejectCount](ctx, w, runRejectsSQL, id)
	return d, fault(what, err)
}

// Ready commits a row, which is what readiness means.
func (w *Warehouse) Ready(ctx context.Context) error {
	_, err := w.pool.Exec(ctx, readySQL)
	return fault("commit a row", err)
}

// Now reads the clock of Postgres, by which replicas agree.
func (w *Warehouse) Now(ctx context.Context) (now time.Time, err error) {
	err = w.pool.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&now)
	return now, fault("read the clock of Postgres", err)
}

func collect[T any](ctx context.Context, w *Warehouse, query string, args ...any) ([]T, error) {
	rows, err := w.pool.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[T])
}
