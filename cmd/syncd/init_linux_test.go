package main

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"syncd/internal/fake/redcap"
	"syncd/internal/pgtest"
)

// person is somebody at a terminal, in front of the program.
type person struct {
	cmd    *exec.Cmd
	typing *os.File // the other end of the terminal

	mu    sync.Mutex
	shown bytes.Buffer // what stood on the screen
	more  chan struct{}
	ended chan error
}

// sit starts the program at a terminal of its own, in a folder.
func sit(t *testing.T, dir string, env []string, args ...string) *person {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("this machine has no pseudo-terminals")
	}
	t.Cleanup(func() { master.Close() })
	var number, unlocked int32
	ioctl(t, master, syscall.TIOCGPTN, &number)
	ioctl(t, master, syscall.TIOCSPTLCK, &unlocked)
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &person{cmd: exec.Command(self, args...), typing: master, more: make(chan struct{}, 1), ended: make(chan error, 1)}
	p.cmd.Args[0], p.cmd.Dir, p.cmd.Env = "syncd", dir, append(os.Environ(), env...)
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = terminal, terminal, terminal
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	terminal.Close()
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	go p.look()
	go func() { p.ended <- p.cmd.Wait() }()
	return p
}

func ioctl(t *testing.T, f *os.File, request uintptr, value *int32) {
	t.Helper()
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), request, uintptr(unsafe.Pointer(value))); errno != 0 {
		t.Skip("this machine has no pseudo-terminals:", errno)
	}
}

func (p *person) look() {
	defer close(p.more)
	buf := make([]byte, 4096)
	for {
		n, err := p.typing.Read(buf)
		p.mu.Lock()
		p.shown.Write(buf[:n])
		p.mu.Unlock()
		if err != nil { // the program has ended
			return
		}
		select {
		case p.more <- struct{}{}:
		default:
		}
	}
}

func (p *person) screen() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.shown.String()
}

// answers waits until the program asks for something, and types.
func (p *person) answers(t *testing.T, asked, keys string) {
	t.Helper()
	for open := true; !strings.HasSuffix(p.screen(), asked); _, open = <-p.more {
		if !open {
			t.Fatalf("%q was never asked:\n%s", asked, p.screen())
		}
	}
	if _, err := io.WriteString(p.typing, keys); err != nil {
		t.Fatal(err)
	}
}

// hidden waits until the terminal shows no more what is typed.
func (p *person) hidden(t *testing.T) {
	t.Helper()
	for {
		var state syscall.Termios
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, p.typing.Fd(), syscall.TCGETS, uintptr(unsafe.Pointer(&state))); errno != 0 {
			t.Fatal(errno)
		}
		if state.Lflag&syscall.ECHO == 0 {
			return
		}
		select {
		case err := <-p.ended:
			t.Fatalf("it ended: %v\n%s", err, p.screen())
		case <-time.After(time.Millisecond): // nobody tells of a change of a terminal
		}
	}
}

func TestATokenIsNeverShownWhileItIsTyped(t *testing.T) {
	t.Parallel()
	w := newWatch(t, pgtest.New(t))
	dir := t.TempDir()
	p := sit(t, dir, []string{"DATABASE_URL=" + w.database}, "init")
	p.answers(t, "REDCap: ", "http://127.0.0.1:1\n")
	p.answers(t, "REDCap: ", strings.TrimSuffix(w.api, "api/")+"redcap_v14.1.0/index.php?pid=9\n") // nobody answered there: asked again
	for _, token := range []string{strings.Repeat("0", 32), w.project.Token()} {                   // and a token that is refused as well
		p.answers(t, "(it is not shown): ", "")
		p.hidden(t)
		p.answers(t, "(it is not shown): ", token+"\n")
		if token != w.project.Token() {
			p.answers(t, "(it is not shown): ", "")
		}
	}
	p.answers(t, "name [night]: ", "\n")
	p.answers(t, "Postgres [env:DATABASE_URL]: ", "\n")
	if err := <-p.ended; err != nil {
		t.Fatalf("%v\n%s", err, p.screen())
	}
	for range p.more {
	}
	screen := p.screen()
	for _, want := range []string{"the token was refused", `project 9, "Night"`, "wrote night.token, jobs.toml", "night: succeeded, proven"} {
		if !strings.Contains(screen, want) {
			t.Errorf("the screen lacks %q", want)
		}
	}
	if strings.Contains(screen, w.project.Token()) || strings.Contains(screen, strings.Repeat("0", 32)) {
		t.Error("the token stood on the screen")
	}
	if t.Failed() {
		t.Log(screen)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "night.token")); err != nil || strings.TrimSpace(string(text)) != w.project.Token() {
		t.Errorf("the file of the token: %v", err)
	}
}

func TestCtrlCAtAnyQuestionLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWatch(t, pgtest.New(t))
	questions := []struct{ asked, answer string }{
		{"REDCap: ", w.api + "\n"},
		{"(it is not shown): ", w.project.Token() + "\n"},
		{"name [night]: ", "\n"},
		{"Postgres [env:DATABASE_URL]: ", "\n"},
	}
	for at, question := range questions {
		t.Run(question.asked, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			p := sit(t, dir, []string{"DATABASE_URL=" + w.database}, "init")
			for _, before := range questions[:at] {
				if before.asked == "(it is not shown): " {
					p.answers(t, before.asked, "")
					p.hidden(t)
				}
				p.answers(t, before.asked, before.answer)
			}
			p.answers(t, question.asked, "")
			if question.asked == "(it is not shown): " {
				p.hidden(t)
			}
			p.answers(t, question.asked, "\x03")
			var exit *exec.ExitError
			if err := <-p.ended; !errors.As(err, &exit) || exit.ExitCode() != exitInterrupted {
				t.Errorf("it ended with %v:\n%s", err, p.screen())
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("left: %v, %v", left, err)
			}
			var state syscall.Termios
			if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, p.typing.Fd(), syscall.TCGETS, uintptr(unsafe.Pointer(&state))); errno == 0 && state.Lflag&syscall.ECHO == 0 {
				t.Error("the terminal is left mute")
			}
		})
	}
}

func TestAnAuthorityThatIsNotKnownIsShownAndAskedForAndNeverPassedOver(t *testing.T) {
	t.Parallel()
	fake := redcap.NewServer(redcap.Options{})
	project := redcap.Synthetic(redcap.Spec{Kind: redcap.Classic, Records: 3, Fields: 8, ID: 7, Title: "Seven!"})
	fake.Add(project)
	server := httptest.NewTLSServer(fake)
	t.Cleanup(server.Close)
	dir := t.TempDir()
	authority, stranger, token := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "other.pem"), filepath.Join(dir, "token")
	for path, text := range map[string][]byte{
		authority: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
		stranger:  []byte("no certificate\n"),
		token:     []byte(project.Token() + "\n"),
	} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(stdin string, args ...string) (int, string) {
		var out bytes.Buffer
		m := &Main{
			Args:  append([]string{"-c", filepath.Join(dir, "jobs.toml"), "init", "--url", server.URL, "--token-file", token, "--name", "seven", "--postgres", "private"}, args...),
			Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &out, Now: time.Now,
		}
		return m.Run(t.Context()), out.String()
	}
	code, said := run("")
	for _, want := range []string{"an authority that this machine does not know", "Acme Co", "SHA-256 ", "ask there for the certificate of the authority", "answer it with --ca-file"} {
		if !strings.Contains(said, want) {
			t.Errorf("it lacks %q:\n%s", want, said)
		}
	}
	if code != exitUsage || strings.Contains(said, "without") {
		t.Errorf("code %d:\n%s", code, said)
	}
	if code, said = run("", "--ca-file", stranger); code != exitUsage || !strings.Contains(said, "holds no certificate in PEM") {
		t.Errorf("a file without a certificate: %d, %s", code, said)
	}
	if _, err := os.Stat(filepath.Join(dir, "jobs.toml")); err == nil {
		t.Fatal("something was written")
	}
	if n := len(fake.Requests()); n > 0 {
		t.Fatalf("%d requests were sent to a server that was not verified", n)
	}
	if code, said = run(authority+"\n", "--postgres", "env:NO_SUCH_DATABASE"); code != exitFailed || !strings.Contains(said, "seven    project") && !strings.Contains(said, "project_id 7") {
		t.Errorf("with the authority: %d\n%s", code, said)
	}
	text, err := os.ReadFile(filepath.Join(dir, "jobs.toml"))
	if err != nil || !strings.Contains(string(text), `ca_file = "ca.pem"`) {
		t.Errorf("jobs.toml: %v\n%s", err, text)
	}
}

func TestFirstTablesInAPostgresOfOurOwn(t *testing.T) {
	t.Parallel()
	w := newWatch(t, "")
	dir, err := os.MkdirTemp("/tmp", "syncd-init-") // the server's user must get through to it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var out, said bytes.Buffer
	file, seen := filepath.Join(dir, "etl.toml"), filepath.Join(dir, "seen")
	if err := errors.Join(os.WriteFile(seen, []byte(w.project.Token()), 0o600), os.Chmod(seen, 0o644)); err != nil {
		t.Fatal(err)
	}
	m := &Main{Args: []string{"-c", file, "init", "--url", w.api, "--token-file", seen, "--yes"}, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &said, Now: time.Now}
	if code := m.Run(t.Context()); code != exitUsage || !strings.Contains(said.String(), "every user of this machine can read or change it") || !strings.Contains(said.String(), "chmod 600 "+seen) {
		t.Errorf("a token that everybody can read: %d, %s", code, &said)
	}
	if _, err := os.Stat(file); err == nil {
		t.Fatal("something was written")
	}
	said.Reset()
	m = &Main{
		Args:  []string{"-c", file, "init", "--url", w.api, "--postgres", "private"},
		Stdin: strings.NewReader(w.project.Token() + "\n\n"), Stdout: &out, Stderr: &said, Now: time.Now,
	}
	if code := m.Run(t.Context()); code != exitDone {
		t.Fatalf("code %d:\n%s\n%s", code, &out, &said)
	}
	for _, want := range []string{
		"wrote " + filepath.Join(dir, "night.token") + ", " + file, "night: succeeded, proven",
		"(while syncd -c " + file + " serve runs, which keeps this Postgres up)", "a further project: syncd -c " + file + " add NAME",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it lacks %q", want)
		}
	}
	if t.Failed() {
		t.Log(out.String())
	}
	if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), "private = true") || !strings.Contains(string(text), `data_dir = "syncd-data"`) {
		t.Errorf("%v\n%s", err, text)
	}
}
