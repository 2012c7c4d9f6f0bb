package extract

import (
	"errors"
	"testing"
)

func TestAppendPrintsWhatPostgresWould(t *testing.T) {
	for _, c := range []struct {
		t    Type
		in   string
		want string // empty: refused with rule
		rule Rule
	}{
		{Text, "Zoë", "Zoë", ""},
		{Text, "a\x00b", "", RuleNUL},
		{Text, "caf\xe9", "", RuleUTF8},
		{Text, "\xed\xa0\x80", "", RuleUTF8},
		{Boolean, "1", "t", ""},
		{Boolean, "0", "f", ""},
		{Boolean, "f", "f", ""},
		{Boolean, "2", "", RuleBoolean},
		{Boolean, "Yes", "", RuleBoolean},
		{Boolean, "", "", RuleBoolean},

		{Integer, "+3", "3", ""},
		{Integer, "007", "7", ""},
		{Integer, "-0", "0", ""},
		{Integer, "-2147483648", "-2147483648", ""},
		{Integer, "2147483648", "", RuleIntRange},
		{Integer, "-2147483649", "", RuleIntRange},
		{Integer, "1.0", "", RuleInteger},
		{Integer, " 1", "", RuleInteger},
		{Integer, "-", "", RuleInteger},
		{Integer, "", "", RuleInteger},
		{Integer, "١٢", "", RuleInteger},
		{Smallint, "32767", "32767", ""},
		{Smallint, "32768", "", RuleSmallRange},
		{Bigint, "9223372036854775807", "9223372036854775807", ""},
		{Bigint, "-9223372036854775808", "-9223372036854775808", ""},
		{Bigint, "9223372036854775808", "", RuleBigRange},
		{Bigint, "99999999999999999999999999", "", RuleBigRange},
		{Bigint, "00000000000000000000000000012", "12", ""},

		{Numeric, ".5", "0.5", ""},
		{Numeric, "5.", "5", ""},
		{Numeric, "1e3", "1000", ""},
		{Numeric, "1.50", "1.50", ""},
		{Numeric, "1.50e1", "15.0", ""},
		{Numeric, "1.5E-3", "0.0015", ""},
		{Numeric, "-0", "0", ""},
		{Numeric, "-0.00", "0.00", ""},
		{Numeric, "+007.10", "7.10", ""},
		{Numeric, "-2", "-2", ""},
		{Numeric, "0e5", "0", ""},
		{Numeric, "0e-3", "0.000", ""},
		{Numeric, "12e-1", "1.2", ""},
		{Numeric, "1e400", "", RuleNumberRange},
		{Numeric, "1e-400", "", RuleNumberRange},
		{Numeric, "1e99999999999999999999", "", RuleNumberRange},
		{Numeric, "NaN", "", RuleNumber},
		{Numeric, "Infinity", "", RuleNumber},
		{Numeric, "1,5", "", RuleNumber},
		{Numeric, "١٢", "", RuleNumber},
		{Numeric, " 12", "", RuleNumber},
		{Numeric, "12 ", "", RuleNumber},
		{Numeric, "1e", "", RuleNumber},
		{Numeric, ".", "", RuleNumber},
		{Numeric, "1_000", "", RuleNumber},
		{Numeric, "0x1F", "", RuleNumber},
		{Numeric, "--1", "", RuleNumber},
		{Numeric, "1.2.3", "", RuleNumber},

		{Date, "2024-02-29", "2024-02-29", ""},
		{Date, "2023-02-29", "", RuleDate},
		{Date, "2023-02-30", "", RuleDate},
		{Date, "1900-02-29", "", RuleDate},
		{Date, "2000-02-29", "2000-02-29", ""},
		{Date, "0205-01-01", "0205-01-01", ""},
		{Date, "9999-12-31", "9999-12-31", ""},
		{Date, "0000-00-00", "", RuleDate},
		{Date, "0000-01-01", "", RuleDate},
		{Date, "10000-01-01", "", RuleDate},
		{Date, "31/12/2020", "", RuleDate},
		{Date, "2020-1-1", "", RuleDate},
		{Date, "before validation 1", "", RuleDate},
		{Date, "today", "", RuleDate},

		{Time, "23:19", "23:19:00", ""},
		{Time, "9:05", "09:05:00", ""},
		{Time, "19:56:08", "19:56:08", ""},
		{Time, "19:56:08.500", "19:56:08.5", ""},
		{Time, "19:56:08.000", "19:56:08", ""},
		{Time, "19:56:08.1234567", "", RuleTime},
		{Time, "24:00", "", RuleTime},
		{Time, "12:60", "", RuleTime},
		{Time, "55:02", "", RuleTime},
		{Time, "12:00:60", "", RuleTime},
		{Time, "12:00pm", "", RuleTime},

		{Timestamp, "2023-02-24 12:04", "2023-02-24 12:04:00", ""},
		{Timestamp, "2023-02-24T12:04:50", "2023-02-24 12:04:50", ""},
		{Timestamp, "2023-02-24 12:04:50.123456", "2023-02-24 12:04:50.123456", ""},
		{Timestamp, "2023-02-24", "", RuleTimestamp},
		{Timestamp, "2023-02-30 12:04", "", RuleTimestamp},
		{Timestamp, "[not completed]", "", RuleTimestamp},
		{Timestamp, "2023-02-24 12:04:50Z", "", RuleTimestamp},

		{Timestamptz, "2023-02-24T12:04:50Z", "2023-02-24 12:04:50+00", ""},
		{Timestamptz, "2023-02-24 12:04:50-05", "2023-02-24 17:04:50+00", ""},
		{Timestamptz, "2023-01-01T00:30:00.250+05:30", "2022-12-31 19:00:00.25+00", ""},
		{Timestamptz, "2023-01-01T00:30:00+0530", "2022-12-31 19:00:00+00", ""},
		{Timestamptz, "0001-01-01 00:00:00+01", "", RuleTimestamptz},
		{Timestamptz, "2023-02-24 12:04:50", "", RuleTimestamptz},

		{Interval, "55:02", "00:55:02", ""},
		{Interval, "00:55:02", "00:55:02", ""},
		{Interval, "60:00", "", RuleInterval},
		{Interval, "5:02", "", RuleInterval},

		{UUID, "0123456789ABCDEF0123456789abcdef", "01234567-89ab-cdef-0123-456789abcdef", ""},
		{UUID, "01234567-89ab-cdef-0123-456789abcdef", "01234567-89ab-cdef-0123-456789abcdef", ""},
		{UUID, "01234567-89ab-cdef-0123-456789abcde", "", RuleUUID},
		{UUID, "{1234567-89ab-cdef-0123-456789abcde}", "", RuleUUID},
		{Bytea, `\x00FF`, `\x00ff`, ""},
		{Bytea, `\x0`, "", RuleBytea},
		{JSONB, `{"bb":1e2,"a":[true,null,"x\u000by\n"],"a":-0.50}`, `{"a": -0.50, "bb": 100}`, ""},
		{JSONB, `[ ]`, `[]`, ""},
		{JSONB, `{}`, `{}`, ""},
		{JSONB, `"\ud83d\ude00"`, `"😀"`, ""},
		{JSONB, `"\ud800"`, "", RuleJSON},
		{JSONB, `"\u0000"`, "", RuleNUL},
		{JSONB, `{}x`, "", RuleJSON},
		{JSONB, ``, "", RuleJSON},
		{JSONB, `[1,]`, "", RuleJSON},
		{JSONB, `[1`, "", RuleJSON},
		{0, "x", "", RuleType},
	} {
		got, err := Append([]byte("before|"), c.t, []byte(c.in))
		want := "before|" + c.want
		if string(got) != want {
			t.Errorf("Append(%s, %q) = %q, want %q", c.t, c.in, got, want)
		}
		var rule Rule
		if errors.As(err, &rule); rule != c.rule {
			t.Errorf("Append(%s, %q): rule %q, want %q", c.t, c.in, rule, c.rule)
		}
	}
}
