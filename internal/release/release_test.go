package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"
)

var commitTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// unpacked reads a tar.gz back: bodies by name, folders with a nil body.
func unpacked(t *testing.T, body []byte) (map[string][]byte, map[string]*tar.Header) {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	bodies, headers := map[string][]byte{}, map[string]*tar.Header{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return bodies, headers
		}
		if err != nil {
			t.Fatal(err)
		}
		if headers[h.Name] != nil {
			t.Errorf("%s stands in the archive twice", h.Name)
		}
		headers[h.Name] = h
		if h.Typeflag == tar.TypeReg {
			if bodies[h.Name], err = io.ReadAll(r); err != nil {
				t.Fatal(err)
			}
		}
		if !h.ModTime.Equal(commitTime) || h.Uid != 0 || h.Uname != "root" {
			t.Errorf("%s: time %s, owner %d %s", h.Name, h.ModTime, h.Uid, h.Uname)
		}
	}
}

// members reads an ar archive back.
func members(t *testing.T, deb []byte) map[string][]byte {
	t.Helper()
	rest, ok := bytes.CutPrefix(deb, []byte("!<arch>\n"))
	if !ok {
		t.Fatal("not an ar archive")
	}
	all := map[string][]byte{}
	for len(rest) > 0 {
		head := string(rest[:60])
		size, err := strconv.Atoi(strings.TrimSpace(head[48:58]))
		if err != nil || head[58:] != "`\n" {
			t.Fatalf("bad header %q", head)
		}
		all[strings.TrimSpace(head[:16])] = rest[60 : 60+size]
		rest = rest[60+size+size%2:]
	}
	return all
}

func TestDeb(t *testing.T) {
	program := filepath.Join(t.TempDir(), "syncd")
	if err := os.WriteFile(program, []byte("a program of odd length"), 0o755); err != nil {
		t.Fatal(err)
	}
	build := func() []byte {
		var deb bytes.Buffer
		if err := writeDeb(&deb, options{version: "v1.2.3-4-gabc", arch: "arm64", binary: program, tree: "../..", at: commitTime}); err != nil {
			t.Fatal(err)
		}
		return deb.Bytes()
	}
	deb := build()
	if !bytes.Equal(deb, build()) {
		t.Error("two packages of the same differ")
	}
	parts := members(t, deb)
	if string(parts["debian-binary"]) != "2.0\n" || len(parts) != 3 {
		t.Fatalf("parts: %d, format %q", len(parts), parts["debian-binary"])
	}
	control, modes := unpacked(t, parts["control.tar.gz"])
	for _, line := range []string{"Package: syncd\n", "Version: 1.2.3+4+gabc\n", "Architecture: arm64\n"} {
		if !strings.Contains(string(control["./control"]), line) {
			t.Errorf("control lacks %q:\n%s", line, control["./control"])
		}
	}
	for _, script := range []string{"./postinst", "./prerm", "./postrm"} {
		if modes[script] == nil || modes[script].Mode != 0o755 {
			t.Errorf("%s is missing or cannot be run", script)
			continue
		}
		if out, err := exec.CommandContext(t.Context(), "sh", "-n", "deb/"+script).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", script, err, out)
		}
	}
	data, modes := unpacked(t, parts["data.tar.gz"])
	if string(data["./usr/bin/syncd"]) != "a program of odd length" || modes["./usr/bin/syncd"].Mode != 0o755 {
		t.Error("the program is missing, or cannot be run")
	}
	for _, f := range debFiles {
		if len(data["./"+f.to]) == 0 {
			t.Errorf("%s is missing or empty", f.to)
		}
		for d := filepath.Dir(f.to); d != "."; d = filepath.Dir(d) {
			if modes["./"+d+"/"] == nil {
				t.Errorf("folder %s is missing", d)
			}
		}
	}
	var sums strings.Builder
	for name := range modes {
		if body, is := data[name]; is && !strings.Contains(string(control["./md5sums"]), fmt.Sprintf("%x  %s\n", md5.Sum(body), name[2:])) {
			fmt.Fprintln(&sums, name)
		}
	}
	if sums.Len() > 0 {
		t.Errorf("md5sums lack:\n%s", sums.String())
	}
	if dpkg, err := exec.LookPath("dpkg-deb"); err == nil {
		file := filepath.Join(t.TempDir(), "syncd.deb")
		if err := os.WriteFile(file, deb, 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), dpkg, "--contents", file).CombinedOutput(); err != nil {
			t.Errorf("dpkg-deb: %v: %s", err, out)
		}
	}
}

func TestVersionsOfPackages(t *testing.T) {
	for version, want := range map[string]string{
		"v1.2.3": "1.2.3", "v1.2.3-4-gabc": "1.2.3+4+gabc", "v1.2.3-dirty": "1.2.3+dirty", "314fe9c": "0~git20260301.314fe9c", "dev": "0~git20260301.dev",
	} {
		if got, err := debVersion(version, "20260301"); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", version, got, err, want)
		}
	}
	if _, err := debVersion("1.0 beta", "20260301"); err == nil {
		t.Error("a version with a space was taken")
	}
}

// TestSBOM lists what this very test was built of.
func TestSBOM(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	var written bytes.Buffer
	if err := writeSBOM(&written, options{version: "v1.2.3", binary: program, at: commitTime}); err != nil {
		t.Fatal(err)
	}
	var b bom
	if err := json.Unmarshal(written.Bytes(), &b); err != nil {
		t.Fatal(err)
	}
	if b.Format != "CycloneDX" || b.Metadata.Component.Version != "v1.2.3" || len(b.Serial) != len("urn:uuid:")+36 || b.Metadata.Timestamp != "2026-03-01T12:00:00Z" {
		t.Errorf("head: %+v", b)
	}
	if len(b.Components) != len(info.Deps)+1 || len(b.Dependencies) != len(info.Deps)+2 {
		t.Errorf("%d components of %d modules and the standard library", len(b.Components), len(info.Deps))
	}
	refs := map[string]bool{}
	for _, c := range b.Components {
		if refs[c.Ref] || c.PURL == "" || c.Version == "" {
			t.Errorf("component %+v", c)
		}
		refs[c.Ref] = true
	}
}

// TestLibrary lists a module, and one that another stands for.
func TestLibrary(t *testing.T) {
	if c := library(module("example.org/a", "v1.0.0", "h1:sum=", nil)); c.PURL != "pkg:golang/example.org/a@v1.0.0" || c.Properties[0].Value != "h1:sum=" {
		t.Errorf("%+v", c)
	}
	if c := library(module("example.org/a", "v1.0.0", "", module("example.org/b", "v2.0.0", "", nil))); c.Name != "example.org/b" || c.Properties != nil {
		t.Errorf("%+v", c)
	}
}

func module(path, version, sum string, by *debug.Module) *debug.Module {
	return &debug.Module{Path: path, Version: version, Sum: sum, Replace: by}
}

// TestOrders says of an order that cannot be carried out what it lacks, and leaves no file.
func TestOrders(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, args := range [][]string{{}, {"zip", "-o", "x", "-version", "v1.0.0", "-epoch", "1"}, {"sbom", "-o", "x"}, {"deb", "-o", "x", "-version", "v1.0.0", "-epoch", "1", "-arch", "vax"}} {
		if err := run(args, io.Discard); err == nil {
			t.Errorf("%q was carried out", args)
		}
	}
	if left, err := os.ReadDir("."); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestFolder lists a tree in its order: folders, files, those that can be run, links.
func TestFolder(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.MkdirAll(filepath.Join(dir, "a/b"), 0o700), os.WriteFile(filepath.Join(dir, "a/run"), []byte("x"), 0o700),
		os.WriteFile(filepath.Join(dir, "a/b/empty"), nil, 0o600), os.Symlink("run", filepath.Join(dir, "a/link"))); err != nil {
		t.Fatal(err)
	}
	entries, err := folder(dir, "top")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, fmt.Sprintf("%s %o %s", e.name, e.mode, e.link))
	}
	want := []string{"top/ 755 ", "top/a/ 755 ", "top/a/b/ 755 ", "top/a/b/empty 644 ", "top/a/link 777 run", "top/a/run 755 "}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got:\n%s", strings.Join(got, "\n"))
	}
}
