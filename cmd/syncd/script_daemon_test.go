package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// daemonOfScript is the `syncd serve` of a script.
type daemonOfScript struct {
	cmd   *exec.Cmd
	mu    sync.Mutex
	log   bytes.Buffer
	done  chan struct{}
	admin string // where it tells how it is
}

func (d *daemonOfScript) said() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.String()
}

func (d *daemonOfScript) hear(line []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.log.Write(append(line, '\n'))
}

// runDaemon starts `syncd serve` on ports of its own, writes its addresses into jobs.toml where that said 127.0.0.1:0, and sets
// RECEIVERS to where it receives: daemon start. `daemon start waiting` does not wait until it is ready, `daemon ready` does. `daemon
// stop` ends it and checks that it ended well; `daemon hup` has it read jobs.toml anew; `daemon says N TEXT` waits until its log holds
// a text that many times, and `daemon quiet TEXT` checks that it does not hold one.
func runDaemon(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: daemon start [waiting]|ready|stop|hup|says N TEXT|quiet TEXT")
	}
	w := of(ts)
	switch args[0] {
	case "start":
		d := startDaemon(ts)
		ts.Defer(d.kill)
		w.daemon = d
		if len(args) == 1 {
			awaitReady(ts, "http://"+d.admin+"/readyz")
		}
	case "ready":
		awaitReady(ts, "http://"+w.daemon.admin+"/readyz")
	case "stop":
		ts.Check(w.daemon.cmd.Process.Signal(syscall.SIGTERM))
		<-w.daemon.done
		if code := w.daemon.cmd.ProcessState.ExitCode(); code != 0 {
			ts.Fatalf("the daemon ended with %d:\n%s", code, w.daemon.said())
		}
	case "hup":
		ts.Check(w.daemon.cmd.Process.Signal(syscall.SIGHUP))
	case "says":
		want, err := strconv.Atoi(args[1])
		ts.Check(err)
		for end := time.Now().Add(time.Minute); strings.Count(w.daemon.said(), args[2]) != want; {
			if time.Now().After(end) {
				ts.Fatalf("the daemon does not say %d times %s:\n%s", want, args[2], w.daemon.said())
			}
		}
		replaceIn(ts, `admin = "`+w.daemon.admin+`"`, `admin = "127.0.0.1:0"`)
	case "quiet":
		if strings.Contains(w.daemon.said(), args[1]) {
			ts.Fatalf("the log of the daemon holds what it may not")
		}
	}
}

func (d *daemonOfScript) kill() {
	select {
	case <-d.done:
	default:
		_ = d.cmd.Process.Kill()
		<-d.done
	}
}

func startDaemon(ts *testscript.TestScript) *daemonOfScript {
	self, err := os.Executable()
	ts.Check(err)
	d := &daemonOfScript{cmd: exec.Command(self, "--log-format", "json", "serve"), done: make(chan struct{})}
	d.cmd.Args[0] = "syncd"
	d.cmd.Dir = ts.MkAbs(".")
	d.cmd.Env = append(os.Environ(), "DATABASE_URL="+ts.Getenv("DATABASE_URL"), "WRITER_URL="+ts.Getenv("WRITER_URL"))
	stderr, err := d.cmd.StderrPipe()
	ts.Check(err)
	ts.Check(d.cmd.Start())
	lines := bufio.NewScanner(stderr)
	var said struct{ Admin, Receivers string }
	admin := ""
	for said.Receivers == "" && lines.Scan() {
		d.hear(lines.Bytes())
		ts.Check(json.Unmarshal(lines.Bytes(), &said))
		if said.Admin != "" {
			admin, said.Admin = said.Admin, ""
			replaceIn(ts, `admin = "127.0.0.1:0"`, `admin = "`+admin+`"`)
		}
	}
	go func() {
		for lines.Scan() {
			d.hear(lines.Bytes())
		}
		_ = d.cmd.Wait()
		close(d.done)
	}()
	if said.Receivers == "" {
		<-d.done
		ts.Fatalf("the daemon did not listen:\n%s", d.said())
	}
	ts.Setenv("RECEIVERS", "http://"+said.Receivers)
	d.admin = admin
	return d
}

// awaitReady asks until the daemon can commit: before, it answers pushes with 503.
func awaitReady(ts *testscript.TestScript, url string) {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		reply, err := http.Get(url)
		ts.Check(err)
		reply.Body.Close()
		if reply.StatusCode == http.StatusOK {
			return
		}
	}
	ts.Fatalf("the daemon is not ready after a minute")
}

func replaceIn(ts *testscript.TestScript, old, text string) {
	path := ts.MkAbs("jobs.toml")
	data, err := os.ReadFile(path)
	ts.Check(err)
	ts.Check(os.WriteFile(path, bytes.Replace(data, []byte(old), []byte(text), 1), 0o600))
}

// push posts a file as Redox does and checks the status: push STATUS URL TOKEN FILE.
func push(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: push STATUS URL TOKEN FILE")
	}
	r, err := http.NewRequest(http.MethodPost, args[1], strings.NewReader(ts.ReadFile(args[3])))
	ts.Check(err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Verification-Token", args[2])
	r.Header.Set("Authorization", "Bearer "+args[2])
	reply, err := http.DefaultClient.Do(r)
	ts.Check(err)
	text, _ := io.ReadAll(reply.Body)
	reply.Body.Close()
	if got := strconv.Itoa(reply.StatusCode); got != args[0] {
		ts.Fatalf("POST %s: status %s, want %s: %s", args[1], got, args[0], text)
	}
}

// await asks until a query answers with a value: await QUERY VALUE.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await QUERY VALUE")
	}
	for end := time.Now().Add(time.Minute); ; {
		got := query(ts, args[0])
		switch {
		case got == args[1]:
			return
		case time.Now().After(end):
			ts.Fatalf("%s: got %s, want %s", args[0], got, args[1])
		}
	}
}
