package engage

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"syncd/extract"
)

// recorded reads a recorded answer, or skips the test where those are not there.
func recorded(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../../shared/fixtures/engage", name))
	if os.IsNotExist(err) {
		t.Skip("the recorded answers are not here: ../../../shared/fixtures/engage")
	}
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// pulled pulls one list from a server that answers its pages with body, into a warehouse.
func pulled(t *testing.T, list string, body func(page string) []byte) *warehouse {
	t.Helper()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		if !strings.HasSuffix(r.URL.Path, "/"+list) {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		_, _ = w.Write(body(r.URL.Query().Get("page")))
	}))
	t.Cleanup(web.Close)
	c := &campus{warehouse: newWarehouse(t), t: t, url: web.URL + "/", o: Options{Resources: []string{list}}}
	if proof := c.run(false); proof.Unproven != "" {
		t.Errorf("unproven: %s", proof.Unproven)
	}
	return c.warehouse
}

// expected are the cells of an item of the recordings, made of the item itself and of nothing else.
func expected(t *testing.T, item map[string]any) map[string]string {
	t.Helper()
	out := map[string]string{}
	for name, v := range item {
		column := extract.ColumnName(name)
		switch v := v.(type) {
		case nil, []any:
		case json.Number:
			ms, _ := v.Int64()
			out[column] = v.String()
			if strings.HasSuffix(name, "Date") {
				east, err := time.LoadLocation("America/New_York")
				if err != nil {
					t.Fatal(err)
				}
				out[column] = time.UnixMilli(ms).In(east).Format(time.DateOnly)
			}
		case string:
			out[column] = v
			if strings.HasPrefix(name, "userShown") {
				out[column] = map[string]string{"True": "t", "False": "f"}[v]
			}
		default:
			t.Fatalf("%s is a %T, which no recording had", name, v)
		}
	}
	return out
}

func items(t *testing.T, envelope []byte) (all []map[string]any) {
	t.Helper()
	var read struct{ Items []map[string]any }
	dec := json.NewDecoder(strings.NewReader(string(envelope)))
	dec.UseNumber()
	if err := dec.Decode(&read); err != nil {
		t.Fatal(err)
	}
	return read.Items
}

func compareCells(t *testing.T, w *warehouse, list, key string, item map[string]any) {
	t.Helper()
	want, got := expected(t, item), w.row(list, fmt.Sprint(item[key]))
	for name, text := range want {
		if got[name] != text {
			t.Errorf("%s %v: %s is %q, want %q", list, item[key], name, got[name], text)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s %v: %s stands in the row and was not sent", list, item[key], name)
		}
	}
}

func TestRecordedMembershipsCellByCell(t *testing.T) {
	t.Parallel()
	body := recorded(t, "v2_memberships_82.json")
	w := pulled(t, memberships, func(string) []byte { return body })
	all := items(t, body)
	if len(all) != 82 || len(w.tables[memberships]) != 82 {
		t.Fatalf("%d rows of %d items", len(w.tables[memberships]), len(all))
	}
	for _, item := range all {
		compareCells(t, w, memberships, "membershipId", item)
	}
}

// Scenario 11: date-only values are midnight on the east coast, and the day is the same wherever syncd runs. A process has one
// zone, so each has a process of its own.
func TestDatesAreTheSameDayInEveryZone(t *testing.T) {
	t.Parallel()
	recorded(t, "v2_memberships_82.json") // or skip
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, zone := range []string{"America/Los_Angeles", "UTC", "Asia/Tokyo"} {
		cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestRecordedMembershipsCellByCell$|^TestValuesOfEachKind$", "-test.v")
		cmd.Env = append(os.Environ(), "TZ="+zone)
		out, err := cmd.CombinedOutput()
		if err != nil || strings.Count(string(out), "--- PASS") != 2 {
			t.Errorf("%s: %v\n%s", zone, err, out)
		}
	}
}

func TestRecordedOrganizationsCellByCell(t *testing.T) {
	t.Parallel()
	var envelopes []json.RawMessage
	if err := json.Unmarshal(recorded(t, "v2_organizations_by_id_01-20.json"), &envelopes); err != nil {
		t.Fatal(err)
	}
	var list []json.RawMessage
	var all []map[string]any
	for _, e := range envelopes {
		all = append(all, items(t, e)...)
		var read struct{ Items []json.RawMessage }
		if err := json.Unmarshal(e, &read); err != nil {
			t.Fatal(err)
		}
		list = append(list, read.Items...)
	}
	joined, err := json.Marshal(map[string]any{"pageNumber": 1, "pageSize": 500, "totalItems": len(list), "totalPages": 1, "items": list})
	if err != nil {
		t.Fatal(err)
	}
	w := pulled(t, organizations, func(string) []byte { return joined })
	if len(all) != 20 || len(w.tables[organizations]) != 20 {
		t.Fatalf("%d rows of %d items", len(w.tables[organizations]), len(all))
	}
	categories := 0
	for _, item := range all {
		compareCells(t, w, organizations, "organizationId", item)
		for _, one := range item["categories"].([]any) {
			c := one.(map[string]any)
			categories++
			key := extract.JoinKey(fmt.Sprint(item["organizationId"]), fmt.Sprint(c["categoryId"]))
			if got := w.row("organization_categories", key)["category_name"]; got != c["categoryName"] {
				t.Errorf("category %q, want %q", got, c["categoryName"])
			}
		}
	}
	if categories == 0 || categories != len(w.tables["organization_categories"]) {
		t.Errorf("%d rows of %d categories", len(w.tables["organization_categories"]), categories)
	}
}

// decoded decodes one item of a list.
func decoded(t *testing.T, list string, keep []string, item string) (*warehouse, *sheet) {
	t.Helper()
	l := layouts(Options{Resources: []string{list}, Sensitive: keep})[0]
	s := newSheet(l)
	if err := s.take(jsontext.Value(item)); err != nil {
		t.Fatal(err)
	}
	w := newWarehouse(t)
	for _, r := range s.rows {
		w.tables[r.Table.Name] = keyed(t, r)
	}
	return w, s
}

func TestValuesOfEachKind(t *testing.T) {
	t.Parallel()
	const none = "\x00"
	for _, c := range []struct{ list, field, column, sent, cell, note string }{
		// ids: numbers and digits, of 64 bits (E3)
		{memberships, "userId", "user_id", "9007199254740993", "9007199254740993", none},
		{memberships, "userId", "user_id", `"815273"`, "815273", none},
		{memberships, "userId", "user_id", `null`, none, none},
		{memberships, "userId", "user_id", `""`, none, none},
		{memberships, "userId", "user_id", `12.5`, none, "12.5"},
		{memberships, "userId", "user_id", `99999999999999999999`, none, "99999999999999999999"},
		// truth
		{memberships, "userShownOnCampusRoster", "user_shown_on_campus_roster", `"True"`, "t", none},
		{memberships, "userShownOnCampusRoster", "user_shown_on_campus_roster", `"FALSE"`, "f", none},
		{memberships, "userShownOnCampusRoster", "user_shown_on_campus_roster", `true`, "t", none},
		{memberships, "userShownOnCampusRoster", "user_shown_on_campus_roster", `"maybe"`, none, "maybe"},
		// dates (E7)
		{memberships, "positionRecordedStartDate", "position_recorded_start_date", "1376020800000", "2013-08-09", none},
		{memberships, "positionRecordedStartDate", "position_recorded_start_date", `"1376020800000"`, "2013-08-09", none},
		{memberships, "positionRecordedStartDate", "position_recorded_start_date", `"/Date(1376020800000-0400)/"`, "2013-08-09", none},
		{memberships, "positionRecordedStartDate", "position_recorded_start_date", `"2013-08-09T00:00:00-04:00"`, "2013-08-09", none},
		{memberships, "positionRecordedStartDate", "position_recorded_start_date", `"2013-08-09T00:00:00"`, "2013-08-09", none},
		{memberships, "positionRecordedStartDate", "position_recorded_start_date", `"2013-08-09"`, "2013-08-09", none},
		{memberships, "positionRecordedStartDate", "position_recorded_start_date", "0", none, none},
		{memberships, "positionRecordedStartDate", "position_recorded_start_date", "-62135596800000", none, none},
		{memberships, "positionRecordedStartDate", "position_recorded_start_date", `"0001-01-01T00:00:00"`, none, none},
		{memberships, "positionRecordedStartDate", "position_recorded_start_date", `"soon"`, none, "soon"},
		{memberships, "positionRecordedStartDate", "position_recorded_start_date", `[1]`, none, "[1]"},
		{memberships, "positionRecordedStartDate", "position_recorded_start_date", "9999999999999999", none, "9999999999999999"},
		{events, "startDateTime", "start_date_time", "1376089200123", "2013-08-09 23:00:00.123+00", none},
		{events, "startDateTime", "start_date_time", `"2013-08-09T19:00:00-04:00"`, "2013-08-09 23:00:00+00", none},
		{events, "startDateTime", "start_date_time", `"2013-08-09T19:00:00"`, none, "2013-08-09T19:00:00"}, // of which zone?
		{events, "startDate", "start_date_time", "1376089200000", "2013-08-09 23:00:00+00", none},
		{users, "dateOfBirth", "date_of_birth", `{"value":-86382000000,"lastModified":null}`, "1967-04-07", none},
		{users, "dateOfBirth", "date_of_birth", `{"value":0}`, none, none},
		// wrapped, bare or null
		{users, "sisId", "sis_id", `{"value":"S1","lastModified":1375329600000}`, "S1", none},
		{users, "sisId", "sis_id_last_modified", `{"value":"S1","lastModified":1375329600000}`, "2013-08-01 04:00:00+00", none},
		{users, "sisId", "sis_id_last_modified", `{"value":"S1","lastModified":null}`, none, none},
		{users, "sisId", "sis_id", `"S1"`, "S1", none},
		{users, "sisId", "sis_id", `17`, "17", none},
		{users, "sisId", "sis_id", `null`, none, none},
		{users, "sisId", "sis_id", `["S1"]`, none, `["S1"]`},
		{users, "transfer", "transfer", `{"value":"True","lastModified":null}`, "t", none},
		{users, "transfer", "transfer", `true`, "t", none},
		{users, "creditHoursEarned", "credit_hours_earned", `{"value":"90.50"}`, "90.50", none},
		// amounts: decimal text, never binary
		{finance, "amount", "amount", `0.1`, "0.1", none},
		{finance, "amount", "amount", `"-1234567890123456.78"`, "-1234567890123456.78", none},
		{finance, "amount", "amount", `"$5"`, none, "$5"},
		{finance, "transactionDate", "transaction_date", `"1376089200000"`, "2013-08-09 23:00:00+00", none},
		{finance, "originiatingOrganizationId", "originating_organization_id", "7", "7", none},
		// text as it is (E8)
		{organizations, "name", "name", `""`, "", none},
		{organizations, "name", "name", `"<b>Chess & \u202eGo\u200b 😀</b>\r\n"`, "<b>Chess & \u202eGo\u200b 😀</b>\r\n", none},
		{organizations, "name", "name", `12`, "12", none},
		{organizations, "name", "name", `{"a":1}`, none, `{"a":1}`},
		{organizations, "name", "name", `"a\u0000b"`, none, `a\u0000b`},
		{organizations, "name", "name", `"a\ud800b"`, none, `a\ud800b`},
		{organizations, "name", "name", "\"a\xffb\"", none, "a\ufffdb"},
		{organizations, "NAME", "name", `"Chess"`, "Chess", none}, // whatever the case
	} {
		w, s := decoded(t, c.list, []string{"*"}, fmt.Sprintf(`{%q:1,%q:%s}`, s0(c.list), c.field, c.sent))
		row := w.row(c.list, "1")
		cell, ok := row[c.column]
		note, noted := row["_0"+c.column]
		if !ok {
			cell = none
		}
		if !noted {
			note = none
		}
		if cell != c.cell || note != c.note || len(s.rejects) > 0 {
			t.Errorf("%s: %s is %q with note %q, want %q with %q", c.field, c.sent, cell, note, c.cell, c.note)
		}
	}
}

// s0 is the field that is a list's key.
func s0(list string) string {
	all := resources()
	return all[slices.IndexFunc(all, func(r *resource) bool { return r.name == list })].fields[0].name
}

func TestTwoSpellingsOfOneFieldLoseNothing(t *testing.T) {
	t.Parallel()
	w, _ := decoded(t, events, nil, `{"eventId":1,"startDate":1376089200000,"startDateTime":1376089200001}`)
	row := w.row(events, "1")
	if row["start_date_time"] != "2013-08-09 23:00:00.001+00" || row["_2startDate"] != "1376089200000" {
		t.Errorf("%q", row)
	}
	w, s := decoded(t, events, nil, `{"eventId":1,"new":"a","eventName":"a","other":1,"new":"b","eventName":"b"}`)
	if row := w.row(events, "1"); row["_2new"] != "b" || row["event_name"] != "b" || len(s.rows[0].Notes()) != 2 {
		t.Errorf("of what stands twice: %q", row)
	}
	w, _ = decoded(t, users, nil, `{"userId":1,"major":{"value":"Art","lastModified":null,"source":"SIS"}}`)
	if row := w.row(users, "1"); row["major"] != "Art" || row["_2major.source"] != "SIS" {
		t.Errorf("%q", row)
	}
}

func TestListsInsideItems(t *testing.T) {
	t.Parallel()
	w, s := decoded(t, organizations, nil, `{"organizationId":7,
		"categories":[{"categoryId":1,"categoryName":"A","color":"red"},{"categoryId":1,"categoryName":"B"},{"categoryName":"no id"},5],
		"customFields":[{"name":"Day","value":["Mon","Tue"]},{"name":"Day","value":"Wed"},{"name":"None","value":[]},{"value":["x"]},
			{"name":"Bad","value":["a\u0000"],"kind":"text"},{"name":"Num","value":[3,null]}]}`)
	want := map[string]map[string]string{
		"organization_categories": {"7\x001": "organization_id=7 category_id=1 category_name=A _2color=red"},
		"organization_custom_fields": {
			"7\x00Day\x001": "organization_id=7 name=Day ordinal=1 value=Mon",
			"7\x00Day\x002": "organization_id=7 name=Day ordinal=2 value=Tue",
			"7\x00Day\x003": "organization_id=7 name=Day ordinal=3 value=Wed",
			"7\x00Bad\x001": `organization_id=7 name=Bad ordinal=1 value=\N _0value=a\u0000`,
			"7\x00Num\x001": "organization_id=7 name=Num ordinal=1 value=3",
		},
	}
	for table, rows := range want {
		if len(w.tables[table]) != len(rows) {
			t.Errorf("%s holds %q", table, w.tables[table])
		}
		for key, row := range rows {
			if got := strings.ReplaceAll(w.tables[table][key], "\x1e", " "); got != row {
				t.Errorf("%s: %q, want %q", table, got, row)
			}
		}
	}
	row := w.row(organizations, "7")
	for name, text := range map[string]string{
		"_2categories[2]": `{"categoryName":"no id"}`, "_2categories[3]": "5", "_2customFields[3]": `{"value":["x"]}`, "_2customFields[4].kind": "text",
	} {
		if row[name] != text {
			t.Errorf("%s is %q, want %q", name, row[name], text)
		}
	}
	if s.rows[1].Duplicates != 1 {
		t.Errorf("%d duplicates", s.rows[1].Duplicates)
	}
	w, _ = decoded(t, organizations, nil, `{"organizationId":7,"categories":{"a":1},"customFields":null}`)
	if row := w.row(organizations, "7"); row["_2categories"] != `{"a":1}` {
		t.Errorf("%q", row)
	}
}

func TestAnItemWithoutAKeyIsKeptApart(t *testing.T) {
	t.Parallel()
	for sent, rule := range map[string]string{
		`{"name":"a"}`: ruleKey.Error(), `{"organizationId":null}`: ruleKey.Error(), `{"organizationId":{}}`: ruleNested.Error(),
		`{"organizationId":"x"}`: extract.RuleInteger.Error(),
	} {
		_, s := decoded(t, organizations, nil, sent)
		if len(s.rejects) != 1 || s.rejects[0].Key != nil || s.rejects[0].Rule != rule || string(s.rejects[0].Raw) != sent || s.unread != 1 || len(s.keys) != 0 {
			t.Errorf("%s: %+v", sent, s.rejects)
		}
	}
}

func TestNothingSensitiveIsKeptBesideTheRow(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(`{"userId":1`)
	for _, f := range userList().fields {
		if f.sensitive {
			fmt.Fprintf(&b, `,%q:"canary",%q:{"value":"canary","more":"canary"}`, f.name, strings.ToUpper(f.name))
		}
	}
	b.WriteString("}")
	w, s := decoded(t, users, nil, b.String())
	if row := w.tables[users]["1"]; strings.Contains(row, "canary") {
		t.Errorf("kept: %q", row)
	}
	for _, r := range s.rejects {
		t.Errorf("rejected with its bytes: %s", r.Rule)
	}
}

func FuzzItem(f *testing.F) {
	for _, seed := range []string{
		`{"userId":1,"major":{"value":"Art"},"customFields":[{"name":"a","value":["b"]}]}`, `{"userId":"1","userId":2}`, `{}`, `{"userId":1,"x":"\ud800"}`,
		`{"userId":1,"lastLogin":"/Date(1)/","customFields":[[],{},{"name":[]}]}`,
	} {
		f.Add([]byte(seed))
	}
	l := layouts(Options{Resources: []string{users}})[0]
	f.Fuzz(func(t *testing.T, item []byte) {
		if _, items, err := readPage(slices.Concat([]byte(`{"pageNumber":1,"pageSize":1,"totalItems":1,"totalPages":1,"items":[`), item, []byte("]}"))); err != nil || len(items) != 1 {
			return
		}
		s := newSheet(l)
		if err := s.take(jsontext.Value(item)); err != nil {
			t.Fatal("an item of a page that could be read could not be")
		}
		if len(s.keys)+len(s.rejects)+len(s.deleted) != 1 {
			t.Error("an item is neither a row nor refused")
		}
		for _, r := range s.rows {
			for i := range r.Len() {
				for j, c := range r.Table.Columns {
					cell, ok := r.Cell(i, j)
					if again, err := extract.Append(nil, c.Type, cell); ok && (err != nil || string(again) != string(cell)) {
						t.Errorf("%s: not canonical (%v)", c.Name, err)
					}
				}
			}
			for _, n := range r.Notes() {
				if _, err := extract.AppendText(nil, []byte(n.Column+n.Value)); err != nil {
					t.Errorf("a note cannot be stored: %v", err)
				}
			}
		}
	})
}
