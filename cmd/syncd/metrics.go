package main

import (
	"context"
	"slices"
	"strconv"
	"time"

	"syncd/extract"
	"syncd/extract/redox"
	"syncd/load"
	"syncd/ops"
)

// The metrics of receivers. Senders and event types are no labels: there is no bound to them.
var (
	intakeRequests = &ops.Family{
		Name: "intake_requests_total", Help: "Requests to receivers by what they were and how they were answered, since the start of the process.",
		Labels: []string{"receiver", "kind", "status"}, Counter: true,
	}
	intakeLast = &ops.Family{
		Name: "intake_last_received_timestamp_seconds", Help: "When this process last kept a delivery of a model that is no test.",
		Labels: []string{"receiver", "model"},
	}
	intakePending = &ops.Family{Name: "intake_pending", Help: "Deliveries that are kept and not applied yet.", Labels: []string{"receiver"}}
	intakeOldest  = &ops.Family{
		Name: "intake_oldest_pending_seconds", Help: "Age of the oldest delivery that is kept and not applied yet; 0 where there is none.",
		Labels: []string{"receiver"},
	}
	intakeProduction = &ops.Family{
		Name: "intake_last_production_timestamp_seconds", Help: "When the last delivery came in that is no test, on any replica.",
		Labels: []string{"receiver"},
	}
	intakeSettled = &ops.Family{
		Name: "intake_deliveries_total", Help: "Deliveries by what became of them, over all replicas.",
		Labels: []string{"receiver", "model", "outcome"}, Counter: true,
	}
)

// sourceClock is the metric of sources. There are as many as jobs.toml names.
var sourceClock = &ops.Family{
	Name: "source_clock_offset_seconds", Help: "The clock of a source minus that of this machine, as the last run of this process learnt it from the Date of its answers.",
	Labels: []string{"source"},
}

// tellClocks tells how far the clocks of sources are off.
func tellClocks(from func() *sources) ops.Tell {
	return func(context.Context) ([]ops.Sample, error) {
		var all []ops.Sample
		for name, offset := range from().offsets() {
			all = append(all, ops.Sample{Of: sourceClock, Labels: []string{name}, Value: offset.Seconds()})
		}
		return all, nil
	}
}

// tellTally tells what this process has answered.
func tellTally(tally *redox.Tally) ops.Tell {
	return func(context.Context) ([]ops.Sample, error) {
		var all []ops.Sample
		s := tally.Snapshot()
		for _, o := range s.Outcomes {
			all = append(all, ops.Sample{Of: intakeRequests, Labels: []string{o.Receiver, string(o.Kind), strconv.Itoa(o.Status)}, Value: float64(o.Requests)})
		}
		for _, l := range s.Last {
			all = append(all, ops.Sample{Of: intakeLast, Labels: []string{l.Receiver, l.Model}, Value: float64(l.At.Unix())})
		}
		return all, nil
	}
}

// tellReceivers tells how receivers stand in the ledger. Of configured receivers only, and by known models: both are bounded.
func tellReceivers(w *load.Warehouse, configured func() []string, now func() time.Time) ops.Tell {
	return func(ctx context.Context) ([]ops.Sample, error) {
		known, names := map[string]load.Receiver{}, configured()
		receivers, err := w.Receivers(ctx)
		if err != nil {
			return nil, err
		}
		for _, r := range receivers {
			known[r.Name] = r
		}
		var all []ops.Sample
		for _, name := range names {
			r, age := known[name], 0.0
			if r.OldestPending != nil {
				age = now().Sub(*r.OldestPending).Seconds()
			}
			all = append(all, ops.Sample{Of: intakePending, Labels: []string{name}, Value: float64(r.Pending)},
				ops.Sample{Of: intakeOldest, Labels: []string{name}, Value: age})
			if r.LastProduction != nil {
				all = append(all, ops.Sample{Of: intakeProduction, Labels: []string{name}, Value: float64(r.LastProduction.Unix())})
			}
		}
		traffic, err := w.Traffic(ctx)
		return append(all, settledBy(traffic, names)...), err
	}
}

type settledKey struct{ receiver, model, outcome string }

// settledBy adds up what became of deliveries; models that we do not know are one.
func settledBy(traffic []load.Traffic, names []string) []ops.Sample {
	sums := map[settledKey]int64{}
	var order []settledKey
	for _, t := range traffic {
		if !slices.Contains(names, t.Receiver) || t.Outcome == string(extract.Pending) {
			continue
		}
		key := settledKey{t.Receiver, redox.KnownModel(t.Model), t.Outcome}
		if _, seen := sums[key]; !seen {
			order = append(order, key)
		}
		sums[key] += t.Deliveries
	}
	var all []ops.Sample
	for _, key := range order {
		all = append(all, ops.Sample{Of: intakeSettled, Labels: []string{key.receiver, key.model, key.outcome}, Value: float64(sums[key])})
	}
	return all
}
