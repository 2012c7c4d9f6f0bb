package pgembed

import (
	"path/filepath"
	"testing"
)

func TestRunningFindsTheServerOfAnotherProcess(t *testing.T) {
	dir := folder(t)
	if url, ok := Running(dir, "postgres"); ok {
		t.Fatalf("found %s in an empty folder", url)
	}
	s, err := Start(t.Context(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	url, ok := Running(dir, "postgres")
	if !ok || url != s.URL("postgres") {
		t.Errorf("found %q, %v; want %q", url, ok, s.URL("postgres"))
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, ok := Running(dir, "postgres"); ok {
		t.Error("found a server that was stopped")
	}
	if _, ok := Running(filepath.Join(dir, "nowhere"), "postgres"); ok {
		t.Error("found a server in no folder")
	}
}
