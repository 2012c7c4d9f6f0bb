package main

import (
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"syncd/internal/pgembed"
	"syncd/internal/pgtest"
	"syncd/migrations"
)

// TestAFailOverToAStandbyGoesOn kills the server under a daemon and promotes its standby, of which the daemon's URL knows: nothing stops, the
// log says what happened, and what was acknowledged is there.
func TestAFailOverToAStandbyGoesOn(t *testing.T) {
	t.Parallel()
	primary := pgtest.Private(t, pgembed.Options{Settings: map[string]string{"wal_level": "replica", "max_wal_senders": "4", "hot_standby": "on"}})
	pgtest.Ready(t, primary)
	standby := standbyOf(t, primary)

	r := &replica{file: wardFile(t, bothOf(t, primary, standby))}
	t.Cleanup(func() { r.signal(syscall.SIGKILL) })
	r.start(t)
	pushed := func(name string) int {
		ask, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+r.at()+wardPath, strings.NewReader(
			`{"Meta":{"DataModel":"PatientAdmin","EventType":"Arrival","EventDateTime":"2026-11-20T08:00:00Z","Source":{"ID":"feed"},"Logs":[{"ID":"`+name+`"}]},"Patient":{"Identifiers":[{"ID":"1","IDType":"MR"}]}}`))
		if err != nil {
			t.Fatal(err)
		}
		ask.Header.Set("Content-Type", "application/json")
		ask.Header.Set("verification-token", wardToken)
		reply, err := http.DefaultClient.Do(ask)
		if err != nil {
			t.Fatal(err)
		}
		defer reply.Body.Close()
		return reply.StatusCode
	}
	if code := untilTaken(t, r, pushed, "before"); code != http.StatusOK {
		t.Fatalf("before: %d", code)
	}
	eventually(t, primary.URL("postgres"), "SELECT coalesce(bool_or(replay_lsn >= pg_current_wal_lsn()), false) FROM pg_stat_replication")
	if err := primary.Kill(); err != nil {
		t.Fatal(err)
	}
	if yes, err := ask(t, standby.URL("postgres"), "SELECT pg_promote()"); err != nil || !yes {
		t.Fatalf("promote: %t %v", yes, err)
	}
	if code := untilTaken(t, r, pushed, "after"); code != http.StatusOK {
		t.Fatalf("after: %d", code)
	}
	eventually(t, standby.URL("postgres"), "SELECT count(*) = 2 FROM syncd.delivery WHERE state = 'applied'")
	eventually(t, standby.URL("postgres"), "SELECT timeline = 2 FROM syncd.installation")
	if code := r.signal(syscall.SIGTERM); code != exitDone {
		t.Errorf("the daemon ended with %d", code)
	}
	if n := r.mentions("failed over to a standby"); n != 1 {
		t.Errorf("the fail-over is told %d times", n)
	}
	if n := r.mentions("doctor --after-restore"); n != 0 {
		t.Error("it was taken for a restore")
	}
}

// untilTaken asks until the daemon takes a push: before Postgres is there it answers 503.
func untilTaken(t *testing.T, r *replica, push func(string) int, name string) (code int) {
	t.Helper()
	for code = push(name); code == http.StatusServiceUnavailable && t.Context().Err() == nil; code = push(name) {
	}
	return code
}

// standbyOf makes a server that follows another one.
func standbyOf(t *testing.T, primary *pgembed.Server) *pgembed.Server {
	t.Helper()
	dir := filepath.Dir(primary.Dir()) + "/" + filepath.Base(primary.Dir()) + "-standby"
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	postgresTool(t, "pg_basebackup", "--dbname="+primary.URL("postgres"), "--pgdata="+filepath.Join(dir, "data"), "--write-recovery-conf", "--checkpoint=fast")
	secret, err := os.ReadFile(filepath.Join(primary.Dir(), "password"))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "password"), secret, 0o600)
	}
	owner, statErr := os.Stat(filepath.Join(primary.Dir(), "data"))
	if err != nil || statErr != nil {
		t.Fatal(err, statErr)
	}
	if err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return chownLike(path, owner)
	}); err != nil {
		t.Fatal(err)
	}
	return pgtest.Private(t, pgembed.Options{Dir: dir, Settings: map[string]string{"wal_level": "replica", "max_wal_senders": "4", "hot_standby": "on"}})
}

// bothOf is the address of whichever of two servers can be written to.
func bothOf(t *testing.T, first, second *pgembed.Server) string {
	t.Helper()
	var hosts, ports []string
	for _, s := range []*pgembed.Server{first, second} {
		u, err := url.Parse(s.URL("postgres"))
		if err != nil {
			t.Fatal(err)
		}
		hosts, ports = append(hosts, u.Query().Get("host")), append(ports, u.Query().Get("port"))
	}
	return "host=" + strings.Join(hosts, ",") + " port=" + strings.Join(ports, ",") + " dbname=postgres user=" + migrations.RoleApp + " target_session_attrs=read-write"
}
