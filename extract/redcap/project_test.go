package redcap

import (
	"slices"
	"strings"
	"testing"

	"syncd/extract"
	fake "syncd/internal/fake/redcap"
)

// clinic makes a classic project of one form whose fields are given, and its token.
func clinic(t testing.TB, fields ...fake.Field) *fake.Project {
	t.Helper()
	p := fake.Synthetic(fake.Spec{Records: 0, Fields: 1, Forms: 1})
	for i := range fields {
		fields[i].Form = "visit"
	}
	if err := p.AddForm(fake.Form{Name: "visit", Label: "Visit"}, fields...); err != nil {
		t.Fatal(err)
	}
	return p
}

func text(name string) fake.Field { return fake.Field{Name: name, Type: "text", Label: name} }

func add(t testing.TB, p *fake.Project, id string, values map[string]string) {
	t.Helper()
	if err := p.AddRecord(id, values); err != nil {
		t.Fatal(err)
	}
}

func TestValuesThatDoNotFitAreKeptBesideTheRow(t *testing.T) {
	p := clinic(t,
		fake.Field{Name: "age", Type: "text", Validation: "integer", Min: "0", Max: "120"},
		fake.Field{Name: "dose", Type: "text", Validation: "number"},
		fake.Field{Name: "born", Type: "text", Validation: "date_dmy"},
		fake.Field{Name: "at", Type: "text", Validation: "time"},
		fake.Field{Name: "split", Type: "text", Validation: "time_mm_ss"},
		fake.Field{Name: "agree", Type: "yesno"},
		text("memo"),
	)
	p.SetCodes(fake.Code{Code: "UNK", Label: "Unknown"})
	server, url := serve(t, fake.Options{}, p)
	add(t, p, "1", map[string]string{"age": "41", "dose": "007.50", "born": "2023-02-24", "at": "23:19", "split": "02:45", "agree": "1", "memo": "a\r\nb"})
	add(t, p, "2", map[string]string{"age": "UNK", "dose": "1e400", "born": "2023-02-30", "at": "55:02", "split": "55:02", "agree": "maybe", "memo": "=cmd|'x'!A0"})
	add(t, p, "3", map[string]string{"age": "130", "dose": "about 5", "born": "31/12/2020", "at": "UNK", "memo": "here"})
	server.Fault(fake.Fault{Kind: fake.InvalidUTF8, Text: "here", Match: data})

	s := newStore(t)
	_, proof := mustPull(t, source(t, url, p.Token()), s)
	for _, test := range []struct{ id, column, want string }{
		{"1", "age", "41"},
		{"1", "dose", "7.50"},
		{"1", "born", "2023-02-24"},
		{"1", "at", "23:19:00"},
		{"1", "split", "00:02:45"},
		{"1", "agree", "t"},
		{"1", "memo", "a\r\nb"},
		{"1", "visit_complete", "0"},
		{"2", "1:age", "UNK"},
		{"2", "0:dose", "1e400"},
		{"2", "0:born", "2023-02-30"},
		{"2", "0:at", "55:02"},
		{"2", "split", "00:55:02"},
		{"2", "0:agree", "maybe"},
		{"2", "memo", "=cmd|'x'!A0"},
		{"3", "age", "130"},
		{"3", "0:dose", "about 5"},
		{"3", "0:born", "31/12/2020"},
		{"3", "1:at", "UNK"},
		{"3", "0:memo", `\x68657265a0e792`},
	} {
		if got := s.row(".visit", test.id, "", "1")[test.column]; got != test.want {
			t.Errorf("record %s, %s: %q, want %q", test.id, test.column, got, test.want)
		}
	}
	if len(s.rejects) > 0 {
		t.Errorf("rejects %d, want none", len(s.rejects))
	}
	if len(proof.Soft) != 1 || proof.Soft["age: "+findRule(ruleAbove).message+" ("+ruleAbove+")"] != 1 {
		t.Errorf("soft ranges %v, want one age above its maximum", proof.Soft)
	}
}

func TestACommaMayBeTheDecimalSignWhereTheFieldSaysSo(t *testing.T) {
	for value, want := range map[string]string{"1,54": "1.54", "1.54": "1.54", "-3,5": "-3.5"} {
		got, err := appendCommaNumeric(nil, []byte(value))
		if err != nil || string(got) != want {
			t.Errorf("%s: %s (%v), want %s", value, got, err, want)
		}
	}
}

func TestRowsExistWhereSomebodyHasBeen(t *testing.T) {
	p := clinic(t, text("memo"), fake.Field{Name: "box", Type: "checkbox", Choices: "1, a | 2, b"},
		fake.Field{Name: "sum", Type: "calc", Choices: "1+1"})
	add(t, p, "1", map[string]string{"memo": "x"})
	add(t, p, "2", nil) // nothing but its id
	if err := p.Import("3", fake.Place{}, map[string]string{"box(2)": "1"}); err != nil {
		t.Fatal(err)
	}
	if err := p.Import("4", fake.Place{}, map[string]string{"sum": "2"}); err != nil {
		t.Fatal(err)
	}
	add(t, p, "5", map[string]string{"visit_complete": "0"}) // opened and saved with nothing in it
	for version, want := range map[string]string{"14.9.1": "1 3 5", "9.1.3": "1 3"} {
		_, url := serve(t, fake.Options{Version: version}, p)
		s := newStore(t)
		mustPull(t, source(t, url, p.Token()), s)
		var got []string
		for key := range s.tables[".visit"].rows {
			got = append(got, extract.SplitKey(key)[0])
		}
		slices.Sort(got)
		if strings.Join(got, " ") != want {
			t.Errorf("version %s: rows of records %q, want %q", version, got, want)
		}
		if s.count(".redcap_record") != 5 {
			t.Errorf("version %s: %d records, want 5", version, s.count(".redcap_record"))
		}
	}
}

func TestEveryShapeGoesToTheRightRows(t *testing.T) {
	p := fake.Synthetic(fake.Spec{Kind: fake.Mixed, Records: 0, Fields: 3, Forms: 3})
	_, url := serve(t, fake.Options{}, p)
	field := map[string]string{}
	for _, f := range p.Fields()[1:] {
		field[f.Form] = f.Name
	}
	set := func(event, instrument string, instance int, form, value string) {
		t.Helper()
		if err := p.Set("7", event, instrument, instance, form+"_complete", value); err != nil {
			t.Fatal(err)
		}
	}
	set("enrollment_arm_1", "", 0, "form_1", "2")
	set("visit_1_arm_1", "form_2", 1, "form_2", "1")
	set("visit_1_arm_1", "form_2", 3, "form_2", "0") // gaps stay
	set("visit_1_arm_1", "", 0, "form_3", "2")
	set("visit_2_arm_1", "", 2, "form_2", "2") // the whole event repeats
	s := newStore(t)
	structure, _ := mustPull(t, source(t, url, p.Token()), s)
	for _, test := range []struct{ table, event, instance, status string }{
		{"form_1", "enrollment_arm_1", "1", "2"},
		{"form_2", "visit_1_arm_1", "1", "1"},
		{"form_2", "visit_1_arm_1", "3", "0"},
		{"form_3", "visit_1_arm_1", "1", "2"},
		{"form_2", "visit_2_arm_1", "2", "2"},
	} {
		if got := s.row("."+test.table, "7", test.event, test.instance)[test.table+"_complete"]; got != test.status {
			t.Errorf("%s %s %s: status %q, want %q", test.table, test.event, test.instance, got, test.status)
		}
	}
	if n := s.count(".form_1") + s.count(".form_2") + s.count(".form_3"); n != 5 {
		t.Errorf("%d rows, want 5", n)
	}
	repeats := map[string]string{}
	for _, table := range structure.Tables {
		if _, way, ok := strings.Cut(table.Comment, "repeats: "); ok {
			repeats[table.Name] = way
		}
	}
	if repeats["form_1"] != "never" || repeats["form_2"] != "mixed" || repeats["form_3"] != "mixed" {
		t.Errorf("comments say %v", repeats)
	}
	if got := s.row(".redcap_record", "7")["arms"]; got != "1" {
		t.Errorf("arms %q, want 1", got)
	}
}

func TestOneRecordInTwoArmsIsOneRecord(t *testing.T) {
	p := fake.Synthetic(fake.Spec{Kind: fake.Longitudinal, Records: 3, Fields: 3, Forms: 3})
	event, err := p.AddEvent("Follow up", 2, "form_1")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Set("1", event, "", 0, "form_1_complete", "2"); err != nil {
		t.Fatal(err)
	}
	_, url := serve(t, fake.Options{}, p)
	s := newStore(t)
	_, proof := mustPull(t, source(t, url, p.Token()), s)
	if got := s.row(".redcap_record", "1")["arms"]; got != "1,2" || proof.Before.Len() != 3 {
		t.Errorf("arms %q of %d records, want 1,2 of 3", got, proof.Before.Len())
	}
}

func TestWhatAJobLeavesOutIsNeverStaged(t *testing.T) {
	p := clinic(t, text("memo"), fake.Field{Name: "home_phone", Type: "text"}, fake.Field{Name: "ssn", Type: "text", Identifier: "y"})
	server, url := serve(t, fake.Options{}, p)
	add(t, p, "1", map[string]string{"memo": "x", "home_phone": "555", "ssn": "123"})
	add(t, p, "2", map[string]string{"home_phone": "556", "visit_complete": ""})

	s := newStore(t)
	structure, _ := mustPull(t, source(t, url, p.Token(), options(Options{SkipFields: []string{"*_phone"}, Identifiers: "skip", SkipForms: []string{"form_1"}})), s)
	if s.count(".form_1") != -1 {
		t.Error("a skipped form has a table")
	}
	for _, r := range server.Requests() {
		if data(r) && (slices.Contains(r.Forms, "form_1") || !slices.Contains(r.Forms, "visit") || !slices.Contains(r.Fields, "record_id")) {
			t.Errorf("asked for forms %q and fields %q", r.Forms, r.Fields)
		}
	}
	for _, table := range structure.Tables {
		if table.Name == "visit" && !slices.Contains(table.Unnamed, "home_phone") {
			t.Error("the skipped field is not among the unnamed columns")
		}
	}
	row := s.row(".visit", "1", "", "1")
	if row["memo"] != "x" || row["home_phone"] != "" || row["ssn"] != "" {
		t.Errorf("row %v holds what was left out", row)
	}
	if s.row(".visit", "2", "", "1") == nil {
		t.Error("a row is missing because its only value was left out")
	}

	_, err := source(t, url, p.Token(), options(Options{SkipFields: []string{"record*"}})).Describe(t.Context(), extract.Since{})
	if extract.KindOf(err) != extract.KindConfig {
		t.Errorf("skip_fields over the record id: %v, want a fault of the configuration", err)
	}
}

func TestRecordsWhereKeepsOthersOutAndAccountsForThem(t *testing.T) {
	p := clinic(t, fake.Field{Name: "consent", Type: "yesno"})
	_, url := serve(t, fake.Options{}, p)
	add(t, p, "1", map[string]string{"consent": "1"})
	add(t, p, "2", map[string]string{"consent": "0"})
	add(t, p, "3", map[string]string{"consent": "1"})
	s := newStore(t)
	mustPull(t, source(t, url, p.Token()), s)
	_, proof := mustPull(t, source(t, url, p.Token(), options(Options{RecordsWhere: "[consent] = '1'"})), s)
	if s.count(".redcap_record") != 2 || s.row(".redcap_record", "2") != nil {
		t.Errorf("%d records, want 1 and 3", s.count(".redcap_record"))
	}
	if proof.Refused[refusedFilter] != 1 || !proof.Excluded.Has("2") || proof.Before.Len() != 2 {
		t.Errorf("refused %v, listed %d", proof.Refused, proof.Before.Len())
	}
	if !slices.Equal(s.vanished, []string{"2"}) {
		t.Errorf("vanished %q, want 2", s.vanished)
	}
}

func TestEveryVersionIsRead(t *testing.T) {
	for _, version := range []string{"8.5.0", "9.1.3", "10.9.0", "12.4.0", "13.7.0", "14.9.1", "15.6.0", "17.4.1"} {
		for _, kind := range []fake.SpecKind{fake.Classic, fake.Longitudinal, fake.Repeating, fake.Mixed} {
			if version == "8.5.0" && kind != fake.Classic {
				continue
			}
			p := small(kind, 30)
			_, url := serve(t, fake.Options{Version: version, OddStatus: version == "9.1.3"}, p)
			s := newStore(t)
			if _, _, err := pullInto(t, source(t, url, p.Token()), s); err != nil {
				t.Errorf("version %s, kind %d: %v", version, kind, err)
				continue
			}
			if s.count(".redcap_record") != 30 || len(s.rejects) > 0 {
				t.Errorf("version %s, kind %d: %d records, %d rejects", version, kind, s.count(".redcap_record"), len(s.rejects))
			}
		}
	}
}

func TestAnEmptyProjectHasTablesAndNoRows(t *testing.T) {
	for _, version := range []string{"14.9.1", "17.4.1"} {
		p := small(fake.Mixed, 0)
		_, url := serve(t, fake.Options{Version: version}, p)
		s := newStore(t)
		structure, proof := mustPull(t, source(t, url, p.Token()), s)
		if proof.Before.Len() != 0 || len(structure.Tables) != 14 || len(s.marks) != 1 {
			t.Errorf("version %s: %d records, %d tables, marks %v", version, proof.Before.Len(), len(structure.Tables), s.marks)
		}
	}
}
