package redox

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"syncd/extract"
)

// arrival is a PatientAdmin message about a patient and a visit.
func arrival(mrn, visit string) string {
	return fmt.Sprintf(`{"Meta":{"DataModel":"PatientAdmin","EventType":"Arrival","Source":{"ID":"s"}},
		"Patient":{"Identifiers":[{"ID":%s,"IDType":"MR"}]},"Visit":{"VisitNumber":%s,"Reason":"fall"}}`, mrn, visit)
}

// decodeOne decodes one body.
func decodeOne(body string) *extract.Batch {
	g := everything("MR")
	g.add(delivery(1, body))
	return g.batch()
}

// H18 to H23: what cannot be read is settled as rejected, what can and is not known as unhandled; nothing of it is a row.
func TestUnreadableDeliveriesAreSettledWithTheirReason(t *testing.T) {
	for body, want := range map[string]string{
		"": "not JSON", "null": "not a JSON object", "[]": "not a JSON object", `"x"`: "not a JSON object", "{}": reasonNoModel, "{": "not JSON", "x": "not JSON",
		strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001):                 "nested too deep",
		`{"a":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`: "nested too deep",
		`{"a":` + strings.Repeat("[", 1_000_000):                                  "nested too deep",
		`{"Meta":{},"Meta":{}}`:                                                   "duplicate key",
		`{"Meta":{"ID":1,"ID":2}}`:                                                "duplicate key",
		`{"Meta":{"ID":1,"id":2}}`:                                                reasonNoModel,
		"{\"a\":\"\xff\"}":                                                        "invalid utf-8",
		"{\"a\":\"\xc0\xaf\"}":                                                    "invalid utf-8",
		"\xef\xbb\xbf{}":                                                          "not JSON",
		"{\x00\"\x00a\x00\"\x00:\x001\x00}\x00":                                   "not JSON",
		`{}x`:                                                                     "more than one document", `{}{}`: "more than one document", "{}\n{}\n": "more than one document",
		`{"a":` + strings.Repeat("9", 100_000) + `}`:                        reasonNoModel,
		`{"Meta":{"DataModel":"Weather","EventType":"New"}}`:                "unknown model",
		`{"Meta":{"DataModel":"PatientAdmin","EventType":"Levitation"}}`:    "unknown event type",
		`{"Meta":{"DataModel":"PatientAdmin"}}`:                             "unknown event type",
		`{"Meta":{"DataModel":"PatientAdmin","EventType":"CensusQuery"}}`:   "a query, for which there are no tables",
		`{"Meta":{"DataModel":"Clinical Decisions","EventType":"Request"}}`: "a query, for which there are no tables",
		`{"Meta":{"DataModel":"Order","EventType":"New"},"Order":{}}`:       reasonNothing,
		`{"Meta":[1],"Patient":7}`:                                          reasonNoModel,
	} {
		b := decodeOne(body)
		s, shown := b.Settled[0], body[:min(len(body), 60)]
		if len(b.Settled) != 1 || s.Reason != want || (s.Outcome == extract.Applied) || len(b.Rows) != 0 || len(b.Rejects) != 0 {
			t.Errorf("%q: %s %q, want %q", shown, s.Outcome, s.Reason, want)
		}
		if unread := s.Outcome == extract.Rejected; unread == (strings.HasPrefix(want, "unknown") || strings.HasPrefix(want, "a query")) {
			t.Errorf("%q: %s because of %q", shown, s.Outcome, s.Reason)
		}
	}
}

func TestAMillionKeysAreKeptInOneNote(t *testing.T) {
	var keys strings.Builder
	for i := range 1_000_000 {
		keys.WriteString(`,"k` + strconv.Itoa(i) + `":1`)
	}
	const begin = `{"Meta":{"DataModel":"Order","EventType":"New"},"Order":{"ID":"1"`
	for _, body := range []string{begin + keys.String() + `}}`, begin + `}` + keys.String() + `}`} {
		batch := decodeOne(body)
		if batch.Settled[0].Outcome != extract.Applied {
			t.Fatal(batch.Settled)
		}
		for _, rows := range batch.Rows {
			if n := len(rows.Notes()); n != 1 {
				t.Errorf("%d notes beside a row of %s", n, rows.Table.Name)
			}
		}
	}
}

// H30 and the ids that come as numbers: keys are the text that was sent.
func TestKeysAreTheTextThatWasSent(t *testing.T) {
	for sent, want := range map[string]string{
		`"0001"`: "0001", `"12345678901234567890"`: "12345678901234567890", `12345678901234567890`: "12345678901234567890", `16777217`: "16777217",
		`" 1 "`: " 1 ", `"'; DROP TABLE x"`: "'; DROP TABLE x", `"=cmd|' /C calc'!A0"`: "=cmd|' /C calc'!A0", `"../../"`: "../../",
		`"\u202e"`: "\u202e", `"😀"`: "😀", `"a^^^&1.3.6&ISO"`: "a^^^&1.3.6&ISO", `true`: "true",
	} {
		b := decodeOne(arrival(`"p"`, sent))
		var got string
		for _, s := range append(b.Further, b.Scope) {
			if s.Tables[0] == visit.tables[0].live {
				got = s.Keys[0][1]
			}
		}
		if got != want {
			t.Errorf("%s: key %q, want %q", sent, got, want)
		}
	}
}

func TestRowsWithoutAUsableKeyAreRejectsAndTheRestIsApplied(t *testing.T) {
	for sent, rule := range map[string]string{
		`""`: "no key", `null`: "no key", `{"a":1}`: "no key", `"a\u0000"`: "key holds a character that cannot be stored", `"\udc00"`: "key holds a character that cannot be stored",
		`"` + strings.Repeat("x", 1<<20) + `"`: "key is longer than 1800 bytes",
	} {
		b := decodeOne(arrival(`"p"`, sent))
		if b.Settled[0].Outcome != extract.Applied || len(b.Rejects) != 1 || b.Rejects[0].Rule != rule || b.Rejects[0].Table != visit.tables[0].live {
			t.Errorf("%.40s: %v, %d rejects: %+v", sent, b.Settled, len(b.Rejects), b.Rejects)
			continue
		}
		if len(b.Rejects[0].Key) == 0 {
			t.Errorf("%.40s: the reject has no key, so that nothing would be moved out", sent)
		}
		found := false
		for _, s := range append(b.Further, b.Scope) {
			found = found || s.Tables[0] == patient.tables[0].live
		}
		if !found {
			t.Errorf("%.40s: the patient was not applied", sent)
		}
	}
}

func TestAnIdentifierThatCannotBeAKeyStandsForNobody(t *testing.T) {
	for _, id := range []string{`"\u0000"`, `"\ud800"`, `"` + strings.Repeat("x", 401) + `"`, `""`, `null`} {
		b := decodeOne(strings.Replace(arrival(`"p"`, `"1"`), `[`, `[{"ID":`+id+`,"IDType":"AA"},`, 1))
		check(t, b)
		for _, s := range append(b.Further, b.Scope) {
			if s.Tables[0] == patient.tables[0].live && fmt.Sprint(s.Keys) != "[[s MR p]]" {
				t.Errorf("%.20s: %v", id, s.Keys)
			}
		}
	}
}

func TestADefectOfOneModelHoldsUpNobody(t *testing.T) {
	g := everything("MR")
	broken := &model{name: "Broken", entities: []*entity{visit}}
	broken.decode = func(m *message) {
		m.put(thing{of: visit, key: []string{"s", "half"}})
		rows := m.group.rows(visit.tables[0])
		m.group.open = rows
		rows.Begin()
		rows.Null()
		panic("broken")
	}
	g.find = func(name string) *model {
		if name == "Order" {
			return broken
		}
		return findModel(name)
	}
	g.add(delivery(1, arrival(`"p"`, `"1"`)))
	g.add(delivery(2, `{"Meta":{"DataModel":"Order","EventType":"New"}}`))
	g.add(delivery(3, arrival(`"p"`, `"2"`)))
	b := g.batch()
	if got := fmt.Sprint(b.Settled); got != "[{1 applied  false} {2 rejected a defect of syncd false} {3 applied  false}]" {
		t.Error(got)
	}
	for _, s := range append(b.Further, b.Scope) {
		if s.Tables[0] == visit.tables[0].live && fmt.Sprint(s.Keys) != "[[s 1] [s 2]]" {
			t.Error(s.Keys)
		}
	}
}

// H28: an instant that cannot be believed is not what orders a delivery.
func TestOlderEventsAfterNewerOnes(t *testing.T) {
	at := func(seq int64, when string) *extract.Delivery {
		return delivery(seq, fmt.Sprintf(`{"Meta":{"DataModel":"PatientAdmin","EventType":"Arrival","EventDateTime":%q}}`, when))
	}
	arrived := noon.Format("2006-01-02T15:04:05.000000Z")
	for when, want := range map[string]string{
		"2026-03-01T11:00:00Z": "2026-03-01T11:00:00.000000Z", "2026-03-01T11:00:00-0500": "2026-03-01T16:00:00.000000Z",
		"1900-01-01T00:00:00Z": arrived, "2999-01-01T00:00:00Z": arrived, "": arrived, "soon": arrived, "2026-02-28T23:59:60Z": "2026-02-28T23:59:59.000000Z",
	} {
		if got := at(1, when).Version(); !strings.HasPrefix(got, want+" ") {
			t.Errorf("%s: version %s, want %s", when, got, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, dir := range []string{"datamodel", "fhir-r4"} {
		for _, body := range payloads(f, dir) {
			f.Add([]byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		g := everything("MR")
		g.add(delivery(1, string(body)))
		b := g.batch()
		if len(b.Settled) != 1 || b.Settled[0].Reason == reasonDefect {
			t.Fatalf("%+v", b.Settled)
		}
		check(t, b)
	})
}

// check finds what a loader would refuse of a batch.
func check(t *testing.T, b *extract.Batch) {
	t.Helper()
	inScope := map[*extract.Table]*extract.Scope{}
	keys := map[*extract.Scope]map[string]bool{}
	for _, s := range append(b.Further, b.Scope) {
		if s == nil {
			continue
		}
		keys[s] = map[string]bool{}
		if len(s.Versions) != len(s.Keys) {
			t.Fatal("a scope needs a version for each key")
		}
		for _, k := range s.Keys {
			joined := extract.JoinKey(k...)
			if keys[s][joined] || len(k) != s.Width {
				t.Fatalf("key %q stands twice or is short", k)
			}
			keys[s][joined] = true
		}
		for _, table := range s.Tables {
			if inScope[table] != nil {
				t.Fatalf("%s is in two scopes", table.Name)
			}
			inScope[table] = s
		}
	}
	for _, rows := range b.Rows {
		for i := range rows.Len() {
			var key []string
			for j := range rows.Table.Keys() {
				cell, ok := rows.Cell(i, j)
				if !ok {
					t.Fatalf("NULL in the key of %s", rows.Table.Name)
				}
				key = append(key, string(cell))
			}
			for j, c := range rows.Table.Columns {
				cell, ok := rows.Cell(i, j)
				if again, err := extract.Append(nil, c.Type, cell); ok && (err != nil || !bytes.Equal(cell, again)) {
					t.Fatalf("a cell of %s.%s is not the canonical text of %s", rows.Table.Name, c.Name, c.Type)
				}
			}
			if s := inScope[rows.Table]; s != nil && !keys[s][extract.JoinKey(key[:s.Width]...)] {
				t.Fatalf("a row of %s is outside of its scope", rows.Table.Name)
			}
		}
	}
	for _, r := range b.Rejects {
		if len(r.Key) == 0 || r.Table == nil {
			t.Fatalf("a reject without key or table: %s", r.Rule)
		}
	}
}
