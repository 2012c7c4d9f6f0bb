package job

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"syncd/extract"
	"syncd/internal/pgtest"
	"syncd/load"
)

// clinic is a source made in Go: people with some visits each. Its fields are read and written under mu, because
// an engine pulls while the test changes it.
type clinic struct {
	mu     sync.Mutex
	visits map[string]int // by record ID
	batch  int            // people in a batch; 0: 3

	name     string                                            // in front of every name; "name of " unless set
	id       string                                            // "1" unless set
	describe func(ctx context.Context) error                   // before Describe
	before   func(ctx context.Context, batch int) error        // before each batch
	after    func(ctx context.Context, p *extract.Proof) error // before Pull returns
	pulls    int
}

func newClinic(people int) *clinic {
	c := &clinic{visits: map[string]int{}, id: "1"}
	for i := range people {
		c.visits[fmt.Sprintf("p%02d", i)] = 1 + i%2
	}
	return c
}

func personTable() *extract.Table {
	return &extract.Table{Name: "person", Source: "person", Columns: []extract.Column{
		{Name: "record_id", Source: "record_id", Field: "record_id", Type: extract.Text, Key: true},
		{Name: "name", Source: "name", Field: "name", Type: extract.Text},
	}}
}

func visitTable() *extract.Table {
	return &extract.Table{Name: "visit", Source: "visit", Columns: []extract.Column{
		{Name: "record_id", Source: "record_id", Field: "record_id", Type: extract.Text, Key: true},
		{Name: "instance", Source: "instance", Field: "instance", Type: extract.Integer, Key: true},
		{Name: "weight", Source: "weight", Field: "weight", Type: extract.Integer},
	}}
}

// pull is one opened clinic: it serves one run.
type pull struct {
	*clinic
	person, visit *extract.Table
}

// holdAt keeps a pull before its batch of this number, which it tells, until leave is closed or the run is cut.
func (c *clinic) holdAt(batch int) (entered <-chan struct{}, leave chan struct{}) {
	came, leave := make(chan struct{}, 1), make(chan struct{})
	c.before = func(ctx context.Context, n int) error {
		if n != batch {
			return nil
		}
		came <- struct{}{}
		select {
		case <-leave:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return came, leave
}

func (c *clinic) open(context.Context) (extract.Source, error) {
	return &pull{clinic: c, person: personTable(), visit: visitTable()}, nil
}

func (p *pull) Describe(ctx context.Context, _ extract.Since) (*extract.Structure, error) {
	if p.describe != nil {
		if err := p.describe(ctx); err != nil {
			return nil, err
		}
	}
	return &extract.Structure{
		Identity: extract.Identity{Server: "https://clinic.example.edu/", ID: p.id, Title: "Clinic"},
		Tables:   []*extract.Table{p.person, p.visit},
	}, nil
}

func (p *pull) Pull(ctx context.Context, since extract.Since, yield func(*extract.Batch) error) (*extract.Proof, error) {
	p.mu.Lock()
	p.pulls++
	p.mu.Unlock()
	ids := p.people()
	proof := &extract.Proof{Full: true, Table: p.person, Before: set(ids), BeforeAt: instant(1), AfterAt: instant(2), Requests: 2, Bytes: 100}
	n := 0
	send := func(b *extract.Batch) error {
		if p.before != nil {
			if err := p.before(ctx, n); err != nil {
				return err
			}
		}
		n++
		return yield(b)
	}
	size := p.batch
	if size == 0 {
		size = 3
	}
	for some := range slices.Chunk(ids, size) {
		if err := send(p.rows(some)); err != nil {
			return nil, err
		}
	}
	var gone [][]string
	err := since.Stored.Keys(ctx, p.person, func(id string) error {
		if !proof.Before.Has(id) {
			gone = append(gone, []string{id})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	last := &extract.Batch{Marks: []extract.Mark{{Name: "records", Value: "now"}}}
	if len(gone) > 0 {
		last.Scope = &extract.Scope{Tables: []*extract.Table{p.person, p.visit}, Width: 1, Keys: gone, Reason: "deleted at source"}
		last.Vanished = true
	}
	if err := send(last); err != nil {
		return nil, err
	}
	proof.After = set(p.people())
	if p.after != nil {
		if err := p.after(ctx, proof); err != nil {
			return nil, err
		}
	}
	return proof, nil
}

func (p *pull) rows(ids []string) *extract.Batch {
	people, visits := extract.NewRows(p.person), extract.NewRows(p.visit)
	scope := &extract.Scope{Tables: []*extract.Table{p.person, p.visit}, Width: 1, Reason: "deleted at source"}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, id := range ids {
		scope.Keys = append(scope.Keys, []string{id})
		people.Begin()
		people.String(id)
		people.String(cmp.Or(p.name, "name of ") + id)
		people.End()
		for i := range p.visits[id] {
			visits.Begin()
			visits.String(id)
			visits.String(fmt.Sprint(i + 1))
			visits.Null()
			visits.End()
		}
	}
	return &extract.Batch{Rows: []*extract.Rows{people, visits}, Scope: scope, Done: int64(len(ids))}
}

func (c *clinic) people() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	ids := make([]string, 0, len(c.visits))
	for id := range c.visits {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func set(ids []string) *extract.KeySet {
	s := new(extract.KeySet)
	for _, id := range ids {
		s.Add(id)
	}
	s.Sort()
	return s
}

func instant(minute int) time.Time { return time.Date(2026, 1, 2, 3, minute, 0, 0, time.UTC) }

// warehouse opens a migrated warehouse of the test's own.
func warehouse(t *testing.T) *load.Warehouse {
	t.Helper()
	return warehouseAt(t, pgtest.New(t))
}

func warehouseAt(t *testing.T, url string) *load.Warehouse {
	t.Helper()
	w, err := load.Open(t.Context(), load.Config{URL: url, DDL: load.Apply, Log: quietLog(), MaxConns: 12})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

func quietLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

func runner(w *load.Warehouse) *Runner {
	return &Runner{Warehouse: w, Log: quietLog(), Holder: "test"}
}

func order() load.Order {
	return load.Order{Job: "clinic", Kind: Sync, Schema: "clinic", Source: "clinic.main"}
}

func do(t *testing.T, pool *pgxpool.Pool, statement string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), statement, args...); err != nil {
		t.Fatal(err)
	}
}

func ask[T any](t *testing.T, pool *pgxpool.Pool, query string, args ...any) (answer T) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), query, args...).Scan(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

// waitFor asks again and again until the answer is true.
func waitFor(t *testing.T, pool *pgxpool.Pool, query string, args ...any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for yes := false; ; {
		if err := pool.QueryRow(ctx, query, args...).Scan(&yes); err != nil {
			t.Fatalf("wait for %q: %v", query, err)
		}
		if yes {
			return
		}
		<-tick.C
	}
}

func receive[T any](t *testing.T, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(time.Minute):
		t.Fatal("nothing came for a minute")
	}
	return v
}
