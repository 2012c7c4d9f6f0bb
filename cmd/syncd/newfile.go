package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// newFiles are files that a verb has made. What is written of one is whole or not there.
type newFiles []string

// add writes a file that must not be there yet.
func (n *newFiles) add(path, text string, mode fs.FileMode) error {
	err := writeNew(path, text, mode)
	if err == nil {
		*n = append(*n, path)
	}
	return err
}

// undo removes them again.
func (n newFiles) undo() error {
	var all []error
	for _, path := range n {
		all = append(all, os.Remove(path))
	}
	return errors.Join(all...)
}

// writeNew makes a file with a text, in one step; one that is there is left alone, and the error is fs.ErrExist.
func writeNew(path, text string, mode fs.FileMode) error {
	made, err := writeBeside(path, text, mode)
	if err != nil {
		return err
	}
	defer os.Remove(made)
	if err := os.Link(made, path); err != nil { // which never replaces
		return fmt.Errorf("write file %s: %w", path, errors.Unwrap(err))
	}
	return syncFolder(path)
}

// writable finds out whether files can be made in a folder.
func writable(folder string) error {
	f, err := os.CreateTemp(folder, ".syncd-*")
	if err != nil {
		return errors.Unwrap(err) // without the name of that file
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// replaceFile gives a file another text, in one step, and keeps its mode. A link is followed: it stays one.
func replaceFile(path, text string) error {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	info, err := os.Stat(real)
	if err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	made, err := writeBeside(real, text, info.Mode().Perm())
	if err != nil {
		return err
	}
	if err := os.Rename(made, real); err != nil {
		return errors.Join(fmt.Errorf("write file: %w", err), os.Remove(made))
	}
	return syncFolder(real)
}

// writeBeside writes a text to a file of a name of its own in the folder of path, down to the disk.
func writeBeside(path, text string, mode fs.FileMode) (string, error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".syncd-*") // only its owner can read it
	if err != nil {
		return "", fmt.Errorf("write file %s: %w", path, errors.Unwrap(err))
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return "", errors.Join(fmt.Errorf("write file: %w", err), os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// syncFolder puts a name down to the disk.
func syncFolder(path string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	return errors.Join(dir.Sync(), dir.Close())
}
