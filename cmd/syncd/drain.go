package main

import (
	"context"
	"log/slog"
	"strings"
	"sync"

	"syncd/extract"
	"syncd/extract/redox"
	"syncd/internal/config"
	"syncd/job"
	"syncd/load"
)

// Test traffic of a receiver is kept apart: in a schema of this ending, by a job of this ending.
const testEnding = "_test"

// stream is what is drained of one receiver into one schema.
type stream struct {
	of     *config.Receiver
	test   bool
	name   string // of the job in the ledger
	schema string
}

func streamsOf(r *config.Receiver) []stream {
	return []stream{
		{of: r, name: r.Name, schema: r.Schema},
		{of: r, test: true, name: r.Name + testEnding, schema: r.Schema + testEnding},
	}
}

func (s stream) source() string { return "redox." + s.of.Name }

func (s stream) open(q *load.Queue, once bool, until <-chan struct{}) job.Open {
	return func(context.Context) (extract.Source, error) {
		return redox.NewSource(q, redox.SourceConfig{
			Receiver: s.of.Name, PatientIDTypes: s.of.PatientIDTypes, Once: once, Until: until,
			Blocked: func(ctx context.Context) (*extract.Blocked, error) {
				return blockedOf(ctx, q, s.of.PurgeKey, s.of.Name, s.of.Schema)
			},
		}), nil
	}
}

// drains lists what the daemon drains of an inbox.
func drains(cfg *config.Config, b *load.Inbox) []job.Drained {
	var all []job.Drained
	for _, name := range cfg.ReceiverNames() {
		for _, s := range streamsOf(cfg.Receivers[name]) {
			queue := sync.OnceValue(func() *load.Queue { return b.Queue(name, s.test) })
			all = append(all, job.Drained{
				Name: s.name, Source: s.source(), Schema: s.schema, Version: strings.Join(s.of.PatientIDTypes, "\n"),
				Due:   func(ctx context.Context) (bool, error) { return queue().Due(ctx) },
				Wait:  func(ctx context.Context) error { return queue().Wait(ctx) },
				Open:  func(until <-chan struct{}) job.Open { return s.open(queue(), false, until) },
				Close: func() { queue().Close() },
			})
		}
	}
	return all
}

// drainOnce drains what is pending of a receiver, here and now, and reports each run. A *load.BusyError says that a daemon is at
// it already.
func (c *cli) drainOnce(w *load.Warehouse, r *config.Receiver, kind string, log *slog.Logger) ([]job.Report, error) {
	b, err := w.Inbox(inboxConns)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	runner := &job.Runner{Warehouse: w, Log: log, Holder: holder()}
	var reports []job.Report
	for _, s := range streamsOf(r) {
		rep, err := drainStream(c.ctx, runner, b, s, kind)
		if rep != nil {
			reports = append(reports, *rep)
		}
		if err != nil {
			return reports, err
		}
	}
	return reports, nil
}

// drainStream drains one stream, where it has anything.
func drainStream(ctx context.Context, runner *job.Runner, b *load.Inbox, s stream, kind string) (*job.Report, error) {
	q := b.Queue(s.of.Name, s.test)
	defer q.Close()
	if due, err := q.Due(ctx); err != nil || !due {
		return nil, err
	}
	rep, err := runner.Run(ctx, load.Order{Job: s.name, Kind: kind, Schema: s.schema, Source: s.source()}, s.open(q, true, nil), job.Options{})
	return &rep, err
}
