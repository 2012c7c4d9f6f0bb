package job

import (
	"fmt"
	"strings"
	"testing"
)

func TestWarningsNameTheRulesThatMostValuesBreakAndNoMore(t *testing.T) {
	t.Parallel()
	soft := map[string]int{}
	for i := range softNamed + 5 {
		soft[fmt.Sprintf("field_%02d: rule", i)] = i + 1
	}
	got := softWarnings(soft)
	if len(got) != softNamed+1 {
		t.Fatalf("%d lines, want %d", len(got), softNamed+1)
	}
	if want := "stored as it is, values: 25, field_24: rule"; got[0] != want {
		t.Errorf("first %q, want %q", got[0], want)
	}
	if last := got[softNamed]; !strings.HasPrefix(last, "and 5 more rules, 15 values") {
		t.Errorf("last %q", last)
	}
	if lines := softWarnings(nil); len(lines) != 0 {
		t.Errorf("nothing was broken, and it says %q", lines)
	}
}
