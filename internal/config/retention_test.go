package config

import (
	"strings"
	"testing"
	"time"
)

func TestWhatIsKeptFollowsTheWholeThenTheJob(t *testing.T) {
	const day = 24 * time.Hour
	write(t, map[string]string{"jobs.toml": `
[postgres]
url = "env:DATABASE_URL"
[retention]
payloads = "30d"
runs = "forever"
[purge]
key = "env:PURGE_KEY"
journal = "purges.journal"
[redcap.main]
url = "https://redcap.example.edu/api/"
[defaults]
deleted_retention = "2y"
[job.asthma]
source = "redcap.main"
token = "env:A"
[job.trial]
source = "redcap.main"
token = "env:B"
deleted_retention = "7d"
legal_hold = true
[redox.ward]
path = "/redox/ward-1"
verification_tokens = "env:T"
retention = "forever"
[redox.clinic]
path = "/redox/clinic-1"
verification_tokens = "env:U"
`})
	c := load(t, "jobs.toml")
	for name, want := range map[string]Kept{
		"asthma": {30 * day, 180 * day, 2 * 365 * day, false},
		"trial":  {30 * day, 180 * day, 7 * day, true},
		"ward":   {0, 180 * day, 90 * day, false},
		"clinic": {30 * day, 180 * day, 90 * day, false},
	} {
		if got := c.KeptBy(name); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	if c.RunsKept() != 0 {
		t.Errorf("runs are kept for %s", c.RunsKept())
	}
	for text, want := range map[string]string{
		pg + "retention.runs = 'a while'":        `2:18: retention.runs = "a while": must be a time such as "180d" or "3y", not less than an hour, or "forever"`,
		pg + "purge.key = 'env:K'":               `2:13: purge.key = "env:K": needs journal: a restored backup would bring back who was purged`,
		pg + "purge.journal = 'j'":               `2:17: purge.journal = "j": needs key, by which those who were purged are known again`,
		pg + "[purge]\nkey = 'x'\njournal = 'j'": "3:7: purge.key: must be a reference to a secret: env:NAME, file:PATH, cred:NAME or cmd:/PATH ARGUMENTS; a secret itself is not accepted here",
	} {
		write(t, map[string]string{"jobs.toml": text})
		if got := strings.ReplaceAll(problems(t, "jobs.toml").Error(), "jobs.toml:", ""); !strings.HasPrefix(got, want) {
			t.Errorf("%s:\n%s, want\n%s", text, got, want)
		}
	}
}
