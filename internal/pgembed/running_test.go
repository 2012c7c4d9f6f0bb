package pgembed_test

import (
	"path/filepath"
	"testing"

	"syncd/internal/pgembed"
)

func TestRunningFindsTheServerOfAnotherProcess(t *testing.T) {
	dir := folder(t)
	if url, ok := pgembed.Running(dir, "postgres"); ok {
		t.Fatalf("found %s in an empty folder", url)
	}
	s, err := pgembed.Start(t.Context(), pgembed.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	url, ok := pgembed.Running(dir, "postgres")
	if !ok || url != s.URL("postgres") {
		t.Errorf("found %q, %v; want %q", url, ok, s.URL("postgres"))
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, ok := pgembed.Running(dir, "postgres"); ok {
		t.Error("found a server that was stopped")
	}
	if _, ok := pgembed.Running(filepath.Join(dir, "nowhere"), "postgres"); ok {
		t.Error("found a server in no folder")
	}
}
