package redcap

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"syncd/extract"
)

func TestChoicesAreReadAsREDCapWritesThem(t *testing.T) {
	tests := []struct {
		text string
		want []choice
	}{
		{"1, one|2, two", []choice{{"1", "one"}, {"2", "two"}}},
		{" 0, Zero | 1, One ", []choice{{"0", "Zero"}, {"1", "One"}}},
		{"2, has, comma", []choice{{"2", "has, comma"}}},
		{"Mr. | Mrs.", []choice{{"Mr.", "Mr."}, {"Mrs.", "Mrs."}}},
		{"1, a || 2, b |", []choice{{"1", "a"}, {"2", "b"}}},
		{"-99, <b>Missing</b>", []choice{{"-99", "<b>Missing</b>"}}},
		{"1,", []choice{{"1", ""}}},
		{"", nil},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, parseChoices(test.text), cmp.AllowUnexported(choice{})); diff != "" {
			t.Errorf("parse %q:\n%s", test.text, diff)
		}
	}
}

func FuzzChoices(f *testing.F) {
	f.Add("1, one | 2, two")
	f.Fuzz(func(t *testing.T, text string) {
		for _, c := range parseChoices(text) {
			if strings.ContainsAny(c.code, "|,") || strings.TrimSpace(c.code) != c.code || strings.Contains(c.label, "|") {
				t.Fatalf("code %q, label %q", c.code, c.label)
			}
			for _, r := range strings.TrimPrefix(spell("f", c.code), "f___") {
				if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' {
					t.Fatalf("column of code %q holds %q", c.code, r)
				}
			}
		}
	})
}

func TestCheckboxColumnsAreSpelledAsTheServerSpellsThem(t *testing.T) {
	for code, want := range map[string]string{"1": "f___1", "-99": "f____99", "k>=9": "f___k__9", "ABC": "f___abc", "a___b": "f___a___b", "NI": "f___ni"} {
		if got := spell("f", code); got != want {
			t.Errorf("code %q: %s, want %s", code, got, want)
		}
	}
}

// row makes a field of the dictionary from name=value attributes.
func row(attrs ...string) *field {
	f := &field{}
	for _, a := range attrs {
		name, value, _ := strings.Cut(a, "=")
		at := map[string]int{
			"name": attrName, "form": attrForm, "type": attrType, "label": attrLabel, "choices": attrChoices,
			"note": attrNote, "valid": attrValidation, "min": attrMin, "max": attrMax, "ident": attrIdentifier, "annotation": attrAnnotation,
		}[name]
		f.text[at] = value
	}
	return f
}

func TestTypesComeFromTheDictionaryAlone(t *testing.T) {
	tests := []struct {
		field *field
		want  extract.Type
	}{
		{row("type=text"), extract.Text},
		{row("type=text", "valid=integer"), extract.Bigint},
		{row("type=text", "valid=integer", "min=0", "max=120"), extract.Integer},
		{row("type=text", "valid=integer", "min=0"), extract.Bigint},
		{row("type=text", "valid=integer", "min=0", "max=3000000000"), extract.Bigint},
		{row("type=text", "valid=integer", "min=[age]", "max=120"), extract.Bigint},
		{row("type=text", "valid=number"), extract.Numeric},
		{row("type=text", "valid=number_2dp"), extract.Numeric},
		{row("type=text", "valid=number_1dp_comma_decimal"), extract.Numeric},
		{row("type=text", "valid=date_dmy"), extract.Date},
		{row("type=text", "valid=datetime_mdy"), extract.Timestamp},
		{row("type=text", "valid=datetime_seconds_ymd"), extract.Timestamp},
		{row("type=text", "valid=time"), extract.Time},
		{row("type=text", "valid=time_hh_mm_ss"), extract.Time},
		{row("type=text", "valid=time_mm_ss"), extract.Interval},
		{row("type=text", "valid=phone"), extract.Text},
		{row("type=text", "valid=zipcode"), extract.Text},
		{row("type=text", "valid=made_up_by_the_site"), extract.Text},
		{row("type=notes"), extract.Text},
		{row("type=file"), extract.Text},
		{row("type=file", "valid=signature"), extract.Text},
		{row("type=sql", "choices=SELECT 1"), extract.Text},
		{row("type=yesno"), extract.Boolean},
		{row("type=truefalse"), extract.Boolean},
		{row("type=slider"), extract.Integer},
		{row("type=slider", "min=0", "max=1.5"), extract.Numeric},
		{row("type=calc"), extract.Numeric},
		{row("type=calc", "annotation=@CALCTEXT(if([a]='1','x','y'))"), extract.Text},
		{row("type=calc", "annotation=@calcdate([a], 7, 'd')"), extract.Date},
		{row("type=calc", "annotation=@CALCDATE([a],7,'d')", "valid=datetime_ymd"), extract.Timestamp},
		{row("type=text", "annotation=@CALCDATE([a],7,'d')", "valid=date_mdy"), extract.Date},
		{row("type=radio", "choices=0, No | 1, Yes | -99, Unknown"), extract.Integer},
		{row("type=dropdown", "choices=1, a | 01, b"), extract.Text},
		{row("type=dropdown", "choices=1.0, a | 2, b"), extract.Text},
		{row("type=radio", "choices=choice_1, a"), extract.Text},
		{row("type=radio", "choices=3000000000, a"), extract.Text},
		{row("type=radio", "choices="), extract.Text},
		{row("type=dropdown", "choices=BIOPORTAL:CTCAE5"), extract.Text},
	}
	for _, test := range tests {
		if got := typeOf(test.field); got != test.want {
			t.Errorf("%q: %s, want %s", test.field.text, got, test.want)
		}
	}
}

func TestLabelsReadInOneLineWithoutTheirHTML(t *testing.T) {
	for label, want := range map[string]string{
		"<div class=\"rich-text\"><p>Height&nbsp;(cm)</p></div>": "Height (cm)",
		"BMI < 25 or > 30":   "BMI < 25 or > 30",
		"Two\n lines":        "Two lines",
		"<!-- hidden -->Age": "Age",
		"a<br/>b":            "a b",
		"5 <6":               "5 <6",
		"<unclosed":          "<unclosed",
		"R&amp;D":            "R&D",
	} {
		if got := plainLabel(label); got != want {
			t.Errorf("label %q: %q, want %q", label, got, want)
		}
	}
}

func TestCommentsAreTheDictionarysOwnWords(t *testing.T) {
	f := row("type=text", "label=Age", "valid=integer", "min=0", "max=120", "note=in years", "ident=y")
	want := "Age\nNote: in years\nValidation: integer from 0 to 120\nIdentifier"
	if got := f.comment(plainLabel(f.label())); got != want {
		t.Errorf("comment %q, want %q", got, want)
	}
}

func TestPatternsStandForAnyText(t *testing.T) {
	for _, test := range []struct {
		pattern, name string
		want          bool
	}{
		{"ssn", "ssn", true},
		{"ssn", "ssn2", false},
		{"*_phone", "home_phone", true},
		{"*_phone", "phone", false},
		{"*", "", true},
		{"a*c*e", "abcde", true},
		{"a*c*e", "abcdf", false},
		{"", "", true},
	} {
		if got := glob(test.pattern, test.name); got != test.want {
			t.Errorf("pattern %q, name %q: %t", test.pattern, test.name, got)
		}
	}
}

// wide makes a model of one instrument with n fields of a kind.
func wide(t *testing.T, n int, attrs ...string) *model {
	t.Helper()
	p := &snapshot{version: "14.9.1", idField: "record_id", info: map[string]string{}, instruments: []instrument{{"big", "Big"}}, repeatsKnown: true}
	p.fields = append(p.fields, *row("name=record_id", "form=big", "type=text"))
	for i := range n {
		p.fields = append(p.fields, *row(append([]string{fmt.Sprintf("name=f%05d", i), "form=big"}, attrs...)...))
	}
	m, err := newModel(p, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// partOf maps every column to the table that holds it.
func partOf(m *model) map[string]string {
	at := map[string]string{}
	for _, f := range m.forms {
		for _, p := range f.parts {
			for _, c := range p.columns {
				at[c.export] = p.table.Name
			}
		}
	}
	return at
}

func TestWideInstrumentsAreCutWhereARowWouldNotFitItsPage(t *testing.T) {
	for _, test := range []struct {
		name  string
		n     int
		attrs []string
		parts int
	}{
		{"text", 260, []string{"type=text"}, 1},
		{"text over 6,500 bytes", 270, []string{"type=text"}, 2},
		{"booleans up to 800 columns", 790, []string{"type=yesno"}, 1},
		{"booleans over 800 columns", 800, []string{"type=yesno"}, 2},
		{"a checkbox of 900 options", 1, []string{"type=checkbox", "choices=" + strings.Repeat("x | ", 900)}, 2},
		{"35,000 fields", 35_000, []string{"type=text"}, 132},
	} {
		m := wide(t, test.n, test.attrs...)
		if got := len(m.forms[0].parts); got != test.parts {
			t.Errorf("%s: %d parts, want %d", test.name, got, test.parts)
		}
		for i, p := range m.forms[0].parts {
			if err := p.table.Check(); err != nil {
				t.Error(err)
			}
			bytes := 0
			for _, c := range p.table.Columns {
				bytes += worst(c.Type)
			}
			if bytes > partBytes || len(p.table.Columns) > partColumns {
				t.Errorf("%s: part %d has %d bytes in %d columns", test.name, i+1, bytes, len(p.table.Columns))
			}
		}
		if at := partOf(m)["big_complete"]; at != "big" {
			t.Errorf("%s: the status stands in %s", test.name, at)
		}
	}
}

func TestAFieldThatIsAppendedMovesNoOther(t *testing.T) {
	before := partOf(wide(t, 300, "type=text"))
	after := partOf(wide(t, 700, "type=text"))
	for name, table := range before {
		if after[name] != table {
			t.Errorf("column %s moved from %s to %s", name, table, after[name])
		}
	}
}

func TestNamesThatPostgresCannotHoldAreMappedAndApart(t *testing.T) {
	long := strings.Repeat("x", 80)
	p := &snapshot{
		version: "14.9.1", idField: "record_id", info: map[string]string{}, repeatsKnown: true,
		instruments: []instrument{{"redcap_record", ""}, {"user", ""}, {"f", ""}, {"f__2", ""}},
	}
	p.fields = []field{
		*row("name=record_id", "form=f", "type=text"), *row("name="+long+"1", "form=f", "type=text"),
		*row("name="+long+"2", "form=f", "type=text"), *row("name=xmin", "form=f", "type=text"),
		*row("name=_run_id", "form=f", "type=text"), *row("name=Order", "form=f", "type=text"), *row("name=order", "form=f", "type=text"),
		*row("name=\"; DROP SCHEMA", "form=f", "type=text"), *row("name=1abc", "form=f", "type=text"),
		*row("name=box", "form=f", "type=checkbox", "choices=A, upper | a, lower | -1, minus | +1, plus"),
	}
	for i := range 300 {
		p.fields = append(p.fields, *row(fmt.Sprintf("name=g%d", i), "form=f", "type=text"))
	}
	m, err := newModel(p, Options{})
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, table := range m.tables() {
		if err := table.Check(); err != nil {
			t.Error(err)
		}
		name := string(table.Side) + "." + table.Name
		if names[name] || extract.PostgresName(table.Name) != table.Name {
			t.Errorf("table name %q is taken or cannot be", name)
		}
		names[name] = true
		for _, c := range table.Columns {
			if extract.PostgresName(c.Name) != c.Name {
				t.Errorf("column name %q cannot be", c.Name)
			}
		}
	}
}
