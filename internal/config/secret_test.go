package config

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// secretOf reads a reference as jobs.toml would in a folder.
func secretOf(t *testing.T, dir, ref string) Secret {
	t.Helper()
	s, reason := parseSecret(ref, func(path string) string { return filepath.Join(dir, path) })
	if reason != "" {
		t.Fatalf("%s: %s", ref, reason)
	}
	return s
}

func put(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func TestASecretIsReadWhereItsReferenceSays(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/line", "value\n", 0o600)
	put(t, dir+"/windows", "value\r\n", 0o640)
	put(t, dir+"/bare", "value", 0o400)
	put(t, dir+"/script", "#!/bin/sh\necho value; echo noise >&2; echo \"$1$2\" >"+dir+"/args\n", 0o700)
	if err := os.Symlink("line", dir+"/link"); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SYNCD_TEST_TOKEN", "value")
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	for _, ref := range []string{
		"env:SYNCD_TEST_TOKEN", "file:line", "file:windows", "file:bare", "file:link", "cred:line", "cmd:" + dir + "/script a  b",
	} {
		got, err := secretOf(t, dir, ref).Read(t.Context())
		if err != nil || got != "value" {
			t.Errorf("%s: got %q, %v", ref, got, err)
		}
	}
	if args, err := os.ReadFile(dir + "/args"); err != nil || string(args) != "ab\n" {
		t.Errorf("arguments of the command: %q, %v", args, err)
	}
}

func TestASecretIsReadAnewAtEachUse(t *testing.T) {
	dir := t.TempDir()
	s := secretOf(t, dir, "file:token")
	for _, want := range []string{"old", "new"} {
		put(t, dir+"/token", want, 0o600)
		if got, err := s.Read(t.Context()); err != nil || got != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
}

func TestASecretThatIsNoneIsRefusedWithItsReason(t *testing.T) {
	dir := t.TempDir()
	// Folders that everybody may enter, as those above are unless the machine is unusual.
	if err := errors.Join(os.Chmod(dir, 0o755), os.Chmod(filepath.Dir(dir), 0o755)); err != nil {
		t.Fatal(err)
	}
	put(t, dir+"/empty", "", 0o600)
	put(t, dir+"/newline", "\n", 0o600)
	put(t, dir+"/two", "value\n\n", 0o600)
	put(t, dir+"/space", "value \n", 0o600)
	put(t, dir+"/world", "value", 0o644)
	put(t, dir+"/huge", strings.Repeat("x", secretBytes+1), 0o600)
	put(t, dir+"/fails", "#!/bin/sh\necho value; exit 3\n", 0o700)
	put(t, dir+"/chatty", "#!/bin/sh\nhead -c 100000 /dev/zero | tr '\\0' x\n", 0o700)
	put(t, dir+"/silent", "#!/bin/sh\n", 0o700)
	if err := errors.Join(syscall.Mkfifo(dir+"/fifo", 0o600), os.Mkdir(dir+"/folder", 0o700), os.Symlink("loop", dir+"/loop")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SYNCD_TEST_EMPTY", "")
	t.Setenv("SYNCD_TEST_LINES", "a\nb")
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	for ref, want := range map[string]string{
		"env:SYNCD_TEST_NONE":     "not set, or empty",
		"env:SYNCD_TEST_EMPTY":    "not set, or empty",
		"env:SYNCD_TEST_LINES":    "more than one line",
		"file:missing":            "no such file",
		"file:empty":              "it is empty",
		"file:newline":            "it is empty",
		"file:two":                "more than one line",
		"file:space":              "ends with a space",
		"file:world":              "every user of this machine",
		"file:huge":               "larger than any secret",
		"file:fifo":               "a named pipe",
		"file:folder":             "a folder",
		"file:loop":               "too many levels of symbolic links",
		"cred:missing":            "no such file",
		"cmd:" + dir + "/missing": "no such file",
		"cmd:" + dir + "/fails":   "status 3",
		"cmd:" + dir + "/chatty":  "more than any secret",
		"cmd:" + dir + "/silent":  "it is empty",
		"cmd:" + dir + "/empty":   "permission denied",
	} {
		s := secretOf(t, dir, ref)
		got, err := s.Read(t.Context())
		var fault *SecretError
		if got != "" || !errors.As(err, &fault) || !strings.Contains(fault.Reason, want) {
			t.Errorf("%s: want %q, got %q, %v", ref, want, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "value") {
			t.Errorf("%s: the error holds the value: %v", ref, err)
		}
	}
}

func TestAFileInAFolderOfOnesOwnMayBeReadableToAll(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/token", "value", 0o644)
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if got, err := secretOf(t, dir, "file:token").Read(t.Context()); err != nil || got != "value" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestACommandThatHangsIsEndedWithAllThatItStarted(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(dir+"/alive", 0o600); err != nil {
		t.Fatal(err)
	}
	put(t, dir+"/hangs", "#!/bin/sh\nexec 3>"+dir+"/alive\nsleep 100 &\necho >&3\nwait\n", 0o700)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := secretOf(t, dir, "cmd:"+dir+"/hangs").Read(ctx)
		done <- err
	}()
	alive, err := os.Open(dir + "/alive") // waits for the script
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Close()
	if _, err := alive.Read(make([]byte, 1)); err != nil { // waits for the script's child
		t.Fatal(err)
	}
	began := time.Now()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("want the context's error, got %v", err)
	}
	// The pipe ends when the last process that holds it has gone.
	if _, err := io.ReadAll(alive); err != nil || time.Since(began) > time.Minute {
		t.Errorf("what the command started lived on: %v", err)
	}
}

func TestASecretShowsNothingHoweverItIsPrinted(t *testing.T) {
	job := Job{Name: "asthma", Project: Project{Token: secretOf(t, "", "env:SYNCD_CANARY")}}
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("job", "token", job.Project.Token, "job", job)
	slog.New(slog.NewTextHandler(&out, nil)).Info("job", "token", job.Project.Token, "job", job)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		fmt.Fprintf(&out, verb, job.Project.Token)
		fmt.Fprintf(&out, verb, job)
		fmt.Fprintf(&out, verb, &job)
	}
	encoded, err := json.Marshal(map[string]any{"token": job.Project.Token, "job": job})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(encoded)
	text, err := job.Project.Token.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	out.Write(text)
	if strings.Contains(out.String(), "SYNCD_CANARY") || !strings.Contains(out.String(), redacted) {
		t.Errorf("printed: %s", out.String())
	}
	if job.Project.Token.Ref() != "env:SYNCD_CANARY" {
		t.Errorf("reference: %s", job.Project.Token.Ref())
	}
}

func TestAMissingSecretIsOneJobsFaultAlone(t *testing.T) {
	write(t, map[string]string{
		"tokens/asthma": "AAAA\n",
		"jobs.toml": `postgres.url = "env:DATABASE_URL"
[redcap.main]
url = "https://redcap.example.edu/api/"
tokens = "dir:tokens"
[redcap.other]
url = "https://other.example.edu/api/"
tokens = "dir:tokens"
ca_file = "gone.pem"
[job.asthma]
source = "redcap.main"
[job.copd]
source = "redcap.main"
[job.ward]
source = "redcap.other"
token = "env:SYNCD_TEST_NONE"
`,
	})
	c := load(t, "jobs.toml")
	if token, err := c.Jobs["asthma"].ReadSecret(t.Context(), "token"); err != nil || token != "AAAA" {
		t.Errorf("asthma: %q, %v", token, err)
	}
	here := folder(t)
	var got []string
	for _, f := range c.Faults(t.Context()) {
		got = append(got, f.Error()+" | "+f.Next)
	}
	want := []string{
		"job copd is misconfigured (jobs.toml:4, redcap.main.tokens): read secret file:" + here + "/tokens/copd: no such file or directory | ls -l " + here + "/tokens/copd",
		"job ward is misconfigured (jobs.toml:15, job.ward.token): read secret env:SYNCD_TEST_NONE: the environment variable is not set, or empty | export SYNCD_TEST_NONE=...",
		"job ward is misconfigured (jobs.toml:8, redcap.other.ca_file): read file " + here + "/gone.pem: no such file or directory | ls -l " + here + "/gone.pem",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("faults:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
