package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"syncd/internal/fake/redox"
)

// Limits of the intake and of the drain behind it.
const (
	intakeShare   = 0.9 // of pgbench's transactions a second
	intakeP99     = 50  // ms, at 64 connections
	intakeSeconds = 5   // of one measured part
	drainShare    = 0.3 // of the intake's rate
	drainCount    = 60_000
	steadyRate    = 500 // deliveries a second
	steadyBacklog = 2 * steadyRate
)

const receiverToken = "bench-token-bench-token-bench-token-bench"

// receiver is a daemon with one receiver on a fresh database.
type receiver struct {
	*warehouse
	cmd     *exec.Cmd
	address string
	said    *strings.Builder
	peak    chan int64
	ended   chan struct{}
}

// intakes measures B6, what is received and kept, against pgbench with the same statement on the same server, and B7, how fast
// what was kept becomes tables.
func (b *bench) intakes(ctx context.Context) error {
	rate, err := b.intake(ctx)
	if err != nil {
		return fmt.Errorf("B6: %w", err)
	}
	if !b.wants("B7") {
		return nil
	}
	if err := b.drain(ctx, rate); err != nil {
		return fmt.Errorf("B7: %w", err)
	}
	return nil
}

// intake is B6. It answers the rate at 64 connections.
func (b *bench) intake(ctx context.Context) (rate float64, err error) {
	w, err := b.receiverWarehouse(ctx)
	if err != nil {
		return 0, err
	}
	defer w.close(ctx)
	if err := w.holdDrain(ctx); err != nil { // it is the intake that is measured
		return 0, err
	}
	r, err := w.serve(ctx)
	if err != nil {
		return 0, err
	}
	defer r.stop()
	good := true
	for _, clients := range []int{16, 64} {
		var ratios, rates []float64
		var worst time.Duration
		for round := range b.pairs + 1 {
			traffic := redox.NewTraffic(redox.TrafficSpec{Seed: uint64(1000*clients + round)})
			tps, err := w.pgbench(ctx, clients)
			if err != nil {
				return 0, err
			}
			n := int(1.2 * tps * intakeSeconds)
			pump := &redox.Pump{Address: r.address, Path: "/bench", Token: receiverToken, Connections: clients}
			f, err := pump.Run(ctx, n, traffic.AppendPatientAdmin4KB)
			if err != nil {
				return 0, err
			}
			if f.Acknowledged() != n {
				return 0, fmt.Errorf("%d of %d were acknowledged: %v", f.Acknowledged(), n, f.Statuses)
			}
			fmt.Printf("# B6 %d connections: %.0f/s, p50 %s, p99 %s; pgbench %.0f/s\n", clients, f.PerSecond(),
				f.Quantile(0.5).Round(time.Microsecond), f.Quantile(0.99).Round(time.Microsecond), tps)
			if round > 0 {
				ratios, rates, worst = append(ratios, f.PerSecond()/tps), append(rates, f.PerSecond()), max(worst, f.Quantile(0.99))
			}
			if _, err := w.conn.Exec(ctx, "TRUNCATE syncd.delivery, syncd.payload; CHECKPOINT", pgx.QueryExecModeSimpleProtocol); err != nil {
				return 0, err
			}
		}
		rate = median(rates)
		atLeast(fmt.Sprintf("B6-%d", clients), ratios, intakeShare)
		good = good && median(ratios) >= intakeShare && (clients < 64 || worst <= intakeP99*time.Millisecond)
		if clients == 64 {
			value("B6-p99", float64(worst)/float64(time.Millisecond), "ms", intakeP99)
		}
	}
	fmt.Printf("# B6 daemon: peak %d MB\n", r.stop()>>20)
	return rate, nil
}

// drain is B7: first alone, from what the intake has left, then beside it.
func (b *bench) drain(ctx context.Context, rate float64) error {
	var ratios []float64
	for round := range min(b.pairs, 3) + 1 {
		one, err := b.drainAlone(ctx, uint64(round))
		if err != nil {
			return err
		}
		perSecond := drainCount / one.wall.Seconds()
		fmt.Printf("# B7 drain of %d deliveries: %s, %.0f/s\n", drainCount, one, perSecond)
		if round > 0 && rate > 0 {
			ratios = append(ratios, perSecond/rate)
		}
	}
	if rate > 0 {
		atLeast("B7", ratios, drainShare)
	}
	return b.steady(ctx)
}

// drainAlone keeps deliveries while nothing drains them, and then has them drained by a command.
func (b *bench) drainAlone(ctx context.Context, seed uint64) (child, error) {
	w, err := b.receiverWarehouse(ctx)
	if err != nil {
		return child{}, err
	}
	defer w.close(ctx)
	if err := w.holdDrain(ctx); err != nil {
		return child{}, err
	}
	r, err := w.serve(ctx)
	if err != nil {
		return child{}, err
	}
	traffic := redox.NewTraffic(redox.TrafficSpec{Seed: seed})
	_, err = (&redox.Pump{Address: r.address, Path: "/bench", Token: receiverToken, Connections: 64}).Run(ctx, drainCount, traffic.AppendMixed)
	r.stop()
	if err != nil {
		return child{}, err
	}
	if _, err := w.conn.Exec(ctx, "DELETE FROM syncd.claim; DELETE FROM syncd.run; CHECKPOINT", pgx.QueryExecModeSimpleProtocol); err != nil {
		return child{}, err
	}
	out, err := w.measure(exec.CommandContext(ctx, b.binary, "-c", filepath.Join(w.dir, "jobs.toml"), "replay", "bench", "--from", "2000-01-01"))
	if err != nil {
		return out, err
	}
	var left int
	if err := w.conn.QueryRow(ctx, "SELECT count(*) FROM syncd.delivery WHERE state <> 'applied'").Scan(&left); err != nil {
		return out, err
	}
	if left > 0 {
		return out, fmt.Errorf("%d deliveries were not applied", left)
	}
	return out, nil
}

// steady pushes at a rate for minutes, and looks at how many deliveries wait.
func (b *bench) steady(ctx context.Context) error {
	w, err := b.receiverWarehouse(ctx)
	if err != nil {
		return err
	}
	defer w.close(ctx)
	r, err := w.serve(ctx)
	if err != nil {
		return err
	}
	defer r.stop()
	most, stopped := make(chan int), make(chan struct{})
	go func() { most <- w.watchBacklog(ctx, stopped) }()
	traffic := redox.NewTraffic(redox.TrafficSpec{Seed: 77})
	n := int(b.steadyFor.Seconds() * steadyRate)
	f, err := (&redox.Pump{Address: r.address, Path: "/bench", Token: receiverToken, Connections: 16, Rate: steadyRate}).Run(ctx, n, traffic.AppendMixed)
	close(stopped)
	backlog := <-most
	if err != nil {
		return err
	}
	if f.Acknowledged() != n {
		return fmt.Errorf("%d of %d were acknowledged: %v", f.Acknowledged(), n, f.Statuses)
	}
	fmt.Printf("# B7 %d/s for %s: p99 %s, at most %d waited; daemon: peak %d MB\n", steadyRate, b.steadyFor, f.Quantile(0.99).Round(time.Microsecond), backlog, r.stop()>>20)
	value("B7-backlog", float64(backlog), "deliveries", steadyBacklog)
	return nil
}

// watchBacklog answers how many deliveries waited at most, after the first seconds.
func (w *warehouse) watchBacklog(ctx context.Context, stopped <-chan struct{}) (most int) {
	conn, err := pgx.Connect(ctx, w.bench.server.URL(w.database))
	if err != nil {
		return -1
	}
	defer conn.Close(ctx)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for seconds := 0; ; seconds++ {
		select {
		case <-stopped:
			return most
		case <-tick.C:
		}
		var n int
		if err := conn.QueryRow(ctx, "SELECT count(*) FROM syncd.delivery WHERE state = 'pending'").Scan(&n); err != nil {
			return -1
		}
		if seconds > 5 {
			most = max(most, n)
		}
	}
}

// receiverWarehouse makes a fresh database and a folder with the jobs.toml of one receiver.
func (b *bench) receiverWarehouse(ctx context.Context) (*warehouse, error) {
	w, err := b.database(ctx)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(w.dir, "token"), []byte(receiverToken), 0o600); err != nil {
		return nil, err
	}
	text := fmt.Sprintf("[postgres]\nurl = %q\n[serve]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n[redox.bench]\npath = \"/bench\"\nverification_tokens = [\"file:token\"]\n",
		b.server.URL(w.database))
	return w, w.configure(ctx, text)
}

// holdDrain takes the claims of the drains for a run that never ends.
func (w *warehouse) holdDrain(ctx context.Context) error {
	_, err := w.conn.Exec(ctx, `WITH r AS (
		INSERT INTO syncd.run (job, kind, state, schema_name) VALUES ('bench', 'drain', 'running', 'bench'), ('bench_test', 'drain', 'running', 'bench_test') RETURNING job, run_id
	) INSERT INTO syncd.claim (job, epoch, holder, run_id, beat_at) SELECT job, 1, 'bench', run_id, clock_timestamp() + interval '1 day' FROM r`)
	return err
}

// pgbench answers the transactions a second of clients that each run the intake's own statement for one delivery.
func (w *warehouse) pgbench(ctx context.Context, clients int) (float64, error) {
	tool, err := exec.LookPath("pgbench")
	if err != nil {
		tool = filepath.Join(w.bench.server.Bin(), "pgbench")
	}
	script := filepath.Join(w.dir, "delivery.sql")
	if err := os.WriteFile(script, []byte(pgbenchScript()), 0o600); err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, tool, "-n", "-M", "prepared", "-c", strconv.Itoa(clients), "-j", "2", "-T", strconv.Itoa(intakeSeconds),
		"-f", script, w.bench.server.URL(w.database))
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("pgbench: %w\n%s", err, out)
	}
	found := regexp.MustCompile(`tps = ([0-9.]+)`).FindSubmatch(out)
	if found == nil {
		return 0, errors.New("pgbench told no tps")
	}
	if _, err := w.conn.Exec(ctx, "TRUNCATE syncd.delivery, syncd.payload; CHECKPOINT", pgx.QueryExecModeSimpleProtocol); err != nil {
		return 0, err
	}
	return strconv.ParseFloat(string(found[1]), 64)
}

// pgbenchScript is the statement of load/sql/delivery_keep.sql for one row, with a body of the intake's size.
func pgbenchScript() string {
	body := string(redox.NewTraffic(redox.TrafficSpec{Seed: 1}).PatientAdmin4KB(1))
	return `\set a random(1, 9000000000000000)
\set b random(1, 9000000000000000)
WITH kept AS (
    INSERT INTO syncd.delivery (destination, dedupe_key, body_sha256, received_at, source_id, model, event_type, event_at, test)
    VALUES ('bench', 'log:' || :a || '-' || :b, sha256(int8send(:a) || int8send(:b)), now(), 'bench', 'PatientAdmin', 'Arrival', now(), false)
    ON CONFLICT (destination, dedupe_key, body_sha256) DO NOTHING
    RETURNING seq, received_at
), bytes AS (
    INSERT INTO syncd.payload (seq, received_at, body) SELECT seq, received_at, convert_to('` + strings.ReplaceAll(strings.ReplaceAll(body, "'", "''"), ":", "\\072") + `', 'UTF8') FROM kept
)
SELECT seq FROM kept;
`
}

// serve starts the daemon and waits until it takes what is pushed.
func (w *warehouse) serve(ctx context.Context) (*receiver, error) {
	r := &receiver{warehouse: w, said: &strings.Builder{}, peak: make(chan int64, 1), ended: make(chan struct{})}
	r.cmd = exec.Command(w.bench.binary, "-c", filepath.Join(w.dir, "jobs.toml"), "serve")
	said, err := r.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { r.peak <- watchPeak(r.cmd.Process.Pid, r.ended) }()
	ready := make(chan string, 1)
	go func() {
		address := ""
		for lines := bufio.NewScanner(said); lines.Scan(); {
			if _, at, ok := strings.Cut(lines.Text(), "receivers="); ok {
				address = strings.TrimSpace(at)
			}
			if strings.Contains(lines.Text(), "msg=serving") {
				ready <- address
			}
		}
		close(ready)
	}()
	select {
	case address, ok := <-ready:
		if !ok {
			return nil, errors.New("the daemon ended before it was ready")
		}
		r.address = address
		return r, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// stop ends the daemon and answers its peak memory.
func (r *receiver) stop() int64 {
	if r.cmd == nil {
		return 0
	}
	cmd := r.cmd
	r.cmd = nil
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		fmt.Fprintln(os.Stderr, "bench: stop daemon:", err)
	}
	if err := cmd.Wait(); err != nil {
		fmt.Fprintln(os.Stderr, "bench: daemon:", err)
	}
	close(r.ended)
	return <-r.peak
}
