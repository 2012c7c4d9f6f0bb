package redcap

import (
	"fmt"
	"strconv"
	"strings"
)

// shape is a kind of field with the way its values are made.
type shape struct {
	Field
	value func(d *dice) string
}

func (s *shape) manyColumns() bool {
	return s.Type == "checkbox" || s.Type == "descriptive"
}

// fill makes one value.
func (s *shape) fill(d *dice, f *Field, values map[string]string) {
	switch s.Type {
	case "descriptive":
	case "checkbox":
		for _, o := range f.options {
			if d.below(2) == 0 {
				values[f.key+"("+o.code+")"] = "1"
			}
		}
	default:
		values[f.key] = s.value(d)
	}
}

// stemOf is a generated field's name without its number.
func stemOf(key string) string { return key[:strings.LastIndexByte(key, '_')] }

func shapesByStem() map[string]*shape {
	out := map[string]*shape{}
	all := shapes()
	for i := range all {
		out[all[i].Name] = &all[i]
	}
	return out
}

func date(d *dice) string {
	return fmt.Sprintf("%04d-%02d-%02d", 1930+d.below(96), 1+d.below(12), 1+d.below(28))
}

func hhmm(d *dice) string { return fmt.Sprintf("%02d:%02d", d.below(24), d.below(60)) }

func decimals(n int) func(d *dice) string {
	return func(d *dice) string { return strconv.FormatFloat(float64(d.below(1_000_000))/1000, 'f', n, 64) }
}

func commas(n int) func(d *dice) string {
	dot := decimals(n)
	return func(d *dice) string { return strings.Replace(dot(d), ".", ",", 1) }
}

func oneOf(values ...string) func(d *dice) string {
	return func(d *dice) string { return values[d.below(len(values))] }
}

func number(format string, n int) func(d *dice) string {
	return func(d *dice) string { return fmt.Sprintf(format, d.below(n)) }
}

func words(d *dice) string {
	w := strings.Fields("amber birch cedar delta ember fjord grove heath inlet jetty knoll lagoon meadow north ocean prairie")
	out := w[d.below(len(w))]
	for range 1 + d.below(4) {
		out += " " + w[d.below(len(w))]
	}
	return out
}

// shapes are all field types and validations, in an order that gives short dictionaries a fair mix.
func shapes() []shape {
	text := func(name, validation string, value func(*dice) string) shape {
		return shape{Field{Name: name, Type: "text", Validation: validation}, value}
	}
	choice := func(name, kind, choices string, value func(*dice) string) shape {
		return shape{Field{Name: name, Type: kind, Choices: choices}, value}
	}
	join := func(a, b func(*dice) string, sep string) func(*dice) string {
		return func(d *dice) string { return a(d) + sep + b(d) }
	}
	clock := join(hhmm, number("%02d", 60), ":")
	word := oneOf("Ada", "Grace", "Émilie", "Sofja", "李", "O'Neil", `say "hi"`, "a, b")
	int0 := text("int", "integer", number("%d", 100_000))
	small := text("count", "integer", number("%d", 120))
	small.Min, small.Max = "0", "120"
	named := text("name", "", word)
	named.Identifier = "y"
	calcText := shape{Field{Name: "calctext", Type: "text", Annotation: "@CALCTEXT(if([int]>1,'many','few'))"}, oneOf("many", "few")}
	signature := shape{Field{Name: "signature", Type: "file", Validation: "signature"}, number("signature_2025-11-%02d_1956.png", 28)}
	return []shape{
		named, int0, text("num", "number", decimals(3)), text("dob", "date_ymd", date),
		text("seen", "datetime_ymd", join(date, hhmm, " ")), choice("sex", "radio", "0, Female | 1, Male | 2, Other, or not said", oneOf("0", "1", "2")),
		choice("agree", "yesno", "", oneOf("1", "0")), choice("race", "checkbox", "1, One | 2, Two | 3, Three | -77, Refused | ABC, Letters", nil),
		small, text("at", "time", hhmm),
		{Field{Name: "notes", Type: "notes"}, join(words, words, "\n")},
		choice("site", "dropdown", "n, North | s, South | choice_1, First | 001, Padded", oneOf("n", "s", "choice_1", "001")),
		{Field{Name: "bmi", Type: "calc", Choices: "round([num]/2,1)"}, decimals(1)},
		text("stamp", "datetime_seconds_ymd", join(date, clock, " ")), choice("truth", "truefalse", "", oneOf("1", "0")),
		choice("pain", "slider", "none | some | worst", number("%d", 101)), text("mail", "email", number("user%d@example.org", 9999)),
		text("dec1", "number_1dp", decimals(1)), text("comma", "number_comma_decimal", commas(2)),
		text("visit_mdy", "date_mdy", date), text("visit_dmy", "date_dmy", date), text("clock", "time_hh_mm_ss", clock),
		text("laps", "time_mm_ss", join(number("%02d", 60), number("%02d", 60), ":")), text("phone", "phone", number("(415) 555-%04d", 10000)),
		text("zip", "zipcode", number("%05d", 100_000)), text("mrn", "mrn_10d", number("%010d", 1_000_000)),
		calcText,
		{Field{Name: "photo", Type: "file"}, number("photo-%d.jpg", 100)},
		signature,
		{Field{Name: "banner", Type: "descriptive", Label: "<b>Please read</b>"}, nil},
		text("dec2", "number_2dp", decimals(2)), text("dec3", "number_3dp", decimals(3)), text("dec4", "number_4dp", decimals(4)),
		text("dec1c", "number_1dp_comma_decimal", commas(1)), text("ssn", "ssn", number("123-45-%04d", 10_000)),
		text("letters", "alpha_only", oneOf("alpha", "beta")), text("vmrn", "vmrn", number("%06d", 1_000_000)),
		text("seen_mdy", "datetime_mdy", join(date, hhmm, " ")), text("seen_dmy", "datetime_dmy", join(date, hhmm, " ")),
		text("stamp_mdy", "datetime_seconds_mdy", join(date, clock, " ")), text("stamp_dmy", "datetime_seconds_dmy", join(date, clock, " ")),
		{Field{Name: "query", Type: "sql", Choices: "select value, label from choices"}, number("%d", 50)},
		{Field{Name: "term", Type: "text", Choices: "BIOPORTAL:CTCAE"}, number("ctcae5:C%05d", 100_000)},
		text("post_ca", "postalcode_canada", oneOf("K1A 0B1", "H0H 0H0")), text("plain", "", words),
	}
}
