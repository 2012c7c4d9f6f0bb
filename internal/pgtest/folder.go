package pgtest

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"syncd/internal/pgembed"
)

const (
	prefix = "syncd-pgtest-" // of every folder that this package makes
	kept   = "kept"          // file in a folder that holds the databases of failed tests
)

// tempDir is a folder for one test. That of testing is closed to the user that the server runs as under root.
func tempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(base(), prefix)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// base is a short path that every user may enter: a socket's path has at most 107 bytes.
func base() string {
	dir := os.TempDir()
	if resolved, err := filepath.EvalSymlinks(dir); err == nil {
		dir = resolved
	}
	if len(dir) > 60 {
		return "/tmp"
	}
	return dir
}

// sweep removes the folders of test processes that were killed: old, claimed by no process, not kept for looking at.
// What cannot be removed belongs to somebody else.
func sweep(parent string, before time.Time) {
	dirs, err := filepath.Glob(filepath.Join(parent, prefix+"*"))
	if err != nil {
		return
	}
	for _, dir := range dirs {
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() || info.ModTime().After(before) {
			continue
		}
		if _, err := os.Lstat(filepath.Join(dir, kept)); !errors.Is(err, os.ErrNotExist) {
			continue
		}
		if pgembed.Free(dir) {
			_ = os.RemoveAll(dir)
		}
	}
}
