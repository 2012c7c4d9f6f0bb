package migrations_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	osexec "os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/golang-migrate/migrate/v4/database"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"syncd/internal/pgtest"
	"syncd/migrations"
)

// step is how many writes lie between two points of an enumeration. 1 tries them all (make crash); the default visits
// every phase of a migration, because a migration's number of writes is no multiple of it.
var step = flag.Int64("step", 7, "writes between two points at which migrations are killed or cut")

// What a victim process reads from its environment.
const (
	victimURL  = "SYNCD_TEST_MIGRATE_URL"
	victimDies = "SYNCD_TEST_MIGRATE_DIES" // number of the write to the network at which it dies
)

// victim migrates, and is killed by the kernel right after a given write: Postgres has the message, nobody has the reply.
func victim(url string) int {
	dies, err := strconv.ParseInt(os.Getenv(victimDies), 10, 64)
	if err != nil {
		return 2
	}
	w := &wire{onWrite: func(n, _ int64, _ net.Conn) {
		if n == dies {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}}
	if _, _, err := migrations.Up(context.Background(), migrations.Config{URL: url, DialFunc: w.dial}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// wire counts the writes of all connections, and lets a test do something after one.
type wire struct {
	onWrite func(n, conn int64, c net.Conn) // n counts all writes; conn numbers the connections from 1
	writes  atomic.Int64
	dials   atomic.Int64
	dead    atomic.Bool // nothing goes through any more, as after the death of a process

	mu    sync.Mutex
	conns []net.Conn
}

func (w *wire) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if w.dead.Load() {
		return nil, syscall.ECONNREFUSED
	}
	c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns = append(w.conns, c)
	return &counted{Conn: c, wire: w, number: w.dials.Add(1)}, nil
}

// die cuts everything, as the kernel does for a process that was killed.
func (w *wire) die() {
	w.dead.Store(true)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		_ = c.Close()
	}
}

type counted struct {
	net.Conn
	wire   *wire
	number int64
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.wire.onWrite(c.wire.writes.Add(1), c.number, c.Conn)
	return n, err
}

// writesOfUp counts how often a whole Up writes to the network.
func writesOfUp(t *testing.T) int64 {
	t.Helper()
	w := &wire{onWrite: func(int64, int64, net.Conn) {}}
	if _, _, err := migrations.Up(t.Context(), migrations.Config{URL: pgtest.Empty(t), DialFunc: w.dial}); err != nil {
		t.Fatal(err)
	}
	return w.writes.Load()
}

func TestKilledAtAnyWriteTheNextStartEndsAtTheNewestVersion(t *testing.T) {
	t.Parallel()
	total := writesOfUp(t)
	want := catalogue(t, connect(t, pgtest.New(t)), "syncd")
	points, dirty, committed := 0, 0, 0
	for at := int64(1); at <= total; at += *step {
		url := pgtest.Empty(t)
		cmd := osexec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), victimURL+"="+url, victimDies+"="+strconv.FormatInt(at, 10))
		out, err := cmd.CombinedOutput()
		var exit *osexec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("at write %d of %d the process did not die: %v %s", at, total, err, out)
		}
		points++
		if points%2 == 0 { // repaired by hand; the others by the next start itself
			r, err := migrations.Repair(t.Context(), migrations.Config{URL: url})
			if err != nil {
				t.Fatalf("at write %d: %v", at, err)
			}
			if r.Migration.Version > 0 {
				dirty++
			}
			if r.Committed {
				committed++
			}
		}
		up(t, url)
		conn := connect(t, url)
		atLatest(t, conn)
		if diff := cmp.Diff(want, catalogue(t, conn, "syncd")); diff != "" {
			t.Fatalf("at write %d the structure differs:\n%s", at, diff)
		}
		pgtest.Drop(t, url)
	}
	t.Logf("killed at %d of %d writes; of every second one: %d dirty, %d of them committed; stuck 0", points, total, dirty, committed)
	if dirty == 0 {
		t.Error("no point left a migration half recorded")
	}
}

func TestCutFromTheDatabaseAtAnyWriteTheNextStartEndsAtTheNewestVersion(t *testing.T) {
	t.Parallel()
	total := writesOfUp(t)
	points := 0
	for at := int64(1); at <= total; at += *step {
		points++
		url := pgtest.Empty(t)
		w := &wire{}
		w.onWrite = func(n, _ int64, _ net.Conn) {
			if n == at {
				w.die()
			}
		}
		_, _, err := migrations.Up(t.Context(), migrations.Config{URL: url, DialFunc: w.dial})
		if err != nil && !errors.Is(err, migrations.ErrLost) && !errors.Is(err, migrations.ErrUnreachable) {
			t.Fatalf("cut at write %d: the error does not say that the connection was lost: %v", at, err)
		}
		secretFree(t, err)
		up(t, url)
		pgtest.Drop(t, url)
	}
	t.Logf("cut at %d of %d writes; stuck 0", points, total)
}

func TestUpGoesOnByItselfAfterOneConnectionIsLost(t *testing.T) {
	t.Parallel()
	total := writesOfUp(t)
	for _, which := range []int64{1, 2} { // the one that holds the lock, the one that migrates
		for at := int64(8); at <= total; at += 3 * *step {
			url := pgtest.Empty(t)
			done := false
			w := &wire{onWrite: func(n, conn int64, c net.Conn) {
				if !done && n >= at && conn == which {
					done = true
					_ = c.Close()
				}
			}}
			_, to, err := migrations.Up(t.Context(), migrations.Config{URL: url, DialFunc: w.dial})
			if err != nil || to != migrations.Latest() {
				t.Fatalf("connection %d lost at write %d of %d: version %d, %v", which, at, total, to, err)
			}
			pgtest.Drop(t, url)
		}
	}
}

func TestAStatementWhoseClientDiedDoesNotStopTheNextStart(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	conn := connect(t, url)
	// A migration that hangs in its middle: version 6 alters a table on which somebody sits.
	upTo(t, conn, 5)
	blocker := connect(t, url)
	exec(t, blocker, "BEGIN; LOCK TABLE syncd.river_job IN ACCESS SHARE MODE")
	w := &wire{onWrite: func(int64, int64, net.Conn) {}}
	first := goUp(t.Context(), migrations.Config{URL: url, DialFunc: w.dial})
	waitFor(t, conn, "SELECT count(*) = 1 FROM pg_locks WHERE NOT granted AND relation = 'syncd.river_job'::regclass")
	w.die()
	if err := <-first; !errors.Is(err, migrations.ErrLost) && !errors.Is(err, migrations.ErrUnreachable) {
		t.Fatalf("cut in the middle: %v", err)
	}
	// Postgres looks every second whether the client is there; then the statement ends, although its lock never came.
	waitFor(t, conn, "SELECT count(*) = 0 FROM pg_locks WHERE NOT granted AND relation = 'syncd.river_job'::regclass")
	exec(t, blocker, "COMMIT")
	up(t, url)
	atLatest(t, conn)
}

func TestAMigrationThatIsStillCommittingIsWaitedFor(t *testing.T) {
	t.Parallel()
	url := pgtest.Empty(t)
	conn, orphan := connect(t, url), connect(t, url)
	upTo(t, conn, 5)
	exec(t, conn, "UPDATE syncd.schema_migration SET version = 6, dirty = true")
	// What the server process of a dead syncd looks like: it holds golang-migrate's lock and is about to commit.
	exec(t, orphan, "SELECT pg_advisory_lock("+theirLock(t, conn)+")")
	exec(t, orphan, strings.TrimSuffix(migrations.All()[5].SQL, "COMMIT;\n"))

	_, _, err := migrations.Up(t.Context(), migrations.Config{URL: url, LockTimeout: 200 * time.Millisecond})
	if !errors.Is(err, migrations.ErrBusy) {
		t.Fatalf("did not give up at its deadline: %v", err)
	}
	next := goUp(t.Context(), migrations.Config{URL: url})
	waitFor(t, conn, "SELECT count(*) = 2 FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")
	exec(t, orphan, "COMMIT; SELECT pg_advisory_unlock_all()")
	if err := <-next; err != nil {
		t.Fatal(err)
	}
	atLatest(t, conn)
}

// theirLock is the key of golang-migrate's lock for our version table.
func theirLock(t *testing.T, conn *pgx.Conn) string {
	t.Helper()
	var db string
	if err := conn.QueryRow(t.Context(), "SELECT current_database()").Scan(&db); err != nil {
		t.Fatal(err)
	}
	key, err := database.GenerateAdvisoryLockId(db, "syncd", "schema_migration")
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func goUp(ctx context.Context, c migrations.Config) <-chan error {
	ended := make(chan error, 1)
	go func() {
		_, _, err := migrations.Up(ctx, c)
		ended <- err
	}()
	return ended
}

// waitFor asks the server until a condition holds.
func waitFor(t *testing.T, conn *pgx.Conn, query string) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 3000 {
		var holds bool
		if err := conn.QueryRow(t.Context(), query).Scan(&holds); err != nil {
			t.Fatal(err)
		}
		if holds {
			return
		}
		<-tick.C
	}
	t.Fatalf("never came true: %s", query)
}
