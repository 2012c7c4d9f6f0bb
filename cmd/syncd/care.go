package main

import (
	"context"
	"log/slog"
	"time"

	"syncd/internal/config"
	"syncd/load"
	"syncd/ops"
)

const (
	tendEvery = 10 * time.Minute // how often a replica looks whether the day is done
	tendHour  = 3                // of the day, in the timezone of jobs.toml: then nobody waits for the disks
)

// startTending starts to tend, and returns what ends that and waits for it.
func (c *cli) startTending(ctx context.Context, now func() *config.Config, w *load.Warehouse, inbox func() *load.Inbox, log *slog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.tend(ctx, now, w, inbox, log)
	}()
	return func() {
		cancel()
		<-done
	}
}

// tend removes what is older than it is to be kept, each night, until ctx ends. Of several replicas one does it.
func (c *cli) tend(ctx context.Context, now func() *config.Config, w *load.Warehouse, inbox func() *load.Inbox, log *slog.Logger) {
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	for {
		c.tendOnce(ctx, now(), w, inbox(), log)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// tendOnce does what is due. What fails is tried again at the next look.
func (c *cli) tendOnce(ctx context.Context, cfg *config.Config, w *load.Warehouse, b *load.Inbox, log *slog.Logger) {
	at, err := w.Now(ctx)
	if err != nil {
		return // the planner complains
	}
	at = at.In(cfg.Zone)
	if at.Hour() < tendHour {
		return
	}
	kept, err := keptBy(ctx, cfg, w)
	if err == nil {
		var removed load.Removed
		var did bool
		if removed, did, err = w.Tend(ctx, b, at, holder(), kept, cfg.RunsKept()); did && err == nil {
			attrs := []any{slog.String("day", at.Format(time.DateOnly))}
			for _, what := range removals() {
				attrs = append(attrs, slog.Int64(what, removed[what]))
			}
			log.Info("retention: what was older than it is kept is removed", attrs...)
		}
	}
	if err != nil && ctx.Err() == nil {
		log.Warn("retention could not be carried out, tried again in ten minutes", slog.Any("error", err))
	}
}

// keptBy says of every job and receiver how long it keeps what, in the schemas that the ledger has for it.
func keptBy(ctx context.Context, cfg *config.Config, w *load.Warehouse) ([]load.Kept, error) {
	var all []load.Kept
	add := func(name, schema string, receiver bool, more ...string) error {
		k := cfg.KeptBy(name)
		at, err := w.SchemaOf(ctx, name, schema)
		if err != nil {
			return err
		}
		all = append(all, load.Kept{
			Job: name, Schemas: append([]string{at}, more...), Receiver: receiver,
			Payloads: k.Payloads, Rejects: k.Rejects, Deleted: k.Deleted, Held: k.Held,
		})
		return nil
	}
	for _, name := range cfg.Names() {
		if err := add(name, cfg.Jobs[name].Schema, false); err != nil {
			return nil, err
		}
	}
	for _, name := range cfg.ReceiverNames() {
		r := cfg.Receivers[name]
		if err := add(name, r.Schema, true); err != nil {
			return nil, err
		}
		k := all[len(all)-1]
		k.Job, k.Schemas, k.Receiver = name+testEnding, []string{r.Schema + testEnding}, false
		all = append(all, k)
	}
	return all, nil
}

var (
	retentionLast    = ofLedger("retention_last_timestamp_seconds", "When what is older than it is to be kept was last removed.", false)
	retentionRemoved = ofLedger("retention_last_removed", "How much that removed.", false, "what")
)

// tellCare tells when retention was last carried out, and how much it removed.
func tellCare(w *load.Warehouse) ops.Tell {
	return func(ctx context.Context) ([]ops.Sample, error) {
		last, err := w.LastCare(ctx)
		if err != nil || last == nil {
			return nil, err
		}
		all := []ops.Sample{{Of: retentionLast, Value: float64(last.EndedAt.Unix())}}
		for _, what := range removals() {
			all = append(all, ops.Sample{Of: retentionRemoved, Labels: []string{what}, Value: float64(last.Removed[what])})
		}
		return all, nil
	}
}

// removals are what retention removes.
func removals() []string { return []string{"payloads", "rejects", "deleted", "runs", "slots"} }
