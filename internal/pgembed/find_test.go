package pgembed_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"syncd/internal/pgembed"
)

// programs makes a folder with a postgres that tells this version.
func programs(t *testing.T, version string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"postgres": "#!/bin/sh\necho 'postgres (PostgreSQL) " + version + "'\n",
		"initdb":   "#!/bin/sh\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFindTakesTheFirstFolderThatIsNewEnough(t *testing.T) {
	t.Parallel()
	old, good, beta := programs(t, "14.11 (Debian 14.11-1)"), programs(t, "16.2"), programs(t, "19beta1")
	for _, tt := range []struct {
		name    string
		named   string
		folders []string
		want    string
	}{
		{"old ones are passed over", "", []string{old, good}, good},
		{"folders that are not there are passed over", "", []string{"/nowhere", beta}, beta},
		{"what is named by hand wins", beta, []string{good}, beta},
	} {
		if got, err := pgembed.FindIn(tt.named, tt.folders); got != tt.want || err != nil {
			t.Errorf("%s: %q %v", tt.name, got, err)
		}
	}
}

func TestWhereNothingIsFoundTheErrorSaysWhatToType(t *testing.T) {
	t.Parallel()
	old := programs(t, "14.11")
	for name, find := range map[string]func() (string, error){
		"nothing":            func() (string, error) { return pgembed.FindIn("", nil) },
		"only an old one":    func() (string, error) { return pgembed.FindIn("", []string{old}) },
		"named, but missing": func() (string, error) { return pgembed.FindIn("/nowhere", []string{"/nowhere"}) },
		"named, but old":     func() (string, error) { return pgembed.FindIn(old, nil) },
		"not understood":     func() (string, error) { return pgembed.FindIn(programs(t, "banana"), nil) },
	} {
		_, err := find()
		if err == nil || !strings.Contains(err.Error(), "apt-get install -y postgresql") || !strings.Contains(err.Error(), "SYNCD_PG_BIN") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := pgembed.FindIn("", []string{old}); !errors.Is(err, pgembed.ErrMissing) || !strings.Contains(err.Error(), "is PostgreSQL 14") {
		t.Errorf("it does not say what it passed over: %v", err)
	}
}
