package load

import (
	"context"
	"log/slog"
)

// freshness says whether the planner knows how large a table is.
type freshness struct {
	asked bool
	rows  float64 // when the table was last analyzed; at most 0 where it never was
	since int64   // rows inserted by this run since then
}

// A table is analyzed when it has grown by so much: first when it has a few rows, then at each multiple.
const (
	analyzeFrom = 500
	analyzeAt   = 10
)

// analyze tells the planner of tables that have grown far beyond what it knows of them. Without statistics it cannot tell the index of
// a key from another one that begins with the same column, and would read all rows of a sender for each key. Autovacuum does the same, a
// minute later at best. What fails here costs speed only.
func (r *Run) analyze(ctx context.Context, w *work) {
	if len(w.b.Settled) == 0 {
		return // sources that list their records ask by keys that begin with the record
	}
	for _, in := range w.intakes {
		s := &in.sh.stats
		s.since += in.counts.Inserted
		if s.since < analyzeFrom || in.sh.t.blocked != "" {
			continue
		}
		if !s.asked {
			s.asked = true
			if err := r.w.pool.QueryRow(ctx, "SELECT reltuples FROM pg_class WHERE oid = $1", in.sh.t.oid).Scan(&s.rows); err != nil {
				return
			}
		}
		if float64(s.since) < s.rows*analyzeAt {
			continue
		}
		if _, err := r.w.pool.Exec(ctx, "ANALYZE "+name(in.sh.t.schema, in.sh.t.name)); err != nil {
			r.w.log.Debug("table was not analyzed", slog.String("table", in.sh.t.String()), slog.Any("error", fault("analyze", err)))
			return
		}
		s.rows, s.since = max(s.rows, 0)+float64(s.since), 0
	}
}
