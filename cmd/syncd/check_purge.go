package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"syncd/internal/config"
	"syncd/load"
)

// checkPurge looks whether purged people are known again, and whether a purge can be written down. It says nothing where there is neither
// a purge nor a [purge].
func checkPurge(ctx context.Context, cfg *config.Config, w *load.Warehouse) []finding {
	const subject = "purge"
	some, err := w.AnyBlocked(ctx)
	if err != nil {
		return []finding{failed(subject, "key", err)}
	}
	if cfg.Purge.Key.IsZero() && !some {
		return nil
	}
	if _, err := readPurgeKey(ctx, cfg.Purge.Key); err != nil {
		return []finding{failed(subject, "key", err)}
	}
	return []finding{{Subject: subject, What: "key", OK: true, Detail: "can be read and is long enough"}, checkJournal(cfg.Purge.Journal, some)}
}

func checkJournal(path string, some bool) finding {
	f := finding{Subject: "purge", What: "journal", OK: true, Detail: path}
	entries, err := readJournal(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && some:
		return failed(f.Subject, f.What, badJournal(path, "it is not there, and people were purged"))
	case errors.Is(err, fs.ErrNotExist):
		if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
			f.OK, f.Detail, f.Next = false, path+": its folder is not there", "mkdir "+filepath.Dir(path)
			return f
		}
		f.Detail += ", made with the first purge"
	case err != nil:
		return failed(f.Subject, f.What, err)
	default:
		file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err == nil {
			err = file.Close()
		}
		if err != nil {
			f.OK, f.Detail, f.Next = false, path+": it cannot be written: nobody can be purged", "ls -ld "+filepath.Dir(path)+" "+path
			return f
		}
		f.Detail += fmt.Sprintf(", purges in it: %d", len(entries))
	}
	return f
}
