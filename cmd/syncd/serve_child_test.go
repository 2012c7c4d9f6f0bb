package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"syncd/internal/fake/redcap"
)

// often is the schedule of the jobs of these tests: a slot every second.
const often = "@every 1s"

// dumpWithin is how long a daemon that is stuck may take to print its goroutines.
const dumpWithin = 10 * time.Second

// watch is what a daemon of a test is given: a database, a fake REDCap with one project, and a file with jobs.
type watch struct {
	database string
	fake     *redcap.Server
	project  *redcap.Project
	api      string
	dir      string
	env      []string // of the daemon, beside the usual
	served   string   // the file of the daemon that was started last
}

func newWatch(t *testing.T, database string) *watch {
	t.Helper()
	w := &watch{database: database, fake: redcap.NewServer(redcap.Options{}), dir: t.TempDir()}
	w.project = redcap.Synthetic(redcap.Spec{Kind: redcap.Repeating, Records: 40, Fields: 24, ID: 9, Title: "Night", DAGs: 2, Missing: true, Misfits: 20})
	w.fake.Add(w.project)
	server := httptest.NewServer(w.fake)
	t.Cleanup(server.Close)
	w.api = server.URL + "/api/"
	return w
}

// file writes a jobs.toml whose daemon listens on admin, with a job of the project and whatever more is said.
func (w *watch) file(t *testing.T, admin string, more ...string) string {
	t.Helper()
	f, err := os.CreateTemp(w.dir, "*.toml")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, err = fmt.Fprintf(f, "[postgres]\nurl = \"env:DATABASE_URL\"\n[serve]\nlisten = \"127.0.0.1:0\"\nadmin = %q\n[defaults]\nschedule = %q\n[redcap.main]\nurl = %q\nrequests_per_minute = 0\n[job.crash]\nsource = \"redcap.main\"\ntoken = \"env:TOKEN\"\n%s\n",
		admin, often, w.api, strings.Join(more, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// command is the program in a process of its own.
func (w *watch) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Args[0] = "syncd-often"
	cmd.Env = append(append(os.Environ(), "DATABASE_URL="+w.database, "TOKEN="+w.project.Token()), w.env...)
	return cmd
}

// write puts another text into the file of the daemon.
func (w *watch) write(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(w.served, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// rewrite puts what file would write into the file of the daemon.
func (w *watch) rewrite(t *testing.T, more ...string) {
	t.Helper()
	text, err := os.ReadFile(w.file(t, "127.0.0.1:0", more...))
	if err != nil {
		t.Fatal(err)
	}
	w.write(t, string(text))
}

// holdPull makes the fake keep the next request for rows until release is called, and says when it has come.
func (w *watch) holdPull() (asked <-chan struct{}, release func()) {
	came, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	w.fake.OnRequest(func(r redcap.Request) {
		if r.Content != "record" || r.IDs < 2 {
			return
		}
		once.Do(func() { close(came) })
		<-goOn
	})
	return came, sync.OnceFunc(func() { w.fake.OnRequest(nil); close(goOn) })
}

// serving is a `syncd serve` under way.
type serving struct {
	cmd   *exec.Cmd
	admin string
	lines chan line
	done  chan struct{} // the process has ended
	code  int
}

// line is one line of its log.
type line struct {
	Message   string   `json:"msg"`
	Level     string   `json:"level"`
	Admin     string   `json:"admin"`
	Receivers string   `json:"receivers"`
	Error     string   `json:"error"`
	Settings  []string `json:"settings"`
	Job       string   `json:"job"`
	State     string   `json:"state"`
	Verdict   string   `json:"verdict"`
	RunID     int64    `json:"run_id"`
	raw       string
}

// serve starts the daemon and returns once it listens. It is killed at the end of the test, should it be there still.
func (w *watch) serve(t *testing.T, more ...string) *serving {
	t.Helper()
	w.served = w.file(t, "127.0.0.1:0", more...)
	s := &serving{cmd: w.command(t, "-c", w.served, "--log-format", "json", "serve"), lines: make(chan line, 10_000), done: make(chan struct{})}
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go s.follow(stderr)
	stuck := func() bool { return false }
	if last, ok := t.Deadline(); ok { // before go test gives up: what it said and where it stands is worth more
		stuck = time.AfterFunc(time.Until(last)-dumpWithin, func() { _ = s.cmd.Process.Signal(syscall.SIGQUIT) }).Stop
	}
	t.Cleanup(func() {
		stuck()
		_ = s.cmd.Process.Kill()
		<-s.done
	})
	s.admin = s.hears(t, "listening").Admin
	return s
}

// follow reads the log to its end, then waits for the process.
func (s *serving) follow(stderr io.Reader) {
	defer close(s.done)
	defer close(s.lines)
	for scan := bufio.NewScanner(stderr); scan.Scan(); {
		l := line{raw: scan.Text()}
		_ = json.Unmarshal(scan.Bytes(), &l) // what is not a log line has no message
		s.lines <- l
	}
	if s.cmd == nil { // it is inside this process
		return
	}
	var exit *exec.ExitError
	if err := s.cmd.Wait(); errors.As(err, &exit) {
		s.code = exit.ExitCode()
	}
}

// hears reads the log up to the first line of a message.
func (s *serving) hears(t *testing.T, message string) line {
	t.Helper()
	var all []string
	for l := range s.lines {
		if l.Message == message {
			return l
		}
		all = append(all, l.raw)
	}
	t.Fatalf("the daemon ended without saying %q; since the last time it said:\n%s", message, strings.Join(all, "\n"))
	return line{}
}

// ended reads the log up to the next run that ended, of a job.
func (s *serving) ended(t *testing.T, job string) line {
	t.Helper()
	for {
		if l := s.hears(t, "run ended"); l.Job == job {
			return l
		}
	}
}

func (s *serving) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// exits waits for the end of the process and checks its exit code.
func (s *serving) exits(t *testing.T, code int) {
	t.Helper()
	<-s.done
	if s.code != code {
		var all []string
		for l := range s.lines {
			all = append(all, l.raw)
		}
		t.Errorf("the daemon ended with %d, want %d; at last it said:\n%s", s.code, code, strings.Join(all, "\n"))
	}
}

// get asks the daemon once, on a connection of its own.
func (s *serving) get(t *testing.T, path string) (status int, retryAfter string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.admin+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	return reply.StatusCode, reply.Header.Get("Retry-After")
}

// becomes asks until /readyz answers with a status.
func (s *serving) becomes(t *testing.T, want int) {
	t.Helper()
	for {
		switch status, retry := s.get(t, "/readyz"); {
		case status == http.StatusServiceUnavailable && retry == "":
			t.Fatal("503 without Retry-After")
		case status == want:
			return
		}
	}
}

// health runs `syncd health` against the daemon and returns its exit code.
func (w *watch) health(t *testing.T, s *serving) int {
	t.Helper()
	cmd := w.command(t, "-c", w.file(t, s.admin), "health")
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

// settledOnce checks the books: no slot and no run is left open but slots that wait for the next start; every slot that
// a run settled says what that run says; and no slot was settled by two runs.
func (w *watch) settledOnce(t *testing.T) {
	t.Helper()
	for what, query := range map[string]string{
		"runs still running":                      "SELECT count(*) FROM syncd.run WHERE state = 'running'",
		"slots still running":                     "SELECT count(*) FROM syncd.slot WHERE state = 'running'",
		"slots that two runs settled":             "SELECT count(*) FROM (SELECT FROM syncd.run WHERE state NOT IN ('lost', 'cancelled') GROUP BY job, kind, slot_at HAVING count(*) > 1) AS s",
		"runs without a slot":                     "SELECT count(*) FROM syncd.run AS r LEFT JOIN syncd.slot AS s USING (job, kind, slot_at) WHERE s.job IS NULL",
		"slots that succeeded without their run":  "SELECT count(*) FROM syncd.slot AS s LEFT JOIN syncd.run AS r USING (run_id) WHERE s.state = 'succeeded' AND r.state IS DISTINCT FROM 'succeeded'",
		"runs that succeeded without their slot":  "SELECT count(*) FROM syncd.run AS r JOIN syncd.slot AS s USING (job, kind, slot_at) WHERE r.state = 'succeeded' AND (s.state, s.run_id) IS DISTINCT FROM ('succeeded', r.run_id)",
		"runs that succeeded and were not proven": "SELECT count(*) FROM syncd.run WHERE state = 'succeeded' AND verdict IS DISTINCT FROM 'proven'",
		"runs of one job at the same time":        "SELECT count(*) FROM syncd.run AS a JOIN syncd.run AS b USING (job) WHERE a.run_id < b.run_id AND b.epoch <= a.epoch",
	} {
		if n := scalar(t, w.database, query); n != "0" {
			t.Errorf("%s: %s", what, n)
		}
	}
}
