package load

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"syncd/internal/fake/redcap"
	"syncd/internal/pgtest"
)

const aHost = "https://redcap.example.edu:443"

// years is time of a test's own. It goes on to whoever sleeps shortest once everybody who can sleep does: as many as
// there are places, or everybody who is left.
type years struct {
	mu      sync.Mutex
	now     time.Time
	awake   int // senders that have not gone home
	sleeper []*dream
}

type dream struct {
	until time.Time
	over  chan struct{}
}

func newYears(senders int) *years {
	return &years{now: time.Date(2026, 11, 25, 2, 15, 0, 0, time.UTC), awake: senders}
}

func (y *years) time() time.Time {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.now
}

func (y *years) sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	y.mu.Lock()
	me := &dream{until: y.now.Add(d), over: make(chan struct{})}
	y.sleeper = append(y.sleeper, me)
	y.goOn()
	y.mu.Unlock()
	select {
	case <-me.over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// home takes a sender out of account.
func (y *years) home() {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.awake--
	y.goOn()
}

func (y *years) goOn() {
	if len(y.sleeper) == 0 || len(y.sleeper) < min(places, y.awake) {
		return
	}
	first := slices.MinFunc(y.sleeper, func(a, b *dream) int { return a.until.Compare(b.until) })
	y.sleeper = slices.DeleteFunc(y.sleeper, func(d *dream) bool { return d == first })
	if first.until.After(y.now) {
		y.now = first.until
	}
	close(first.over)
}

// in makes a budget live in a test's own time.
func (b *Budget) in(y *years) *Budget {
	b.now, b.sleep = y.time, y.sleep
	return b
}

// most counts the most arrivals in any window of a minute, both ends included.
func most(arrivals []time.Time) (n int) {
	from := 0
	for to := range arrivals {
		for arrivals[to].Sub(arrivals[from]) > time.Minute {
			from++
		}
		n = max(n, to-from+1)
	}
	return n
}

// TestManyProcessesTogetherKeepToTheBudgetOfAServer sends from five jobs in two processes to one server for five
// minutes. Each request takes its time there, a different one each.
func TestManyProcessesTogetherKeepToTheBudgetOfAServer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		perMinute int
		takes     time.Duration // the longest that a request takes
	}{
		{1, 0}, {7, time.Second}, {60, 0}, {60, 900 * time.Millisecond}, {300, 100 * time.Millisecond},
	} {
		t.Run(fmt.Sprintf("%d a minute, %s", c.perMinute, c.takes), func(t *testing.T) {
			t.Parallel()
			db := pgtest.New(t)
			one, two := warehouseAt(t, Config{URL: db}), warehouseAt(t, Config{URL: db})
			const senders, span = 5, 5 * time.Minute
			y := newYears(senders)
			began := y.time()
			end := began.Add(span)
			project := redcap.Synthetic(redcap.Spec{Records: 1, Fields: 3})
			fake := redcap.NewServer(redcap.Options{Clock: y.time, PerMinute: c.perMinute})
			fake.Add(project)
			server := httptest.NewServer(fake)
			defer server.Close()
			var all sync.WaitGroup
			for i := range senders {
				all.Go(func() {
					defer y.home()
					b := []*Warehouse{one, two}[i%2].Budget(aHost, c.perMinute).in(y)
					for n := 0; ; n++ {
						done, err := b.Wait(t.Context())
						if err != nil {
							t.Error(err)
							return
						}
						if !y.time().Before(end) {
							done()
							return
						}
						ask := url.Values{"token": {project.Token()}, "content": {"version"}}
						resp, err := http.PostForm(server.URL+"/api/", ask)
						if err != nil {
							t.Error(err)
							done()
							return
						}
						_ = resp.Body.Close()
						if err := y.sleep(t.Context(), c.takes*time.Duration((i+n)%5)/4); err != nil {
							t.Error(err)
						}
						done()
					}
				})
			}
			all.Wait()
			var arrivals []time.Time
			for _, r := range fake.Requests() {
				arrivals = append(arrivals, r.At)
			}
			slices.SortFunc(arrivals, time.Time.Compare)
			if n := most(arrivals); n > c.perMinute || fake.Banned() {
				t.Errorf("%d requests came within a minute, %d are allowed (banned: %v)", n, c.perMinute, fake.Banned())
			}
			want := c.perMinute * int(span/time.Minute)
			t.Logf("%d requests of %d, at most %d in a minute", len(arrivals), want, most(arrivals))
			if 10*len(arrivals) < 9*want {
				t.Errorf("%d requests came, the budget would allow %d", len(arrivals), want)
			}
		})
	}
}

func TestServersOnOneHostShareItsRowAndEachKeepsToItsOwnLimit(t *testing.T) {
	t.Parallel()
	w := warehouseAt(t, Config{URL: pgtest.New(t)})
	y := newYears(1)
	slow, fast := w.Budget(aHost, 30).in(y), w.Budget(aHost, 300).in(y)
	end := y.time().Add(4 * time.Minute)
	var everybody, slowly []time.Time
	for n := 0; y.time().Before(end); n++ {
		b := fast
		if n%3 == 0 {
			b = slow
		}
		done, err := b.Wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		done()
		everybody = append(everybody, y.time())
		if b == slow {
			slowly = append(slowly, y.time())
		}
	}
	if n := most(slowly); n > 30 {
		t.Errorf("%d requests of the slower server in a minute", n)
	}
	if n := most(everybody); n > 300 {
		t.Errorf("%d requests to the host in a minute", n)
	}
	if n := ask[int](t, w, "SELECT count(*) FROM syncd.budget"); n != 1 {
		t.Errorf("%d rows", n)
	}
}

func TestMomentThatPassedUnusedIsLetGo(t *testing.T) {
	t.Parallel()
	w := warehouseAt(t, Config{URL: pgtest.New(t)})
	y := newYears(1)
	b := w.Budget(aHost, 60).in(y)
	var slept []time.Duration
	b.sleep = func(ctx context.Context, d time.Duration) error {
		slept = append(slept, d)
		if len(slept) == 2 {
			d += time.Hour // the process was frozen
		}
		return y.sleep(ctx, d)
	}
	for range 2 {
		done, err := b.Wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		done()
	}
	if len(slept) != 3 {
		t.Errorf("slept %v: the second moment was an hour past and should have been let go for a third", slept)
	}
}

func TestClockThatWasSetBackHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	w := warehouseAt(t, Config{URL: pgtest.New(t)})
	y := newYears(1)
	do(t, w, "INSERT INTO syncd.budget (host, next_at) VALUES ($1, $2)", aHost, y.time().Add(24*time.Hour))
	began := y.time()
	done, err := w.Budget(aHost, 60).in(y).Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	done()
	if waited := y.time().Sub(began); waited > 10*time.Minute {
		t.Errorf("waited %s", waited)
	}
}

// placesOf counts the advisory locks that are held, and those that are queued for.
func placesOf(t *testing.T, w *Warehouse) string {
	t.Helper()
	return ask[string](t, w, `SELECT concat_ws(' ', count(*) FILTER (WHERE granted), count(*) FILTER (WHERE NOT granted))
		FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
}

const placesHeld = `SELECT count(*) FILTER (WHERE granted) = %d AND count(*) FILTER (WHERE NOT granted) = %d FROM pg_locks
	WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`

func TestNoMoreThanTwoRequestsAreUnderWayAndAKilledHolderFreesItsPlace(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	look, one, two := warehouseAt(t, Config{URL: db}), warehouseAt(t, Config{URL: db}), warehouseAt(t, Config{URL: db})
	enter := func(w *Warehouse) (done func()) {
		done, err := w.Budget(aHost, 60_000).Wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return done
	}
	first, second := enter(one), enter(one)
	if got := placesOf(t, look); got != "2 0" {
		t.Fatalf("places held and queued for: %s", got)
	}
	entered := make(chan func())
	go func() {
		done, err := two.Budget(aHost, 60_000).Wait(t.Context())
		if err != nil {
			t.Error(err)
		}
		entered <- done
	}()
	waitFor(t, look, fmt.Sprintf(placesHeld, 2, 1))
	select {
	case <-entered:
		t.Fatal("a third request was let through")
	default:
	}
	do(t, look, `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY pid LIMIT 1`)
	third := <-entered
	first() // one of these lost its session
	second()
	third()
	third()
	if got := placesOf(t, look); got != "0 0" {
		t.Errorf("places left behind: %s", got)
	}
	enter(one)()
	enter(two)()
}

func TestCancelledWaitLeavesNoPlaceBehind(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	look, one, two := warehouseAt(t, Config{URL: db}), warehouseAt(t, Config{URL: db}), warehouseAt(t, Config{URL: db})
	var held []func()
	for range places {
		done, err := one.Budget(aHost, 60_000).Wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, done)
	}
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	for range places + 1 { // the last of them waits for the others of its own process
		go func() {
			_, err := two.Budget(aHost, 60_000).Wait(ctx)
			failed <- err
		}()
	}
	waitFor(t, look, fmt.Sprintf(placesHeld, 2, 2))
	cancel()
	for range places + 1 {
		if err := <-failed; err == nil || !strings.Contains(err.Error(), "cancel") {
			t.Errorf("cancelled wait: %v", err)
		}
	}
	for _, done := range held {
		done()
	}
	waitFor(t, look, fmt.Sprintf(placesHeld, 0, 0))
	ctx, cancel = context.WithCancel(t.Context())
	b := two.Budget(aHost, 60)
	b.sleep = func(context.Context, time.Duration) error { cancel(); return context.Cause(ctx) }
	if _, err := b.Wait(ctx); err == nil {
		t.Error("a wait that was cancelled before its moment went through")
	}
	waitFor(t, look, fmt.Sprintf(placesHeld, 0, 0))
}

func TestBudgetWithoutPostgresLetsNothingThrough(t *testing.T) {
	t.Parallel()
	w := warehouseAt(t, Config{URL: pgtest.New(t)})
	b := w.Budget(aHost, 60)
	b.patience = time.Nanosecond
	b.pool = func(ctx context.Context) (*pgxpool.Pool, error) {
		gone, err := pgxpool.New(ctx, "postgres://postgres@127.0.0.1:1/none?connect_timeout=1")
		if err == nil {
			t.Cleanup(gone.Close)
		}
		return gone, err
	}
	if done, err := b.Wait(t.Context()); err == nil {
		done()
		t.Error("a request went through without a budget")
	}
	b = w.Budget(aHost, 60)
	w.Close()
	if done, err := b.Wait(t.Context()); err == nil {
		done()
		t.Error("a request went through after the warehouse was closed")
	}
}

func TestPlacesAreTakenFromConnectionsOfTheirOwn(t *testing.T) {
	t.Parallel()
	w := warehouseAt(t, Config{URL: pgtest.New(t), MaxConns: 1})
	conn, err := w.pool.Acquire(t.Context()) // whoever loads has all there are
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	done, err := w.Budget(aHost, 60).Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	done()
}

func TestMostCountsBothEnds(t *testing.T) {
	at := func(seconds ...int) (all []time.Time) {
		for _, s := range seconds {
			all = append(all, time.Unix(int64(s), 0))
		}
		return all
	}
	for _, c := range []struct {
		arrivals []time.Time
		want     int
	}{{nil, 0}, {at(0, 60), 2}, {at(0, 61), 1}, {at(0, 1, 2, 61, 62, 63), 3}} {
		if got := most(c.arrivals); got != c.want {
			t.Errorf("most(%v) = %d, want %d", c.arrivals, got, c.want)
		}
	}
}
