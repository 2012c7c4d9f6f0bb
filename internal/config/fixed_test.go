package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhatHoldsToTheEndOfADaemonIsKeptAndNamedWithItsLine(t *testing.T) {
	t.Parallel()
	began := configOf(t, `data_dir = "here"
[postgres]
url = "env:DATABASE_URL"
[serve]
admin = "127.0.0.1:1"
`)
	next := configOf(t, `timezone = "America/New_York"
data_dir = "there"
[postgres]
url = "env:OTHER_URL"
ddl = "plan"
[serve]
admin = "127.0.0.1:2"
listen = "127.0.0.1:3"
cert_file = "chain.pem"
key_file = "key.pem"
log_level = "debug"
`)
	var got []string
	for _, s := range next.KeepFixed(began) {
		_, line, _ := strings.Cut(filepath.Base(s.From), ":")
		got = append(got, s.Key+":"+line)
	}
	const want = "data_dir:2 postgres.url:4 postgres.ddl:5 serve.listen:8 serve.admin:7 serve.cert_file:9"
	if strings.Join(got, " ") != want {
		t.Errorf("waiting for a restart: %s\nwant %s", strings.Join(got, " "), want)
	}
	if next.Postgres != began.Postgres || next.DataDir != began.DataDir || next.Serve.Admin != began.Serve.Admin || next.Serve.Listen != began.Serve.Listen || next.Serve.CertFile != "" {
		t.Errorf("not kept: %+v %s %+v", next.Postgres, next.DataDir, next.Serve)
	}
	if next.Timezone != "America/New_York" || next.Serve.LogLevel != "debug" {
		t.Error("what may change did not")
	}
	if again := next.KeepFixed(began); len(again) != 0 {
		t.Errorf("once more: %v", again)
	}
}

func TestTheSumOfAConfigurationIsThatOfAllItsFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sum := func() string {
		t.Helper()
		c, err := Load(filepath.Join(dir, "jobs.toml"))
		if err != nil {
			t.Fatal(err)
		}
		return c.Sum
	}
	write("jobs.toml", "include = [\"more/*.toml\"]\n[postgres]\nurl = \"env:DATABASE_URL\"\n")
	if err := os.Mkdir(filepath.Join(dir, "more"), 0o700); err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{sum(): "alone"}
	if seen[sum()] == "" {
		t.Error("it differs from one reading to the next")
	}
	for _, step := range []struct{ name, text, what string }{
		{"more/one.toml", "timezone = \"UTC\"\n", "a file more"},
		{"more/one.toml", "timezone = \"GMT\"\n", "another text"},
	} {
		write(step.name, step.text)
		if before := seen[sum()]; before != "" {
			t.Errorf("%s: the same sum as %s", step.what, before)
		}
		seen[sum()] = step.what
	}
}

func configOf(t *testing.T, text string) *Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "jobs.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
