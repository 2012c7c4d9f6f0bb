package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// writeSource writes the sources of the commit that is checked out, with the sources of every module that they need: they are
// built with nothing but Go and make.
func writeSource(w io.Writer, o options) error {
	dir, err := os.MkdirTemp("", "syncd-source-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := unpackCommit(o.tree, dir); err != nil {
		return fmt.Errorf("read the commit: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "VERSION"), []byte(o.version+"\n"), 0o644); err != nil {
		return err
	}
	vendor := exec.Command("go", "mod", "vendor")
	vendor.Dir, vendor.Stderr = dir, os.Stderr
	vendor.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	if err := vendor.Run(); err != nil {
		return fmt.Errorf("go mod vendor: %w", err)
	}
	entries, err := folder(dir, "syncd-"+strings.TrimPrefix(o.version, "v"))
	if err != nil {
		return err
	}
	return writeTarGz(w, entries, o.at)
}

// unpackCommit writes the files of the commit into a folder, as they were committed.
func unpackCommit(tree, dir string) error {
	git := exec.Command("git", "archive", "--format=tar", "HEAD")
	git.Dir, git.Stderr = tree, os.Stderr
	all, err := git.Output()
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for t := tar.NewReader(bytes.NewReader(all)); ; {
		h, err := t.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case h.Typeflag == tar.TypeDir:
			err = root.MkdirAll(filepath.Clean(h.Name), 0o755)
		case h.Typeflag == tar.TypeSymlink:
			err = root.Symlink(h.Linkname, h.Name)
		case h.Typeflag == tar.TypeReg:
			err = unpackFile(root, h, t)
		}
		if err != nil {
			return err
		}
	}
}

func unpackFile(root *os.Root, h *tar.Header, from io.Reader) error {
	f, err := root.OpenFile(h.Name, os.O_CREATE|os.O_WRONLY, fs.FileMode(h.Mode).Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	return errors.Join(err, f.Close())
}

// folder lists a folder's files and links in their order, below a folder of the name top.
func folder(dir, top string) ([]entry, error) {
	var all []entry
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		e := entry{name: top + "/" + filepath.ToSlash(rel), mode: 0o644}
		switch {
		case d.IsDir():
			e.name, e.mode = strings.TrimSuffix(e.name, "/.")+"/", 0o755
		case d.Type() == fs.ModeSymlink:
			e.mode = 0o777
			e.link, err = os.Readlink(path)
		default:
			var info fs.FileInfo
			if info, err = d.Info(); err == nil && info.Mode()&0o100 != 0 {
				e.mode = 0o755
			}
			if err == nil {
				e.body, err = os.ReadFile(path)
			}
		}
		all = append(all, e)
		return err
	})
	slices.SortFunc(all, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return all, err
}
