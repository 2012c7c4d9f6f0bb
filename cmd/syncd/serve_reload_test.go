package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"syncd/internal/fake/redcap"
	"syncd/internal/pgtest"
)

// secondJob is the job of another project.
const secondJob = "[job.second]\nsource = \"redcap.main\"\ntoken = \"env:SECOND\"\n"

func TestABrokenFileChangesNothingAndIsToldOnce(t *testing.T) {
	t.Parallel()
	w := newWatch(t, pgtest.New(t))
	s := w.serve(t)
	s.ended(t, "crash")
	good, err := os.ReadFile(w.served)
	if err != nil {
		t.Fatal(err)
	}
	w.write(t, strings.Replace(string(good), "[job.crash]", "[job.crash]\nshedule = \"@hourly\"\nfresh_within = \"often\"", 1))
	s.signal(t, syscall.SIGHUP)
	told := s.hears(t, "configuration was not reloaded, for it has problems: what was loaded before holds on")
	for _, want := range []string{w.served + ":12:1: job.crash.shedule", "did you mean schedule?", w.served + ":13:", "job.crash.fresh_within"} {
		if !strings.Contains(told.Error, want) {
			t.Errorf("the error does not hold %q: %s", want, told.Error)
		}
	}
	if told.Level != "ERROR" {
		t.Errorf("told at level %s", told.Level)
	}
	if text := s.page(t, "/metrics"); !strings.Contains(text, "\nsyncd_config_reload_success 0\n") {
		t.Error("the metric does not say that it was not reloaded")
	}
	for range 2 { // the schedule goes on
		if l := s.ended(t, "crash"); l.State != "succeeded" {
			t.Errorf("a run after it: %s", l.raw)
		}
	}
	w.write(t, string(good))
	s.signal(t, syscall.SIGHUP)
	s.hears(t, "configuration reloaded")
	if text := s.page(t, "/metrics"); !strings.Contains(text, "\nsyncd_config_reload_success 1\n") {
		t.Error("the metric does not say that it was reloaded")
	}
	s.ended(t, "crash")
	s.signal(t, syscall.SIGTERM)
	s.exits(t, exitDone)
	w.settledOnce(t)
}

func TestAReloadPlansWhatIsNewAndNoMoreWhatIsGone(t *testing.T) {
	t.Parallel()
	w := newWatch(t, pgtest.New(t))
	second := redcap.Synthetic(redcap.Spec{Kind: redcap.Classic, Records: 10, Fields: 6, ID: 10, Title: "Day"})
	w.fake.Add(second)
	w.env = []string{"SECOND=" + second.Token()}
	s := w.serve(t)
	s.ended(t, "crash")
	w.rewrite(t, secondJob)
	s.signal(t, syscall.SIGHUP)
	s.hears(t, "configuration reloaded")
	s.ended(t, "second")

	text, err := os.ReadFile(w.served)
	if err != nil {
		t.Fatal(err)
	}
	before, after, _ := strings.Cut(string(text), "[job.crash]")
	_, after, _ = strings.Cut(after, "token = \"env:TOKEN\"\n")
	w.write(t, strings.Replace(before+after, `admin = "127.0.0.1:0"`, "admin = \"127.0.0.1:9\"\nlog_level = \"debug\"", 1))
	s.signal(t, syscall.SIGHUP)
	if l := s.hears(t, "restart to apply: these settings hold from the start of the daemon to its end"); len(l.Settings) != 1 || !strings.HasPrefix(l.Settings[0], "serve.admin ("+w.served+":") {
		t.Errorf("waiting for a restart: %s", l.raw)
	}
	s.hears(t, "configuration reloaded")
	for level := ""; level != "DEBUG"; { // the new level
		level = s.next(t).Level
	}
	last := scalar(t, w.database, "SELECT coalesce(max(slot_at)::text, '') FROM syncd.slot WHERE job = 'crash'")
	for range 2 {
		s.ended(t, "second")
	}
	if now := scalar(t, w.database, "SELECT coalesce(max(slot_at)::text, '') FROM syncd.slot WHERE job = 'crash'"); now != last {
		t.Errorf("a job that is gone is planned: %s after %s", now, last)
	}
	s.signal(t, syscall.SIGTERM)
	s.exits(t, exitDone)
}

// The paths and tokens of the receivers of these tests.
const (
	reloadPath  = "/redox/ward-0a1b2c3d"
	reloadToken = "0123456789abcdef0123456789abcdef"
	laterToken  = "fedcba9876543210fedcba9876543210"
)

func TestReceiversComeChangeAndGoWithoutARestart(t *testing.T) {
	t.Parallel()
	w := newWatch(t, pgtest.New(t))
	receiver := func(tokens string) string {
		return fmt.Sprintf("[redox.ward]\npath = %q\nverification_tokens = [%s]\npatient_id_types = [\"MR\"]", reloadPath, tokens)
	}
	secret := func(name, value string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(w.dir, name), []byte(value+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	reload := func(s *serving) {
		t.Helper()
		s.signal(t, syscall.SIGHUP)
		s.hears(t, "configuration reloaded")
	}
	s := w.serve(t)
	s.hears(t, "serving")

	w.rewrite(t, receiver(`"file:first"`)) // whose file is not there yet
	s.signal(t, syscall.SIGHUP)
	address := s.hears(t, "listening").Receivers
	s.hears(t, "configuration reloaded")
	post := func(n int, token string, want int) {
		t.Helper()
		if got := pushNote(t, "http://"+address+reloadPath, n, token); got != want {
			t.Errorf("note %d: %d, want %d", n, got, want)
		}
	}
	post(1, reloadToken, http.StatusServiceUnavailable)
	secret("first", reloadToken)
	reload(s)
	post(2, reloadToken, http.StatusOK)
	post(3, laterToken, http.StatusUnauthorized)
	secret("later", laterToken)
	w.rewrite(t, receiver(`"file:later", "file:first"`))
	reload(s)
	post(4, laterToken, http.StatusOK)
	post(5, reloadToken, http.StatusOK)
	s.drained(t, w, 3)

	w.rewrite(t, "")
	reload(s)
	post(6, laterToken, http.StatusNotFound)
	w.rewrite(t, strings.Replace(receiver(`"file:later"`), `"MR"`, `"EPI"`, 1)) // another key of patients
	reload(s)
	post(7, reloadToken, http.StatusUnauthorized)
	post(8, laterToken, http.StatusOK)
	s.drained(t, w, 4)
	if got := scalar(t, w.database, "SELECT count(*) FROM ward.note"); got != "4" {
		t.Errorf("%s notes", got)
	}
	s.signal(t, syscall.SIGTERM)
	s.exits(t, exitDone)
	if got := scalar(t, w.database, "SELECT sum(uses) FROM syncd.receiver_token"); got != "4" {
		t.Errorf("tokens were used %s times", got)
	}
}

// pushNote posts a note and answers with the status.
func pushNote(t *testing.T, url string, n int, token string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(noteOf(n)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Verification-Token", token)
	reply, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	return reply.StatusCode
}

// drained waits until so many deliveries are applied.
func (s *serving) drained(t *testing.T, w *watch, n int) {
	t.Helper()
	for {
		got := scalar(t, w.database, "SELECT string_agg(DISTINCT state, ',') || count(*) FROM syncd.delivery")
		if got == fmt.Sprintf("applied%d", n) {
			return
		}
		select {
		case <-s.done:
			t.Fatalf("the daemon ended; deliveries: %s", got)
		default:
		}
	}
}

// next reads the log's next line.
func (s *serving) next(t *testing.T) line {
	t.Helper()
	l, ok := <-s.lines
	if !ok {
		t.Fatal("the daemon ended")
	}
	return l
}

// page returns a page of the admin listener.
func (s *serving) page(t *testing.T, path string) string {
	t.Helper()
	reply, err := http.Get("http://" + s.admin + path)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestStatusAndCheckSayThatTheDaemonIsBehindTheFile(t *testing.T) {
	t.Parallel()
	w := newWatch(t, pgtest.New(t))
	s := w.serve(t)
	text, err := os.ReadFile(w.served)
	if err != nil {
		t.Fatal(err)
	}
	// What was started on any port is asked at the one that it got, and waits for a restart to listen there.
	w.write(t, strings.Replace(string(text), `admin = "127.0.0.1:0"`, `admin = "`+s.admin+`"`, 1))
	s.signal(t, syscall.SIGHUP)
	s.hears(t, "configuration reloaded")
	run := func(verb string) string {
		t.Helper()
		out, _ := w.command(t, "-c", w.served, verb).CombinedOutput() // check fails without a run of the job's server
		return string(out)
	}
	for _, verb := range []string{"status", "check"} {
		if got := run(verb); !strings.Contains(got, "the daemon keeps to the former values of: serve.admin") {
			t.Errorf("%s after a reload that left something: %s", verb, got)
		}
	}
	text = slices.Concat(text, []byte("# a comment\n"))
	w.write(t, strings.Replace(string(text), `admin = "127.0.0.1:0"`, `admin = "`+s.admin+`"`, 1))
	for _, verb := range []string{"status", "check"} {
		if got := run(verb); !strings.Contains(got, "the files have changed since") || !strings.Contains(got, fmt.Sprintf("kill -HUP %d", s.cmd.Process.Pid)) {
			t.Errorf("%s before a reload: %s", verb, got)
		}
	}
	s.signal(t, syscall.SIGTERM)
	s.exits(t, exitDone)
	if got := run("status"); strings.Contains(got, "daemon") {
		t.Errorf("status without a daemon: %s", got)
	}
}
