package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// child is what one `syncd sync` cost, measured from outside.
type child struct {
	wall, cpu time.Duration
	rss       int64 // peak, bytes
}

func (c child) String() string {
	return fmt.Sprintf("%s (cpu %s, peak %d MB)", seconds(c.wall), seconds(c.cpu), c.rss>>20)
}

// warehouse is a fresh database with a jobs.toml that points one job at one project.
type warehouse struct {
	bench    *bench
	conn     *pgx.Conn
	database string
	dir      string
}

// sync runs the binary as a user would, from a checkpoint on.
func (w *warehouse) sync(ctx context.Context, more ...string) (child, error) {
	if _, err := w.conn.Exec(ctx, "CHECKPOINT"); err != nil {
		return child{}, err
	}
	cmd := exec.CommandContext(ctx, w.bench.binary, "-c", filepath.Join(w.dir, "jobs.toml"), "sync", "bench")
	cmd.Args = append(cmd.Args, more...)
	out, err := w.measure(cmd)
	if err != nil {
		return out, fmt.Errorf("syncd sync: %w", err)
	}
	return out, nil
}

func (w *warehouse) measure(cmd *exec.Cmd) (child, error) {
	var text strings.Builder
	cmd.Stdout, cmd.Stderr = &text, &text
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return child{}, err
	}
	peak := make(chan int64)
	ended := make(chan struct{})
	go func() { peak <- watchPeak(cmd.Process.Pid, ended) }()
	err := cmd.Wait()
	c := child{wall: time.Since(start)}
	close(ended)
	c.rss = <-peak
	c.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, text.String())
	}
	return c, err
}

// watchPeak reads the kernel's high-water mark of a process until it ends. The rusage of a child will not do: it begins with the
// size of the process that started it.
func watchPeak(pid int, ended <-chan struct{}) (peak int64) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return peak
		case <-tick.C:
		}
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			continue
		}
		_, after, _ := strings.Cut(string(text), "VmHWM:")
		var kb int64
		if _, err := fmt.Sscan(after, &kb); err == nil {
			peak = max(peak, kb<<10)
		}
	}
}

func (w *warehouse) close(ctx context.Context) {
	w.conn.Close(ctx)
	if admin, err := pgx.Connect(ctx, w.bench.server.URL("postgres")); err == nil {
		_, err = admin.Exec(ctx, "DROP DATABASE IF EXISTS "+pgx.Identifier{w.database}.Sanitize()+" WITH (FORCE)")
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench: drop database:", err)
		}
		admin.Close(ctx)
	}
	os.RemoveAll(w.dir)
}
