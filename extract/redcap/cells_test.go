package redcap

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"syncd/extract"
	fake "syncd/internal/fake/redcap"
)

// plainCall asks the API without any of the code under test.
func plainCall(t *testing.T, address, token string, pairs ...string) string {
	t.Helper()
	form := url.Values{"token": {token}, "returnFormat": {"json"}}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	resp, err := http.PostForm(address, form)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// sameCell reports whether a stored text may stand for what the server sent.
func sameCell(sent, stored string) bool {
	if sent == stored || sent+":00" == stored || "00:"+sent == stored || sent == "1" && stored == "t" || sent == "0" && stored == "f" {
		return true
	}
	a, errA := strconv.ParseFloat(sent, 64)
	b, errB := strconv.ParseFloat(stored, 64)
	return errA == nil && errB == nil && a == b
}

func TestEveryRecordedCellIsInItsPlace(t *testing.T) {
	rows, cells := 0, 0
	for name, p := range recorded(t) {
		_, address := serve(t, fake.Options{}, p)
		s := newStore(t)
		mustPull(t, source(t, address, p.Token()), s)

		var dictionary []map[string]string
		if err := json.Unmarshal([]byte(plainCall(t, address, p.Token(), "content", "metadata", "format", "json")), &dictionary); err != nil {
			t.Fatal(err)
		}
		form := map[string]string{}
		for _, f := range dictionary {
			form[f["field_name"]] = f["form_name"]
			form[f["form_name"]+"_complete"] = f["form_name"]
			form[f["form_name"]+"_timestamp"] = f["form_name"]
		}
		body := plainCall(t, address, p.Token(), "content", "record", "format", "csv", "type", "flat", "exportSurveyFields", "true",
			"exportDataAccessGroups", "true", "exportBlankForGrayFormStatus", "true", "decimalCharacter", ".")
		table, err := csv.NewReader(strings.NewReader(body)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		if len(table) == 0 {
			continue
		}
		header := table[0]
		for _, line := range table[1:] {
			rows++
			cells += checkLine(t, name, s, form, header, line)
		}
	}
	t.Logf("rows %d, cells %d", rows, cells)
}

// checkLine looks for every cell of a line that says something.
func checkLine(t *testing.T, name string, s *store, form map[string]string, header, line []string) (cells int) {
	t.Helper()
	event, only, instance := "", "", "1"
	for i, h := range header {
		switch {
		case h == eventColumn:
			event = line[i]
		case h == instrumentColumn:
			only = line[i]
		case h == instanceColumn && line[i] != "":
			instance = line[i]
		}
	}
	for i, h := range header {
		field, _, _ := strings.Cut(h, "___")
		in := form[field]
		if line[i] == "" || i == 0 || in == "" {
			continue
		}
		row := s.row("."+in, line[0], event, instance)
		box := h != field
		switch {
		case row == nil && (box && line[i] == "0" || only != "" && only != in):
			continue // nothing that makes a row
		case row == nil:
			if !calculated(s, in, h) {
				t.Errorf("%s: record row of %s is missing although %s says something", name, in, h)
			}
			continue
		}
		cells++
		stored := row[extract.PostgresName(h)]
		if stored == "" {
			stored = row["0:"+h] + row["1:"+h]
		}
		if !sameCell(line[i], stored) {
			t.Errorf("%s: %s.%s: stored %q for what was sent as %q", name, in, h, stored, line[i])
		}
	}
	return cells
}

// calculated reports whether a column says so in its comment: such a value alone makes no row.
func calculated(s *store, table, column string) bool {
	if s.tables["."+table] == nil {
		return true
	}
	for _, c := range s.tables["."+table].table.Columns {
		if c.Source == column {
			return strings.Contains(c.Comment, "Calculation: ")
		}
	}
	return false
}
