package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAFileIsIncludedWithoutAnythingElseChanging(t *testing.T) {
	for name, tc := range map[string]struct{ before, after string }{
		"no include, a head comment": {"# ours\n# since 2024\n\n# where\n[postgres]\nurl = \"env:X\"  # y\n", "# ours\n# since 2024\n\ninclude = [\"jobs.d/*.toml\"]\n# where\n[postgres]\nurl = \"env:X\"  # y\n"},
		"a comment of the first key": {"# where\n[postgres]\n", "include = [\"jobs.d/*.toml\"]\n# where\n[postgres]\n"},
		"a key first":                {"timezone = \"UTC\"\n", "include = [\"jobs.d/*.toml\"]\ntimezone = \"UTC\"\n"},
		"nothing":                    {"", "include = [\"jobs.d/*.toml\"]\n"},
		"included already":           {"include = [\"jobs.d/*.toml\"] # ours\n", "include = [\"jobs.d/*.toml\"] # ours\n"},
		"by another pattern":         {"include = [ './jobs.d/c*' ]\n", "include = [ './jobs.d/c*' ]\n"},
		"an empty list":              {"timezone = 'UTC'\ninclude = [] # none\n", "timezone = 'UTC'\ninclude = [\"jobs.d/*.toml\"] # none\n"},
		"others, over lines":         {"é = 1\ninclude = [ # [a]\n  'teams/*.toml',\n]\n", "é = 1\ninclude = [\"jobs.d/*.toml\",  # [a]\n  'teams/*.toml',\n]\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Including("jobs.toml", []byte(tc.before), "jobs.d/*.toml", "jobs.d/copd.toml")
			if name == "others, over lines" { // é is no bare key
				if err == nil {
					t.Fatal("a text that cannot be read was edited")
				}
				got, err = Including("jobs.toml", []byte(tc.before[len("é = 1\n"):]), "jobs.d/*.toml", "jobs.d/copd.toml")
				tc.after = tc.after[len("é = 1\n"):]
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.after, string(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAChangeIsJudgedBeforeItIsWritten(t *testing.T) {
	write(t, map[string]string{"jobs.toml": "include = ['jobs.d/*.toml']\n" + job, "jobs.d/a.toml": "[job.a]\nsource = 'redcap.main'\ntoken = 'env:A'\n"})
	c, err := Load("jobs.toml", Given(map[string][]byte{"jobs.d/b.toml": []byte("[job.b]\nsource = 'redcap.main'\ntoken = 'env:B'\n")}))
	if err != nil {
		t.Fatal(err)
	}
	if c.Jobs["a"] == nil || c.Jobs["b"] == nil {
		t.Errorf("jobs: %v", c.Names())
	}
	if diff := cmp.Diff([]string{"jobs.toml", "jobs.d/a.toml", "jobs.d/b.toml"}, c.Files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if _, err := Load("jobs.toml", Given(map[string][]byte{"jobs.d/b.toml": []byte("[job.a]\n")})); err == nil {
		t.Error("a job that is there already was taken")
	}
}
