package main

import (
	"context"
	"fmt"

	"syncd/internal/fake/redcap"
)

// Limits of a night in which nothing changed: requests with and without the log, and its time.
const (
	tickRequests = 6
	tickNoLog    = 10
	tickSeconds  = 2
	tickChanged  = 300
	tickShare    = 0.01 // of a full read's bytes
)

// tick is one run by changes.
type tick struct {
	child
	requests, read, written, bytes int64
}

// ticks measures B4, a night in which nothing changed at a longitudinal project, and B5, one with 300 changed records.
func (b *bench) ticks(ctx context.Context) error {
	b.projects++
	p := redcap.Synthetic(redcap.Spec{
		Kind: redcap.Longitudinal, Records: b.rows, Fields: 12, Forms: 3, OneColumnFields: true,
		Title: fmt.Sprintf("Ticks %d", b.projects), ID: b.projects, Empty: -1,
	})
	b.fake.Add(p)
	w, err := b.warehouse(ctx, p)
	if err != nil {
		return err
	}
	defer w.close(ctx)
	defer b.front.forget()
	b.fake.ResetRequests()
	first, err := w.sync(ctx)
	if err != nil {
		return err
	}
	whole := b.recordBytes()
	b.front.forget()
	fmt.Printf("# B4 first load of %d records, longitudinal: %s, %d MB of record data\n", b.rows, first, whole>>20)
	if err := w.quiet(ctx, p); err != nil {
		return err
	}
	return w.changed(ctx, p, whole)
}

// quiet is B4: with the log, then without.
func (w *warehouse) quiet(ctx context.Context, p *redcap.Project) error {
	if _, err := w.tick(ctx); err != nil { // the fake has rendered its list, then
		return err
	}
	var walls []float64
	good := true
	var last tick
	for range w.bench.pairs {
		t, err := w.tick(ctx)
		if err != nil {
			return err
		}
		last, walls = t, append(walls, t.wall.Seconds())
		good = good && t.requests <= tickRequests && t.read == 0 && t.written == 0
		fmt.Printf("# B4 with the log: %s, %d requests, %d records read, %d rows written\n", t.child, t.requests, t.read, t.written)
	}
	good = good && median(walls) < tickSeconds
	p.Rights(func(u *redcap.User) { u.Logging = false })
	for i := range 3 { // the first finds out that the log is refused
		t, err := w.tick(ctx)
		if err != nil {
			return err
		}
		if i > 0 {
			good = good && t.requests <= tickNoLog && t.read == 0 && t.written == 0
			fmt.Printf("# B4 without the log: %s, %d requests, %d records read, %d rows written\n", t.child, t.requests, t.read, t.written)
		}
	}
	p.Rights(func(u *redcap.User) { u.Logging = true })
	fmt.Printf("B4 value=%drequests limit=%drequests %s\n", last.requests, tickRequests, word(good))
	return nil
}

// changed is B5.
func (w *warehouse) changed(ctx context.Context, p *redcap.Project, whole int64) error {
	field := changeable(p)
	for _, n := range []int{tickChanged, 10 * tickChanged} {
		ids := p.Records()
		for i := range n {
			if err := p.Set(ids[i*len(ids)/n], "", "", 0, field, fmt.Sprintf("changed in a round of %d", n)); err != nil {
				return err
			}
		}
		w.bench.front.forget() // it would answer with what was
		t, err := w.tick(ctx)
		if err != nil {
			return err
		}
		share := float64(t.bytes) / float64(whole)
		fmt.Printf("# B5 %d changed records of %d: %s, %d requests, %d kB of record data\n", n, len(ids), t.child, t.requests, t.bytes>>10)
		if n == tickChanged {
			fmt.Printf("B5 ratio=%.4f limit=%.4f %s\n", share, tickShare, word(share <= tickShare))
		}
	}
	return nil
}

// tick runs once by changes and says what it did.
func (w *warehouse) tick(ctx context.Context) (t tick, err error) {
	var from int64
	if err := w.conn.QueryRow(ctx, "SELECT txid_snapshot_xmax(txid_current_snapshot())").Scan(&from); err != nil {
		return t, err
	}
	w.bench.fake.ResetRequests()
	if t.child, err = w.sync(ctx); err != nil {
		return t, err
	}
	t.bytes = w.bench.recordBytes()
	err = w.conn.QueryRow(ctx, `SELECT requests, coalesce((SELECT sum(read) FROM syncd.run_table AS t WHERE t.run_id = r.run_id), 0)::bigint
		FROM syncd.run AS r ORDER BY run_id DESC LIMIT 1`).Scan(&t.requests, &t.read)
	if err != nil {
		return t, err
	}
	rows, err := w.conn.Query(ctx, "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname LIKE 'bench%'")
	if err != nil {
		return t, err
	}
	var tables []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return t, err
		}
		tables = append(tables, name)
	}
	if err := rows.Err(); err != nil {
		return t, err
	}
	for _, table := range tables {
		var n int64
		if err := w.conn.QueryRow(ctx, "SELECT count(*) FROM "+table+" WHERE xmin::text::bigint >= $1", from).Scan(&n); err != nil {
			return t, err
		}
		t.written += n
	}
	return t, nil
}

// recordBytes are the bytes of records that the fake has sent, lists of ids apart.
func (b *bench) recordBytes() (n int64) {
	for _, r := range b.fake.Requests() {
		if r.Content == "record" && r.IDs > 0 {
			n += r.ResponseBytes
		}
	}
	return n
}
