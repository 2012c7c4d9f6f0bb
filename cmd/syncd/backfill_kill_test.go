package main

import (
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"syncd/internal/fake/redcap"
	"syncd/internal/pgtest"
)

// newFillScene is a project of so many records and two databases without a row of it: one to be disturbed, one to compare with.
func newFillScene(t *testing.T, records int) (w *watch, calm string) {
	t.Helper()
	w = &watch{database: pgtest.New(t), fake: redcap.NewServer(redcap.Options{}), dir: t.TempDir()}
	w.project = redcap.Synthetic(redcap.Spec{Kind: redcap.Repeating, Records: records, Fields: 24, ID: 9, Title: "Fill", DAGs: 2, Missing: true, Misfits: 20})
	w.fake.Add(w.project)
	server := httptest.NewServer(w.fake)
	t.Cleanup(server.Close)
	w.api = server.URL + "/api/"
	return w, pgtest.New(t)
}

// on is the scene with another database.
func (w *watch) on(database string) *watch {
	other := *w
	other.database = database
	return &other
}

// runs runs the program to its end and checks its exit code.
func (w *watch) runs(t *testing.T, code int, args ...string) string {
	t.Helper()
	cmd := w.command(t, append([]string{"-c", w.file(t, "127.0.0.1:0")}, args...)...)
	out, _ := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != code {
		t.Fatalf("%s: exit code %d, want %d\n%s", strings.Join(args, " "), got, code, out)
	}
	return string(out)
}

func TestBackfillKilledTenTimesLosesAndDoublesNothing(t *testing.T) {
	const chunks, size, kills = 64, 5, 10
	w, calm := newFillScene(t, chunks*size)
	args := []string{"backfill", "crash", "--chunk", strconv.Itoa(size)}
	w.on(calm).runs(t, 0, args...)
	want := digest(t, calm)

	seed := rand.Uint64()
	dice := rand.New(rand.NewPCG(seed, 0))
	killed := 0
	for range kills {
		cmd := w.command(t, append([]string{"-c", w.file(t, "127.0.0.1:0")}, args...)...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var seen atomic.Int64
		at := 1 + dice.Int64N(18) // of requests: a chunk takes three or so
		w.fake.OnRequest(func(redcap.Request) {
			if seen.Add(1) == at {
				_ = cmd.Process.Signal(syscall.SIGKILL)
			}
		})
		_ = cmd.Wait()
		if !cmd.ProcessState.Exited() {
			killed++
		}
		statement(t, w.database, "UPDATE syncd.claim SET beat_at = beat_at - interval '1 minute'")
	}
	w.fake.OnRequest(nil)
	said := w.runs(t, 0, args...)
	if got := digest(t, w.database); got != want {
		t.Errorf("seed %d: rows differ from those of an uninterrupted backfill:\n%s\n--\n%s", seed, got, want)
	}
	again := scalar(t, w.database, fmt.Sprintf("SELECT sum(attempts) - %d FROM syncd.backfill_chunk", chunks))
	if n, _ := strconv.Atoi(again); n > kills {
		t.Errorf("seed %d: %s chunks were run again after %d kills", seed, again, killed)
	}
	if killed < kills {
		t.Errorf("seed %d: it was killed %d times only", seed, killed)
	}
	for what, query := range map[string]string{
		"backfills":              "SELECT string_agg(state || ' ' || chunks, ',') FROM syncd.backfill",
		"chunks that are done":   "SELECT count(*) || '' FROM syncd.backfill_chunk WHERE state = 'done' AND ids IS NULL",
		"runs left running":      "SELECT count(*) || '' FROM syncd.run WHERE state = 'running'",
		"claims left of chunks":  "SELECT count(*) || '' FROM syncd.claim WHERE chunk <> ''",
		"verdict of the last":    "SELECT verdict FROM syncd.run ORDER BY run_id DESC LIMIT 1",
		"chunks done by two":     "SELECT count(*) || '' FROM (SELECT FROM syncd.run WHERE chunk <> '' AND state = 'succeeded' GROUP BY chunk HAVING count(*) > 1) AS x",
		"runs that were not won": "SELECT count(*) || '' FROM syncd.run WHERE state NOT IN ('succeeded', 'lost')",
	} {
		want := map[string]string{"backfills": fmt.Sprintf("succeeded %d", chunks), "chunks that are done": strconv.Itoa(chunks), "verdict of the last": "proven"}[what]
		if want == "" {
			want = "0"
		}
		if got := scalar(t, w.database, query); got != want {
			t.Errorf("seed %d: %s: %s, want %s; at last it said:\n%s", seed, what, got, want, said)
		}
	}
	t.Logf("seed %d: %d chunks, killed %d times, %s chunks run again, rows that differ 0", seed, chunks, killed, again)
}
