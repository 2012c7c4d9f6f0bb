package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestFilesAreWholeOrNotThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	var made newFiles
	if err := made.add(at("a.token"), "secret\n", 0o600); err != nil {
		t.Fatal(err)
	}
	if err := made.add(at("jobs.toml"), "one\n", 0o644); err != nil {
		t.Fatal(err)
	}
	if err := made.add(at("a.token"), "other\n", 0o600); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a file that is there: %v", err)
	}
	if err := made.add(at("no/such/folder"), "x", 0o600); err == nil {
		t.Error("a folder that is not there")
	}
	if err := os.Symlink(at("jobs.toml"), at("link.toml")); err != nil {
		t.Fatal(err)
	}
	if err := replaceFile(at("link.toml"), "two\n"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct {
		text string
		mode fs.FileMode
	}{"a.token": {"secret\n", 0o600}, "jobs.toml": {"two\n", 0o644}, "link.toml": {"two\n", 0o777 | fs.ModeSymlink}} {
		info, err := os.Lstat(at(name))
		text, _ := os.ReadFile(at(name))
		if err != nil || info.Mode() != want.mode || string(text) != want.text {
			t.Errorf("%s: %v, %q, %v", name, info.Mode(), text, err)
		}
	}
	if err := made.undo(); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 || left[0].Name() != "link.toml" {
		t.Errorf("left: %v, %v", left, err)
	}
}
