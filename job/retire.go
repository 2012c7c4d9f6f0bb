package job

import (
	"context"
	"log/slog"
	"time"

	"syncd/load"
)

// retireEvery is how often the planner looks for jobs that are in no file any more.
const retireEvery = time.Minute

// order asks for a run of a job that this replica has.
func (e *Engine) order(j Planned, kind string) load.Order {
	return load.Order{Job: j.Name, Kind: kind, Schema: j.Schema, Source: j.Source, Present: e.present(), ByName: j.ByName}
}

// present are the names of the jobs and drains that this replica has.
func (e *Engine) present() []string {
	var names []string
	for _, j := range e.all() {
		names = append(names, j.Name)
	}
	return append(names, e.drains.names()...)
}

// retire marks jobs that no replica has any more.
func (e *Engine) retire(ctx context.Context, now time.Time) error {
	if now.Sub(e.retired).Abs() < retireEvery {
		return nil
	}
	names, err := e.Warehouse.Retire(ctx, e.present())
	if err != nil {
		return err
	}
	e.retired = now
	for _, name := range names {
		e.Log.Info("job is retired: it is in no jobs.toml any more, and its tables stay", slog.String("job", name))
	}
	return nil
}
