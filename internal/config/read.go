package config

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	secretBytes   = 64 << 10         // of one secret
	commandTime   = 10 * time.Second // of one cmd:
	commandLinger = time.Second      // for what a killed command left holding its output
)

// SecretError tells why a secret could not be read. It holds the reference, never the value.
type SecretError struct {
	Ref    string // env:ASTHMA_TOKEN
	Reason string
	Next   string // what to type
}

// Error prints reference and reason.
func (e *SecretError) Error() string { return "read secret " + e.Ref + ": " + e.Reason }

// Read fetches the secret now: what changes between two reads is seen. The error is a *SecretError, or the context's.
func (s Secret) Read(ctx context.Context) (string, error) {
	var value, reason, next string
	switch s.scheme {
	case "":
		return "", &SecretError{Ref: "(none)", Reason: "no secret is referred to"}
	case "url", "plain":
		return s.arg, nil
	case "env":
		value, reason = os.Getenv(s.arg), ""
		if value == "" {
			reason, next = "the environment variable is not set, or empty", "export "+s.arg+"=..."
		}
	case "cred":
		dir := os.Getenv("CREDENTIALS_DIRECTORY")
		if dir == "" {
			reason, next = "CREDENTIALS_DIRECTORY is not set: systemd passed no credentials", "LoadCredential="+s.arg+":/path in the unit"
			break
		}
		value, reason, next = readSecretFile(filepath.Join(dir, s.arg), true)
	case "file":
		value, reason, next = readSecretFile(s.arg, false)
	case "cmd":
		value, reason = runSecretCommand(ctx, s.arg)
	}
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("read secret %s: %w", s.Ref(), err)
	}
	if reason == "" {
		reason = badSecret(value)
	}
	if reason != "" {
		return "", &SecretError{Ref: s.Ref(), Reason: reason, Next: next}
	}
	return value, nil
}

// badSecret tells what no secret looks like; a token with a line break in it would break the request it travels in.
func badSecret(value string) string {
	switch {
	case value == "":
		return "it is empty"
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "it has more than one line, or a control character"
	case strings.TrimSpace(value) != value:
		return "it begins or ends with a space"
	}
	return ""
}

// trimLine takes one line ending off the end: the one that an editor or echo put there.
func trimLine(data []byte) string {
	return strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
}

// readSecretFile reads a regular file that only its owner and group can read. Files of a secret manager's own mount are
// judged by whoever mounted them.
func readSecretFile(path string, mounted bool) (value, reason, next string) {
	// Without O_NONBLOCK the open of a FIFO would wait for a writer.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", reasonOf(err).Error(), "ls -l " + path
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", reasonOf(err).Error(), "ls -l " + path
	}
	if !info.Mode().IsRegular() {
		return "", "it is " + modeName(info.Mode()) + ", not a file", "ls -l " + path
	}
	if !mounted && !isMount(path) && open(path, info.Mode()) {
		return "", "every user of this machine can read or change it", "chmod 600 " + path
	}
	data, err := io.ReadAll(io.LimitReader(f, secretBytes+1))
	switch {
	case err != nil:
		return "", reasonOf(err).Error(), "ls -l " + path
	case len(data) > secretBytes:
		return "", "it is larger than any secret", "ls -l " + path
	}
	return trimLine(data), "", ""
}

// isMount says that a path lies where containers have their secrets mounted; their modes are those of the
// orchestrator, and the only user inside is the one who is meant to read them.
func isMount(path string) bool {
	return strings.HasPrefix(path, "/run/secrets/") || strings.HasPrefix(path, "/var/run/secrets/")
}

// open says that users outside owner and group can get at a file: its mode lets them, and that of every folder above.
func open(path string, mode fs.FileMode) bool {
	if mode.Perm()&0o007 == 0 {
		return false
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return true
	}
	if real, err = filepath.Abs(real); err != nil {
		return true
	}
	for dir := filepath.Dir(real); ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&0o001 == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
	}
}

// runSecretCommand runs a program without a shell and takes the line that it prints. What it prints elsewhere is dropped:
// it may be the secret as well.
func runSecretCommand(ctx context.Context, line string) (value, reason string) {
	ctx, cancel := context.WithTimeoutCause(ctx, commandTime, errors.New("no answer in time"))
	defer cancel()
	words := strings.Fields(line)
	var out bounded
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Stdout = &out
	cmd.WaitDelay = commandLinger
	// A group of its own, so that what the program started is ended with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return "", "the command gave no answer within " + commandTime.String()
	case out.over:
		return "", "the command printed more than any secret"
	case errors.As(err, &exit):
		return "", fmt.Sprintf("the command ended with status %d", exit.ExitCode())
	case err != nil:
		return "", "start command: " + reasonOf(err).Error()
	}
	return trimLine(out.data), ""
}

// bounded keeps what a command prints, up to a secret's length; the rest is taken and forgotten.
type bounded struct {
	data []byte
	over bool
}

func (b *bounded) Write(p []byte) (int, error) {
	room := secretBytes - len(b.data)
	b.over = b.over || len(p) > room
	b.data = append(b.data, p[:min(room, len(p))]...)
	return len(p), nil
}

// reasonOf takes the operation and path off an error of the file system: the reader is told those already.
func reasonOf(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}

func modeName(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a folder"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a device"
}
