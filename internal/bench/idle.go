package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// What B10 waits for, and what the wait may cost.
const (
	idleJobs    = 300
	idleWarm    = 30 * time.Second // until all jobs were made known
	idleCPU     = 1.0              // percent of one core
	idleRSS     = 100              // MB
	clockTicks  = 100              // of a second, in which Linux counts the time of a process
	idleRunning = "SELECT count(*) FROM syncd.job WHERE spec IS NOT NULL"
)

// idle is B10: a daemon with many jobs, none of which is due.
func (b *bench) idle(ctx context.Context) error {
	w, err := b.database(ctx)
	if err != nil {
		return err
	}
	defer w.close(ctx)
	var text strings.Builder
	// Due in half a year: whatever the hour, nothing is due within the measured time.
	far := time.Now().AddDate(0, 6, 0)
	fmt.Fprintf(&text, "[postgres]\nurl = %q\n[serve]\nadmin = \"127.0.0.1:0\"\n[redcap.bench]\nurl = %q\n[redcap.bench.defaults]\nschedule = \"15 2 1 %d *\"\nfull = \"30 3 1 %[3]d *\"\ntoken = \"file:token\"\n",
		b.server.URL(w.database), b.url, int(far.Month()))
	for i := range idleJobs {
		fmt.Fprintf(&text, "[job.study_%d]\nsource = \"redcap.bench\"\n", i)
	}
	if err := os.WriteFile(filepath.Join(w.dir, "token"), []byte(strings.Repeat("A", 32)), 0o600); err != nil {
		return err
	}
	if err := w.configure(ctx, text.String()); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, b.binary, "-c", filepath.Join(w.dir, "jobs.toml"), "--log-level", "warn", "serve")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	ended, peak := make(chan struct{}), make(chan int64, 1)
	go func() { peak <- watchPeak(cmd.Process.Pid, ended) }()
	cpu, err := w.idleCPU(ctx, cmd.Process.Pid)
	close(ended)
	rss := <-peak
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if stopped := cmd.Wait(); err == nil && stopped != nil {
		err = fmt.Errorf("stop daemon: %w", stopped)
	}
	if err != nil {
		return err
	}
	fmt.Printf("# B10 %d jobs, none due, %s: %.2f %% of a core, peak %d MB\n", idleJobs, b.idleFor, cpu, rss>>20)
	fmt.Printf("B10 value=%.2f%% limit=%.2f%% %s\n", cpu, idleCPU, word(cpu <= idleCPU))
	value("B10", float64(rss>>20), "MB", idleRSS)
	return nil
}

// idleCPU waits until all jobs are known, and then measures what share of a core a process takes.
func (w *warehouse) idleCPU(ctx context.Context, pid int) (percent float64, err error) {
	if err := pause(ctx, idleWarm); err != nil {
		return 0, err
	}
	known := 0
	if err := w.conn.QueryRow(ctx, idleRunning).Scan(&known); err != nil || known != idleJobs {
		return 0, fmt.Errorf("%d of %d jobs are planned: %w", known, idleJobs, err)
	}
	before, err := cpuOf(pid)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	if err := pause(ctx, w.bench.idleFor); err != nil {
		return 0, err
	}
	after, err := cpuOf(pid)
	return 100 * (after - before).Seconds() / time.Since(start).Seconds(), err
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// cpuOf is the time that a process has had of all cores.
func cpuOf(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	var ticks int64
	for _, field := range fields[11:13] { // user and system
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / clockTicks, nil
}
