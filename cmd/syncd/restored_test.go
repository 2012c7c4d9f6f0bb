package main

import (
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"syncd/internal/fake/redcap"
	fake "syncd/internal/fake/redox"
	"syncd/internal/pgembed"
	"syncd/internal/pgtest"
	"syncd/load"
	"syncd/migrations"
)

// hospitalBackedUp is a warehouse that pulls a project and receives pushes, of which dumps are taken while both go on.
type hospitalBackedUp struct {
	*ward
	api     *redcap.Server
	project *redcap.Project
	more    string // of jobs.toml, beside the receiver
	story   *fake.History
	sent    []sent
	dice    *rand.Rand
	next    int // number of the next new record
}

// sent is a push that was acknowledged, as the sender's own log has it.
type sent struct {
	at   time.Time
	body []byte
}

// pushesAMoment is how many pushes there are at most beside a run.
const pushesAMoment = 150

// I15: TestADumpOfAnyMomentBecomesTheLiveSystem takes dumps in the middle of runs and pushes, restores each into another cluster, says so to
// the doctor, has the jobs run once and the pushes sent again that the doctor names, and compares with the live system. SYNCD_MOMENTS says
// how many dumps; make prove-restore takes 20.
func TestADumpOfAnyMomentBecomesTheLiveSystem(t *testing.T) {
	t.Parallel()
	moments := fromEnvironment(t, "SYNCD_MOMENTS", 2)
	h := newHospitalBackedUp(t)
	other := pgtest.Private(t, pgembed.Options{})
	pgtest.Ready(t, other)
	equal, open := 0, 0
	for moment := range moments {
		dump := filepath.Join(t.TempDir(), "dump")
		inRun := h.live(t, dump)
		want := h.holds(t, h.ward.w)
		restored := restoreDump(t, other, dump, fmt.Sprintf("moment_%d", moment))
		if scalar(t, restored, "SELECT count(*) FROM syncd.run WHERE state = 'running'") != "0" {
			open++
		}
		got := h.recover(t, restored)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("moment %d (dump at request %d of the run): the live system (-), the restored one (+):\n%s", moment, inRun, diff)
			continue
		}
		if n := h.unexplained(t, restored); n != "0" {
			t.Errorf("moment %d: %s rows of no run", moment, n)
		}
		equal++
		statement(t, other.URL("postgres"), "DROP DATABASE "+databaseOf(t, restored)+" WITH (FORCE)")
	}
	t.Logf("dumps %d, of which with a run under way %d; after restore, doctor and one run equal to the live system %d", moments, open, equal)
}

func newHospitalBackedUp(t *testing.T) *hospitalBackedUp {
	t.Helper()
	h := &hospitalBackedUp{
		api: redcap.NewServer(redcap.Options{}), story: fake.NewHistory(fake.HistorySpec{Seed: 15, Patients: 12, Clock: time.Now}),
		project: redcap.Synthetic(redcap.Spec{Kind: redcap.Repeating, Records: 60, Fields: 24, ID: 15, Title: "Night", DAGs: 2, Missing: true, Misfits: 20}),
		dice:    rand.New(rand.NewPCG(15, 15)),
	}
	h.api.Add(h.project)
	server := httptest.NewServer(h.api)
	t.Cleanup(server.Close)
	h.more = fmt.Sprintf("[redcap.main]\nurl = %q\nrequests_per_minute = 0\n[job.night]\nsource = \"redcap.main\"\ntoken = %q",
		server.URL+"/api/", writeSecret(t, t.TempDir(), "token", h.project.Token()))
	h.ward = newWard(t, load.Config{URL: pgtest.New(t), Installation: "default"}, h.more)
	h.command(t, h.cli.config, exitDone, "sync", "night")
	return h
}

// command runs a command line in this process and wants it to end with a code.
func (h *hospitalBackedUp) command(t *testing.T, config string, code int, args ...string) string {
	t.Helper()
	var said strings.Builder
	m := &Main{Args: append([]string{"-c", config}, args...), Stdout: &said, Stderr: &said, Now: time.Now}
	if got := m.Run(t.Context()); got != code {
		t.Fatalf("%v: exit %d, want %d\n%s", args, got, code, said.String())
	}
	return said.String()
}

// live lets a while go by in the live system: the project changes, a run reads that, pushes come in and are drained. In the middle of the
// run, while pushes go on, a dump is taken. It answers at which request of the run.
func (h *hospitalBackedUp) live(t *testing.T, dump string) int32 {
	t.Helper()
	h.change(t)
	at := 1 + h.dice.Int32N(10)
	var asked atomic.Int32
	taken := false
	h.api.OnRequest(func(redcap.Request) {
		if asked.Add(1) == at {
			taken = true
			takeDump(t, h.url, dump)
		}
	})
	end := h.draining()
	stop, pushed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(pushed)
		for range pushesAMoment {
			message := h.story.Take(1)[0].Body
			h.push(message)
			h.sent = append(h.sent, sent{time.Now(), message})
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	h.command(t, h.cli.config, exitDone, "sync", "night")
	close(stop)
	<-pushed
	end()
	h.api.OnRequest(nil)
	if !taken { // the run had fewer requests
		takeDump(t, h.url, dump)
	}
	return at
}

// change is a day's work at the source.
func (h *hospitalBackedUp) change(t *testing.T) {
	t.Helper()
	ids := h.project.Records()
	for range 3 {
		if err := h.project.Set(ids[h.dice.IntN(len(ids))], "", "", 0, freeText(h.project, "note"), fmt.Sprintf("edited %d", h.dice.Int())); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.project.Delete(ids[h.dice.IntN(len(ids))]); err != nil {
		t.Fatal(err)
	}
	h.next++
	if err := h.project.AddRecord(fmt.Sprintf("new-%d", h.next), map[string]string{freeText(h.project, "note"): "new"}); err != nil {
		t.Fatal(err)
	}
}

// recover does what operations.md says of a restored database, and answers what it holds then.
func (h *hospitalBackedUp) recover(t *testing.T, url string) map[string]string {
	t.Helper()
	file := wardFile(t, url, h.more)
	h.command(t, file, exitRefused, "sync", "night")
	said := h.command(t, file, exitDone, "doctor", "--after-restore", "--now")
	if !strings.Contains(said, "night: succeeded, proven") {
		t.Fatalf("the doctor said:\n%s", said)
	}
	w := newWard(t, load.Config{URL: url, Installation: "default"}, h.more)
	gaps, err := w.w.Gaps(t.Context(), []string{"ward"})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range h.sent {
		if s.at.After(gaps[0].Since) {
			w.push(s.body)
		}
	}
	w.drain()
	return h.holds(t, w.w)
}

// holds hashes the business columns of every table, by table.
func (h *hospitalBackedUp) holds(t *testing.T, w *load.Warehouse) map[string]string {
	t.Helper()
	all := map[string]string{}
	for table, columns := range pushedTables(t, w.Pool(), "ward", "ward_history", "night", "night_meta") {
		all[table] = askWard[string](&ward{t: t, w: w}, fmt.Sprintf("SELECT count(*) || ' rows, ' || coalesce(md5(string_agg(line, E'\\n' ORDER BY line)), '') FROM (SELECT ROW(%s)::text AS line FROM %s AS x) AS l", columns, table))
	}
	return all
}

// unexplained counts rows that name a run which the ledger does not know.
func (h *hospitalBackedUp) unexplained(t *testing.T, url string) string {
	t.Helper()
	var each []string
	for table := range pushedTables(t, h.ward.w.Pool(), "ward", "ward_history", "night", "night_meta", "night_deleted") {
		each = append(each, "SELECT _run_id FROM "+table)
	}
	return scalar(t, url, "SELECT count(*) FROM ("+strings.Join(each, " UNION ALL ")+") AS x WHERE NOT EXISTS (SELECT FROM syncd.run AS r WHERE r.run_id = x._run_id)")
}

// takeDump dumps a database as an administrator would.
func takeDump(t *testing.T, url, file string) {
	t.Helper()
	postgresTool(t, "pg_dump", "--format=custom", "--file="+file, pgtest.Super(url))
}

// restoreDump restores a dump into a new database of another cluster, in which there are the roles already.
func restoreDump(t *testing.T, into *pgembed.Server, file, name string) string {
	t.Helper()
	statement(t, into.URL("postgres"), "CREATE DATABASE "+name+" TEMPLATE template0")
	postgresTool(t, "pg_restore", "--exit-on-error", "--dbname="+into.URL(name), file)
	statement(t, into.URL(name), migrations.Roles())
	return pgtest.As(into.URL(name), migrations.RoleApp)
}

func postgresTool(t *testing.T, name string, args ...string) {
	t.Helper()
	bin, err := pgembed.Find()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, name), args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", name, err, out)
	}
}
