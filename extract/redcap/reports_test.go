package redcap

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"syncd/extract"
	fake "syncd/internal/fake/redcap"
)

func reportsOf(ids ...int) func(*Config) { return options(Options{Reports: ids}) }

// reported serves a project and a report whose text the test changes.
func reported(t testing.TB, p *fake.Project, answer func() *canned) string {
	return replay(t, p, fake.Options{}, func(form url.Values) *canned {
		if form.Get("content") == "report" {
			return answer()
		}
		return nil
	})
}

func TestARecordedReportIsATableOfText(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile(filepath.Join(fixtures(t), "redcapr-report", "report-default.csv"))
	if err != nil {
		t.Fatal(err)
	}
	p := small(fake.Classic, 2)
	at := reported(t, p, func() *canned { return &canned{body: string(body)} })
	s := newStore(t)
	mustPull(t, source(t, at, p.Token(), reportsOf(5980)), s)
	row := func(n, id, height, status, address, ethnicity string) map[string]string {
		return map[string]string{"row": n, "record_id": id, "height": height, "health_complete": status, "address": address, "ethnicity": ethnicity}
	}
	wantRows(t, s, "_meta.report_5980", map[string]map[string]string{
		"1": row("1", "1", "7", "1", "14 Rose Cottage St.  Kenning UK, 323232", "1"),
		"2": row("2", "2", "6", "0", "14 Rose Cottage Blvd.  Kenning UK 34243", "1"),
		"3": row("3", "3", "180", "2", "243 Hill St.  Guthrie OK 73402", "0"),
		"4": row("4", "4", "165", "2", "342 Elm  Duncanville TX, 75116", "1"),
		"5": row("5", "5", "193.04", "0", "Hotel Suite  New Orleans LA, 70115", "2"),
	})
}

func TestReportsOfTheProjectAreReadAndNamed(t *testing.T) {
	t.Parallel()
	p := clinic(t, text("memo"), text("row"))
	add(t, p, "1", map[string]string{"memo": "a\r\nb, \"c\"", "row": "x"})
	add(t, p, "2", map[string]string{"memo": "", "row": "y"})
	one := p.AddReport(fake.Report{Title: "Memos", Fields: []string{"record_id", "memo", "row"}, Unique: "R-ONE"})
	two := p.AddReport(fake.Report{Title: "Ids", Fields: []string{"record_id"}, Unique: "R-TWO"})
	server, url := serve(t, fake.Options{}, p)
	s := newStore(t)
	structure, _ := mustPull(t, source(t, url, p.Token(), reportsOf(one, two)), s)
	if len(structure.Warnings) > 0 {
		t.Errorf("warnings %q", structure.Warnings)
	}
	first := s.rows("_meta.report_" + strconv.Itoa(one))
	if len(first) != 2 || first["1"]["memo"] != "a\r\nb, \"c\"" || first["2"]["record_id"] != "2" {
		t.Errorf("report %v", first)
	}
	if _, there := first["2"]["memo"]; there {
		t.Error("an empty cell is not NULL")
	}
	named := 0
	for _, table := range structure.Tables {
		if table.Name == "report_"+strconv.Itoa(one) {
			for _, c := range table.Columns {
				if c.Source == "row" && c.Name != "row" {
					named++
				}
			}
		}
	}
	if named != 1 {
		t.Error("a field that is called row has no column of its own")
	}
	if got := s.row("_meta.redcap_report", "R-ONE"); got["title"] != "Memos" || !strings.Contains(got["fields"], "memo") {
		t.Errorf("redcap_report %v", got)
	}
	for _, r := range server.Requests() {
		if r.Content == "report" && (r.Params.Get("rawOrLabel") != "raw" || r.Params.Get("decimalCharacter") != ".") {
			t.Errorf("a report was asked for by %v", r.Params)
		}
	}
}

func TestAReportIsReplacedWholeAndItsColumnsFollow(t *testing.T) {
	t.Parallel()
	p := small(fake.Classic, 2)
	text := "record_id,a,b\n1,x,y\n2,x,y\n3,x,y\n"
	at := reported(t, p, func() *canned { return &canned{body: text} })
	s := newStore(t)
	mustPull(t, source(t, at, p.Token(), reportsOf(12)), s)
	text = "c,record_id\nz,2\n"
	structure, _ := mustPull(t, source(t, at, p.Token(), reportsOf(12)), s)
	wantRows(t, s, "_meta.report_12", map[string]map[string]string{"1": {"row": "1", "c": "z", "record_id": "2"}})
	i := slices.IndexFunc(structure.Tables, func(t *extract.Table) bool { return t.Name == "report_12" })
	var columns []string
	for _, c := range structure.Tables[i].Columns {
		columns = append(columns, c.Name)
	}
	if diff := cmp.Diff([]string{"row", "c", "record_id"}, columns); diff != "" || len(structure.Tables[i].Unnamed) > 0 {
		t.Error(diff)
	}
}

func TestReportsThatCannotBeReadAreLeftAsStored(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		c     canned
		words string
	}{
		"unknown":    {canned{status: http.StatusBadRequest, body: `{"error":"The following values in the parameter \"report_id\" are not valid: '12'"}`}, "report 12 was not read: the server does not know it"},
		"no access":  {canned{status: http.StatusForbidden, body: `{"error":"You do not have permission to view this report"}`}, "report 12 was not read: the access to the report"},
		"too wide":   {canned{body: strings.Repeat("a,", reportColumns) + "b\n"}, "report 12 was not read: it has more than 1000 columns"},
		"no columns": {canned{body: "\n"}, "report 12 was not read: it is empty and shows no columns"},
	} {
		p := small(fake.Classic, 2)
		answer := &canned{body: "record_id\n1\n"}
		at := reported(t, p, func() *canned { return answer })
		s := newStore(t)
		mustPull(t, source(t, at, p.Token(), reportsOf(12)), s)
		answer = &test.c
		structure, _ := mustPull(t, source(t, at, p.Token(), reportsOf(12)), s)
		if s.count("_meta.report_12") != 1 {
			t.Errorf("%s: the stored rows are gone", name)
		}
		wantWarning(t, structure.Warnings, test.words)
	}
}

func TestABrokenReportFailsTheRunAndIsNotStored(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"ragged": "a,b\n1\n", "cut in quotes": "a,b\n1,\"2", "page": "<html>offline</html>", "error": `{"error":"REDCap ran into trouble"}`,
	} {
		p := small(fake.Classic, 2)
		at := reported(t, p, func() *canned { return &canned{body: body} })
		if _, err := source(t, at, p.Token(), reportsOf(12)).Describe(t.Context(), extract.Since{}); err == nil {
			t.Errorf("%s was taken for a report", name)
		}
	}
}

func TestAReportThatBecameEmptyIsEmptiedWhereItsColumnsAreRemembered(t *testing.T) {
	t.Parallel()
	p := clinic(t, text("memo"))
	add(t, p, "1", map[string]string{"memo": "x"})
	id := p.AddReport(fake.Report{Title: "Some", Fields: []string{"record_id", "memo"}, Logic: `[memo] = "x"`})
	s := newSite(t, p, fake.Options{Version: "17.4.1"}) // shows no columns where there are no rows
	s.must(false, reportsOf(id))
	table := "_meta.report_" + strconv.Itoa(id)
	if s.store.count(table) != 1 {
		t.Fatalf("%d rows, want 1", s.store.count(table))
	}
	if err := p.Set("1", "", "", 0, "memo", "other"); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the memory goes on
		s.night()
		s.must(false, reportsOf(id))
		if s.store.count(table) != 0 || len(s.last.Warnings) > 0 {
			t.Errorf("%d rows, warnings %q", s.store.count(table), s.last.Warnings)
		}
	}
}
