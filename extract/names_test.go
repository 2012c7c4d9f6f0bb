package extract

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestPostgresNameKeepsWhatWillDo(t *testing.T) {
	for _, s := range []string{"record_id", "a", "meds___1", "meds____99", strings.Repeat("x", 63), "user", "select"} {
		if got := PostgresName(s); got != s {
			t.Errorf("PostgresName(%q) = %q", s, got)
		}
	}
}

func TestPostgresNameMapsTheRestToStableNames(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"Order", "order_6be09082"},
		{"xmin", "xmin_eafb2f50"},
		{"_run_id", "run_id_b1fc5b5b"},
		{"1abc", "c_1abc_57cb980e"},
		{"", "c__e3b0c442"},
		{"größe", "gr__e_d353a267"},
		{`"; DROP SCHEMA x`, "drop_schema_x_c438b60c"},
		{strings.Repeat("x", 64), strings.Repeat("x", 54) + "_7ce10097"},
	} {
		if got := PostgresName(c.in); got != c.want {
			t.Errorf("PostgresName(%q) = %q, want %q", c.in, got, c.want)
		}
	}
}

var identifier = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

func TestPostgresNamesStayApartAndNeedNoQuotes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		prefix := strings.Repeat("x", 62)
		name := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-zA-Z0-9_ ]{0,70}`),
			rapid.SampledFrom([]string{"", "Order", "order", "ORDER", "xmin", "ctid", prefix + "a1", prefix + "a2", "_x", "\xff", "😀"}))
		sources := rapid.SliceOfN(name, 0, 30).Draw(t, "sources")
		names := PostgresNames(sources)
		seen := map[string]bool{}
		for i, n := range names {
			if !identifier.MatchString(n) || reserved[n] {
				t.Fatalf("%q becomes %q", sources[i], n)
			}
			if seen[n] {
				t.Fatalf("two of %q become %q", sources, n)
			}
			seen[n] = true
		}
		if !slices.Equal(names, PostgresNames(sources)) {
			t.Fatal("the names are not stable")
		}
	})
}
