package redox

import (
	"testing"

	"syncd/extract"
)

// cells decodes {"v":VALUE} into one column of a form and tells what stands in it, in the column beside it, and in the note.
func cells(t *testing.T, f form, value string) (cell, text, note string) {
	t.Helper()
	names := map[form]string{asText: "text", asInstant: "time", asDate: "date", asNumber: "number", asBool: "bool", asTruth: "truth", asJSON: "json", asBytes: "base64"}
	e := newEntity(tableSpec{name: "x", key: "k", at: "X", fields: "V:" + names[f]})
	g := newGroup(nil, nil)
	root, err := g.parser.parse([]byte(`{"V":` + value + `}`))
	if err != nil {
		t.Fatal(err)
	}
	m := &message{Delivery: &extract.Delivery{Key: "d", Body: []byte(`{"V":` + value + `}`)}, group: g, root: root}
	m.put(thing{of: e, key: []string{"k"}, root: root})
	rows := g.made[e.tables[0]]
	show := func(column string) string {
		for i, c := range rows.Table.Columns {
			if c.Name == column {
				if cell, ok := rows.Cell(0, i); ok {
					return string(cell)
				}
				return "NULL"
			}
		}
		return ""
	}
	for _, n := range rows.Notes() {
		note = n.Value
		if n.Kind != extract.NonConforming || n.Column != "v" {
			t.Errorf("%s: a note of kind %d about %s", value, n.Kind, n.Column)
		}
	}
	return show("v"), show("v_text"), note
}

func TestValuesAsTheyAreSent(t *testing.T) {
	for _, c := range []struct {
		form             form
		sent             string
		cell, text, note string
	}{
		{asText, `"abc"`, "abc", "", ""},
		{asText, `41962259`, "41962259", "", ""},
		{asText, `12345678901234567890123`, "12345678901234567890123", "", ""},
		{asText, `1.50`, "1.50", "", ""},
		{asText, `true`, "true", "", ""},
		{asText, `null`, "NULL", "", ""},
		{asText, `""`, "NULL", "", ""},
		{asText, `{}`, "NULL", "", ""},
		{asText, `[]`, "NULL", "", ""},
		{asText, `[null, {"a": ""}]`, "NULL", "", ""},
		{asText, `{"a":1}`, "NULL", "", `{"a":1}`},
		{asText, `"00012"`, "00012", "", ""},
		{asText, `"a\u0000b"`, "NULL", "", `a\u0000b`},
		{asText, `"\ud800"`, "NULL", "", `\ud800`},
		{asText, `"\ud83d\ude00"`, "😀", "", ""},
		{asText, `"tab\tnew\nline"`, "tab\tnew\nline", "", ""},

		{asInstant, `"2016-09-22T10:20:30.000Z"`, "2016-09-22 10:20:30+00", "2016-09-22T10:20:30.000Z", ""},
		{asInstant, `"2016-09-21T20:00:00.000-0400"`, "2016-09-22 00:00:00+00", "2016-09-21T20:00:00.000-0400", ""},
		{asInstant, `"2007-04-05T12:30-0200"`, "2007-04-05 14:30:00+00", "2007-04-05T12:30-0200", ""},
		{asInstant, `"2007-04-05T12:30-02:00"`, "2007-04-05 14:30:00+00", "2007-04-05T12:30-02:00", ""},
		{asInstant, `"2016-09-22"`, "2016-09-22 00:00:00+00", "2016-09-22", ""},
		{asInstant, `"2016-09-22T10:20:30"`, "NULL", "2016-09-22T10:20:30", "2016-09-22T10:20:30"},
		{asInstant, `"2016-02-30"`, "NULL", "2016-02-30", "2016-02-30"},
		{asInstant, `"yesterday"`, "NULL", "yesterday", "yesterday"},
		{asInstant, `20160922`, "NULL", "20160922", "20160922"},

		{asDate, `"2008-01-06"`, "2008-01-06", "", ""},
		{asDate, `"2008-01-06T00:00:00.000Z"`, "2008-01-06", "", ""},
		{asDate, `"2008-01-06T00:00:00-0500"`, "2008-01-06", "", ""},
		{asDate, `"2008-01-05T19:00:00.000-0500"`, "NULL", "", "2008-01-05T19:00:00.000-0500"},
		{asDate, `"2008-01-06T00:00:01Z"`, "NULL", "", "2008-01-06T00:00:01Z"},
		{asDate, `"1/6/2008"`, "NULL", "", "1/6/2008"},

		{asNumber, `4`, "4", "", ""},
		{asNumber, `"0.5"`, "0.5", "", ""},
		{asNumber, `" 007.10 "`, "7.10", "", ""},
		{asNumber, `1.5e3`, "1500", "", ""},
		{asNumber, `"<5"`, "NULL", "", "<5"},
		{asNumber, `0.1000000000000000055511151231257827`, "0.1000000000000000055511151231257827", "", ""},

		{asBool, `true`, "t", "", ""},
		{asBool, `false`, "f", "", ""},
		{asBool, `"True"`, "NULL", "", "True"},
		{asTruth, `"True"`, "t", "", ""},
		{asTruth, `"False"`, "f", "", ""},
		{asTruth, `true`, "t", "", ""},
		{asTruth, `"yes"`, "NULL", "", "yes"},

		{asJSON, `["b", null, 1.0]`, `["b", null, 1.0]`, "", ""},
		{asJSON, `{"bb":1,"a":"","c":{"d":null},"aa":"x\u0001\"é"}`, `{"aa": "x\u0001\"é", "bb": 1}`, "", ""},
		{asJSON, `"text"`, `"text"`, "", ""},
		{asJSON, `{"a":"\u0000"}`, "NULL", "", `{"a":"\u0000"}`},

		{asBytes, `"AAEC/w=="`, `\x000102ff`, "NULL", ""},
		{asBytes, `"AAEC/w"`, `\x000102ff`, "NULL", ""},
		{asBytes, `"https://blob.example/1?x=2"`, "NULL", "https://blob.example/1?x=2", ""},
	} {
		cell, text, note := cells(t, c.form, c.sent)
		if cell != c.cell || text != c.text || note != c.note {
			t.Errorf("form %d, %s: %q beside %q, note %q; want %q beside %q, note %q", c.form, c.sent, cell, text, note, c.cell, c.text, c.note)
		}
	}
}
