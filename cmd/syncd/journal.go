package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"syncd/extract"
	"syncd/load"
)

// keepJournal adds a purge to the journal, and returns when it is on the disk.
func keepJournal(path string, e load.PurgeEntry) error {
	text, err := json.Marshal(e)
	if err == nil {
		err = addLine(path, text)
	}
	if err != nil {
		return &extract.Error{
			Kind: extract.KindConfig, What: "write the journal of purges", Where: path, Cause: err,
			Next: "nothing was deleted; look at its folder and disk: ls -ld " + filepath.Dir(path) + " && df -h " + filepath.Dir(path),
		}
	}
	return nil
}

// addLine adds a line. After one that was cut off, by a full disk or a kill, it begins a new one.
func addLine(path string, line []byte) error {
	whole, err := endsWhole(path)
	if err != nil {
		return err
	}
	if !whole {
		line = append([]byte{'\n'}, line...)
	}
	return writeSynced(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, append(line, '\n'))
}

// endsWhole reports whether a file, if it is there, is empty or ends with a line feed.
func endsWhole(path string) (bool, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	last := []byte{0}
	_, err = f.ReadAt(last, info.Size()-1)
	return last[0] == '\n', errors.Join(err, f.Close())
}

func writeSynced(path string, flags int, text []byte) error {
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(text); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// readJournal reads what was purged; its error is fs.ErrNotExist where there is no journal. A line that was cut off is no purge: it was
// written before anything was deleted.
func readJournal(path string) ([]load.PurgeEntry, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err != nil {
		return nil, badJournal(path, "it cannot be opened")
	}
	defer f.Close()
	var entries []load.PurgeEntry
	lines := bufio.NewReader(f)
	for n := 1; ; n++ {
		line, end := lines.ReadBytes('\n')
		if end != nil && !errors.Is(end, io.EOF) {
			return nil, badJournal(path, "it cannot be read to its end")
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			var e load.PurgeEntry
			err := json.Unmarshal(line, &e)
			switch {
			case cutOff(line, err):
			case err != nil || e.Version != 1 || e.Schema == "":
				return nil, badJournal(path, fmt.Sprintf("line %d is no purge", n))
			default:
				entries = append(entries, e)
			}
		}
		if end != nil {
			return entries, nil
		}
	}
}

// cutOff reports whether a line is the beginning of an entry, and nothing in it is wrong but that it ends too early.
func cutOff(line []byte, err error) bool {
	var syntax *json.SyntaxError
	return line[0] == '{' && errors.As(err, &syntax) && syntax.Offset == int64(len(line)) && syntax.Error() == "unexpected end of JSON input"
}

func badJournal(path, why string) error {
	return &extract.Error{
		Kind: extract.KindConfig, What: "read the journal of purges", Where: path, Cause: errors.New(why),
		Next: "put the file back as it was: without it nobody knows who must not come back. Is it lost for good: touch " + path + ", and purge by hand whoever was purged since the backup",
	}
}
