package redcap

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// cellsOf returns all cells of a text, copied.
func cellsOf(body string) ([][]string, *sheet, error) {
	s := new(sheet)
	if err := s.split([]byte(body)); err != nil {
		return nil, s, err
	}
	var rows [][]string
	for r := range s.len() {
		var row []string
		for c := range s.width(r) {
			row = append(row, string(s.cell(r, c)))
		}
		rows = append(rows, row)
	}
	return rows, s, nil
}

func TestCSVKeepsEveryByteOfACell(t *testing.T) {
	tests := []struct {
		body string
		want [][]string
		err  error
	}{
		{"", nil, nil},
		{"\n", nil, nil},
		{"a,b\n1,2\n", [][]string{{"a", "b"}, {"1", "2"}}, nil},
		{"a,b\r\n1,2\r\n", [][]string{{"a", "b"}, {"1", "2"}}, nil},
		{"a,b\n1,2", [][]string{{"a", "b"}, {"1", "2"}}, nil},
		{"a\n\"x\r\ny\"\n", [][]string{{"a"}, {"x\r\ny"}}, nil},
		{"a\n\"say \"\"hi\"\"\"\n", [][]string{{"a"}, {`say "hi"`}}, nil},
		{"a,b\n,\n", [][]string{{"a", "b"}, {"", ""}}, nil},
		{"a,b\n\"\",\"\"\r\n", [][]string{{"a", "b"}, {"", ""}}, nil},
		{"a\n x y \n", [][]string{{"a"}, {" x y "}}, nil},
		{"a\nb\"c\n", [][]string{{"a"}, {`b"c`}}, nil},
		{"a\n\"b\\\"c\"\n", [][]string{{"a"}, {`b\"c`}}, nil}, // PHP does not double a quote after a backslash
		{"a\n\"b\n", nil, errOpenQuote},
		{"a\n\"b\"c\n", nil, errAfterQuote},
	}
	for _, test := range tests {
		got, _, err := cellsOf(test.body)
		if !errors.Is(err, test.err) {
			t.Errorf("split %q: %v, want %v", test.body, err, test.err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("split %q:\n%s", test.body, diff)
		}
	}
}

func TestBlankSaysThatARangeOfCellsIsEmpty(t *testing.T) {
	_, s, err := cellsOf("a,,,d\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		first, end int
		want       bool
	}{{0, 4, false}, {1, 3, true}, {0, 1, false}, {1, 2, true}, {2, 4, false}} {
		if got := s.blank(0, test.first, test.end); got != test.want {
			t.Errorf("cells %d to %d blank: %t, want %t", test.first, test.end, got, test.want)
		}
	}
}

// FuzzCSV compares with encoding/csv, which turns CR LF inside quotes into LF and refuses bare quotes.
func FuzzCSV(f *testing.F) {
	for _, seed := range []string{"a,b\n1,2\n", "\"a\"\"\r\n\",b\r\n", "\n\n,\n", "a\r\r\n", "\"a\"\r", "a,\"\"", "\r"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		got, s, err := cellsOf(body)
		r := csv.NewReader(strings.NewReader(body))
		r.FieldsPerRecord = -1
		want, theirs := r.ReadAll()
		if theirs != nil {
			return
		}
		if err != nil {
			t.Fatalf("split refused what encoding/csv takes: %v", err)
		}
		for _, row := range got {
			for i := range row {
				row[i] = strings.ReplaceAll(row[i], "\r\n", "\n")
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%q:\n%s", body, diff)
		}
		for r := range s.len() {
			if !bytes.Contains([]byte(body), s.row(r)) {
				t.Fatal("a row is not part of the text")
			}
		}
	})
}

// FuzzBody sees that no bytes break what judges an answer.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{"", "[]", "<html>", "ERROR: x", `{"error":"y"}`, "\xEF\xBB\xBFa,b\n", `[{"record_id":"1"}]`, `[{"a":{"b":1}}]x`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		_, _ = checkBody([]byte(body))
		_ = eachObject([]byte(body), func(map[string]string) error { return nil })
		_, _ = oneObject([]byte(body))
		err := readIDs(strings.NewReader(body), "record_id", func(*idRow) bool { return true })
		if err == nil && !strings.HasSuffix(strings.TrimSpace(body), "]") {
			t.Fatal("a list of ids that does not end was believed")
		}
		if errors.Is(err, io.EOF) {
			t.Fatal("a cut list has the error of a whole one")
		}
	})
}
