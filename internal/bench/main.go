// Command bench prints the figures of the project as ratios of two things measured in one run on one machine.
//
// What comes in: a synthetic REDCap project and a synthetic campus served on loopback, a private Postgres with fsync on. What goes out: one line per figure,
// `B1 ratio=1.42 limit=1.60 ok` (or MISSED), with detail above it. The yardstick of a load is a COPY of the same rows into
// the same table with its indexes. It reports and never fails for a figure that was missed.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"
)

type settings struct {
	rows, wide, pairs int
	campusRows        int
	only              string
	keep              bool
	steadyFor         time.Duration
	idleFor           time.Duration
}

func main() {
	var s settings
	flag.IntVar(&s.rows, "rows", 300_000, "rows of B1, B2 and B3")
	flag.IntVar(&s.wide, "wide", 3_000_000, "rows of the second part of B8")
	flag.IntVar(&s.campusRows, "campus", 1_000_000, "rows of the campus of the figures called engage")
	flag.IntVar(&s.pairs, "pairs", 5, "measured pairs after one warm-up")
	flag.StringVar(&s.only, "only", "", "comma list of figures, e.g. B1,B8,engage")
	flag.DurationVar(&s.steadyFor, "steady", 5*time.Minute, "how long the last part of B7 lasts")
	flag.DurationVar(&s.idleFor, "idle", 10*time.Minute, "how long B10 lasts")
	flag.BoolVar(&s.keep, "keep", false, "keep the data folder")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) error {
	b, err := setUp(ctx, s)
	if err != nil {
		return err
	}
	defer b.tearDown()
	if s.wants("B1") || s.wants("B2") || s.wants("B3") {
		if err := b.loads(ctx); err != nil {
			return err
		}
	}
	if s.wants("B4") || s.wants("B5") {
		if err := b.ticks(ctx); err != nil {
			return err
		}
	}
	if s.wants("B6") || s.wants("B7") {
		if err := b.intakes(ctx); err != nil {
			return err
		}
	}
	if s.wants("B8") {
		if err := b.memory(ctx); err != nil {
			return err
		}
	}
	if s.wants("B9") {
		if err := b.share(ctx); err != nil {
			return err
		}
	}
	if s.wants("engage") {
		if err := b.campus(ctx); err != nil {
			return err
		}
	}
	if s.wants("B10") {
		return b.idle(ctx)
	}
	return nil
}

func (s settings) wants(figure string) bool {
	return s.only == "" || slices.Contains(strings.Split(s.only, ","), figure)
}

// report prints the line of a ratio.
func report(figure string, ratios []float64, limit float64) {
	m := median(ratios)
	fmt.Printf("%s ratio=%.2f limit=%.2f %s\n", figure, m, limit, word(m <= limit))
}

// atLeast prints the line of a ratio that is to be reached.
func atLeast(figure string, ratios []float64, limit float64) {
	m := median(ratios)
	fmt.Printf("%s ratio=%.2f limit=%.2f %s\n", figure, m, limit, word(m >= limit))
}

// value prints the line of a figure that has no yardstick.
func value(figure string, v float64, unit string, limit float64) {
	fmt.Printf("%s value=%.0f%s limit=%.0f%s %s\n", figure, v, unit, limit, unit, word(v <= limit))
}

func word(ok bool) string {
	if ok {
		return "ok"
	}
	return "MISSED"
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }
