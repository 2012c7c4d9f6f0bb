package main

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

var (
	//go:embed deb/control
	debControl string
	//go:embed deb/copyright
	debCopyright string
	//go:embed deb/postinst
	debPostinst string
	//go:embed deb/prerm
	debPrerm string
	//go:embed deb/postrm
	debPostrm string
)

// debFiles are what a package holds beside the program: where from in the tree, and where to.
var debFiles = []struct{ from, to string }{
	{"deploy/systemd/syncd.service", "usr/lib/systemd/system/syncd.service"},
	{"README.md", "usr/share/doc/syncd/README.md"},
	{"SECURITY.md", "usr/share/doc/syncd/SECURITY.md"},
	{"NOTICE", "usr/share/doc/syncd/NOTICE"},
	{"docs/jobs.md", "usr/share/doc/syncd/jobs.md"},
	{"docs/operations.md", "usr/share/doc/syncd/operations.md"},
	{"docs/scaling.md", "usr/share/doc/syncd/scaling.md"},
	{"docs/redox-auth.md", "usr/share/doc/syncd/redox-auth.md"},
	{"docs/redox-tables.md", "usr/share/doc/syncd/redox-tables.md"},
	{"jobs.toml", "usr/share/doc/syncd/examples/jobs.toml"},
	{"CHANGELOG.md", "usr/share/doc/syncd/CHANGELOG.md.gz"},
}

// debVersion makes a version of Debian's of what git describe tells: v1.2.3, v1.2.3-4-gabcdef, or a commit where there is no tag yet.
func debVersion(version string, day string) (string, error) {
	v := strings.TrimPrefix(version, "v")
	if i := strings.IndexByte(v, '.'); i <= 0 || strings.Trim(v[:i], "0123456789") != "" {
		v = "0~git" + day + "." + v
	}
	v = strings.ReplaceAll(v, "-", "+")
	if strings.Trim(v, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.+~") != "" {
		return "", fmt.Errorf("version %q cannot be one of a package: letters, digits and .+~- only", version)
	}
	return v, nil
}

// writeDeb writes a Debian package of one program. Nothing is started by it before there is a configuration.
func writeDeb(w io.Writer, o options) error {
	if o.arch != "amd64" && o.arch != "arm64" {
		return errors.New("-arch is amd64 or arm64")
	}
	version, err := debVersion(o.version, o.at.Format("20060102"))
	if err != nil {
		return err
	}
	files, err := debTree(o)
	if err != nil {
		return err
	}
	var data, control bytes.Buffer
	if err := writeTarGz(&data, files, o.at); err != nil {
		return err
	}
	var sums strings.Builder
	size := 0
	for _, f := range files {
		if f.body != nil {
			fmt.Fprintf(&sums, "%x  %s\n", md5.Sum(f.body), strings.TrimPrefix(f.name, "./"))
			size += (len(f.body) + 1023) / 1024
		} else {
			size++
		}
	}
	about := strings.NewReplacer("@VERSION@", version, "@ARCH@", o.arch, "@SIZE@", fmt.Sprint(size)).Replace(debControl)
	if err := writeTarGz(&control, []entry{
		{name: "./", mode: 0o755},
		{name: "./control", mode: 0o644, body: []byte(about)},
		{name: "./md5sums", mode: 0o644, body: []byte(sums.String())},
		{name: "./postinst", mode: 0o755, body: []byte(debPostinst)},
		{name: "./postrm", mode: 0o755, body: []byte(debPostrm)},
		{name: "./prerm", mode: 0o755, body: []byte(debPrerm)},
	}, o.at); err != nil {
		return err
	}
	return writeAr(w, []entry{
		{name: "debian-binary", body: []byte("2.0\n")},
		{name: "control.tar.gz", body: control.Bytes()},
		{name: "data.tar.gz", body: data.Bytes()},
	}, o.at)
}

// debTree lists what a package puts where, with the folders above.
func debTree(o options) ([]entry, error) {
	program, err := os.ReadFile(o.binary)
	if err != nil {
		return nil, err
	}
	files := []entry{
		{name: "usr/bin/syncd", mode: 0o755, body: program},
		{name: "usr/share/doc/syncd/copyright", mode: 0o644, body: []byte(debCopyright)},
	}
	for _, f := range debFiles {
		body, err := os.ReadFile(filepath.Join(o.tree, f.from))
		if err != nil {
			return nil, err
		}
		if strings.HasSuffix(f.to, ".gz") {
			if body, err = compressed(body); err != nil {
				return nil, err
			}
		}
		files = append(files, entry{name: f.to, mode: 0o644, body: body})
	}
	above := map[string]bool{}
	for _, f := range files {
		for d := path.Dir(f.name); d != "."; d = path.Dir(d) {
			above[d] = true
		}
	}
	for d := range above {
		files = append(files, entry{name: d + "/", mode: 0o755})
	}
	for i := range files {
		files[i].name = "./" + files[i].name
	}
	files = append(files, entry{name: "./", mode: 0o755})
	slices.SortFunc(files, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return files, nil
}

func compressed(body []byte) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	_, err = z.Write(body)
	err = errors.Join(err, z.Close())
	return b.Bytes(), err
}
