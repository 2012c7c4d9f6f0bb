package pgembed_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/goleak"

	"syncd/internal/pgembed"
)

// ownerDir tells a copy of this program to own a server in that folder until it is killed.
const ownerDir = "SYNCD_TEST_PGEMBED_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(ownerDir); dir != "" {
		s, err := pgembed.Start(context.Background(), options(dir))
		if err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
		fmt.Println(s.PID())
		select {} // until killed
	}
	goleak.VerifyTestMain(m)
}

func options(dir string) pgembed.Options {
	return pgembed.Options{Dir: dir, Settings: map[string]string{"fsync": "off", "shared_buffers": "16MB", "max_connections": "10"}}
}

// folder is one that the server's user can reach, also where the tests run as root.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "syncd-pgembed-")
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

func start(t *testing.T, opts pgembed.Options) *pgembed.Server {
	t.Helper()
	s, err := pgembed.Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func exec1(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// alive says whether a process exists that is not merely waiting to be buried.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

// waitGone polls until a process has ended.
func waitGone(t *testing.T, pid int) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 1500 {
		if !alive(pid) {
			return
		}
		<-tick.C
	}
	t.Fatalf("process %d is still there", pid)
}

func TestAServerKeepsItsDataOverStopAndCrash(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	s := start(t, options(dir))
	url := s.URL("postgres")
	exec1(t, url, "CREATE TABLE kept (x text); INSERT INTO kept VALUES ('before')")

	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := pgx.Connect(t.Context(), url); err == nil {
		t.Fatal("it answers after Kill")
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.URL("postgres") != url {
		t.Error("the address changed with the restart")
	}
	exec1(t, url, "INSERT INTO kept VALUES ('after the crash')")
	if err := s.Restart(t.Context()); err != nil { // of a running one
		t.Fatal(err)
	}
	if err := errors.Join(s.Stop(), s.Stop()); err != nil {
		t.Fatal(err)
	}
	if err := s.Restart(t.Context()); err == nil {
		t.Error("restarted although its folder was given free")
	}

	again := start(t, options(dir))
	conn, err := pgx.Connect(t.Context(), again.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var n int
	var encoding string
	if err := conn.QueryRow(t.Context(), "SELECT count(*), current_setting('server_encoding') FROM kept").Scan(&n, &encoding); err != nil {
		t.Fatal(err)
	}
	if n != 2 || encoding != "UTF8" {
		t.Errorf("%d rows, encoding %s", n, encoding)
	}
}

func TestAServerThatDoesNotStartShowsTheEndOfItsLog(t *testing.T) {
	t.Parallel()
	opts := options(folder(t))
	opts.Settings["shared_buffers"] = "many"
	_, err := pgembed.Start(t.Context(), opts)
	if err == nil || !strings.Contains(err.Error(), `invalid value for parameter "shared_buffers"`) {
		t.Errorf("got %v", err)
	}
	opts.Settings["shared_buffers"] = "16MB"
	start(t, opts) // and the folder is free for the next try
}

func TestStartEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("no patience")
	cancel(reason)
	opts := options(folder(t))
	if _, err := pgembed.Start(ctx, opts); err == nil {
		t.Fatal("started")
	}
	start(t, opts) // what was half made is made anew
}

func TestAFolderWithALongPathGetsItsSocketElsewhereAndLeavesNothingThere(t *testing.T) {
	t.Parallel()
	parent := folder(t)
	if err := os.Chmod(parent, 0o711); err != nil { // where root runs this, the server's user must get through
		t.Fatal(err)
	}
	dir := filepath.Join(parent, strings.Repeat("long", 30))
	s := start(t, options(dir))
	if strings.HasPrefix(s.Socket(), dir) {
		t.Fatalf("the socket is in %s", s.Socket())
	}
	exec1(t, s.URL("postgres"), "SELECT 1")
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.Socket()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is left: %v", s.Socket(), err)
	}
}

func TestOverTCPAPasswordIsAskedForAndTheSocketIsClosedToOthers(t *testing.T) {
	t.Parallel()
	opts := options(folder(t))
	opts.Port = -1
	s := start(t, opts)
	exec1(t, s.TCP("postgres"), "SELECT 1")
	cfg, err := pgx.ParseConfig(s.TCP("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	cfg.Password = "guess"
	var refused *pgconn.PgError
	if _, err := pgx.ConnectConfig(t.Context(), cfg); !errors.As(err, &refused) || refused.Code != "28P01" {
		t.Errorf("a wrong password: %v", err)
	}
	for _, path := range []string{opts.Dir, filepath.Join(opts.Dir, "password"), s.Log()} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is open to others: %v %v", path, info.Mode(), err)
		}
	}
	if strings.Contains(s.URL("x"), cfg.Password) || start(t, options(folder(t))).TCP("postgres") != "" {
		t.Error("an address that should not be")
	}
}

func TestDataOfAnotherVersionAndFoldersOfOthersAreRefused(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	s := start(t, options(dir))
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "data", "PG_VERSION"), []byte("12\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := pgembed.Start(t.Context(), options(dir)); err == nil || !strings.Contains(err.Error(), "was made by PostgreSQL 12") {
		t.Errorf("another version: %v", err)
	}
	foreign := folder(t)
	if err := os.MkdirAll(filepath.Join(foreign, "data", "thesis"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := pgembed.Start(t.Context(), options(foreign)); err == nil || !strings.Contains(err.Error(), "is not PostgreSQL data") {
		t.Errorf("somebody's folder: %v", err)
	}
	if _, err := os.Stat(filepath.Join(foreign, "data", "thesis")); err != nil {
		t.Errorf("it was touched: %v", err)
	}
}

func TestAsRootAFolderThatTheServersUserCannotReachIsExplained(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root has to become somebody else")
	}
	closed := folder(t) // mode 0700 and root's
	_, err := pgembed.Start(t.Context(), options(filepath.Join(closed, "inner")))
	if err == nil || !strings.Contains(err.Error(), "cannot get to") || !strings.Contains(err.Error(), closed+" is closed") {
		t.Errorf("got %v", err)
	}
	if err := errors.Join(pgembed.Reachable(folder(t)), pgembed.Reachable("/tmp/not/there/yet")); err != nil {
		t.Errorf("folders below /tmp: %v", err)
	}
	if err := pgembed.Reachable(filepath.Join(closed, "inner")); err == nil {
		t.Error("a closed folder seems reachable")
	}
	// Data of an ordinary user is served as that user.
	dir := folder(t)
	s := start(t, options(dir))
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	const nobody = 65534
	if err := filepath.Walk(dir, func(path string, _ os.FileInfo, err error) error {
		return errors.Join(err, os.Chown(path, nobody, nobody))
	}); err != nil {
		t.Fatal(err)
	}
	again := start(t, options(dir))
	info, err := os.Stat("/proc/" + strconv.Itoa(again.PID()))
	if err != nil {
		t.Fatal(err)
	}
	if uid := info.Sys().(*syscall.Stat_t).Uid; uid != nobody {
		t.Errorf("it runs as user %d", uid)
	}
}
