package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"syncd/extract/redox"
	"syncd/internal/fake/redcap"
	fake "syncd/internal/fake/redox"
	"syncd/internal/pgembed"
	"syncd/internal/pgtest"
	"syncd/job"
	"syncd/load"
)

// What becomes of a request when Postgres, the sender or we go away in the middle of it: with the real inbox, the parts of H32 to H35
// that need one.

func noteOf(n int) []byte {
	return fmt.Appendf(nil, `{"Meta":{"DataModel":"Notes","EventType":"New","EventDateTime":"2026-02-03T08:00:00.000Z","Source":{"ID":"s"},"Logs":[{"ID":"note-%d"}]},
		"Patient":{"Identifiers":[{"ID":"1","IDType":"MR"}]},"Note":{"DocumentID":"%d"}}`, n, n)
}

// rawRequest is a push as bytes.
func rawRequest(body []byte) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: ward\r\nContent-Type: application/json\r\nVerification-Token: %s\r\nAuthorization: Bearer %[2]s\r\nContent-Length: %d\r\n\r\n%s",
		wardPath, wardToken, len(body), body)
}

// exchangeRaw sends a request on a connection of its own. Status 0 is no answer.
func exchangeRaw(t *testing.T, address string, body []byte) (status int, header http.Header) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(rawRequest(body)); err != nil {
		return 0, nil
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, nil
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return 0, nil
	}
	return answer.StatusCode, answer.Header
}

// putOff wants a body to be put off: 503, and to be tried again within three seconds.
func (w *ward) putOff(body []byte) {
	w.t.Helper()
	status, header := exchangeRaw(w.t, w.address, body)
	after, err := strconv.Atoi(header.Get("Retry-After"))
	if status != http.StatusServiceUnavailable || err != nil || after > 3 {
		w.t.Errorf("status %d, Retry-After %q; want 503 and at most 3", status, header.Get("Retry-After"))
	}
}

// taken wants a body to be acknowledged, and to be kept once, whether or not it was there already.
func (w *ward) taken(body []byte, kind redox.RequestKind) {
	w.t.Helper()
	if status, _ := exchangeRaw(w.t, w.address, body); status != http.StatusOK {
		w.t.Errorf("status %d, want 200", status)
	}
	if got := w.lastKind(); got != kind {
		w.t.Errorf("it is taken for %q, want %q", got, kind)
	}
	if n := w.kept(body); n != 1 {
		w.t.Errorf("it is kept %d times", n)
	}
}

func (w *ward) kept(body []byte) int {
	w.t.Helper()
	return askWard[int](w, "SELECT count(*) FROM syncd.delivery AS d JOIN syncd.payload AS p USING (seq) WHERE p.body = $1", body)
}

func (w *ward) lastKind() redox.RequestKind {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen[len(w.seen)-1].Kind
}

// H32
func TestNothingIsAcknowledgedWhilePostgresIsDown(t *testing.T) {
	t.Parallel()
	postgres := pgtest.Private(t, pgembed.Options{})
	url := pgtest.Ready(t, postgres)
	w := newWard(t, load.Config{URL: url})
	w.taken(noteOf(1), redox.KindPush)
	if err := postgres.Kill(); err != nil {
		t.Fatal(err)
	}
	for range 3 { // on a connection that was open, and on new ones
		w.putOff(noteOf(2))
	}
	if err := postgres.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.w.Pool().Reset()
	if n := w.kept(noteOf(1)); n != 1 {
		t.Errorf("what was acknowledged is there %d times after the crash", n)
	}
	w.taken(noteOf(2), redox.KindPush)
	w.taken(noteOf(1), redox.KindDuplicate)
}

// H32
func TestNothingIsAcknowledgedThatPostgresRefuses(t *testing.T) {
	t.Parallel()
	w := freshWard(t)
	w.taken(noteOf(1), redox.KindPush)
	const fail = "CREATE OR REPLACE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '%s'; END $$"
	statement(t, w.url, fmt.Sprintf(fail, "53100"))
	for i, c := range []struct{ name, breaks, mends string }{
		{
			"read-only", "ALTER DATABASE " + databaseOf(t, w.url) + " SET default_transaction_read_only = on",
			"ALTER DATABASE " + databaseOf(t, w.url) + " RESET default_transaction_read_only",
		},
		{"disk full at the bytes", "CREATE TRIGGER full_disk BEFORE INSERT ON syncd.payload FOR EACH ROW EXECUTE FUNCTION public.fail()", "DROP TRIGGER full_disk ON syncd.payload"},
		{"disk full at the facts", "CREATE TRIGGER full_disk BEFORE INSERT ON syncd.delivery FOR EACH ROW EXECUTE FUNCTION public.fail()", "DROP TRIGGER full_disk ON syncd.delivery"},
		{"out of memory", fmt.Sprintf(fail, "53200") + "; CREATE TRIGGER full_disk BEFORE INSERT ON syncd.delivery FOR EACH ROW EXECUTE FUNCTION public.fail()", "DROP TRIGGER full_disk ON syncd.delivery"},
		{"no right", "ALTER TABLE syncd.payload RENAME TO away", "ALTER TABLE syncd.away RENAME TO payload"},
	} {
		statement(t, w.url, c.breaks)
		w.newSessions()
		n := 10 + i
		w.putOff(noteOf(n))
		statement(t, w.url+"&default_transaction_read_only=off", c.mends)
		w.newSessions()
		if kept := askWard[int](w, "SELECT count(*) FROM syncd.delivery WHERE dedupe_key = $1", fmt.Sprintf("log:note-%d", n)); kept != 0 {
			t.Errorf("%s: put off, and its facts are kept", c.name)
		}
		w.taken(noteOf(n), redox.KindPush)
		if t.Failed() {
			t.Fatalf("that was with: %s", c.name)
		}
	}
}

// newSessions ends all connections of the receiver and its warehouse, so that what a database is set to holds for the next.
func (w *ward) newSessions() {
	w.t.Helper()
	statement(w.t, w.url, "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
	w.w.Pool().Reset()
	// The inbox finds out when it uses one of the ends that are left in its hands.
	status := 0
	for status == 0 {
		status, _ = exchangeRaw(w.t, w.address, noteOf(1))
	}
	for range inboxConns {
		_, _ = exchangeRaw(w.t, w.address, noteOf(1))
	}
}

// holding keeps a table from being written to until release.
func holding(t *testing.T, url, table string) (release func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), pgtest.Super(url))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "BEGIN; LOCK TABLE "+table+" IN SHARE MODE"); err != nil {
		t.Fatal(err)
	}
	release = sync.OnceFunc(func() { _ = conn.Close(context.Background()) })
	t.Cleanup(release)
	return release
}

const somebodyWaits = "SELECT count(*) >= 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

// H32: all connections of the inbox are taken, and what they wait for does not come.
func TestNobodyWaitsForEverForAnInboxThatIsBusy(t *testing.T) {
	t.Parallel()
	w := freshWard(t)
	release := holding(t, w.url, "syncd.delivery")
	var all sync.WaitGroup
	var acknowledged atomic.Int32
	for i := range 30 {
		all.Go(func() {
			if status, _ := exchangeRaw(t, w.address, noteOf(i)); status == http.StatusOK {
				acknowledged.Add(1)
			} else if status != http.StatusServiceUnavailable {
				t.Errorf("status %d", status)
			}
		})
	}
	all.Wait() // each within its ten seconds
	if n := acknowledged.Load(); n != 0 {
		t.Errorf("%d were acknowledged, and nothing could be written", n)
	}
	release()
	w.push(noteOf(0), noteOf(29))
	if n := w.kept(noteOf(0)) + w.kept(noteOf(29)); n != 2 {
		t.Errorf("%d of 2 are kept", n)
	}
}

// A delivery is settled in the transaction that brings its rows: a batch that fails at its very end leaves both as they were.
func TestADeliveryIsSettledWithItsRowsOrNotAtAll(t *testing.T) {
	t.Parallel()
	w := freshWard(t)
	w.push(noteOf(1))
	w.drain()
	w.push(noteOf(2))
	statement(t, w.url, `CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '40000'; END $$;
		CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT OR UPDATE ON syncd.batch DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.fail()`)
	if _, err := w.cli.drainOnce(w.w, w.cfg.Receivers["ward"], job.Drain, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("no batch could be committed, and the run succeeded")
	}
	state := func() string {
		return strings.Join(w.rowsOf("SELECT state || ' ' || (SELECT count(*) FROM ward.note WHERE document_id = right(dedupe_key, 1)) FROM syncd.delivery ORDER BY seq"), ", ")
	}
	if got := state(); got != "applied 1, pending 0" {
		t.Errorf("deliveries and their rows: %s", got)
	}
	statement(t, w.url, "DROP TRIGGER at_commit ON syncd.batch")
	w.drain()
	if got := state(); got != "applied 1, applied 1" {
		t.Errorf("deliveries and their rows after another try: %s", got)
	}
}

// lossy is a way to Postgres on which answers may get lost after the work is done.
type lossy struct{ armed atomic.Pointer[[]byte] }

type lossyConn struct {
	net.Conn
	way  *lossy
	lose atomic.Bool
}

func (l *lossy) dial(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &lossyConn{Conn: c, way: l}, nil
}

// Write notes that what it carries is to get no answer.
func (c *lossyConn) Write(b []byte) (int, error) {
	if mark := c.way.armed.Load(); mark != nil && bytes.Contains(b, *mark) {
		c.lose.Store(true)
	}
	return c.Conn.Write(b)
}

// Read reads an answer that is to get lost, so that it is known to have been given, and breaks the connection.
func (c *lossyConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 && c.lose.Load() {
		c.Conn.Close()
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

// H32
func TestWhatWasCommittedWithoutOurKnowingIsADuplicate(t *testing.T) {
	t.Parallel()
	way := &lossy{}
	w := newWard(t, load.Config{URL: pgtest.New(t), DialFunc: way.dial})
	w.taken(noteOf(1), redox.KindPush) // the statement is prepared by now: the next write carries it out
	mark := []byte(`"note-2"`)
	way.armed.Store(&mark)
	w.putOff(noteOf(2))
	way.armed.Store(nil)
	if n := w.kept(noteOf(2)); n != 1 {
		t.Fatalf("the answer was lost after a commit, and it is kept %d times", n)
	}
	w.taken(noteOf(2), redox.KindDuplicate)
}

// H33
func TestASenderThatGoesAwayLeavesOneDelivery(t *testing.T) {
	t.Parallel()
	w := freshWard(t)
	release := holding(t, w.url, "syncd.delivery")
	c, err := net.Dial("tcp", w.address)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(rawRequest(noteOf(1))); err != nil {
		t.Fatal(err)
	}
	eventually(t, w.url, somebodyWaits)
	_ = c.(*net.TCPConn).SetLinger(0) // a reset
	c.Close()
	release()
	eventually(t, w.url, "SELECT count(*) = 1 FROM syncd.delivery")
	w.taken(noteOf(1), redox.KindDuplicate)
}

// H34
func TestATermSignalLosesNothingThatWasAcknowledged(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	r := &replica{file: wardFile(t, url)}
	t.Cleanup(func() { r.signal(syscall.SIGKILL) })
	r.start(t)
	address := r.at()
	eventually(t, url, "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'syncd'")
	for status := 0; status != http.StatusOK; { // it accepts
		status, _ = exchangeRaw(t, address, noteOf(0))
	}
	release := holding(t, url, "syncd.delivery")
	const senders = 100
	answers := make(chan [2]int, senders)
	for i := range senders {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write(rawRequest(noteOf(1 + i))); err != nil {
			t.Fatal(err)
		}
		go func() {
			defer c.Close()
			answer, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				answers <- [2]int{i, 0}
				return
			}
			answer.Body.Close()
			answers <- [2]int{i, answer.StatusCode}
		}()
	}
	eventually(t, url, somebodyWaits)
	ended := make(chan int, 1)
	go func() { ended <- r.signal(syscall.SIGTERM) }()
	for { // the listener goes first
		c, err := net.Dial("tcp", address)
		if err != nil {
			break
		}
		c.Close()
	}
	release()
	counts := map[int]int{}
	for range senders {
		a := <-answers
		counts[a[1]]++
		stored := scalar(t, url, fmt.Sprintf("SELECT count(*) FROM syncd.delivery AS d JOIN syncd.payload AS p USING (seq) WHERE dedupe_key = 'log:note-%d'", 1+a[0]))
		if a[1] == http.StatusOK && stored != "1" {
			t.Errorf("message %d was acknowledged and is kept %s times", a[0], stored)
		}
	}
	if counts[200] == 0 || counts[200]+counts[503]+counts[0] != senders {
		t.Errorf("answers by status %v", counts)
	}
	if code := <-ended; code != exitDone {
		t.Errorf("the daemon ended with %d", code)
	}
	t.Logf("answers by status %v, acknowledged and lost 0", counts)
}

// H35
func TestJobsGoOnWhileThereIsAFlood(t *testing.T) {
	t.Parallel()
	api := redcap.NewServer(redcap.Options{})
	project := redcap.Synthetic(redcap.Spec{Kind: redcap.Repeating, Records: 40, Fields: 24, ID: 9, Title: "Night"})
	api.Add(project)
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	w := freshWard(t, fmt.Sprintf("[redcap.main]\nurl = %q\nrequests_per_minute = 0\n[job.night]\nsource = \"redcap.main\"\ntoken = %q",
		server.URL+"/api/", writeSecret(t, t.TempDir(), "token", project.Token())))
	const flood = 3000
	traffic := fake.NewTraffic(fake.TrafficSpec{Seed: 5})
	done := make(chan *fake.Figures, 1)
	end := w.draining()
	go func() {
		p := &fake.Pump{Address: w.address, Path: wardPath, Token: wardToken, Connections: 64}
		f, err := p.Run(t.Context(), flood, traffic.AppendMixed)
		if err != nil {
			t.Error(err)
		}
		done <- f
	}()
	var f *fake.Figures
	runs := 0
	for f == nil { // one run of the job after the other, until the flood is over, and at least one
		var said strings.Builder
		m := &Main{Args: []string{"-c", w.cli.config, "sync", "night"}, Stdout: &said, Stderr: &said, Now: w.cli.Now}
		if code := m.Run(t.Context()); code != exitDone {
			t.Errorf("the job ended with %d:\n%s", code, said.String())
		}
		runs++
		select {
		case f = <-done:
		default:
		}
	}
	end()
	acknowledged := f.Statuses[http.StatusOK]
	if acknowledged == 0 || acknowledged+f.Statuses[http.StatusServiceUnavailable] != flood {
		t.Errorf("answers by status %v", f.Statuses)
	}
	if applied := askWard[int](w, "SELECT count(*) FROM syncd.delivery WHERE state = 'applied'"); applied < acknowledged {
		t.Errorf("%d applied, %d acknowledged", applied, acknowledged)
	}
	t.Logf("%d requests, %.0f/s, p99 %s, answers %v; runs of a job meanwhile %d, all well", flood, f.PerSecond(), f.Quantile(0.99), f.Statuses, runs)
}
