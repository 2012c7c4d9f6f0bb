package config

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestProblemsOfAllFilesAreListedTogether(t *testing.T) {
	write(t, map[string]string{
		"jobs.toml": `include = ["jobs.d/*.toml", "jobs.d/a.toml", "*.toml"]
timezone = "Mars"
postgres.url = "env:DATABASE_URL"
[redcap.main]
url = "https://redcap.example.edu/api/"
tokens = "dir:tokens"
[defaults]
fresh_within = "26h"
[job.asthma]
source = "redcap.main"
`,
		"jobs.d/a.toml": "include = ['b.toml']\n[job.asthma]\nsource = 'redcap.main'\n[job.ward]\nsource = 'redcap.main'\nschedul = '@daily'\n",
		"jobs.d/b.toml": "timezone = 'UTC'\n[redcap.main.defaults]\nschedule = 'nightly'\n[defaults]\nschema = 'x'\n",
		"jobs.d/c.toml": "\xff\xfe",
	})
	want := Problems{
		{"jobs.d/a.toml", 1, 1, "include", "", "only the main file includes others"},
		{"jobs.d/a.toml", 2, 6, "job.asthma", "", "is already at jobs.toml:9"},
		{"jobs.d/b.toml", 1, 1, "timezone", "", "is already at jobs.toml:2"},
		{"jobs.d/b.toml", 4, 2, "defaults", "", "is already at jobs.toml:7"},
		{"jobs.d/c.toml", 1, 1, "", "", "the file is UTF-16 or holds NUL bytes: save it as UTF-8"},
	}
	if diff := cmp.Diff(want, problems(t, "jobs.toml")); diff != "" {
		t.Errorf("with a file that cannot be read (-want +got):\n%s", diff)
	}
	if err := os.Remove("jobs.d/c.toml"); err != nil {
		t.Fatal(err)
	}
	want = append(Problems{
		{"jobs.toml", 2, 12, "timezone", `"Mars"`, `time zone "Mars" is unknown: names are those of the tz database, such as America/New_York or UTC`},
	}, want[:4]...)
	want = append(want[:3:3], append(Problems{
		{"jobs.d/a.toml", 6, 1, "job.ward.schedul", "", "unknown key; did you mean schedule?"},
		want[3],
		{"jobs.d/b.toml", 3, 12, "redcap.main.defaults.schedule", `"nightly"`, "has 1 fields instead of 5 (minute, hour, day of month, month, day of week)"},
	}, want[4:]...)...)
	if diff := cmp.Diff(want, problems(t, "jobs.toml")); diff != "" {
		t.Errorf("without it (-want +got):\n%s", diff)
	}
}

func TestAServersDefaultsMayStandInAnotherFile(t *testing.T) {
	write(t, map[string]string{
		"jobs.toml":  "include = ['more.toml']\n" + job,
		"more.toml":  "job.copd.source = 'redcap.main'\n[defaults]\nschedule = '@daily'\n",
		"other.toml": "this is not read",
	})
	c := load(t, "jobs.toml")
	if diff := cmp.Diff([]string{"jobs.toml", "more.toml"}, c.Files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if got := c.Jobs["asthma"].Schedule + c.Jobs["copd"].Schedule; got != "@daily@daily" {
		t.Errorf("schedules %q", got)
	}
}

func TestAFileThatIsNoneIsRefused(t *testing.T) {
	write(t, map[string]string{"folder/x": ""})
	for path, want := range map[string]string{
		"missing.toml": "missing.toml:1:1: read file: no such file or directory",
		"folder":       "folder:1:1: read file: it is a folder, not a file",
		"/dev/null":    "/dev/null:1:1: read file: it is a device, not a file",
	} {
		if got := problems(t, path).Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
