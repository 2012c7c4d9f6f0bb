package main

import (
	"bytes"
	"debug/elf"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"syncd/internal/fake/redcap"
)

// TestStaticBinaryNeedsNothingInItsRoot runs the program as the container image does: in a root that holds it, its
// configuration and an authority's certificate.
func TestStaticBinaryNeedsNothingInItsRoot(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", filepath.Join(root, "syncd"), ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	isStatic(t, filepath.Join(root, "syncd"))

	fake := redcap.NewServer(redcap.Options{})
	project := redcap.Synthetic(redcap.Spec{Kind: redcap.Classic, Records: 5, Fields: 8, ID: 11, Title: "Far"})
	fake.Add(project)
	server := httptest.NewUnstartedServer(fake)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // the handshake that is refused below
	server.StartTLS()
	t.Cleanup(server.Close)
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	jobs := fmt.Sprintf("timezone = \"America/New_York\"\n[postgres]\nurl = \"env:DATABASE_URL\"\n[redcap.known]\nurl = \"%[1]s/api/\"\ntimezone = \"Europe/Zurich\"\nca_file = \"ca.pem\"\n[redcap.unknown]\nurl = \"%[1]s/api/\"\n[defaults]\nschedule = \"CRON_TZ=Asia/Kathmandu 15 2 * * *\"\ntoken = \"env:TOKEN\"\n[job.near]\nsource = \"redcap.known\"\n[job.far]\nsource = \"redcap.unknown\"\n", server.URL)
	for name, text := range map[string][]byte{"jobs.toml": []byte(jobs), "ca.pem": authority} {
		if err := os.WriteFile(filepath.Join(root, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}

	if out, code := inRoot(t, root, project.Token(), "--version"); code != exitDone || !strings.HasPrefix(out, "syncd version ") {
		t.Errorf("--version: exit %d\n%s", code, out)
	}
	if out, code := inRoot(t, root, project.Token(), "config", "near"); code != exitDone || !strings.Contains(out, "Asia/Kathmandu") {
		t.Errorf("config, which needs three time zones: exit %d\n%s", code, out)
	}
	out, _ := inRoot(t, root, project.Token(), "check", "-o", "csv")
	for _, want := range []string{"near,tls,ok", "near,token,ok", "near,records,ok,5 listed", "far,tls,FAILED"} {
		if !strings.Contains(out, want) {
			t.Errorf("check does not say %q:\n%s", want, out)
		}
	}
}

// isStatic checks that no loader and no library is asked for.
func isStatic(t *testing.T, file string) {
	t.Helper()
	f, err := elf.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("the binary is not static: it has a %s", p.Type)
		}
	}
}

// inRoot runs the program with another folder as its root. Without the right to do so it asks for a user namespace first.
func inRoot(t *testing.T, root, token string, args ...string) (string, int) {
	t.Helper()
	cmd := exec.Command("/syncd", args...)
	cmd.Dir, cmd.Env = "/", []string{"TOKEN=" + token, "DATABASE_URL=postgres:///warehouse?host=/run/postgresql&user=syncd"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Start()
	if os.IsPermission(err) {
		t.Skipf("this user may neither change the root nor make a user namespace: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // the exit code says it
	return out.String(), cmd.ProcessState.ExitCode()
}
