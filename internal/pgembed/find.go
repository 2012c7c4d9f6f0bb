package pgembed

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
)

// Oldest is the oldest major version of PostgreSQL that syncd works with.
const Oldest = 15

// Install is what a person types where no PostgreSQL is found.
const Install = "apt-get install -y postgresql (Debian, Ubuntu; as root or with sudo in front), " +
	"or set SYNCD_PG_BIN to the folder that holds postgres and initdb"

// ErrMissing is in the chain of Find's error when there is no usable PostgreSQL on this machine.
var ErrMissing = errors.New("no PostgreSQL server programs")

// Find returns the folder of the programs postgres and initdb, version 15 or newer. It looks at SYNCD_PG_BIN (and then
// at nothing else), PATH, the folders that packages use (newest first), and what pg_config says.
func Find() (string, error) {
	return find(os.Getenv("SYNCD_PG_BIN"), candidates())
}

// find takes the first usable folder. A folder that was named by hand is never passed over in silence.
func find(named string, folders []string) (string, error) {
	if named != "" {
		if err := usable(named); err != nil {
			return "", fmt.Errorf("find PostgreSQL: SYNCD_PG_BIN: %w; type: %s", err, Install)
		}
		return named, nil
	}
	var seen []string
	for _, dir := range folders {
		err := usable(dir)
		if err == nil {
			return dir, nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			seen = append(seen, err.Error())
		}
	}
	if len(seen) > 0 {
		return "", fmt.Errorf("find PostgreSQL: %w of version %d or newer (%s); type: %s",
			ErrMissing, Oldest, strings.Join(seen, "; "), Install)
	}
	return "", fmt.Errorf("find PostgreSQL: %w of version %d or newer; type: %s", ErrMissing, Oldest, Install)
}

// candidates lists folders in order of preference; some of them do not exist.
func candidates() []string {
	var dirs []string
	if path, err := exec.LookPath("postgres"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real
		}
		dirs = append(dirs, filepath.Dir(path))
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",            // Debian, Ubuntu
		"/usr/pgsql-*/bin",                     // PGDG on Red Hat
		"/opt/homebrew/opt/postgresql@*/bin",   // Homebrew on ARM
		"/usr/local/opt/postgresql@*/bin",      // Homebrew on Intel
		"/usr/local/pgsql/bin",                 // built from source
		"/usr/libexec/postgresql*",             // Alpine
		"/Library/PostgreSQL/*/bin",            // EDB installer
		"/Applications/Postgres.app/*/*/*/bin", // Postgres.app
	} {
		found, _ := filepath.Glob(pattern) // the patterns are constant and well formed
		sort.SliceStable(found, func(i, j int) bool { return number(found[i]) > number(found[j]) })
		dirs = append(dirs, found...)
	}
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	return dirs
}

// usable says why a folder cannot be used, or nil.
func usable(dir string) error {
	for _, name := range []string{"postgres", "initdb"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			return fmt.Errorf("%s has no program %s: %w", dir, name, os.ErrNotExist)
		}
		if info.IsDir() || info.Mode()&0o111 == 0 {
			return fmt.Errorf("%s/%s cannot be executed", dir, name)
		}
	}
	major, err := Version(dir)
	if err != nil {
		return err
	}
	if major < Oldest {
		return fmt.Errorf("%s is PostgreSQL %d", dir, major)
	}
	return nil
}

// Version asks the program postgres in a folder for its major version.
func Version(binDir string) (int, error) {
	out, err := exec.Command(filepath.Join(binDir, "postgres"), "--version").Output()
	if err != nil {
		return 0, fmt.Errorf("ask %s/postgres for its version: %w", binDir, err)
	}
	// "postgres (PostgreSQL) 15.4 (Debian 15.4-1)", "postgres (PostgreSQL) 19beta1"
	if fields := bytes.Fields(out); len(fields) >= 3 {
		if major := number(string(fields[2])); major > 0 {
			return major, nil
		}
	}
	return 0, fmt.Errorf("ask %s/postgres for its version: the answer is not understood", binDir)
}

// number is the first run of digits in s, as a number; 0 where there is none.
func number(s string) int {
	start := strings.IndexAny(s, "0123456789")
	if start < 0 {
		return 0
	}
	end := start
	for end < len(s) && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	n, err := strconv.Atoi(s[start:end])
	if err != nil {
		return 0
	}
	return n
}
