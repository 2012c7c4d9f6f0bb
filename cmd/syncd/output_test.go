package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestColumnsStandBelowOneAnother(t *testing.T) {
	t.Parallel()
	g := &grid{head: []string{"job", "rejects", "next", "note"}}
	g.add("a", "0", "Wed 21:20", "held")
	g.add("b", "0", "", "")
	g.add("c", "0", "Wed 21:20", "")
	g.add("d", "0", "", "stale")
	want := `JOB  REJECTS  NEXT       NOTE
a    0        Wed 21:20  held
b    0
c    0        Wed 21:20
d    0                   stale
`
	var out strings.Builder
	if err := g.print(&out, "table"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestOneThingIsNoPlural(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 jobs", 1: "1 job", 2: "2 jobs", 12000: "12,000 jobs"} {
		if got := counted(n, "job"); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
	if got := counted(2, "batch"); got != "2 batches" {
		t.Error(got)
	}
}
