package load

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

var (
	//go:embed sql/circuit_admit.sql
	circuitAdmitSQL string
	//go:embed sql/circuit_fail.sql
	circuitFailSQL string
	//go:embed sql/circuit_close.sql
	circuitCloseSQL string
	//go:embed sql/circuit_list.sql
	circuitListSQL string
	//go:embed sql/slot_spared.sql
	slotSparedSQL string
	//go:embed sql/slot_ahead.sql
	slotAheadSQL string
)

const (
	// failuresInARow open a circuit: one may be an accident, two a coincidence.
	failuresInARow = 3
	// ProbeEvery is how often one request is sent to a server that is down.
	ProbeEvery = 2 * time.Minute
	// heardFor is how long an answer of the server spares the question whether it is down: requests that follow each other
	// quickly do not ask for each of them. What another process finds out is known here that much later.
	heardFor = 200 * time.Millisecond
)

// Circuit keeps requests from a source whose server is down, over all processes that share a warehouse: its row in
// syncd.circuit counts failures in a row, and is open from the third on until a request succeeds. It is safe for
// concurrent use.
type Circuit struct {
	w      *Warehouse
	source string
	now    func() time.Time          // nil: the clock of Postgres. Tests make their own time
	heard  atomic.Pointer[time.Time] // when the circuit was last closed for an answer that came here; nil after a failure
}

// Circuit returns the circuit of a source by its name in the configuration: "redcap.main".
func (w *Warehouse) Circuit(source string) *Circuit { return &Circuit{w: w, source: source} }

// Outage is an open circuit.
type Outage struct {
	Source  string    `json:"source"`
	Failure string    `json:"failure"` // a few words: "server unreachable"
	Since   time.Time `json:"since"`
	ProbeAt time.Time `json:"probe_at"` // when the next request is let through
	At      time.Time `json:"at"`       // the clock of Postgres when this was read
}

// String says what is down since when: "redcap.main is down since 02:11 (server unreachable)".
func (o *Outage) String() string {
	return fmt.Sprintf("%s is down since %s (%s)", o.Source, o.hour(o.Since), o.Failure)
}

// Refusal is String and when it will be tried again.
func (o *Outage) Refusal() string {
	return fmt.Sprintf("%s; next probe at %s", o, o.hour(o.ProbeAt))
}

// hour leaves the day out where it is the present one.
func (o *Outage) hour(t time.Time) string {
	t, now := t.Local(), o.At.Local()
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format("15:04")
	}
	return t.Format("2006-01-02 15:04")
}

// passKey is under what a context carries the right to probe a source.
type passKey struct{ source string }

// Begin asks for a run what Admit asks for a request. Where a probe is due, the run is it: the context that is returned
// lets its first request through. A nil Outage says that the run may begin, else it is to wait.
func (c *Circuit) Begin(ctx context.Context) (context.Context, *Outage, error) {
	outage, probe, err := c.ask(ctx)
	if err != nil || outage == nil {
		return ctx, nil, err
	}
	if probe {
		return context.WithValue(ctx, passKey{c.source}, new(atomic.Bool)), nil, nil
	}
	return ctx, outage, nil
}

// Admit answers whether a request may be sent: down is empty where it may, else it says why not. probe marks the request
// that is let through to find out whether the server is back; there is one in ProbeEvery, whoever sends it.
func (c *Circuit) Admit(ctx context.Context) (down string, probe bool, err error) {
	if used, ok := ctx.Value(passKey{c.source}).(*atomic.Bool); ok && used.CompareAndSwap(false, true) {
		return "", true, nil
	}
	if c.heardWithin(heardFor) {
		return "", false, nil
	}
	outage, probe, err := c.ask(ctx)
	if err != nil || outage == nil || probe {
		return "", probe, err
	}
	return outage.Refusal(), false, nil
}

// ask reads the circuit, nil where it is closed, and claims the probe where one is due.
func (c *Circuit) ask(ctx context.Context) (*Outage, bool, error) {
	o, probe := &Outage{Source: c.source}, false
	err := c.w.pool.QueryRow(ctx, circuitAdmitSQL, c.source, ProbeEvery, c.instant()).Scan(&o.Failure, &o.Since, &o.ProbeAt, &o.At, &probe)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, false, nil
	case err != nil:
		return nil, false, fault("read the circuit of "+c.source, err)
	case o.ProbeAt.Before(o.At): // another process has claimed it in this moment
		o.ProbeAt = o.At.Add(ProbeEvery)
	}
	return o, probe, nil
}

// Settle counts a request that has ended: failure says in a few words what is wrong with the server, nothing where it
// answered.
func (c *Circuit) Settle(ctx context.Context, failure string) error {
	if failure == "" {
		if c.heardWithin(heardFor / 2) { // so that a server that answers again and again is always heard in time
			return nil
		}
		return c.close(ctx)
	}
	c.heard.Store(nil)
	var opened bool
	err := c.w.pool.QueryRow(ctx, circuitFailSQL, c.source, failure, failuresInARow, ProbeEvery, c.instant()).Scan(&opened)
	if err == nil && opened {
		c.w.log.Warn("source is down, nothing but a probe is sent to it", slog.String("source", c.source), slog.String("reason", failure),
			slog.Duration("wait", ProbeEvery))
	}
	return fault("count a failure of "+c.source, err)
}

// close forgets the failures of a server that answered.
func (c *Circuit) close(ctx context.Context) error {
	at := c.clock()
	var since *time.Time
	err := c.w.pool.QueryRow(ctx, circuitCloseSQL, c.source).Scan(&since)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fault("close the circuit of "+c.source, err)
	}
	c.heard.Store(&at)
	if since != nil {
		c.w.log.Info("source is back", slog.String("source", c.source), slog.Time("down_since", *since))
	}
	return nil
}

// heardWithin reports whether the circuit was closed here so short a time ago.
func (c *Circuit) heardWithin(d time.Duration) bool {
	at := c.heard.Load()
	return at != nil && c.clock().Sub(*at) < d
}

// clock is this process's own.
func (c *Circuit) clock() time.Time {
	if c.now == nil {
		return time.Now()
	}
	return c.now()
}

func (c *Circuit) instant() *time.Time {
	if c.now == nil {
		return nil
	}
	now := c.now()
	return &now
}

// Outages lists the sources that are down.
func (w *Warehouse) Outages(ctx context.Context) ([]Outage, error) {
	all, err := collect[Outage](ctx, w, circuitListSQL)
	return all, fault("list circuits", err)
}

// Outage tells of one source whether it is down, and claims nothing; nil where it is not.
func (w *Warehouse) Outage(ctx context.Context, source string) (*Outage, error) {
	all, err := w.Outages(ctx)
	for i := range all {
		if all[i].Source == source {
			return &all[i], err
		}
	}
	return nil, err
}

// Spared reports whether a slot whose run has just failed owes it to its source being down, and is to be run again: the
// circuit is open, or its last request failed and the slot has had no more runs than open a circuit.
func (w *Warehouse) Spared(ctx context.Context, source string, s Slot) (spared bool, err error) {
	err = w.pool.QueryRow(ctx, slotSparedSQL, source, s.Job, s.Kind, s.At, failuresInARow).Scan(&spared)
	return spared, fault("look whether "+source+" is down", err)
}

// Ahead counts the due slots of jobs of a source that come before one.
func (w *Warehouse) Ahead(ctx context.Context, source string, s Slot) (n int, err error) {
	err = w.pool.QueryRow(ctx, slotAheadSQL, source, s.At, s.Job, s.Kind).Scan(&n)
	return n, fault("count due slots", err)
}
