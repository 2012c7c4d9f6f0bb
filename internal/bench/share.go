package main

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"syncd/internal/fake/redcap"
)

// What B9 shares: so many chunks of so many records, of a source that takes its time for each request.
const (
	sharedChunks  = 64
	sharedRecords = 200
	sharedWait    = 200 * time.Millisecond
	sharedRatio   = 1.80
	sharedPairs   = 3
)

// share is B9: a backfill that two daemons share, against the same one by one daemon.
func (b *bench) share(ctx context.Context) error {
	fake := redcap.NewServer(redcap.Options{Latency: sharedWait})
	b.projects++
	p := redcap.Synthetic(redcap.Spec{
		Kind: redcap.Classic, Records: sharedChunks * sharedRecords, Fields: 12, OneColumnFields: true,
		Title: fmt.Sprintf("Shared %d", b.projects), ID: b.projects, Empty: -1,
	})
	fake.Add(p)
	server := httptest.NewServer(fake)
	defer server.Close()
	var ratios []float64
	for range min(b.pairs, sharedPairs) {
		one, err := b.shared(ctx, p, server.URL+"/api/", 1)
		if err != nil {
			return err
		}
		two, err := b.shared(ctx, p, server.URL+"/api/", 2)
		if err != nil {
			return err
		}
		ratios = append(ratios, one.Seconds()/two.Seconds())
		fmt.Printf("# B9 %d chunks of %d records, %s a request: one daemon %s, two %s\n", sharedChunks, sharedRecords, sharedWait, seconds(one), seconds(two))
	}
	atLeast("B9", ratios, sharedRatio)
	return nil
}

// shared makes a backfill by so many daemons and answers how long it took from its first run on, by the clock of Postgres.
func (b *bench) shared(ctx context.Context, p *redcap.Project, url string, daemons int) (took time.Duration, err error) {
	w, err := b.database(ctx)
	if err != nil {
		return 0, err
	}
	defer w.close(ctx)
	if err := os.WriteFile(filepath.Join(w.dir, "token"), []byte(p.Token()), 0o600); err != nil {
		return 0, err
	}
	err = w.configure(ctx, fmt.Sprintf("[postgres]\nurl = %q\n[serve]\nadmin = \"127.0.0.1:0\"\n[redcap.bench]\nurl = %q\nrequests_per_minute = 0\n[job.bench]\nsource = \"redcap.bench\"\ntoken = \"file:token\"\n",
		b.server.URL(w.database), url))
	if err != nil {
		return 0, err
	}
	config := filepath.Join(w.dir, "jobs.toml")
	for range daemons {
		cmd := exec.CommandContext(ctx, b.binary, "-c", config, "--log-level", "error", "serve")
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			return 0, err
		}
		defer func() {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			_ = cmd.Wait()
		}()
	}
	begin := exec.CommandContext(ctx, b.binary, "-c", config, "backfill", "bench", "--detach", "--chunk", fmt.Sprint(sharedRecords))
	if out, err := begin.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("syncd backfill: %w\n%s", err, out)
	}
	for tick := time.NewTicker(200 * time.Millisecond); ; {
		var state string
		var each int
		var span *float64
		err := w.conn.QueryRow(ctx, `SELECT b.state, (SELECT count(DISTINCT holder) FROM syncd.run WHERE kind = 'backfill'),
			extract(epoch FROM b.ended_at - (SELECT min(started_at) FROM syncd.run WHERE kind = 'backfill'))::double precision
			FROM syncd.backfill AS b`).Scan(&state, &each, &span)
		switch {
		case err != nil:
			return 0, err
		case state == "failed" || state == "cancelled" || state == "paused":
			return 0, errors.New("the backfill is " + state)
		case span != nil && each != daemons:
			return 0, fmt.Errorf("%d of %d daemons took part", each, daemons)
		case span != nil:
			tick.Stop()
			return time.Duration(*span * float64(time.Second)), nil
		}
		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-tick.C:
		}
	}
}
