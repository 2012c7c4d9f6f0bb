package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// FuzzLoad feeds any bytes as jobs.toml: what comes back is a configuration or problems with positions inside the file,
// and never a panic.
func FuzzLoad(f *testing.F) {
	for _, m := range slices.Concat(mistakesOfForm(), mistakesOfMeaning(), mistakesOfReceivers(), mistakesOfStrategies(), mistakesOfCampuses()) {
		if len(m.text) < 4096 {
			f.Add([]byte(m.text))
		}
	}
	for _, seed := range []string{"testdata/ten.toml", "../../jobs.toml"} {
		if data, err := os.ReadFile(seed); err == nil {
			f.Add(data)
		}
	}
	path := filepath.Join(f.TempDir(), "jobs.toml")
	f.Fuzz(func(t *testing.T, data []byte) {
		if strings.Contains(string(data), "include") {
			t.Skip("must not wander through the machine's folders")
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(path)
		if err == nil {
			for _, name := range append(c.Names(), c.ReceiverNames()...) {
				if all, err := c.Effective(name); err != nil || len(all) == 0 {
					t.Errorf("settings of %q: %v", name, err)
				}
			}
			return
		}
		lines := strings.Count(string(data), "\n") + 1
		for _, p := range err.(Problems) {
			if p.File != path || p.Line < 1 || p.Line > lines || p.Column < 1 || p.Reason == "" {
				t.Errorf("a problem nowhere: %+v in %d lines", p, lines)
			}
			if strings.ContainsAny(p.String(), "\n\r\x00") {
				t.Errorf("a problem is more than one line: %q", p.String())
			}
		}
	})
}

func FuzzSecret(f *testing.F) {
	for _, seed := range []string{"env:A", "file:a", "cred:a", "cmd:/a b", "postgres://a@b/c", "x:y", canary} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, reason := parseSecret(text, filepath.Clean)
		if (reason == "") == s.IsZero() {
			t.Errorf("%q: neither a reference nor refused: %q", text, reason)
		}
		if reason != "" && len(text) > 12 && strings.Contains(reason, text) {
			t.Errorf("the reason quotes %q", text)
		}
	})
}
