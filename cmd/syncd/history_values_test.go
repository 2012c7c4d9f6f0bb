package main

import (
	"fmt"
	"math/rand/v2"
	"strings"

	fake "syncd/internal/fake/redcap"
)

// fieldKind is a kind of field with values that fit it and values that do not, in which everybody agrees.
type fieldKind struct {
	fake.Field
	fits  func(r *rand.Rand) string
	wrong []string
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func oneOf(values ...string) func(*rand.Rand) string {
	return func(r *rand.Rand) string { return pick(r, values) }
}

func printed(format string, n int) func(*rand.Rand) string {
	return func(r *rand.Rand) string { return fmt.Sprintf(format, r.IntN(n)) }
}

func someDate(r *rand.Rand) string {
	return fmt.Sprintf("%04d-%02d-%02d", 1930+r.IntN(110), 1+r.IntN(12), 1+r.IntN(28))
}

func someTime(r *rand.Rand) string { return fmt.Sprintf("%02d:%02d", r.IntN(24), r.IntN(60)) }

func someText(r *rand.Rand) string {
	return pick(r, []string{
		"Ada", "Émilie", "李", `say "hi"`, "a, b", "O'Neil; DROP TABLE x", "two\nlines", "tab\there", "  padded  ", "NULL", "0", "-", `\N`,
		"[field]", "=1+1", strings.Repeat("long ", 60), "ß ﬀ İ", "🙂", "a\\b", "{}", "1,54",
	})
}

// fieldKinds are all types and validations of the reference, section 5.
func fieldKinds() []fieldKind {
	wrong := []string{"before validation 1", "n/a", "?"}
	text := func(validation string, fits func(*rand.Rand) string, wrong []string) fieldKind {
		return fieldKind{fake.Field{Type: "text", Validation: validation}, fits, wrong}
	}
	choice := func(kind, choices string, fits func(*rand.Rand) string, wrong ...string) fieldKind {
		return fieldKind{fake.Field{Type: kind, Choices: choices}, fits, wrong}
	}
	date := func(r *rand.Rand) string { return someDate(r) }
	stamp := func(r *rand.Rand) string { return someDate(r) + " " + someTime(r) }
	second := func(r *rand.Rand) string { return stamp(r) + fmt.Sprintf(":%02d", r.IntN(60)) }
	bounded := text("integer", printed("%d", 120), append(wrong, "99999999999"))
	bounded.Min, bounded.Max = "0", "120"
	kinds := []fieldKind{
		text("", someText, nil),
		{fake.Field{Type: "notes"}, someText, nil},
		bounded,
		text("integer", oneOf("-12", "+3", "007", "0", "1234567890123"), wrong), text("number", oneOf("1", "1.5", ".5", "1e3", "-2", "0.10"), wrong),
		text("date_ymd", date, append(wrong, "2025-02-30", "01/02/2025")), text("date_mdy", date, wrong), text("date_dmy", date, wrong),
		text("datetime_ymd", stamp, append(wrong, "2025-13-01 10:00")), text("datetime_mdy", stamp, wrong), text("datetime_seconds_dmy", second, wrong),
		text("time", func(r *rand.Rand) string { return someTime(r) }, append(wrong, "55:02")),
		text("time_hh_mm_ss", func(r *rand.Rand) string { return someTime(r) + ":07" }, wrong), text("time_mm_ss", oneOf("02:45", "55:02", "00:00"), wrong),
		text("email", oneOf("a@example.org", "b.c@example.edu"), nil), text("zipcode", oneOf("01234", "94043-1234"), nil),
		text("phone", oneOf("(415) 555-1212"), nil), text("ssn", oneOf("123-45-6789"), nil), text("mrn_10d", oneOf("0000012345"), nil),
		text("vmrn", oneOf("001234"), nil), text("alpha_only", oneOf("alpha", "beta"), nil), text("unheard_of", someText, nil),
		choice("radio", "0, Female | 1, Male | 2, Other, or not said", oneOf("0", "1", "2"), "n/a"),
		choice("dropdown", "n, North | s, South | 001, Padded", oneOf("n", "s", "001")), choice("dropdown", "-99, Refused | 1, One", oneOf("-99", "1"), "old"),
		choice("yesno", "", oneOf("0", "1"), "2", "yes"), choice("truefalse", "", oneOf("0", "1"), "maybe"),
		choice("slider", "none | some | worst", printed("%d", 101), "far"), choice("calc", "round([x]/2,1)", oneOf("0.5", "12", "-3.25"), "#"),
		choice("checkbox", "1, One | 2, Two | -77, Refused | ABC, Letters", nil), choice("checkbox", "a, Only", nil),
		choice("file", "", oneOf("photo-1.jpg", "scan (2).pdf")), choice("sql", "select value, label from x", oneOf("17", "x y")),
		choice("descriptive", "", nil),
		{fake.Field{Type: "text", Annotation: "@CALCTEXT(if([x]>1,'many','few'))"}, oneOf("many", "few"), nil},
		{fake.Field{Type: "text", Validation: "date_ymd", Annotation: "@CALCDATE([x], 1, 'd')"}, date, wrong},
		{fake.Field{Type: "text", Choices: "BIOPORTAL:CTCAE"}, oneOf("ctcae5:C57293"), nil},
	}
	for _, n := range []string{"1", "2", "3", "4"} {
		kinds = append(kinds, text("number_"+n+"dp", oneOf("1.5", "-0.25", "3"), wrong))
	}
	for _, n := range []string{"number_comma_decimal", "number_2dp_comma_decimal"} {
		kinds = append(kinds, text(n, oneOf("1,54", "-2,5", "7"), wrong))
	}
	return kinds
}

// newField makes a field of a random kind for a form.
func (w *realm) newField(r *rand.Rand, form string) fake.Field {
	f := pick(r, fieldKinds()).Field
	f.Form, f.Name = form, w.fresh(pick(r, []string{"x", "age", "order", "user", "dose_complete", "seen_timestamp", "very_long_name_of_a_variable_that_somebody_thought_of_in_two_thousand_and_nine"}))
	f.Label = pick(r, []string{"", "Age at <b>visit</b>", "What is it, then?", "Größe"}) + " " + f.Name
	if f.Type != "descriptive" && f.Type != "calc" && r.IntN(5) == 0 {
		f.Identifier = "y"
	}
	return f
}

// valueOf draws a value for a field: mostly one that fits, sometimes none, a missing-data code or one that does not fit.
func (w *realm) valueOf(r *rand.Rand, f fake.Field) string {
	switch roll := r.IntN(20); {
	case roll < 3:
		return ""
	case roll == 3 && len(w.codes) > 0 && f.Type != "calc" && f.Type != "file":
		return pick(r, w.codes).Code
	case roll == 4:
		if wrong := wrongFor(f); len(wrong) > 0 {
			return pick(r, wrong)
		}
	}
	var like []fieldKind
	for _, k := range fieldKinds() {
		if k.Type == f.Type && k.Validation == f.Validation && k.fits != nil && (f.Type == "text" || k.Choices == f.Choices) {
			like = append(like, k)
		}
	}
	if len(like) > 0 {
		return pick(r, like).fits(r)
	}
	if codes := codesOf(f.Choices); len(codes) > 0 && (f.Type == "radio" || f.Type == "dropdown") {
		return pick(r, codes)
	}
	return fmt.Sprint(r.IntN(2))
}

func wrongFor(f fake.Field) []string {
	for _, k := range fieldKinds() {
		if k.Type == f.Type && k.Validation == f.Validation {
			return k.wrong
		}
	}
	return nil
}

// codesOf lists the codes of choices as the dictionary writes them.
func codesOf(choices string) []string {
	var codes []string
	for _, segment := range strings.Split(choices, "|") {
		code, _, _ := strings.Cut(segment, ",")
		if code = strings.TrimSpace(code); code != "" {
			codes = append(codes, code)
		}
	}
	return codes
}

// boxColumn spells the export column of a checkbox option (reference 4.4).
func boxColumn(field, code string) string {
	spelled := []byte(strings.ToLower(code))
	for i, c := range spelled {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			spelled[i] = '_'
		}
	}
	return field + "___" + string(spelled)
}

// recordNames are what people call records: padded, spaced, parted by commas, in any script and case.
func (w *realm) newRecordName(r *rand.Rand) string {
	w.made++
	n := w.made
	return pick(r, []func() string{
		func() string { return fmt.Sprint(n) }, func() string { return fmt.Sprint(n) }, func() string { return fmt.Sprintf("%06d", n) },
		func() string { return fmt.Sprintf("331-%d", n) }, func() string { return fmt.Sprintf("Doe, J. %d", n) }, func() string { return fmt.Sprintf("Ünal %d ß", n) },
		func() string { return fmt.Sprintf("a/b#%d?&=%%+", n) }, func() string { return fmt.Sprintf("李 %d", n) }, func() string { return fmt.Sprintf(`q"%d'`, n) },
		func() string { return fmt.Sprintf("ab%dX", n) }, func() string { return fmt.Sprintf("1e%d", n) }, func() string { return fmt.Sprintf("[x]%d", n) },
	})()
}
