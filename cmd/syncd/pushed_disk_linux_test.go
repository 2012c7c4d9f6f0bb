package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"syncd/extract/redox"
	"syncd/internal/pgembed"
	"syncd/internal/pgtest"
	"syncd/load"
)

// H32: the disk is full. A disk that is small enough is a file system of the test's own, which only root may make.
func TestNothingIsAcknowledgedThatTheDiskHasNoRoomFor(t *testing.T) {
	t.Parallel()
	postgres := pgtest.Private(t, pgembed.Options{})
	disk := filepath.Join(postgres.Dir(), "disk")
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("a small disk cannot be made here: %v", err)
	}
	t.Cleanup(func() {
		if err := errors.Join(postgres.Stop(), syscall.Unmount(disk, 0)); err != nil {
			t.Error(err)
		}
	})
	data, err := os.Stat(filepath.Join(postgres.Dir(), "data"))
	if err != nil {
		t.Fatal(err)
	}
	owner := data.Sys().(*syscall.Stat_t)
	if err := os.Chown(disk, int(owner.Uid), int(owner.Gid)); err != nil {
		t.Fatal(err)
	}
	url := pgtest.Ready(t, postgres)
	statement(t, url, "CREATE TABLESPACE small LOCATION "+literalOf(disk))
	w := newWard(t, load.Config{URL: url})
	w.taken(noteOf(0), redox.KindPush)
	for _, table := range w.rowsOf("SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'syncd' AND tablename LIKE 'payload_%'") {
		statement(t, url, "ALTER TABLE "+table+" SET TABLESPACE small")
	}

	dice := rand.New(rand.NewPCG(1, 1))
	large := func(n int) []byte { // and not to be compressed
		text := make([]byte, 64<<10)
		for i := range text {
			text[i] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"[dice.IntN(64)]
		}
		return fmt.Appendf(nil, `{"Meta":{"DataModel":"Notes","EventType":"New","Source":{"ID":"s"},"Logs":[{"ID":"large-%d"}]},"Note":{"DocumentID":"%[1]d","FileContents":%q}}`, n, text)
	}
	var last []byte
	acknowledged := 0
	for status := http.StatusOK; status == http.StatusOK; acknowledged++ {
		last = large(acknowledged)
		if status, _ = exchangeRaw(t, w.address, last); status != http.StatusOK && status != http.StatusServiceUnavailable {
			t.Fatalf("status %d", status)
		}
	}
	acknowledged-- // the last was not
	w.putOff(last)
	if n := askWard[int](w, "SELECT count(*) FROM syncd.delivery AS d JOIN syncd.payload AS p USING (seq) WHERE d.dedupe_key LIKE 'log:large-%' AND sha256(p.body) = d.body_sha256"); n != acknowledged || n == 0 {
		t.Errorf("%d acknowledged, %d kept", acknowledged, n)
	}
	if n := w.kept(last); n != 0 {
		t.Errorf("what was put off is kept %d times", n)
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT, "size=64m"); err != nil {
		t.Fatal(err)
	}
	w.taken(last, redox.KindPush)
	w.drain()
	t.Logf("acknowledged %d and kept them, then put off until there was room", acknowledged)
}
