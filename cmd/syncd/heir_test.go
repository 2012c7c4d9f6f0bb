package main

import (
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"syncd/internal/pgembed"
)

// TestADaemonTakesOverThePrivatePostgresOfAProcessThatEnds: it joined that process's server, whose address stays.
func TestADaemonTakesOverThePrivatePostgresOfAProcessThatEnds(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("/tmp", "syncd-heir-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // as root the server runs as another user
		t.Fatal(err)
	}
	dir += "/postgres"
	first, err := pgembed.Start(t.Context(), pgembed.Options{Dir: dir, Settings: map[string]string{"fsync": "off"}})
	if err != nil {
		t.Fatal(err)
	}
	url := first.URL(privateDatabase)
	inherited := make(chan *pgembed.Server, 1)
	go func() { inherited <- inherit(t.Context(), dir, 10*time.Millisecond, slog.New(slog.DiscardHandler)) }()
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	second := <-inherited
	if second == nil {
		t.Fatal("nobody took it over")
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := second.Stop(); err != nil {
		t.Error(err)
	}
}
