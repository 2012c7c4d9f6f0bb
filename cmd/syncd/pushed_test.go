package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"syncd/extract/redox"
	"syncd/internal/config"
	fake "syncd/internal/fake/redox"
	"syncd/internal/pgtest"
	"syncd/job"
	"syncd/load"
)

// The tests of what is pushed send to a receiver that is real from its listener to its tables. What must be true at the end is
// written down from what Redox documents, not from what the receiver does.

const (
	wardToken = "0123456789abcdef0123456789abcdef0123456789a"
	wardPath  = "/redox/ward-5e1f"
)

// ward is a receiver as the daemon has it, in this process.
type ward struct {
	t       *testing.T
	cli     *cli
	cfg     *config.Config
	url     string // of its database
	w       *load.Warehouse
	b       *load.Inbox
	in      *intake
	address string // host:port

	mu   sync.Mutex
	seen []redox.Event
}

// writeSecret puts a secret where jobs.toml can refer to it.
func writeSecret(t *testing.T, dir, name, value string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(value), 0o600); err != nil {
		t.Fatal(err)
	}
	return "file:" + path
}

// wardFile writes a jobs.toml of one receiver and whatever more is said of it.
func wardFile(t *testing.T, url string, more ...string) string {
	t.Helper()
	dir := t.TempDir()
	text := fmt.Sprintf("[postgres]\nurl = %q\n[serve]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n[redox.ward]\npath = %q\nverification_tokens = %q\npatient_id_types = [\"MR\"]\n%s\n",
		writeSecret(t, dir, "url", url), wardPath, writeSecret(t, dir, "token", wardToken), strings.Join(more, "\n"))
	path := filepath.Join(dir, "jobs.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// newWard opens a receiver on a database.
func newWard(t *testing.T, c load.Config, more ...string) *ward {
	t.Helper()
	w := &ward{t: t, url: c.URL}
	w.cli = &cli{Main: &Main{Now: time.Now}, ctx: t.Context(), config: wardFile(t, c.URL, more...)}
	quiet := slog.New(slog.DiscardHandler)
	var err error
	if w.cfg, err = w.cli.load(); err != nil {
		t.Fatal(err)
	}
	c.MaxConns, c.Log = 8, quiet
	if w.w, err = load.Open(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if w.in, err = w.cli.listenIntake(w.cfg, quiet, w.observe); err != nil {
		t.Fatal(err)
	}
	if w.b, err = w.in.open(w.w); err != nil {
		t.Fatal(err)
	}
	w.address = w.in.addr
	t.Cleanup(func() {
		if err := w.in.stop(); err != nil {
			t.Error(err)
		}
		w.b.Close()
		w.w.Close()
	})
	return w
}

func freshWard(t *testing.T, more ...string) *ward {
	t.Helper()
	return newWard(t, load.Config{URL: pgtest.New(t)}, more...)
}

func (w *ward) observe(e redox.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, e)
}

// push sends messages over one connection, in their order, and wants each to be acknowledged.
func (w *ward) push(messages ...[]byte) {
	w.t.Helper()
	w.pump(1, len(messages), func(b []byte, i int) []byte { return append(b, messages[i]...) })
}

// pump sends n messages over some connections at once and wants each to be acknowledged.
func (w *ward) pump(connections, n int, message func(b []byte, i int) []byte) {
	w.t.Helper()
	p := &fake.Pump{Address: w.address, Path: wardPath, Token: wardToken, Connections: connections}
	f, err := p.Run(w.t.Context(), n, message)
	if err != nil {
		w.t.Fatal(err)
	}
	if f.Acknowledged() != n {
		w.t.Fatalf("answers by status %v, want %d times 200", f.Statuses, n)
	}
}

// drain drains what is pending, and wants it proven.
func (w *ward) drain() {
	w.t.Helper()
	reports, err := w.cli.drainOnce(w.w, w.cfg.Receivers["ward"], job.Drain, slog.New(slog.DiscardHandler))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range reports {
		w.proven(r)
	}
	if n := askWard[int](w, "SELECT count(*) FROM syncd.delivery WHERE state = 'pending'"); n != 0 {
		w.t.Fatalf("%d deliveries are still pending", n)
	}
}

func (w *ward) proven(r job.Report) {
	w.t.Helper()
	if r.State != load.Succeeded || r.Verdict != load.Proven {
		w.t.Fatalf("run %d is %s and %s: %s", r.RunID, r.State, r.Verdict, r.Reason)
	}
}

// draining drains as the daemon does, until the func that it returns is called, and then what is left.
func (w *ward) draining() (end func()) {
	q := w.b.Queue("ward", false)
	until, ended := make(chan struct{}), make(chan error, 1)
	runner := &job.Runner{Warehouse: w.w, Log: slog.New(slog.DiscardHandler), Holder: "ward"}
	s := streamsOf(w.cfg.Receivers["ward"])[0]
	go func() {
		rep, err := runner.Run(context.WithoutCancel(w.t.Context()), load.Order{Job: s.name, Kind: job.Drain, Schema: s.schema, Source: s.source()}, s.open(q, false, until), job.Options{})
		if err == nil && rep.Verdict != load.Proven {
			err = fmt.Errorf("run %d is %s: %s", rep.RunID, rep.Verdict, rep.Reason)
		}
		ended <- err
	}()
	return func() {
		w.t.Helper()
		close(until)
		if err := <-ended; err != nil {
			w.t.Fatal(err)
		}
		q.Close()
		w.drain()
	}
}

// askWard asks the database for one value.
func askWard[T any](w *ward, sql string, args ...any) (v T) {
	w.t.Helper()
	if err := w.w.Pool().QueryRow(w.t.Context(), sql, args...).Scan(&v); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// rowsOf reads a query as text: its columns are asked for by name and joined by "|", NULL is "-".
func (w *ward) rowsOf(sql string, args ...any) []string {
	w.t.Helper()
	rows, err := w.w.Pool().Query(w.t.Context(), sql, args...)
	if err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		cells := make([]*string, len(row.FieldDescriptions()))
		into := make([]any, len(cells))
		for i := range cells {
			into[i] = &cells[i]
		}
		if err := row.Scan(into...); err != nil {
			return "", err
		}
		texts := make([]string, len(cells))
		for i, c := range cells {
			texts[i] = "-"
			if c != nil {
				texts[i] = *c
			}
		}
		return strings.Join(texts, "|"), nil
	})
	if err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
	return all
}

// ownColumns are of the tables' own keeping: they say when and by which run, not what.
const ownColumns = "'_run_id', '_fingerprint', '_inserted_at', '_changed_at'"

// pushedTables lists the tables of schemas and their business columns, in which a version stands without the number that says
// when a message came in.
func pushedTables(t *testing.T, pool *pgxpool.Pool, schemas ...string) map[string]string {
	t.Helper()
	rows, err := pool.Query(t.Context(), `
		SELECT format('%I.%I', n.nspname, c.relname), string_agg(CASE WHEN a.attname IN ('_version', 'version') THEN format('left(x.%I, 27)', a.attname) ELSE format('x.%I', a.attname) END, ', ' ORDER BY a.attname)
		FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_attribute AS a ON a.attrelid = c.oid
		WHERE n.nspname = ANY ($1) AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND a.attname NOT IN (`+ownColumns+`)
		GROUP BY 1`, schemas)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	var table, columns string
	if _, err := pgx.ForEachRow(rows, []any{&table, &columns}, func() error { all[table] = columns; return nil }); err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("there are no tables")
	}
	return all
}

// mark is the beginning of the ids of a sender and of all its logs, by which many senders may tell the same story side by side.
func mark(n int) string { return fmt.Sprintf("f%07x", n) }

// digests hashes what the tables hold of each sender, but for its mark: live rows and the history of every state.
func (w *ward) digests() map[string]string {
	w.t.Helper()
	var each []string
	for table, columns := range pushedTables(w.t, w.w.Pool(), "ward", "ward_history") {
		each = append(each, fmt.Sprintf("SELECT source_id, %s || replace(ROW(%s)::text, left(source_id, 8), '') AS line FROM %s AS x", literalOf(table), columns, table))
	}
	rows, err := w.w.Pool().Query(w.t.Context(), "SELECT source_id, count(*) || ' rows, ' || md5(string_agg(line, E'\\n' ORDER BY line)) FROM ("+strings.Join(each, " UNION ALL ")+") AS l GROUP BY source_id")
	if err != nil {
		w.t.Fatal(err)
	}
	all := map[string]string{}
	var source, digest string
	if _, err := pgx.ForEachRow(rows, []any{&source, &digest}, func() error { all[source] = digest; return nil }); err != nil {
		w.t.Fatal(err)
	}
	return all
}

// oneDigest wants this many senders, of which the tables hold the same.
func (w *ward) oneDigest(senders int) string {
	w.t.Helper()
	all := w.digests()
	first, distinct := "", map[string]int{}
	for _, digest := range all {
		first = digest
		distinct[digest]++
	}
	if len(all) != senders || len(distinct) != 1 {
		w.t.Fatalf("%d senders, want %d; distinct digests %d, want 1", len(all), senders, len(distinct))
	}
	return first
}

// empty forgets all that came in and all that was made of it.
func (w *ward) empty() {
	w.t.Helper()
	tables := []string{"syncd.delivery", "syncd.payload", "syncd.traffic"}
	for table := range pushedTables(w.t, w.w.Pool(), "ward", "ward_history", "ward_deleted") {
		tables = append(tables, table)
	}
	statement(w.t, w.url, "TRUNCATE "+strings.Join(tables, ", "))
}

func literalOf(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

var (
	lowerUpper = regexp.MustCompile(`([a-z])([A-Z])`)
	upperWord  = regexp.MustCompile(`([A-Z])([A-Z][a-z])`)
)

// columnOf is the column of a field's path.
func columnOf(path string) string {
	s := upperWord.ReplaceAllString(lowerUpper.ReplaceAllString(path, "${1}_$2"), "${1}_$2")
	return strings.ToLower(strings.ReplaceAll(s, ".", "_"))
}

// fromEnvironment is a number that make sets for the long form of a test.
func fromEnvironment(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s is not a number", name)
	}
	return n
}
