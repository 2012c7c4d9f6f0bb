package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"syncd/internal/config"
	"syncd/internal/fake/redcap"
	"syncd/internal/pgtest"
	"syncd/job"
	"syncd/load"
)

const (
	lackToken    = 3    // jobs whose secret is missing
	outageBudget = 1200 // requests a minute
)

// outage is one server with many jobs that are due in the same minute, a daemon's engine whose clock the test sets, a receiver, and
// whoever is told.
type outage struct {
	t      *testing.T
	ward   *ward
	fake   *redcap.Server
	hook   *webhook
	jobs   int
	probes int // while it is down, one in two minutes
	pokes  chan struct{}

	down atomic.Bool
	hits atomic.Int64 // requests that came while the server was down

	mu  sync.Mutex
	now time.Time
}

// TestServerWithManyJobsThatIsDownForHoursIsProbedAndThenAllOfThemRun is the night in which a server does not come back: all its jobs are
// due in one minute, some lack their secret, and pushes go on. SYNCD_OUTAGE=200 is 200 jobs and two and a half hours (make prove-outage).
func TestServerWithManyJobsThatIsDownForHoursIsProbedAndThenAllOfThemRun(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	database := o.ward.url
	end := o.serve()
	o.wait(fmt.Sprintf("SELECT count(*) = %d FROM syncd.job WHERE spec IS NOT NULL", o.jobs))
	tell := o.telling()

	o.down.Store(true)
	o.pass(3 * time.Minute)
	o.wait("SELECT count(*) = 1 FROM syncd.circuit WHERE source = 'redcap.main' AND down_since IS NOT NULL")
	o.wait("SELECT count(*) = 0 FROM syncd.run WHERE state = 'running' AND kind = 'sync'")
	opened := o.hits.Load()
	missed := 0
	for i := range o.probes {
		o.ward.push(patientMessage(i))
		tell()
		before, runs := o.hits.Load(), askWard[int](o.ward, "SELECT count(*) FROM syncd.run WHERE kind = 'sync'")
		o.pass(2 * time.Minute)
		o.wait("SELECT count(*) FILTER (WHERE state <> 'running') > $1 AND count(*) FILTER (WHERE state = 'running') = 0 FROM syncd.run WHERE kind = 'sync'", runs)
		switch n := o.hits.Load() - before; n {
		case 1:
		case 0:
			missed++ // a job without its secret was to be the probe
		default:
			t.Fatalf("probe %d was %d requests", i, n)
		}
	}
	o.down.Store(false)
	waited := scalar(t, database, "SELECT count(*) FROM syncd.slot WHERE state IN ('due', 'running')")
	for scalar(t, database, "SELECT count(*) FROM syncd.circuit WHERE down_since IS NOT NULL") != "0" {
		o.pass(2 * time.Minute)
		o.wait("SELECT count(*) = 0 FROM syncd.circuit WHERE down_since IS NOT NULL AND probe_at <= clock_timestamp()")
		o.wait("SELECT count(*) = 0 FROM syncd.run WHERE state = 'running' AND kind = 'sync'")
	}
	o.wake()
	o.wait("SELECT count(*) = 0 FROM syncd.slot WHERE state IN ('due', 'running')")
	tell()
	end()
	tell()
	o.ward.drain()

	ends := scalar(t, database, "SELECT string_agg(n || ' ' || state, ', ' ORDER BY state) FROM (SELECT state, count(*) AS n FROM syncd.slot GROUP BY state) AS s")
	told := o.hook.got()
	t.Logf("jobs %d, down for %d minutes: %d requests until the circuit opened, %d probes, %s slots waited; afterwards %s; at most %d requests a minute of %d; %d pushes acknowledged; %d messages",
		o.jobs, 2*o.probes, opened, int(o.hits.Load()-opened), waited, ends, o.fake.MaxPerMinute(), outageBudget, o.probes, strings.Count(told, `"title"`))
	if want := fmt.Sprintf("%d failed, %d succeeded", lackToken, o.jobs-lackToken); ends != want {
		t.Errorf("slots: %s, want %s", ends, want)
	}
	if missed > lackToken {
		t.Errorf("%d probes were not made", missed)
	}
	if most := o.fake.MaxPerMinute(); most > outageBudget {
		t.Errorf("%d requests in a minute", most)
	}
	if n := scalar(t, database, "SELECT count(*) FROM syncd.run WHERE kind = 'sync' AND state = 'succeeded' AND verdict IS DISTINCT FROM 'proven'"); n != "0" {
		t.Errorf("%s runs are not proven", n)
	}
	for title, want := range map[string]int{`"title":"redcap.main is down`: 1, `"title":"redcap.main is back`: 1} {
		if n := strings.Count(told, title); n != want {
			t.Errorf("told %d times instead of %d: %s\n%s", n, want, title, told)
		}
	}
}

func newOutage(t *testing.T) *outage {
	o := &outage{t: t, fake: redcap.NewServer(redcap.Options{}), hook: &webhook{status: http.StatusNoContent}, jobs: 9, probes: 4, pokes: make(chan struct{}, 1), now: time.Now()}
	if n, err := strconv.Atoi(os.Getenv("SYNCD_OUTAGE")); err == nil {
		o.jobs, o.probes = n, 75
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if o.down.Load() {
			o.hits.Add(1)
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		o.fake.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	hook := httptest.NewServer(o.hook)
	t.Cleanup(hook.Close)
	tokens := t.TempDir()
	due := o.now.Add(2 * time.Minute).UTC()
	var text strings.Builder
	fmt.Fprintf(&text, "[redcap.main]\nurl = %q\nrequests_per_minute = %d\ntokens = %q\n[redcap.main.defaults]\nschedule = \"CRON_TZ=UTC %d %d * * *\"\nfull = \"never\"\n[notify.ops]\nkind = \"webhook\"\nurl = %q\n",
		server.URL+"/api/", outageBudget, "dir:"+tokens, due.Minute(), due.Hour(), writeSecret(t, tokens, "hook.url", hook.URL))
	for i := range o.jobs {
		name := fmt.Sprintf("job_%03d", i)
		fmt.Fprintf(&text, "[job.%s]\nsource = \"redcap.main\"\n", name)
		p := redcap.Synthetic(redcap.Spec{Kind: redcap.Classic, Records: 3, Fields: 6, ID: 1000 + i, Title: name})
		o.fake.Add(p)
		if every := o.jobs / lackToken; i%every == 1 && i/every < lackToken {
			continue
		}
		if err := os.WriteFile(filepath.Join(tokens, name), []byte(p.Token()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o.ward = newWard(t, load.Config{URL: pgtest.New(t)}, text.String())
	o.ward.cli.wait = time.Millisecond
	return o
}

// clock is the daemon's.
func (o *outage) clock() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.now
}

// pass lets time go by: that of the planner, that of the circuit, which Postgres keeps, and that until slots that wait look again.
func (o *outage) pass(d time.Duration) {
	o.t.Helper()
	o.mu.Lock()
	o.now = o.now.Add(d)
	o.mu.Unlock()
	statement(o.t, o.ward.url, fmt.Sprintf("UPDATE syncd.circuit SET probe_at = probe_at - interval '%d s', down_since = down_since - interval '%d s'", int(d.Seconds()), int(d.Seconds())))
	o.wake()
}

// wake makes the slots that wait look again, and the planner.
func (o *outage) wake() {
	o.t.Helper()
	statement(o.t, o.ward.url, "UPDATE syncd.river_job SET state = 'available', scheduled_at = now() - interval '1 s' WHERE state = 'scheduled'")
	select {
	case o.pokes <- struct{}{}:
	default:
	}
}

// wait asks until a query answers with true.
func (o *outage) wait(query string, args ...any) {
	o.t.Helper()
	for !askWard[bool](o.ward, query, args...) {
	}
}

// serve runs the engine until the func that it returns is called.
func (o *outage) serve() (end func()) {
	log := slog.New(slog.DiscardHandler)
	w, err := load.Open(o.t.Context(), load.Config{URL: o.ward.url, Log: log, MaxConns: 16})
	if err != nil {
		o.t.Fatal(err)
	}
	engine := job.NewEngine(job.Config{
		Warehouse: w, Jobs: planned(o.ward.cfg, o.ward.cli.newSources(o.ward.cfg, log, w)), Holder: "outage", Log: log, Workers: 8, Poke: o.pokes,
		Now: func(ctx context.Context) (time.Time, error) { return o.clock(), nil },
	})
	stop, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- engine.Run(o.t.Context(), stop) }()
	return func() {
		o.t.Helper()
		close(stop)
		if err := <-ended; err != nil {
			o.t.Error(err)
		}
		w.Close()
	}
}

// telling returns what a daemon does once a minute for those who are to be told.
func (o *outage) telling() func() {
	log := slog.New(slog.DiscardHandler)
	c := o.ward.cli
	from := c.newSources(o.ward.cfg, log, o.ward.w)
	e := c.newNotifications(o.ward.w, "outage", func() *config.Config { return o.ward.cfg }, func() *sources { return from }, log)
	e.Now = o.clock
	return func() {
		o.t.Helper()
		for range 3 {
			o.mu.Lock()
			o.now = o.now.Add(30 * time.Second)
			o.mu.Unlock()
			if err := e.Turn(o.t.Context()); err != nil {
				o.t.Error(err)
			}
		}
	}
}

// patientMessage is a push like any other.
func patientMessage(i int) []byte {
	return fmt.Appendf(nil, `{"Meta":{"DataModel":"PatientAdmin","EventType":"Arrival","EventDateTime":"2026-03-04T02:15:00.000Z","Logs":[{"ID":"log-%d"}],"Source":{"ID":"feed-1"}},"Patient":{"Identifiers":[{"ID":"%d","IDType":"MR"}]},"Visit":{"VisitNumber":"V%d"}}`, i, i, i)
}
