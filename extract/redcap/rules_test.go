package redcap

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"syncd/extract"
	fake "syncd/internal/fake/redcap"
	"syncd/internal/pgtest"
)

// looks are texts that stand on either side of a rule, by the rule; first what it takes, then what it does not.
var looks = map[string][2][]string{
	ruleStatus:      {{"0", "1", "2"}, {"3", "-1", "", "00", "a"}},
	"not_hh_mm":     {{"00:00:00", "23:59:00", "23:59", "9:05"}, {"24:00", "23:59:01", "23:60", "1:5", "123:00", "12:30:00.5", ""}},
	"not_ymd_hh_mm": {{"2025-11-19 19:55:00", "2025-11-19T00:00"}, {"2025-11-19 19:55:20", "2025-11-19", "19:55", "2025-11-19 24:00"}},
	"not_mm_ss":     {{"00:02:45", "55:02", "00:00", "00:59:59", "59:59"}, {"60:00", "01:55:02", "1:00", "00:60", "00:"}},
	"not_1_decimal": {{"1.5", "-0.0", "12,5"}, {"1", "1.55", ".5", "1.", "1e1"}}, "not_2_decimals": {{"1.50"}, {"1.5", "1.555"}},
	"not_3_decimals": {{"1.500"}, {"1.50", "1.5555"}}, "not_4_decimals": {{"1.5000"}, {"1.500", "1.55555"}},
	"not_an_email": {
		{"joe@user.com", "a.b+c@x-y.example.org", "a@b.co", "o'brien@x.xn--p1ai"},
		{"", "joe", "joe@", "@user.com", "joe@user", "joe@user.c", "joe@.com", "joe@user..com", ".joe@user.com", "joe.@user.com", "joe@user.com ", "a b@user.com", "joe@-a.com", "joe@a-.com", "joe@user.12", "ä@user.com"},
	},
	"not_a_zipcode": {{"94043", "00501", "94043-1234", "940431234"}, {"9404", "940431", "94043-", "94043-123", "94043 1234", "9404a", "94043-12345"}},
	"not_a_phone": {
		{"4155551212", "415 555 1212", "(415) 555-1212", "415.555.1212", "1-415-555-1212", "+1 (415) 555-1212", "(415) 555-1212 x12", "4155551212ext. 9", "(415)555-1212, #3"},
		{"", "555-1212", "415555121", "41555512123", "(415 555-1212", "415) 555-1212", "415 555 1212 x", "2-415-555-1212", "+44 20 7946 0018", "415 555 121a"},
	},
	"not_a_phone_australia": {{"0255512345", "02 5551 2345", "(08) 5551 2345"}, {"0155512345", "0955512345", "(02 5551 2345", "02 555 2345", "+61 2 5551 2345"}},
	"not_a_phone_uk": {
		{"020 7946 0018", "(020) 7946 0018", "+44 20 7946 0018", "+44 (0)20 7946 0018", "01632960001", "0163296000"},
		{"", "7946 0018", "020 7946 001a", "020 7946 00181", "+44", "+44(0)", "+1 415 555 1212"},
	},
	"not_a_postalcode_australia": {{"2600", "0800"}, {"260", "26000", "26a0"}},
	"not_a_postalcode_canada":    {{"K1A 0B1", "k1a0b1", "K1A  0B1"}, {"D1A 0B1", "Z1A 0B1", "K1A-0B1", "K1A 0B", "KKA 0B1", "W1A 0B1"}},
	"not_a_postalcode_french":    {{"75008", "01000", "98799"}, {"00100", "99100", "7500", "750080", "2A004"}},
	"not_a_postalcode_germany":   {{"10115", "01067", "99998"}, {"00115", "1011", "101155"}},
	"not_a_postalcode_uk":        {{"SW1A 1AA", "m1 1ae", "B33 8TH", "CR26XH", "EC1A1BB"}, {"SW1A 1A", "1AA", "SWW1 1AA", "S 1AA", "M1-1AE", "M1 AAE"}},
	"not_an_ssn":                 {{"123-45-6789"}, {"123456789", "123-45-678", "123-45-67890", "12-345-6789"}},
	"not_a_10_digit_mrn":         {{"0123456789"}, {"123456789", "12345678901", "123456789a"}},
	"not_a_generic_mrn":          {{"A-1_b", "0"}, {"", "a b", "a.b", "ä"}},
	"not_a_vanderbilt_mrn": {
		{"1234", "0001234", "123456789", "000123456789", "1000"},
		{"", "0", "000", "123", "000123", "0000123", "1234567890", "001234567890", "12345a", "1 234"},
	},
	"not_letters_only": {{"abc", "Z"}, {"", "a1", "a b", "é", "@", "[", "`", "{"}},
}

func TestTheRulesOfTheLedgerAreTheRulesOfTheProgram(t *testing.T) {
	conn := connect(t, pgtest.New(t))
	rows, err := conn.Query(t.Context(), "SELECT rule, severity, message, applies, stored, coalesce(pattern, '') FROM syncd.value_rule ORDER BY rule")
	if err != nil {
		t.Fatal(err)
	}
	type said struct {
		ID, Severity, Message string
		Applies               []string
		Stored                bool
		Pattern               string
	}
	ledger, err := pgx.CollectRows(rows, pgx.RowToStructByPos[said])
	if err != nil {
		t.Fatal(err)
	}
	var program []said
	for _, r := range valueRules {
		program = append(program, said{r.id, string(r.severity), r.message, r.applies, r.stored, r.pattern})
	}
	slices.SortFunc(program, func(a, b said) int { return strings.Compare(a.ID, b.ID) })
	if diff := cmp.Diff(program, ledger); diff != "" {
		t.Errorf("the program says (-), the ledger says (+):\n%s", diff)
	}
}

func TestOneRuleOfASeverityIsForAField(t *testing.T) {
	seen, ids := map[string]string{}, map[string]bool{}
	for _, r := range valueRules {
		if ids[r.id] {
			t.Errorf("%s stands twice", r.id)
		}
		ids[r.id] = true
		for _, key := range r.applies {
			if other := seen[string(r.severity)+key]; other != "" {
				t.Errorf("%s: both %s and %s", key, other, r.id)
			}
			seen[string(r.severity)+key] = r.id
		}
		if asked := r.severity == requiredFormat || r.stored; asked != (r.match != nil) || asked && r.pattern == "" {
			t.Errorf("%s is asked of stored values and has no matcher and pattern, or has one for nothing", r.id)
		}
	}
}

// TestEachRuleTakesWhatItSays asks the matcher, the pattern in Go and the pattern in Postgres the same.
func TestEachRuleTakesWhatItSays(t *testing.T) {
	conn := connect(t, pgtest.New(t))
	var all []string
	for _, l := range looks {
		all = append(append(all, l[0]...), l[1]...)
	}
	for i := range valueRules {
		r := &valueRules[i]
		if r.match == nil {
			continue
		}
		l, ok := looks[r.id]
		if !ok {
			t.Errorf("%s: no examples", r.id)
		}
		for _, want := range []bool{true, false} {
			list := l[0]
			if !want {
				list = l[1]
			}
			for _, text := range list {
				if got := r.match([]byte(text)); got != want {
					t.Errorf("%s: %q fits: %v, want %v", r.id, text, got, want)
				}
			}
		}
		var inPostgres []bool
		if err := conn.QueryRow(t.Context(), `SELECT array_agg(x COLLATE "C" ~ $2 ORDER BY n) FROM unnest($1::text[]) WITH ORDINALITY AS u (x, n)`, all, r.pattern).Scan(&inPostgres); err != nil {
			t.Fatal(err)
		}
		pattern := regexp.MustCompile(r.pattern)
		for n, text := range all {
			if byHand := r.match([]byte(text)); byHand != inPostgres[n] || byHand != pattern.MatchString(text) {
				t.Errorf("%s: %q: the matcher says %v, Postgres %v, Go's regexp %v", r.id, text, byHand, inPostgres[n], pattern.MatchString(text))
			}
		}
	}
}

// FuzzMatchers holds every matcher against the pattern of its rule.
func FuzzMatchers(f *testing.F) {
	for _, l := range looks {
		for _, text := range append(slices.Clone(l[0]), l[1]...) {
			f.Add(text)
		}
	}
	patterns := make([]*regexp.Regexp, len(valueRules))
	for i, r := range valueRules {
		patterns[i] = regexp.MustCompile(r.pattern)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for i, r := range valueRules {
			if r.match != nil && r.match([]byte(text)) != patterns[i].MatchString(text) {
				t.Errorf("%s: %q: the matcher says %v", r.id, text, r.match([]byte(text)))
			}
		}
	})
}

func TestNumbersAreComparedToTheLastDigit(t *testing.T) {
	ordered := []string{"-12345678901234567891", "-12345678901234567890", "-10", "-9.5", "-0.1", "0", "0.05", "0.5", "9", "9.99", "10", "9007199254740992", "9007199254740993"}
	for i, a := range ordered {
		for j, b := range ordered {
			if got := compareNumbers([]byte(a), []byte(b)); (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("%s and %s: %d", a, b, got)
			}
		}
	}
	if compareNumbers([]byte("1.50"), []byte("1.5")) != 0 {
		t.Error("1.50 is not 1.5")
	}
}

func TestMomentsAreComparedWhateverTheirTimeOfDay(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"2025-01-02", "2025-01-02 00:00:00", 0},
		{"2025-01-02", "2025-01-02 00:00:01", -1},
		{"2025-01-03", "2025-01-02 23:59:59", 1},
		{"2025-01-02 10:00:00.5", "2025-01-02 10:00:00", 1},
	} {
		if got := compareMoments([]byte(test.a), []byte(test.b)); got != test.want {
			t.Errorf("%s and %s: %d, want %d", test.a, test.b, got, test.want)
		}
		if got := compareMoments([]byte(test.b), []byte(test.a)); got != -test.want {
			t.Errorf("%s and %s: %d, want %d", test.b, test.a, got, -test.want)
		}
	}
}

func TestARunCountsWhatIsStoredAndBreaksARule(t *testing.T) {
	field := func(name, kind, validation, choices, low, high string) fake.Field {
		return fake.Field{Name: name, Type: kind, Validation: validation, Choices: choices, Min: low, Max: high}
	}
	p := clinic(t, field("mail", "text", "email", "", "", ""), field("mrn", "text", "vmrn", "", "", ""), field("sex", "radio", "", "1, a | 2, b", "", ""),
		field("kind", "dropdown", "", "A, a | B, b", "", ""), field("age", "text", "integer", "", "0", "17.5"), field("born", "text", "date_ymd", "", "", "today"),
		field("seen", "text", "datetime_ymd", "", "[born]", "now"), field("at", "text", "time", "", "08:00", ""), field("lap", "text", "time_mm_ss", "", "", "10:00"),
		field("dose", "text", "number_1dp", "", "", "[age]"), text("note"))
	p.SetCodes(fake.Code{Code: "UNK", Label: "Unknown"})
	good := map[string]string{
		"mail": "joe@user.com", "mrn": "001234", "sex": "2", "kind": "B", "age": "17", "born": "2024-05-06", "seen": "2024-05-06 00:00", "at": "08:00",
		"lap": "10:00", "dose": "17.0", "note": "x",
	}
	bad := map[string]string{
		"mail": "joe", "mrn": "000123", "sex": "3", "kind": "b", "age": "18", "born": "2024-05-07", "seen": "2024-05-06 23:59:59", "at": "07:59:30",
		"lap": "10:01", "dose": "18.10", "note": "y",
	}
	missing := map[string]string{"mail": "UNK", "mrn": "UNK", "sex": "UNK", "kind": "UNK", "age": "UNK", "born": "UNK"}
	add(t, p, "1", good)
	add(t, p, "2", bad)
	add(t, p, "3", missing)
	_, url := serve(t, fake.Options{}, p)
	noon := time.Date(2024, 5, 6, 12, 0, 0, 0, time.UTC)
	_, proof := mustPull(t, source(t, url, p.Token(), func(c *Config) { c.Now = func() time.Time { return noon } }), newStore(t))
	want := map[string]int{}
	for field, rules := range map[string][]string{
		"mail": {"not_an_email"}, "mrn": {"not_a_vanderbilt_mrn"}, "sex": {ruleChoice}, "kind": {ruleChoice}, "age": {ruleAbove}, "born": {ruleAbove},
		"seen": {"not_ymd_hh_mm", ruleBelow, ruleAbove}, "at": {"not_hh_mm", ruleBelow}, "lap": {ruleAbove}, "dose": {"not_1_decimal", ruleAbove},
	} {
		for _, r := range rules {
			want[fmt.Sprintf("%s: %s (%s)", field, findRule(r).message, r)] = 1
		}
	}
	if diff := cmp.Diff(want, proof.Soft); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
}

func TestABoundOfAnotherKindIsNone(t *testing.T) {
	p := clinic(t, fake.Field{Name: "born", Type: "text", Validation: "date_ymd"}, text("word"),
		fake.Field{Name: "age", Type: "text", Validation: "integer", Min: "[born]", Max: "[word]"},
		fake.Field{Name: "n", Type: "text", Validation: "integer", Min: "ten", Max: "[nowhere]"})
	add(t, p, "1", map[string]string{"born": "2020-01-01", "word": "5", "age": "41", "n": "3"})
	_, url := serve(t, fake.Options{}, p)
	if _, proof := mustPull(t, source(t, url, p.Token()), newStore(t)); len(proof.Soft) > 0 {
		t.Errorf("counted %v, want nothing", proof.Soft)
	}
}

// BenchmarkJudge measures what a value costs that every kind of check looks at.
func BenchmarkJudge(b *testing.B) {
	k := &check{kind: extract.Integer, low: &bound{text: []byte("0")}, high: &bound{text: []byte("120")}, codes: newCodes([]choice{{code: "7"}, {code: "41"}}), format: findRule("not_a_vanderbilt_mrn")}
	value := []byte("41")
	b.ReportAllocs()
	for b.Loop() {
		k.judge(value, nil, 0)
	}
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}
