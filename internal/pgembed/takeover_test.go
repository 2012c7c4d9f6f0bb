package pgembed_test

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"syncd/internal/pgembed"
)

func TestNothingIsLeftWhenTheOwnerIsKilled(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), ownerDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	pid, convErr := strconv.Atoi(strings.TrimSpace(line))
	if err := errors.Join(err, convErr); err != nil {
		t.Fatalf("%q %v", line, err)
	}
	if _, err := pgembed.Start(t.Context(), options(dir)); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("two owners of one folder: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	// At once, while the old server may still be on its way out, and after.
	s := start(t, options(dir))
	waitGone(t, pid)
	exec1(t, s.URL("postgres"), "SELECT 1")
}

func TestAServerThatWasLeftBehindIsTakenOver(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	old := start(t, options(dir))
	exec1(t, old.URL("postgres"), "CREATE TABLE kept (x text)")
	pid := old.Abandon()
	s := start(t, options(dir))
	waitGone(t, pid)
	exec1(t, s.URL("postgres"), "SELECT x FROM kept")
}

func TestAPidFileOfAnotherProgramDoesNotHinderAStart(t *testing.T) {
	t.Parallel()
	for name, pid := range map[string]int{"dead": 1 << 22, "alive, and not a server": os.Getpid(), "init": 1} {
		dir := folder(t)
		s := start(t, options(dir))
		file := filepath.Join(dir, "data", "postmaster.pid")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(text), "\n")
		if err := os.WriteFile(file, []byte(strconv.Itoa(pid)+"\n"+rest), 0o644); err != nil {
			t.Fatal(err)
		}
		again, err := pgembed.Start(t.Context(), options(dir))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := again.Stop(); err != nil {
			t.Error(err)
		}
	}
}
